"""What `adapt` leaves behind: weights, configuration, figures, pictures and a model card."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deftclean import __version__
from deftclean.adaptation.charts import confusion_picture, learning_curve
from deftclean.adaptation.model_card import model_card
from deftclean.adaptation.run_card import FORMAT_VERSION, AdaptedCard
from deftclean.adaptation.saved_classifier import write_adapted
from deftclean.adaptation.trainer import Trained, Trainer
from deftclean.core.results import Shown, percent
from deftclean.core.switch import together
from deftclean.models.saved_detector import portable_name
from deftclean.settings.adaptation import AdaptConfig
from deftclean.training.picture_sets import spec_of

TestedOn = Literal["test rows", "chosen rows", "all rows"]


@dataclass(frozen=True, repr=False)
class AdaptResult(Shown):
    """What `adapt` made.

    Attributes:
        output: the run folder.
        config: resolved settings.
        class_names: K classes.
        cleaned: training on the chosen rows.
        uncleaned: on all rows, with `compare`.
        counts: of rows, by what became of them.
        test_rows: how many rows were tested on.
        tested_on: rows of a test set; or of the table itself, with the labels they have there,
            held out of those that were chosen or of all; None where nothing was tested.
        warnings: what may make the result useless.
        seconds: wall time.
    """

    output: Path
    config: AdaptConfig
    class_names: tuple[str, ...]
    cleaned: Trained
    uncleaned: Trained | None
    counts: Mapping[str, int]
    test_rows: int
    tested_on: TestedOn | None
    warnings: tuple[str, ...]
    seconds: float

    def facts(self) -> Mapping[str, object]:
        """What a notebook shows."""
        tested = self.cleaned.evaluation
        uncleaned = self.uncleaned.evaluation if self.uncleaned is not None else None
        return {
            "trained on": self.cleaned.rows,
            "selected from": self.cleaned.offered,
            "tested on": self.test_rows or None,
            "accuracy": percent(tested.accuracy) if tested is not None else None,
            "accuracy uncleaned": percent(uncleaned.accuracy) if uncleaned is not None else None,
            "run": self.output,
            "warnings": len(self.warnings) or None,
            "seconds": round(self.seconds, 1),
        }


def save_run(
    result: AdaptResult,
    trainer: Trainer,
    data: dict[str, Any],
    overwrite: bool,
    unfinished: Iterable[Path],
) -> None:
    """Write the folder, whole or not at all.

    Args:
        result: of the command.
        trainer: on which it was trained.
        data: what it was trained on, in plain values.
        overwrite: replace an existing folder.
        unfinished: what goes when it appears.

    Raises:
        RunError, UsageError: it cannot be written, or exists.
    """
    card = _card(result, trainer, data)
    with together(result.output, overwrite) as outputs:
        folder = outputs.folder(result.output)
        for path in unfinished:
            outputs.remove(path)
        write_adapted(folder, result.cleaned.learner.whole, card)
        _write_metrics(folder / "metrics.jsonl", result)
        epochs = [epoch.as_dict() for epoch in result.cleaned.epochs]
        if epochs:
            learning_curve(folder / "learning-curve.png", epochs)
        if result.cleaned.evaluation is not None:
            confusion = result.cleaned.evaluation.confusion
            confusion_picture(folder / "confusion.png", confusion, result.class_names)
        text = model_card(
            card.backbone,
            card.architecture,
            card.class_names,
            card.config,
            card.data,
            card.results,
            card.warnings,
            __version__,
        )
        (folder / "README.md").write_text(text, encoding="utf-8")


def _card(result: AdaptResult, trainer: Trainer, data: dict[str, Any]) -> AdaptedCard:
    learner = result.cleaned.learner
    model, weights = learner.model, learner.weights
    if model is not None:
        model, weights = portable_name(model, weights, result.output)
    return AdaptedCard(
        format_version=FORMAT_VERSION,
        tool_version=__version__,
        backbone=trainer.chosen.name,
        model=model,
        weights=weights,
        weights_sha256=learner.sha256,
        architecture=learner.architecture,
        arguments=learner.arguments,
        preprocess=spec_of(trainer.preprocess),
        class_names=result.class_names,
        config=result.config,
        detector=learner.detector,
        data={
            **data,
            "counts": dict(result.counts),
            "selected_from": result.cleaned.offered,
            "trained_on": result.cleaned.rows,
        },
        results={
            "test_rows": result.test_rows,
            "tested_on": result.tested_on,
            "cleaned": _measured(result.cleaned, result.class_names),
            "uncleaned": _measured(result.uncleaned, result.class_names),
        },
        warnings=list(result.warnings),
    )


def _measured(trained: Trained | None, class_names: tuple[str, ...]) -> dict[str, Any] | None:
    if trained is None or trained.evaluation is None:
        return None
    return {
        "rows": trained.rows,
        "selected_from": trained.offered,
        "best": trained.best,
        **trained.evaluation.as_dict(class_names),
    }


def _write_metrics(path: Path, result: AdaptResult) -> None:
    trainings = {"chosen": result.cleaned, "all": result.uncleaned}
    lines = [
        json.dumps({"trained_on": name, **_selected(trained), **epoch.as_dict()})
        for name, trained in trainings.items()
        if trained is not None
        for epoch in trained.epochs
    ]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _selected(trained: Trained) -> dict[str, int]:
    """What a method that selects rows itself has selected; empty for the others."""
    if trained.offered is None:
        return {}
    return {"selected": trained.rows, "selected_from": trained.offered}
