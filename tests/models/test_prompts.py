"""Contexts around class names: where they stand, and which names cannot be prompts."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from deftclean.core.errors import UsageError
from deftclean.core.runtime import initial_weights
from deftclean.models.prefixes import pack, pad
from deftclean.models.prompts import DualPrompts, check_names, name_tokens
from tests.support.models import tiny_encoder

NAMES = ("cat", "pickup_truck", "sweet pepper", "zebra")


def make(encoder, length=4, position="end", class_specific=False, names=NAMES):
    return DualPrompts(encoder.text, names, length, position, class_specific, initial_weights(0))


@pytest.mark.parametrize(
    ("position", "sentence"),
    [("end", "one red big old {}."), ("middle", "one red {} big old."),
     ("front", "{} one red big old.")],
)  # fmt: skip
def test_a_context_of_real_words_gives_the_feature_of_the_sentence(encoder, position, sentence):
    names = (*NAMES, "crane (bird)", "what?!", "Jr.")
    prompts = make(encoder, 4, position, names=names)
    words = torch.tensor(encoder.text.tokens("one red big old"))
    assert len(words) == 4
    with torch.no_grad():
        context = encoder.text.token_embedding(words)
        features = prompts.features(encoder.text, context)
        wanted = encoder.text.encode([sentence.format(n.replace("_", " ")) for n in names])
        torch.testing.assert_close(features, wanted, rtol=1e-5, atol=1e-6)


def test_class_specific_contexts_equal_shared_ones_where_they_hold_the_same(encoder):
    shared, own = make(encoder), make(encoder, class_specific=True)
    assert own.positive.shape == (4, 4, 64)
    repeated = shared.positive.expand(4, -1, -1)
    with torch.no_grad():
        features = own.features(encoder.text, repeated)
        wanted = shared.features(encoder.text, shared.positive)
        torch.testing.assert_close(features, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("class_specific", [False, True])
def test_some_classes_have_the_features_that_all_have(encoder, position, class_specific):
    prompts = make(encoder, position=position, class_specific=class_specific)
    classes = torch.tensor([2, 0, 2])
    with torch.no_grad():
        every = prompts.features(encoder.text, prompts.negative)
        some = prompts.features_of(encoder.text, prompts.negative, classes)
    torch.testing.assert_close(some, every[classes], rtol=1e-5, atol=1e-6)


def test_contexts_start_small_and_differ(encoder):
    prompts = make(encoder, 16)
    assert prompts.positive.std().item() == pytest.approx(0.02, rel=0.1)
    assert not torch.equal(prompts.positive, prompts.negative)


def test_only_the_contexts_are_trained(encoder):
    trained = {name for name, p in make(encoder).named_parameters() if p.requires_grad}
    assert trained == {"positive", "negative"}


def test_the_full_stop_follows_the_name_without_a_space(encoder):
    (tokens,) = name_tokens(encoder.text, ("cat",), 4, "end")
    assert tokens == encoder.text.tokenizer.encode("cat.")


def test_a_full_stop_that_context_keeps_apart_is_a_token_of_its_own(encoder):
    encode = encoder.text.tokenizer.encode
    names = ("crane (bird)", "Jr.")
    together = name_tokens(encoder.text, names, 4, "end")
    assert together == [encode("crane (bird)."), encode("Jr..")]
    assert [len(row) for row in together] == [4, 2]  # the last of them are ")." and ".."
    for position in ("middle", "front"):
        apart = name_tokens(encoder.text, names, 4, position)
        assert apart == [[*encode(name), *encode(".")] for name in names]


def test_a_name_that_just_fits_is_taken_and_one_more_token_refused(encoder):
    room = 32 - 16 - 3
    name_tokens(encoder.text, ("cat " * room,), 16, "end")
    with pytest.raises(UsageError, match=r"\(14\) do not fit: 13 tokens"):
        name_tokens(encoder.text, ("cat " * (room + 1),), 16, "end")


def test_all_bad_names_are_reported_together(encoder):
    with pytest.raises(UsageError) as error:
        name_tokens(encoder.text, ("Cat", "cat", " ", "dog " * 30), 16, "end")
    for part in ("'Cat', 'cat' are the same words", "' ' have no words", "do not fit"):
        assert part in error.value.message
    for way in ("--class-names names.json", "Write labels of one class alike"):
        assert way in error.value.hint


def test_names_are_checked_where_no_prompt_is_trained(encoder):
    room = 32 - 4 - 3
    check_names(encoder.text, ("cat " * room, "dog"))
    with pytest.raises(UsageError, match="do not fit"):
        check_names(encoder.text, ("cat " * (room + 1), "dog"))


def test_a_context_that_fills_the_tower_is_refused(encoder):
    with pytest.raises(UsageError, match="no room for a class name"):
        name_tokens(encoder.text, ("cat",), 29, "end")


@pytest.mark.parametrize("class_specific", [False, True])
def test_pieces_whose_activations_are_not_kept_change_nothing(encoder, class_specific):
    prompts = make(encoder, class_specific=class_specific)
    (whole,) = prompts.pieces
    assert whole.tokens == len(prompts.fixed)
    features = prompts.features(encoder.text, prompts.positive)
    upstream = torch.randn(features.shape, generator=torch.Generator().manual_seed(1))
    (wanted,) = torch.autograd.grad(features, prompts.positive, upstream)

    lengths = [length for count, length in whole.groups for _ in range(count)]
    prompts.pieces = pack(lengths, 2 * prompts.longest, features.device)
    assert [piece.tokens <= 2 * prompts.longest for piece in prompts.pieces] == [True] * 2
    pieced = prompts.features(encoder.text, prompts.positive)
    torch.testing.assert_close(pieced, features, rtol=1e-5, atol=1e-6)
    (gradient,) = torch.autograd.grad(pieced, prompts.positive, upstream)
    assert (gradient - wanted).norm() <= 1e-5 * wanted.norm()


def test_a_branch_longer_than_a_piece_is_a_piece_of_its_own():
    pieces = pack([3, 3, 9], 5, torch.device("cpu"))
    assert [piece.groups for piece in pieces] == [((1, 3),), ((1, 3),), ((1, 9),)]


def test_some_classes_in_pieces_have_the_same_ends():
    last = torch.tensor([2, 0, 1])
    (piece,) = pad(last, 4)
    assert piece.groups == ((3, 4),)
    assert piece.ends.tolist() == [2, 4, 9]
    assert sum(len(p.ends) for p in pad(last.repeat(5000), 4)) == 15000


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("class_specific", [False, True])
def test_padded_as_on_cuda_and_packed_as_on_cores_are_the_same(
    encoder, position, class_specific, monkeypatch
):
    prompts = make(encoder, position=position, class_specific=class_specific)

    def both_ways():
        positive, negative = prompts.features_of_both(encoder.text)
        alone = prompts.features(encoder.text, prompts.positive)
        torch.testing.assert_close(alone, positive, rtol=1e-5, atol=1e-6)
        weights = torch.linspace(-1, 1, positive.numel()).view_as(positive)
        (weights * (positive + 2 * negative)).sum().backward()
        grads = [each.grad.clone() for each in (prompts.positive, prompts.negative)]
        prompts.zero_grad()
        return positive, negative, *grads

    packed = both_ways()
    monkeypatch.setattr(DualPrompts, "_in_one_batch", True)
    torch.testing.assert_close(both_ways(), packed, rtol=1e-4, atol=1e-6)
    assert prompts.few(3)
    assert not prompts.few(4)


class Counted(TorchDispatchMode):
    """How many operations are called that compute something: each is a kernel or more."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        name = function.name()
        free = ("prim::", "aten::_unsafe_view", "aten::detach", "aten::empty")
        self.count += not (function.is_view or name.startswith(free))
        return made


def kernels(device, names, monkeypatch, padded):
    """Of the text of one step, forward, on a device that computes nothing."""
    monkeypatch.setattr(DualPrompts, "_in_one_batch", padded)
    with FakeTensorMode(allow_non_fake_inputs=True):
        with torch.device(device):
            encoder = tiny_encoder()
        prompts = make(encoder, names=names)
        with Counted() as counted:
            features = prompts.features_of_both(encoder.text)
    assert {each.device.type for each in features} == {torch.device(device).type}
    return counted.count


def test_on_cuda_text_is_one_padded_batch(monkeypatch):
    """200 names of one to nine words; the kernels of a step's text, forward."""
    words = ("red", "big", "old", "new", "wet", "hot", "low", "far")
    names = tuple(" ".join([f"thing{k}", *words[: k % 9]]) for k in range(200))
    padded = kernels("cuda", names, monkeypatch, padded=True)
    packed = kernels("cuda", names, monkeypatch, padded=False)
    assert padded < 200
    assert packed > 3 * padded
    assert kernels("cuda", names[:20], monkeypatch, padded=True) == padded  # at any K
