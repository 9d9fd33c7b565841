import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from deftclean.evidence import head
from deftclean.evidence.given_labels import GivenLabels
from deftclean.evidence.head import fit_head
from deftclean.evidence.witness import zero_shot_witness

CPU = torch.device("cpu")


def blobs(count: int = 400, classes: int = 3, seed: int = 0):
    random = np.random.default_rng(seed)
    centres = random.normal(size=(classes, 16))
    true = np.arange(count) % classes
    features = centres[true] + random.normal(size=(count, 16)) * 1.2
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return torch.from_numpy(features.astype(np.float32)), true


def fitted(features, labels, noise, seed=0):
    count, classes = len(labels), len(noise)
    given = GivenLabels.of(np.arange(count), labels, count, classes)
    texts = torch.zeros(classes, features.shape[1])  # zero-shot says nothing
    take = features.__getitem__
    silent = zero_shot_witness(take, texts, 1.0, count)
    folds = np.random.default_rng(seed)
    return fit_head(take, silent, given, noise, folds, CPU)


def test_the_optimum_is_that_of_scikit_learn():
    """Ridge 3·|Δ|² of weights on 10·f is C = 100/6 of its objective, where the bias is free."""
    features, true = blobs()
    head = fitted(features, true, np.eye(3))
    part = head.part_of != 0
    plain = LogisticRegression(C=100 / 6, tol=1e-8, max_iter=5000)
    plain.fit(features.numpy()[part], true[part])
    wanted = plain.predict_log_proba(features.numpy()[~part])
    found = head.log_probs(np.flatnonzero(~part)).numpy()
    np.testing.assert_allclose(found, wanted, atol=0.02)


def test_what_judges_a_picture_has_not_seen_its_label():
    """Wherever a head was fitted, the features that it asked for are not of its own part."""
    features, labels = blobs()
    given = GivenLabels.of(np.arange(400), labels, 400, 3)
    asked = []

    def take(pictures):
        asked.append(pictures)
        return features[pictures]

    silent = zero_shot_witness(take, torch.zeros(3, 16), 1.0, 400)
    noise, folds = np.eye(3), np.random.default_rng(0)
    head = fit_head(take, silent, given, noise, folds, CPU)
    assert len(asked) == len(head.parts) == 10
    for part, seen in enumerate(asked):
        np.testing.assert_array_equal(seen, np.flatnonzero(head.part_of != part))


def test_through_the_noise_it_is_as_sure_as_the_truth_allows():
    features, true = blobs(1200)
    random = np.random.default_rng(1)
    wrong = random.random(1200) < 0.3
    labels = np.where(wrong, (true + random.integers(1, 3, 1200)) % 3, true)
    noise = np.full((3, 3), 0.15) + 0.55 * np.eye(3)
    through, past = fitted(features, labels, noise), fitted(features, labels, np.eye(3))
    everyone = np.arange(1200)

    def surprise(head):
        return -head.log_probs(everyone).numpy()[everyone, true].mean()

    assert surprise(through) < surprise(past) - 0.05


def test_it_is_the_same_where_zero_shot_is_asked_block_by_block(monkeypatch):
    """Of very many rows and classes their logits are not kept."""
    features, true = blobs()
    texts = torch.from_numpy(np.random.default_rng(2).normal(size=(3, 16)).astype(np.float32))
    given = GivenLabels.of(np.arange(400), true, 400, 3)
    take = features.__getitem__
    said = zero_shot_witness(take, texts, 2.0, 400)
    found, asked = [], []
    plain = type(said.parts[0]).logits

    def logits(linear, rows):
        asked.append(len(rows))
        return plain(linear, rows)

    monkeypatch.setattr(type(said.parts[0]), "logits", logits)
    for most in (2**28, 0):
        monkeypatch.setattr(head, "_KEPT", most)
        monkeypatch.setattr(head, "_BLOCK", 3 * 64)
        asked.clear()
        fitted_head = fit_head(take, said, given, np.eye(3), np.random.default_rng(0), CPU)
        assert (max(asked) <= 64) == (most == 0)
        found.append(fitted_head.log_probs(np.arange(400)).numpy())
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)
