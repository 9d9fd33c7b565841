"""Settings files as people and other programs leave them."""

from pathlib import Path

import pytest

from deftclean.cli.settings_file import file_settings
from deftclean.core.errors import UsageError

KNOWN = {"scan": {"epochs"}}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [b"[broken", b"\xff\xfe", b"", b"tool = 3", b"[tool]\nblack = 1", b"a = " + b"[" * 5000, b"\0"],
)
def test_a_foreign_pyproject_stops_nothing(text: bytes, here: Path) -> None:
    (here / "pyproject.toml").write_bytes(text)
    assert file_settings(None, KNOWN) == {}


def test_a_foreign_pyproject_that_is_a_folder_or_too_large(here: Path, monkeypatch) -> None:
    (here / "pyproject.toml").mkdir()
    assert file_settings(None, KNOWN) == {}
    (here / "pyproject.toml").rmdir()
    (here / "pyproject.toml").write_text("[tool.deftclean.scan]\nepochs = 3\n")
    monkeypatch.setattr("deftclean.core.files.LARGEST_TEXT", 8)
    assert file_settings(None, KNOWN) == {}


@pytest.mark.parametrize("name", ["deftclean.toml", "pyproject.toml", "other.toml"])
def test_a_byte_order_mark_is_no_part_of_it(name: str, here: Path) -> None:
    head = "tool.deftclean." if name == "pyproject.toml" else ""
    (here / name).write_text(f"[{head}scan]\nepochs = 3\n", encoding="utf-8-sig")
    config = Path(name) if name == "other.toml" else None
    assert file_settings(config, KNOWN) == {"scan": {"epochs": 3}}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("deftclean.toml", "[broken"),
        ("pyproject.toml", "[tool.deftclean.scan]\nepochs = "),
        ("pyproject.toml", "[tool]\ndeftclean = 3"),
    ],
)
def test_ours_is_not_passed_over(name: str, text: str, here: Path) -> None:
    (here / name).write_text(text)
    with pytest.raises(UsageError, match=name):
        file_settings(None, KNOWN)
    with pytest.raises(UsageError, match=name):
        file_settings(Path(name), KNOWN)
