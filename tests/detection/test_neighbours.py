"""Votes of the nearest pictures, class means and cross-validation, against plain computations."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from deftclean.core.errors import UsageError
from deftclean.core.runtime import Runtime
from deftclean.detection.strategies.confident import confident_learning, out_of_sample
from deftclean.detection.strategies.neighbours import near_prototypes, vote
from deftclean.features.scoring import RowsByPicture
from deftclean.training.embeddings import Embeddings

RUNTIME = Runtime(torch.device("cpu"), None, None)


def data(tmp_path, rows=90, pictures=60, classes=4, seed=0, unlabelled=7):
    """Rows over pictures, some shown twice, some rows without a label."""
    random = np.random.default_rng(seed)
    shown = np.concatenate([np.arange(pictures), random.integers(0, pictures, rows - pictures)])
    labelled = np.ones(rows, dtype=bool)
    labelled[random.choice(rows, unlabelled, replace=False)] = False
    usable = SimpleNamespace(
        labels=np.where(labelled, random.integers(0, classes, rows), 0),
        labelled=labelled,
        readable=np.arange(rows),
        trainable=np.flatnonzero(labelled),
        distinct=np.arange(pictures),
        pictures=shown,
    )
    features = random.normal(size=(pictures, 16)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    embeddings = Embeddings(tmp_path / "features", pictures, 16)
    embeddings.put(np.arange(pictures), features)
    return usable, features, embeddings


@pytest.mark.parametrize("seed", range(3))
def test_votes_against_scikit_learn(tmp_path, seed, monkeypatch):
    monkeypatch.setattr("deftclean.detection.strategies.neighbours._BLOCK", 7)
    rows, features, embeddings = data(tmp_path, seed=seed)
    found = vote(embeddings, rows, RowsByPicture(rows), 4, RUNTIME, lambda _: None)
    assert found.rows.tolist() == list(range(90))
    labels_of = {
        picture: rows.labels[(rows.pictures == picture) & rows.labelled] for picture in range(60)
    }
    voters = [picture for picture in range(60) if len(labels_of[picture])]
    nearest = NearestNeighbors(n_neighbors=11).fit(features[voters])
    for row in range(90):
        own = rows.pictures[row]
        order = nearest.kneighbors(features[own][None], return_distance=False)[0]
        others = [voters[place] for place in order if voters[place] != own][:10]
        q = sum(np.bincount(labels_of[o], minlength=4) / len(labels_of[o]) for o in others) / 10
        given = rows.labels[row]
        assert found.score[row] == pytest.approx(q[given] / np.linalg.norm(q), abs=1e-6)
        assert q[found.top[row]] == pytest.approx(q.max())
        assert found.top_share[row] == pytest.approx(q.max(), abs=1e-6)
        if q[given] >= q.max() - 1e-12:
            assert found.top[row] == given


def test_a_picture_never_votes_on_itself(tmp_path):
    """Two rows of one picture disagree; every other picture says class 1."""
    rows, _, embeddings = data(tmp_path, rows=61, pictures=60, unlabelled=0)
    rows.pictures[60] = 0
    rows.labels[:] = 1
    rows.labels[0] = 0
    found = vote(embeddings, rows, RowsByPicture(rows), 4, RUNTIME, lambda _: None)
    assert (found.score[0], found.top[0]) == (0.0, 1)
    assert (found.score[60], found.top[60]) == (pytest.approx(1.0), 1)


def test_no_other_picture_at_all(tmp_path):
    rows, _, embeddings = data(tmp_path, rows=2, pictures=1, unlabelled=0)
    rows.labels[:] = [0, 1]
    found = vote(embeddings, rows, RowsByPicture(rows), 2, RUNTIME, lambda _: None)
    assert found.score.tolist() == [0.0, 0.0]
    assert found.top_share.tolist() == [0.0, 0.0]


def pictures_of(rows):
    labels = torch.from_numpy(rows.labels)
    return SimpleNamespace(by_picture=RowsByPicture(rows), rows=rows, labels=labels)


@pytest.mark.parametrize("seed", range(3))
def test_near_prototypes_against_a_loop(tmp_path, seed, monkeypatch):
    """Two in five labels are wrong, so that the second round decides otherwise than the first."""
    monkeypatch.setattr("deftclean.detection.strategies.neighbours.SCORING_BATCH", 70)
    rows, features, embeddings = data(tmp_path, rows=900, pictures=600, seed=seed)
    random = np.random.default_rng(seed)
    true = np.empty(600, dtype=int)
    true[rows.pictures] = np.where(
        random.random(900) < 0.5, rows.labels, random.integers(0, 4, 900)
    )
    # All of them lie on one side, which no class is to blame for.
    features += 1.2 * np.eye(16, dtype=np.float32)[true] + 3 * np.eye(16, dtype=np.float32)[5]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    embeddings.put(np.arange(600), features)

    labels = rows.labels[rows.trainable]
    shown = features[rows.pictures[rows.trainable]].astype(np.float64)
    shown -= shown.mean(axis=0)
    shown /= np.linalg.norm(shown, axis=1, keepdims=True)

    def posterior(counted):
        found = np.empty(len(labels))
        for label in range(4):
            own = labels == label
            far = np.square(shown[own] - shown[own & counted].mean(axis=0)).sum(axis=1)
            far = ((far - far.min()) / (far.max() - far.min()))[:, None]
            mixture = GaussianMixture(2, random_state=0).fit(far)
            found[own] = mixture.predict_proba(far)[:, mixture.means_.argmin()]
        return found

    once = posterior(np.ones(len(labels), dtype=bool))
    twice = posterior(once > 0.5)
    found = near_prototypes(embeddings, pictures_of(rows), 4)
    assert np.abs(found - once).max() > 0.05
    assert found == pytest.approx(twice, abs=0.01)


def test_a_class_without_a_nearer_heap_keeps_its_mean(tmp_path, monkeypatch):
    rows, _, embeddings = data(tmp_path)
    asked = []

    def none(distances, *_):
        asked.append(distances)
        return np.zeros(len(distances))

    monkeypatch.setattr("deftclean.detection.strategies.neighbours.low_component", none)
    assert not near_prototypes(embeddings, pictures_of(rows), 4).any()
    assert len(asked) == 8
    for first, second in zip(asked[:4], asked[4:], strict=True):
        assert np.array_equal(first, second)


def blobs(seed=0, each=30, classes=3):
    """Well apart, one label in ten moved to the next class."""
    random = np.random.default_rng(seed)
    true = np.repeat(np.arange(classes), each)
    features = np.eye(16)[true] + 0.1 * random.normal(size=(len(true), 16))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    given = true.copy()
    given[::10] = (given[::10] + 1) % classes
    return features.astype(np.float32), given, true


def test_confident_learning_finds_moved_labels():
    features, given, true = blobs()
    probabilities = out_of_sample(features, given, np.arange(len(given)), 3, 0)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(given)))
    assert (probabilities.argmax(axis=1) == true).mean() > 0.95
    choice = confident_learning(given, probabilities)
    assert (choice.keep == (given == true)).mean() > 0.95
    assert (choice.score.astype(np.float32) > 0.5).tolist() == choice.keep.tolist()


def test_a_picture_is_never_judged_by_a_model_that_saw_it():
    """Each picture is there twice, with two labels: its own fold knows neither of them."""
    features, _, true = blobs()
    features, groups = np.repeat(features, 2, axis=0), np.repeat(np.arange(len(true)), 2)
    given = np.repeat(true, 2)
    given[0:2] = [1, 2]  # true class 0
    probabilities = out_of_sample(features, given, groups, 3, 0)
    assert probabilities[0] == pytest.approx(probabilities[1])
    assert probabilities[0].argmax() == 0


def test_rare_and_absent_classes():
    features, given, _ = blobs()
    given[1] = 5  # one row of class 5, none of classes 3 and 4
    probabilities = out_of_sample(features, given, np.arange(len(given)), 6, 0)
    assert not probabilities[:, [3, 4]].any()
    assert probabilities[1, 5] == 0  # the only row of its class is in no other fold
    choice = confident_learning(given, probabilities)
    assert np.isfinite(choice.score).all()
    # cleanlab calls no row of so small a class an issue: kept, and the last of those that are.
    assert choice.keep[1]
    assert choice.score[1] == choice.score[choice.keep].min()


def test_few_rows_of_every_class_mean_fewer_folds():
    features, given, _ = blobs(each=4)
    given = np.repeat(np.arange(3), 4)
    probabilities = out_of_sample(features, given, np.arange(12), 3, seed=5_000_000_000)
    assert (probabilities.argmax(axis=1) == given).all()
    with pytest.raises(UsageError, match="a class with two of them"):
        out_of_sample(features[::4], np.arange(3), np.arange(3), 3, 0)


def test_a_single_picture_cannot_be_cross_validated():
    with pytest.raises(UsageError, match="two different pictures"):
        out_of_sample(np.ones((2, 4), np.float32), np.array([0, 1]), np.zeros(2, int), 2, 0)
