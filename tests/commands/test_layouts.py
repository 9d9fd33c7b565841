"""The layouts that people have: recognised and said in one line, or refused with what works.

Through the real command line, on real pictures. `corrupt` reads its input as `scan` does, and needs
no model.
"""

import hashlib
import json
import re
import shlex
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
import pytest

from tests.support.commands import Finished, run_cli
from tests.support.pictures import COLOURS, draw

QUICK = ("--model", "nano", "--strategy", "label-match", "--no-cache", "-o", "x.parquet")
NOISE = ("--noise", "symmetric", "--ratio", "0", "-o", "x.csv", "--overwrite")
EACH = 4


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Twelve pictures in three class folders, in `data`."""
    for name, colour in COLOURS.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        for at in range(EACH):
            draw(colour, at, 12).save(tmp_path / "data" / name / f"{name}{at}.png")
    return tmp_path


def moved(home: Path, layout: str) -> None:
    """The class folders to other places: `train/{}` for the first two, `val/{}` for all others."""
    (home / "data").rename(home / "old")
    for path in sorted((home / "old").rglob("*.png")):
        split, _, number = layout.partition("|")
        where = split if int(path.stem[-1]) < EACH // 2 else number or split
        new = home / "data" / where.format(path.parent.name) / path.name
        new.parent.mkdir(parents=True, exist_ok=True)
        path.rename(new)


def read(home: Path, *words: object) -> dict[str, list[str]]:
    """Columns of a table that was read, with its labels as they were."""
    done = run_cli("corrupt", *words, *NOISE, cwd=home)
    assert done.returncode == 0, done.stderr
    return pv.read_csv(home / "x.csv").to_pydict() | {"said": done.stderr.splitlines()}


def right(columns: dict[str, list[str]]) -> bool:
    """Whether every row has the label that its file is called after."""
    pairs = zip(columns["file_name"], columns["label"], strict=True)
    return all(Path(name).name.startswith(label) for name, label in pairs)


def refused(home: Path, *words: object) -> Finished:
    done = run_cli("scan", *words, *QUICK, cwd=home)
    assert done.returncode == 2, done.stdout + done.stderr
    return done


def commands(done: Finished) -> list[list[str]]:
    """The commands that a refusal names, but for `deftclean scan`."""
    return [
        shlex.split(found)[2:]
        for found in re.findall(r"deftclean scan .+?(?= if |$)", done.stderr, re.M)
    ]


@pytest.mark.parametrize(
    "layout",
    ["train/{}|val/{}", "Training/{}|Testing/{}", "seg_train/seg_train/{}|seg_test/seg_test/{}",
     "images/train/{}|images/val/{}", "my_train_set/{}|my_test_set/{}"],
)  # fmt: skip
def test_split_folders(home: Path, layout: str) -> None:
    moved(home, layout)
    if not layout.startswith("images"):
        (home / "data" / "stray").mkdir()
        draw(COLOURS["leaf"], 1, 12).save(home / "data" / "stray" / "a.png")
    found = read(home, "data")
    assert right(found)
    assert len(found["label"]) == 3 * EACH
    assert len(set(found["split"])) == 2
    assert any("split folders" in line and "3 classes" in line for line in found["said"])
    first = found["split"][0]
    alone = read(home, "data", "--split", first)
    assert right(alone)
    assert alone["split"] == [split for split in found["split"] if split == first]


def test_a_scan_keeps_splits_apart(home: Path) -> None:
    moved(home, "train/{}|test/{}")
    done = run_cli("scan", "data", *QUICK, cwd=home)
    assert done.returncode == 0, done.stderr
    assert "split folders test, train; 3 classes below them" in done.stderr
    table = pq.read_table(home / "x.parquet")
    assert set(table["given_label"].to_pylist()) == set(COLOURS)
    assert table["split"].to_pylist() == ["test"] * 6 + ["train"] * 6
    assert re.search(r"^split +kept +flagged +of\ntest .* 6\ntrain .* 6$", done.stdout, re.M)


def test_a_wrapping_folder(home: Path) -> None:
    moved(home, "dataset/{}")
    found = read(home, "data")
    assert right(found)
    assert "split" not in found
    assert any("folder dataset holds everything" in line for line in found["said"])


def test_a_split_or_a_class(home: Path) -> None:
    moved(home, "train/{}|more")
    typed = commands(refused(home, "data"))
    assert len(typed) == 2
    assert set(read(home, *typed[0])["label"]) == set(COLOURS)
    assert set(read(home, *typed[1])["label"]) == {"train", "more"}


def test_a_split_column(home: Path) -> None:
    rows = [f"{path.relative_to(home / 'data')},{path.parent.name},{split}"
            for path in sorted((home / "data").rglob("*.png"))
            for split in ["Train" if path.stem.endswith("0") else "valid"]]  # fmt: skip
    (home / "labels.csv").write_text("\n".join(["file_name,label,split", *rows]))
    found = read(home, "data", "labels.csv")
    assert any("column split: Train 3, valid 9" in line for line in found["said"])
    assert len(found["split"]) == 3 * EACH
    found = read(home, "data", "labels.csv", "--split", "train")
    assert found["split"] == ["Train"] * 3
    assert right(found)
    said = refused(home, "data", "labels.csv", "--split", "x").stderr
    assert "It has the splits Train, valid" in said


# ---------------------------------------------------------------- several labels in a cell


def rows(home: Path) -> list[tuple[str, str]]:
    """Names below `data` and labels."""
    found = sorted((home / "data").rglob("*.png"))
    return [(path.relative_to(home / "data").as_posix(), path.parent.name) for path in found]


def write(path: Path, head: str, lines: list[str], encoding: str = "utf-8") -> None:
    path.write_text("\n".join([*([head] if head else []), *lines, ""]), encoding=encoding)


def test_several_labels_in_a_cell(home: Path) -> None:
    lines = [f'{name},"{label}"' for name, label in rows(home)]
    lines[:2] = [f'{name},"apple|leaf"' for name, _ in rows(home)[:2]]
    write(home / "labels.csv", "file_name,label", lines)
    said = refused(home, "data", "labels.csv").stderr
    assert "2 rows have several labels in column 'label': 'apple|leaf' (2 rows)" in said
    assert "--class-names names.txt" in said
    (home / "names.txt").write_text("apple\nleaf\nocean\napple|leaf\n")
    found = read(home, "data", "labels.csv", "--class-names", "names.txt")
    assert found["label"].count("apple|leaf") == 2
    lines = [f'{name},"[""{label}""]"' for name, label in rows(home)]
    write(home / "labels.csv", "file_name,label", lines)
    found = read(home, "data", "labels.csv")
    assert any("lists of one label each" in line for line in found["said"])
    assert right(found)


# ---------------------------------------------------------------- tables


def kaggle(home: Path) -> None:
    """Ids without an ending, and the breed."""
    lines = [f"{Path(name).stem},{label}" for name, label in rows(home)]
    write(home / "labels.csv", "id,breed", lines)
    for name, _ in rows(home):
        (home / "data" / name).rename(home / "data" / Path(name).name)


def in_parts(home: Path) -> None:
    """The same in two folders, as HAM10000 has them."""
    kaggle(home)
    for at, path in enumerate(sorted((home / "data").glob("*.png"))):
        path.rename(home / "data" / ["apple", "leaf"][at % 2] / path.name)


def beside(home: Path) -> None:
    """File names relative to the table's folder, not to the data folder."""
    write(home / "labels.csv", "image,class", [f"data/{n},{label}" for n, label in rows(home)])


