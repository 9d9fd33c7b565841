"""`review`: what is merged, what is refused, and what select, scan and adapt make of it."""

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deftclean
from deftclean.adaptation.training_rows import LabelChoice, training_rows
from deftclean.core.errors import InputError, UsageError
from deftclean.data.manifest import read_manifest
from deftclean.data.options import ManifestOptions
from deftclean.reports.review_file import COLUMNS
from deftclean.table.scores import METADATA_KEY, noise_rate, read_scores, write_scores
from tests.support.commands import run_cli
from tests.support.scored import NAMES, Scored, make_suspects, score_table


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    return make_suspects(tmp_path / "scored")


def line(
    scored: Scored, row: int, decision: str, label: str = "", /, **more: str
) -> dict[str, str]:
    entry = pq.read_table(scored.table).to_pylist()[row]
    return {
        "row": str(row),
        "file_name": entry["file_name"],
        "content_sha256": entry["content_sha256"],
        "given_label": entry["given_label"],
        "decision": decision,
        "final_label": label,
        "reviewer": "Ada",
        "reviewed_at": "2026-01-02T03:04:05Z",
        **more,
    }


def write_review(path: Path, lines: Sequence[dict[str, str]], delimiter: str = ",") -> Path:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(lines)
    path.write_bytes(text.getvalue().encode())
    return path


def merged(scored: Scored, path: Path, *lines: dict[str, str]) -> deftclean.ReviewResult:
    review = write_review(path.with_suffix(".csv"), lines)
    return deftclean.review(scored.table, review, output=path)


