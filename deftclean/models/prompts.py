"""The dual textual contexts of DEFT (Eq. 2 and 3).

``prompt_k = [SOS] V_1 ... V_M <name of class k> . [EOS]``, once with a positive and once with a
negative context V. Contexts follow CoOp (Zhou et al. 2022, https://arxiv.org/abs/2109.01134).

Shapes: K classes, M context vectors, m of them in each branch, T branch tokens of all classes,
W_text text width, D joint size.
"""

from bisect import bisect_left
from itertools import accumulate

import torch
from torch import Tensor, nn

from deftclean.core.errors import UsageError
from deftclean.core.run import ALONE, Ranks
from deftclean.core.text import readable_name
from deftclean.models.encoder import TextTower
from deftclean.models.prefixes import FEW_TOKENS, MOST_TOKENS, at_once, encode, in_pieces, pack, pad
from deftclean.settings.detector import ClassPosition

_CONTEXT_STD = 0.02
_FRAME_TOKENS = 3  # start mark, full stop, end mark
_ZERO_SHOT_TOKENS = 4  # "a photo of a", before the name


class DualPrompts(nn.Module):
    """A positive and a negative context around the class names.

    A prompt is kept as a stem, which all classes share, and a branch of its class (`branches`).
    Shared context vectors before the name belong to the stem, all others to the branches.

    Args:
        tower: embeds the names; not kept.
        names: K class names; underscores are read as spaces.
        length: M.
        position: where the name stands: `end`, after the context; `middle`, between its halves;
            `front`, before it. The full stop closes the prompt in every case.
        class_specific: every class has contexts of its own, (K, M, W_text) instead of
            (M, W_text).
        generator: draws the start values, N(0, 0.02²), the positive context first.
        called: what the names are, in messages.
        way: what to do about those that cannot be prompts; None for what helps with names.

    Raises:
        UsageError: names that have no tokens, do not fit beside M context vectors, or cannot be
            told apart by the text tower; all of them are named.
    """

    start_mark: Tensor  # (1, W_text)
    fixed: Tensor  # (T, W_text) branch tokens packed by length, zero where context vectors go
    places: Tensor  # (T,) place of each of them in its prompt
    starts: Tensor  # (K,) where each class begins among them
    last: Tensor  # (K,) end mark's place in its branch
    slots: Tensor  # (K, m) places of the context vectors in their branch
    rank: Tensor  # (K,) place of each class in the packing

    def __init__(
        self,
        tower: TextTower,
        names: tuple[str, ...],
        length: int,
        position: ClassPosition,
        class_specific: bool,
        generator: torch.Generator,
        called: str = "Class names",
        way: str | None = None,
    ) -> None:
        super().__init__()
        tokens = name_tokens(tower, names, length, position, called, way)
        before = {"end": length, "middle": length // 2, "front": 0}[position]
        self.in_stem = 0 if class_specific else before
        first, second = before - self.in_stem, length - before

        branches, slots = [], []
        for *name, stop in tokens:
            branches.append(tower.framed([0] * first + name + [0] * second + [stop])[1:])
            after = first + len(name)
            slots.append([*range(first), *range(after, after + second)])
        self._keep(tower, branches, slots)

        device = tower.device
        shape = (len(names), length) if class_specific else (length,)
        self.positive = nn.Parameter(_normal((*shape, tower.width), generator, device))
        self.negative = nn.Parameter(_normal((*shape, tower.width), generator, device))

    def _keep(self, tower: TextTower, branches: list[list[int]], slots: list[list[int]]) -> None:
        lengths = [len(branch) for branch in branches]
        order = sorted(range(len(branches)), key=lengths.__getitem__)
        self.longest = max(lengths)
        packed = [lengths[k] for k in order]
        self._packed = packed
        self.divide(ALONE, tower.device)
        rank = {k: place for place, k in enumerate(order)}
        ends = list(accumulate(packed))
        whole = {
            "places": [1 + self.in_stem + place for k in order for place in range(lengths[k])],
            "starts": [ends[rank[k]] - lengths[k] for k in range(len(branches))],
            "last": [length - 1 for length in lengths],
            "slots": slots,
            "rank": [rank[k] for k in range(len(branches))],
        }
        ids = {
            "fixed": [token for k in order for token in branches[k]],
            "start_mark": tower.framed([])[:1],
        }
        with torch.no_grad():
            for name, values in whole.items():
                tensor = torch.tensor(values, dtype=torch.int64, device=tower.device)
                self.register_buffer(name, tensor, persistent=False)
            for name, tokens in ids.items():
                embedded = tower.token_embedding(torch.tensor(tokens, device=tower.device))
                self.register_buffer(name, embedded, persistent=False)

    def divide(self, ranks: Ranks, device: torch.device) -> None:
        """Encode some of the classes in each of several processes, and put the features together.

        From then on `features` and `features_of_both` are called by all of them. Fewer classes than
        processes are encoded by everyone.

        Args:
            ranks: the processes.
            device: of the text tower.
        """
        ranks = ranks if ranks.size <= len(self._packed) else ALONE
        ends = list(accumulate(self._packed, initial=0))
        self._own = _shares(ends, ranks.size)[ranks.rank]
        self._own_tokens = slice(ends[self._own.start], ends[self._own.stop])
        self._ranks = ranks
        lengths = self._packed[self._own]
        self.pieces_without_gradient = pack(lengths, FEW_TOKENS, device)
        self.pieces = (
            pack(lengths, MOST_TOKENS, device)
            if sum(lengths) <= MOST_TOKENS
            else self.pieces_without_gradient
        )

    @property
    def classes(self) -> int:
        """K."""
        return len(self.last)

    def few(self, count: int) -> bool:
        """Whether `count` features cost less with `features_of` than all K with `features`."""
        if self._in_one_batch:
            return count < self.classes
        return count * self.longest < len(self.fixed)

    @property
    def _in_one_batch(self) -> bool:
        """Whether branches are padded, as a CUDA device likes them; else packed, for cores."""
        return self.fixed.device.type == "cuda"

    @property
    def _some(self) -> Tensor:
        """The classes that this process encodes, where they are not packed."""
        own = self._ranks.part(self.classes)
        return torch.arange(own.start, own.stop, device=self.last.device)

    def _together(self, features: Tensor) -> Tensor:
        """Of all classes, from those of `_some`."""
        return self._ranks.together(features, self._ranks.part(self.classes), self.classes)

    def features(self, tower: TextTower, context: Tensor) -> Tensor:
        """Unit features of all classes, (K, D), with the positive or the negative context."""
        if tower.why_whole_prompts():
            return self._together(self._whole(tower, context, self._some))
        if self._in_one_batch:
            return self._together(self.features_of(tower, context, self._some))
        return self._encoded(tower, self._stem(tower, context), self._branches(tower, context))

    def features_of_both(self, tower: TextTower) -> tuple[Tensor, Tensor]:
        """`features` with the positive and the negative context, side by side: half the calls."""
        contexts = (self.positive, self.negative)
        if tower.why_whole_prompts():
            positive, negative = (self.features(tower, context) for context in contexts)
            return positive, negative
        stems = torch.stack([self._stem(tower, context) for context in contexts])
        if self._in_one_batch:
            some = self._some
            padded = [self._padded(tower, each, some).flatten(0, 1) for each in contexts]
            pieces = pad(self.last[some], self.longest)
            both = self._together(encode(tower, stems, torch.stack(padded), pieces))
            positive, negative = both
            return positive, negative
        branches = torch.stack([self._branches(tower, context) for context in contexts])
        positive, negative = self._encoded(tower, stems, branches)
        return positive, negative

    def _encoded(self, tower: TextTower, stem: Tensor, branches: Tensor) -> Tensor:
        """(..., K, D) in the order of the classes."""
        pieces = self.pieces if torch.is_grad_enabled() else self.pieces_without_gradient
        some = encode(tower, stem, branches[..., self._own_tokens, :], pieces)
        every = self._ranks.together(some, self._own, self.classes)
        return every.index_select(-2, self.rank)

    def _branches(self, tower: TextTower, context: Tensor) -> Tensor:
        """(T, W_text) packed, with positions."""
        where = self.starts[:, None] + self.slots
        branches = self.fixed.index_put((where,), self._in_branches(context))
        return branches + tower.positional_embedding[self.places]

    def features_of(self, tower: TextTower, context: Tensor, classes: Tensor) -> Tensor:
        """Unit features of some classes, (n,) -> (n, D), repeated where they are.

        Sizes depend on n alone, so that an accelerator need not be waited for.
        """
        if tower.why_whole_prompts():
            return self._whole(tower, context, classes)
        branches = self._padded(tower, context, classes).flatten(0, 1)
        pieces = pad(self.last[classes], self.longest)
        return encode(tower, self._stem(tower, context), branches, pieces)

    def _whole(self, tower: TextTower, context: Tensor, classes: Tensor) -> Tensor:
        def some(part: Tensor) -> Tensor:
            stem = self._stem(tower, context)
            branches = self._padded(tower, context, part)
            prompts = torch.cat([stem.expand(len(part), -1, -1), branches], dim=1)
            features: Tensor = tower(prompts, len(stem) + self.last[part])
            return features

        together = at_once(len(classes), 1 + self.in_stem + self.longest, classes.device)
        return in_pieces(some, [(part,) for part in classes.split(together)])

    def _stem(self, tower: TextTower, context: Tensor) -> Tensor:
        """(1 + shared vectors before the name, W_text), with positions."""
        shared = context[: self.in_stem] if self.in_stem else self.start_mark[:0]
        stem = torch.cat([self.start_mark, shared.to(self.start_mark.dtype)])
        return stem + tower.positional_embedding[: len(stem)]

    def _in_branches(self, context: Tensor) -> Tensor:
        """What goes into the slots of all classes: (K, m, W_text)."""
        own = context if context.dim() == 3 else context[self.in_stem :]
        return own.to(self.fixed.dtype).expand(*self.slots.shape, -1)

    def _padded(self, tower: TextTower, context: Tensor, classes: Tensor) -> Tensor:
        """Branches of some classes, (n, longest, W_text), with positions."""
        offsets = torch.arange(self.longest, device=classes.device)
        # Past the end mark comes whatever stands there; nothing sees it.
        within = (self.starts[classes, None] + offsets).clamp(max=len(self.fixed) - 1)
        rows = torch.arange(len(classes), device=classes.device)[:, None]
        own = self._in_branches(context)[classes]
        branches = self.fixed[within].index_put((rows, self.slots[classes]), own)
        return branches + tower.positional_embedding[1 + self.in_stem + offsets]


def _shares(ends: list[int], count: int) -> list[slice]:
    """K classes packed one after the other, cut into `count` parts of about as many tokens.

    Args:
        ends: (K + 1,) tokens before each class, and of all.
        count: at most K; each part has a class.

    >>> _shares([0, 2, 4, 6, 12], 2)
    [slice(0, 3, None), slice(3, 4, None)]
    """
    classes, cuts = len(ends) - 1, [0]
    for part in range(1, count):
        found = bisect_left(ends, ends[-1] * part / count)
        cuts.append(min(max(found, cuts[-1] + 1), classes - count + part))
    return [slice(*pair) for pair in zip(cuts, [*cuts[1:], classes], strict=True)]


def name_tokens(
    tower: TextTower,
    names: tuple[str, ...],
    length: int,
    position: ClassPosition,
    called: str = "Class names",
    way: str | None = None,
) -> list[list[int]]:
    """Tokens of every name, the last of which carries the full stop of the prompt.

    With the class at the end ``name.`` is one text, as in the authors' code, so that a name's own
    punctuation may be one token with the full stop: ``).`` of "crane (bird)". Elsewhere context
    vectors stand between the two, and each has the tokens that it has alone.

    Raises:
        UsageError: as `DualPrompts`; open_clip's tokenizer would cut long names silently.
    """
    words = [readable_name(name) for name in names]
    if position == "end":
        tokens = [tower.tokens(f"{name}.") for name in words]
    else:
        tokens = [[*tower.tokens(name), *tower.tokens(".")] for name in words]
    room = tower.context_length - length - _FRAME_TOKENS
    if room < 1:
        raise UsageError(
            f"--context-length {length} leaves no room for a class name: the model's text tower "
            f"reads {tower.context_length} tokens.",
            f"Use at most {tower.context_length - _FRAME_TOKENS}, less the longest name's tokens.",
        )
    problems, ways = [], []
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
    if empty or long:
        ways.append(
            'Give such labels other names, in words: --class-names names.json, {"label": "name"} '
            "for every label."
        )
    same: dict[tuple[int, ...], list[str]] = {}
    for name, row in zip(names, tokens, strict=True):
        same.setdefault(tuple(row), []).append(name)
    twins = [_listed(group) for group in same.values() if len(group) > 1]
    if twins:
        problems.append(f"{'; '.join(twins[:5])}{_more(twins)} are the same words to the model")
        ways.append("Write labels of one class alike where they are given.")
    if problems:
        raise UsageError(
            f"{called} that cannot be prompts: {'. '.join(problems)}.", way or " ".join(ways)
        )
    return tokens


def check_names(tower: TextTower, names: tuple[str, ...]) -> None:
    """Refuse names that the untrained model cannot tell apart, or would read in part alone.

    The same rule as for trained prompts, for everything that asks the model without training one.

    Args:
        tower: embeds the names.
        names: K class names.

    Raises:
        UsageError: as `name_tokens`.
    """
    name_tokens(tower, names, _ZERO_SHOT_TOKENS, "end")


def _normal(shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    return (torch.randn(*shape, generator=generator) * _CONTEXT_STD).to(device)


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:5]) + _more(names)


def _more(names: list[str]) -> str:
    return f" and {len(names) - 5} more" if len(names) > 5 else ""
