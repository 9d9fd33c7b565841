"""What a folder of ours says of itself, in a JSON file: its card, read back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from deftclean.core.errors import InputError

Card = TypeVar("Card")


def card_from(path: Path, newest: int, make: Callable[[dict[str, Any]], Card]) -> Card:
    """Read a card.

    Args:
        path: the file, in the folder that it is about.
        newest: format version that this program writes.
        make: the card from the values of the file.

    Raises:
        InputError: it is damaged, or of a newer format.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format_version"] > newest:
            raise InputError(
                f"{path.parent} was written by a newer deftclean.", "Update deftclean."
            )
        return make(values)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged: {error}.") from error
