"""All units are there: what is to be said of all rows, and the file that makes a table of them."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from deftclean.applying.folder import PartsFolder
from deftclean.applying.plan import Plan, Unit
from deftclean.applying.unit_facts import UnitDone, UnitFacts, total
from deftclean.core.errors import InputError
from deftclean.detection.warnings import about_unknown_labels, about_zero_shot
from deftclean.table.emptied import about_emptied
from deftclean.table.estimate import EVIDENCE
from deftclean.table.parts import COMMIT, COMMIT_VERSION, Commit, Part


@dataclass(frozen=True)
class Progressed:
    """How far a folder is.

    Attributes:
        done: units and what they say, where none is missing.
        open: those that are not done, as far as was looked.
    """

    done: dict[Unit, UnitDone]
    open: list[Unit]


def looked_over(plan: Plan, folder: PartsFolder) -> Progressed:
    """Which units are done, by this plan; where files are missing, nobody reads the others."""
    there = {*folder.names("units/")}
    missing = [unit for unit in plan.units if unit.facts not in there]
    if missing:
        return Progressed({}, missing)
    found = {unit: unit_done(plan, unit, folder) for unit in plan.units}
    return Progressed(
        {unit: done for unit, done in found.items() if done is not None},
        [unit for unit, done in found.items() if done is None],
    )


def unit_done(plan: Plan, unit: Unit, folder: PartsFolder) -> UnitDone | None:
    """What a unit says of itself; None where it is not done, or was done by another plan."""
    done = UnitDone.read(folder.read(unit.facts))
    if done is None or (done.plan, done.rows) != (plan.digest, unit.end - unit.first):
        return None
    return done if folder.size(unit.part) == done.size else None


def commit(
    plan: Plan, done: dict[Unit, UnitDone], metadata: dict[str, Any], folder: PartsFolder
) -> dict[str, Any]:
    """Make the folder a table; whoever does it writes the same bytes.

    Args:
        plan: that was carried out.
        done: all of its units.
        metadata: of the table, but for what is said of all rows.
        folder: of the parts.

    Returns:
        The metadata.

    Raises:
        InputError: there is not a single picture that can be read.
    """
    facts = total(each.facts for each in done.values())
    readable = [name for name in ("ok", "unlabeled", "unknown_label") if facts.status.get(name)]
    if not readable:
        listed = ", ".join(f"{count:,} {name}" for name, count in sorted(facts.status.items()))
        raise InputError(
            f"none of the {plan.rows:,} images can be read ({listed}).",
            "File names are relative to the data folder; give the folder that holds them.",
        )
    told = _of_all_rows(metadata, facts)
    parts = tuple(Part(unit.part, each.rows, each.size, each.sha256) for unit, each in done.items())
    folder.write(COMMIT, Commit(COMMIT_VERSION, plan.digest, plan.rows, parts, told).text)
    return told


def _of_all_rows(metadata: dict[str, Any], facts: UnitFacts) -> dict[str, Any]:
    agree = facts.agreement
    warnings = [
        *metadata["warnings"],
        *about_zero_shot(math.nan if agree is None else agree, facts.kappa),
        *about_unknown_labels(sorted(facts.unknown), len(metadata["class_names"])),
        *_said(about_emptied(facts.emptied)),
    ]
    told = {
        **metadata,
        "noise_rate": facts.noise_rate,
        "zero_shot_agreement": agree,
        "warnings": list(dict.fromkeys(warnings)),
    }
    if EVIDENCE in metadata:
        told[EVIDENCE] = {**metadata[EVIDENCE], "foretold": asdict(facts.reliability)}
    return told


def _said(text: str) -> Sequence[str]:
    return [text] if text else []
