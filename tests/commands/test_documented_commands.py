"""Every command that the documentation shows is typed, on small data, and works."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deftclean.cli.main import app
from tests.support.documented import SMALL, Documented, documented, make_inputs
from tests.support.trials import Trials

READ_FIRST = (
    "README.md", "docs/index.md", "docs/tutorials/first-scan.md",
    "docs/tutorials/choosing-a-model.md", "docs/tutorials/large-data.md",
)  # fmt: skip
PAGES = (
    "docs/bench.md", "docs/ci.md", "docs/export.md", "docs/layouts.md", "docs/models.md",
    "docs/own-numbers.md", "docs/paper.md", "docs/report.md", "docs/strategies.md", "docs/usage.md",
)  # fmt: skip
LINES = [*documented(*READ_FIRST, inline=True), *documented(*PAGES, inline=False)]

ELSEWHERE = {
    r"pip install|pytest": "what CI types first",
    r"label-studio|export [A-Z_]+=": "another program",
    r"^deftclean dataset |cifar10n/": "downloads; tests/commands/test_datasets.py has them small",
    r"bench .*--data ": "downloads; tests/commands/test_bench_paper.py has them small",
    r"/models/|/new/place": "places of another machine",
    r"--engine ray": "needs Ray; tests/commands/test_score_parts.py has it where it is there",
}
"""What cannot be typed here, and why."""

FETCHED = r"ViT-B|ViT-L|RN50|hf-hub:|dinov2|clip-vit-b16"
"""Weights that are fetched by name; here they are said to be missing."""

TURN_INTO = {
    r"--backbone resnet50(?!.*--weights)": "--backbone resnet50 --from-scratch",
    r"--device cuda": "--device cpu",
    r"labels.csv (.*)--class-names": r"numbers.csv \1--class-names",
    r"scan labels.csv": "scan beside.csv",
    r"data/ --split": "splits/ --split",
    r"check train.parquet": "check clean.parquet",
    r"clean.detector/ new_data/ --embeddings": "own.detector/ new_data/ --embeddings",
    r"> names.txt": "> other-names.txt",
}
"""What stands for weights, a device and labels that the reader has and this machine has not."""

OUTPUTS = {
    "scan": "clean.parquet", "score": "scores.parquet", "select": "selected.parquet",
    "adapt": "adapted", "predict": "predictions.parquet", "report": "clean.html",
    "review": "reviewed.parquet", "corrupt": "noisy.csv", "demo": "deftclean-demo",
}  # fmt: skip


@pytest.fixture(scope="module")
def base(trials: Trials, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("documented") / "base"
    base.mkdir()
    make_inputs(base, trials)
    return base


def elsewhere(line: str) -> str:
    return next((why for what, why in ELSEWHERE.items() if re.search(what, line)), "")


def typed(line: Documented) -> list[str]:
    text = line.line
    for what, by in TURN_INTO.items():
        text = re.sub(what, by, text)
    return Documented(line.page, text).words


def clear(home: Path, words: list[str]) -> None:
    """As a reader has it who has not typed the command yet."""
    named = [words[at + 1] for at, word in enumerate(words) if word in ("-o", "--output-file")]
    for name in named or [OUTPUTS.get(words[0], "")]:
        for path in (home / name, (home / name).with_suffix(".detector")):
            if name and path.is_dir():
                shutil.rmtree(path)
            elif name:
                path.unlink(missing_ok=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("line", LINES, ids=str)
def test_it_works(line: Documented, base: Path, trials: Trials, tmp_path: Path) -> None:
    if why := elsewhere(line.line):
        pytest.skip(why)
    home = tmp_path / "home"
    shutil.copytree(base, home)
    if not (words := typed(line)):
        subprocess.run(["bash", "-ec", line.line], cwd=home, check=True)
        return
    clear(home, words)
    done = trials.one(*words, cwd=home, patches=SMALL, patience=400)
    assert "Traceback" not in done.errors, done.errors
    if re.search(FETCHED, line.line) and words[0] != "doctor":
        assert done.code in (2, 3), done.errors
        assert done.told == 1
    else:
        gates = "--fail-on" in words or "--baseline" in words or "--against" in words
        assert done.code in ((0, 1) if gates else (0,)), done.errors


def test_the_lines_are_found() -> None:
    """So that a page written another way does not pass unseen."""
    commands = {each.words[0] for each in LINES if each.words}
    assert commands == {each.name or each.callback.__name__ for each in app.registered_commands}
    for page in (*READ_FIRST, *PAGES):
        assert any(each.page == page and each.words for each in LINES), page
