"""The rows that one command learns from and those that it tests on, read and checked.

Of a score table, the rows count whose picture is still the one that was scored.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.adaptation.sets import TestSet, TrainSet
from deftclean.adaptation.training_rows import TrainingRows
from deftclean.adaptation.trusted_rows import TrustedRows
from deftclean.core.errors import InputError
from deftclean.core.samples import stratified_holdout
from deftclean.core.text import few
from deftclean.images.first_pass import ImageChecks
from deftclean.images.prepared import ImageReader
from deftclean.images.sources import RowImages
from deftclean.images.table_images import images_of_table
from deftclean.images.usable_rows import UsableRows, distinct_pictures
from deftclean.table.scores import ScoreTable
from deftclean.training.picture_sets import PictureSet

_EXAMPLES = 3


@dataclass(frozen=True)
class DataSets:
    """Where one command finds its rows.

    Attributes:
        scores: the table.
        table: its file.
        class_names: K.
        reader: of the pictures.
        warnings: what may make the result useless; grows.
    """

    scores: ScoreTable
    table: Path
    class_names: tuple[str, ...]
    reader: ImageReader
    warnings: list[str] = field(default_factory=list)

    def train_sets(
        self, wanted: list[TrainingRows], data: Path | None, allow_outside: bool
    ) -> list[TrainSet]:
        """Rows whose pictures are still what they were; every picture is looked at once.

        Args:
            wanted: rows of the table, once or more; the first are those that are warned of.
            data, allow_outside: as `deftclean.images.table_images.images_of_table`.

        Raises:
            InputError: there are no pictures, or none is what it was.
        """
        images = images_of_table(self.scores, self.table, data, allow_outside, self.reader.folder)
        checks = self.reader.check(images)
        found: list[TrainSet] = []
        for rows in wanted:
            verified = verified_rows(self.scores, images, checks, rows)
            if verified.problems and not found:
                self.warn(_problems(verified))
            found.append(TrainSet(self._set(verified.rows), verified.rows.trainable, rows.weights))
        return found

    def held_out(self, train_set: TrainSet, share: float, seed: int) -> TestSet | None:
        """A share of the rows, in [0, 1), drawn class by class; None where that is none."""
        labels = train_set.pictures.rows.labels[train_set.rows]
        held = train_set.rows[stratified_holdout(labels, share, seed)]
        return TestSet(train_set.pictures, held) if len(held) else None

    def test_set(self, test: TrustedRows, train_set: TrainSet) -> TestSet:
        """Labels that are believed.

        Args:
            test: what was read of them.
            train_set: that should have no picture in common with them.

        Raises:
            InputError: no picture can be read.
        """
        for note in test.manifest.notes:
            self.reader.progress.say(note)
        if test.unknown:
            self.warn(test.about_unknown())
        rows = self.reader.prepare(test.manifest, test.reading, self.class_names).rows
        if not len(rows.trainable):
            raise InputError(f"{test.path}: no picture of a row with a known label can be read.")
        if left := len(test.manifest) - test.without_class - len(rows.trainable):
            self.warn(f"{left:,} test rows have no readable picture; they are not tested on")
        test_set = TestSet(self._set(rows), rows.trainable)
        self._warn_of_known(test_set, train_set)
        return test_set

    def warn_of_empty_classes(self, train_set: TrainSet) -> None:
        """Tell of classes that there is no row to learn from."""
        labels = train_set.pictures.rows.labels[train_set.rows]
        counts = np.bincount(labels, minlength=len(self.class_names))
        empty = [repr(self.class_names[index]) for index in np.flatnonzero(counts == 0)]
        if empty:
            self.warn(
                f"nothing to learn from for {len(empty):,} of {len(self.class_names):,} classes, "
                f"no row of which is left: {few(empty)}; the classifier cannot know them. Keep "
                "more (deftclean select --threshold, --fill-classes), or train on all rows (--all)"
            )

    def _warn_of_known(self, test_set: TestSet, train_set: TrainSet) -> None:
        learned = train_set.pictures.rows
        shown = learned.distinct.digests[np.unique(learned.pictures[train_set.rows])]
        tested = test_set.pictures.rows.distinct.digests[test_set.shown]
        if known := int(np.isin(_keys(tested), _keys(shown)).sum()):
            self.warn(
                f"{known:,} of {len(tested):,} test pictures are also trained on: the accuracy "
                "will be too high"
            )

    def _set(self, rows: UsableRows) -> PictureSet:
        reader = self.reader
        return PictureSet(rows, reader.preparation, reader.cache, reader.runtime)

    def warn(self, text: str) -> None:
        """Show a warning, and keep it."""
        self.warnings.append(text)
        self.reader.progress.warn(text)


def _keys(digests: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    return np.ascontiguousarray(digests).view("S32").ravel()


def _problems(verified: "Verified") -> str:
    counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(verified.problems.items()))
    examples = ", ".join(f"{name} ({kind})" for kind, name in verified.examples)
    return f"not trained on, for what became of their pictures since the scan: {counts}: {examples}"


# ---------------------------------------------------------------- pictures that have changed


@dataclass(frozen=True)
class Verified:
    """Rows that can be trained on, and what became of the others.

    Attributes:
        rows: `trainable` are those that are wanted and whose picture has not changed.
        problems: how many rows, by kind: `changed`, or a status of `scores.Status`.
        examples: (kind, file name) of the first few.
    """

    rows: UsableRows
    problems: dict[str, int]
    examples: tuple[tuple[str, str], ...]


def verified_rows(
    scores: ScoreTable, images: RowImages, checks: ImageChecks, wanted: TrainingRows
) -> Verified:
    """Sort the wanted rows by whether their picture can be read and is the one that was scored.

    Args:
        scores: N rows.
        images: of the rows.
        checks: of the images.
        wanted: which rows, and their labels.

    Raises:
        InputError: nothing is left.
    """
    found = checks.take(images.of_row[wanted.chosen])
    recorded = scores.table["content_sha256"].take(pa.array(wanted.chosen))
    same = pc.fill_null(pc.equal(found.sha256, recorded.combine_chunks()), False)
    kinds = pc.if_else(
        pc.and_(pc.equal(found.status, "ok"), pc.invert(same)), "changed", found.status
    )
    fine = pc.equal(kinds, "ok").to_numpy(zero_copy_only=False)
    problems, examples = _counted_problems(
        scores, wanted.chosen[~fine], kinds.filter(pa.array(~fine))
    )
    chosen = wanted.chosen[fine]
    if not len(chosen):
        listed = ", ".join(f"{count:,} {kind}" for kind, count in sorted(problems.items()))
        raise InputError(
            f"None of the {len(wanted.chosen):,} pictures to learn from is what it was when it was "
            f"scored: {listed}.",
            "Give the folder that holds them (--data FOLDER), or scan again.",
        )
    labelled = np.zeros(len(scores), dtype=bool)
    labelled[chosen] = True
    distinct, of_file = distinct_pictures(images.source, checks)
    return Verified(
        UsableRows(wanted.labels, labelled, chosen, chosen, distinct, of_file[images.of_row]),
        problems,
        examples,
    )


def _counted_problems(
    scores: ScoreTable, rows: NDArray[np.int64], kinds: pa.Array
) -> tuple[dict[str, int], tuple[tuple[str, str], ...]]:
    counted = pc.value_counts(kinds).to_pylist()
    names = scores.table["file_name"].take(pa.array(rows[:_EXAMPLES])).to_pylist()
    first = kinds[:_EXAMPLES].to_pylist()
    return (
        {entry["values"]: entry["counts"] for entry in counted},
        tuple(zip(first, names, strict=True)),
    )
