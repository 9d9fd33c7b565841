"""Who may import whom, and what may not be loaded at start-up."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "deftclean"

ORDER = [
    *("errors", "config", "recipes", "cells", "published", "approaches", "crossing"),
    *("paper_detection", "paper_accuracy", "paper_figures", "paper", "strategy_options"),
    *("cell_changes", "targets", "files", "notebook", "tables", "scores", "kept", "reviewed"),
    *("export_rows", "labels", "folders", "columns", "file_names", "lines", "safe_names"),
    *("csv_cells", "export_tables", "manifest", "metrics", "evaluation", "charts", "summary"),
    *("escaping", "cell_listing", "buffers", "expressions", "problems", "comparison", "places"),
    *("gate_results", "gate", "gate_json", "gate_github", "gate_junit", "gate_sarif"),
    *("gate_text", "progress", "runtime", "decoding", "resizing", "images", "export_folder"),
    *("export_tasks", "cache", "run_options", "loading", "checking", "spool", "row_images"),
    *("rows", "table_images", "verified", "exporting", "overview", "thumbnails", "gallery"),
    *("histogram", "pages", "review_file", "reviewing", "report_page", "reporting", "blocks"),
    *("encoder", "preprocessing", "weights", "diagnosis", "tuners", "branches", "prompts"),
    *("detector", "losses", "fitting", "mixture", "selection", "step", "collapse"),
    *("embeddings", "feeds", "picture_sets", "augmenting", "optimiser", "training", "scoring"),
    *("checkpoint", "unfinished", "session", "cost", "findings", "headed", "neighbours"),
    *("confident", "prototypes", "judging", "detecting", "strategies", "assembly", "backbones"),
    *("classifiers", "fine_tuning", "classifier_inputs", "probing", "adapted", "adaptation"),
    *("model_card", "run_folder", "adapting", "predicting", "demo", "noise", "transitions"),
    *("instance_pixels", "table_files", "truth", "noisy_table", "corrupting", "public_sets"),
    *("cifar", "image_sets", "web_sets", "datasets", "api", "own_data", "setting_values"),
    *("grid_file", "cell_data", "cell_metrics", "bench_results", "chosen_cells", "peak_memory"),
    *("unscored", "cell_runs", "bench_tables", "bench_pages", "benching", "terminal"),
    *("terminal_data", "terminal_bench", "settings_file", "options", "cli_adapt", "cli_check"),
    *("cli_report", "cli_export", "cli_doctor", "cli_corrupt", "cli_dataset", "cli_bench"),
    *("cli_scan", "cli_score", "cli_demo", "cli"),
]


def imported(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("deftclean"):
            names = node.module.split(".")[1:] or [alias.name for alias in node.names]
            yield from (name for name in names if (PACKAGE / f"{name}.py").is_file())


def test_every_module_has_its_place():
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert modules == set(ORDER)


def test_the_documentation_lists_the_modules_in_their_order():
    text = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)\.py` \|", text, flags=re.MULTILINE) == ORDER


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_modules_above_it(module):
    above = set(ORDER[: ORDER.index(module)])
    assert set(imported(PACKAGE / f"{module}.py")) <= above


HEAVY = ("torch", "open_clip", "torchvision", "pandas", "pyarrow", "sklearn", "PIL")
NOT_FOR_TABLES = tuple(name for name in HEAVY if name != "pyarrow")


# The command as a user starts it, its output thrown away.
SHOWN = """
import contextlib, io
from deftclean.cli import main
sys.argv[1:] = {}
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as shown:
    main()
assert "deftclean" in shown.getvalue()
"""


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import deftclean", HEAVY),
        ("import deftclean.cli", HEAVY),
        (SHOWN.format("['--help']"), HEAVY),
        (SHOWN.format("['scan', '--help']"), HEAVY),
        ("import deftclean.summary, deftclean.manifest, deftclean.scores", NOT_FOR_TABLES),
        ("import deftclean; deftclean.select", NOT_FOR_TABLES),
        (SHOWN.format("['check', '--help']"), HEAVY),
        ("import deftclean; deftclean.review", NOT_FOR_TABLES),
        ("import deftclean; deftclean.report", ("torch", "open_clip", "pandas", "matplotlib")),
        ("import deftclean; deftclean.export", NOT_FOR_TABLES),
        (SHOWN.format("['doctor', '--help']"), HEAVY),
        ("import deftclean; deftclean.corrupt; deftclean.dataset", NOT_FOR_TABLES),
        (SHOWN.format("['corrupt', '--help']"), HEAVY),
        (SHOWN.format("['dataset', '--help']"), HEAVY),
        (SHOWN.format("['bench', '--help']"), HEAVY),
        ("import deftclean; deftclean.bench; import deftclean.chosen_cells", NOT_FOR_TABLES),
    ],
)
def test_heavy_packages_are_not_loaded(code, absent):
    loaded = f"import sys; {code}\nprint([m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_changelog_and_version_agree():
    from deftclean import __version__

    text = (PACKAGE.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{__version__}]" in text


def test_exactly_these_names_are_exported():
    import deftclean

    assert sorted(deftclean.__all__) == [
        "AdaptOptions", "AdaptResult", "BenchResult", "CheckResult", "CorruptResult",
        "DatasetOptions", "DatasetResult", "DeftcleanError", "ExportResult", "ManifestOptions",
        "NoiseOptions", "PredictResult", "ReportResult", "ReviewResult", "RunOptions", "ScanResult",
        "__version__", "adapt", "bench", "check", "corrupt", "dataset", "export", "load_classifier",
        "predict", "report", "review", "scan", "score", "select",
    ]  # fmt: skip
    assert dir(deftclean) == sorted(deftclean.__all__)
    assert all(getattr(deftclean, name) is not None for name in deftclean.__all__)
    with pytest.raises(AttributeError):
        deftclean.nonsense  # noqa: B018
