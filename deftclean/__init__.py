"""Find wrong labels in image-classification data sets and write the cleaned set.

Importing this package is cheap: torch, pandas and pyarrow are loaded by the first call.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from deftclean.adapting import AdaptOptions, adapt
    from deftclean.api import ScanResult, scan, score, select
    from deftclean.benching import BenchResult, bench
    from deftclean.corrupting import CorruptResult, NoiseOptions, corrupt
    from deftclean.datasets import DatasetOptions, DatasetResult, dataset
    from deftclean.errors import DeftcleanError
    from deftclean.exporting import ExportResult, export
    from deftclean.gate import check
    from deftclean.gate_results import CheckResult
    from deftclean.manifest import ManifestOptions
    from deftclean.predicting import PredictResult, load_classifier, predict
    from deftclean.reporting import ReportResult, report
    from deftclean.reviewing import ReviewResult, review
    from deftclean.run_folder import AdaptResult
    from deftclean.run_options import RunOptions

__all__ = [
    "AdaptOptions",
    "AdaptResult",
    "BenchResult",
    "CheckResult",
    "CorruptResult",
    "DatasetOptions",
    "DatasetResult",
    "DeftcleanError",
    "ExportResult",
    "ManifestOptions",
    "NoiseOptions",
    "PredictResult",
    "ReportResult",
    "ReviewResult",
    "RunOptions",
    "ScanResult",
    "__version__",
    "adapt",
    "bench",
    "check",
    "corrupt",
    "dataset",
    "export",
    "load_classifier",
    "predict",
    "report",
    "review",
    "scan",
    "score",
    "select",
]

_HOMES = {
    "AdaptOptions": "deftclean.adapting",
    "AdaptResult": "deftclean.run_folder",
    "BenchResult": "deftclean.benching",
    "bench": "deftclean.benching",
    "CorruptResult": "deftclean.corrupting",
    "NoiseOptions": "deftclean.corrupting",
    "corrupt": "deftclean.corrupting",
    "DatasetOptions": "deftclean.datasets",
    "DatasetResult": "deftclean.datasets",
    "dataset": "deftclean.datasets",
    "PredictResult": "deftclean.predicting",
    "adapt": "deftclean.adapting",
    "load_classifier": "deftclean.predicting",
    "predict": "deftclean.predicting",
    "CheckResult": "deftclean.gate_results",
    "check": "deftclean.gate",
    "ReportResult": "deftclean.reporting",
    "ReviewResult": "deftclean.reviewing",
    "report": "deftclean.reporting",
    "review": "deftclean.reviewing",
    "DeftcleanError": "deftclean.errors",
    "ExportResult": "deftclean.exporting",
    "export": "deftclean.exporting",
    "ManifestOptions": "deftclean.manifest",
    "RunOptions": "deftclean.run_options",
    "ScanResult": "deftclean.api",
    "scan": "deftclean.api",
    "score": "deftclean.api",
    "select": "deftclean.api",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
