"""The paper's tables as cells."""

import re
from collections import Counter
from dataclasses import fields
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deftclean.core.errors import UsageError
from deftclean.datasets.options import DatasetName
from deftclean.experiments.cells import Adaptation, Cell, LabelledData, Selection
from deftclean.experiments.choose import with_changes
from deftclean.experiments.paper import PAPER_TABLES, paper_cells
from deftclean.experiments.published import published
from deftclean.settings.adaptation import RECIPES, AdaptConfig, Method, resolve_adaptation
from deftclean.settings.detector import DetectorConfig, resolve
from deftclean.settings.strategies import Strategy, StrategyOptions
from tests.support.places import ROOT

COUNTS = {
    "table1": 72, "table2": 120, "table3": 27, "table4": 20, "table5": 72, "table6": 24,
    "table7": 72, "table8": 8, "table9": 12, "table10": 144, "figure1": 36, "figure3": 36,
    "figure4": 25,
}  # fmt: skip
STRATEGIES = {
    *("deft", "label-match", "small-loss", "gmm", "rolt", "unicon", "longremix", "promix"),
}
CLIP = "ViT-B-16"
every_table = pytest.mark.parametrize("name", PAPER_TABLES)


def cell_of(name, column, method):
    (found,) = [c for c in paper_cells(name) if (c.column, c.method) == (column, method)]
    return found


def by_method(name, *data):
    """Methods to the ways they select and adapt, whatever the column; of some data sets alone."""
    found = {}
    for cell in paper_cells(name):
        if data and cell.data.name not in data:
            continue
        way = (cell.selection, cell.adaptation)
        assert found.setdefault(cell.method, way) == way
    return found


@every_table
def test_counts(name):
    assert len(paper_cells(name)) == COUNTS[name]


@every_table
def test_no_cell_comes_twice(name):
    keys = Counter((c.column, c.method, c.seed) for c in paper_cells(name, (0, 1, 2)))
    assert len(keys) == 3 * COUNTS[name]
    assert set(keys.values()) == {1}


@every_table
def test_each_published_figure_is_in_its_cell_and_no_other(name):
    found = {(c.column, c.method): c.published for c in paper_cells(name) if c.published}
    assert found == published(name)
    assert name.startswith("figure") or len(found) == COUNTS[name]


@every_table
def test_cells_name_what_there_is(name):
    for cell in paper_cells(name):
        assert cell.grid == name
        assert cell.seed == 0
        assert cell.data.name in get_args(DatasetName)
        assert (cell.data.noise == "given") == (cell.data.ratio is None)
        assert cell.selection is None or cell.selection.strategy in STRATEGIES
        assert cell.adaptation is None or cell.adaptation.backbone in RECIPES


@every_table
def test_settings_are_accepted_and_change_something(name):
    for cell in paper_cells(name):
        if cell.selection is not None:
            given = cell.selection.settings
            resolved = resolve(cell.selection.preset, given, 50_000).config
            plain = {f.name: f.default for f in fields(DetectorConfig)}
            assert {key: getattr(resolved, key) for key in given} == given
            assert name == "table9" or all(plain[key] != value for key, value in given.items())
        if cell.adaptation is not None and cell.adaptation.method in get_args(Method):
            given = cell.adaptation.settings
            resolved = resolve_adaptation(cell.adaptation.backbone, cell.adaptation.method, given)
            plain = {f.name: f.default for f in fields(AdaptConfig)}
            assert {key: getattr(resolved, key) for key in given} == given
            assert all(plain[key] != value for key, value in given.items())


@every_table
def test_seeds_repeat_the_cells(name):
    seeds = paper_cells(name, iter([3, 1]))
    assert [c.seed for c in seeds] == [3, 1] * COUNTS[name]
    assert [(c.column, c.method) for c in seeds[::2]] == [
        (c.column, c.method) for c in paper_cells(name)
    ]


def test_another_name_is_refused():
    with pytest.raises(UsageError, match="no table 'figure2'"):
        paper_cells("figure2")


