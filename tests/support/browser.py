"""A headless Chromium that sees one page from disk and nothing else."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

DRIVER = Path("/usr/bin/chromedriver")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--no-first-run", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--window-size=1280,900",
)  # fmt: skip


class Browser:
    """One window; `driver` is Selenium's."""

    def __init__(self, driver: Any, downloads: Path) -> None:
        self.driver = driver
        self.downloads = downloads

    def open(self, page: Path) -> None:
        self.driver.get(page.resolve().as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def press(self, *keys: str) -> None:
        """Keys, to whatever has the focus."""
        from selenium.webdriver.common.action_chains import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def texts(self, selector: str) -> list[str]:
        """What is in the elements that are shown."""
        script = """return [...document.querySelectorAll(arguments[0])]
            .filter((e) => e.checkVisibility()).map((e) => e.textContent.trim())"""
        found: list[str] = self.run(script, selector)
        return found

    def choose(self, select: str, text: str) -> None:
        """The option of a select that begins so."""
        self.run(
            """const list = document.getElementById(arguments[0]);
            list.value = [...list.options].find((o) => o.text.startsWith(arguments[1])).value;
            list.dispatchEvent(new Event("change", {bubbles: true}));""",
            select, text,
        )  # fmt: skip

    def downloaded(self, name: str) -> Path:
        """A file that was saved, once it is whole."""
        path = self.downloads / name
        wait_for(lambda: path.is_file() and not list(self.downloads.glob("*.crdownload")))
        return path

    def complaints(self) -> list[Any]:
        """What stands in the console."""
        found: list[Any] = self.driver.get_log("browser")
        return found

    def requests(self) -> list[str]:
        """Every address that was asked for."""
        messages = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        sent = [m for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [m["params"]["request"]["url"] for m in sent]


def wait_for(ready: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A window with a profile and a folder for downloads of its own."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs the extra `test`")
    if not DRIVER.is_file() or shutil.which("chromium") is None:
        pytest.skip("needs chromium and chromedriver: apt-get install chromium chromium-driver")
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options, downloads = Options(), folder / "downloads"
    downloads.mkdir()
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        yield Browser(driver, downloads)
    finally:
        driver.quit()
