"""Find wrong labels in image-classification data sets and write the cleaned set.

Importing this package is cheap: torch, pandas and pyarrow are loaded by the first call.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:  # "as" says to type checkers that a name is handed on
    from deftclean.adaptation.adapt import adapt as adapt
    from deftclean.adaptation.options import AdaptOptions as AdaptOptions
    from deftclean.adaptation.predict import PredictResult as PredictResult
    from deftclean.adaptation.predict import load_classifier as load_classifier
    from deftclean.adaptation.predict import predict as predict
    from deftclean.adaptation.run_folder import AdaptResult as AdaptResult
    from deftclean.applying.options import PartsOptions as PartsOptions
    from deftclean.applying.parts import PartsResult as PartsResult
    from deftclean.applying.parts import score_parts as score_parts
    from deftclean.applying.score import score as score
    from deftclean.core.errors import DeftcleanError as DeftcleanError
    from deftclean.core.run import RunOptions as RunOptions
    from deftclean.data.options import ManifestOptions as ManifestOptions
    from deftclean.datasets.corrupt import CorruptResult as CorruptResult
    from deftclean.datasets.corrupt import corrupt as corrupt
    from deftclean.datasets.dataset import DatasetResult as DatasetResult
    from deftclean.datasets.dataset import dataset as dataset
    from deftclean.datasets.dataset import load_dataset as load_dataset
    from deftclean.datasets.options import DatasetOptions as DatasetOptions
    from deftclean.datasets.options import NoiseOptions as NoiseOptions
    from deftclean.detection.result import ScanResult as ScanResult
    from deftclean.detection.scan import scan as scan
    from deftclean.detection.select import select as select
    from deftclean.experiments.bench import BenchResult as BenchResult
    from deftclean.experiments.bench import bench as bench
    from deftclean.exports.export import ExportResult as ExportResult
    from deftclean.exports.export import export as export
    from deftclean.frames.issues import find_label_issues as find_label_issues
    from deftclean.gate.check import check as check
    from deftclean.gate.results import CheckResult as CheckResult
    from deftclean.hearing.embed import export_embeddings as export_embeddings
    from deftclean.reports.report import ReportResult as ReportResult
    from deftclean.reports.report import report as report
    from deftclean.reports.review import ReviewResult as ReviewResult
    from deftclean.reports.review import review as review
    from deftclean.settings.evidence import EvidenceOptions as EvidenceOptions
    from deftclean.table.scores import ScoreTable as ScoreTable
    from deftclean.table.summary import Summary as Summary

# A room may not be named like one of these: the first import of deftclean/report/ would put the
# folder in the place of the function.
_HOMES = {
    "AdaptOptions": "adaptation.options",
    "AdaptResult": "adaptation.run_folder",
    "BenchResult": "experiments.bench",
    "CheckResult": "gate.results",
    "CorruptResult": "datasets.corrupt",
    "DatasetOptions": "datasets.options",
    "DatasetResult": "datasets.dataset",
    "DeftcleanError": "core.errors",
    "EvidenceOptions": "settings.evidence",
    "ExportResult": "exports.export",
    "ManifestOptions": "data.options",
    "NoiseOptions": "datasets.options",
    "PartsOptions": "applying.options",
    "PartsResult": "applying.parts",
    "PredictResult": "adaptation.predict",
    "ReportResult": "reports.report",
    "ReviewResult": "reports.review",
    "RunOptions": "core.run",
    "ScanResult": "detection.result",
    "ScoreTable": "table.scores",
    "Summary": "table.summary",
    "adapt": "adaptation.adapt",
    "bench": "experiments.bench",
    "check": "gate.check",
    "corrupt": "datasets.corrupt",
    "dataset": "datasets.dataset",
    "export": "exports.export",
    "export_embeddings": "hearing.embed",
    "find_label_issues": "frames.issues",
    "load_classifier": "adaptation.predict",
    "load_dataset": "datasets.dataset",
    "predict": "adaptation.predict",
    "report": "reports.report",
    "review": "reports.review",
    "scan": "detection.scan",
    "score": "applying.score",
    "score_parts": "applying.parts",
    "select": "detection.select",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"deftclean.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