# Typed from the paper: CIFAR-100 in Table 1, method by method: precision and recall by noise.
FIRST_BLOCK = {
    "Label-match": [
        (99.83, 63.62), (99.61, 63.85), (99.31, 63.52), (99.93, 63.65), (99.85, 63.72),
        (99.81, 63.69),
    ],
    "Small-loss": [
        (97.24, 96.79), (95.68, 94.49), (92.93, 90.68), (95.20, 95.46), (94.00, 92.53),
        (90.33, 89.85),
    ],
    "DEFT": [
        (99.51, 97.77), (98.75, 97.91), (97.04, 97.27), (98.47, 97.88), (96.32, 97.63),
        (94.08, 95.28),
    ],
}  # fmt: skip
SIX = [
    *(("symmetric", 0.2), ("symmetric", 0.4), ("symmetric", 0.6)),
    *(("instance-dependent", 0.2), ("instance-dependent", 0.3), ("instance-dependent", 0.4)),
]


def test_first_block_of_table_1():
    for method, figures in FIRST_BLOCK.items():
        for (noise, ratio), (precision, recall) in zip(SIX, figures, strict=True):
            (cell,) = [
                cell
                for cell in paper_cells("table1")
                if cell.data == LabelledData("cifar100", noise, ratio) and cell.method == method
            ]
            assert cell.published == {"precision": precision, "recall": recall}
            assert cell.selection == Selection(method.lower(), "synthetic", CLIP)
            assert cell.adaptation is None


@pytest.mark.parametrize("name", ["table1", "table2", "table5", "table7", "table10"])
def test_four_data_sets_and_six_noises(name):
    data = {cell.data for cell in paper_cells(name)}
    names = ("cifar100", "tiny-imagenet", "stanford-cars", "cub-200-2011")
    assert data == {LabelledData(each, *noise) for each in names for noise in SIX}


def test_headings_name_the_data():
    for name in ("table1", "table6", "figure1"):
        for cell in paper_cells(name):
            block, noise = cell.column.split(", ")
            assert block.lower().replace("cifar-100", "cifar100") == cell.data.name
            short = {"symmetric": "Sym.", "instance-dependent": "Ins."}
            kind, ratio = cell.data.noise, cell.data.ratio
            assert noise == ("clean" if kind == "given" else f"{short[kind]} {ratio}")


def test_table_5_is_table_1_with_another_model():
    for one, five in zip(paper_cells("table1"), paper_cells("table5"), strict=True):
        assert (one.column, one.method, one.data) == (five.column, five.method, five.data)
        assert five.selection == Selection(one.selection.strategy, "synthetic", "ViT-B-32")


def test_severe_noise():
    assert by_method("table6") == {
        "Label-match": (Selection("label-match", "synthetic", CLIP), None),
        "Small-loss": (Selection("small-loss", "synthetic", CLIP, {"lr": 1e-2}), None),
        "DEFT": (Selection("deft", "severe", CLIP), None),
    }
    noises = {(cell.data.noise, cell.data.ratio) for cell in paper_cells("table6")}
    assert noises == {("symmetric", 0.8), ("instance-dependent", 0.5)}


TOWER = {"tuner": "fft", "lr": 5e-4, "tower_lr_share": 1.0}
GMM_FFT = Selection("gmm", "synthetic", CLIP, TOWER)
GMM_FFT_LONG = Selection("gmm", "synthetic", CLIP, {**TOWER, "warmup": 5})
PLAIN = ("cifar100", "stanford-cars", "cub-200-2011")
GMM = Selection("gmm", "synthetic", CLIP)
DEFT = Selection("deft", "synthetic", CLIP)
FFT, PEFT = Adaptation("clip-vit-b16", "fft"), Adaptation("clip-vit-b16", "peft")


def test_two_kinds_of_gmm():
    """Full fine-tuning on Tiny-ImageNet warms up for longer."""
    for data, fft in ((PLAIN, GMM_FFT), (("tiny-imagenet",), GMM_FFT_LONG)):
        assert by_method("table7", *data) == {
            "GMM w/ FFT": (fft, None), "GMM w/ PEFT": (GMM, None), "DEFT": (DEFT, None),
        }  # fmt: skip


