"""The rooms: who may import whom, how large they are, and what may not be loaded at start-up."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import deftclean
from tests.support.places import PACKAGE, ROOT

ALLOWED = {
    "core": "",
    "stores": "core",
    "settings": "core",
    "table": "core stores settings",
    "shards": "core stores table",
    "data": "core stores table shards",
    "images": "core stores settings table shards data",
    "models": "core stores settings",
    "training": "core settings images models",
    "gate": "core stores table images",
    "evidence": "core",
    "features": "core settings images models training",
    "hearing": "core stores settings table data images models training evidence features",
    "detection": "core stores settings table data images models training gate evidence features "
    "hearing",
    "applying": "core stores settings table data images models training gate evidence features "
    "hearing detection",
    "adaptation": "core stores settings table data images models training",
    "frames": "core settings data images detection",
    "reports": "core stores table images",
    "exports": "core stores table data images",
    "datasets": "core stores table data images",
    "experiments": "core stores settings table data images models detection adaptation datasets",
    "cli": "core stores settings table data images models training gate hearing detection "
    "applying adaptation reports exports datasets experiments",
}
"""Rooms from the ground up, and the rooms that each may import."""

WITHOUT_TORCH = ("stores", "table", "shards", "data", "gate", "reports", "exports", "cli")
MOST_MODULES = 20
MOST_LINES = 400


def modules(room: str) -> list[Path]:
    return sorted(path for path in (PACKAGE / room).rglob("*.py") if path.name != "__init__.py")


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


@cache
def imported(path: Path) -> tuple[str, ...]:
    """Modules of the package that a module imports, anywhere in it, without the package's name."""
    return tuple(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("deftclean."):
            home = node.module.removeprefix("deftclean.")
            if PACKAGE.joinpath(*home.split(".")).with_suffix(".py").is_file():
                yield home
            else:
                yield from (f"{home}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            names = (alias.name for alias in node.names)
            yield from (n.removeprefix("deftclean.") for n in names if n.startswith("deftclean."))


def wrong_arrows(room: str, allowed: dict[str, str]) -> set[str]:
    """Imports of a room that go to a room it may not import."""
    into = {room, *allowed[room].split()}
    return {
        f"{dotted(path)} -> {found}"
        for path in modules(room)
        for found in imported(path)
        if found.split(".")[0] not in into
    }


def test_every_room_has_its_place():
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(ALLOWED)
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_the_documentation_has_the_same_table():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)/` \|.*\|([^|]*)\|$", text, flags=re.MULTILINE)
    assert rows
    assert {room: into.replace(",", "").strip() for room, into in rows} == ALLOWED


def test_rooms_are_in_one_order():
    order = list(ALLOWED)
    for room, into in ALLOWED.items():
        assert set(into.split()) <= set(order[: order.index(room)]), room


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_rooms_it_may(room):
    assert wrong_arrows(room, ALLOWED) == set()


def test_no_allowed_arrow_is_unused():
    """The table says what is, not what might be."""
    used = {
        room: {found.split(".")[0] for path in modules(room) for found in imported(path)} - {room}
        for room in ALLOWED
    }
    assert used == {room: set(into.split()) for room, into in ALLOWED.items()}


def test_a_wrong_arrow_is_seen():
    """The check itself: with one arrow taken out of the table, its imports are found."""
    less = {**ALLOWED, "gate": "core"}
    assert "gate.check -> table.scores" in wrong_arrows("gate", less)


def test_the_walls_stand():
    for room in ("gate", "reports", "exports"):
        assert not {"models", "training"} & set(ALLOWED[room].split())
    assert "adaptation" not in ALLOWED["detection"].split()
    assert "detection" not in ALLOWED["adaptation"].split()
    assert not any("cli" in into.split() for into in ALLOWED.values())
    assert ALLOWED["core"] == ""


def test_no_module_imports_itself_by_a_detour():
    graph = {dotted(path): set(imported(path)) for room in ALLOWED for path in modules(room)}
    assert graph["detection.scan"]
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_can_be_seen_at_a_glance(room):
    assert len(modules(room)) <= MOST_MODULES
    long = {
        dotted(path): lines
        for path in modules(room)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MOST_LINES
    }
    assert long == {}


def test_no_room_is_named_like_a_public_name():
    """The first import of deftclean/report/ would put the room in the place of the function."""
    assert set(ALLOWED) & set(deftclean.__all__) == set()
    importlib.import_module("deftclean.reports.report")
    assert callable(deftclean.report)


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_says_what_is_in_it(room):
    """Its docstring lists its modules in reading order, and it imports nothing."""
    tree = ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))
    listed = [
        line.split(":")[0].strip()
        for line in (ast.get_docstring(tree) or "").splitlines()
        if line.startswith("    ")
    ]
    names = [
        ".".join(path.relative_to(PACKAGE / room).with_suffix("").parts) for path in modules(room)
    ]
    assert sorted(listed) == sorted(names)
    assert not any(isinstance(node, ast.Import | ast.ImportFrom) for node in tree.body)


@pytest.mark.parametrize("room", WITHOUT_TORCH)
def test_a_room_without_torch_loads_none(room):
    names = [f"deftclean.{dotted(path)}" for path in modules(room)]
    code = f"import {', '.join(names)}, sys; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "False"


HEAVY = ("torch", "open_clip", "torchvision", "pandas", "pyarrow", "sklearn", "PIL", "fsspec")
NOT_FOR_TABLES = tuple(name for name in HEAVY if name != "pyarrow")


# The command as a user starts it, its output thrown away.
SHOWN = """
import contextlib, io
from deftclean.cli.main import main
sys.argv[1:] = {}
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as shown:
    main()
assert "deftclean" in shown.getvalue()
"""


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import deftclean", HEAVY),
        ("import deftclean.cli.main", HEAVY),
        (SHOWN.format("['--help']"), HEAVY),
        (SHOWN.format("['scan', '--help']"), HEAVY),
        (
            "import deftclean.table.summary, deftclean.data.manifest",
            NOT_FOR_TABLES,
        ),
        ("import deftclean; deftclean.select", NOT_FOR_TABLES),
        (SHOWN.format("['check', '--help']"), HEAVY),
        ("import deftclean; deftclean.review", NOT_FOR_TABLES),
        ("import deftclean; deftclean.report", ("torch", "open_clip", "pandas", "matplotlib")),
        ("import deftclean; deftclean.export", NOT_FOR_TABLES),
        ("import deftclean; deftclean.find_label_issues", ("torch", "pandas", "torchvision")),
        (SHOWN.format("['doctor', '--help']"), HEAVY),
        ("import deftclean; deftclean.corrupt; deftclean.dataset", NOT_FOR_TABLES),
        (SHOWN.format("['corrupt', '--help']"), HEAVY),
        (SHOWN.format("['dataset', '--help']"), HEAVY),
        (SHOWN.format("['bench', '--help']"), HEAVY),
        ("import deftclean; deftclean.bench; import deftclean.experiments.choose", NOT_FOR_TABLES),
    ],
)
def test_heavy_packages_are_not_loaded(code, absent):
    loaded = f"import sys; {code}\nprint([m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_changelog_and_version_agree():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{deftclean.__version__}]" in text


def test_exactly_these_names_are_exported():
    assert sorted(deftclean.__all__) == [
        "AdaptOptions", "AdaptResult", "BenchResult", "CheckResult", "CorruptResult",
        "DatasetOptions", "DatasetResult", "DeftcleanError", "EvidenceOptions", "ExportResult",
        "ManifestOptions", "NoiseOptions", "PartsOptions", "PartsResult", "PredictResult",
        "ReportResult", "ReviewResult",
        "RunOptions", "ScanResult", "ScoreTable", "Summary", "__version__", "adapt", "bench",
        "check", "corrupt", "dataset", "export", "export_embeddings", "find_label_issues",
        "load_classifier", "load_dataset", "predict", "report", "review", "scan", "score",
        "score_parts", "select",
    ]  # fmt: skip
    assert dir(deftclean) == sorted(deftclean.__all__)
    assert all(getattr(deftclean, name) is not None for name in deftclean.__all__)
    with pytest.raises(AttributeError):
        deftclean.nonsense  # noqa: B018


def test_load_dataset_is_where_it_was_too():
    from deftclean.datasets import load_dataset

    assert load_dataset is deftclean.load_dataset
    with pytest.raises(AttributeError):
        deftclean.datasets.nonsense  # noqa: B018
