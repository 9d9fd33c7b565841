"""The same work done by the detector and by the plain implementation, for `benchmarks.speed`.

Float32, M = 16 context vectors, P = 20 visual prompts before every block.

Shapes: B images, K classes, D joint embedding size.
"""

from dataclasses import dataclass
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.plain import PlainImage, PlainText, similarities, step_loss
from deftclean.detection.step import judge
from deftclean.models.detector import DualPromptDetector
from deftclean.models.encoder import Encoder
from deftclean.models.saved_detector import build_detector
from deftclean.models.weights import NANO
from deftclean.settings.detector import DetectorConfig
from deftclean.training.losses import dual_prompt_loss, similarity_loss

CONFIG = DetectorConfig(context_length=16, prompt_length=20)

MOST_PLAIN_CLASSES = 200
"""Plain encodes no more classes in one call: 1,000 do not fit an ordinary machine."""

CHUNK = 100
"""Classes that it encodes in one call where there are more."""

_BATCH_OF_LABELS = 16


@dataclass(frozen=True)
class Clip:
    """An open_clip model and its tokenizer."""

    model: Any
    tokenizer: Any


def load(name: str) -> Clip:
    """`nano`, or a model of open_clip's with random weights."""
    torch.manual_seed(0)
    full_name = f"local-dir:{NANO}" if name == "nano" else name
    model = open_clip.create_model(full_name, pretrained=None).eval()
    return Clip(model, open_clip.get_tokenizer(full_name))


class Batch:
    """A batch, and gradients that the text features are to be given.

    Args:
        clip: sets the sizes.
        classes: K.
        batch: B.
    """

    def __init__(self, clip: Clip, classes: int, batch: int) -> None:
        generator = torch.Generator().manual_seed(0)
        shape = (batch, 3, *clip.model.visual.image_size)
        self.pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        self.given = torch.randint(classes, (batch,), generator=generator)
        self.complementary = (self.given + 1) % classes
        width = clip.model.text_projection.shape[1]
        self.upstream = torch.randn(2, classes, width, generator=generator)


class FastSide:
    """The detector at work."""

    def __init__(self, clip: Clip, names: tuple[str, ...], batch: Batch) -> None:
        self.batch = batch
        self.detector = _detector(clip, names)
        self.optimizer = _optimizer(self.detector.parameters())
        generator = torch.Generator().manual_seed(1)
        # A step reads the thresholds of y, ŷ and ȳ of its samples.
        self.labels = torch.randint(len(names), (3 * _BATCH_OF_LABELS,), generator=generator)

    def text_side(self) -> None:
        """All features of both contexts, forward and backward."""
        torch.autograd.backward(self.detector.text_features(), tuple(self.batch.upstream))

    def text_side_of_a_step(self) -> None:
        """The same with negative features only of the labels in a batch of 16."""
        prompts, tower = self.detector.prompts, self.detector.encoder.text
        if prompts.few(len(self.labels)):
            negative = prompts.features_of(tower, prompts.negative, self.labels)
        else:
            negative = self.detector.negative_features()[self.labels]
        positive, upstream = self.detector.positive_features(), self.batch.upstream
        torch.autograd.backward((positive, negative), (upstream[0], upstream[1, self.labels]))

    def step(self) -> None:
        """A training step after warm-up, with pseudo-labels and rule `threshold`."""
        batch = self.batch
        image = self.detector.image_features(batch.pixels)
        seen = judge(self.detector, image, batch.given, batch.complementary, False, True)
        loss = dual_prompt_loss(seen.refined, seen.complementary)
        loss = loss + similarity_loss(seen.positive, batch.given, seen.clean)
        loss.backward()
        _learn(self.optimizer)


class PlainSide:
    """The plain implementation at work."""

    def __init__(self, clip: Clip, names: tuple[str, ...], batch: Batch) -> None:
        self.batch, self.classes = batch, len(names)
        start = _detector(clip, names)
        contexts = (start.prompts.positive, start.prompts.negative)
        visual = start.trained_tensors()["tuner.prompts"].requires_grad_()
        self.scale = start.encoder.logit_scale
        self.text = PlainText(clip.model, clip.tokenizer, names, *contexts, CONFIG.class_position)
        preprocess = start.encoder.preprocess
        self.image = PlainImage(clip.model, preprocess["mean"], preprocess["std"], visual)
        self.optimizer = _optimizer([*contexts, visual])

    @torch.no_grad()
    def forward(self) -> None:
        """Features and similarities, without gradients."""
        image = self.image.features(self.batch.pixels)
        similarities(self.scale, image, *self.text.features())

    def text_side(self) -> None:
        """All features of both contexts, forward and backward, in chunks where K is large."""
        at_once = self.classes if self.classes <= MOST_PLAIN_CLASSES else CHUNK
        for start in range(0, self.classes, at_once):
            part = slice(start, start + at_once)
            upstream = tuple(self.batch.upstream[:, part])
            torch.autograd.backward(self.text.features(part), upstream)

    def step(self) -> None:
        """A training step; where K is large the loss does not wait for the text features."""
        whole = self.classes <= MOST_PLAIN_CLASSES
        features = self.text.features() if whole else self._still_features()
        batch = self.batch
        similar = similarities(self.scale, self.image.features(batch.pixels), *features)
        loss = step_loss(*similar, batch.given, batch.complementary, CONFIG, False, True)
        loss.backward()
        if not whole:
            self.text_side()
        _learn(self.optimizer)

    def _still_features(self) -> tuple[Tensor, Tensor]:
        positive, negative = F.normalize(self.batch.upstream, dim=-1)
        return positive.requires_grad_(), negative.requires_grad_()


class OwnSide:
    """What open_clip does by itself, without gradients.

    Args:
        clip: the model.
        ids: (2·K, context length), prompts to encode.
        pixels: (B, 3, S, S), normalised.
    """

    def __init__(self, clip: Clip, ids: Tensor, pixels: Tensor) -> None:
        self.model, self.ids, self.pixels = clip.model, ids, pixels

    @torch.no_grad()
    def forward(self) -> None:
        """`encode_text`, and `encode_image` on P tokens more."""
        self.model.encode_text(self.ids, normalize=True)
        visual = self.model.visual
        x = visual._embeds(self.pixels)
        x = torch.cat([x, x[:, : CONFIG.prompt_length]], dim=1)
        pooled, _ = visual._pool(visual.transformer(x))
        F.normalize(pooled @ visual.proj, dim=-1)

    @torch.inference_mode()
    def encode_image(self) -> None:
        """Image features."""
        self.model.encode_image(self.pixels, normalize=True)


class Scorer:
    """The detector scoring images; the text features are computed once, before."""

    def __init__(self, fast: FastSide) -> None:
        self.detector, self.pixels = fast.detector, fast.batch.pixels
        with torch.inference_mode():
            self.text = self.detector.text_features()

    @torch.inference_mode()
    def score(self) -> None:
        """Image features and similarities."""
        self.detector.compare(self.detector.image_features(self.pixels), *self.text)


def _detector(clip: Clip, names: tuple[str, ...]) -> DualPromptDetector:
    encoder = Encoder(clip.model, clip.tokenizer, clip.model.visual.preprocess_cfg)
    return build_detector(encoder, names, CONFIG)


def _optimizer(parameters: Any) -> torch.optim.Optimizer:
    trained = [p for p in parameters if p.requires_grad]
    return torch.optim.SGD(trained, lr=3e-2, momentum=0.9, weight_decay=5e-4)


def _learn(optimizer: torch.optim.Optimizer) -> None:
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
