"""One cell, run: scan, adaptation, figures. What cells share is scanned and adapted once."""

import json
import os
import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa

from deftclean import __version__
from deftclean.adaptation.adapt import adapt
from deftclean.adaptation.options import AdaptOptions
from deftclean.adaptation.run_folder import AdaptResult
from deftclean.core.errors import CollapseError, DeftcleanError, RunError, UsageError
from deftclean.core.metrics import SelectionMetrics, selection_metrics
from deftclean.core.outputs import checkpoint_folder
from deftclean.core.progress import Progress
from deftclean.core.run import RunOptions
from deftclean.core.runtime import Runtime
from deftclean.core.switch import whole_file
from deftclean.detection.result import ScanResult
from deftclean.detection.scan import scan
from deftclean.experiments.cells import NOISE_RATIO, Adaptation, Cell, Selection
from deftclean.experiments.cost import Cost, Made, measured
from deftclean.experiments.data import CellData, CellRows
from deftclean.experiments.results import RESULT_SCHEMA, cell_columns, cell_name, hashed
from deftclean.settings.strategies import TOLD, Strategy
from deftclean.table.scores import read_scores


@dataclass(frozen=True)
class CellRunner:
    """Runs cells with one output folder.

    Attributes:
        output: folder; scans and adaptations are kept in it.
        data: rows of the cells.
        run: device, workers, cache; the model is the cell's.
        runtime: what `run` comes to on this machine.
        progress: told what happens.
    """

    output: Path
    data: CellData
    run: RunOptions
    runtime: Runtime
    progress: Progress
    _broken: dict[str, DeftcleanError] = field(default_factory=dict)
    _unscored: set[Path] = field(default_factory=set)
    _weights: dict[str, str | None] = field(default_factory=dict)

    # ------------------------------------------------------------ keys

    def key(self, cell: Cell) -> str:
        """Stands for all that decides a cell's figures; reads files of labels, no pictures."""
        adapted = self._adapt_key(cell) if cell.adaptation is not None else None
        return hashed([cell_name(cell), self._rows_key(cell), self._scan_key(cell), adapted])

    def how(self, cell: Cell) -> str:
        """Stands for all that decides a cell's figures except its seed."""
        rows = {**self.data.identity(cell.data, cell.seed), "seed": None}
        chosen, adaptation = cell.selection, cell.adaptation
        selected = self._selected_by(chosen) if chosen is not None else None
        adapted = self._adapted_by(adaptation) if adaptation is not None else None
        return hashed([__version__, self._arithmetic, rows, selected, adapted])

    @property
    def _arithmetic(self) -> list[Any]:
        return [self.runtime.device.type, self.runtime.precision, self.run.compile]

    # These lists are hashed into names of files that earlier commands have left: they stay lists.

    def _selected_by(self, chosen: Selection, *seed: int) -> list[Any]:
        """All that decides a selection on given rows; the seed where it counts."""
        how = [chosen.strategy, chosen.preset, chosen.model, dict(chosen.settings)]
        return [*how, *seed, *self._local_weights(chosen.model)]

    def _adapted_by(self, chosen: Adaptation, *seed: int) -> list[Any]:
        """All that decides an adaptation to given rows; the seed where it counts."""
        how = [chosen.backbone, chosen.method, dict(chosen.settings)]
        return [*how, *seed, *self._local_weights(chosen.backbone)]

    def _local_weights(self, model: str) -> list[str]:
        """Of a folder of the user's what its files hold; nothing of a model that its name says."""
        if model not in self._weights:
            self._weights[model] = _content_of(model)
        content = self._weights[model]
        return [] if content is None else [content]

    def _rows_key(self, cell: Cell) -> str:
        rows = self.data.identity(cell.data, cell.seed)
        return hashed([__version__, self._arithmetic, rows])

    def _scan_key(self, cell: Cell) -> str | None:
        chosen = cell.selection
        if chosen is None:
            return None
        return hashed([self._rows_key(cell), self._selected_by(chosen, cell.seed)])

    def _adapt_key(self, cell: Cell) -> str:
        chosen = cell.adaptation
        assert chosen is not None  # noqa: S101 - callers have asked
        how = self._adapted_by(chosen, cell.seed)
        return hashed([self._rows_key(cell), self._scan_key(cell), how])

    # ------------------------------------------------------------ rows of the results

    def row(self, cell: Cell) -> dict[str, Any]:
        """Run a cell; what goes wrong stands in `error`, whatever it is, and the next may run."""
        row: dict[str, Any] = dict.fromkeys(RESULT_SCHEMA.names)
        row |= {
            **cell_columns(cell),
            "key": self.key(cell),
            "how": self.how(cell),
            "limit_rows": self.data.limit_rows,
            "all_rows": self.data.all_rows,
            "tool_version": __version__,
            "device": self._device(),
            "precision_mode": self.runtime.precision,
        }
        found: dict[str, Any] = {"warnings": "[]"}
        try:
            self._find(cell, found)
            return row | _with_cost(found)
        except DeftcleanError as error:  # what its scan has found stays
            # By its place in the folder, which may be moved.
            told = f"{error.message} {error.hint}".strip()
            text = told.replace(f"{self.output}{os.sep}", "")
            return row | _with_cost(found) | {"error": text}
        except Exception as error:  # noqa: BLE001 - out of memory, say: the other cells go on
            trace = self.output / "errors" / f"{row['key']}.txt"
            trace.parent.mkdir(exist_ok=True)
            trace.write_text(traceback.format_exc(), encoding="utf-8")
            text = f"{type(error).__name__}: {error}".splitlines()[0]
            return row | _with_cost(found) | {"error": f"{text} (errors/{trace.name})"}

    def _device(self) -> str:
        kind = self.runtime.device.type
        return f"{kind}: {self.runtime.arithmetic()['processor']}" if kind == "cuda" else kind

    def _find(self, cell: Cell, found: dict[str, Any]) -> None:
        """Put a cell's figures into `found`, as they come."""
        rows = self.data.rows(cell.data, cell.seed)
        if cell.selection is not None:
            table = self._kept_scan(cell, cell.selection, rows)
            found |= _selected(table, rows) | _read_card(table.with_suffix(".json"))
        else:
            table = self._all_rows(cell, rows)
            found["rows"] = len(read_scores(table, ["row"]))
        if cell.adaptation is not None:
            found |= self._kept_adaptation(cell, cell.adaptation, table)

    # ------------------------------------------------------------ scans

    def _kept_scan(self, cell: Cell, chosen: Selection, rows: CellRows) -> Path:
        """The score table, from an earlier cell or made now."""
        key = self._scan_key(cell) or ""
        table = self.output / "scans" / f"{key}.parquet"
        if table.is_file() and table.with_suffix(".json").is_file():
            return table
        if key in self._broken:  # another cell has tried it already
            raise self._broken[key]
        try:
            result, cost = self._measured(
                "scan", table, lambda resumed: self._scan(cell, chosen, rows, table, resumed)
            )
        except DeftcleanError as error:
            self._broken[key] = error
            raise
        facts = {
            "warnings": json.dumps(result.warnings, ensure_ascii=False),
            "weights_sha256": result.scores.metadata.get("weights_sha256"),
        }
        _write_card(table.with_suffix(".json"), {**cost, **facts})
        return table

    def _scan(
        self, cell: Cell, chosen: Selection, rows: CellRows, table: Path, resumed: bool
    ) -> ScanResult:
        settings = {k: v for k, v in chosen.settings.items() if k != NOISE_RATIO}
        told = chosen.strategy == TOLD or NOISE_RATIO in chosen.settings
        return scan(
            rows.images,
            rows.labels,
            output=table,
            overwrite=True,
            resume=resumed,
            noise=chosen.preset,
            strategy=cast("Strategy", chosen.strategy),  # which it refuses where it is none
            noise_ratio=_noise_ratio(cell, chosen, rows) if told else None,
            settings={**settings, "seed": cell.seed},
            run=replace(self.run, model=chosen.model, compile=self.run.compile and _tunes(chosen)),
            progress=self.progress,
        )

    def _all_rows(self, cell: Cell, rows: CellRows) -> Path:
        """A table of all rows for an adaptation that ignores every selection."""
        from deftclean.experiments.all_rows import write_unscored

        table = self.output / "scans" / f"all-{self._rows_key(cell)}.parquet"
        if table not in self._unscored:  # an earlier command may have missed pictures
            table.parent.mkdir(exist_ok=True)
            write_unscored(rows.images, rows.labels, table, self.run, self.progress)
            self._unscored.add(table)
        return table

    # ------------------------------------------------------------ adaptations

    def _kept_adaptation(self, cell: Cell, chosen: Adaptation, table: Path) -> dict[str, Any]:
        """Figures of the adaptation, from an earlier cell or made now."""
        home = self.output / "adapted" / self._adapt_key(cell)
        card = home.with_suffix(".json")
        if card.is_file():
            shutil.rmtree(home, ignore_errors=True)  # of a run that was killed after the card
            return _read_card(card)
        result, cost = self._measured(
            "adapt", home, lambda resumed: self._adapt(cell, chosen, table, home, resumed)
        )
        # The figures are what a table needs; weights of hundreds of cells would fill the disk.
        # The card says that all is there: it comes after the epochs and before the weights go.
        shutil.move(home / "metrics.jsonl", home.with_suffix(".epochs.jsonl"))
        _write_card(card, {**_tested(result), **cost})
        shutil.rmtree(home)
        return _read_card(card)

    def _adapt(
        self, cell: Cell, chosen: Adaptation, table: Path, home: Path, resumed: bool
    ) -> AdaptResult:
        test = self.data.test_rows(cell.data.name)
        return adapt(
            table,
            backbone=chosen.backbone,
            method=chosen.method,
            output=home,
            overwrite=True,
            resume=resumed,
            settings={**chosen.settings, "seed": cell.seed},
            options=AdaptOptions(
                everything=cell.selection is None, test=test.labels, test_data=test.images
            ),
            run=replace(self.run, model=None),
            progress=self.progress,
        )

    # ------------------------------------------------------------ both

    def _measured(
        self, part: str, output: Path, work: Callable[[bool], Made]
    ) -> tuple[Made, dict[str, float | None]]:
        """What some work made and what it cost; it is gone on with where it was interrupted.

        Args:
            part: `scan` or `adapt`, which the names of the costs begin with.
            output: what is made.
            work: told whether to resume.
        """
        output.parent.mkdir(exist_ok=True)
        unfinished = checkpoint_folder(output)
        resumed = unfinished.exists()
        try:
            made, cost = measured(lambda: work(resumed), str(self.runtime.device))
        except DeftcleanError as error:
            _clear_hopeless(unfinished, error)
            raise
        return made, _cost(part, cost, resumed)


