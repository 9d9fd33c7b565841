"""Votes of three annotators, to see what it is worth to know how far they agreed.

    python -m benchmarks.annotators TRUTH.csv OUT.csv [--third same] [--drawn] [--most N] [--seed 0]
    deftclean scan IMAGES OUT.csv --annotator a --annotator b --annotator c -o voted.parquet
    python -m benchmarks.annotators TRUTH.csv voted.parquet

Of CIFAR-10N the first writes three human votes of each picture, so far as the three label sets in
its truth.csv (one annotator's, the majority's, the worst) leave no choice. Where the one and the
worst are the same wrong label and the majority's too, nobody knows the third vote: it is the true
label, which flatters agreement, since all three then never err together; or, with --third same,
the same wrong label, so that they err together as often as can be. With --drawn it draws votes
from true labels: each is wrong with a probability of 5, 20 or 50 % by picture, and of 6 % of the
pictures two or three annotators give the same wrong label. The last one prints AUROC of
`clean_prob`, precision, recall and F1 of what is flagged, and the noise rates.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from sklearn.metrics import roc_auc_score


def human(row: dict[str, str], same: bool) -> list[str]:
    """Three votes on a picture of CIFAR-10N; of a third one that nobody knows, whether it errs."""
    one, most, worst = row["random1_label"], row["aggregate_label"], row["worse_label"]
    if one != worst:
        return [one, worst, most]
    if worst == row["true_label"]:
        return [one] * 3
    if most != one:
        return [one, most, most]
    return [one, one, one if same else row["true_label"]]


def drawn(true: str, names: list[str], random: np.random.Generator) -> list[str]:
    """Three votes that nobody gave."""
    others = [name for name in names if name != true]
    if random.random() < 0.06:
        wrong = str(random.choice(others))
        return [wrong, wrong, wrong if random.random() < 0.7 else true]
    chance = random.choice([0.05, 0.2, 0.5])
    return [str(random.choice(others)) if random.random() < chance else true for _ in range(3)]


def write(
    rows: list[dict[str, str]], output: Path, draw: bool, same: bool, most: int, seed: int
) -> None:
    """Votes of some of the pictures, in any order of annotators."""
    random = np.random.default_rng(seed)
    names = sorted({row["true_label"] for row in rows})
    chosen = np.sort(random.permutation(len(rows))[:most])
    with output.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["file_name", "a", "b", "c"])
        for row in (rows[at] for at in chosen):
            votes = drawn(row["true_label"], names, random) if draw else human(row, same)
            lines.writerow([row["file_name"], *random.permutation(votes)])


def judge(rows: list[dict[str, str]], table: Path) -> None:
    """Print the figures of a score table."""
    truth = {row["file_name"]: row["true_label"] for row in rows}
    found = pq.read_table(table).to_pydict()
    pairs = zip(found["file_name"], found["given_label"], strict=True)
    wrong = np.array([truth[name] != label for name, label in pairs])
    clean, flagged = np.array(found["clean_prob"]), ~np.array(found["keep"])
    hits = np.count_nonzero(wrong & flagged)
    precision, recall = hits / max(1, flagged.sum()), hits / wrong.sum()
    score = 2 * hits / (flagged.sum() + wrong.sum())
    print(
        f"AUROC {roc_auc_score(~wrong, clean):.3f}, precision {precision:.3f}, recall {recall:.3f},"
        f" F1 {score:.3f}; wrong {wrong.mean():.3f}, estimated {1 - clean.mean():.3f}"
    )


def main() -> None:
    """Write votes, or judge a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("truth", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--third", choices=("true", "same"), default="true")
    parser.add_argument("--drawn", action="store_true")
    parser.add_argument("--most", type=int, default=10**9)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with options.truth.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if options.other.suffix == ".parquet":
        judge(rows, options.other)
    else:
        same = options.third == "same"
        write(rows, options.other, options.drawn, same, options.most, options.seed)


if __name__ == "__main__":
    main()