def test_what_table_2_trains():
    for data, gmm in ((PLAIN, GMM_FFT), (("tiny-imagenet",), GMM_FFT_LONG)):
        assert by_method("table2", *data) == {
            "CE": (None, FFT),
            "ELR": (None, Adaptation("clip-vit-b16", "fft", {"loss": "elr"})),
            "SCE": (None, Adaptation("clip-vit-b16", "fft", {"loss": "sce"})),
            "GMM": (gmm, FFT),
            "DEFT": (DEFT, FFT),
        }


def test_what_table_10_trains():
    assert by_method("table10") == {
        "CE": (None, PEFT),
        "ELR": (None, Adaptation("clip-vit-b16", "peft", {"loss": "elr"})),
        "SCE": (None, Adaptation("clip-vit-b16", "peft", {"loss": "sce"})),
        "GMM": (GMM, PEFT),
        "DEFT w/ PEFT": (DEFT, PEFT),
        "DEFT w/ FFT": (DEFT, FFT),
    }


def test_real_noise():
    assert {cell.data for cell in paper_cells("table3")} == {
        LabelledData("cifar100n"), LabelledData("clothing1m"), LabelledData("webvision"),
    }  # fmt: skip
    for data in ("cifar100n", "clothing1m", "webvision"):
        ways = by_method("table3", data)
        assert [way[0] and way[0].strategy for way in ways.values()] == [
            *(None, None, None, "gmm", "rolt", "unicon", "longremix", "promix", "deft"),
        ]
        steady = {"schedule": "constant", **({"batch_size": 32} if data == "clothing1m" else {})}
        warmup = {} if data == "clothing1m" else {"warmup": 5}
        after = Adaptation("clip-vit-b16", "fft", {"epochs": 5, **steady})
        assert ways["DEFT"] == (Selection("deft", "real", CLIP), after)
        assert ways["ProMix"] == (Selection("promix", "synthetic", CLIP), after)
        gmm = Selection("gmm", "synthetic", CLIP, {**TOWER, **steady, **warmup})
        assert ways["GMM"] == (gmm, after)
        assert ways["CE"] == (None, Adaptation("clip-vit-b16", "fft", steady))
        assert ways["SCE"] == (None, Adaptation("clip-vit-b16", "fft", {"loss": "sce", **steady}))
    assert [way[0].strategy for way in by_method("table8").values()] == [
        *("label-match", "small-loss", "gmm", "rolt", "unicon", "longremix", "promix", "deft"),
    ]
    warmups = {way[0].strategy: way[0].settings for way in by_method("table8").values()}
    assert warmups.pop("small-loss") == warmups.pop("gmm") == {"warmup": 5}
    assert not any(warmups.values())
    assert {cell.data for cell in paper_cells("table8")} == {LabelledData("cifar100n")}


def test_backbones():
    found = {(c.column, c.adaptation.backbone) for c in paper_cells("table4")}
    assert found == {
        ("ResNet-50", "resnet50"), ("MAE-ViT-B", "mae-vit-b"), ("ViT-B/16", "vit-b16"),
        ("ConvNeXt-T", "convnext-t"),
    }  # fmt: skip
    assert cell_of("table4", "ResNet-50", "TURN").adaptation.method == "turn"
    assert cell_of("table4", "ResNet-50", "TURN").selection is None
    gce = cell_of("table4", "ConvNeXt-T", "GCE")
    assert gce.adaptation == Adaptation("convnext-t", "fft", {"loss": "gce"})
    assert gce.published == {"accuracy_last": 68.92}
    deft = cell_of("table4", "MAE-ViT-B", "DEFT")
    assert deft.selection == Selection("deft", "real", CLIP)
    after = {"epochs": 5, "schedule": "constant", "batch_size": 32}
    assert deft.adaptation == Adaptation("mae-vit-b", "fft", after)


def test_one_setting_at_a_time():
    settings = [dict(cell.selection.settings) for cell in paper_cells("table9")]
    assert settings == [
        *({"prompt_length": length} for length in (10, 15, 20, 30)),
        *({"context_length": length} for length in (4, 8, 16, 32)),
        *({"epochs": epochs} for epochs in (5, 10, 15, 20)),
    ]
    assert {cell.data for cell in paper_cells("table9")} == {
        LabelledData("cifar100", "symmetric", 0.4)
    }


