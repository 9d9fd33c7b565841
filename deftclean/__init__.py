"""Find wrong labels in image-classification data sets and write the cleaned set.

Importing this package is cheap: torch, pandas and pyarrow are loaded by the first call.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from deftclean.adaptation.adapt import AdaptOptions, adapt
    from deftclean.adaptation.predict import PredictResult, load_classifier, predict
    from deftclean.adaptation.run_folder import AdaptResult
    from deftclean.core.errors import DeftcleanError
    from deftclean.core.run import RunOptions
    from deftclean.data.manifest import ManifestOptions
    from deftclean.datasets.corrupt import CorruptResult, NoiseOptions, corrupt
    from deftclean.datasets.dataset import DatasetOptions, DatasetResult, dataset
    from deftclean.detection.scan import ScanResult, scan, score, select
    from deftclean.experiments.bench import BenchResult, bench
    from deftclean.exports.export import ExportResult, export
    from deftclean.gate.check import check
    from deftclean.gate.results import CheckResult
    from deftclean.reports.report import ReportResult, report
    from deftclean.reports.review import ReviewResult, review

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
    "AdaptOptions": "deftclean.adaptation.adapt",
    "AdaptResult": "deftclean.adaptation.run_folder",
    "BenchResult": "deftclean.experiments.bench",
    "bench": "deftclean.experiments.bench",
    "CorruptResult": "deftclean.datasets.corrupt",
    "NoiseOptions": "deftclean.datasets.corrupt",
    "corrupt": "deftclean.datasets.corrupt",
    "DatasetOptions": "deftclean.datasets.dataset",
    "DatasetResult": "deftclean.datasets.dataset",
    "dataset": "deftclean.datasets.dataset",
    "PredictResult": "deftclean.adaptation.predict",
    "adapt": "deftclean.adaptation.adapt",
    "load_classifier": "deftclean.adaptation.predict",
    "predict": "deftclean.adaptation.predict",
    "CheckResult": "deftclean.gate.results",
    "check": "deftclean.gate.check",
    "ReportResult": "deftclean.reports.report",
    "ReviewResult": "deftclean.reports.review",
    "report": "deftclean.reports.report",
    "review": "deftclean.reports.review",
    "DeftcleanError": "deftclean.core.errors",
    "ExportResult": "deftclean.exports.export",
    "export": "deftclean.exports.export",
    "ManifestOptions": "deftclean.data.manifest",
    "RunOptions": "deftclean.core.run",
    "ScanResult": "deftclean.detection.scan",
    "scan": "deftclean.detection.scan",
    "score": "deftclean.detection.scan",
    "select": "deftclean.detection.scan",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
