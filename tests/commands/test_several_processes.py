"""scan, score and adapt by several processes, as torchrun starts them, against one."""

import itertools
import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch

from deftclean.datasets.demo import write_demo
from deftclean.table.scores import read_scores
from tests.support.commands import run_cli
from tests.support.nursery import TOO_LONG
from tests.support.processes import start_python
from tests.support.stage import contents
from tests.support.together import environment, free_port
from tests.support.trials import Ended, Trial, Trials

PLAIN = ("--model", "nano", "--workers", 0, "--offline")
QUICK = (*PLAIN, "--no-cache")
NONE = (*QUICK, "--tuner", "none", "--epochs", 6, "--warmup", 3)
# A last batch of four rows, and one of a single row, which both processes take.
DEEP = (*QUICK, "--strategy", "deft", "--epochs", 4, "--warmup", 2, "-P", 2, "--batch-size", 14)
SINGLE = (*NONE, "--strategy", "deft", "--batch-size", 59)
ADAPT = ("--backbone", "nano", "--workers", 0, "--epochs", 3, "--batch-size", 16, "--offline")


@pytest.fixture(scope="module")
def trials() -> Iterator[Trials]:
    with Trials() as trials:
        yield trials


class Run:
    """Command lines in folders of their own, on the same pictures."""

    def __init__(self, trials: Trials, pictures: Path, where: Path) -> None:
        self.trials, self.pictures, self.where = trials, pictures, where
        self._number = itertools.count()

    def home(self) -> Path:
        home = self.where / f"{next(self._number)}"
        home.mkdir()
        shutil.copytree(self.pictures, home / "data")
        return home

    def alone(self, home: Path, *words: object) -> Ended:
        return self.trials.one(*words, cwd=home)

    def start(
        self,
        home: Path,
        *words: object,
        size: int = 2,
        kill: tuple[int, int, float] | None = None,
        other: dict[str, str] | None = None,
        other_home: Path | None = None,
        limits: dict[str, int] | None = None,
        patience: float = 120.0,
    ) -> list[Ended]:
        """Several processes to their ends.

        Args:
            home: where they run.
            words: of the command line.
            size: how many.
            kill: which of them, by which signal, after how many seconds.
            other: what the environment says beside to the last of them.
            other_home: where the last of them runs.
            limits: of the last of them, see `Trial`.
            patience: seconds after which a process is killed; those of `Trial`.
        """
        port, wishes = free_port(), []
        for rank in range(size):
            last = rank == size - 1
            said = environment(rank, size, port) | ((other or {}) if last else {})
            at = (other_home or home) if last else home
            struck = kill[1:] if kill and kill[0] == rank else None
            most = (limits or {}) if last else {}
            short = {"deftclean.training.process_group.PATIENCE": patience / 3}
            wish = Trial(
                words, at, environment=said, kill=struck, limits=most, patience=patience,
                patches=short,
            )  # fmt: skip
            wishes.append(wish)
        return self.trials.run(*wishes)

    def together(self, home: Path, *words: object, size: int = 2) -> Ended:
        """The first of several processes that all came to a good end, the others in silence."""
        first, *others = self.start(home, *words, size=size)
        assert first.code == 0, first.errors
        assert all((each.code, each.out, each.errors) == (0, "", "") for each in others)
        return first


@pytest.fixture
def run(trials: Trials, pictures: Path, tmp_path: Path) -> Run:
    return Run(trials, pictures, tmp_path)


def furthest(one: Path, other: Path, name: str = "clean_prob") -> float:
    """The largest difference of a column; that all is decided alike is asserted."""
    first, second = (read_scores(path).table for path in (one, other))
    for alike in ("row", "status", "keep", "predicted_label", "clean_top_label", "content_sha256"):
        assert first[alike].equals(second[alike]), alike
    found, wanted = (each[name].to_numpy() for each in (first, second))
    return float(np.abs(found - wanted).max())


@pytest.mark.parametrize("command", ["check", "export", "predict", "bench", "report"])
def test_other_commands_are_refused(command, tmp_path):
    done = run_cli(command, "x", cwd=tmp_path, **environment(0, 2, 1))
    assert done.returncode == 2
    assert f"torchrun has started 2 processes, and `deftclean {command}`" in done.stderr
    assert run_cli("--version", cwd=tmp_path, **environment(0, 2, 1)).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "size", "column", "most"),
    [
        (DEEP, 2, "clean_prob", 1e-3),
        (SINGLE, 2, "clean_prob", 1e-3),
        (DEEP, 3, "clean_prob", 5e-3),  # two threads against one give 0.0023
        # Where a head is fitted to 60 pictures, two threads against one move clean_prob by 0.04.
        (NONE, 2, "deft_prob", 1e-3),
        (NONE, 4, "deft_prob", 1e-3),
        ((*NONE, "--features", "nano"), 2, "neighbours_prob", 1e-6),
    ],
)
def test_a_scan_is_that_of_one_process(run, options, size, column, most):
    one, several = run.home(), run.home()
    alone = run.alone(one, "scan", "data", *options)
    assert alone.code == 0, alone.errors
    first = run.together(several, "scan", "data", *options, size=size)
    assert f"in {size} processes" in first.errors
    assert "Scoring: 0 in" not in first.errors
    assert first.out.count("noise rate ") == alone.out.count("noise rate ") == 1
    assert furthest(one / "clean.parquet", several / "clean.parquet", column) < most


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("gmm", "--tuner", "none", "--epochs", 6, "--warmup", 3),
        ("rolt", "--tuner", "none", "--epochs", 6, "--warmup", 3),
        ("unicon", "-P", 2, "--epochs", 2, "--warmup", 1),
        ("knn",),
        ("confident-learning",),
    ],
)
def test_other_strategies_see_the_same_features(run, options):
    """What they train and compare, every process does alike."""
    words = ("scan", "data", *QUICK, "--strategy", *options)
    one, two = run.home(), run.home()
    alone = run.alone(one, *words)
    assert alone.code == 0, alone.errors
    run.together(two, *words)
    assert contents(one / "clean.parquet") == contents(two / "clean.parquet")


