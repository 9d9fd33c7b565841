"""The dual textual contexts of DEFT (Eq. 2 and 3).

``prompt_k = [SOS] V_1 ... V_M <name of class k> . [EOS]``, once with a positive and once with a
negative context V. Contexts follow CoOp (Zhou et al. 2022, https://arxiv.org/abs/2109.01134).

Shapes: K classes, M context vectors, T tokens of the longest prompt, W_text text width.
"""

import torch
from torch import Tensor, nn

from deftclean.config import ClassPosition
from deftclean.encoder import TextTower
from deftclean.errors import UsageError

_CONTEXT_STD = 0.02
_FRAME_TOKENS = 3  # start mark, full stop, end mark


class DualPrompts(nn.Module):
    """A positive and a negative context around the class names.

    Args:
        tower: embeds the names; not kept.
        names: K class names; underscores are read as spaces.
        length: M.
        position: where the name stands: `end`, after the context; `middle`, between its halves;
            `front`, before it. The full stop closes the prompt in every case.
        class_specific: every class has contexts of its own, (K, M, W_text) instead of
            (M, W_text).
        generator: draws the start values, N(0, 0.02²), the positive context first.

    Raises:
        UsageError: names that have no tokens, do not fit beside M context vectors, or cannot be
            told apart by the text tower; all of them are named.
    """

    fixed: Tensor
    slots: Tensor
    last: Tensor

    def __init__(
        self,
        tower: TextTower,
        names: tuple[str, ...],
        length: int,
        position: ClassPosition,
        class_specific: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        tokens = name_tokens(tower, names, length)
        before = {"end": length, "middle": length // 2, "front": 0}[position]

        rows, slots = [], []
        for *name, stop in tokens:
            after = length - before
            rows.append(tower.framed([0] * before + name + [0] * after + [stop]))
            first, second = 1, 1 + before + len(name)
            slots.append([*range(first, first + before), *range(second, second + after)])
        longest = max(map(len, rows))
        device = tower.device
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=device)
        with torch.no_grad():
            fixed = tower.token_embedding(ids)

        self.register_buffer("fixed", fixed, persistent=False)
        self.register_buffer("slots", torch.tensor(slots, device=device), persistent=False)
        last = torch.tensor([len(row) - 1 for row in rows], device=device)
        self.register_buffer("last", last, persistent=False)

        shape = (len(names), length) if class_specific else (length,)
        self.positive = nn.Parameter(_normal((*shape, tower.width), generator, device))
        self.negative = nn.Parameter(_normal((*shape, tower.width), generator, device))

    def embeddings(self, context: Tensor) -> Tensor:
        """Put a context, (M, W_text) or (K, M, W_text), around the K names: (K, T, W_text)."""
        classes = torch.arange(len(self.fixed), device=self.fixed.device)[:, None]
        filled = context.to(self.fixed.dtype).expand(*self.slots.shape, -1)
        return self.fixed.index_put((classes, self.slots), filled)

    def forward(self, tower: TextTower) -> tuple[Tensor, Tensor]:
        """Unit features T⁺ and T⁻, each (K, D)."""
        positive = tower(self.embeddings(self.positive), self.last)
        negative = tower(self.embeddings(self.negative), self.last)
        return positive, negative


def readable_name(name: str) -> str:
    """A class name as words: `pickup_truck` -> `pickup truck`."""
    return name.replace("_", " ")


def name_tokens(tower: TextTower, names: tuple[str, ...], length: int) -> list[list[int]]:
    """Tokens of every ``name.``, the last of which carries the full stop.

    Raises:
        UsageError: as `DualPrompts`; open_clip's tokenizer would cut long names silently.
    """
    tokens = [tower.tokens(f"{readable_name(name)}.") for name in names]
    room = tower.context_length - length - _FRAME_TOKENS
    if room < 1:
        raise UsageError(
            f"--context-length {length} leaves no room for a class name: the model's text tower "
            f"reads {tower.context_length} tokens.",
            f"Use at most {tower.context_length - _FRAME_TOKENS - 1}, less the longest name.",
        )
    problems = []
    empty = [name for name, row in zip(names, tokens, strict=True) if len(row) < 2]
    if empty:
        problems.append(f"{_listed(empty)} have no words")
    long = [
        f"{n!r} ({len(r) - 1})" for n, r in zip(names, tokens, strict=True) if len(r) - 1 > room
    ]
    if long:
        problems.append(
            f"{', '.join(long[:5])}{_more(long)} do not fit: {room} tokens are left for a name "
            f"beside {length} context vectors"
        )
    same: dict[tuple[int, ...], list[str]] = {}
    for name, row in zip(names, tokens, strict=True):
        same.setdefault(tuple(row), []).append(name)
    twins = [_listed(group) for group in same.values() if len(group) > 1]
    if twins:
        problems.append(f"{'; '.join(twins[:5])}{_more(twins)} are the same words to the model")
    if problems:
        raise UsageError(
            f"Class names that cannot be prompts: {'. '.join(problems)}.",
            "Give classes distinct, short names: rename them, or map labels to names with "
            "--class-names FILE.",
        )
    return tokens


def _normal(shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    return (torch.randn(*shape, generator=generator) * _CONTEXT_STD).to(device)


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:5]) + _more(names)


def _more(names: list[str]) -> str:
    return f" and {len(names) - 5} more" if len(names) > 5 else ""