def without_header(home: Path) -> None:
    write(home / "labels.csv", "", [f"{name},{label}" for name, label in rows(home)])


def numbered(home: Path) -> None:
    """As `DataFrame.to_csv` writes it."""
    lines = [f"{at},{name},{label}" for at, (name, label) in enumerate(rows(home))]
    write(home / "labels.csv", ",filename,target", lines)


def zeros_and_ones(home: Path) -> None:
    """Roboflow's `_classes.csv`."""
    lines = [f"{n}, " + ", ".join("01"[c == label] for c in COLOURS) for n, label in rows(home)]
    write(home / "labels.csv", "filename, apple, leaf, ocean", lines)


def by_three(home: Path) -> None:
    lines = [f"{n},{label},{label},{'leaf' if at else label}" for at, (n, label) in
             enumerate(rows(home))]  # fmt: skip
    write(home / "labels.csv", "file_name,label_1,label_2,label_3", lines)


@pytest.mark.parametrize(
    ("prepare", "options", "said"),
    [
        (kaggle, (), "completed by the files there (.png 12)"),
        (in_parts, (), "files are found by their names in apple/, leaf/"),
        (beside, (), "file names are relative to the folder of labels.csv"),
        (without_header, (), "the first line is a row, not a header: columns column_1, column_2"),
        (numbered, (), "column '' was left out: it numbers the rows"),
        (zeros_and_ones, (), "labels are 3 columns of 0 and 1: apple, leaf, ocean"),
        (by_three, ("--annotator", "label_1", "--annotator", "label_2", "--annotator", "label_3"),
         "labels are the majority of 3 annotators"),
    ],
)  # fmt: skip
def test_tables_that_are_recognised(home, prepare, options, said) -> None:
    prepare(home)
    found = read(home, "data", "labels.csv", *options)
    found["label"] = next(found[n] for n in ("label", "breed", "class", "column_2", "target")
                          if n in found)  # fmt: skip
    assert right(found)
    assert len(found["label"]) == 3 * EACH
    assert any(said in line for line in found["said"]), found["said"]
    assert all((home / "data" / name).is_file() for name in found["file_name"])
    assert "" not in found


