import math

import pytest

from deftclean.core.metrics import DetectionMetrics, auroc, detection_metrics

# Ten rows: six labels are right, five rows are kept, four of those are right.
RIGHT = [True, True, True, True, True, True, False, False, False, False]
KEEP = [True, True, True, True, False, False, True, False, False, False]
PROB = [0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.65, 0.4, 0.2, 0.1]


def test_by_hand() -> None:
    found = detection_metrics(RIGHT, KEEP, PROB)
    assert found.precision == pytest.approx(4 / 5)
    assert found.recall == pytest.approx(4 / 6)
    assert found.f1_kept == pytest.approx(2 * 4 / (5 + 6))
    assert found.f1_wrong == pytest.approx(2 * 3 / (5 + 4))  # 5 flagged, 4 wrong, 3 both
    # Of 24 pairs right above wrong: 4 + 4 + 4 + 3 + 2.5 (a tie) + 2.
    assert found.auroc == pytest.approx(19.5 / 24)


def test_auroc_by_hand() -> None:
    assert auroc([True, False], [0.9, 0.1]) == 1.0
    assert auroc([True, False], [0.1, 0.9]) == 0.0
    assert auroc([True, False], [0.5, 0.5]) == 0.5
    assert auroc([True, True, False], [0.9, 0.1, 0.5]) == 0.5


@pytest.mark.parametrize("right", [[True, True], [False, False], []])
def test_auroc_of_one_class_is_not_a_number(right: list[bool]) -> None:
    assert math.isnan(auroc(right, [0.1, 0.2][: len(right)]))


def test_nothing_kept() -> None:
    found = detection_metrics([True, False], [False, False], [0.4, 0.1])
    assert found.as_dict() == {
        "precision": 0.0,
        "recall": 0.0,
        "f1_kept": 0.0,
        "f1_wrong": pytest.approx(2 / 3),
        "auroc": 1.0,
    }


def test_everything_kept_is_no_success_at_finding_wrong_labels() -> None:
    found = detection_metrics([True, True, True, False], [True] * 4, [0.9] * 4)
    assert found == DetectionMetrics(0.75, 1.0, pytest.approx(6 / 7), 0.0, 0.5)


def test_perfect() -> None:
    found = detection_metrics([1, 1, 0], [1, 1, 0], [0.9, 0.8, 0.1])
    assert found == DetectionMetrics(1.0, 1.0, 1.0, 1.0, 1.0)
