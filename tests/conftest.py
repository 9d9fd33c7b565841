"""What several test files share: the built-in model, a small picture set, the real command line."""

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # A process for each core already; more threads would only wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import open_clip
import pytest
from PIL import Image

from deftclean.encoder import Encoder
from deftclean.weights import NANO, load_model

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's own cache is left alone."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEFTCLEAN_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return load_model("nano", None, True, lambda _text: None).encoder


@pytest.fixture(scope="session")
def clip():
    """The same weights as open_clip itself builds them."""
    return open_clip.create_model(f"local-dir:{NANO}").eval()


def tiny_encoder() -> Encoder:
    """A CLIP of two small layers each, on the default device."""
    vision = {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16}
    text = {"context_length": 24, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    preprocess = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "size": (32, 32)}
    model = open_clip.CLIP(16, vision, text)
    return Encoder(model, open_clip.SimpleTokenizer(context_length=24), preprocess)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the research data sets in shared/data beside the checkout")
    return SHARED_DATA


def run_cli(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a user starts it, in another folder."""
    return subprocess.run(
        [sys.executable, "-m", "deftclean", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def stopped(number: int, epoch: int, cwd: Path, *arguments: object) -> tuple[int, str]:
    """A command that gets a signal once an epoch is through; its exit code and what it said."""
    # Where the tests run in the background, interrupts are ignored, and children would inherit it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-m", "deftclean", *map(str, arguments)],
        cwd=cwd,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TMPDIR": str(cwd), "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    signal.signal(signal.SIGINT, before)
    said = ""
    while f"epoch {epoch}/" not in said:
        assert process.poll() is None, said
        said += process.stderr.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def draw(colour: tuple[int, int, int], seed: int, size: int = 40) -> Image.Image:
    """A noisy patch of one colour."""
    noise = np.random.default_rng(seed).integers(-40, 40, (size, size, 3))
    return Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8))


COLOURS = {"apple": (200, 30, 40), "leaf": (40, 170, 50), "ocean": (30, 60, 190)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """60 pictures in three class folders, six of them in the wrong one."""
    names = list(COLOURS)
    for index in range(60):
        true = names[index % 3]
        given = names[(index + 1) % 3] if index % 10 == 0 else true
        path = tmp_path / "data" / given / f"{index:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(COLOURS[true], index).save(path)
    return tmp_path / "data"


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