def unusual(home: Path) -> None:
    write(home / "labels.csv", "when,where,what", [f"1,{n},{label}" for n, label in rows(home)])


def twice(home: Path) -> None:
    head = "id;image_path;file;label;category"
    write(home / "labels.csv", head, [f"{at};x;{n};{label};{at}" for at, (n, label) in
                                      enumerate(rows(home))])  # fmt: skip


def separated(home: Path) -> None:
    write(home / "labels.csv", "file_name\tlabel", [f"{n}\t{label}" for n, label in rows(home)])


def from_windows(home: Path) -> None:
    lines = [f"C:\\Users\\me\\data\\{n},{label}".replace("/", "\\") for n, label in rows(home)]
    write(home / "labels.csv", "file_name,label", lines)


def from_elsewhere(home: Path) -> None:
    lines = [f"/other/root/{n},{label}" for n, label in rows(home)]
    write(home / "labels.csv", "file_name,label", lines)


def from_the_net(home: Path) -> None:
    lines = [f"https://host/x/{n.replace('.png', '')},{label}" for n, label in rows(home)]
    write(home / "labels.csv", "image_url,label", lines)


def below(home: Path) -> None:
    (home / "data").rename(home / "pictures")
    (home / "data").mkdir()
    (home / "pictures").rename(home / "data" / "pictures")
    lines = [f"{n.removeprefix('pictures/')},{label}" for n, label in rows(home)]
    write(home / "labels.csv", "file_name,label", lines)


def two_endings(home: Path) -> None:
    kaggle(home)
    draw(COLOURS["leaf"], 1, 12).save(home / "data" / "leaf1.jpg")


def no_header(home: Path) -> None:
    lines = [f"{n.replace('.png', '')},1,{label}" for n, label in rows(home)]
    write(home / "labels.csv", "", lines)


def annotated(home: Path) -> None:
    lines = [f"{n},{label},{label},leaf" for n, label in rows(home)]
    write(home / "labels.csv", "file_name,Annotator 1,Annotator 2,Annotator 3", lines)


def wide(home: Path) -> None:
    write(home / "labels.csv", "file_name,label", [f"{n},{label}" for n, label in rows(home)],
          "utf-16")  # fmt: skip


def marked_otherwise(home: Path) -> None:
    write(home / "labels.csv", "file_name,label", [f"{n},{label}" for n, label in rows(home)],
          "utf-16-be")  # fmt: skip


