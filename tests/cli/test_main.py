"""The one error handler: what is a message, and what is a bug."""

import errno
from pathlib import Path

import pytest

from tests.support.commands import run_cli


def failing(error: Exception, where: Path, patch: pytest.MonkeyPatch):
    def check(*_given: object, **_more: object) -> None:
        raise error

    patch.setattr("deftclean.gate.check.check", check)
    return run_cli("check", "x.parquet", cwd=where)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EMFILE, "ulimit -n"),
        (errno.ENOSPC, "Free space"),
        (errno.EACCES, "its mode"),
        (errno.EIO, "Look at the disk"),
        (errno.ENOMEM, "more memory"),
    ],
)
def test_what_the_machine_refuses_is_no_bug(number, advice, tmp_path, monkeypatch):
    done = failing(OSError(number, "told so", "some/file"), tmp_path, monkeypatch)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "Error: some/file: told so." in done.stderr
    assert advice in done.stderr


def test_a_package_that_is_not_installed_is_no_bug(tmp_path, monkeypatch):
    """As where only what gates need is installed."""
    done = failing(ModuleNotFoundError("no", name="torch"), tmp_path, monkeypatch)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "This command needs torch, which is not installed." in done.stderr
    assert "pip install deftclean" in done.stderr
    missing = ModuleNotFoundError("no", name="deftclean.gone")  # that would be ours
    assert "Traceback" in failing(missing, tmp_path, monkeypatch).stderr


@pytest.mark.parametrize("error", [OSError(errno.EBADF, "bad"), OSError("odd"), KeyError("x")])
def test_a_bug_keeps_its_traceback(error, tmp_path, monkeypatch):
    done = failing(error, tmp_path, monkeypatch)
    assert done.returncode == 3
    assert "Traceback" in done.stderr
