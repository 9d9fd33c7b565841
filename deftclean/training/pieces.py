"""Batches that go through a model in pieces, where memory is too small for the whole.

Features are the same whatever the pieces, but for rounding: a loss sees the whole batch's, so that
its denominators are the batch's.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from deftclean.core.errors import RunError
from deftclean.core.runtime import Runtime
from deftclean.models.prefixes import in_pieces
from deftclean.training.feeds import Encode

_ADVICE = "Choose a smaller --model, or --device cpu; --tuner none trains on features alone."

Result = TypeVar("Result")
Again = Callable[[torch.OutOfMemoryError], Tensor]
"""Gives the features of the last batch once more, such that they take less memory."""


def halved(
    batch: int, most: int | None, runtime: Runtime, advice: str, error: torch.OutOfMemoryError
) -> int:
    """How many pictures to try at once, where memory has run out.

    Args:
        batch: pictures of the batch that did not fit.
        most: at once so far; None for whole batches.
        runtime: of the run.
        advice: what to do where a single one does not fit.
        error: what was raised.

    Raises:
        RunError: it was a single picture.
    """
    now = batch if most is None else min(most, batch)
    if now == 1:
        raise RunError("A single picture does not fit into the device's memory.", advice) from error
    if runtime.device.type == "cuda":
        torch.cuda.empty_cache()
    return -(-now // 2)


def until_it_fits(attempt: Callable[[Tensor], Result], features: Tensor, again: Again) -> Result:
    """What `attempt` makes of a batch's features, tried again with less memory.

    Args:
        attempt: changes nothing that a second attempt does not put right.
        features: (B, D).
        again: called where memory has run out.

    Raises:
        RunError: of `again`, where nothing can be made smaller.
    """
    while True:
        try:
            return attempt(features)
        except torch.OutOfMemoryError as error:
            features = again(error)


def no_more(error: torch.OutOfMemoryError) -> Tensor:
    """Where features come from a file, there are no pictures that could go in pieces.

    Raises:
        RunError: always.
    """
    raise RunError(
        "A training step does not fit into the device's memory.",
        "Choose a smaller --batch-size, or --device cpu.",
    ) from error


class Pieces:
    """How many pictures go through a model at once, in one run; fewer once memory has run out.

    Args:
        most: pictures at once; None for whole batches.
        runtime: of the run.
        say: told when there are fewer.
    """

    def __init__(self, most: int | None, runtime: Runtime, say: Callable[[str], None]) -> None:
        self._most = most
        self._runtime = runtime
        self._say = say

    def of(self, encode: Encode) -> Encode:
        """The same features of a batch, (B, 3, S, S) to (B, D), in pieces.

        With gradient, only one piece's activations are kept at a time: the others are computed
        once more on the way back (`torch.utils.checkpoint`).
        """

        def in_pieces(pixels: Tensor) -> Tensor:
            while True:
                try:
                    return self._encoded(encode, pixels)
                except torch.OutOfMemoryError as error:
                    self.halve(len(pixels), error)

        return in_pieces

    def halve(self, batch: int, error: torch.OutOfMemoryError) -> None:
        """Go on with half as many at once.

        Args:
            batch: pictures of the batch that did not fit.
            error: what was raised.

        Raises:
            RunError: it was a single picture.
        """
        self._most = halved(batch, self._most, self._runtime, _ADVICE, error)
        self._say(
            f"a batch does not fit into memory: {self._most} pictures at a time from here on, with "
            f"the loss of the whole batch (--micro-batch {self._most} begins so)"
        )

    def _encoded(self, encode: Encode, pixels: Tensor) -> Tensor:
        if self._most is None or self._most >= len(pixels):
            return encode(pixels)
        return in_pieces(encode, [(part,) for part in pixels.split(self._most)])