def western(home: Path) -> None:
    lines = [f"{n},{label},Kätzchen" for n, label in rows(home)]
    write(home / "labels.csv", "file_name,label,note", lines, "cp1252")


def chinese(home: Path) -> None:
    lines = [f"{n},{label},中国熊猫" for n, label in rows(home)]
    write(home / "labels.csv", "file_name,label,note", lines, "gb18030")


def western_lines(home: Path) -> None:
    lines = [f'{{"file_name": "{n}", "label": "{label}", "note": "é"}}' for n, label in rows(home)]
    write(home / "labels.jsonl", "", lines, "cp1252")


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (unusual, "no column with the file names was recognised; no column with the labels"),
        (twice, "one column is called 'id;image_path;file;label;category'"),
        (separated, r"--delimiter '\t'"),
        (from_windows, r"--strip-prefix 'C:\Users\me\data\'"),
        (from_elsewhere, "--strip-prefix /other/root/"),
        (from_the_net, "--strip-prefix https://host/x/"),
        (below, "Such files lie in data/pictures"),
        (two_endings, "1 file names without an ending fit several files, as 'leaf1'"),
        (no_header, "--no-header"),
        (annotated, "--annotator 'Annotator 1' --annotator 'Annotator 2'"),
        (wide, "--encoding utf-16"),
        (marked_otherwise, "--encoding utf-16-be"),
        (western, "--encoding cp1252"),
        (chinese, "--encoding gb18030"),
        (western_lines, "--encoding cp1252"),
    ],
)  # fmt: skip
def test_tables_that_are_refused_with_the_command_that_works(home, prepare, said) -> None:
    prepare(home)
    table = next(home.glob("labels.*")).name
    done = refused(home, "data", table)
    assert said in done.stderr
    words = ["data", table]
    for _ in range(3):  # what is hinted at may need more to be said
        if said.startswith("--encoding"):
            words += said.split()
        else:
            words = commands(done)[-1]
        done = run_cli("corrupt", *words, *NOISE, "--ratio", "0", cwd=home)
        said = ""
        if done.returncode == 0:
            break
    else:
        pytest.fail(done.stderr)
    found = pv.read_csv(next(home.glob("x.*"))).to_pydict()
    assert len(found["file_name"]) == 3 * EACH
    folder = home / words[0]
    assert all((folder / name).is_file() for name in found["file_name"]), found["file_name"]


# ---------------------------------------------------------------- other tools


def test_exports_come_back(home: Path) -> None:
    """An image folder as it is; Label Studio's tasks with the choices made there as labels."""
    lines = [f"{name},{'leaf' if at % 5 == 0 else label}" for at, (name, label) in
             enumerate(rows(home))]  # fmt: skip
    write(home / "labels.csv", "file_name,label", lines)
    done = run_cli("scan", "data", "labels.csv", *QUICK, cwd=home)
    assert done.returncode == 0, done.stderr
    export = ("export", "x.parquet", "--to", "label-studio", "-o", "tasks", "--rows", "all")
    assert run_cli(*export, cwd=home).returncode == 0
    tasks = json.loads((home / "tasks" / "tasks.json").read_text())
    for task in tasks:
        (result,) = task["predictions"][0]["result"]
        chosen = {**result, "value": {"choices": [Path(task["data"]["file_name"]).parts[0]]}}
        task["annotations"] = [{"result": [chosen]}, {"result": [], "was_cancelled": True}]
    (home / "annotated.json").write_text(json.dumps(tasks))
    found = read(home, "data", "annotated.json")
    assert right(found)
    assert len(found["label"]) == 3 * EACH
    assert any("Label Studio: 12 tasks, 12 annotations" in line for line in found["said"])
    export = ("export", "x.parquet", "--to", "imagefolder", "-o", "pics", "--rows", "all")
    assert run_cli(*export, "--no-scores", cwd=home).returncode == 0
    found = read(home, "pics")
    assert any("labels are read from train/metadata.jsonl" in line for line in found["said"])
    assert found["label"] == [line.split(",")[1] for line in lines]
    assert found["source"] == [name for name, _ in rows(home)]


