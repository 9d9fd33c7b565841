"""What is kept of a scan that was stopped, and whom it may serve."""

import hashlib
import json

import numpy as np
import pytest
import torch

from deftclean.core.errors import InputError, UsageError
from deftclean.core.outputs import check_checkpoint_output, checkpoint_folder
from deftclean.detection.train import EpochMetrics, Progressed, TrainingState
from deftclean.images.sources import DistinctPictures
from deftclean.images.usable_rows import UsableRows
from deftclean.training.checkpoint import Checkpoint, rows_digest

IDENTITY = {"settings": {"lr": 0.03}, "data": "ab12"}
METRICS = EpochMetrics(1, True, 1.5, 2.0, 0.25, 0.7, 0.03, False)
TENSORS = {"prompts.positive": torch.randn(2, 3), "tuner.prompts": torch.randn(2)}
MOMENTUM = "momentum_buffer.prompts.positive"
STATE = TrainingState(1, 5, 94, TENSORS, {MOMENTUM: torch.ones(2, 3)}, {})


def save(checkpoint, epochs, state):
    done = Progressed(tuple(epochs), state)
    checkpoint.save(done.values(), done.tensors())


@pytest.fixture
def left(tmp_path):
    checkpoint = Checkpoint(checkpoint_folder(tmp_path / "clean.parquet"), IDENTITY)
    save(checkpoint, [METRICS], STATE)
    return checkpoint


@pytest.mark.parametrize(
    ("output", "folder"),
    [
        ("clean.parquet", "clean.unfinished"),
        ("clean.PARQUET", "clean.unfinished"),
        ("run.1", "run.1.unfinished"),
        ("run.2", "run.2.unfinished"),
    ],
)
def test_every_output_has_a_folder_of_its_own(output, folder, tmp_path):
    assert checkpoint_folder(tmp_path / output) == tmp_path / folder


def test_nothing_is_left_where_nothing_ran(tmp_path):
    assert Checkpoint(tmp_path / "clean.unfinished", IDENTITY).load(Progressed.of) is None


def test_what_is_saved_comes_back(left):
    found = left.load(Progressed.of)
    assert found.epochs == (METRICS,)
    assert (found.state.epoch, found.state.warmup_end, found.state.steps) == (1, 5, 94)
    assert found.state.tensors.keys() == TENSORS.keys()
    assert all(torch.equal(found.state.tensors[name], TENSORS[name]) for name in TENSORS)
    assert torch.equal(found.state.optimiser[MOMENTUM], torch.ones(2, 3))


def test_a_later_epoch_takes_the_place_of_the_earlier(left):
    later = TrainingState(2, 5, 188, TENSORS, {}, {"scale": 1024.0})
    save(left, [METRICS, METRICS], later)
    found = left.load(Progressed.of)
    assert (found.state.epoch, len(found.epochs)) == (2, 2)
    assert found.state.scaler == {"scale": 1024.0}
    left.remove()
    assert left.load(Progressed.of) is None


def test_another_scan_is_refused_with_what_differs(left):
    other = Checkpoint(left.folder, {"settings": {"lr": 0.01}, "data": "ab12"})
    with pytest.raises(UsageError, match="what differs: settings") as error:
        other.load(Progressed.of)
    assert "data" not in error.value.message


@pytest.mark.parametrize("name", ["state.json", "state.safetensors"])
def test_a_damaged_folder_is_refused(left, name):
    path = left.folder / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="damaged"):
        left.load(Progressed.of)


def places(value, way=()):
    """The way to every value within plain values."""
    yield way
    inner = value.items() if isinstance(value, dict) else ()
    for key, each in enumerate(value) if isinstance(value, list) else inner:
        yield from places(each, (*way, key))


@pytest.mark.parametrize("other", ["1", None, [], {}, -1, 0.5, True])
def test_no_value_that_was_edited_is_gone_on_with(left, other):
    """Nor one that is missing: a number of text was met in the middle of an epoch before."""
    path = left.folder / "state.json"
    text = path.read_text()
    for way in places(json.loads(text)):
        values = {"": json.loads(text)}
        place = values
        for key in ("", *way)[:-1]:
            place = place[key]
        last = way[-1] if way else ""
        if json.dumps(place[last]) == json.dumps(other):
            continue
        place[last] = other
        path.write_text(json.dumps(values[""]))
        with pytest.raises(UsageError):
            left.load(Progressed.of)
    path.write_text(text)
    assert left.load(Progressed.of) is not None


def test_a_folder_that_lacks_a_value_is_refused(left):
    path = left.folder / "state.json"
    for name in json.loads(path.read_text()):
        text = path.read_text()
        values = json.loads(text)
        del values[name]
        path.write_text(json.dumps(values))
        with pytest.raises(UsageError):
            left.load(Progressed.of)
        path.write_text(text)
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match="damaged"):
        left.load(Progressed.of)


def test_tensors_of_other_names_or_numbers_are_refused(left):
    path = left.folder / "state.safetensors"
    content = path.read_bytes()
    for at in (content.index(b"optimiser"), len(content) - 1):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(InputError, match="is damaged: it is not as it was written"):
            left.load(Progressed.of)


def test_a_folder_of_the_users_is_not_replaced(tmp_path):
    folder = checkpoint_folder(tmp_path / "clean.parquet")
    check_checkpoint_output(folder, may_go=False)
    folder.mkdir()
    with pytest.raises(UsageError, match="in the way"):
        check_checkpoint_output(folder, may_go=True)


def test_rows_are_told_by_their_places_labels_and_pictures(monkeypatch):
    """Hashed in blocks, which must not show."""
    digests = np.random.default_rng(0).integers(0, 256, (4, 32)).astype(np.uint8)
    every, shown = np.arange(7), np.array([0, 1, 2, 3, 0, 1, 2])
    distinct = DistinctPictures(None, np.arange(4), digests)
    rows = UsableRows(every % 2, every >= 0, every, every, distinct, shown)
    chosen = np.array([1, 2, 4, 6, 0])
    parts = (chosen, rows.labels[chosen], digests[shown[chosen]])
    plain = b"".join(part.tobytes() for part in parts)
    for block in (2, 5, 100):
        monkeypatch.setattr("deftclean.training.checkpoint._HASHED", block)
        assert rows_digest(rows, chosen) == hashlib.sha256(plain).hexdigest()
        assert rows_digest(rows, chosen, b"x") == hashlib.sha256(plain + b"x").hexdigest()
    assert rows_digest(rows, chosen[:0]) == hashlib.sha256().hexdigest()
