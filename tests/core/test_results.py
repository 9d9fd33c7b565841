"""How results show themselves."""

from html.parser import HTMLParser
from pathlib import Path

import deftclean
from deftclean.core.results import Shown
from tests.support.scored import make_scored

HOSTILE = '"><img src=x onerror=alert(1)>'


class Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


class Made(Shown):
    def facts(self) -> dict[str, object]:
        return {HOSTILE: HOSTILE, "none": None, "share": 0.123456, "left out": {HOSTILE: 1234}}


def test_names_and_labels_stay_text():
    page = Texts()
    page.feed(Made()._repr_html_())
    assert page.tags == {"table", "caption", "tr", "th", "td"}
    assert page.texts == [
        "Made", HOSTILE, HOSTILE, "share", "0.1235", "left out", f"1,234 {HOSTILE}",
    ]  # fmt: skip


def test_a_result_is_one_line_not_its_table(tmp_path: Path):
    made = make_scored(tmp_path)
    result = deftclean.select(made.table, output=tmp_path / "b.parquet")
    text = repr(result)
    assert text.startswith("ScanResult(rows=48, kept=40, flagged=8, noise_rate=16.7%, table=")
    assert "\n" not in text
    assert len(text) < 200 + len(str(tmp_path))
    assert "16.7%" in result._repr_html_()
    exported = deftclean.export(made.table, to="csv", output=tmp_path / "b.csv")
    assert "left_out=8 flagged" in repr(exported)


def test_all_results_are_shown_alike():
    results = [getattr(deftclean, name) for name in deftclean.__all__ if name.endswith("Result")]
    assert len(results) == 11
    for kind in results:
        assert issubclass(kind, Shown)
        assert kind.__repr__ is Shown.__repr__
        assert "facts" in vars(kind)
