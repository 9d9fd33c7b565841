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
        ("scan data -o mine.parquet --overwrite", "mine.detector is not a detector folder"),
        ("scan data -o stopped.parquet", "stopped.unfinished is in the way"),
        ("scan data --threshold 2", "--threshold is 2"),
        ("scan data --epochs 0", "epochs"),
        ("scan data --compile --tuner none", "--compile cannot go with"),
        ("score nowhere data", "nowhere is not a detector folder"),
        ("score mine.detector data -o there.parquet", "there.parquet exists already"),
        ("adapt nowhere.parquet", "nowhere.parquet is not a file"),
        ("adapt scored/clean.parquet --compare --all", "exclude each other"),
        ("adapt scored/clean.parquet -o adapted", "adapted exists already"),
        (
            "adapt scored/clean.parquet -o adapted --overwrite",
            "adapted is not a folder of deftclean",
        ),
        ("predict nowhere data", "nowhere is not a folder of deftclean adapt"),
        ("predict adapted data -o there.parquet", "there.parquet exists already"),
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
