"""Tests lie where the modules lie that they test."""

from tests.support.places import PACKAGE, ROOT

TESTS = ROOT / "tests"
OF_SEVERAL_MODULES = {
    "cli/test_commands.py",
    "data/test_formats.py",
    "data/test_manifest_in_full.py",
    "gate/test_check_evidence.py",
    "gate/test_check_slim.py",
    "gate/test_exact_formats.py",
    "images/test_corpus.py",
    "images/test_kinds.py",
    "models/test_exactness.py",
}


def test_a_file_is_named_after_the_module_or_folder_that_it_tests():
    """Those in `commands` test whole commands and public functions."""
    strangers = []
    for path in TESTS.glob("*/**/test_*.py"):
        place = path.relative_to(TESTS)
        room, name = PACKAGE / place.parent, path.stem.removeprefix("test_")
        if place.parts[0] != "commands" and name not in {each.stem for each in room.rglob("*")}:
            strangers.append(place.as_posix())
    assert set(strangers) == OF_SEVERAL_MODULES