@pytest.mark.slow
def test_every_machine_has_a_cache_of_its_own(run):
    """What one has and another lacks is computed, and all have the same features."""
    words = ("scan", "data", *PLAIN, "--tuner", "none", "--strategy", "deft", "--epochs", 3)
    first, warm, cold = (run.home() for _ in range(3))
    done = run.alone(warm, *words, "--cache-dir", "cache", "-o", "other.parquet")
    assert done.code == 0, done.errors
    ends = run.start(first, *words, "--cache-dir", "cache", other_home=warm)
    assert [each.code for each in ends] == [0, 0], ends[0].errors
    assert not (warm / "clean.parquet").exists()
    run.together(cold, *words, "--no-cache")
    assert contents(first / "clean.parquet") == contents(cold / "clean.parquet")


@pytest.mark.slow
def test_a_scan_without_a_model_is_written_once(run):
    one, two = run.home(), run.home()
    for home in (one, two):
        np.save(home / "own.npy", np.random.default_rng(0).normal(size=(60, 8)).astype("float32"))
    options = ("--model", "none", "--embeddings", "own.npy", "--workers", 0)
    alone = run.alone(one, "scan", "data", *options)
    assert alone.code == 0, alone.errors
    run.together(two, "scan", "data", *options)
    assert contents(one / "clean.parquet") == contents(two / "clean.parquet")


@pytest.mark.slow
@pytest.mark.parametrize("options", [DEEP, NONE])
def test_scores_are_those_of_one_process(run, options):
    home = run.home()
    assert run.alone(home, "scan", "data", *options).code == 0
    words = ("score", "clean.detector", "data", "--workers", 0, "--no-cache")
    assert run.alone(home, *words, "-o", "one.parquet").code == 0
    run.together(home, *words, "-o", "two.parquet")
    assert furthest(home / "one.parquet", home / "two.parquet") < 1e-6


@pytest.mark.slow
def test_a_collapse_is_one_of_all_processes(run, tmp_path):
    made = write_demo(tmp_path / "digits", 0)
    made.labels.write_text("\n".join(made.labels.read_text().splitlines()[:200]))
    words = ("scan", made.images, made.labels, *QUICK, "--noise", "synthetic", "--lr", 50)
    home = run.home()
    first, second = run.start(home, *words, "--epochs", 3, "--strategy", "deft")
    assert (first.code, second.code, second.errors) == (3, 3, "")
    assert first.told == 1
    assert "Training collapsed in epoch" in first.errors
    assert [each.name for each in home.iterdir()] == ["data"]
    first = run.together(home, *words, "--epochs", 3)  # of halves, one is trained again
    assert "it was trained again with a tenth of --lr" in first.errors


