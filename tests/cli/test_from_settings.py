"""Options made from a settings class, through a real command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from typer.testing import CliRunner

from deftclean.cli.from_settings import Options, takes
from deftclean.core.errors import UsageError
from deftclean.core.fields import setting


@dataclass(frozen=True)
class Oven:
    heat: float = setting(180.0, "Degrees.", flags=("--heat", "-t"), at_least=0)
    mode: Literal["top", "fan"] = setting("top", "Where from.", panel="Air")
    minutes: int | None = setting(None, "How long.")
    light: bool = setting(False, "Lamp on.", option="lamp")
    door: bool = setting(True, "Leave it open.", option="no_door")
    tray: str | Path | None = setting(None, "What on.")
    dishes: Sequence[str] = setting((), "What in.", option="dish")
    names: Mapping[str, str] | None = setting(None, "OLD=NEW.")
    secret: int = 7


GIVEN: list[Any] = []


def command(**options: Any):
    """A command that takes an oven, as a function of its words; what it gets lands in GIVEN."""
    app = typer.Typer(context_settings={"auto_envvar_prefix": "BAKE"}, rich_markup_mode=None)

    @app.command()
    @takes(oven=Options(Oven, **options))
    def bake(
        cake: Annotated[str, typer.Argument(help="Which.")],
        *,
        oven: Any,
        quick: Annotated[bool, typer.Option("--quick")] = False,
    ) -> None:
        """Bake."""
        GIVEN.append((cake, oven, quick))

    def call(*words: str, fails: bool = False, **more: Any) -> Any:
        GIVEN.clear()
        done = CliRunner().invoke(app, ["plum", *words], **more)
        if fails:
            return done
        assert done.exit_code == 0, done.output
        ((cake, oven, _quick),) = GIVEN
        assert cake == "plum"
        return oven

    return call


def test_without_options_a_class_is_as_python_makes_it():
    assert command()() == Oven()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--heat", "200"], Oven(heat=200.0)),
        (["-t", "0"], Oven(heat=0.0)),
        (["--mode", "fan"], Oven(mode="fan")),
        (["--minutes", "5"], Oven(minutes=5)),
        (["--lamp"], Oven(light=True)),
        (["--no-door"], Oven(door=False)),
        (["--tray", "a/b"], Oven(tray=Path("a/b"))),
        (["--dish", "x", "--dish", "y"], Oven(dishes=("x", "y"))),
        (["--names", "a=b", "--names", "c=d=e"], Oven(names={"a": "b", "c": "d=e"})),
    ],
)
def test_every_kind_of_field(words, expected):
    assert command()(*words) == expected


def test_values_come_from_the_environment_and_the_settings_file_too():
    bake = command()
    assert bake(env={"BAKE_HEAT": "90", "BAKE_NO_DOOR": "1"}) == Oven(heat=90.0, door=False)
    assert bake(default_map={"lamp": True, "dish": ["x"]}) == Oven(light=True, dishes=("x",))
    assert bake("-t", "5", env={"BAKE_HEAT": "6"}, default_map={"heat": 7}) == Oven(heat=5.0)


@pytest.mark.parametrize(
    "words",
    [["--no-lamp"], ["--door"], ["--secret", "1"], ["--mode", "side"], ["--heat", "-1"]],
)
def test_what_there_is_not(words):
    assert command()(*words, fails=True).exit_code == 2


@pytest.mark.parametrize("wrong", ["a", "a=", "=b"])
def test_pairs_are_pairs(wrong):
    done = command()("--names", "x=y", "--names", wrong, fails=True)
    assert isinstance(done.exception, UsageError)
    assert done.exception.message == f"--names {wrong.split('=')[0]!r}: write it as OLD=NEW."


def test_a_preset_decides_what_is_not_given():
    bake = command(preset=True)
    assert bake() == {}
    assert bake("--lamp", "--minutes", "3") == {"light": True, "minutes": 3}
    assert bake("--no-lamp")["light"] is False
    assert bake("--heat", "-1")["heat"] == -1.0  # who knows the preset looks at bounds


def test_what_no_preset_decides_shows_its_default():
    @dataclass(frozen=True)
    class Draw:
        seed: int = setting(3, "Of the draw.", preset=False)
        often: int = setting(9, "How often.")

    often, seed = Options(Draw, order=("often",), panel="Rest", preset=True).parameters()
    assert (often.name, often.default, seed.name, seed.default) == ("often", None, "seed", 3)
    panels = [each.annotation.__metadata__[0].rich_help_panel for each in (often, seed)]
    assert panels == ["Rest", None]


def test_help_says_what_the_fields_say_in_the_order_asked_for():
    text = command(order=("dishes", "mode"))("--help", fails=True).output
    assert (
        text.index("--dish") < text.index("--mode") < text.index("--heat") < text.index("--names")
    )
    for words in ("Degrees.", "Where from.", "How long.", "What in."):
        assert words in text
    assert "secret" not in text


def test_a_command_may_take_fewer():
    few = Options(Oven).only("mode", "door")
    assert [each.name for each in few.parameters()] == ["mode", "no_door"]
    rest = Options(Oven).without("mode", "door").without("heat")
    assert [each.name for each in rest.parameters()] == [
        "minutes", "lamp", "tray", "dish", "names",
    ]  # fmt: skip
    assert few.take({"mode": "fan", "no_door": False}) == Oven(mode="fan")


def test_an_order_with_a_name_that_is_no_field_is_found_at_once():
    with pytest.raises(KeyError, match="gone"):
        Options(Oven, order=("gone",)).parameters()
