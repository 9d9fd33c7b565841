"""A scan without a model: what the user brought is all the evidence, and no detector is left."""

import numpy as np

from deftclean import __version__
from deftclean.core.outputs import detector_folder
from deftclean.core.runtime import Runtime, choose_runtime
from deftclean.core.switch import together
from deftclean.detection.assembly import Said, finished_table, table_metadata
from deftclean.detection.task import Outcome, ScanRequest
from deftclean.detection.warnings import (
    contradictions,
    data_warnings,
    evidence_warnings,
    warned,
)
from deftclean.evidence.near_copies import near_groups_among
from deftclean.features.scoring import DetectorScores
from deftclean.hearing.hear import Speakers, hear, labels_of_pictures, weighed
from deftclean.hearing.own_numbers import OwnNumbers, own_warnings
from deftclean.images.prepared import PreparedRows, opened_reader
from deftclean.images.resizing import Preparation
from deftclean.images.usable_rows import refuse_one_class
from deftclean.models.detector_card import DetectorCard
from deftclean.settings.detector import DetectorConfig, resolve
from deftclean.settings.evidence import NO_MODEL
from deftclean.table.scores import ScoreTable, judged_by, put_scores

_LOOKED_AT = {
    **{"size": (64, 64), "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)},
    **{"interpolation": "bilinear", "resize_mode": "shortest", "fill_color": 0},
}
"""Pictures are decoded once, to see that they can be, and kept small."""


class ModellessScan(ScanRequest):
    """A scan of own numbers alone."""

    def finish(self, asked: DetectorConfig) -> ScoreTable:
        """Judge every row, and write: the table.

        Args:
            asked: settings.

        Raises:
            UsageError, RunError: as `deftclean.detection.scan.scan`.
        """
        run, progress, chosen = self.run, self.progress, self.chosen_backbone()
        preparation = Preparation.of(_LOOKED_AT, asked.decode, crop=False)
        runtime = choose_runtime(run.device, run.precision, run.workers, run.ranks)
        with opened_reader(preparation, runtime, run, progress) as reader:
            names = self.manifest.class_names
            prepared = reader.prepare(self.manifest, self.reading, names)
            prepared.say_usual(progress)
            refuse_one_class(self.manifest, prepared.rows)
            progress.say(f"{self.options.strategy}, without a CLIP, on {runtime.device}")
            own = self.own(chosen, asked.decode, prepared.rows, reader)
            warnings = data_warnings(prepared.rows, names, progress)
            warnings += warned(progress, own_warnings(own.witness, prepared.rows))
            outcome = self._judged(prepared, own, runtime)
            made = self._table(prepared, outcome, [*warnings, *outcome.warnings], runtime)
            self._write(made)
            reader.say_cache()
        return made

    def _judged(self, prepared: PreparedRows, own: OwnNumbers, runtime: Runtime) -> Outcome:
        rows, progress = prepared.rows, self.progress
        labels = labels_of_pictures(rows, prepared.manifest, progress)
        said = warned(progress, contradictions(labels.known))
        speakers = Speakers(None, None, own.witness, own.features)
        seed = int(self.given.get("seed") or 0)
        hearing = hear(speakers, labels, seed, runtime.device, progress)
        found = weighed(hearing, labels, rows, None, None, progress)
        judged, neighbours = found.verdict.judged, hearing.neighbours
        # What is predicted is what is believed before the label is heard.
        scores = DetectorScores(
            judged.rows,
            judged.clean_prob.astype(np.float32),
            judged.suggested,
            judged.expected,
            judged.foretold.astype(np.float32),
        )
        return Outcome(
            scores,
            "threshold",
            found.threshold if self.threshold is None else self.threshold,
            warnings=[*said, *evidence_warnings(found.verdict, progress)],
            verdict=found.verdict,
            near=None if neighbours is None else near_groups_among(neighbours),
        )

    def _table(
        self, prepared: PreparedRows, outcome: Outcome, warnings: list[str], runtime: Runtime
    ) -> ScoreTable:
        config = resolve(self.noise, self.given, len(prepared.rows.trainable)).config
        card = DetectorCard(
            format_version=1,
            tool_version=__version__,
            model=NO_MODEL,
            weights=None,
            weights_sha256="",
            label_names=self.manifest.label_names,
            config=config,
            threshold=outcome.threshold,
            epochs=[],
            warnings=warnings,
        )
        facts = table_metadata(
            card,
            runtime,
            "scan",
            None,
            self.options,
            outcome.verdict,
            outcome.near,
            prepared.quality.usual,
        )
        said = Said.of(outcome.scores, None, outcome.verdict, is_deft=False)
        return finished_table(prepared, said, outcome, facts, outcome.near, self.progress)

    def _write(self, made: ScoreTable) -> None:
        if not self.run.ranks.first:
            return
        root, labels = self.manifest.root, self.manifest.labels_file
        target = detector_folder(self.output)
        with together(self.output, self.overwrite) as outputs:
            outputs.remove(target)
            file = outputs.file(self.output)
            put_scores(judged_by(made, None), file, self.output, root, labels, target)