@pytest.mark.slow
def test_the_first_process_answers_for_gates(run):
    home = run.home()
    words = ("scan", "data", *NONE, "--fail-on", "flagged>0", "--json")
    first, second = run.start(home, *words)
    assert (first.code, second.code) == (1, 0), first.errors
    assert json.loads(first.out)["summary"]["rows"] == 60


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        ("--method", "linear"),
        ("--method", "fft"),
        ("--method", "fft", "--loss", "elr"),
        ("--method", "fft", "--micro-batch", 3, "--batch-size", 17),
        ("--method", "peft", "--tuner", "vpt-deep"),
        ("--method", "vlpt"),
        ("--method", "turn"),
    ],
)
def test_an_adaptation_is_that_of_one_process(run, method):
    home = run.home()
    assert run.alone(home, "scan", "data", *NONE).code == 0
    words = ("adapt", "clean.parquet", *ADAPT, *method)
    alone = run.alone(home, *words, "-o", "one")
    assert alone.code == 0, alone.errors
    run.together(home, *words, "-o", "two")
    one, two = (
        [json.loads(line) for line in (home / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    assert len(one) == len(two)
    for wanted, found in zip(one, two, strict=True):
        assert found["loss"] == pytest.approx(wanted["loss"], abs=1e-3, rel=1e-3)
        assert found["accuracy"] == wanted["accuracy"]
    one, two = (
        safetensors.torch.load_file(home / name / "model.safetensors") for name in ("one", "two")
    )
    assert all(float((one[name] - two[name]).abs().max()) < 1e-3 for name in one)


@pytest.mark.slow
def test_batch_statistics_are_not_of_a_part(run):
    home = run.home()
    assert run.alone(home, "scan", "data", *NONE).code == 0
    words = ("--backbone", "resnet10t", "--from-scratch", "--workers", 0, "--image-size", 32)
    first, _ = run.start(home, "adapt", "clean.parquet", *words, "-o", "run")
    assert first.code == 2, first.errors
    assert "normalises by statistics of each batch" in first.errors
    assert not (home / "run").exists()


def _killed(run: Run, home: Path, words: tuple[object, ...], seconds: float, who: int) -> None:
    """One of two processes, in the middle of its epochs: the other ends with 3."""
    ends = run.start(home, *words, kill=(who, signal.SIGKILL, seconds))
    assert ends[who].code == -signal.SIGKILL
    other = ends[1 - who]
    assert other.code == 3, other.errors
    assert other.told == 1
    assert f"Process {who} of 2 was lost" in other.errors
    assert "Traceback" not in other.errors


@pytest.mark.slow
@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize(
    ("words", "outputs"),
    [
        (
            ("scan", "data", *QUICK, "--strategy", "deft", "--epochs", 12, "--warmup", 6, "-P", 2,
             "--batch-size", 8),
            ("clean.parquet", "clean.detector"),
        ),
        (
            ("adapt", "clean.parquet", *ADAPT, "--method", "fft", "--epochs", 12, "-o", "run"),
            ("run",),
        ),
    ],
    ids=["scan", "adapt"],
)  # fmt: skip
def test_a_killed_process_ends_the_run_which_goes_on_later(run, words, outputs, who):
    homes = run.home(), run.home()
    if words[0] == "adapt":
        for home in homes:
            assert run.alone(home, "scan", "data", *NONE).code == 0
    whole, broken = homes
    seconds = run.together(whole, *words).seconds
    _killed(run, broken, words, 0.6 * seconds, who)
    assert not any((broken / name).exists() for name in outputs)
    first = run.together(broken, *words, "--resume")
    assert "going on after" in first.errors
    for name in outputs:
        assert contents(whole / name) == contents(broken / name), name


@pytest.mark.slow
def test_a_process_that_hangs_is_not_waited_for_for_ever(run):
    home = run.home()
    words = ("scan", "data", *QUICK, "--strategy", "deft", "--epochs", 90, "--warmup", 6)
    first, second = run.start(home, *words, kill=(1, signal.SIGSTOP, 6.0), patience=30.0)
    assert second.code == TOO_LONG  # it stands still to this day
    assert first.code == 3, first.errors
    assert "does not answer any more" in first.errors
    assert first.seconds < 25
    assert not (home / "clean.parquet").exists()


@pytest.mark.slow
def test_a_run_is_gone_on_with_by_as_many(run):
    """One process would give other numbers than a run that was never stopped."""
    home = run.home()
    words = ("scan", "data", *QUICK, "--strategy", "deft", "--epochs", 30, "--warmup", 6)
    _killed(run, home, words, 6.0, 1)
    done = run.alone(home, *words, "--resume")
    assert done.code == 2
    assert "what differs: processes" in done.errors


@pytest.mark.slow
def test_what_one_process_lacks_ends_all(run, tmp_path):
    home = run.home()
    words = ("scan", "data", *NONE)
    first, second = run.start(home, *words, limits={"FSIZE": 1000})
    assert (first.code, second.code, second.errors) == (3, 3, "")
    assert "Process 1 of 2 failed: " in first.errors
    assert first.told == 1
    assert not (home / "clean.parquet").exists()


@pytest.mark.slow
@pytest.mark.parametrize("change", ["fewer pictures", "another seed"])
def test_processes_that_were_not_given_the_same_are_refused(run, change):
    home, other = run.home(), run.home()
    shutil.copy(home / "data" / "apple" / "03.png", other / "data" / "apple" / "06.png")
    if change == "fewer pictures":
        next((other / "data" / "leaf").iterdir()).unlink()
    words = ("scan", "data", *NONE, "--strategy", "deft")
    first, _ = run.start(home, *words, other_home=other, other={"DEFTCLEAN_SCAN_SEED": "5"})
    assert first.code == 2, first.errors
    assert "what differs: " in first.errors
    assert first.told == 1
    assert not (home / "clean.parquet").exists()


@pytest.mark.slow
def test_torchrun_itself(pictures, tmp_path):
    """One table, one summary; torchrun tells how a run has ended by a code of its own."""
    words = ("-m", "torch.distributed.run", "--nproc-per-node", 2, "-m", "deftclean")
    for code in (0, 1):  # the second time there is a table
        process = start_python(
            *words, "scan", pictures, *NONE, "-o", "clean.parquet",
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        out, errors = process.communicate(timeout=300)
        assert process.returncode == code, errors
        assert errors.count("Error: clean.parquet exists") == code
        assert out.count("noise rate ") == (code == 0)
