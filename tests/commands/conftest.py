"""What tests of whole commands share: processes that are forked, and a browser."""

from collections.abc import Iterator

import pytest

from tests.support.browser import Browser, chromium
from tests.support.trials import Trials


@pytest.fixture(scope="module")
def trials() -> Iterator[Trials]:
    with Trials() as trials:
        yield trials


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("browser")) as opened:
        yield opened
