"""Drawn detectors, each beside the plain implementation with the same trained tensors.

Class names, contexts, visual tuners, rules, phases and batches are drawn, and small CLIPs of every
kind that a saving depends on.
"""

import contextlib
import functools
from dataclasses import dataclass
from typing import Any, get_args
from unittest import mock

import open_clip
import torch
from hypothesis import assume, settings
from hypothesis import strategies as st

import deftclean.models.prefixes
import deftclean.models.prompts
from benchmarks.plain import PlainText, similarities
from benchmarks.plain_tuners import plain_image
from deftclean.models.encoder import Encoder
from deftclean.models.saved_detector import build_detector
from deftclean.settings.detector import DetectorConfig
from deftclean.settings.training import Tuner

TOLERANCE = {torch.float64: (1e-9, 1e-9), torch.float32: (1e-5, 1e-4)}  # features, gradients
WORDS = [
    "cat", "dog", "car", "bus", "bird", "fish", "tree", "rose", "ship", "boat", "horse",
    "sheep", "lion", "bear", "wolf", "mouse", "apple", "pear", "lamp", "chair", "table",
    "bed", "house", "castle", "bridge", "road", "cloud", "sea", "plate", "bowl", "cup",
    "bottle", "clock", "phone", "train", "truck", "plain", "forest", "bee", "crab",
]  # fmt: skip
MEAN, STD = (0.5, 0.375, 0.25), (0.25, 0.5, 0.25)  # exact in binary, so alike in both precisions

VIT = {"image_size": 24, "layers": 3, "width": 32, "head_width": 8, "patch_size": 8}
TEXT = {"context_length": 24, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 3}
EOS = {"pool_type": "eos", "eos_id": 49407}
NO_ADDITIONS = "unusual image blocks"
ANY_TOWER = ["bitfit", "fft", "none"]


@dataclass(frozen=True)
class Architecture:
    vision: dict[str, Any]
    text: dict[str, Any]
    kind: type = open_clip.CLIP
    quick_gelu: bool = False
    embed_dim: int = 16


ARCHITECTURES = {
    "clip": Architecture(VIT, TEXT),
    "quick gelu, eos": Architecture(VIT, {**TEXT, **EOS, "heads": 2}, quick_gelu=True),
    "custom text, eos": Architecture(VIT, {**TEXT, **EOS}, open_clip.CustomTextCLIP),
    "custom text, linear projection": Architecture(
        {**VIT, "layers": 2}, {**TEXT, "proj_bias": True, "layers": 2}, open_clip.CustomTextCLIP
    ),
    "layer scale": Architecture({**VIT, "ls_init_value": 0.3}, {**TEXT, "ls_init_value": 0.3}),
    "one block": Architecture(
        {**VIT, "layers": 1}, {**TEXT, "layers": 1, "proj_type": "none"}, embed_dim=32
    ),
    "mean of patches": Architecture({**VIT, "pool_type": "avg", "no_ln_pre": True}, TEXT),
    "attention pooling": Architecture({**VIT, "attentional_pool": True}, TEXT),
    "unusual text blocks": Architecture(VIT, {**TEXT, "qk_norm": True}),
    "unusual image blocks": Architecture({**VIT, "scale_heads": True}, {**TEXT, "scale_fc": True}),
}


@functools.cache
def build(architecture: str, dtype: torch.dtype):
    """A frozen model without a zero bias or unit norm, which would hide that one is forgotten."""
    shape = ARCHITECTURES[architecture]
    torch.manual_seed(0)
    model = shape.kind(
        shape.embed_dim, vision_cfg=shape.vision, text_cfg=shape.text, quick_gelu=shape.quick_gelu
    )
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn(parameter.shape) * 0.2)
    model = model.to(dtype).eval()
    preprocess = {"mean": MEAN, "std": STD, "size": (24, 24)}
    return model, Encoder(model, tokenizer(), preprocess)


@functools.cache
def tokenizer():
    return open_clip.SimpleTokenizer(context_length=24)


@dataclass(frozen=True)
class Drawn:
    architecture: str
    name_lengths: tuple[int, ...]
    config: DetectorConfig
    warmup: bool
    pseudo: bool
    batch: int
    spread: float
    scale: float
    dtype: torch.dtype
    most_tokens: int
    seed: int


