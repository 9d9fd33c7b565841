"""Tables of a comparison: numbers worked by hand, published figures, and hostile headings."""

import json
from html.parser import HTMLParser

import pytest

from deftclean.experiments.cells import Cell, LabelledData, Selection
from deftclean.experiments.results import RESULT_SCHEMA
from deftclean.experiments.tables import grid_tables, html_page, markdown_page


def row(**given):
    usual = {
        "grid": "g", "column": "c", "method": "m", "data": "d", "strategy": "deft", "seed": 0,
        "preset": "real", "model": "nano", "settings": "{}", "published": "{}", "rows": 100,
        "seconds": 2.0, "device": "cpu", "precision_mode": "fp32", "tool_version": "1",
        "precision": 0.9,
    }  # fmt: skip
    return {**dict.fromkeys(RESULT_SCHEMA.names), **usual, **given}


def test_mean_and_deviation_over_seeds_beside_the_published_figure():
    """0.90 and 0.94: mean 92, standard deviation 100 · 0.04 / √2 = 2.83."""
    published = json.dumps({"precision": 98.7})
    rows = [row(seed=0, precision=0.90, published=published), row(seed=1, precision=0.94)]
    (grid,) = grid_tables([*rows, row(column="other", precision=0.5)])
    table = grid.tables[0]
    assert (table.title, table.columns) == ("Precision of the kept rows, %", ("c", "other"))
    ((method, figures),) = table.rows
    assert method == "m"
    assert [(figure.text, figure.published) for figure in figures] == [
        ("92.00 ± 2.83", "98.70"),
        ("50.00", None),
    ]
    assert "| m | 92.00 ± 2.83 (98.70) | 50.00 |" in markdown_page([grid])


def test_places_without_figures_and_failed_ones():
    rows = [
        row(method="a"),
        row(method="b", column="other", precision=None, error="it broke"),
    ]
    (grid,) = grid_tables(rows)
    figures = {name: [figure.text for figure in row] for name, row in grid.tables[0].rows}
    assert figures == {"a": ["90.00", "–"], "b": ["–", "failed"]}
    assert grid.failures == ("other, b, seed 0: it broke",)


def test_a_mean_says_how_many_seeds_it_is_of():
    rows = [row(seed=seed, precision=share) for seed, share in enumerate((0.90, 0.94, None))]
    (grid,) = grid_tables(rows)
    assert grid.tables[0].rows[0][1][0].text == "92.00 ± 2.83 [2 of 3 seeds]"


def test_other_rows_than_the_papers_are_said():
    cell = Cell("g", "c", "m", LabelledData("clothing1m"), None, None, 0, {"accuracy_last": 70.0})
    given = row(data="clothing1m", limit_rows=5000, all_rows=True)
    (grid,) = grid_tables([given], [cell])
    assert grid.departures == (
        "rows of a data set at most 5,000, where the published figures have all",
        "Clothing1M with all rows, where the published figures have a balanced sample",
    )
    (grid,) = grid_tables([row(data="clothing1m", all_rows=False)], [cell])
    assert grid.departures == ()


def test_what_is_not_the_papers_is_said_above_the_tables():
    cell = Cell(
        "g", "c", "m", LabelledData("d"), Selection("deft", "real", "ViT-B-16"), None, 0,
        {"precision": 98.7},
    )  # fmt: skip
    (grid,) = grid_tables([row()], [cell])
    assert grid.departures == ("model nano, where the published figures have ViT-B-16",)
    page = markdown_page([grid])
    assert page.index("ViT-B-16") < page.index("Precision")
    assert grid_tables([row(model="ViT-B-16")], [cell])[0].departures == ()


def test_each_table_says_rows_device_seconds_and_settings():
    rows = [row(settings='{"epochs": 3}'), row(column="other", rows=50, limit_rows=50)]
    (grid,) = grid_tables(rows)
    facts = "\n".join(grid.facts)
    assert "NOT ALL ROWS: a stratified sample of 50" in facts
    assert "training rows: 100 (c), 50 (other)" in facts
    assert "device: cpu, fp32" in facts
    assert "4 seconds for 2 of 2 cells" in facts
    settings = "m: scan deft, preset real, model nano, epochs 3; or scan deft, preset real, model"
    assert settings in facts


HOSTILE = "<script>alert(1)</script> & \"'`|\n\u202e]]>{{7*7}}"


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("field", ["grid", "column", "method", "error", "model", "device"])
def test_hostile_names_are_shown_and_do_nothing(field):
    plain = grid_tables([row(**{field: "harmless"})])
    hostile = grid_tables([row(**{field: HOSTILE})])
    harmless, page = Tags(), Tags()
    harmless.feed(html_page(plain))
    page.feed(html_page(hostile))
    assert page.seen == harmless.seen
    assert "<script>alert(1)</script> & \"'`|\\n\\u202e]]>{{7*7}}" in "".join(page.text)
    text = markdown_page(hostile)
    assert "<script" not in text
    assert len(text.splitlines()) == len(markdown_page(plain).splitlines())
    assert "\u202e" not in text


def test_the_page_loads_nothing():
    page = html_page(grid_tables([row()]))
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    assert "http" not in page.replace("http-equiv", "")
