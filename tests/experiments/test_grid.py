"""Grid files: what they come to, and every mistake told at once."""

import pytest

from deftclean.core.errors import InputError
from deftclean.experiments.cells import Adaptation, LabelledData, Selection
from deftclean.experiments.grid import read_grid
from tests.support.places import ROOT

GOOD = """
[data.mine]
images = "pictures"
labels = "people.csv"
label_column = "worse_label"
truth = "people.csv"
truth_column = "clean_label"
test = "test"

[[grid]]
name = "human"
data = ["mine", "cifar100"]
noise = ["given", {kind = "symmetric", ratio = [0.2, 0.4]}]
strategies = ["deft", "gmm"]
seeds = [0, 1]
preset = "synthetic"
model = "nano"
settings = {tuner = "none"}
strategy_settings = {gmm = {tuner = "vpt-deep"}}

[[grid]]
name = "prompts"
data = ["mine"]
strategies = ["deft", "all-rows"]
sweep = {prompt_length = [10, 15], epochs = [1]}
adapt = {backbone = "nano", method = "linear", settings = {epochs = 2}}
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "grid.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_grid_comes_to_its_cells(written, tmp_path):
    grid = read_grid(written(GOOD))
    own = grid.data["mine"]
    assert own.images == tmp_path / "pictures"
    assert (own.label_column, own.truth_column) == ("worse_label", "clean_label")
    human = [cell for cell in grid.cells if cell.grid == "human"]
    assert len(human) == 2 * 3 * 2 * 2
    first, gmm = human[0], human[2]
    assert (first.column, first.method, first.seed) == ("mine", "deft", 0)
    assert first.selection == Selection("deft", "synthetic", "nano", {"tuner": "none"})
    assert gmm.selection == Selection("gmm", "synthetic", "nano", {"tuner": "vpt-deep"})
    assert human[4].data == LabelledData("mine", "symmetric", 0.2)
    assert human[4].column == "mine, symmetric 0.2"
    assert all(cell.adaptation is None and not cell.published for cell in human)


def test_a_sweep_has_a_cell_each(written):
    cells = [cell for cell in read_grid(written(GOOD)).cells if cell.grid == "prompts"]
    assert [cell.method for cell in cells] == [
        "deft, prompt_length 10, epochs 1, nano linear epochs 2",
        "deft, prompt_length 15, epochs 1, nano linear epochs 2",
        "all-rows, nano linear epochs 2",
    ]
    assert cells[1].selection.settings == {"prompt_length": 15, "epochs": 1}
    assert cells[2].selection is None
    assert cells[2].adaptation == Adaptation("nano", "linear", {"epochs": 2})


OWN = '[data.mine]\nimages = "p"\n'
GRID = '[[grid]]\nname = "g"\ndata = ["mine"]\nstrategies = ["deft"]\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "there is no table [[grid]]"),
        ("grids = 1\n" + OWN + GRID, "the file: unknown 'grids'; known: data, grid"),
        ("data = 1\n" + GRID.replace("mine", "cifar10"), "data must be a table, not 1"),
        ("[data.mine]\n" + GRID, "[data.mine] needs images"),
        ('[data."a/b"]\nimages = "p"\n' + GRID, "[data.a/b]: a name is made of"),
        (OWN + "image = 1\n" + GRID, "[data.mine]: unknown 'image'; known: images,"),
        (OWN + "labels = 3\n" + GRID, "[data.mine] labels must be a text, not 3"),
        (OWN + 'label_column = "x"\n' + GRID, "[data.mine] label_column goes with labels"),
        (OWN + 'truth_column = "x"\n' + GRID, "[data.mine] truth_column goes with truth"),
        (OWN + 'test_images = "x"\n' + GRID, "[data.mine] test_images goes with test"),
        (OWN + GRID + GRID, "[[grid]] 'g': there are two of this name"),
        (OWN + GRID.replace('"g"', "1"), "[[grid]] number 1 needs name, a text"),
        (OWN + GRID.replace("mine", "yours"), "[[grid]] 'g' data: 'yours' is none of mine, cif"),
        (OWN + GRID.replace('["mine"]', '["mine", "mine"]'), "data: mine stands there twice"),
        (
            OWN + GRID.replace('["deft"]', '["best"]'),
            "strategies: 'best' is none of evidence, deft,",
        ),
        (OWN + GRID.replace('["deft"]', '"deft"'), "[[grid]] 'g' needs strategies, a list"),
        (OWN + GRID.replace("deft", "all-rows"), "strategies: all-rows goes with adapt"),
        (OWN + GRID + "seed = 1\n", "[[grid]] 'g': unknown 'seed'; known: name, data,"),
        (OWN + GRID + "seeds = [-1]\n", "whole numbers from 0, below 2**63, not [-1]"),
        (OWN + GRID + "seeds = [1, 1]\n", "seeds: one stands there twice"),
        (OWN + GRID + 'preset = "x"\n', "preset 'x' is none of synthetic, severe, real"),
        (OWN + GRID + "model = 1\n", "[[grid]] 'g' model must be a text, not 1"),
        (OWN + GRID + 'noise = "given"\n', "noise must be a list"),
        (OWN + GRID + 'noise = ["x"]\n', "noise 'x': write \"given\", {kind"),
        (OWN + GRID + 'noise = [{kind = "symmetric"}]\n', "noise ratio None must be above 0"),
        (OWN + GRID + 'noise = [{kind = "symmetric", ratio = 2}]\n', "noise ratio 2 must be"),
        (
            OWN + GRID + 'noise = [{kind = "symmetric", ratio = 0.1, x = 1}]\n',
            "noise: unknown 'x'; known: kind, ratio",
        ),
        (OWN + 'labels = "l.csv"\n' + GRID + 'noise = [{kind = "symmetric", ratio = 0.1}]\n',
         "noise is put into true labels, and [data.mine] names no truth"),
        (OWN + GRID + "settings = {lrr = 1}\n", "settings: unknown 'lrr'; known: tuner,"),
        (OWN + GRID + "settings = {seed = 1}\n", "settings: unknown 'seed'"),
        (OWN + GRID + "settings = {epochs = 0}\n", "[[grid]] 'g': --epochs is 0; it must be at l"),
        (OWN + GRID + 'settings = {lr = "x"}\n', "settings: lr must be a number, not 'x'"),
        (OWN.replace("mine", "cifar10") + GRID, "[data.cifar10]: a public data set has this name"),
        (OWN + GRID + 'preset = ["real"]\n', "preset ['real'] is none of synthetic"),
        (OWN + GRID + "preset = {}\n", "preset {} is none of synthetic"),
        (OWN + GRID + "settings = {lr = 2020-01-01}\n", "lr must be a number, not datetime"),
        (OWN + GRID + "settings = {epochs = [1]}\n", "epochs must be a whole number, not [1]"),
        (OWN + GRID + "settings = {epochs = 1.5}\n", "epochs must be a whole number, not 1.5"),
        (OWN + GRID + "settings = {epochs = true}\n", "epochs must be a whole number, not True"),
        (OWN + GRID + 'settings = {crop = "x"}\n', "crop must be true or false, not 'x'"),
        (OWN + GRID + 'settings = {tuner = "x"}\n', "tuner must be one of vpt-deep"),
        (OWN + GRID + "sweep = {lr = [0.1, [0.2]]}\n", "sweep: lr must be a number, not [0.2]"),
        (OWN + GRID + "sweep = {lr = [2020-01-01]}\n", "sweep: lr must be a number, not datetime"),
        (OWN + GRID + "adapt = {settings = {epochs = true}}\n", "adapt settings: epochs must be"),
        (OWN + GRID + "adapt = {settings = {lr = [0.1]}}\n", "adapt settings: lr must be a numb"),
        (OWN + GRID + 'noise = ["given", "given"]\n', "noise: one stands there twice"),
        (OWN + GRID + "sweep = {epochs = [5, 5]}\n", "sweep epochs: one value stands there twice"),
        (OWN + GRID.replace("deft", "all-rows") + "sweep = {lr = [0.1]}\nadapt = {}\n",
         "sweep: all-rows has no settings"),
        (OWN + GRID.replace("deft", "all-rows") + "strategy_settings = {all-rows = {lr = 0.1}}\n",
         "strategy_settings.all-rows: it has no settings"),
        (OWN + GRID.replace("deft", "small-loss") + 'noise = [{kind = "symmetric", ratio = 1}]\n',
         "small-loss keeps nothing at a noise ratio of 1"),
        (GRID.replace("mine", "cifar100n") + 'noise = [{kind = "symmetric", ratio = 0.2}]\n',
         "noise is put into true labels, and cifar100n has wrong ones of its own"),
        (OWN + GRID.replace("deft", "gmm") + 'adapt = {method = "prompts"}\n',
         "adapt: method prompts goes with the strategy deft alone"),
        (OWN + GRID + "seeds = [9223372036854775808]\n", "from 0, below 2**63, not [92"),
        (OWN + GRID.replace("deft", "small-loss") + "settings = {noise_ratio = [0.1]}\n",
         "settings noise_ratio [0.1] must be in [0, 1)"),
        (OWN + GRID + "strategy_settings = {deft = {noise_ratio = 0.1}}\n",
         "strategy_settings.deft: noise_ratio goes with small-loss"),
        (OWN + GRID + "sweep = {noise_ratio = [0.1]}\n",
         "sweep: noise_ratio goes with small-loss, not with deft"),
        (OWN + GRID.replace("deft", "knn") + "settings = {lr = 0.1}\n",
         "settings: none of the strategies takes lr"),
        (OWN + GRID + "settings = {noise_ratio = 1}\n", "noise_ratio 1 must be in [0, 1)"),
        (OWN + GRID + "strategy_settings = {gmm = {}}\n", "strategy_settings.gmm is none of its"),
        (OWN + GRID + "sweep = {lr = 0.1}\n", "sweep lr must be a list of values"),
        (OWN + GRID + "sweep = {lrr = [0.1]}\n", "sweep: unknown 'lrr'"),
        (OWN + GRID + "adapt = {}\n", "adapt is measured on [data.mine] test, not given"),
        (OWN + GRID + "adapt = {x = 1}\n", "[[grid]] 'g' adapt: unknown 'x'; known: backbone"),
        (OWN + GRID + 'adapt = {method = "x"}\n', "adapt method 'x' is none of fft, linear"),
        (OWN + GRID + "adapt = {settings = {epochs = 0}}\n", "adapt: --epochs is 0; it must"),
        (OWN + GRID + "adapt = {settings = {x = 0}}\n", "adapt settings: unknown 'x'"),
    ],
)  # fmt: skip
def test_every_mistake_is_told(text, problem, written):
    with pytest.raises(InputError) as told:
        read_grid(written(text))
    assert problem in told.value.message


def test_shared_settings_go_to_the_strategies_that_take_them(written):
    shared = "settings = {context_length = 4, lr = 0.1, noise_ratio = 0.3}\n"
    names = ["deft", "label-match", "gmm", "small-loss"]
    text = GRID.replace('["deft"]', str(names).replace("'", '"'))
    cells = read_grid(written(OWN + text + shared)).cells
    assert [sorted(cell.selection.settings) for cell in cells] == [
        ["context_length", "lr"],
        [],
        ["lr"],
        ["lr", "noise_ratio"],
    ]
    wrong = "strategy_settings = {label-match = {lr = 0.1}}\n"
    with pytest.raises(InputError, match="--lr: --recipe label-match has no such setting"):
        read_grid(written(OWN + text + wrong))


def test_all_mistakes_are_told_at_once(written):
    text = OWN + "x = 1\n" + GRID + "settings = {y = 1}\npreset = 2\n"
    with pytest.raises(InputError) as told:
        read_grid(written(text))
    assert [word in told.value.message for word in ("'x'", "'y'", "preset 2")] == [True] * 3


def test_values_are_checked_beside_other_mistakes(written):
    text = OWN + GRID + "colour = 3\nsettings = {lr = -1.0}\n"
    with pytest.raises(InputError) as caught:
        read_grid(written(text))
    assert "unknown 'colour'" in caught.value.message
    assert "--lr is -1.0; it must be above 0" in caught.value.message


def test_what_is_no_toml_and_what_is_not_there(written, tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_grid(written("[["))
    with pytest.raises(InputError, match="cannot be read"):
        read_grid(tmp_path / "none.toml")


def test_the_grid_of_the_documentation_is_one(written):
    page = (ROOT / "docs" / "bench.md").read_text(encoding="utf-8")
    text = page.split("```toml\n")[1].split("```")[0]
    grids = [cell.grid for cell in read_grid(written(text)).cells]
    assert (grids.count("human"), grids.count("synthetic")) == (4 * 3, 2 * 3 * (2 + 1))