def at_most(tokens):
    """Encode so many tokens at once; with gradient, what comes in pieces is checkpointed."""
    patches = contextlib.ExitStack()
    for module in (deftclean.models.prefixes, deftclean.models.prompts):
        limits = {"MOST_TOKENS": tokens, "FEW_TOKENS": tokens // 2}
        patches.enter_context(mock.patch.multiple(module, **limits))
    return patches


@st.composite
def drawn(draw):
    architecture = draw(st.sampled_from(list(ARCHITECTURES)))
    tuners = ANY_TOWER if architecture == NO_ADDITIONS else list(get_args(Tuner))
    # Few classes or many, so that a batch's labels cover all of them or leave most out.
    lengths = draw(
        st.one_of(
            st.lists(st.integers(1, 8), min_size=2, max_size=4),
            st.lists(st.integers(1, 8), min_size=5, max_size=40),
            st.builds(lambda n, k: [n] * k, st.integers(1, 8), st.integers(2, 40)),
        )
    )
    config = DetectorConfig(
        tuner=draw(st.sampled_from(tuners)),
        prompt_length=draw(st.integers(1, 5)),
        rank=draw(st.integers(1, 5)),
        bottleneck=draw(st.integers(1, 5)),
        context_length=draw(st.integers(1, 12)),
        class_position=draw(st.sampled_from(["end", "middle", "front"])),
        class_specific=draw(st.booleans()),
        rule=draw(st.sampled_from(["threshold", "agree"])),
        warmup_loss=draw(st.sampled_from(["ce", "sce"])),
        positive_weight=draw(st.sampled_from([1.0, 0.25])),
        seed=draw(st.integers(0, 99)),
    )
    return Drawn(
        architecture=architecture,
        name_lengths=tuple(lengths),
        config=config,
        warmup=draw(st.booleans()),
        pseudo=draw(st.booleans()),
        batch=draw(st.integers(1, 6)),
        spread=draw(st.sampled_from([0.02, 0.5, 2.0])),
        scale=draw(st.sampled_from([14.0, 100.0])),
        dtype=draw(st.sampled_from([torch.float64, torch.float32])),
        most_tokens=draw(st.sampled_from([8192, 60, 15])),
        seed=draw(st.integers(0, 999)),
    )


def class_names(lengths, generator):
    """Distinct names of so many words, the first of which tells them apart."""
    names = []
    for first, length in zip(WORDS, lengths, strict=False):
        more = torch.randint(len(WORDS), (length - 1,), generator=generator)
        names.append("_".join([first, *(WORDS[i] for i in more)]))
    return tuple(names)


class Pair:
    """A detector and the plain implementation with its own copies of the trained tensors."""

    def __init__(self, case: Drawn) -> None:
        self.generator = torch.Generator().manual_seed(case.seed)
        model, encoder = build(case.architecture, case.dtype)
        encoder.logit_scale.fill_(case.scale)
        names = class_names(case.name_lengths, self.generator)
        detector = build_detector(encoder, names, case.config).to(case.dtype)
        with torch.no_grad():
            for context in (detector.prompts.positive, detector.prompts.negative):
                values = torch.randn(context.shape, generator=self.generator)
                context.copy_(values * case.spread)
            # Away from the start values, which hide what is multiplied by zero.
            for tensor in detector.tuner.parameters() if detector.tuner is not None else ():
                if tensor.requires_grad:
                    tensor.add_(torch.randn(tensor.shape, generator=self.generator) * 0.1)
        self.detector = detector
        self.copies = {
            name: tensor.clone().requires_grad_()
            for name, tensor in detector.trained_tensors().items()
        }
        self.text = PlainText(
            model,
            tokenizer(),
            names,
            self.copies["prompts.positive"],
            self.copies["prompts.negative"],
            case.config.class_position,
        )
        visual = {
            name.removeprefix("tuner."): tensor
            for name, tensor in self.copies.items()
            if name.startswith("tuner.")
        }
        self.image = plain_image(model, MEAN, STD, case.config.tuner, visual)
        self.pixels = torch.randint(
            0, 256, (case.batch, 3, 24, 24), dtype=torch.uint8, generator=self.generator
        )

    def plain_similarities(self) -> tuple[torch.Tensor, torch.Tensor]:
        scale = self.detector.encoder.logit_scale
        return similarities(scale, self.image.features(self.pixels), *self.text.features())

    def labels(self, kind: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Given and complementary labels of the batch, which grows where it has to.

        Kinds: `any`; `one` label for the whole batch; `all` classes, each at least once; `unclean`,
        such that nothing is judged clean.
        """
        classes, batch = len(self.text.words), len(self.pixels)
        if kind == "all":
            labels = torch.arange(max(classes, batch)) % classes
            self.pixels = self.pixels.repeat(len(labels) // batch + 1, 1, 1, 1)[: len(labels)]
        elif kind == "unclean":
            with torch.no_grad():
                positive, negative = self.plain_similarities()
            lowest, labels = (positive - negative).min(dim=1)
            assume((lowest < 0).all())
        else:
            labels = torch.randint(classes, (batch,), generator=self.generator)
            labels = labels[:1].expand(batch) if kind == "one" else labels
        offsets = torch.randint(1, classes, labels.shape, generator=self.generator)
        return labels, (labels + offsets) % classes

    def assert_same_gradients(self, tolerance: float) -> None:
        fast = {n: p.grad for n, p in self.detector.named_parameters() if p.requires_grad}
        assert fast.keys() == self.copies.keys()
        for name, tensor in self.copies.items():
            wanted = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            found = torch.zeros_like(tensor) if fast[name] is None else fast[name]
            assert (found - wanted).norm() <= tolerance * wanted.norm(), name


def examples(count):
    return settings(max_examples=count, derandomize=True, deadline=None, database=None)
