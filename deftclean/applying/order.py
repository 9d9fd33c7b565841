"""What is asked for when a data set is scored in parts, as the user said it. No torch.

Whoever works on it, on whatever host, opens for himself what lies behind URLs.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deftclean.applying.asked import Asked
from deftclean.applying.folder import Place
from deftclean.applying.job import Work
from deftclean.applying.sharded import rows_to_score
from deftclean.core.errors import UsageError
from deftclean.core.outputs import check_name, is_empty_folder, refuse_foreign, refuse_input
from deftclean.core.progress import Progress
from deftclean.core.run import RunOptions
from deftclean.data.manifest import Manifest
from deftclean.data.options import ManifestOptions, input_files
from deftclean.settings.detector import Rule
from deftclean.settings.evidence import EvidenceOptions
from deftclean.stores.door import opened_urls
from deftclean.stores.urls import forbidden, url_of
from deftclean.table.parts import PLAN

_INPUTS = ("detector", "data", "labels", "reading", "evidence", "run")


@dataclass(frozen=True)
class Order:
    """Arguments of `score_parts`; plain values, for a process on any host.

    Attributes:
        detector, data, labels, output, rule, threshold, reading, evidence, run: as there.
        unit_rows: of a unit.
    """

    detector: str | Path
    data: str | Path
    labels: str | Path | None
    output: str | Path
    unit_rows: int
    rule: Rule | None
    threshold: float | None
    reading: ManifestOptions | None
    evidence: EvidenceOptions
    run: RunOptions

    def for_others(self) -> "Order":
        """The same for a process that works in another folder."""
        return replace(
            self,
            detector=_for_others(self.detector),
            data=_for_others(self.data),
            labels=None if self.labels is None else _for_others(self.labels),
            output=_for_others(self.output),
        )

    @contextmanager
    def opened(self, progress: Progress) -> Iterator[Work]:
        """The work, with what lies behind URLs fetched or listed as long as this lasts.

        Raises:
            UsageError: as `score`; the output is no folder of parts.
        """
        given = {name: getattr(self, name) for name in _INPUTS} | {"progress": progress}
        with opened_urls(given, *_INPUTS) as (here, mirror):
            yield self._work(here, mirror)

    def _work(self, here: Mapping[str, Any], mirror: Path | None) -> Work:
        home, data, progress = Path(here["detector"]), Path(here["data"]), here["progress"]
        labels = None if here["labels"] is None else Path(here["labels"])
        evidence, reading, run = here["evidence"], here["reading"], here["run"]
        place = _place(self.output, run)
        _check_output(place, [*input_files(data, labels, reading), home])
        _refuse_by_row(evidence)
        asked = Asked.of(home, self.rule, self.threshold, reading, evidence, run)
        rows = rows_to_score(data, labels, asked.reading)
        _refuse_reviewed(rows.first)
        for note in rows.first.notes:
            progress.say(note)
        brought = asked.brought(rows.first, progress.say)
        return Work(asked, rows, place, self.unit_rows, brought, run, mirror)


def _for_others(path: str | Path) -> str | Path:
    return Path(path).absolute() if url_of(path) is None else path


def _place(output: str | Path, run: RunOptions) -> Place:
    url = url_of(output)
    if url is not None and run.offline:
        raise forbidden(url)
    return Place(Path(output)) if url is None else Place.of(url)


def _check_output(place: Place, inputs: Iterable[Path | None]) -> None:
    output = place.path
    if place.url is None:
        check_name(output)
    if output.suffix.lower() == ".parquet":
        raise UsageError(
            f"-o {place}: with --part a folder is filled.", "Leave .parquet out: -o scores/"
        )
    if place.url is not None:
        return
    refuse_input(output, inputs)
    if not output.parent.is_dir():
        raise UsageError(f"The folder {output.parent} does not exist.", "Make it first.")
    if output.exists() and not is_empty_folder(output):
        refuse_foreign(output, (PLAN,), "is there, and is no folder of parts.")


def _refuse_by_row(evidence: EvidenceOptions) -> None:
    by_row = [name for name in ("--embeddings", "--pred-probs") if name in evidence.given]
    if by_row:
        raise UsageError(
            f"{', '.join(by_row)} cannot go with --part: such a file is read whole.",
            "Score without --part, or give --features MODEL.",
        )


def _refuse_reviewed(manifest: Manifest) -> None:
    if manifest.review is not None and manifest.review.rows:
        raise UsageError(
            f"{manifest.source} was reviewed: decisions are about pictures, which --part judges "
            "row by row.",
            "Score it without --part, or export it first: deftclean export",
        )
