"""What is wrong with a command is said at once: before torch is loaded, which takes seconds."""

import subprocess
import sys

import pytest

from tests.support.places import ROOT
from tests.support.scored import make_scored

# The command as a user starts it; at its end, whether torch was loaded.
COMMAND = """
import atexit, sys
atexit.register(lambda: print("torch" in sys.modules))
from deftclean.cli.main import main
main()
"""


@pytest.fixture
def home(tmp_path):
    """A folder with outputs of all kinds, as far as a refusal looks at them."""
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "there.parquet").touch()
    (tmp_path / "adapted").mkdir()
    (tmp_path / "mine.detector").mkdir()
    (tmp_path / "mine.detector" / "letters.txt").touch()
    (tmp_path / "stopped.unfinished").mkdir()
    make_scored(tmp_path / "scored", count=6)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("scan nowhere", "nowhere does not exist"),
        ("scan data -o there.parquet", "there.parquet exists already"),
        pytest.param(
            "scan data -o mine.parquet --overwrite",
            "mine.detector is not a detector folder",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "scan data -o stopped.parquet",
            "stopped.unfinished is in the way",
            marks=pytest.mark.slow,
        ),
        ("scan data --threshold 2", "--threshold is 2"),
        pytest.param("scan data --epochs 0", "epochs", marks=pytest.mark.slow),
        pytest.param(
            "scan data --compile --tuner none", "--compile cannot go with", marks=pytest.mark.slow
        ),
        ("score nowhere data", "nowhere is not a detector folder"),
        pytest.param(
            "score mine.detector data -o there.parquet",
            "there.parquet exists already",
            marks=pytest.mark.slow,
        ),
        ("adapt nowhere.parquet", "nowhere.parquet is not a file"),
        pytest.param(
            "adapt scored/clean.parquet --compare --all",
            "exclude each other",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "adapt scored/clean.parquet -o adapted",
            "adapted exists already",
            marks=pytest.mark.slow,
        ),
        (
            "adapt scored/clean.parquet -o adapted --overwrite",
            "adapted is not a folder of deftclean",
        ),
        ("predict nowhere data", "nowhere is not a folder of deftclean adapt"),
        pytest.param(
            "predict adapted data -o there.parquet",
            "there.parquet exists already",
            marks=pytest.mark.slow,
        ),
        ("bench nowhere.toml", "nowhere.toml cannot be read"),
    ],
)
def test_a_refusal_loads_no_torch(home, command, said):
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *command.split()],
        cwd=home,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout.strip() == "False"
