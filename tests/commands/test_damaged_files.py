"""Files of ours that are damaged or edited, as commands read them.

They are read, or refused with one message: never a traceback, and no file of a user's is touched.
"""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from deftclean.table.scores import METADATA_KEY
from tests.support.commands import run_cli
from tests.support.damage import damaged, damaged_json
from tests.support.scored import make_scored
from tests.support.stage import DEFT, PLANS, make_inputs
from tests.support.trials import Ended, Trials

SETTINGS = b"""\
[select]
rule = "threshold"
threshold = 0.75
overwrite = true

[scan]
epochs = 20
class-names = "names.txt"
follow-links = false

[report]
images = 50
"""
MANY = [pytest.param(300, marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def base(trials: Trials, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("damaged") / "base"
    base.mkdir()
    make_inputs(base, trials, torch=True)
    return base


def refused_or_read(ends: list[Ended]) -> None:
    for done in ends:
        assert done.code in (0, 2, 3), done
        assert "Traceback" not in done.errors, done.errors
        assert "\x1b" not in done.errors + done.out
        assert done.told == (done.code != 0), done.errors
    assert sum(done.code != 0 for done in ends) > 0


def each(
    path: Path, count: int, run: Callable[[], Ended], damage: Callable = damaged
) -> list[Ended]:
    """Runs with a file that is damaged another way each time."""
    draw, data = random.Random(path.name), path.read_bytes()
    ends = []
    try:
        for _ in range(count):
            path.write_bytes(damage(data, draw))
            ends.append(run())
    finally:
        path.write_bytes(data)
    return ends


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ["deftclean.toml", "pyproject.toml"])
def test_settings(name: str, trials: Trials, base: Path, tmp_path: Path) -> None:
    text = SETTINGS if name == "deftclean.toml" else SETTINGS.replace(b"[", b"[tool.deftclean.")
    (tmp_path / name).write_bytes(text)
    line = ("select", base / "clean.parquet", "-o", "out.parquet", "--overwrite")
    refused_or_read(each(tmp_path / name, 400, lambda: trials.one(*line, cwd=tmp_path)))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("folder", "file", "command"),
    [
        ("clean.detector", "detector.json", "score"),
        ("clean.detector", "detector.safetensors", "score"),
        ("run", "deftclean.json", "predict"),
        ("run", "model.safetensors", "predict"),
    ],
)
def test_cards(
    folder: str, file: str, command: str, trials: Trials, base: Path, tmp_path: Path
) -> None:
    shutil.copytree(base / folder, tmp_path / folder)
    path = tmp_path / folder / file
    if not path.exists():
        pytest.fail(f"{folder} holds {sorted(each.name for each in path.parent.iterdir())}")
    line = PLANS[command].line(base, "--overwrite", "--offline")
    line = (line[0], tmp_path / folder, *line[2:])
    refused_or_read(each(path, 150, lambda: trials.one(*line, cwd=tmp_path)))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_what_a_score_table_says_of_itself(trials: Trials, base: Path, tmp_path: Path) -> None:
    table = pq.read_table(base / "clean.parquet")
    data, draw = table.schema.metadata[METADATA_KEY], random.Random(0)
    commands = [
        ("select", "x.parquet", "--rule", "agree", "-o", "out.parquet", "--overwrite"),
        ("check", "x.parquet", "--baseline", base / "clean.parquet"),
        ("report", "x.parquet", "-o", "out.html", "--overwrite"),
        ("export", "x.parquet", "--to", "csv", "-o", "out.csv", "--overwrite"),
        ("review", "x.parquet", base / "review.csv", "-o", "out.parquet", "--overwrite"),
    ]
    ends = []
    for number in range(300):
        metadata = {**table.schema.metadata, METADATA_KEY: damaged(data, draw)}
        pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "x.parquet")
        ends.append(trials.one(*commands[number % len(commands)], cwd=tmp_path))
    refused_or_read(ends)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("file", ["state.json", "state.safetensors"])
def test_what_a_stopped_run_has_left(file: str, trials: Trials, base: Path, tmp_path: Path) -> None:
    # Long enough that a kill falls between the first epoch and the last.
    line = ("scan", base / "data", *DEFT, "--epochs", 60, "--lr", 0.001, "--resume")
    after = 0.3
    while not (tmp_path / "clean.unfinished" / "state.json").exists():
        done = trials.one(*line, cwd=tmp_path, kill=(9, after))
        assert done.code == -9, "it is to be stopped after an epoch"
        after += 0.1
    kept = tmp_path / "kept"
    shutil.copytree(tmp_path / "clean.unfinished", kept)

    def resumed() -> Ended:
        for name in ("clean.unfinished", "clean.detector"):
            shutil.rmtree(tmp_path / name, ignore_errors=True)
        (tmp_path / "clean.parquet").unlink(missing_ok=True)
        shutil.copytree(kept, tmp_path / "clean.unfinished")
        return trials.one(*line, cwd=tmp_path)

    refused_or_read(each(kept / file, 100, resumed))


@pytest.mark.parametrize("count", [12, *MANY])
def test_values_of_other_kinds_in_a_table_s_facts(count: int, scored_table: Path, tmp_path) -> None:
    table = pq.read_table(scored_table)
    data, draw = table.schema.metadata[METADATA_KEY], random.Random(1)
    codes = []
    for _ in range(count):
        metadata = {METADATA_KEY: damaged_json(data, draw)}
        pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "x.parquet")
        done = run_cli("check", "x.parquet", cwd=tmp_path)
        assert done.returncode in (0, 2)
        assert "Traceback" not in done.stderr
        codes.append(done.returncode)
    assert {0, 2} == set(codes)


@pytest.fixture
def scored_table(tmp_path: Path) -> Path:
    return make_scored(tmp_path / "scored", 12).table
