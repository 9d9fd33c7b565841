"""Whatever stands in a name or label can be seen, and does nothing."""

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deftclean.core.text import lines_of, on_one_line, quiet_json, visible

COMMAND = re.compile(r"^\s*::[\w-]+( .*?)?::|##\w*\[", re.MULTILINE)
"""What GitHub, Azure Pipelines and TeamCity take for a command."""


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\nb\t", "a\\nb\\t"),
        ("\x1b]0;t\x07\x9b31m", "\\x1b]0;t\\x07\\x9b31m"),
        ("\u202ecat\u2066\u200b\u2028", "\\u202ecat\\u2066\\u200b\\u2028"),
        ("::error::x", ":\\x3aerror::x"),
        ("  ::error file=a.py,line=1::x", "  :\\x3aerror file=a.py,line=1::x"),
        ("a::add-mask::b::c", "a:\\x3aadd-mask:\\x3ab::c"),
        ("##vso[task.x]y ##[error]z ##teamcity[a]", "#\\x23vso[task.x]y #\\x23[error]z "
         "#\\x23teamcity[a]"),
        ("std::vector", "std::vector"),
        ("C## [x] 50::50", "C## [x] 50::50"),
        ("猫 café :x: [red]", "猫 café :x: [red]"),
    ],
)  # fmt: skip
def test_what_is_seen(text, seen):
    assert visible(text) == seen


def test_a_line_that_is_put_together_is_broken_where_it_begins():
    assert on_one_line("a::error::x\n") == "a::error::x\\n"
    assert on_one_line(" ::error::x::y::") == " :\\x3aerror::x::y::"
    assert on_one_line("##vso[a]") == "#\\x23vso[a]"


def test_json_keeps_its_values():
    text = json.dumps(["##vso[a]", "### #", 1])
    assert "##" not in quiet_json(text)
    assert json.loads(quiet_json(text)) == json.loads(text)


@given(st.text() | st.text("::error ##vso[]\n\x1b", max_size=20))
@example("::a::b::c::")
@example("####[[")
@example("::\n::error::")
def test_no_text_is_a_command_or_leaves_its_line(text):
    seen = visible(text)
    assert seen.isprintable()
    assert not COMMAND.search(seen)
    # Nor does a part of it that begins a line, as where a terminal is narrow.
    assert not any(COMMAND.match(seen[at:]) for at in range(len(seen)))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a", ["a"]),
        ("a\nb\n", ["a", "b"]),
        ("a\r\n\r\nb\rc\n\n", ["a", "", "b", "c", ""]),
        (
            "a\x0bb\x0cc\x1c\x1d\x1e\x85\u2028\u2029\nd",
            ["a\x0bb\x0cc\x1c\x1d\x1e\x85\u2028\u2029", "d"],
        ),
    ],
)
def test_lines_end_where_an_editor_ends_them(text, lines):
    assert lines_of(text) == lines
