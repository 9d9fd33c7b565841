"""`corrupt` through the command line and from Python: what it writes, what it refuses."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import deftclean
from deftclean.core.errors import InputError, UsageError
from deftclean.data.manifest import read_manifest
from deftclean.data.options import ManifestOptions
from deftclean.datasets.corrupt import corrupt
from deftclean.datasets.options import NoiseOptions
from tests.support.commands import run_cli
from tests.support.pictures import encode, noise
from tests.support.processes import run_code

INSTANCE = ("--noise", "instance-dependent", "--ratio", "0.5")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_command_writes_labels_and_truth(folder, labels, tmp_path):
    done = run_cli(
        "corrupt", "data", "labels.csv", "--noise", "symmetric", "--ratio", "0.4", "--seed", "1",
        "-o", "noisy.csv", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    before, after = rows_of(labels), rows_of(tmp_path / "noisy.csv")
    truth = rows_of(tmp_path / "noisy.truth.csv")
    assert list(after[0]) == ["file_name", "label", "split"]
    assert list(truth[0]) == ["file_name", "true_label", "wrong"]
    assert [row["true_label"] for row in truth] == [row["label"] for row in before]
    changed = [new["label"] != old["label"] for new, old in zip(after, before, strict=True)]
    assert [row["wrong"] == "true" for row in truth] == changed
    assert 8 <= sum(changed) <= 24
    assert all(row["split"] == "007" for row in after)
    assert f"wrong labels   {sum(changed)}" in done.stdout
    assert "next           deftclean scan data noisy.csv" in done.stdout

    first = (tmp_path / "noisy.csv").read_bytes()
    again = run_cli(
        "corrupt", "data", "labels.csv", "--ratio", "0.4", "--seed", "1", "-o", "noisy.csv",
        cwd=tmp_path,
    )  # fmt: skip
    assert again.returncode == 2
    assert "exists already" in again.stderr
    again = run_cli(
        "corrupt", "data", "labels.csv", "--ratio", "0.4", "--seed", "1", "-o", "noisy.csv",
        "--overwrite", cwd=tmp_path,
    )  # fmt: skip
    assert again.returncode == 0
    assert (tmp_path / "noisy.csv").read_bytes() == first
    # What was written is what `scan` reads.
    read = read_manifest(folder, tmp_path / "noisy.csv", ManifestOptions())
    assert read.given_labels.to_pylist() == [row["label"] for row in after]


def test_torch_is_not_loaded(folder, labels, tmp_path):
    code = (
        "import sys, deftclean; deftclean.corrupt('data', 'labels.csv', options="
        "deftclean.NoiseOptions('instance-dependent', 0.3, workers=0)); "
        "print('torch' in sys.modules)"
    )
    done = run_code(code, cwd=tmp_path)
    assert done.stdout.strip() == "False"


def test_a_folder_alone_and_workers_that_change_nothing(folder, tmp_path):
    one = run_cli("corrupt", "data", *INSTANCE, "-o", "a.csv", "--workers", "0", cwd=tmp_path)
    two = run_cli("corrupt", "data", *INSTANCE, "-o", "b.csv", "--workers", "2", cwd=tmp_path)
    assert (one.returncode, two.returncode) == (0, 0), one.stderr + two.stderr
    assert "pictures of 40 x 40 pixels" in one.stdout
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert list(rows_of(tmp_path / "a.csv")[0]) == ["file_name", "label"]
    wrong = [row["wrong"] for row in rows_of(tmp_path / "a.truth.csv")]
    assert 15 <= wrong.count("true") <= 45


def test_the_default_output_has_the_inputs_ending(folder, labels, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps(row) for row in rows_of(labels)]
    (tmp_path / "labels.jsonl").write_text("\n".join(lines))
    made = corrupt("data", "labels.jsonl", options=NoiseOptions(ratio=0.5))
    assert made.output == Path("noisy.jsonl")
    first = json.loads(Path("noisy.jsonl").read_text().splitlines()[0])
    assert list(first) == ["file_name", "label", "split"]
    assert json.loads(Path("noisy.truth.jsonl").read_text().splitlines()[0])["wrong"] in (
        True,
        False,
    )


def test_pictures_that_cannot_be_read_keep_their_labels(folder, labels, tmp_path):
    for picture in sorted(folder.rglob("*.png"))[:20]:
        picture.write_bytes(b"broken")
    with labels.open("a") as file:
        file.write("gone.png,apple,x\n../outside.png,apple,x\n")
    made = corrupt(folder, labels, output=tmp_path / "n.csv",
                   options=NoiseOptions("instance-dependent", 1.0))  # fmt: skip
    wrong = np.array(made.truth_table["wrong"].to_pylist())
    assert made.unreadable == 22
    assert not wrong[:20].any()
    assert not wrong[60:].any()
    assert wrong[20:60].sum() >= 30
    assert made.wrong == wrong.sum()


def test_nothing_readable_is_refused(tmp_path):
    (tmp_path / "l.csv").write_text("file_name,label\na.png,x\nb.png,y\n")
    with pytest.raises(InputError, match="none of its 2 labelled images can be read"):
        corrupt(tmp_path, tmp_path / "l.csv", output=tmp_path / "n.csv",
                options=NoiseOptions("instance-dependent", 0.5))  # fmt: skip
    assert not (tmp_path / "n.csv").exists()


def test_rows_without_a_label_stay_without(folder, labels, tmp_path):
    text = labels.read_text().replace(",leaf,", ",,")
    labels.write_text(text)
    made = corrupt(folder, labels, output=tmp_path / "n.csv", options=NoiseOptions(ratio=1.0))
    assert made.labelled == 40
    empty = [row["label"] == "" for row in rows_of(tmp_path / "n.csv")]
    assert empty == [row["label"] == "" for row in rows_of(labels)]
    truth = rows_of(tmp_path / "n.truth.csv")
    assert all((row["wrong"] == "") == gap for row, gap in zip(truth, empty, strict=True))


def test_integers_stay_integers(folder, labels, tmp_path):
    places = {"apple": 0, "leaf": 1, "ocean": 2}
    rows = rows_of(labels)
    table = pa.table(
        {"file": [r["file_name"] for r in rows], "y": [places[r["label"]] for r in rows]}
    )
    pq.write_table(table, tmp_path / "l.parquet")
    (tmp_path / "names.txt").write_text("apple\nleaf\nocean\n")
    made = corrupt(
        folder, tmp_path / "l.parquet", output=tmp_path / "n.parquet",
        options=NoiseOptions(ratio=0.5),
        reading=ManifestOptions(class_names=tmp_path / "names.txt"),
    )  # fmt: skip
    noisy = pq.read_table(tmp_path / "n.parquet")
    assert noisy.schema.field("y").type == pa.int64()
    changed = np.array(noisy["y"]) != np.array(table["y"])
    assert (changed == np.array(made.truth_table["wrong"].to_pylist())).all()
    assert made.truth_table["true_label"].to_pylist() == [r["label"] for r in rows]


def test_images_in_the_table_stay_there(tmp_path):
    images = [{"bytes": encode(noise(8, 8, seed)), "path": f"{seed}.png"} for seed in range(40)]
    features = {"label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
    table = pa.table(
        {"image": images, "label": [seed % 2 for seed in range(40)], "n": list(range(40))}
    )
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(
        table.replace_schema_metadata(metadata), tmp_path / "t.parquet", row_group_size=7
    )
    made = corrupt(
        tmp_path / "t.parquet", output=tmp_path / "n.parquet",
        options=NoiseOptions("instance-dependent", 0.5),
    )  # fmt: skip
    noisy = pq.read_table(tmp_path / "n.parquet")
    assert noisy.drop_columns(["label"]).equals(table.drop_columns(["label"]))
    changed = np.array(noisy["label"]) != np.array(table["label"])
    assert made.wrong == changed.sum() > 5
    read = read_manifest(made.root, made.output, ManifestOptions())  # as the printed command
    assert read.images is not None
    assert read.class_names == ("cat", "dog")
    with pytest.raises(UsageError, match="only Parquet can hold them"):
        corrupt(tmp_path / "t.parquet", output=tmp_path / "n.csv", options=NoiseOptions(ratio=0.5))


def test_asymmetric_noise_changes_the_named_classes_only(folder, labels, tmp_path):
    options = NoiseOptions("asymmetric", 1.0, changes=["apple=leaf,leaf=ocean"])
    corrupt(folder, labels, output=tmp_path / "n.csv", options=options)
    pairs = {
        (old["label"], new["label"])
        for old, new in zip(rows_of(labels), rows_of(tmp_path / "n.csv"), strict=True)
    }
    assert pairs == {("apple", "leaf"), ("leaf", "ocean"), ("ocean", "ocean")}


MATRICES = {
    "m.csv": "true,ocean,apple\napple,1,0\nocean,1,0\n",
    "plain.csv": "0,0,1\n0,1,0\n0,0,1\n",
    "m.json": '{"apple": {"ocean": 1}}',
    "plain.json": "[[0, 0, 1], [0, 1, 0], [0, 0, 1]]",
}


@pytest.mark.parametrize("name", [*MATRICES, "m.npy"])
def test_a_transition_matrix_from_a_file(folder, labels, tmp_path, name):
    path = tmp_path / name
    if name == "m.npy":
        np.save(path, np.array([[0, 0, 1.0], [0, 1, 0], [0, 0, 1]]))
    else:
        path.write_text(MATRICES[name])
    corrupt(folder, labels, output=tmp_path / "n.csv",
            options=NoiseOptions("transition", transition=path))  # fmt: skip
    given = [row["label"] for row in rows_of(labels)]
    expected = ["ocean" if label == "apple" else label for label in given]
    assert [row["label"] for row in rows_of(tmp_path / "n.csv")] == expected


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.csv", "0,1\n1,0\n", "is 2 x 2; with 3 classes it must be 3 x 3"),
        ("m.csv", "0,0,1\n0,2,0\n0,0.5,0\n", "'leaf': not all from 0 to 1; 'ocean': the row does"),
        ("m.csv", "0,0,1\n0,nan,0\n0,1,0\n", "'leaf': not all"),
        ("m.csv", "0,0,1\n0,1\n0,1,0\n", "cannot be read"),
        ("m.json", '{"apple": {"pear": 1}}', "no classes: 'pear'"),
        ("m.json", '{"apple": {"leaf": 1}, "apple": {"ocean": 1}}', "'apple' is named twice"),
        ("m.csv", "x,leaf,ocean\nleaf,1,0\nleaf,0,1\n", "'leaf' is named twice"),
        ("m.csv", "x,leaf,leaf\nleaf,1,0\n", "'leaf' is named twice"),
        ("m.json", "[" * 100_000, "cannot be read"),
        ("m.json", "[[1" + "0" * 400 + "]]", "cannot be read"),
        ("m.csv", "1" * 200_000 + "\n", "cannot be read"),
        ("m.json", '{"apple": 1}', "cannot be read"),
        ("m.json", "{", "cannot be read"),
        ("m.txt", "", "its name ends"),
        ("gone.csv", None, "cannot be read"),
    ],
)
def test_matrices_that_are_none(folder, labels, tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        corrupt(folder, labels, output=tmp_path / "n.csv",
                options=NoiseOptions("transition", transition=tmp_path / name))  # fmt: skip


def test_a_pickle_called_npy_runs_no_code(folder, labels, tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "hacked",))

    np.save(tmp_path / "m.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    (tmp_path / "hacked").unlink(missing_ok=True)
    with pytest.raises(InputError, match="cannot be read"):
        corrupt(folder, labels, output=tmp_path / "n.csv",
                options=NoiseOptions("transition", transition=tmp_path / "m.npy"))  # fmt: skip
    assert not (tmp_path / "hacked").exists()


def test_labels_of_another_file_by_name(folder, labels, tmp_path):
    rows = rows_of(labels)[::-1]
    lines = [f"{row['file_name']},{row['label']},ocean" for row in rows]
    (tmp_path / "human.csv").write_text("\n".join(["file_name,first,worse", *lines]))
    done = run_cli(
        "corrupt", "data", "labels.csv", "--noise", "labels", "--from", "human.csv",
        "--from-column", "worse", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {row["label"] for row in rows_of(tmp_path / "noisy.csv")} == {"ocean"}

    bad = [*lines[:40], lines[0], "x.png,a,pear", f"{rows[50]['file_name']},a,"]
    bad.append(f"{rows[51]['file_name']},a,pear")
    (tmp_path / "human.csv").write_text("\n".join(["file_name,first,worse", *bad]))
    options = NoiseOptions("labels", labels=tmp_path / "human.csv", labels_column="worse")
    with pytest.raises(InputError) as caught:
        corrupt(folder, labels, output=tmp_path / "n.csv", options=options)
    for part in ("1 rows name a file", "lacks 18 files", "1 files have no label", "'pear'"):
        assert part in caught.value.message
    with pytest.raises(InputError, match="no column 'gone'"):
        corrupt(folder, labels, output=tmp_path / "n.csv",
                options=NoiseOptions("labels", labels=labels, labels_column="gone"))  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs --ratio"),
        ({"noise": "asymmetric"}, "needs --ratio and --map"),
        ({"noise": "transition", "ratio": 0.5}, "needs --transition and does not use --ratio"),
        ({"noise": "labels", "changes": ["a=b"]}, "needs --from and does not use --map"),
        ({"ratio": 1.5}, "from 0 to 1"),
        ({"ratio": 0.5, "seed": -1}, "--seed is -1"),
        ({"noise": "instance-dependent", "ratio": 0.5, "size": 0}, "--size is 0"),
        ({"noise": "asymmetric", "ratio": 0.5, "changes": ["apple"]}, "write it as"),
        ({"noise": "asymmetric", "ratio": 0.5, "changes": ["apple=pear"]}, "no classes: 'pear'"),
        (
            {"noise": "asymmetric", "ratio": 0.5, "changes": ["leaf=leaf"]},
            "into themselves: 'leaf'",
        ),
        ({"ratio": 0.5, "labels_column": "x"}, "does not use --from-column"),
        (
            {"noise": "asymmetric", "ratio": 0.5, "changes": ["apple=leaf", "apple=ocean"]},
            "changed twice: 'apple'",
        ),
    ],
)
def test_options_that_do_not_go_together(folder, labels, tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        corrupt(folder, labels, output=tmp_path / "n.csv", options=NoiseOptions(**options))
    assert not (tmp_path / "n.csv").exists()


def test_the_clean_labels_are_not_overwritten(folder, labels):
    before = labels.read_bytes()
    with pytest.raises(UsageError, match="is the input itself"):
        corrupt(folder, labels, output=labels, overwrite=True, options=NoiseOptions(ratio=0.5))
    assert labels.read_bytes() == before


def test_one_class_or_none_is_refused(tmp_path):
    for text, message in (("x", "all labels are 'x'"), ("", "no row has a label")):
        (tmp_path / "l.csv").write_text(f"file_name,label\na.png,{text}\nb.png,{text}\n")
        with pytest.raises(InputError, match=message):
            corrupt(tmp_path, tmp_path / "l.csv", output=tmp_path / "n.csv",
                    options=NoiseOptions(ratio=0.5))  # fmt: skip


def test_it_is_exported(folder, labels, tmp_path):
    made = deftclean.corrupt(folder, labels, output=tmp_path / "n.tsv",
                             options=deftclean.NoiseOptions(ratio=0.5))  # fmt: skip
    assert isinstance(made, deftclean.CorruptResult)
    assert (tmp_path / "n.truth.tsv").read_text().startswith("file_name\ttrue_label\twrong\n")