def coco(home: Path) -> None:
    kinds = {name: at for at, name in enumerate(COLOURS, start=1)}
    images = [{"id": at, "file_name": name} for at, (name, _) in enumerate(rows(home))]
    boxes = [{"id": at, "image_id": at, "category_id": kinds[label], "bbox": [0, 0, 9, 9]}
             for at, (_, label) in enumerate(rows(home))]  # fmt: skip
    named = [{"id": at, "name": name} for name, at in kinds.items()]
    content = {"images": images, "annotations": boxes, "categories": named}
    (home / "labels.json").write_text(json.dumps(content))


def records(home: Path) -> None:
    found = [{"image_id": Path(n).stem, "label": [label]} for n, label in rows(home)]
    kaggle(home)
    (home / "labels.csv").unlink()
    (home / "labels.json").write_text(json.dumps(found))


def path_and_label(home: Path) -> None:
    write(home / "labels.txt", "", [f"data/{n} {label}" for n, label in rows(home)])


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (coco, "COCO: 12 images, 12 annotations"),
        (records, "lists of one label each"),
        (path_and_label, "each line is read as a path and a label"),
    ],
)
def test_formats_of_other_tools(home: Path, prepare, said: str) -> None:
    prepare(home)
    table = next(home.glob("labels.*")).name
    found = read(home, "data", table)
    assert right(found)
    assert len(found["label"]) == 3 * EACH
    assert any(said in line for line in found["said"])
    assert all((home / "data" / name).is_file() for name in found["file_name"])


def test_a_folder_of_parquet_files(home: Path) -> None:
    """As the Hugging Face hub stores data sets: shards of splits, with the pictures inside."""
    (home / "shards" / "data").mkdir(parents=True)
    found, kinds = rows(home), pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    features = {"label": {"_type": "ClassLabel", "names": list(COLOURS)}}
    named = {"huggingface": json.dumps({"info": {"features": features}})}
    for at, split in enumerate(["train", "train", "test"]):
        part = found[at::3]
        pictures = [{"bytes": (home / "data" / n).read_bytes(), "path": None} for n, _ in part]
        labels = [list(COLOURS).index(label) for _, label in part]
        table = pa.table({"image": pa.array(pictures, kinds), "label": labels})
        path = home / "shards" / "data" / f"{split}-{at:05d}-of-00003.parquet"
        pq.write_table(table.replace_schema_metadata(named), path, row_group_size=3)
    done = run_cli("scan", "shards", *QUICK, cwd=home)
    assert done.returncode == 0, done.stderr
    assert "3 Parquet files are read as one table: test-00002-of-00003.parquet" in done.stderr
    made = pq.read_table(home / "x.parquet")
    assert made["status"].to_pylist() == ["ok"] * 3 * EACH
    in_order = [*found[2::3], *found[0::3], *found[1::3]]
    assert made["given_label"].to_pylist() == [label for _, label in in_order]
    assert made["split"].to_pylist() == ["test"] * 4 + ["train"] * 8
    digests = [hashlib.sha256((home / "data" / n).read_bytes()).hexdigest() for n, _ in in_order]
    assert made["content_sha256"].to_pylist() == digests
    export = ("export", "x.parquet", "--to", "folder", "-o", "out", "--rows", "all")
    done = run_cli(*export, "--data", "shards", cwd=home)
    assert done.returncode == 0, done.stderr
    assert len(list((home / "out").rglob("*.png"))) == 3 * EACH
    done = run_cli("report", "x.parquet", "-o", "x.html", "--data", "shards", cwd=home)
    assert done.returncode == 0, done.stderr
    noise = ("--noise", "symmetric", "--ratio", "0.5", "-o", "noisy.parquet")
    done = run_cli("corrupt", "shards", *noise, cwd=home)
    assert done.returncode == 0, done.stderr
    noisy = pq.read_table(home / "noisy.parquet")
    assert noisy["image"].to_pylist()[0]["bytes"] == (home / "data" / in_order[0][0]).read_bytes()
    assert noisy["label"].to_pylist() != made["label"].to_pylist()
