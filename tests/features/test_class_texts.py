"""Texts of the classes: templates, descriptions, and the mean of their features."""

import json
from pathlib import Path

import pytest
import torch

from deftclean.core.errors import InputError, UsageError
from deftclean.core.runtime import choose_runtime
from deftclean.features.class_texts import class_texts, plain_texts, read_descriptions
from deftclean.features.scoring import zero_shot_texts
from deftclean.settings.evidence import EvidenceOptions

NAMES = ("cat", "pickup_truck")
RUNTIME = choose_runtime("cpu", "fp32", 0)


def test_templates_and_descriptions() -> None:
    assert plain_texts(NAMES) == (("a photo of a cat",), ("a photo of a pickup truck",))
    told = {"cat": ("it purrs", "{}"), "pickup_truck": ("a bed",)}
    assert class_texts(NAMES, None, told) == (("it purrs", "{}"), ("a bed",))
    assert class_texts(NAMES, ("the {}!", "{}"), told) == (
        ("the cat!", "cat", "it purrs", "{}"),
        ("the pickup truck!", "pickup truck", "a bed"),
    )


def test_several_texts_are_their_mean_of_length_one(encoder) -> None:
    one = zero_shot_texts(encoder, (("a cat",), ("a dog",)), RUNTIME)
    other = zero_shot_texts(encoder, (("my cat",), ("my dog",)), RUNTIME)
    both = zero_shot_texts(encoder, (("a cat", "my cat"), ("my dog", "a dog")), RUNTIME)
    wanted = torch.nn.functional.normalize(one + other, dim=1)
    torch.testing.assert_close(both, wanted, atol=1e-6, rtol=0)
    uneven = zero_shot_texts(encoder, (("a cat",), ("a dog", "my dog")), RUNTIME)
    torch.testing.assert_close(uneven[0], one[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(uneven[1], both[1], atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["x.json", "x.csv"])
def test_descriptions_are_read_and_others_told_of(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "x.json":
        path.write_text(json.dumps({"cat": ["it purrs", " "], "pickup_truck": "a bed", "x": ["y"]}))
    else:
        path.write_text("label,text\ncat,it purrs\npickup_truck,a bed\nx,y\n")
    found, notes = read_descriptions(path, NAMES)
    assert found == {"cat": ("it purrs",), "pickup_truck": ("a bed",)}
    assert notes == ("descriptions of x: no class is called so",)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.json", '{"cat": ["a"]}', "says nothing of 1 of 2 classes: pickup_truck"),
        ("x.json", '{"cat": [1], "pickup_truck": "a"}', "no object from class to texts"),
        ("x.json", "[]", "no object from class to texts"),
        ("x.json", "{", "cannot be read"),
        ("x.csv", "class,text\ncat,a\n", "has the columns class, text"),
        ("x.txt", "cat", "must end in .json"),
    ],
)
def test_other_descriptions_are_refused(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said):
        read_descriptions(tmp_path / name, NAMES)


@pytest.mark.parametrize("text", ["no place", "{} and {}", ""])
def test_a_template_has_one_place_for_the_name(text: str) -> None:
    with pytest.raises(UsageError, match="no place for the class name"):
        EvidenceOptions(template=(text,)).check(True, None, {})
