"""The map of a report in a real browser; and the whole page by the rules of axe-core."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import deftclean
from tests.support.browser import Browser
from tests.support.commands import run_cli
from tests.support.scored import Scored, make_suspects

RIGHT, LEFT = "\ue014", "\ue012"
POINT = "return document.querySelector('#map-point img')?.alt"


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    """Rows 0 to 3 are kept, 4 to 11 flagged."""
    return make_suspects(tmp_path / "scored")


@pytest.fixture
def embeddings(tmp_path: Path) -> Path:
    """Of twelve rows: three groups, far from each other."""
    random = np.random.default_rng(0)
    path = tmp_path / "e.npy"
    np.save(path, np.eye(3)[np.arange(12) % 3] + 0.05 * random.standard_normal((12, 3)))
    return path


@pytest.fixture
def page(browser: Browser, scored: Scored, embeddings: Path, tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    result = deftclean.report(scored.table, output=path, embeddings=embeddings)
    assert result.mapped == 12
    browser.open(path)
    browser.run("localStorage.clear()")
    browser.complaints()
    return path


def count(browser: Browser, selector: str) -> int:
    found: int = browser.run(f"return document.querySelectorAll({selector!r}).length")
    return found


def test_points_are_shown_coloured_and_chosen(browser: Browser, page: Path) -> None:
    assert count(browser, "#map-points circle") == 12
    assert count(browser, "#map-points .dot-flagged") == 8
    assert browser.texts("#map-legend li") == ["kept", "flagged"]
    browser.choose("map-colour", "given label")
    legend = browser.texts("#map-legend li")
    assert legend == ["apple", "leaf", "ocean", "ringed: flagged"]
    assert count(browser, "#map-points .dot-shade-0") == 4
    browser.choose("map-only", "kept alone")
    assert count(browser, "#map-points circle:not([hidden])") == 4
    browser.choose("map-only", "all points")

    click = (
        "const c = document.querySelectorAll('#map-points circle')[arguments[0]];"
        "const box = c.getBoundingClientRect();"
        "document.getElementById('map-plane').dispatchEvent(new MouseEvent('click', {"
        "bubbles: true, clientX: box.x + box.width / 2 + 1, clientY: box.y + box.height / 2}))"
    )
    browser.run(click, 0)  # kept rows lie below flagged ones
    assert browser.run(POINT) == "Picture of row 0"
    assert browser.texts("#map-point button") == []  # it has no card
    assert "apple · kept" in browser.texts("#map-point p")
    assert browser.complaints() == []


def test_the_arrows_go_from_the_most_suspicious_on_and_lead_to_the_cards(
    browser: Browser, page: Path
) -> None:
    browser.choose("filter-given", "apple")
    browser.run("document.getElementById('map-plane').focus()")
    browser.press(RIGHT)
    assert browser.run(POINT) == "Picture of row 4"
    browser.press(RIGHT, RIGHT, LEFT)
    assert browser.run(POINT) == "Picture of row 5"
    browser.run("document.querySelector('#map-point button').click()")
    where = "return document.activeElement.closest('li').dataset.index"
    assert browser.run(where) == "1"
    # The filter that hid it is let go.
    assert browser.run("return document.getElementById('filter-given').value") == ""


def test_the_same_numbers_give_the_same_page(
    scored: Scored, embeddings: Path, tmp_path: Path
) -> None:
    made = []
    for name in ("a.html", "b.html"):
        done = run_cli("report", scored.table, "--embeddings", embeddings, "-o", name, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "map            12 rows" in done.stdout
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("numbers", "more", "said"),
    [
        (np.ones((11, 3)), (), "has 11 lines; the data have 12 rows"),
        (np.full((12, 3), np.nan), (), "NaN or infinity in 12 lines"),
        (np.ones((12, 3)), ("--audit", "4"), "--embeddings and --audit exclude each other"),
    ],
)
def test_what_makes_no_map(
    numbers: np.ndarray, more: tuple[str, ...], said: str, scored: Scored, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", numbers)
    done = run_cli("report", scored.table, "--embeddings", "x.npy", *more, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "report.html").exists()


AXE = """
const done = arguments[arguments.length - 1];
document.querySelectorAll("details").forEach((details) => { details.open = true; });
axe.run(document).then((found) => done(found.violations.map((each) =>
  [each.id, each.nodes.slice(0, 3).map((node) => node.html.slice(0, 120))])));
"""


@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        ("light", 1280),
        ("dark", 360),
        pytest.param("light", 360, marks=pytest.mark.slow),
        pytest.param("dark", 1280, marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing(browser: Browser, page: Path, scheme: str, width: int) -> None:
    """The rules of axe-core, at both sizes and in both themes."""
    found = importlib.util.find_spec("axe_core_python")
    if found is None or found.origin is None:
        pytest.skip("needs the package axe-core-python")
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        browser.driver.refresh()
        browser.run((Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
        assert browser.driver.execute_async_script(AXE) == []
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
