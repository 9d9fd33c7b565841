"""What people decided in Label Studio and FiftyOne comes back through `review`."""

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import deftclean
from deftclean.core.errors import InputError
from tests.support.commands import run_cli
from tests.support.scored import Scored, make_suspects

Made = dict[int, Mapping[str, Any]]
# Given labels of rows 4 to 8: leaf, ocean, apple, leaf, ocean.
WISHES: Made = {
    4: {"label": "leaf"}, 5: {"label": "apple"}, 6: {"drop": True}, 8: {"label": "leaf"},
}  # fmt: skip
DECIDED = {4: ("keep", "leaf"), 5: ("relabel", "apple"), 6: ("drop", None), 8: ("relabel", "leaf")}
STAMP = "2026-01-02T03:04:05.000000Z"


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    """Rows 0 to 3 are kept, 4 to 11 flagged."""
    return make_suspects(tmp_path / "scored")


def exported(scored: Scored, folder: Path, to: str) -> Any:
    """What `export` writes for a tool."""
    done = run_cli("export", scored.table, "--to", to, "-o", folder, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    name = "tasks.json" if to == "label-studio" else "samples.json"
    return json.loads((folder / name).read_text(encoding="utf-8"))


def results(wish: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The regions of an annotation, as Label Studio writes them."""
    chosen = {
        "label": [wish["label"]] if isinstance(wish.get("label"), str) else wish.get("label", []),
        "drop": ["Leave this picture out"] if wish.get("drop") else [],
    }
    return [
        {"id": "x", "from_name": name, "to_name": "image", "type": "choices",
         "value": {"choices": labels}, "origin": "manual"}
        for name, labels in chosen.items() if labels
    ]  # fmt: skip


def annotation(wish: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": 7, "completed_by": {"id": 1, "email": "ada@example.org"}, "result": results(wish),
        "was_cancelled": False, "ground_truth": False, "created_at": STAMP, "updated_at": STAMP,
        "lead_time": 2.5, **more,
    }  # fmt: skip


def as_json(tasks: Any, wishes: Made) -> str:
    """As Label Studio exports JSON: the tasks, each with its annotations."""
    made = [
        {"id": 100 + at, "annotations": [annotation(wishes[row])] if row in wishes else [],
         "file_upload": "", "predictions": [], "data": task["data"], "meta": {}, "project": 1}
        for at, task in enumerate(tasks) for row in [task["data"]["row"]]
    ]  # fmt: skip
    return json.dumps(made)


def records(tasks: Any, wishes: Made) -> list[dict[str, Any]]:
    made = []
    for at, task in enumerate(tasks):
        wish = wishes.get(task["data"]["row"])
        record = {**task["data"], "id": 100 + at, "annotator": None, "annotation_id": None}
        if wish is not None:
            record |= {"annotator": "ada@example.org", "annotation_id": 7, "updated_at": STAMP}
            label = wish.get("label")
            record |= {"label": {"choices": label} if isinstance(label, list) else label}
            record |= {"drop": "Leave this picture out"} if wish.get("drop") else {}
            record = {name: value for name, value in record.items() if value is not None}
        made.append(record)
    return made


def as_json_min(tasks: Any, wishes: Made) -> str:
    return json.dumps(records(tasks, wishes), indent=2)


def as_csv(tasks: Any, wishes: Made) -> str:
    """As Label Studio exports CSV: objects are JSON in a cell, what is not there is empty."""
    import io

    made = records(tasks, wishes)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, sorted({name for record in made for name in record}))
    writer.writeheader()
    for record in made:
        cells = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in record.items()}
        writer.writerow(cells)
    return text.getvalue()


def samples_with(samples: Any, wishes: Made, how: str = "ground_truth") -> Any:
    """As FiftyOne exports samples that people have changed."""
    for sample in samples["samples"]:
        row = sample["row"]
        sample |= {"_id": {"$oid": "65"}, "_media_type": "image", "_rand": 0.5}
        sample["filepath"] = f"data/{row}.png"
        wish = wishes.get(row, {})
        if wish.get("drop") or wish.get("label") == sample["given_label"]:
            sample["tags"].append("drop" if wish.get("drop") else "keep")
        elif wish:
            sample[how] = {"_cls": "Classification", "label": wish["label"], "tags": []}
    return samples


FORMS: dict[str, Callable[[Any, Made], str]] = {
    "results.json": as_json, "min.json": as_json_min, "results.csv": as_csv,
}  # fmt: skip


def decided(table: Path) -> dict[int, tuple[str, str | None]]:
    return {
        row["row"]: (row["review_decision"], row["final_label"])
        for row in pq.read_table(table).to_pylist()
        if row["review_decision"] is not None
    }


@pytest.mark.parametrize("name", FORMS)
def test_label_studio_results_are_merged(name: str, scored: Scored, tmp_path: Path) -> None:
    tasks = exported(scored, tmp_path / "ls", "label-studio")
    (tmp_path / name).write_text(FORMS[name](tasks, WISHES), encoding="utf-8")
    done = run_cli("review", scored.table, name, "-o", "scored/r.parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "merged         4 decisions" in done.stdout
    assert "undecided      4" in done.stdout
    made = scored.table.with_name("r.parquet")
    assert decided(made) == DECIDED
    row = pq.read_table(made).to_pylist()[5]
    assert (row["reviewed_by"], row["reviewed_at"]) == ("ada@example.org", STAMP)


@pytest.mark.parametrize("how", ["ground_truth", "final_label"])
def test_fiftyone_results_are_merged(how: str, scored: Scored, tmp_path: Path) -> None:
    samples = samples_with(exported(scored, tmp_path / "fo", "fiftyone"), WISHES, how)
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "samples.json").write_text(json.dumps(samples), encoding="utf-8")
    for given in ("back", "back/samples.json"):
        done = run_cli(
            "review", scored.table, given, "-o", "scored/r.parquet", "--overwrite", cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert decided(scored.table.with_name("r.parquet")) == DECIDED


def test_the_tag_relabel_takes_the_suggestion(scored: Scored, tmp_path: Path) -> None:
    samples = exported(scored, tmp_path / "fo", "fiftyone")
    samples["samples"][4]["predictions"]["tags"] = ["relabel"]
    (tmp_path / "samples.json").write_text(json.dumps(samples))
    deftclean.review(scored.table, tmp_path / "samples.json", output=tmp_path / "r.parquet")
    suggested = pq.read_table(scored.table)["suggested_label"][4].as_py()
    assert decided(tmp_path / "r.parquet") == {4: ("relabel", suggested)}


def test_what_was_decided_before_is_no_new_decision(scored: Scored, tmp_path: Path) -> None:
    first = samples_with(exported(scored, tmp_path / "a", "fiftyone"), {5: {"label": "apple"}})
    (tmp_path / "a.json").write_text(json.dumps(first))
    made = scored.table.with_name("r.parquet")
    deftclean.review(scored.table, tmp_path / "a.json", output=made)
    again = exported(Scored(scored.images, made, []), tmp_path / "b", "fiftyone")
    (tmp_path / "b.json").write_text(json.dumps(again))
    with pytest.raises(InputError, match="holds no decision") as caught:
        deftclean.review(made, tmp_path / "b.json", output=tmp_path / "x.parquet")
    assert "tag samples keep" in caught.value.hint


def merge_json(scored: Scored, tasks: Any, path: Path) -> deftclean.ReviewResult:
    path.with_suffix(".json").write_text(json.dumps(tasks), encoding="utf-8")
    return deftclean.review(scored.table, path.with_suffix(".json"), output=path)


def test_skipped_and_empty_annotations_decide_nothing(scored: Scored, tmp_path: Path) -> None:
    tasks = json.loads(as_json(exported(scored, tmp_path / "ls", "label-studio"), {}))
    tasks[0]["annotations"] = [annotation({"label": "leaf"}, was_cancelled=True)]
    tasks[1]["annotations"] = [annotation({})]
    with pytest.raises(InputError, match="holds no decision") as caught:
        merge_json(scored, tasks, tmp_path / "r.parquet")
    assert "Label Studio" in caught.value.hint
    row = tasks[2]["data"]["row"]
    tasks[2]["annotations"] = [annotation({"drop": True})]
    result = merge_json(scored, tasks, tmp_path / "r.parquet")
    assert (result.merged, result.undecided) == (1, 7)
    assert decided(tmp_path / "r.parquet") == {row: ("drop", None)}


def test_people_who_disagree_are_told_and_ground_truth_settles(
    scored: Scored, tmp_path: Path
) -> None:
    tasks = json.loads(as_json(exported(scored, tmp_path / "ls", "label-studio"), {}))
    answers = [annotation({"label": "leaf"}), annotation({"label": "apple"})]
    tasks[3]["annotations"] = answers
    with pytest.raises(InputError, match=r"in different ways \(tasks 103, 103\)") as caught:
        merge_json(scored, tasks, tmp_path / "r.parquet")
    assert caught.value.hint == "Correct these tasks, or decide again in Label Studio."
    answers[1]["ground_truth"] = True
    merge_json(scored, tasks, tmp_path / "r.parquet")
    label = tasks[3]["data"]["given_label"]
    expected = ("keep" if label == "apple" else "relabel", "apple")
    assert decided(tmp_path / "r.parquet") == {tasks[3]["data"]["row"]: expected}


def test_answers_about_other_rows_pictures_or_labels_are_refused(
    scored: Scored, tmp_path: Path
) -> None:
    tasks = exported(scored, tmp_path / "ls", "label-studio")
    wishes = {task["data"]["row"]: {"drop": True} for task in tasks}
    for at, (name, value) in enumerate(
        {"row": 3, "file_name": "z.png", "content_sha256": "00", "given_label": "ape"}.items()
    ):
        tasks[at]["data"][name] = value
    made = json.loads(as_json(tasks, {**wishes, 3: {"drop": True}}))
    del made[4]["data"]["content_sha256"]  # exported by an older version: the rest is compared
    with pytest.raises(InputError, match="4 of its 8 tasks are about other rows") as caught:
        merge_json(scored, made, tmp_path / "r.parquet")
    assert "(tasks 100, 101, 102 and 1 more:" in caught.value.message
    assert "the tasks were exported from" in caught.value.hint


def test_answers_that_cannot_be_are_told_together(scored: Scored, tmp_path: Path) -> None:
    samples = exported(scored, tmp_path / "fo", "fiftyone")
    there = samples["samples"]
    there[4]["tags"] += ["keep", "drop"]
    there[5]["ground_truth"]["label"] = "aple"
    there[6]["tags"] += ["keep"]
    there[6]["ground_truth"]["label"] = "ocean"
    there[7]["ground_truth"]["label"] = "ocean"
    there[7]["final_label"] = {"_cls": "Classification", "label": "apple"}
    (tmp_path / "s.json").write_text(json.dumps(samples))
    with pytest.raises(InputError) as caught:
        deftclean.review(scored.table, tmp_path / "s.json", output=tmp_path / "r.parquet")
    for text in (
        "the tags say several things (sample 5)",
        "final_label is no class of the table (one that is meant to be new: "
        "--new-class NAME) (sample 6: 'aple')",
        "keep with another final_label (sample 7: 'ocean')",
        "have both been changed, and differ (sample 8)",
    ):
        assert text in caught.value.message
    tasks = json.loads(as_json(exported(scored, tmp_path / "ls", "label-studio"), {}))
    tasks[0]["annotations"] = [annotation({"label": ["leaf", "apple"]})]
    tasks[1]["annotations"] = [annotation({"label": "leaf", "drop": True})]
    with pytest.raises(InputError) as caught:
        merge_json(scored, tasks, tmp_path / "r.parquet")
    assert "several labels are chosen (task 100)" in caught.value.message
    assert "drop with a final_label (task 101: 'leaf')" in caught.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "no list of tasks or samples"),
        ('{"images": []}', "no list of tasks or samples"),
        ('[{"image": "x.png"}]', "neither tasks with `data` nor samples"),
        ("[{", "no JSON document"),
        ("[" * 100_000, "no JSON document"),
        ("[]", "holds no decision"),
        ('[{"data": 1, "annotations": 7}]', "holds no decision"),
        (
            '[{"data": {}, "annotations": [3, {"result": [null, {"from_name": []}]}]}]',
            "no decision",
        ),
        ('{"samples": [{"tags": {"keep": 1}, "ground_truth": [7]}, {"row": []}]}', "no decision"),
        ('{"samples": [{"tags": ["keep"], "row": [1]}]}', "1 of its 1 samples are about other"),
    ],
)
def test_json_that_is_something_else(
    text: str, message: str, scored: Scored, tmp_path: Path
) -> None:
    (tmp_path / "x.json").write_text(text)
    done = run_cli("review", scored.table, "x.json", "-o", "r.parquet", cwd=tmp_path)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())


def test_the_tasks_themselves_hold_no_decision(scored: Scored, tmp_path: Path) -> None:
    exported(scored, tmp_path / "ls", "label-studio")
    with pytest.raises(InputError, match="holds no decision"):
        deftclean.review(scored.table, tmp_path / "ls/tasks.json", output=tmp_path / "r.parquet")


def test_the_same_answers_give_the_same_bytes_as_a_report(scored: Scored, tmp_path: Path) -> None:
    """Other tools say nothing that review.csv could not: one table comes out of both."""
    tasks = exported(scored, tmp_path / "ls", "label-studio")
    (tmp_path / "a.json").write_text(as_json(tasks, WISHES))
    deftclean.review(scored.table, tmp_path / "a.json", output=tmp_path / "a.parquet")
    told = {task["data"]["row"]: task["data"] for task in tasks}
    with (tmp_path / "b.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        names = ["row", "file_name", "content_sha256", "given_label"]
        writer.writerow([*names, "decision", "final_label", "reviewer", "reviewed_at"])
        for row, (decision, label) in DECIDED.items():
            cells = [told[row][name] for name in names]
            writer.writerow([*cells, decision, label or "", "ada@example.org", STAMP])
    deftclean.review(scored.table, tmp_path / "b.csv", output=tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
