"""Several annotators, through the real command line: how far they agreed is evidence."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.commands import run_cli
from tests.support.pictures import COLOURS, draw

NAMES = sorted(COLOURS)[:2]
FAST = ("--model", "nano", "--tuner", "none", "--epochs", "1", "--workers", "0", "--device", "cpu")
VOTERS = [part for name in ("ann", "bob", "cleo") for part in ("--annotator", name)]


pytestmark = pytest.mark.slow  # four scans


@pytest.fixture(scope="module")
def voted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """90 pictures of two kinds. Every fifth has two votes of three for the other kind; three that
    all have for the right one, and every seventh two."""
    home = tmp_path_factory.mktemp("voted")
    (home / "images").mkdir()
    lines, plain = ["file_name,ann,bob,cleo"], ["file_name,label,agreement"]
    for index in range(90):
        right, other = NAMES[index % 2], NAMES[1 - index % 2]
        draw(COLOURS[right], index).save(home / "images" / f"{index}.png")
        votes = [right] * 3
        if index % 7 == 0:
            votes[index % 3] = other
        if index % 5 == 0:
            votes = [other, right, other]
        lines.append(",".join([f"{index}.png", *votes]))
        plain.append(f"{index}.png,{other if index % 5 == 0 else right},0.8")
    (home / "votes.csv").write_text("\n".join(lines) + "\n")
    (home / "alike.csv").write_text("\n".join(plain) + "\n")
    (home / "none.csv").write_text("\n".join(x.rpartition(",")[0] for x in plain) + "\n")
    (home / "odd.csv").write_text("\n".join(plain).replace("0.8", "80") + "\n")
    for name, more in (("votes", VOTERS), ("alike", []), ("none", []), ("odd", [])):
        done = run_cli(
            *("scan", "images", f"{name}.csv", *more, *FAST, "-o", f"{name}.parquet"), cwd=home
        )
        assert done.returncode == 0, done.stderr
        (home / f"{name}.txt").write_text(done.stdout + done.stderr)
    return home


def read(path: Path) -> pa.Table:
    return pq.read_table(path)


def probs(path: Path) -> np.ndarray:
    return np.array(read(path)["clean_prob"].to_pylist())


def said(home: Path, name: str) -> str:
    return " ".join((home / f"{name}.txt").read_text().split())


def test_labels_that_all_chose_are_believed_more(voted: Path) -> None:
    heard, alone = probs(voted / "votes.parquet"), probs(voted / "none.parquet")
    agreement = np.array(read(voted / "votes.parquet")["agreement"].to_pylist())
    wrong = np.arange(90) % 5 == 0
    assert (
        read(voted / "votes.parquet")["given_label"] == read(voted / "none.parquet")["given_label"]
    )
    all_agree = agreement == 1
    assert not (all_agree & wrong).any()
    assert heard[all_agree].mean() > alone[all_agree].mean()
    assert heard[wrong].mean() < alone[wrong].mean()
    assert "labels count by how far their annotators agreed" in said(voted, "votes")


def test_one_agreement_for_all_changes_nothing(voted: Path) -> None:
    alike, none = read(voted / "alike.parquet"), read(voted / "none.parquet")
    for name in none.column_names:
        assert alike[name].equals(none[name]), name
    both = [(voted / f"{name}.detector" / "evidence.safetensors").read_bytes()
            for name in ("alike", "none")]  # fmt: skip
    assert both[0] == both[1]
    assert "annotators agreed" not in said(voted, "alike")


def test_a_column_of_that_name_that_holds_something_else_is_not_used(voted: Path) -> None:
    odd, none = read(voted / "odd.parquet"), read(voted / "none.parquet")
    assert odd["clean_prob"].equals(none["clean_prob"])
    assert "the column 'agreement' is not used: it holds other things" in said(voted, "odd")
    assert "is not used" not in said(voted, "none")


def scores(home: Path, labels: str, *more: str) -> Iterator[np.ndarray]:
    for detector in ("votes", "none"):
        output = f"{detector}-{labels}.parquet"
        done = run_cli(
            *("score", f"{detector}.detector", "images", f"{labels}.csv", *more, "--workers", "0"),
            *("--quiet", "-o", output),
            cwd=home,
        )
        assert done.returncode == 0, done.stderr
        yield probs(home / output)


def test_score_hears_it_where_the_scan_did(voted: Path) -> None:
    """A detector that was trained without annotators knows nothing of them."""
    by_votes, by_none = scores(voted, "votes", *VOTERS)
    plainly_by_votes, plainly_by_none = scores(voted, "none")
    assert by_none.tolist() == plainly_by_none.tolist()
    all_agree = np.array(read(voted / "votes.parquet")["agreement"].to_pylist()) == 1
    assert (by_votes[all_agree] >= plainly_by_votes[all_agree]).all()
    assert by_votes[all_agree].mean() > plainly_by_votes[all_agree].mean()
