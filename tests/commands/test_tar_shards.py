"""Pictures in tar files, as WebDataset packs them, through the real command line."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.commands import run_cli

FAST = ("--model", "nano", "--recipe", "zero-shot-margin", "--tuner", "none", "--workers", "0")


def packed(folder: Path, home: Path, label: str, count: int = 2) -> list[str]:
    """The pictures of class folders as shards, each with its label beside it; their names."""
    home.mkdir(parents=True)
    pictures = sorted(folder.rglob("*.png"))
    names = []
    for at in range(count):
        with tarfile.open(home / f"train-{at:03d}.tar", "w") as file:
            for picture in pictures[at::count]:
                key, name = picture.stem, picture.parent.name
                said = {"cls": name, "txt": f"{name}\n", "json": json.dumps({"label": name})}
                parts = {"png": picture.read_bytes()}
                if label in said:
                    parts[label] = said[label].encode()
                for ending, data in parts.items():
                    member = tarfile.TarInfo(f"{key}.{ending}")
                    member.size = len(data)
                    file.addfile(member, io.BytesIO(data))
                names.append(f"train-{at:03d}.tar/{key}.png")
    return names


def columns(path: Path) -> dict[str, list[object]]:
    return pq.read_table(path).to_pydict()


def test_each_picture_is_a_row_with_the_label_beside_it(folder: Path, tmp_path: Path) -> None:
    names = packed(folder, tmp_path / "shards", "cls")
    done = run_cli("scan", "shards", "-o", "a.parquet", *FAST, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = columns(tmp_path / "a.parquet")
    shas = {
        hashlib.sha256(p.read_bytes()).hexdigest(): p.parent.name for p in folder.rglob("*.png")
    }
    assert (found["file_name"], found["status"]) == (names, ["ok"] * 60)
    assert found["given_label"] == [shas[str(sha)] for sha in found["content_sha256"]]


@pytest.mark.slow
@pytest.mark.parametrize("label", ["cls", "json", "txt"])
def test_shards_are_read_as_the_folder_that_was_packed(
    folder: Path, tmp_path: Path, label: str
) -> None:
    names = packed(folder, tmp_path / "shards", label)
    done = run_cli("scan", "shards", "-o", "a.parquet", *FAST, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"labels are read from the .{label} beside each image" in done.stderr
    found = columns(tmp_path / "a.parquet")
    assert found["file_name"] == names
    assert found["split"] == ["train"] * 60
    run_cli("scan", folder, "-o", "b.parquet", *FAST, cwd=tmp_path)
    expected = columns(tmp_path / "b.parquet")
    scores = ("given_label", "zero_shot_prob", "clean_prob")
    by_sha = [
        {sha: values for sha, *values in zip(t["content_sha256"], *(t[s] for s in scores))}  # noqa: B905
        for t in (found, expected)
    ]
    assert by_sha[0] == by_sha[1]
    assert {path.name for path in (tmp_path / "shards").iterdir()} == {
        "train-000.tar",
        "train-001.tar",
    }


@pytest.mark.slow
class TestMore:
    """What else becomes of them."""

    def test_other_commands_find_the_pictures(self, folder: Path, tmp_path: Path) -> None:
        packed(folder, tmp_path / "shards", "cls")
        brief = ("--model", "nano", "--recipe", "deft", "--tuner", "none", "--epochs", "2")
        scan = ("scan", "shards", "-o", "a.parquet", *brief, "--warmup", "1", "--workers", "2")
        for command in (
            scan,
            ("check", "a.parquet", "--verify"),
            ("report", "a.parquet", "-o", "r.html"),
            ("export", "a.parquet", "--to", "imagefolder", "--rows", "all", "-o", "out"),
            ("score", "a.detector", "shards/train-{000..001}.tar", "-o", "s.parquet"),
            ("score", "a.detector", "shards/train-001.tar", "-o", "t.parquet"),
            ("score", "a.detector", "shards/train-*.tar", "-o", "u.parquet"),
        ):
            done = run_cli(*command, cwd=tmp_path)
            assert done.returncode == 0, (command, done.stderr)
        assert "data:image/" in (tmp_path / "r.html").read_text()
        assert len(list((tmp_path / "out").rglob("*.png"))) == 60
        assert [len(pq.read_table(tmp_path / f"{n}.parquet")) for n in "stu"] == [60, 30, 60]

    @pytest.mark.parametrize("form", ["whole", "without ending", "bare"])
    def test_a_table_names_them(self, folder: Path, tmp_path: Path, form: str) -> None:
        names = packed(folder, tmp_path / "shards", "none")
        label = {picture.stem: picture.parent.name for picture in folder.rglob("*.png")}
        written = {
            "whole": lambda name: name,
            "without ending": lambda name: name.removesuffix(".png"),
            "bare": lambda name: name.rpartition("/")[2],
        }[form]
        lines = [f"{written(name)},{label[Path(name).stem]}" for name in names]
        more = [] if form == "bare" else ["train-000.tar/none.png,leaf"]
        text = "\n".join(["file_name,label", *lines, *more])
        (tmp_path / "labels.csv").write_text(text)
        done = run_cli("scan", "shards", "labels.csv", "-o", "a.parquet", *FAST, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        found = columns(tmp_path / "a.parquet")
        assert found["file_name"][:60] == names
        assert found["status"] == ["ok"] * 60 + ["missing"] * len(more)

    def test_a_json_key_of_the_users_own(self, folder: Path, tmp_path: Path) -> None:
        packed(folder, tmp_path / "shards", "json")
        column = ("--label-column", "label")
        done = run_cli("scan", "shards", *column, "-o", "a.parquet", *FAST, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        column = ("--label-column", "colour")
        done = run_cli("scan", "shards", *column, "-o", "b.parquet", *FAST, cwd=tmp_path)
        assert (done.returncode, "has a label" in done.stderr) == (2, True)

    def test_damaged_shards_are_told_together(self, folder: Path, tmp_path: Path) -> None:
        packed(folder, tmp_path / "shards", "cls", count=4)
        for at in (1, 3):
            path = tmp_path / "shards" / f"train-{at:03d}.tar"
            path.write_bytes(path.read_bytes()[: 20_000 + at])
        done = run_cli("scan", "shards", "-o", "a.parquet", *FAST, cwd=tmp_path, COLUMNS="300")
        assert done.returncode == 2
        assert "shards: 2 of 4 tar files cannot be read: train-001.tar: it is cut" in done.stderr
        assert "train-003.tar" in done.stderr

    def test_captions_and_compressed_shards_are_no_labels(
        self, folder: Path, tmp_path: Path
    ) -> None:
        packed(folder, tmp_path / "shards", "none")
        with tarfile.open(tmp_path / "shards" / "train-002.tar", "w") as file:
            for at in range(30):
                for ending, data in (("png", b"x"), ("txt", f"a photo, {at}".encode())):
                    member = tarfile.TarInfo(f"{at}.{ending}")
                    member.size = len(data)
                    file.addfile(member, io.BytesIO(data))
        done = run_cli("scan", "shards", "-o", "a.parquet", *FAST, cwd=tmp_path, COLUMNS="300")
        assert (done.returncode, "they are captions" in done.stderr) == (2, True)
        (tmp_path / "z").mkdir()
        (tmp_path / "z" / "x.tar.gz").write_bytes(b"x")
        for data in ("z", "z/x.tar.gz"):
            done = run_cli("scan", data, cwd=tmp_path, COLUMNS="300")
            assert (done.returncode, "compressed" in done.stderr) == (2, True)
        done = run_cli("scan", "shards/train-{000..009}.tar", cwd=tmp_path, COLUMNS="300")
        assert (done.returncode, "7 of its 10 files are not there" in done.stderr) == (2, True)

    def test_members_that_are_no_pictures_have_a_status(self, folder: Path, tmp_path: Path) -> None:
        packed(folder, tmp_path / "shards", "cls")
        with tarfile.open(tmp_path / "shards" / "train-001.tar", "a") as file:
            for name, data in (("bad.png", b"no png"), ("bad.cls", b"leaf"), ("../out.png", b"x")):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                file.addfile(member, io.BytesIO(data))
        done = run_cli("scan", "shards", "-o", "a.parquet", *FAST, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "1 members are left out: names that lead elsewhere" in done.stderr
        found = columns(tmp_path / "a.parquet")
        assert (found["file_name"][-1], found["status"][-1]) == (
            "train-001.tar/bad.png",
            "unreadable",
        )
