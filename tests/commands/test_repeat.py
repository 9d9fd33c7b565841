"""The real command line: the same bytes cold, warm, without a cache and after a kill."""

import csv
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from deftclean.table.scores import read_scores
from tests.support.commands import run_cli, start_process
from tests.support.pictures import COLOURS, draw, encode

NONE = ("--model", "nano", "--tuner", "none", "--epochs", "2", "--workers", "0")
DEEP = ("--model", "nano", "--epochs", "2", "-P", "2", "-M", "4", "--workers", "0")


@pytest.fixture
def doubled(tmp_path: Path) -> Path:
    """75 rows over 50 files with 40 contents, one of them unreadable."""
    names = list(COLOURS)
    (tmp_path / "data").mkdir()
    for index in range(50):
        content = index % 40
        picture = draw(COLOURS[names[content % 3]], content, size=300 if content == 3 else 40)
        data = encode(picture, "JPEG" if content % 2 else "PNG")
        (tmp_path / "data" / f"{index}").write_bytes(data if index not in (5, 45) else b"bad")
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "label"])
        for row in range(75):
            writer.writerow([f"{row % 50}", names[(row + (row % 10 == 0)) % 3]])
    return tmp_path


def scan(where: Path, *more: object, **environment: str) -> tuple[bytes, bytes, str]:
    done = run_cli(
        "scan", "data", "labels.csv", "--overwrite", *more, cwd=where, **environment
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tensors = (where / "clean.detector" / "detector.safetensors").read_bytes()
    return (where / "clean.parquet").read_bytes(), tensors, done.stderr


def cached(where: Path) -> set[Path]:
    return {path for path in (where / "cache").rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "options",
    [
        (*NONE, "--recipe", "deft"),
        pytest.param(NONE, marks=pytest.mark.slow),
        pytest.param(DEEP, marks=pytest.mark.slow),
        pytest.param((*DEEP, "--decode", "fast"), marks=pytest.mark.slow),
    ],
)
def test_cold_warm_and_no_cache_give_the_same_bytes(
    doubled: Path, options: tuple[str, ...]
) -> None:
    plain = scan(doubled, *options, "--no-cache")
    assert cached(doubled) == set()
    cold = scan(doubled, *options, "--cache-dir", "cache")
    held = cached(doubled)
    resizes, blocks = (1, 1) if "none" in options else (2, 1)
    pictures = sum(path.stat().st_size // 16 for path in held if path.suffix == ".index")
    vectors = [path for path in held if path.suffix == ".vectors"]
    assert (pictures, len(vectors)) == (39 * resizes, blocks)
    warm = scan(doubled, *options, "--cache-dir", "cache")
    assert cached(doubled) == held
    tiny = scan(doubled, *options, "--cache-dir", "tiny", "--cache-size", "0.00005")
    assert plain[:2] == cold[:2] == warm[:2] == tiny[:2]
    assert "cache of pictures and embeddings" in cold[2]
    assert "; full" in tiny[2]
    assert "cache of pictures" not in plain[2]


def test_rows_of_the_same_content_differ_in_their_label_alone(doubled: Path) -> None:
    scan(doubled, *NONE)
    rows = read_scores(doubled / "clean.parquet").table.to_pylist()
    by_label: dict[tuple[str, str], set[float]] = {}
    by_content: dict[str, set[tuple[str, float]]] = {}
    for row in rows:
        if row["status"] == "ok":
            key = row["content_sha256"]
            by_label.setdefault((key, row["given_label"]), set()).add(row["clean_prob"])
            by_content.setdefault(key, set()).add((row["predicted_label"], row["predicted_prob"]))
    assert [row["row"] for row in rows] == list(range(75))
    assert {row["row"] for row in rows if row["status"] == "unreadable"} == {5, 45, 55}
    assert len(by_content) == 39
    assert {len(values) for values in [*by_label.values(), *by_content.values()]} == {1}
    assert len(by_label) > len(by_content)


@pytest.mark.slow
def test_a_warm_score_without_a_tuner_runs_no_image_tower(
    doubled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import deftclean
    from deftclean.models.encoder import ImageTower

    scan(doubled, *NONE, "--cache-dir", "cache")
    run = deftclean.RunOptions(cache_dir=doubled / "cache", workers=0)

    def scored(name: str, options: deftclean.RunOptions) -> bytes:
        output = doubled / name
        deftclean.score(
            doubled / "clean.detector", doubled / "data", doubled / "labels.csv", output=output,
            run=options,
        )  # fmt: skip
        return output.read_bytes()

    plain = scored("plain.parquet", deftclean.RunOptions(cache=False, workers=0))

    def never(*_: object) -> None:
        raise AssertionError("the image tower was run")

    monkeypatch.setattr(ImageTower, "forward", never)
    # Threads decide how features round, and so which of the kept ones fit; here they are the same.
    assert scored("warm.parquet", run) == plain
    with pytest.raises(AssertionError, match="image tower"):
        scored("other.parquet", deftclean.RunOptions(cache=False, workers=0))


def start(where: Path, output: str) -> "subprocess.Popen[str]":
    options = (*NONE[:-2], "--workers", "2", "--cache-dir", "cache", "-o", output, "-q")
    return start_process("scan", "data", "labels.csv", *options, cwd=where)


@pytest.mark.slow
def test_two_runs_that_share_a_cache(doubled: Path) -> None:
    wanted = scan(doubled, *NONE, "--no-cache")
    runs = [start(doubled, f"{index}.parquet") for index in range(2)]
    assert [run.wait(timeout=300) for run in runs] == [0, 0]
    for index in range(2):
        assert (doubled / f"{index}.parquet").read_bytes() == wanted[0]
    assert {path.suffix for path in cached(doubled)} == {".pack", ".index", ".vectors"}
    assert scan(doubled, *NONE, "--cache-dir", "cache")[:2] == wanted[:2]


@pytest.mark.slow
def test_a_run_that_was_killed_leaves_a_cache_of_use(doubled: Path) -> None:
    wanted = scan(doubled, *NONE, "--no-cache")
    run = start(doubled, "killed.parquet")
    began = time.monotonic()
    # A whole picture: what is being written may be gone a moment later.
    while not any(path.stat().st_size for path in doubled.glob("cache/**/*.index")):
        assert time.monotonic() - began < 120
        time.sleep(0.001)
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    assert cached(doubled)
    assert not (doubled / "killed.parquet").exists()
    assert scan(doubled, *NONE, "--cache-dir", "cache")[:2] == wanted[:2]


@pytest.mark.slow
def test_an_unusable_cache_folder_is_refused_before_work_and_the_default_is_done_without(
    doubled: Path,
) -> None:
    (doubled / "file").write_text("mine")
    done = run_cli("scan", "data", "labels.csv", "--cache-dir", "file", cwd=doubled)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--cache-dir file cannot be used" in done.stderr
    assert "Checking" not in done.stderr
    wanted = scan(doubled, *NONE, "--no-cache")
    found = scan(doubled, *NONE, DEFTCLEAN_CACHE_DIR=str(doubled / "file"))
    assert found[:2] == wanted[:2]
    assert "Warning: the cache" in found[2]


@pytest.mark.parametrize(
    "options", [NONE, pytest.param((*DEEP, "--decode", "fast"), marks=pytest.mark.slow)]
)
def test_scoring_the_scanned_data_again_gives_the_scans_own_columns(
    doubled: Path, options: tuple[str, ...]
) -> None:
    """Both passes at once, and decoded as the detector says, to the last bit."""
    scan(doubled, *options, "--recipe", "deft")
    done = run_cli("score", "clean.detector", "data", "labels.csv", "-q", cwd=doubled)
    assert done.returncode == 0, done.stderr
    scanned, scored = (read_scores(doubled / n).table for n in ("clean.parquet", "scores.parquet"))
    assert scored.equals(scanned)


@pytest.mark.slow
def test_both_halves_of_a_tuned_detector_are_asked(doubled: Path) -> None:
    """What they say is their mean, so it is the same whichever comes first."""
    scan(doubled, *DEEP)
    said = []
    for _ in range(2):
        done = run_cli(
            "score", "clean.detector", "data", "labels.csv", "--overwrite", "-q", cwd=doubled
        )
        assert done.returncode == 0, done.stderr
        said.append(read_scores(doubled / "scores.parquet").table["prompt_prob"].to_numpy())
        one, two = (doubled / "clean.detector" / f"detector{n}.safetensors" for n in ("", ".2"))
        one.rename(doubled / "kept")
        two.rename(one)
        (doubled / "kept").rename(two)
    np.testing.assert_allclose(*said, atol=1e-6)