def test_figures():
    methods = {"FFT": "fft", "VPT": "peft", "VLPT": "vlpt"}
    assert by_method("figure1") == {
        name: (None, Adaptation("clip-vit-b16", method)) for name, method in methods.items()
    }
    methods = {"w/o adap.": "prompts", "PEFT": "peft", "FFT": "fft"}
    assert by_method("figure3") == {
        name: (DEFT, Adaptation("clip-vit-b16", method)) for name, method in methods.items()
    }
    tuners = {"LoRA": "lora", "AdaptFormer": "adaptformer", "BitFit": "bitfit"}
    assert by_method("figure4") == {
        "VPT": (None, PEFT),
        **{
            name: (None, Adaptation("clip-vit-b16", "peft", {"tuner": tuner}))
            for name, tuner in tuners.items()
        },
        "FFT": (None, FFT),
    }


CHANGES = st.fixed_dictionaries(
    {
        "model": st.none() | st.just("nano"),
        "backbone": st.none() | st.just("nano"),
        "epochs": st.none() | st.integers(1, 30),
    }
)


@given(st.sampled_from(PAPER_TABLES), CHANGES)
def test_changes_leave_everything_else(name, changes):
    before, after = paper_cells(name), with_changes(paper_cells(name), **changes)
    assert len(after) == len(before)
    for old, new in zip(before, after, strict=True):
        assert (old.grid, old.column, old.method, old.data, old.seed, old.published) == (
            new.grid, new.column, new.method, new.data, new.seed, new.published,
        )  # fmt: skip
        assert (old.selection is None) == (new.selection is None)
        assert (old.adaptation is None) == (new.adaptation is None)
        if old.selection is not None and new.selection is not None:
            assert new.selection.model == (changes["model"] or old.selection.model)
            assert without_epochs(new.selection) == without_epochs(old.selection)
        if old.adaptation is not None and new.adaptation is not None:
            assert new.adaptation.backbone == (changes["backbone"] or old.adaptation.backbone)
            assert without_epochs(new.adaptation) == without_epochs(old.adaptation)
    if changes == {"model": None, "backbone": None, "epochs": None}:
        assert after == before


def without_epochs(part):
    rest = {key: value for key, value in part.settings.items() if key != "epochs"}
    word = part.strategy if isinstance(part, Selection) else part.method
    return word, rest


def test_epochs_of_what_is_trained():
    (match, small, deft, *_) = with_changes(paper_cells("table1"), epochs=1)
    assert match.selection.settings == {}
    assert small.selection.settings == deft.selection.settings == {"epochs": 1}
    (prompts, peft, *_) = with_changes(paper_cells("figure3"), epochs=1)
    assert prompts.adaptation.settings == {}
    assert peft.adaptation.settings == {"epochs": 1}
    assert peft.selection.settings == {"epochs": 1}
    gmm = with_changes([cell_of("table7", "CIFAR-100, Sym. 0.2", "GMM w/ FFT")], "nano", None, 2)
    assert gmm[0].selection == Selection(
        "gmm", "synthetic", "nano",
        {"tuner": "fft", "lr": 5e-4, "tower_lr_share": 1.0, "epochs": 2},
    )  # fmt: skip


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_epochs_go_to_every_strategy_that_takes_them(strategy):
    cell = Cell("g", "c", "m", LabelledData("d"), Selection(strategy, "real", "nano"), None, 0)
    (changed,) = with_changes([cell], epochs=2)
    options = StrategyOptions(strategy)
    assert resolve("real", options.settings(changed.selection.settings), rows=1)
    assert (changed.selection.settings == {"epochs": 2}) == options.trains


def test_the_documentation_counts_the_cells():
    page = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| `(\w+)` \|(?:[^|\n]*\|){4} (\d+) \|$", page, flags=re.MULTILINE)
    assert {name: int(count) for name, count in lines} == COUNTS
    tables = [block.split("\n") for block in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE)]
    assert [{line.count("|") for line in table if line} for table in tables] == [{7}, {3}]
