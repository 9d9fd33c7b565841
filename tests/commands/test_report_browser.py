"""The report in a real browser: filters, review by keyboard, saving, and hostile data."""

import csv
import io
import shlex
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import deftclean
from deftclean.table.scores import ScoreTable, read_scores, write_scores
from tests.support.browser import Browser
from tests.support.commands import run_cli
from tests.support.pictures import draw
from tests.support.scored import Scored, make_suspects

RIGHT, LEFT, ENTER, DOWN = "\ue014", "\ue012", "\ue007", "\ue015"

HOSTILE = (
    "<img src=x onerror=\"document.title='broken'\">",
    "</script><script>document.title='broken'</script>",
    "\"'><svg onload=document.title='broken'>",
    '=HYPERLINK("http://example.com")',
    "'=1+1",
    "line\nbreak\r\u2028end",
    "\u202egnp.txt",
    "{{ 7 * 7 }} ${7*7}, ;\t'",
)


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    return make_suspects(tmp_path / "scored")


@pytest.fixture
def page(browser: Browser, scored: Scored, tmp_path: Path) -> Iterator[Path]:
    """The report of eight flagged rows, open, with nothing that a test before has left."""
    path = tmp_path / "report.html"
    deftclean.report(scored.table, output=path)
    open_fresh(browser, path)
    yield path
    assert_peaceful(browser)


def open_fresh(browser: Browser, path: Path) -> None:
    browser.open(path)
    browser.run("localStorage.clear()")
    for old in browser.downloads.iterdir():
        old.unlink()
    browser.requests()
    browser.complaints()
    browser.driver.refresh()


def assert_peaceful(browser: Browser) -> None:
    assert browser.complaints() == []
    schemes = {url.partition(":")[0] for url in browser.requests()}
    assert "file" in schemes
    assert schemes <= {"file", "data", "blob"}


def decisions(browser: Browser) -> list[str]:
    found: list[str] = browser.run(
        "return [...document.querySelectorAll('.card')].map((c) => c.dataset.decision)"
    )
    return found


def current(browser: Browser) -> int:
    index: str = browser.run("return document.activeElement.closest('li').dataset.index")
    return int(index)


def sign(browser: Browser, name: str) -> None:
    field = browser.driver.find_element("id", "reviewer")
    field.clear()
    field.send_keys(name)
    browser.run("document.activeElement.blur()")


def saved(browser: Browser) -> list[dict[str, str]]:
    text = browser.downloaded("review.csv").read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_filters_by_class_reason_and_decision(browser: Browser, page: Path) -> None:
    # Rows 4 to 11: given leaf, ocean, apple, ...; suggested the class after it.
    assert len(browser.texts(".card .given")) == 8
    browser.choose("filter-given", "apple")
    assert browser.texts(".card .given") == ["apple", "apple"]
    browser.choose("filter-suggested", "apple")
    assert browser.texts(".card .given") == []
    assert browser.texts("#nothing") == ["No picture fits these filters."]
    browser.choose("filter-given", "all")
    assert set(browser.texts(".card .suggested")) == {"apple"}
    browser.choose("filter-suggested", "all")
    browser.choose("filter-why", "agree")
    assert browser.texts("#progress") == ["0 of 8 decided · 4 shown"]
    browser.choose("filter-why", "threshold")
    assert browser.texts(".why") == ["threshold"] * 4
    browser.choose("filter-why", "any")
    browser.choose("filter-state", "not decided")
    browser.press(RIGHT, "d")
    assert len(browser.texts(".card")) == 7
    assert current(browser) == 1
    browser.choose("filter-state", "drop")
    assert len(browser.texts(".card")) == 1


def test_review_by_keyboard_undo_and_reload(browser: Browser, page: Path) -> None:
    browser.press(RIGHT)
    assert current(browser) == 0
    browser.press("k", "r", "d")
    assert decisions(browser)[:4] == ["keep", "relabel", "drop", ""]
    assert current(browser) == 3
    assert browser.run("return document.getElementById('status').textContent").startswith(
        "Row 6: drop. 3 of 8 decided"
    )
    browser.press(LEFT)
    assert current(browser) == 2
    browser.press("u")
    assert decisions(browser)[:4] == ["keep", "relabel", "", ""]
    browser.press("k", "u", "u")  # the first undoes keep, the second the relabelling before
    assert decisions(browser)[:3] == ["keep", "", ""]
    browser.press("r")
    browser.driver.refresh()
    assert decisions(browser)[:3] == ["keep", "relabel", ""]
    browser.press("n")
    assert current(browser) == 2