def _content_of(model: str) -> str | None:
    """Of a model that is a folder of the user's, its files by content; None of others."""
    from deftclean.models.hub import sha256_of
    from deftclean.models.weights import local_path

    folder = local_path(model)
    if folder is None:
        return None
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return hashed([[file.name, sha256_of(file)] for file in files if file.is_file()])


def _clear_hopeless(folder: Path, error: DeftcleanError) -> None:
    """Begin anew the next time where going on would fail again; not after a full disk, say."""
    if isinstance(error, CollapseError | UsageError):
        shutil.rmtree(folder, ignore_errors=True)


def _tunes(chosen: Selection) -> bool:
    """Whether DEFT trains an image tower, which alone can be compiled."""
    return chosen.strategy == "deft" and chosen.settings.get("tuner") != "none"


def _tested(result: AdaptResult) -> dict[str, Any]:
    tested = result.cleaned.evaluation
    if tested is None:
        raise RunError("The adaptation was not tested.")
    return {
        "accuracy_best": result.cleaned.best,
        "accuracy_last": tested.accuracy,
        "trained_on": result.cleaned.rows,
        "tested_on": result.test_rows,
        "backbone_sha256": result.cleaned.learner.sha256,
    }


def _cost(part: str, cost: Cost, resumed: bool) -> dict[str, float | None]:
    """Seconds and peak; of a run that was interrupted the time before is not known."""
    seconds = None if resumed else cost.seconds
    return {f"{part}_seconds": seconds, f"{part}_peak": cost.peak_memory_mb}


