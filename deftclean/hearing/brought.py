"""What a user brings beside the model, read before any picture is. No torch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deftclean.data.columns import PATH_COLUMNS
from deftclean.data.manifest import Manifest
from deftclean.features.class_texts import ClassTexts, class_texts, read_descriptions
from deftclean.settings.evidence import EMBEDDINGS, PRED_PROBS, EvidenceOptions
from deftclean.table.own_files import OwnFile, read_own


@dataclass(frozen=True)
class Brought:
    """What the user brought beside the model, read and checked so far as it can be without it.

    Attributes:
        embeddings, pred_probs: numbers for each row; None where there are none.
        features: name and weights of a backbone to look with; None for none.
        texts: of the K classes.
        own_texts: whether these are the user's.
        in_prompts: whether DEFT's prompts are made around them too.
    """

    embeddings: OwnFile | None
    pred_probs: OwnFile | None
    features: tuple[str, str | None] | None
    texts: ClassTexts
    own_texts: bool
    in_prompts: bool

    @property
    def prompt_texts(self) -> ClassTexts | None:
        """Around which DEFT's prompts are made; None for the class names."""
        return self.texts if self.in_prompts else None


def read_brought(
    options: EvidenceOptions,
    manifest: Manifest,
    class_names: tuple[str, ...],
    say: Callable[[str], None],
) -> Brought:
    """Read the files that options name.

    Args:
        options: of the command.
        manifest: N rows.
        class_names: the K classes.
        say: told what should be known of the files.

    Raises:
        InputError: a file is missing, of another form, or of other rows or classes.
    """
    embeddings = _own(EMBEDDINGS, options.embeddings, manifest)
    pred_probs = _own(PRED_PROBS, options.pred_probs, manifest)
    if pred_probs is not None:
        pred_probs = pred_probs.of_classes(class_names)
    descriptions = None
    if options.descriptions is not None:
        descriptions, notes = read_descriptions(options.descriptions, class_names)
        for note in notes:
            say(note)
    texts = class_texts(class_names, options.template, descriptions)
    own = options.template is not None or descriptions is not None
    weights = None if options.features_weights is None else str(options.features_weights)
    features = None if options.features is None else (options.features, weights)
    return Brought(embeddings, pred_probs, features, texts, own, options.prompt_texts)


def _own(option: str, path: Path | None, manifest: Manifest) -> OwnFile | None:
    return None if path is None else read_own(option, path, manifest.file_names, PATH_COLUMNS)