def test_letters_can_be_turned_off_and_do_nothing_while_typing(
    browser: Browser, page: Path
) -> None:
    browser.press(RIGHT)
    browser.run("document.getElementById('letters').click()")
    browser.press("k", "d")
    assert set(decisions(browser)) == {""}
    browser.press(RIGHT)
    assert current(browser) == 1
    browser.run("document.getElementById('letters').click()")
    sign(browser, "kurd")
    assert set(decisions(browser)) == {""}


def test_everything_works_with_tab_and_enter(browser: Browser, page: Path) -> None:
    browser.press(RIGHT, *3 * ["\ue004"], ENTER)  # Tab past picture and choice, to the first answer
    assert decisions(browser)[0] == "keep"
    assert browser.run("return document.activeElement.dataset.do") == "keep"
    assert browser.run("return document.activeElement.getAttribute('aria-pressed')") == "true"


def test_saving_asks_for_a_name_and_the_command_line_merges(
    browser: Browser, page: Path, scored: Scored, tmp_path: Path
) -> None:
    browser.press(RIGHT, "k", "r", "d", "o")
    # Any label but the given one, found by a part of it.
    browser.press(*"pp", ENTER)
    assert decisions(browser)[:4] == ["keep", "relabel", "drop", "relabel"]
    browser.press("s")
    assert not list(browser.downloads.iterdir())
    assert browser.run("return document.activeElement.id") == "reviewer"
    sign(browser, "Ada, née Byron")
    browser.press("s")
    lines = saved(browser)
    assert [(e["row"], e["decision"], e["final_label"]) for e in lines] == [
        ("4", "keep", ""), ("5", "relabel", "apple"), ("6", "drop", ""), ("7", "relabel", "apple"),
    ]  # fmt: skip
    assert {line["reviewer"] for line in lines} == {"Ada, née Byron"}
    assert all(len(line["reviewed_at"]) == 20 for line in lines)

    review = browser.downloads / "review.csv"
    for name in ("once", "twice"):
        source = scored.table if name == "once" else tmp_path / "once.parquet"
        done = run_cli("review", source, review, "-o", f"{name}.parquet", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert "4  (1 kept, 2 relabelled, 1 dropped)" in done.stdout
    assert (tmp_path / "once.parquet").read_bytes() == (tmp_path / "twice.parquet").read_bytes()
    rows = pq.read_table(tmp_path / "once.parquet").to_pylist()
    assert [(r["keep"], r["final_label"]) for r in rows[4:9]] == [
        (True, "leaf"), (True, "apple"), (False, None), (True, "apple"), (False, None),
    ]  # fmt: skip

    # The next report holds the rows that are left.
    result = deftclean.report(tmp_path / "once.parquet", output=tmp_path / "next.html")
    assert (result.images, result.waiting) == (4, 4)
    browser.open(tmp_path / "next.html")
    assert decisions(browser) == [""] * 4
    assert "Reviewed by people: 4 rows" in " ".join(browser.texts("main p"))


def test_a_new_class_is_typed_and_the_command_below_merges_it(
    browser: Browser, page: Path, scored: Scored, tmp_path: Path
) -> None:
    assert "--new-class" not in browser.texts("#merge")[0]
    sign(browser, "Ada")
    browser.press(RIGHT, "o", *"snow's owl", ENTER, "o", *"leaf", DOWN, ENTER)
    assert browser.texts(".verdict")[0] == "→ snow's owl (new)"
    browser.driver.refresh()
    assert browser.texts(".verdict")[0] == "→ snow's owl (new)"
    browser.press(RIGHT, "s")
    assert next(line["final_label"] for line in saved(browser)) == "snow's owl"
    command = browser.texts("#merge")[0].splitlines()[0]
    assert command == (
        "deftclean review clean.parquet review.csv --new-class 'snow'\\''s owl' -o reviewed.parquet"
    )
    words = shlex.split(command)[1:]
    words[1:3] = [str(scored.table), str(browser.downloads / "review.csv")]
    done = run_cli(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = pq.read_table(tmp_path / "reviewed.parquet").to_pylist()
    assert rows[4]["final_label"] == "snow's owl"
    browser.press("u")
    assert "--new-class" not in browser.texts("#merge")[0]


def test_an_audit_shows_no_verdict_and_saves_its_sample(
    browser: Browser, scored: Scored, tmp_path: Path
) -> None:
    path = tmp_path / "audit.html"
    deftclean.report(scored.table, output=path, audit=6)
    open_fresh(browser, path)
    assert browser.texts("#review h2") == ["Audit"]
    assert browser.texts(".probabilities, .why, .suggested, [data-do='suggested']") == []
    assert browser.texts("label[for='filter-suggested'], label[for='filter-why']") == []
    sign(browser, "Ada")
    browser.press(RIGHT, "r")
    assert decisions(browser) == [""] * 6  # there is nothing that could be agreed to
    browser.press(*"kdkdkk", "s")
    lines = saved(browser)
    assert len(lines) == 6
    drawn = {line["audit_sample"] for line in lines}
    assert drawn == {"flagged 3/8", "kept 3/4"}
    review = browser.downloads / "review.csv"
    done = run_cli("review", scored.table, review, "-o", "audited.parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "audited        6 of 6 rows drawn at random" in done.stdout
    deftclean.report(tmp_path / "audited.parquet", output=tmp_path / "next.html")
    browser.open(tmp_path / "next.html")
    assert "Audited by people: 6 of 6 rows" in " ".join(browser.texts("main p"))
    assert_peaceful(browser)


def test_hostile_names_and_labels_are_text(browser: Browser, tmp_path: Path) -> None:
    name = "{}<img src=x onerror=\"document.title='broken'\">\n\u202e'.png"
    scored = make_suspects(tmp_path / "hostile", HOSTILE, name)
    path = tmp_path / "report.html"
    deftclean.report(scored.table, output=path)
    open_fresh(browser, path)
    assert "broken" not in browser.driver.title
    assert browser.run("return document.querySelectorAll('body script').length") == 2
    assert browser.run("return document.querySelectorAll('.card img').length") == 8
    given = browser.texts(".card .given")
    # Rows 4 to 11 in turn; what cannot be seen is written out.
    assert given[0] == HOSTILE[4]
    assert given[1] == "line\\nbreak\\r\\u2028end"
    assert given[2] == "\\u202egnp.txt"
    assert given[4:7] == list(HOSTILE[:3])
    assert browser.texts(".card .file bdi")[0].startswith("4<img src=x onerror=")
    assert "\u202e" not in path.read_text(encoding="utf-8")

    sign(browser, "=cmd")
    browser.press(RIGHT, *"krkrkrkr")
    assert "broken" not in browser.driver.title
    browser.press("s")
    review = browser.downloaded("review.csv")
    assert not any(
        cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        for line in csv.reader(io.StringIO(review.read_text("utf-8-sig"), newline=""))
        for cell in line
    )
    done = run_cli("review", scored.table, review, "-o", "reviewed.parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = pq.read_table(tmp_path / "reviewed.parquet").to_pylist()[4:]
    wanted = [
        scored.true[4 + place] if place % 2 else row["given_label"]
        for place, row in enumerate(rows)
    ]
    assert [row["final_label"] for row in rows] == wanted
    assert {row["reviewed_by"] for row in rows} == {"=cmd"}
    assert_peaceful(browser)


def test_two_reports_never_mix(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.press(RIGHT, "k")
    other = make_suspects(tmp_path / "other", ("ape", "bee", "cow"))
    deftclean.report(other.table, output=tmp_path / "other.html")
    browser.open(tmp_path / "other.html")
    assert set(decisions(browser)) == {""}
    browser.open(page)
    assert decisions(browser)[0] == "keep"


def test_without_storage_the_page_says_so_and_still_saves(
    browser: Browser, page: Path, scored: Scored
) -> None:
    forbid = """Object.defineProperty(window, "localStorage",
        {get() { throw new DOMException("no", "SecurityError"); }});"""
    made = browser.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": forbid}
    )
    try:
        browser.driver.refresh()
        assert browser.texts("#storage-note") != []
        sign(browser, "Ada")
        browser.press(RIGHT, "k", "s")
        assert [line["reviewer"] for line in saved(browser)] == ["Ada"]
    finally:
        browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", made)


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out(browser: Browser, page: Path, width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.driver.refresh()
        assert browser.run("return document.documentElement.scrollWidth") <= width
        shown = browser.run(
            """return [...document.querySelectorAll("figure:not(.reliability) svg")]
            .filter((e) => e.checkVisibility()).length"""
        )
        assert shown == 1
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_control_has_a_name_and_every_picture_a_text(browser: Browser, page: Path) -> None:
    nameless = browser.run(
        """return [...document.querySelectorAll("input, select")]
        .filter((e) => !e.labels.length).map((e) => e.id)"""
    )
    assert nameless == []
    assert browser.run("return [...document.images].filter((e) => !e.alt).length") == 0
    ids = browser.run("return [...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    said = browser.run(
        """return [...document.querySelectorAll("[aria-labelledby]")]
        .every((e) => document.getElementById(e.getAttribute("aria-labelledby")))"""
    )
    assert said is True


CONTRASTS = """
const parts = (text) => {
  const found = text.match(/[\\d.]+%?/g).map(parseFloat);
  const unit = text.startsWith("color(") ? 255 : 1;
  return { rgb: found.slice(0, 3).map((v) => v * unit), alpha: found.length > 3 ? found[3] : 1 };
};
const light = (rgb) => {
  const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const [r, g, b] = rgb.map((v) => linear(v / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const { rgb, alpha } = parts(getComputedStyle(at).backgroundColor);
    if (alpha === 1) return rgb;
  }
  return [255, 255, 255];
};
document.querySelectorAll("details").forEach((details) => { details.open = true; });
const low = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode, element = node.parentElement;
  if (!node.data.trim() || !element.getClientRects().length) continue;
  if (element.closest("svg, script, .skip, .hidden")) continue;
  const [a, b] = [light(parts(getComputedStyle(element).color).rgb), light(behind(element))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) low.push([ratio.toFixed(2), element.className, node.data.trim().slice(0, 30)]);
}
return low;
"""

LANDMARKS = """
const kinds = "main, header, footer, nav, aside, section[aria-labelledby], [role=region]";
return [...document.querySelectorAll(kinds)].map((each) => {
  const by = each.getAttribute("aria-labelledby");
  const named = by ? document.getElementById(by).textContent : each.getAttribute("aria-label");
  return [each.tagName === "DIV" ? "SECTION" : each.tagName, (named || "").trim()].join(" ");
});
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read_in_both_themes(browser: Browser, page: Path, scheme: str) -> None:
    """Contrast of 4.5 at least (WCAG 1.4.3), of buttons that cannot be pressed too."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        assert browser.run(f"return matchMedia('(prefers-color-scheme: {scheme})').matches")
        assert browser.run(CONTRASTS) == []
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_no_two_landmarks_are_called_the_same(browser: Browser, page: Path) -> None:
    found = browser.run(LANDMARKS)
    assert len(found) > 5
    assert sorted(found) == sorted(set(found))


ESCAPE = "\ue00c"
KINDS = (*["wrong_label"] * 3, "ambiguous", "off_topic", "bad_picture", *["wrong_label"] * 2)


@pytest.fixture
def of_kinds(browser: Browser, tmp_path: Path) -> Iterator[Path]:
    """Eight flagged rows of several kinds, a kept one of another, and a row that cannot be read."""
    scored = make_suspects(tmp_path / "kinds")
    scores = read_scores(scored.table)
    rows = scores.table.to_pylist()
    for row, kind in zip(rows[4:], KINDS, strict=True):
        row["kind"] = kind
    rows[9]["quality"] = "dark, blurred"
    rows[0].update(kind="bad_picture", quality="odd size")
    rows[3].update(status="unreadable", error="the file is empty", clean_prob=None, keep=False)
    table = pa.Table.from_pylist(rows, schema=scores.table.schema)
    path = tmp_path / "kinds.parquet"
    facts = {**scores.metadata, "quality": {"usual": []}}
    write_scores(ScoreTable(table, facts), path, scored.images, overwrite=False)
    draw((10, 20, 30), 4, 90).save(scored.images / "4.png")  # changed: it has no picture
    deftclean.report(path, output=tmp_path / "report.html", kept=1)
    open_fresh(browser, tmp_path / "report.html")
    yield path
    assert_peaceful(browser)


def test_filters_by_kind_and_quality_and_says_where_none_fits(
    browser: Browser, of_kinds: Path
) -> None:
    assert len(browser.texts(".card .given")) == 10  # eight flagged, one of a kind, one at random
    browser.choose("filter-kind", "bad picture")
    assert len(browser.texts(".card .given")) == 2
    browser.choose("filter-quality", "dark")
    assert browser.texts(".card .quality") == ["dark", "blurred"]
    browser.choose("filter-kind", "ambiguous")
    assert browser.texts(".card .given") == []
    assert browser.texts("#nothing") == ["No picture fits these filters."]
    said = browser.run("return document.getElementById('status').textContent")
    assert said.endswith("No picture fits these filters.")
    browser.choose("filter-kind", "all")
    browser.choose("filter-quality", "all")
    browser.choose("filter-why", "kept, drawn at random")
    assert len(browser.texts(".card .given")) == 1
    browser.run("document.querySelector('.unscored').open = true")
    assert browser.texts(".unscored li") == ["3.png (row 3): unreadable, the file is empty"]


def test_sorts_and_goes_on_in_that_order(browser: Browser, of_kinds: Path) -> None:
    browser.choose("order", "kind")
    assert browser.texts(".card .kind")[:4] == ["off topic", *["bad picture"] * 2, "ambiguous"]
    browser.press(RIGHT, RIGHT)
    assert browser.texts("#cards > li:nth-child(2) .kind") == ["bad picture"]
    place = "return [...document.querySelectorAll('#cards > li')].indexOf("
    assert browser.run(place + "document.activeElement.closest('li'))") == 1
    browser.choose("order", "given label")
    given = browser.texts(".card .given")
    assert given == sorted(given)
    browser.choose("order", "most suspicious first")
    assert browser.run("return document.querySelector('#cards > li').dataset.index") == "0"


def test_a_picture_is_enlarged_by_key_and_the_focus_comes_back(
    browser: Browser, of_kinds: Path
) -> None:
    browser.press(RIGHT, RIGHT)
    browser.press("e")
    assert browser.run("return document.getElementById('enlarged').open") is True
    first = browser.run("return document.getElementById('enlarged-picture').alt")
    browser.press(RIGHT)
    second = browser.run("return document.getElementById('enlarged-picture').alt")
    assert first != second
    browser.press("k")  # decides nothing
    browser.press(ESCAPE)
    assert browser.run("return document.getElementById('enlarged').open") is False
    focused = browser.run("return document.activeElement.getAttribute('aria-label')")
    assert focused == f"Enlarge the {second[0].lower()}{second[1:]}"
    assert set(decisions(browser)) == {""}


def test_several_rows_are_decided_at_once_and_undone_at_once(browser: Browser, page: Path) -> None:
    browser.press(RIGHT, "x", RIGHT, "x")
    assert browser.texts("#several-count") == ["2 chosen"]
    browser.run("document.querySelector('[data-several=drop]').click()")
    assert decisions(browser)[:3] == ["drop", "drop", ""]
    assert browser.texts("#several-count") == []
    browser.choose("filter-given", "apple")
    browser.run("document.getElementById('choose-shown').click()")
    assert browser.texts("#several-count") == ["2 chosen"]
    browser.run("document.querySelector('[data-several=suggested]').click()")
    browser.choose("filter-given", "all")
    assert decisions(browser).count("relabel") == 2
    browser.press(RIGHT, "u")
    assert decisions(browser).count("relabel") == 0
    browser.press("u")
    assert set(decisions(browser)) == {""}
