"""What `adapt` may be told beside its settings: which rows and labels, and which test. No torch."""

from dataclasses import dataclass
from pathlib import Path

from deftclean.core.fields import setting
from deftclean.data.options import LEAVE_FOLDER
from deftclean.settings.detector import Labels

_ROWS, _TEST = "Rows", "Test"  # panels of the help


@dataclass(frozen=True)
class AdaptOptions:
    """What an adaptation learns from, and what it is tested on.

    Attributes:
        labels: `given`, `final` or `suggested`; None for `final` where the table has such a column.
        relabel_above: with `suggested`, the suggested_prob above which a flagged row takes the
            suggested label, in [0, 1].
        weighted: weight the loss by clean_prob.
        everything: ignore the cleaning.
        data: image folder, or the table that holds the images; None for the one of the scan.
        allow_outside: follow links and names that leave the data folder.
        test: labels that are believed: a folder with class sub-folders, or a table.
        test_data: image folder of `test`, where it is a table that does not stand in it.
        holdout: share of the rows that is tested on and not trained on, in [0, 1); None for a
            tenth where there is no `test`.
        compare: train the same on the uncleaned rows too.
        detector: of method `prompts`; None for the one beside the table.
    """

    labels: Labels | None = setting(
        None,
        "given; final: column final_label of a reviewed table, the default where there is one; "
        "suggested: also flagged rows, with their suggested label, where it is certain enough "
        "(--relabel-above).",
        panel=_ROWS,
    )
    relabel_above: float | None = setting(
        None,
        "With --labels suggested: suggested_prob that a flagged row needs, 0 to 1.",
        panel=_ROWS,
    )
    weighted: bool = setting(False, "Weight the loss by clean_prob.", panel=_ROWS)
    everything: bool = setting(
        False, "Ignore the cleaning: train on every row.", option="all", panel=_ROWS
    )
    data: str | Path | None = setting(
        None,
        "Image folder, or the table that holds the images. Default: the scan's.",
        panel=_ROWS,
    )
    allow_outside: bool = setting(False, LEAVE_FOLDER, panel="Input")
    test: str | Path | None = setting(
        None,
        "Test rows with labels you believe: a folder of class folders, or a table.",
        panel=_TEST,
    )
    test_data: str | Path | None = setting(
        None, "Image folder of --test. Default: the folder the table stands in.", panel=_TEST
    )
    holdout: float | None = setting(
        None,
        "Share of the rows to test on instead, of every class; 0 for no test. Default: 0.1 where "
        "there is no --test.",
        panel=_TEST,
    )
    compare: bool = setting(
        False, "Train the same on all rows, uncleaned, and show the difference.", panel=_TEST
    )
    detector: str | Path | None = setting(
        None,
        "With --method prompts: detector folder. Default: the one beside the table.",
        panel="Model",
    )
