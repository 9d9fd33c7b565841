"""What every test may ask for: the built-in model, a small picture set, research data."""

import csv
import functools
import os
from collections.abc import Iterator
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # A process for each core already; more threads would only wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import open_clip
import pytest
from hypothesis import settings

from deftclean.models.encoder import Encoder
from deftclean.models.weights import NANO, load_model
from tests.support.pictures import COLOURS, draw
from tests.support.places import SHARED_DATA

# How long an example takes says how busy the machine is.
settings.register_profile("any load", deadline=None, max_examples=30)
settings.register_profile("thorough", deadline=None, max_examples=500)
settings.load_profile("any load")


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's own cache is left alone."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEFTCLEAN_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def one_vocabulary() -> Iterator[None]:
    """Read and sorted once, not for every model that a test loads, which takes longer than it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(open_clip, "get_tokenizer", functools.cache(open_clip.get_tokenizer))
        yield


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return load_model("nano", None, True, lambda _text: None).encoder


@pytest.fixture(scope="session")
def clip():
    """The same weights as open_clip itself builds them."""
    return open_clip.create_model(f"local-dir:{NANO}").eval()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the research data sets in shared/data beside the checkout")
    return SHARED_DATA


@pytest.fixture
def empty_hub(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that has fetched no weights; the hub's package looked at HF_HOME once."""
    hub = tmp_path_factory.mktemp("hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub))


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `folder` holds, once for all tests that only read it."""
    return _draw_folder(tmp_path_factory.mktemp("pictures") / "data")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """60 pictures in three class folders, six of them in the wrong one."""
    return _draw_folder(tmp_path / "data")


def _draw_folder(root: Path) -> Path:
    names = list(COLOURS)
    for index in range(60):
        true = names[index % 3]
        given = names[(index + 1) % 3] if index % 10 == 0 else true
        path = root / given / f"{index:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(COLOURS[true], index).save(path)
    return root


@pytest.fixture
def labels(folder: Path) -> Path:
    """The same as a table, with a column of its own."""
    path = folder.parent / "labels.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "label", "split"])
        for picture in sorted(folder.rglob("*.png")):
            writer.writerow([picture.relative_to(folder).as_posix(), picture.parent.name, "007"])
    return path
