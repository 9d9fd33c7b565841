"""The form of a grid file: its values as the kinds that they must be, and all that is wrong.

Knows only texts, lists and tables, not what a grid is.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deftclean.core.errors import UsageError
from deftclean.core.text import few


class Problems:
    """What is wrong with a file, in the order in which it was found.

    What asks for a value gets one of the right kind, if need be an empty one, and goes on: so all
    mistakes are told at once. `where` is always the place in the file that a sentence begins with.

    Attributes:
        told: sentences without a stop.
    """

    def __init__(self) -> None:
        self.told: list[str] = []

    def __len__(self) -> int:
        return len(self.told)

    def add(self, text: str) -> None:
        """One more."""
        self.told.append(text)

    def tried(self, where: str, check: Callable[[], object]) -> None:
        """What a check of another module refuses, once however often it is met."""
        try:
            check()
        except UsageError as error:
            problem = f"{where}: {error.message}"
        else:
            return
        if problem not in self.told:
            self.add(problem)

    # ------------------------------------------------------------ names

    def unknown(self, where: str, table: Mapping[str, Any], known: Sequence[str]) -> None:
        """Keys of a table that it may not have."""
        unknown = [key for key in table if key not in known]
        if unknown:
            self.add(
                f"{where}: unknown {few([repr(key) for key in unknown])}; known: {', '.join(known)}"
            )

    def names(self, where: str, key: str, names: Sequence[str], known: Sequence[str]) -> None:
        """Names that are none of those known, or stand there twice."""
        for name in names:
            if name not in known:
                self.add(f"{where} {key}: {name!r} is none of {', '.join(known)}")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            self.add(f"{where} {key}: {few(twice)} stands there twice")

    # ------------------------------------------------------------ values

    def table(self, where: str, value: Any) -> dict[str, Any]:
        """A table; empty where the value is none."""
        if isinstance(value, dict):
            return value
        self.add(f"{where} must be a table, not {value!r}")
        return {}

    def text(self, where: str, table: Mapping[str, Any], key: str) -> str:
        """A text that must be there; empty where it is not."""
        value = table.get(key)
        if isinstance(value, str) and value.strip():
            return value
        self.add(f"{where} needs {key}, a text")
        return ""

    def texts(self, where: str, table: Mapping[str, Any], key: str) -> list[str]:
        """Texts of which there must be one or more; empty where there is none."""
        value = table.get(key)
        if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            return value
        self.add(f"{where} needs {key}, a list of texts")
        return []
