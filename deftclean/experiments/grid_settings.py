"""Settings in a grid file: of its strategies, at each step of the sweep, and of its adaptation.

Whether they mean something is asked of those who take them.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple, cast, get_args

from deftclean.core.text import few
from deftclean.experiments.cells import NOISE_RATIO, Adaptation
from deftclean.experiments.grid_form import Problems
from deftclean.settings.adaptation import AdaptConfig, Method, resolve_adaptation
from deftclean.settings.checks import misfit
from deftclean.settings.detector import DetectorConfig, Noise, resolve
from deftclean.settings.strategies import TOLD, Strategy, StrategyOptions

STRATEGIES: tuple[str, ...] = get_args(Strategy)
ALL_ROWS = "all-rows"
"""In place of a strategy: nothing is selected, and the adaptation learns from every row."""

_ADAPT_KEYS = ("backbone", "method", "settings")
_OURS = ("seed", "method")  # settings that a cell says elsewhere


class Variant(NamedTuple):
    """One strategy at one step of the sweep.

    Attributes:
        strategy: its name, or `ALL_ROWS`.
        settings: all that it is run with, `noise_ratio` included.
        step: those of them that the sweep says.
    """

    strategy: str
    settings: dict[str, Any]
    step: dict[str, Any]


def read_variants(
    problems: Problems, where: str, table: Mapping[str, Any], strategies: Sequence[str]
) -> list[Variant]:
    """Every strategy at every step, in this order; none where their settings are wrong.

    Args:
        problems: what is wrong is added to it.
        where: the grid.
        table: the grid's.
        strategies: as the file has them; those that there are not are left out.
    """
    before = len(problems)
    shared = _settings(problems, where, "settings", table.get("settings", {}))
    _check_shared(problems, where, shared, strategies)
    of_each = _of_strategies(problems, where, table.get("strategy_settings", {}), strategies)
    steps = _sweep(problems, where, table.get("sweep", {}), strategies)
    if len(problems) > before:
        return []
    return [
        Variant(name, {**_taken(name, shared), **of_each.get(name, {}), **step}, step)
        for name in strategies
        if name in (*STRATEGIES, ALL_ROWS)
        for step in (steps if name != ALL_ROWS else [{}])
    ]


def check_variant(
    problems: Problems, where: str, variant: Variant, preset: Noise | None, ratios: Sequence[Any]
) -> None:
    """Whether a strategy can be run with its settings.

    Args:
        problems: what is wrong is added to it.
        where: the grid.
        variant: of the grid.
        preset: of the grid; None where it is unknown, and ranges are not looked at.
        ratios: of the grid's noises.
    """
    name, settings, _ = variant
    if name != ALL_ROWS and preset is not None:
        options = StrategyOptions(cast("Strategy", name))
        detector = {key: value for key, value in settings.items() if key != NOISE_RATIO}
        problems.tried(where, lambda: resolve(preset, options.settings(detector), rows=1))
    if name == TOLD and NOISE_RATIO not in settings and 1.0 in ratios:
        problems.add(f"{where}: {TOLD} keeps nothing at a noise ratio of 1")


def read_adaptation(problems: Problems, where: str, table: Any) -> Adaptation | None:
    """What is trained on the rows that are selected; None where it cannot be told.

    Args:
        problems: what is wrong is added to it.
        where: the grid.
        table: its `adapt`.
    """
    where = f"{where} adapt"
    table = problems.table(where, table)
    problems.unknown(where, table, _ADAPT_KEYS)
    backbone = table.get("backbone", "clip-vit-b16")
    method = table.get("method", "fft")
    if not isinstance(backbone, str):
        problems.add(f"{where} backbone must be a text, not {backbone!r}")
        return None
    if method not in get_args(Method):
        problems.add(f"{where} method {method!r} is none of {', '.join(get_args(Method))}")
        return None
    settings = problems.table(f"{where} settings", table.get("settings", {}))
    known = [name for name in AdaptConfig().as_dict() if name not in _OURS]
    before = len(problems)
    problems.unknown(f"{where} settings", settings, known)
    _check_types(problems, f"{where} settings", AdaptConfig, settings, known, False)
    if len(problems) == before:
        problems.tried(where, lambda: resolve_adaptation(backbone, method, settings))
    return Adaptation(backbone, method, settings)


# ---------------------------------------------------------------- the three tables of settings


def _check_shared(
    problems: Problems, where: str, settings: Mapping[str, Any], strategies: Sequence[str]
) -> None:
    """A setting that no strategy takes would be left out of every cell without a word."""
    known = [each for each in STRATEGIES if each in strategies]
    for key, value in settings.items():
        if strategies and not any(_takes(each, key, value) for each in known):
            problems.add(f"{where} settings: none of the strategies takes {key}")


def _of_strategies(
    problems: Problems, where: str, table: Any, strategies: Sequence[str]
) -> dict[str, dict[str, Any]]:
    table = problems.table(f"{where} strategy_settings", table)
    if table.get(ALL_ROWS):
        problems.add(f"{where} strategy_settings.{ALL_ROWS}: it has no settings")
    for name in table:
        if name not in strategies:
            problems.add(f"{where} strategy_settings.{name} is none of its strategies")
    for name, values in table.items():
        if isinstance(values, dict) and NOISE_RATIO in values and name != TOLD:
            problems.add(f"{where} strategy_settings.{name}: {NOISE_RATIO} goes with {TOLD}")
    return {
        name: _settings(problems, where, f"strategy_settings.{name}", values)
        for name, values in table.items()
    }


def _sweep(
    problems: Problems, where: str, table: Any, strategies: Sequence[str]
) -> list[dict[str, Any]]:
    """All combinations of the values; without a sweep one step that says nothing."""
    table = problems.table(f"{where} sweep", table)
    for key, values in table.items():
        if not isinstance(values, list) or not values:
            problems.add(f"{where} sweep {key} must be a list of values")
            return [{}]
        if any(value in values[:place] for place, value in enumerate(values)):
            problems.add(f"{where} sweep {key}: one value stands there twice")
    if table and set(strategies) == {ALL_ROWS}:
        problems.add(f"{where} sweep: {ALL_ROWS} has no settings")
    _settings(problems, where, "sweep", table)
    others = [each for each in strategies if each not in (TOLD, ALL_ROWS)]
    if NOISE_RATIO in table and others:
        problems.add(f"{where} sweep: {NOISE_RATIO} goes with {TOLD}, not with {few(others)}")
    return [dict(zip(table, step, strict=True)) for step in product(*table.values())]


# ---------------------------------------------------------------- one table of settings


def _settings(problems: Problems, where: str, key: str, table: Any) -> dict[str, Any]:
    where = f"{where} {key}"
    table = problems.table(where, table)
    known = [name for name in DetectorConfig().as_dict() if name not in _OURS]
    problems.unknown(where, table, (*known, NOISE_RATIO))
    swept = key == "sweep"  # where each value is a list of values
    _check_types(problems, where, DetectorConfig, table, known, swept)
    ratios = table.get(NOISE_RATIO, [0.0] if swept else 0.0)
    for ratio in ratios if swept else [ratios]:
        if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 <= ratio < 1:
            problems.add(f"{where} noise_ratio {ratio!r} must be in [0, 1)")
    return dict(table)


def _check_types(
    problems: Problems,
    where: str,
    kind: type,
    table: Mapping[str, Any],
    known: Sequence[str],
    swept: bool,
) -> None:
    for name, given in table.items():
        for value in given if swept else [given]:
            problem = misfit(kind, name, value) if name in known else None
            if problem is not None:
                problems.add(f"{where}: {problem}")


def _taken(strategy: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of settings that a grid's strategies share, those that mean something to this one."""
    if strategy == ALL_ROWS:
        return {}
    return {key: value for key, value in settings.items() if _takes(strategy, key, value)}


def _takes(strategy: str, key: str, value: Any) -> bool:
    if key == NOISE_RATIO:
        return strategy == TOLD
    return StrategyOptions(cast("Strategy", strategy)).takes(key, value)
