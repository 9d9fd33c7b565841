"""Names that every file system takes, and that never meet."""

import string
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deftclean.exports.names import class_folders, file_names, safe_name

HOSTILE = st.text(alphabet=string.printable + "éÉßﬀ\u0301 ∕\u202e\x00", max_size=12)
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cat", "cat"),
        ("n/a", "n_a"),
        ("..", "__"),
        (".", "_"),
        ("", "_"),
        (" ", "_"),
        (".hidden", "_hidden"),
        ("end. ", "end__"),
        ("../../etc", "_._.._etc"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1", "_com1"),
        ("computer", "computer"),
        ('a:b*c?"<>|\\', "a_b_c_____" + "_"),
        ("a\x1b[31m\n", "a_[31m_"),
        ("Straße", "Straße"),
    ],
)
def test_names(text, name):
    assert safe_name(text) == name


@PATIENT
@given(HOSTILE)
def test_a_name_is_one_part_of_a_path_on_every_system(text):
    name = safe_name(text)
    assert name
    assert not set(name) & set('/\\:*?"<>|\x00')
    assert name.isprintable()
    assert not name.startswith(".")
    assert name == name.rstrip(". ")
    assert safe_name(name) == name


def test_long_names_are_cut_and_keep_their_suffix():
    name = safe_name("é" * 300 + ".jpeg")
    assert len(name.encode()) <= 150
    assert name.endswith("é.jpeg")


def test_labels_that_would_meet_get_numbers():
    folders = class_folders(["CAT", "Cat", "a/b", "a_b", "cat"])
    assert folders == {"CAT": "CAT", "a_b": "a_b", "Cat": "Cat-2", "a/b": "a_b-2", "cat": "cat-3"}


def folded(name: str) -> str:
    return unicodedata.normalize("NFKD", name).casefold()


@PATIENT
@given(st.lists(HOSTILE, unique=True, max_size=12))
def test_every_label_has_a_folder_of_its_own(labels):
    folders = class_folders(labels)
    assert sorted(folders) == sorted(labels)
    assert len({folded(name) for name in folders.values()}) == len(labels)
    assert all(safe_name(name) == name for name in folders.values())


def test_files_with_one_base_name_get_their_row():
    names = ["a/1.png", "b/1.PNG", "c/2.png", "d/1-0.png"]
    assert file_names(["cat"] * 4, names, [0, 1, 2, 3]) == [
        "cat/1-0-0.png", "cat/1-1.PNG", "cat/2.png", "cat/1-0-3.png",
    ]  # fmt: skip
    assert file_names(["cat", "dog"], ["a/1.png", "b/1.png"], [0, 1]) == ["cat/1.png", "dog/1.png"]


@PATIENT
@given(st.lists(st.text(alphabet="1-aA./", max_size=6), max_size=12))
def test_files_never_meet(names):
    paths = file_names(["x"] * len(names), names, list(range(len(names))))
    assert len({folded(path) for path in paths}) == len(names)
