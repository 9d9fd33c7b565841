"""Everything deftclean raises on purpose, as one tree.

::

    DeftcleanError          exit code
    ├── UsageError          2   an option, a file name or a setting is wrong
    │   └── InputError      2   the data set or the label manifest cannot be read as one
    └── RunError            3   the run could not be finished
        ├── WeightsError    3   the model's weights cannot be had
        ├── CollapseError   3   training destroyed the features; no table is written
        └── ProcessLostError 3  of several processes, another one failed

The command line catches `DeftcleanError`, prints message and hint and exits with the code.
Anything else is a bug and keeps its traceback.
"""


class DeftcleanError(Exception):
    """Base class: what is wrong, and what to do about it.

    Args:
        message: what happened, where, and how often.
        hint: what the user can do next; empty where there is nothing to add.
    """

    exit_code = 3

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(DeftcleanError):
    """An option, a file name or a setting is wrong."""

    exit_code = 2


class InputError(UsageError):
    """The data set or the label manifest cannot be read as one."""


class RunError(DeftcleanError):
    """The run could not be finished."""

    exit_code = 3


class WeightsError(RunError):
    """The model's weights cannot be had."""


class CollapseError(RunError):
    """Prompt training collapsed: every probability after that is noise."""


class ProcessLostError(RunError):
    """Of several processes that do a run together, another one failed or does not answer.

    Args:
        message, hint: as of `DeftcleanError`.
        trace: where it failed, if that is a bug.
        aloud: to be said by a process that is silent otherwise, since the one that speaks is lost.
    """

    def __init__(self, message: str, hint: str = "", trace: str = "", aloud: bool = False) -> None:
        super().__init__(message, hint)
        self.trace = trace
        self.aloud = aloud
