"""The page of `benchmarks.arena`: means over the seeds, and a verdict on every demand."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from statistics import mean

from benchmarks.arena_cells import CELLS, Cell
from benchmarks.arena_figures import Run

OURS, PUBLISHED = "evidence", "deft"
_UNTUNED = "none"


@dataclass(frozen=True)
class Place:
    """A cell with or without a visual tuner, and all that ran there.

    Attributes:
        cell: the data.
        tuner: of the detectors.
        runs: by recipe.
    """

    cell: Cell
    tuner: str
    runs: dict[str, list[Run]]

    @property
    def name(self) -> str:
        """In tables."""
        return self.cell.name if self.tuner == _UNTUNED else f"{self.cell.name}, {self.tuner}"

    @property
    def best(self) -> tuple[float, str]:
        """AUROC of the best opponent, and who it is; over seeds at which ours has figures."""
        seeds = {run.seed for run in self.runs.get(OURS, []) if not run.collapsed}
        found = [
            (_mean(run.auroc for run in runs if run.seed in seeds), recipe)
            for recipe, runs in self.runs.items()
            if not recipe.startswith(OURS)
        ]
        finite = [each for each in found if isfinite(each[0])]
        return max(finite, default=(nan, "none"))


def page(runs: Sequence[Run]) -> str:
    """In Markdown."""
    there = list(_places(runs))
    parts = [
        "# Arena",
        "Means over the seeds; `python -m benchmarks.arena` measures it. F1 is that of the wrong "
        "labels, at the recipe's own decision and at the best threshold. Collapsed runs have no "
        "figures.",
        "## Demands",
        *_verdicts([place for place in there if OURS in place.runs]),
        "## evidence",
        _own_table(there),
        "## AUROC",
        _table(there, lambda run: run.auroc, 3),
        "## F1 of the wrong labels",
        _table(there, lambda run: run.f1, 3),
        "## Seconds",
        _table(there, lambda run: run.seconds, 1),
    ]
    return "\n\n".join(parts) + "\n"


def _places(runs: Sequence[Run]) -> Iterable[Place]:
    """Those where something ran. What takes no tuner stands beside what has one, too."""
    tuned = list(dict.fromkeys(run.tuner for run in runs if run.tuner != _UNTUNED))
    for tuner in [_UNTUNED, *tuned]:
        for cell in CELLS:
            found: dict[str, list[Run]] = {}
            for run in runs:
                if run.cell == cell.name and run.tuner == tuner:
                    found.setdefault(run.recipe, []).append(run)
            if not found:
                continue
            for run in runs if tuner != _UNTUNED else ():
                if run.cell == cell.name and run.recipe in _UNTAUGHT:
                    found.setdefault(run.recipe, []).append(run)
            yield Place(cell, tuner, found)


_UNTAUGHT = ("label-match", "zero-shot-margin", "knn", "confident-learning")

# ---------------------------------------------------------------- demands


def _verdicts(there: Sequence[Place]) -> list[str]:
    """One line for each demand."""
    lines = [
        _judged(
            "no run ends in a collapse",
            [
                (place.name, -float(sum(run.collapsed for run in place.runs[OURS])))
                for place in there
            ],
        ),
        _judged(
            "AUROC at least the best opponent's - 0.005",
            [
                (f"{place.name} ({place.best[1]})", _auroc(place) - place.best[0] + 0.005)
                for place in there
                if place.best[1] != "none"
            ],
        ),
        _published(there),
    ]
    for text, human, ask in (
        ("F1 at least 0.95 of the best threshold's, synthetic noise", False, _decision(0.95)),
        ("F1 at least 0.90 of the best threshold's, human errors", True, _decision(0.90)),
        ("noise rate within 0.03, synthetic noise", False, _rate),
        ("noise rate within its interval in every run, human errors", True, _interval),
        ("ECE at most 0.03, synthetic noise", False, _ece(0.03)),
        ("ECE at most 0.10, human errors", True, _ece(0.10)),
    ):
        asked = [place for place in there if place.cell.human is human]
        lines.append(_judged(text, [(p.name, ask(p.runs[OURS])) for p in asked]))
    for name, auroc, f1 in (("signs-0.3", 0.90, 0.72), ("worse", 0.900, 0.74)):
        found = [place for place in there if place.cell.name == name]
        lines += [
            _judged(
                f"{name}: AUROC at least {auroc:.2f}", [(p.name, _auroc(p) - auroc) for p in found]
            ),
            _judged(
                f"{name}: F1 at least {f1:.2f}",
                [(p.name, _mean(run.f1 for run in p.runs[OURS]) - f1) for p in found],
            ),
        ]
    both = [place for place in there if PUBLISHED in place.runs]
    lines += [
        _judged(
            "with a tuner, time at most 1.5 x that of deft",
            [
                (p.name, 1.5 - _seconds(p, OURS) / _seconds(p, PUBLISHED))
                for p in both
                if p.tuner != _UNTUNED
            ],
        ),
        _judged(
            "without, at most 15 s more than deft at 6,000 rows (seconds)",
            [
                (p.name, 15 - _seconds(p, OURS) + _seconds(p, PUBLISHED))
                for p in both
                if p.tuner == _UNTUNED and p.runs[OURS][0].rows == 6000
            ],
        ),
    ]
    return ["\n".join(f"- {line}" for line in lines)]


def _judged(text: str, margins: Sequence[tuple[str, float]]) -> str:
    if not margins:
        return f"{text}: not measured"
    missed = [f"{name} by {-margin:.3f}" for name, margin in margins if margin < 0]
    missed += [f"{name}: no figures" for name, margin in margins if not isfinite(margin)]
    if not missed:
        name, least = min(margins, key=lambda each: each[1])
        return f"{text}: **met** in {len(margins)}; least margin {least:.3f}, {name}"
    return f"{text}: **missed** in {len(missed)} of {len(margins)}: {'; '.join(missed)}"


def _published(there: Sequence[Place]) -> str:
    text = "mean AUROC at least 0.05 above that of DEFT as published"
    both = [place for place in there if PUBLISHED in place.runs]
    if not both:
        return f"{text}: not measured"
    pairs = [(_auroc(p), _mean(run.auroc for run in p.runs[PUBLISHED])) for p in both]
    ours, theirs = (
        _mean(each) for each in zip(*(p for p in pairs if isfinite(sum(p))), strict=True)
    )
    return _judged(text, [(f"{ours:.3f} against {theirs:.3f}", ours - theirs - 0.05)])


def _decision(share: float) -> Callable[[Sequence[Run]], float]:
    return lambda runs: _mean(run.decision for run in runs) - share


def _ece(most: float) -> Callable[[Sequence[Run]], float]:
    return lambda runs: most - _mean(run.ece for run in runs)


def _rate(runs: Sequence[Run]) -> float:
    return 0.03 - _mean(run.miss for run in runs)


def _interval(runs: Sequence[Run]) -> float:
    """How far the truth lies inside it, in the worst run."""
    ended = [run for run in runs if not run.collapsed]
    margins = [min(run.wrong - (run.low or 0), (run.high or 0) - run.wrong) for run in ended]
    return min(margins, default=nan)


def _auroc(place: Place) -> float:
    return _mean(run.auroc for run in place.runs[OURS])


def _seconds(place: Place, recipe: str) -> float:
    return _mean(run.seconds for run in place.runs[recipe])


def _mean(values: Iterable[float]) -> float:
    """Of the runs that have figures; NaN where none has."""
    found = [value for value in values if isfinite(value)]
    return mean(found) if found else nan


# ---------------------------------------------------------------- tables


def _own_table(there: Sequence[Place]) -> str:
    head = "cell | seeds | AUROC | best opponent | F1 | at best | share | wrong | estimated | ECE"
    lines = [f"| {head} |", "|---" * len(head.split("|")) + "|"]
    for place in there:
        for recipe, runs in place.runs.items():
            if not recipe.startswith(OURS):
                continue
            auroc, who = place.best
            name = place.name if recipe == OURS else f"{place.name}, {recipe.removeprefix(OURS)}"
            low = _mean(nan if run.low is None else run.low for run in runs)
            high = _mean(nan if run.high is None else run.high for run in runs)
            covered = sum(run.covers for run in runs)
            cells = [
                *(name, _seeds(runs), f"{_mean(run.auroc for run in runs):.3f}"),
                f"{auroc:.3f} {who}",
                *(f"{_mean(getattr(run, key) for run in runs):.3f}" for key in ("f1", "best_f1")),
                f"{_mean(run.decision for run in runs):.3f}",
                f"{_mean(run.wrong for run in runs):.3f}",
                f"{_mean(run.estimate for run in runs):.3f} [{low:.3f}, {high:.3f}], covered "
                f"{covered} of {len(runs)}",
                f"{_mean(run.ece for run in runs):.3f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _table(there: Sequence[Place], figure: Callable[[Run], float], digits: int) -> str:
    recipes = list(dict.fromkeys(recipe for place in there for recipe in place.runs))
    lines = [f"| cell | {' | '.join(recipes)} |", "|---" * (len(recipes) + 1) + "|"]
    for place in there:
        cells = [
            f"{_mean(map(figure, place.runs[recipe])):.{digits}f}" if recipe in place.runs else ""
            for recipe in recipes
        ]
        lines.append(f"| {place.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _seeds(runs: Sequence[Run]) -> str:
    lost = sum(run.collapsed for run in runs)
    return f"{len(runs)}, {lost} collapsed" if lost else str(len(runs))
