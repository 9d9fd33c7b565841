"""Ctrl-C and SIGTERM end a command by their code at any moment."""

import os
import signal
import subprocess
import sys
import time

import pytest

from deftclean.cli.main import run_process
from deftclean.core.errors import InputError
from deftclean.core.signals import Signals
from tests.support.commands import start_process
from tests.support.pictures import draw
from tests.support.places import ROOT
from tests.support.processes import run_code

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}

# A module whose import takes time, and swallows whatever comes: as PyTorch's does, but at once.
SLOW = """
import time
print("importing", flush=True)
for _ in range(20):
    try:
        time.sleep(0.02)
    except BaseException:
        raise ImportError("partially initialized module") from None
"""
BEGINNING = """
import sys
sys.path.insert(0, sys.argv[1])
from deftclean.core.signals import Signals
signals = Signals()
signals.install()
try:
    import slow
    import time
    time.sleep(10)
except ImportError:
    sys.exit(3)
except KeyboardInterrupt:
    sys.exit(signals.code())
"""


@pytest.mark.parametrize("number", CODES)
def test_an_import_is_not_broken(number, tmp_path):
    """The exception comes behind it, where nothing can take it for another."""
    (tmp_path / "slow.py").write_text(SLOW)
    process = subprocess.Popen(
        [sys.executable, "-c", BEGINNING, tmp_path],
        env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "importing\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (CODES[number], "")


LOSING = """
import os, sys, time
from deftclean.core.signals import Signals
signals = Signals()
signals.install()
class Closing:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))
        time.sleep(0.01)
try:
    closing = Closing()
    del closing
    time.sleep(10)
except KeyboardInterrupt:
    sys.exit(signals.code())
"""


@pytest.mark.parametrize("number", CODES)
def test_an_interruption_that_a_destructor_swallows_comes_again(number):
    """So do callbacks of C, a file of ours that pyarrow reads for one."""
    done = run_code(LOSING, int(number))
    assert (done.returncode, done.stderr) == (CODES[number], "")


@pytest.mark.parametrize("error", [InputError("the file is closed"), MemoryError()])
def test_what_an_interruption_did_to_a_file_is_no_news(error, tmp_path, monkeypatch, capfd):
    signals = Signals()

    def check(*_given: object, **_more: object) -> None:
        signals.received = signal.SIGTERM
        raise error

    monkeypatch.setattr("deftclean.gate.check.check", check)
    monkeypatch.setattr("deftclean.cli.main.show_safely", lambda: None)
    assert run_process(["check", str(tmp_path)], signals) == 143
    assert capfd.readouterr().err == ""


def failing(signals: Signals, number: int) -> None:
    """What a signal to a group can do: a worker's end is noticed first, then the signal comes."""

    def check(*_given: object, **_more: object) -> None:
        signals.received = number
        raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Terminated.")

    return check


@pytest.mark.parametrize("number", CODES)
def test_what_a_signal_did_to_workers_first_is_no_failure(number, tmp_path, monkeypatch, capfd):
    signals = Signals()
    signals.installed = True
    monkeypatch.setattr("deftclean.gate.check.check", failing(signals, number))
    monkeypatch.setattr("deftclean.cli.main.show_safely", lambda: None)
    (tmp_path / "x.parquet").touch()
    code = run_process(["check", str(tmp_path / "x.parquet")], signals)
    assert code == CODES[number]
    assert capfd.readouterr().err == ""


def test_a_background_command_goes_on_ignoring(monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda _number: signal.SIG_IGN)
    changed = []
    monkeypatch.setattr(signal, "signal", lambda *given: changed.append(given))
    Signals().install()
    assert changed == []


@pytest.fixture
def data(tmp_path):
    for index in range(24):
        path = tmp_path / "data" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw((200 * (index % 2), 30, 40), index).save(path)
    return tmp_path / "data"


TRAINING = (
    "scan", "data", "--model", "nano", "--tuner", "vpt-shallow", "--epochs", "3000", "--warmup",
    "5", "--workers", "2", "--no-cache",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("attempt", range(3))
def test_a_signal_to_the_whole_group(number, attempt, data, tmp_path):
    """As Slurm, systemd and timeout send it; it is a race, so more than once."""
    process = subprocess.Popen(
        [sys.executable, "-m", "deftclean", *TRAINING, "-o", f"{attempt}.parquet"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    heard = ""
    while "epoch 2/" not in heard:
        assert process.poll() is None, heard
        heard += process.stderr.readline()
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == CODES[number]
    assert "Traceback" not in errors
    assert "with --resume goes on from there" in errors


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.3, 0.6, 0.9, 1.2, 1.5, 1.8])
def test_an_interruption_at_the_beginning(delay, data, tmp_path):
    process = start_process(
        *TRAINING, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    # Before the interpreter has come to our first line, the signal itself ends it.
    assert process.returncode in (130, -signal.SIGINT)
    if process.returncode == 130:
        assert "Traceback" not in errors


@pytest.mark.slow
def test_workers_end_with_a_parent_that_was_killed(data, tmp_path):
    psutil = pytest.importorskip("psutil")
    process = start_process(
        *TRAINING, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    heard = ""
    while "epoch 2/" not in heard:
        assert process.poll() is None, heard
        heard += process.stderr.readline()
    workers = psutil.Process(process.pid).children(recursive=True)
    assert workers
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