def rows_of(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def test_decisions_go_into_keep_and_final_label(scored: Scored, tmp_path: Path) -> None:
    # Rows 0 to 3 are kept by the rule. Given: apple, leaf, ocean, in turn.
    result = merged(
        scored,
        tmp_path / "r.parquet",
        line(scored, 4, "keep"),
        line(scored, 5, "relabel", "apple"),
        line(scored, 6, "drop"),
        line(scored, 0, "drop", reviewer="", reviewed_at=""),
        line(scored, 1, "keep", "leaf"),
    )
    rows = rows_of(tmp_path / "r.parquet")
    assert [r["keep"] for r in rows] == [False, True, True, True, True, True, *[False] * 6]
    assert [r["final_label"] for r in rows] == [
        None, "leaf", "ocean", "apple", "leaf", "apple", *[None] * 6,
    ]  # fmt: skip
    assert [r["review_decision"] for r in rows[:7]] == [
        "drop", "keep", None, None, "keep", "relabel", "drop",
    ]  # fmt: skip
    assert (rows[5]["reviewed_by"], rows[5]["reviewed_at"]) == ("Ada", "2026-01-02T03:04:05Z")
    assert (rows[0]["reviewed_by"], rows[0]["reviewed_at"]) == (None, None)
    assert rows[2]["reviewed_by"] is None
    assert (result.merged, result.reviewed.rows, result.summary.kept) == (5, 5, 5)

    made = read_scores(tmp_path / "r.parquet")
    assert made.metadata["reviewed"] == {"rows": 5, "kept": 2, "relabelled": 1, "dropped": 2}
    assert made.metadata["noise_rate"] == noise_rate(made.table) == 7 / 12
    before = read_scores(scored.table)
    untouched = [name for name in before.table.column_names if name != "keep"]
    assert made.table.select(untouched).equals(before.table.select(untouched))


def test_adapt_trains_on_what_was_decided(scored: Scored, tmp_path: Path) -> None:
    merged(
        scored,
        tmp_path / "r.parquet",
        line(scored, 4, "keep"),
        line(scored, 5, "relabel", "leaf"),
        line(scored, 0, "drop"),
    )
    reviewed = read_scores(tmp_path / "r.parquet")
    found = training_rows(reviewed, scored.table, LabelChoice(None, 0, True, False))
    assert found.source == "final"
    labels = {int(row): NAMES[found.labels[row]] for row in found.chosen}
    assert labels == {1: "leaf", 2: "ocean", 3: "apple", 4: "leaf", 5: "leaf"}
    # What a person decided has full weight, also where the label was only confirmed.
    assert found.weights[[1, 4, 5]].tolist() == [0.75, 1.0, 1.0]


def test_merging_twice_and_in_two_steps(scored: Scored, tmp_path: Path) -> None:
    first = write_review(tmp_path / "1.csv", [line(scored, 4, "keep"), line(scored, 5, "drop")])
    second = write_review(
        tmp_path / "2.csv", [line(scored, 5, "relabel", "apple"), line(scored, 8, "drop")]
    )
    for name, source, review in [
        ("a", scored.table, first),
        ("b", tmp_path / "a.parquet", first),
        ("c", tmp_path / "b.parquet", second),
    ]:
        deftclean.review(source, review, output=tmp_path / f"{name}.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    rows = rows_of(tmp_path / "c.parquet")
    assert [rows[i]["review_decision"] for i in (4, 5, 8)] == ["keep", "relabel", "drop"]
    assert [rows[i]["final_label"] for i in (4, 5, 8)] == ["leaf", "apple", None]
    assert read_scores(tmp_path / "c.parquet").metadata["reviewed"]["rows"] == 3


def test_of_several_lines_about_a_row_the_last_counts(scored: Scored, tmp_path: Path) -> None:
    result = merged(
        scored,
        tmp_path / "r.parquet",
        line(scored, 9, "drop"),
        line(scored, 4, "keep"),
        line(scored, 9, "relabel", "ocean"),
        line(scored, 4, "drop"),
    )
    assert (result.merged, result.repeated) == (2, 2)
    rows = rows_of(tmp_path / "r.parquet")
    assert (rows[9]["final_label"], rows[4]["keep"]) == ("ocean", False)


def test_select_leaves_decisions_alone(scored: Scored, tmp_path: Path) -> None:
    merged(
        scored,
        tmp_path / "r.parquet",
        line(scored, 4, "keep"),
        line(scored, 9, "relabel", "ocean"),
        line(scored, 10, "drop"),
    )
    deftclean.select(
        tmp_path / "r.parquet", output=tmp_path / "s.parquet", rule="threshold", threshold=0.5
    )
    rows = rows_of(tmp_path / "s.parquet")
    # By the threshold alone rows 8 to 11 would be kept, and row 4 would not.
    assert [r["keep"] for r in rows[4:]] == [
        True, False, False, False, True, True, False, True,
    ]  # fmt: skip
    assert [r["final_label"] for r in rows[8:]] == ["ocean", "ocean", None, "ocean"]
    made = read_scores(tmp_path / "s.parquet")
    assert made.metadata["rule"] == "threshold"
    assert made.metadata["reviewed"]["rows"] == 3
    assert made.metadata["noise_rate"] == noise_rate(made.table) == 4 / 12


def test_another_scan_reads_what_was_decided(scored: Scored, tmp_path: Path) -> None:
    merged(
        scored,
        tmp_path / "r.parquet",
        line(scored, 4, "keep"),
        line(scored, 5, "relabel", "apple"),
        line(scored, 6, "drop"),
    )
    manifest = read_manifest(tmp_path / "r.parquet", None, ManifestOptions())
    assert manifest.columns.column_names == []
    review = manifest.review
    assert review is not None
    assert review.rows == 3
    rows = review.columns.to_pylist()
    assert [row["review_decision"] for row in rows[4:7]] == ["keep", "relabel", "drop"]
    assert rows[5]["final_label"] == "apple"

    # Of pictures that have changed since, nothing was decided.
    hashes = manifest.review.sha256.to_pylist()
    hashes[5] = "00" * 32
    same = review.of_same_pictures(pa.array(hashes))
    assert same.rows == 2
    assert same.columns.to_pylist()[5] == dict.fromkeys(rows[5])
    assert same.digest != review.digest


@pytest.mark.parametrize(("mark", "bom"), [(",", b""), (";", b"\xef\xbb\xbf"), ("\t", b"")])
def test_what_spreadsheets_write_is_read(
    scored: Scored, tmp_path: Path, mark: str, bom: bytes
) -> None:
    review = write_review(
        tmp_path / "x.csv",
        [line(scored, 4, " Keep "), line(scored, 5, "RELABEL", "apple", row=" 5")],
        mark,
    )
    review.write_bytes(bom + review.read_bytes() + b"\r\n")
    result = deftclean.review(scored.table, review, output=tmp_path / "r.parquet")
    assert result.merged == 2


def test_a_table_of_others_is_refused_with_counts(scored: Scored, tmp_path: Path) -> None:
    lines = [
        line(scored, 4, "keep"),
        line(scored, 5, "keep", content_sha256="00"),
        line(scored, 6, "keep", given_label="leaf"),
        line(scored, 7, "keep", row="999"),
        line(scored, 8, "keep", row="eight"),
    ]
    with pytest.raises(InputError, match=r"4 of its 5 lines are about other rows") as caught:
        merged(scored, tmp_path / "r.parquet", *lines)
    assert "(lines 3, 4, 5 and 1 more: 5.png, 6.png, 7.png and 1 more)" in caught.value.message
    assert not (tmp_path / "r.parquet").exists()


def test_all_problems_are_told_together(scored: Scored, tmp_path: Path) -> None:
    lines = [
        line(scored, 4, "kep"),
        line(scored, 5, "relabel", "aple"),
        line(scored, 6, "relabel"),
        line(scored, 7, "keep", "apple"),
        line(scored, 8, "drop", "leaf"),
        line(scored, 9, "keep"),
    ]
    with pytest.raises(InputError) as caught:
        merged(scored, tmp_path / "r.parquet", *lines)
    for text in (
        "none of keep, relabel, drop (line 2: 'kep')",
        "relabel without a final_label (line 4)",
        "final_label is no class of the table (one that is meant to be new: "
        "--new-class NAME) (line 3: 'aple')",
        "keep with another final_label (line 5: 'apple')",
        "drop with a final_label (line 6: 'leaf')",
    ):
        assert text in caught.value.message


def test_rows_that_were_not_scored_cannot_be_decided_about(tmp_path: Path) -> None:
    rows = [{"status": "missing", "content_sha256": "aa", "given_label": "leaf"}]
    write_scores(score_table(rows), tmp_path / "x.parquet", tmp_path, overwrite=False)
    scored = Scored(tmp_path, tmp_path / "x.parquet", [])
    with pytest.raises(InputError, match=r"was not scored.*\(line 2: 'missing'\)"):
        merged(scored, tmp_path / "r.parquet", line(scored, 0, "keep"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"row,decision\n1,keep\n", "lacks the columns file_name, content_sha256"),
        (",".join(COLUMNS).encode() + b"\n", "holds no decision"),
        ("row;Entscheidung\n1;für\n".encode("latin-1"), "cannot be read"),
    ],
)
def test_files_that_are_no_review(
    scored: Scored, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        deftclean.review(scored.table, tmp_path / "x.csv", output=tmp_path / "r.parquet")
    with pytest.raises(InputError, match="is not a file"):
        deftclean.review(scored.table, tmp_path / "y.csv", output=tmp_path / "r.parquet")


def test_columns_of_the_input_are_never_overwritten(tmp_path: Path) -> None:
    rows = [{"final_label": "mine", "given_label": "leaf", "content_sha256": "aa"}]
    write_scores(score_table(rows), tmp_path / "x.parquet", tmp_path, overwrite=False)
    scored = Scored(tmp_path, tmp_path / "x.parquet", [])
    with pytest.raises(InputError, match="columns of its own that a review would write") as caught:
        merged(scored, tmp_path / "r.parquet", line(scored, 0, "drop"))
    assert "--rename final_label=input_final_label" in caught.value.hint


def test_an_existing_output_is_refused_first(scored: Scored, tmp_path: Path) -> None:
    (tmp_path / "r.parquet").write_text("old")
    with pytest.raises(UsageError, match="exists already"):
        deftclean.review(scored.table, tmp_path / "none.csv", output=tmp_path / "r.parquet")
    with pytest.raises(UsageError, match="is Parquet"):
        deftclean.review(scored.table, tmp_path / "none.csv", output=tmp_path / "r.csv")


def test_through_the_command_line(scored: Scored, tmp_path: Path) -> None:
    write_review(tmp_path / "review.csv", [line(scored, 4, "keep"), line(scored, 4, "drop")])
    done = run_cli(
        "review", scored.table, "review.csv", "-o", scored.table, "--overwrite", cwd=tmp_path
    )
    assert done.returncode == 2
    assert "is the input itself" in done.stderr
    made = scored.table.with_name("r.parquet")
    done = run_cli("review", scored.table, "review.csv", "-o", made, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "merged         1 decisions" in done.stdout
    assert "repeated       1 lines" in done.stdout
    metadata = json.loads(pq.read_schema(made).metadata[METADATA_KEY])
    assert metadata["image_root"] == "images"
    done = run_cli("review", scored.table, "none.csv", "-o", "x.parquet", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")


guarded = re.compile(r"'*[=+\-@\t\r]")
texts = st.text(st.sampled_from("=+-@'\t\r\n,;\"aé "), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(label=texts, other=texts)
def test_every_label_comes_back_from_a_guarded_cell(label: str, other: str) -> None:
    """The page's guard and its removal, as `report.js` writes it."""
    import tempfile

    if not (label.strip() and other.strip()) or label == other:
        return
    guard = {text: f"'{text}" if guarded.match(text) else text for text in (label, other)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [{"given_label": label, "content_sha256": "aa", "clean_prob": 0.1}]
        write_scores(score_table(rows, (label, other)), folder / "x.parquet", folder, False)
        scored = Scored(folder, folder / "x.parquet", [])
        cells = line(scored, 0, "relabel", guard[other], given_label=guard[label])
        merged(scored, folder / "r.parquet", cells)
        assert rows_of(folder / "r.parquet")[0]["final_label"] == other


def test_a_large_table_in_two_steps_is_the_same_bytes(tmp_path: Path) -> None:
    """More rows than a row group holds: the layout in memory does not matter."""
    count = 70_000
    rows = [
        {"given_label": NAMES[i % 3], "content_sha256": f"{i:x}", "clean_prob": 0.25}
        for i in range(count)
    ]
    write_scores(score_table(rows), tmp_path / "x.parquet", tmp_path, overwrite=False)
    scored = Scored(tmp_path, tmp_path / "x.parquet", [])
    entries = np.arange(0, count, 7)
    lines = [
        {
            **dict.fromkeys(COLUMNS, ""),
            "row": str(i),
            "content_sha256": f"{i:x}",
            "given_label": NAMES[i % 3],
            "decision": "keep",
        }
        for i in entries.tolist()
    ]
    merged(scored, tmp_path / "a.parquet", *lines)
    deftclean.review(tmp_path / "a.parquet", tmp_path / "a.csv", output=tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert read_scores(tmp_path / "b.parquet").metadata["reviewed"]["kept"] == len(entries)


def test_a_new_class_is_taken_where_it_is_named(scored: Scored, tmp_path: Path) -> None:
    review = write_review(tmp_path / "review.csv", [line(scored, 4, "relabel", "lynx")])
    done = run_cli("review", scored.table, review, "-o", "a.parquet", cwd=tmp_path)
    assert done.returncode == 2
    assert "--new-class NAME" in done.stderr
    more = ("--new-class", "lynx", "-o", "a.parquet")
    done = run_cli("review", scored.table, review, *more, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert rows_of(tmp_path / "a.parquet")[4]["final_label"] == "lynx"
    # From now on it is one of the labels that there are.
    again = write_review(tmp_path / "more.csv", [line(scored, 5, "relabel", "lynx")])
    done = run_cli("review", "a.parquet", again, "-o", "b.parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
