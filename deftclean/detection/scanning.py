"""The work of a scan, from the first look at the pictures to the table and the detector.

Knows the order of the work and everyone who does a part of it; what was asked is checked before,
in `deftclean.detection.scan`.
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deftclean.core.outputs import PARTS, checkpoint_folder, detector_folder
from deftclean.core.runtime import Runtime, choose_runtime
from deftclean.core.switch import together
from deftclean.detection.assembly import (
    Said,
    detector_card,
    finished_table,
    near_copies,
    table_metadata,
)
from deftclean.detection.cost import CostOfRun
from deftclean.detection.cross_fit import KeptHalf
from deftclean.detection.deft import Keeping, detect_rows
from deftclean.detection.evidence import weigh_rows
from deftclean.detection.strategies.confident import require_cleanlab
from deftclean.detection.strategies.linear_head import fresh_tower
from deftclean.detection.strategies.select_rows import select_rows
from deftclean.detection.task import Outcome, ScanRequest, Task
from deftclean.detection.warnings import (
    agreement_with_zero_shot,
    data_warnings,
    warned,
    zero_shot_warnings,
)
from deftclean.features.early import EarlyFeatures
from deftclean.features.pictures import RunPictures
from deftclean.features.session import Session
from deftclean.hearing.own_numbers import OwnNumbers, own_warnings
from deftclean.images.prepared import ImageReader, PreparedRows, opened_reader
from deftclean.images.resizing import Preparation
from deftclean.images.usable_rows import refuse_one_class
from deftclean.models.detector_card import DetectorCard
from deftclean.models.encoder import Encoder
from deftclean.models.prompts import check_names
from deftclean.models.saved_detector import build_detector, put_detectors
from deftclean.models.weights import outline_of
from deftclean.settings.detector import DetectorConfig, ResolvedConfig, resolve
from deftclean.table.scores import ScoreTable, judged_by, put_scores
from deftclean.training.checkpoint import Checkpoint
from deftclean.training.sample import refuse_small_sample


class Scan(ScanRequest):
    """A scan with a model."""

    def finish(self, asked: DetectorConfig) -> ScoreTable:
        """Train, score every row, and write: the table.

        Args:
            asked: settings as far as they are known before the rows are counted.

        Raises:
            UsageError, RunError: as `deftclean.detection.scan.scan`.
        """
        run, progress = self.run, self.progress
        outline = outline_of(self.model, run.weights, run.offline, progress.say)
        self._check_model(outline, asked)
        chosen = self.chosen_backbone()
        preparation = Preparation.of(outline.preprocess, asked.decode, asked.crop)
        runtime = choose_runtime(run.device, run.precision, run.workers, run.ranks)
        load = functools.cache(
            lambda: Session.load(
                self.model, run.weights, run.offline, outline.preprocess, runtime, progress,
                asked.micro_batch,
            )
        )  # fmt: skip
        with opened_reader(preparation, runtime, run, progress) as reader:
            early = self._early(asked, load, reader)
            names = self.manifest.class_names
            prepared = reader.prepare(self.manifest, self.reading, names, early)
            refuse_one_class(self.manifest, prepared.rows)
            prepared.say_usual(progress)
            refuse_small_sample(prepared.rows, asked)
            resolved = resolve(self.noise, self.given, len(prepared.rows.trainable))
            self._say_settings(resolved, runtime)
            warnings = warned(progress, list(resolved.warnings) if self.options.trains else [])
            warnings += data_warnings(prepared.rows, names, progress)
            task = self._task(load(), prepared, resolved, reader, early)
            warnings += zero_shot_warnings(task.zero_shot, prepared.rows, progress)
            own = self.own(chosen, asked.decode, prepared.rows, reader)
            warnings += warned(progress, own_warnings(own.witness, prepared.rows))
            keeping = self._keeping(task)
            outcome = self._outcome(task, keeping, own)
            near = outcome.near
            if near is None:
                near = near_copies(task.untuned, progress)
            warnings += outcome.warnings
            target = detector_folder(self.output)
            card = detector_card(task, outcome, warnings, target)
            made = self._table(prepared, task, outcome, card, near)
            self._write(made, outcome, card, target, keeping)
            reader.say_cache()
        return made

    def _check_model(self, outline: Encoder, asked: DetectorConfig) -> None:
        """A model that cannot take what is to be trained is refused now or not at all."""
        class_names = self.manifest.class_names
        if self.options.strategy == "confident-learning":
            require_cleanlab()
        if self.options.prompts:
            build_detector(outline, class_names, asked, self.brought.prompt_texts)
        else:
            check_names(outline.text, class_names)
            fresh_tower(outline, len(class_names), asked)

    def _early(
        self, asked: DetectorConfig, load: Callable[[], Session], reader: ImageReader
    ) -> EarlyFeatures | None:
        """Who embeds pictures while others are read, where all of them will be embedded."""
        wanted = asked.tuner == "none" or self.options.is_evidence
        if not (wanted and reader.runtime.looks_on):
            return None
        return EarlyFeatures(load, reader.folder / "early")

    def _say_settings(self, resolved: ResolvedConfig, runtime: Runtime) -> None:
        c, name = resolved.config, "" if self.options.is_deft else f"{self.options.strategy}, "
        where = runtime.where
        if not self.options.trains:
            self.progress.say(f"{name}without training, {where}")
            return
        rule = f"rule {c.rule}, " if self.options.prompts else ""
        self.progress.say(
            f"{name}{c.epochs} epochs ({c.warmup} warm-up), batch {c.batch_size}, lr {c.lr:g}, "
            f"{c.tuner}, {rule}{where}"
        )
        for note in resolved.notes:
            self.progress.say(note)

    def _task(
        self,
        session: Session,
        prepared: PreparedRows,
        resolved: ResolvedConfig,
        reader: ImageReader,
        early: EarlyFeatures | None,
    ) -> Task:
        """The data in the eyes of the model before anything is trained."""
        rows, config = prepared.rows, resolved.config
        pictures = RunPictures(rows, reader.preparation, session, reader.folder, reader.cache)
        cost = CostOfRun(rows, config, self.options, reader.runtime, self.progress)
        untuned = None
        if config.tuner == "none":
            untuned = pictures
        elif self.options.is_evidence:  # tuned and untuned features of the same pictures
            untuned = RunPictures(rows, reader.preparation, session, reader.folder, reader.cache)
        if early is not None and early.pace is not None:
            cost.begun(early.batches, early.pace)
        if untuned is not None:
            untuned.embed(self.progress, cost, early)
        looked_at = untuned or pictures
        zero_shot = looked_at.zero_shot(self.brought.texts, self.progress, cost)
        texts = self.brought.prompt_texts
        return Task(pictures, untuned, self.manifest, resolved, zero_shot, texts, self.progress)

    def _keeping(self, task: Task) -> list[Keeping]:
        """What becomes of each training of a detector if it is stopped."""
        pictures, options = task.pictures, self.options
        names, compiled = task.manifest.class_names, self.run.compile
        if not options.prompts:
            return []
        parts = PARTS if options.is_evidence else PARTS[:1]
        identity = pictures.session.identity(names, task.config, pictures.rows)
        identity["--compile"] = compiled
        if task.prompt_texts is not None:
            identity["--prompt-texts"] = [list(each) for each in task.prompt_texts]
        if task.manifest.review is not None:
            identity["review"] = task.manifest.review.digest
        kept = []
        for part in parts:
            whose = {**identity, "half": part} if options.is_evidence else identity
            folder = checkpoint_folder(self.output, part)
            checkpoint = Checkpoint(folder, whose, self.run.ranks)
            kept.append(Keeping(checkpoint, self.resume, compiled))
        return kept

    def _outcome(self, task: Task, keeping: list[Keeping], own: OwnNumbers) -> Outcome:
        """What the recipe says of every readable row."""
        if self.options.is_evidence:
            first, second, first_again, second_again = keeping
            halves = [KeptHalf(first, first_again), KeptHalf(second, second_again)]
            return weigh_rows(task, self.threshold, halves, own)
        if self.options.is_deft:
            assert self.threshold is not None  # noqa: S101 - its own where none was given
            return detect_rows(task, self.threshold, keeping[0])
        return select_rows(self.options, task)

    def _table(
        self,
        prepared: PreparedRows,
        task: Task,
        outcome: Outcome,
        card: DetectorCard,
        near: NDArray[np.int64] | None,
    ) -> ScoreTable:
        said = Said.of(outcome.scores, task.zero_shot, outcome.verdict, self.options.is_deft)
        agreement = agreement_with_zero_shot(task.zero_shot, prepared.rows)
        facts = table_metadata(
            card,
            task.pictures.runtime,
            "scan",
            agreement,
            self.options,
            outcome.verdict,
            near,
            prepared.quality.usual,
        )
        return finished_table(prepared, said, outcome, facts, near, self.progress)

    def _write(
        self,
        made: ScoreTable,
        outcome: Outcome,
        card: DetectorCard,
        target: Path,
        keeping: Sequence[Keeping],
    ) -> None:
        """Table and detector appear together, and what the run would be resumed from goes."""
        if not self.run.ranks.first:
            return
        root, labels = self.manifest.root, self.manifest.labels_file
        with together(self.output, self.overwrite) as outputs:
            folder = None
            if outcome.detectors:
                kept = {} if outcome.kept is None else outcome.kept.tensors()
                folder = outputs.folder(target)
                put_detectors(outcome.detectors, card, kept, folder)
            else:
                outputs.remove(target)
            made = judged_by(made, folder)
            put_scores(made, outputs.file(self.output), self.output, root, labels, target)
            for each in keeping:
                outputs.remove(each.checkpoint.folder)