def _write_card(path: Path, facts: dict[str, Any]) -> None:
    with whole_file(path, overwrite=True) as file:
        file.write_text(json.dumps(facts, indent=2, ensure_ascii=False), encoding="utf-8")


def _read_card(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _with_cost(found: dict[str, Any]) -> dict[str, Any]:
    """The same with the seconds and the peak of the whole cell; None where a part is not known."""
    parts = ("scan", "adapt")
    seconds = [found[f"{part}_seconds"] for part in parts if f"{part}_seconds" in found]
    peaks = [found[f"{part}_peak"] for part in parts if f"{part}_peak" in found]
    return {
        **{name: value for name, value in found.items() if not name.endswith("_peak")},
        "seconds": None if None in seconds or not seconds else sum(seconds),
        "peak_memory_mb": None if None in peaks or not peaks else max(peaks),
    }


# ---------------------------------------------------------------- figures


def _noise_ratio(cell: Cell, chosen: Selection, rows: CellRows) -> float:
    """What small-loss is told: the setting, the ratio of the noise, or the share that is wrong."""
    told = chosen.settings.get(NOISE_RATIO, cell.data.ratio)
    if told is not None:
        return float(told)
    wrong = rows.wrong().filter(rows.labelled())
    if wrong.null_count or not len(wrong):
        raise UsageError(
            f"{chosen.strategy} must be told the noise ratio, and it is not known which labels of "
            f"{cell.data.name} are wrong.",
            "Give settings = {noise_ratio = 0.2}.",
        )
    return float(np.mean(wrong.to_numpy(zero_copy_only=False)))


def _selected(table: Path, rows: CellRows) -> dict[str, Any]:
    """Counts, and figures where it is known of every scored row whether its label is right."""
    scores = read_scores(table, ["row", "clean_prob", "keep"]).table
    scored = np.flatnonzero(scores["clean_prob"].is_valid().to_numpy())
    counts = {"rows": len(scores), "scored": len(scored)}
    wrong = rows.wrong().take(pa.array(scored))
    if wrong.null_count or not len(scored):
        return counts
    return counts | _metrics(wrong, scores.take(pa.array(scored))).as_dict()


def _metrics(wrong: pa.Array, scores: pa.Table) -> SelectionMetrics:
    right = ~wrong.to_numpy(zero_copy_only=False).astype(bool)
    keep = scores["keep"].to_numpy().astype(bool)
    return selection_metrics(right, keep, scores["clean_prob"].to_numpy())
