"""Units scored by one worker, whoever tells it which: a share of them, or an engine one by one."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from deftclean import __version__
from deftclean.applying.commit import commit, looked_over, unit_done
from deftclean.applying.job import Work
from deftclean.applying.judge import Judge, opened_judge
from deftclean.applying.plan import FOLDERS, PLAN_VERSION, Plan, Unit, agreed
from deftclean.applying.unit_facts import UnitDone
from deftclean.applying.unit_rows import judged_unit, metadata_of
from deftclean.core.errors import DeftcleanError
from deftclean.core.progress import Progress
from deftclean.table.scores import put_scores
from deftclean.table.seal import folder_digest
from deftclean.table.ways import placed


class Worker:
    """One process at work on a folder.

    Args:
        work: what is to be done.
        judge: who does it.
        progress: told what happens.

    Raises:
        UsageError: the folder holds the parts of another run.
        RunError: the folder cannot be made.
    """

    def __init__(self, work: Work, judge: Judge, progress: Progress) -> None:
        self._work, self._judge, self._progress = work, judge, progress
        self.plan = _plan(work, judge)
        self._folder = work.output.folder(FOLDERS)
        agreed(self.plan, self._folder, str(work.output))

    def is_done(self, unit: Unit) -> bool:
        """Whether it is there, by this plan."""
        return unit_done(self.plan, unit, self._folder) is not None

    def load(self) -> None:
        """Load the model, so that what is missing is told before the first unit."""
        self._judge.load()

    def score(self, unit: Unit) -> str:
        """Score a unit and write it; why it could not be, empty where it could."""
        place = self._judge.reader.folder / "unit"
        place.mkdir()
        try:
            self._write(unit, place)
        except (DeftcleanError, OSError) as error:
            self._progress.warn(f"{unit} failed: {error}")
            return str(error)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        return ""

    def _write(self, unit: Unit, place: Path) -> None:
        work = self._work
        scores, facts = judged_unit(self._judge, work.rows.of(unit), unit, work.asked, place)
        made = replace(scores, metadata=self._told(scores.metadata))
        file = place / "part.parquet"
        put_scores(made, file, work.output.path / unit.part, *work.places)
        data = file.read_bytes()
        self._folder.write(unit.part, data)
        digest = hashlib.sha256(data).hexdigest()
        done = UnitDone(self.plan.digest, len(scores), len(data), digest, facts)
        self._folder.write(unit.facts, done.text)

    def finish(self) -> tuple[int, dict[str, Any] | None]:
        """Make a table of the folder if no unit is missing: how many are, and its metadata.

        Raises:
            InputError: there is not a single picture that can be read.
        """
        state = looked_over(self.plan, self._folder)
        if state.open:
            return len(state.open), None
        work, asked = self._work, self._work.asked
        decided = {"rule": asked.rule, "threshold": asked.threshold}
        told = self._told({**metadata_of(self._judge, work.rows.first, None), **decided})
        metadata = placed(told, work.output.path, *work.places)
        return 0, commit(self.plan, state.done, metadata, self._folder)

    def _told(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """With the digest of the detector, which is hashed once for all units."""
        return {**metadata, "detector_sha256": self.plan.judge["detector"]}


@contextmanager
def opened_worker(work: Work, progress: Progress) -> Iterator[Worker]:
    """A worker and its model, for as long as it has units to score."""
    asked = work.asked
    with opened_judge(asked.home, asked.card, work.brought, work.run, progress) as judge:
        yield Worker(work, judge, progress)


def _plan(work: Work, judge: Judge) -> Plan:
    """What a worker takes the folder to be for."""
    decided = {
        "detector": folder_digest(work.asked.home),
        "model": work.asked.card.weights_sha256,
        "tool_version": __version__,
        "device": judge.runtime.device.type,
        "precision": judge.runtime.precision,
        "rule": work.asked.rule,
        "threshold": work.asked.threshold,
        "features": None if judge.chosen is None else judge.chosen.name,
    }
    return Plan(PLAN_VERSION, work.rows.count, work.unit_rows, work.rows.identity, decided)
