"""Settings files as people and other programs leave them, and one name for an option everywhere."""

import json
from pathlib import Path

import jsonschema
import pytest
import typer

from deftclean.cli import main as cli
from deftclean.cli.main import app
from deftclean.cli.settings_file import (
    Known,
    file_settings,
    known_options,
    unknown_variables,
)
from deftclean.core.errors import UsageError
from tests.support.places import ROOT
from tests.support.settings_schema import settings_schema

SCHEMA = ROOT / "docs" / "deftclean.schema.json"

KNOWN = {"scan": {"epochs": Known("epochs", repeatable=False)}}


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


# ---------------------------------------------------------------- one name everywhere

GROUP = typer.main.get_command(app)
OPTIONS = [
    (command, each)
    for command, made in GROUP.commands.items()
    for each in made.params
    if each.param_type_name == "option" and each.name != "help"
]


@pytest.mark.parametrize(
    ("command", "option"), OPTIONS, ids=lambda each: getattr(each, "name", each)
)
def test_an_option_has_one_name_in_all_four_places(command, option, here):
    """On the command line, in the help, in the environment and in the settings file."""
    first = next(text for text in option.opts if text.startswith("--"))
    (here / "deftclean.toml").write_text(f"[{command}]\n{first[2:]} = 1\n")
    assert file_settings(None, known_options(GROUP)) == {command: {option.name: 1}}
    (here / "deftclean.toml").write_text(f'[{command}]\n{first[2:]} = "a"\n')
    one = ["a"] if option.multiple else "a"
    assert file_settings(None, known_options(GROUP)) == {command: {option.name: one}}
    variable = f"DEFTCLEAN_{command}_{first[2:]}".upper().replace("-", "_")
    assert unknown_variables({variable: "1"}, GROUP) == []


def test_what_help_calls_it_works_in_the_file_and_the_environment(here, monkeypatch, capsys):
    (here / "deftclean.toml").write_text('[doctor]\nformat = "json"\n')
    cli.run(["doctor", "--model", "nano"])
    assert isinstance(json.loads(capsys.readouterr().out), dict)
    (here / "deftclean.toml").unlink()
    monkeypatch.setenv("DEFTCLEAN_DOCTOR_FORMAT", "json")
    cli.run(["doctor", "--model", "nano"])
    assert isinstance(json.loads(capsys.readouterr().out), dict)
    monkeypatch.delenv("DEFTCLEAN_DOCTOR_FORMAT")
    monkeypatch.setenv("DEFTCLEAN_CORRUPT_FROM", "nowhere.csv")
    (here / "data" / "a").mkdir(parents=True)
    assert cli.run(["corrupt", "data", "--noise", "symmetric", "--ratio", "0.1"]) == 2
    assert "--from" in capsys.readouterr().err


def test_a_variable_of_no_option_is_warned_of(here, monkeypatch, capsys):
    monkeypatch.setenv("DEFTCLEAN_DOCTOR_FORM", "json")
    monkeypatch.setenv("DEFTCLEAN_SCAN_EPOCH", "3")
    monkeypatch.setenv("DEFTCLEAN_CACHE_DIR", str(here))
    cli.run(["doctor", "--model", "nano"])
    errors = " ".join(capsys.readouterr().err.split())
    assert "DEFTCLEAN_DOCTOR_FORM is of no option, and is not looked at" in errors
    assert "did you mean DEFTCLEAN_DOCTOR_FORMAT" in errors
    assert "did you mean DEFTCLEAN_SCAN_EPOCHS" in errors
    assert "CACHE_DIR is" not in errors


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("[scan]\nepoch = 3", "no option 'epoch' \\(did you mean epochs"),
        ("[scan]\nclean_images = 3\ncontext-lenght = 2", "context-length"),
        ("[scna]\nepochs = 3", "did you mean scan"),
        ("epochs = 3", r"\[epochs\] is no command"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_is_near(text, near, here):
    (here / "deftclean.toml").write_text(text)
    with pytest.raises(UsageError, match=near):
        file_settings(None, known_options(GROUP))


def test_the_schema_is_that_of_the_options():
    written = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert written == settings_schema()
    for command, names in known_options(GROUP).items():
        keys = {key.replace("-", "_") for key in written["properties"][command]["properties"]}
        assert keys == names.keys() - {"help"}
    check = jsonschema.Draft202012Validator(written)
    check.validate({"scan": {"split": "train", "fail-on": ["a>0", "b>0"]}})
    check.validate({"scan": {"epochs": 3, "model": "nano", "flip": False, "rename": ["a=b"]}})
    for wrong in (
        {"scna": {}}, {"scan": {"epoch": 3}}, {"scan": {"epochs": "3"}}, {"check": {"format": "x"}},
    ):  # fmt: skip
        assert not check.is_valid(wrong), wrong
