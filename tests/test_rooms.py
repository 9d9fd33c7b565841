"""Who may import whom, and what may not be loaded at start-up."""

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "deftclean"

HEAVY = ("torch", "open_clip", "torchvision", "pandas", "pyarrow", "sklearn", "PIL")
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
