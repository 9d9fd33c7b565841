"""A score table without scores: what an adaptation on all rows reads where nothing is selected.

One look at every picture and no model: status and hash of each row, null for the rest.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deftclean import __version__
from deftclean.core.progress import Progress
from deftclean.core.run import RunOptions
from deftclean.core.runtime import choose_runtime
from deftclean.data.manifest import Manifest, read_manifest
from deftclean.data.options import ManifestOptions
from deftclean.images.first_pass import ImageChecks, check_images
from deftclean.images.look import hash_texts
from deftclean.images.resizing import Preparation
from deftclean.images.row_images import row_images, work_folder
from deftclean.models.weights import preprocess_of
from deftclean.table.scores import SCHEMA_VERSION, SCORE_SCHEMA, ScoreTable, write_scores


def write_unscored(
    images: Path, labels: Path, output: Path, run: RunOptions, progress: Progress
) -> None:
    """Write such a table; `keep` is false in it, so it is of use to `adapt --all` alone.

    Args:
        images: folder of the pictures.
        labels: table of labels.
        output: the table.
        run: workers.
        progress: told what happens.

    Raises:
        InputError: the labels cannot be read.
        RunError: the disk is full.
    """
    reading = ManifestOptions()
    manifest = read_manifest(images, labels, reading)
    # Pictures are decoded, and for no model resized: any preprocessing does, and nothing is cached.
    preprocess = preprocess_of("nano", None, True, progress.say)
    preparation = Preparation.of(preprocess, "exact", crop=False)
    runtime = choose_runtime("cpu", "fp32", run.workers)
    with work_folder() as folder:
        found = row_images(manifest, reading, folder)
        checks = check_images(found.source, preparation, None, runtime, progress)
        table = _table(manifest, checks.take(found.of_row))
    facts = {
        "schema_version": SCHEMA_VERSION,
        "tool_version": __version__,
        "command": "bench",
        "strategy": None,
        "class_names": list(manifest.class_names),
        "rule": "threshold",
        "threshold": 0.5,
        "noise_rate": None,
        "warnings": [],
    }
    write_scores(ScoreTable(table, facts), output, manifest.root, overwrite=True, labels=labels)


def _table(manifest: Manifest, checks: ImageChecks) -> pa.Table:
    count, status = len(manifest), checks.status
    unlabelled = pc.and_(pc.equal(status, "ok"), pc.is_null(manifest.given_labels))
    known = {
        "row": pa.array(np.arange(count), pa.int64()),
        "file_name": manifest.file_names,
        "given_label": manifest.given_labels,
        "keep": pa.array(np.zeros(count, dtype=bool)),
        "status": pc.if_else(unlabelled, "unlabeled", status),
        "error": checks.error,
        "content_sha256": checks.sha256,
        "perceptual_hash": hash_texts(checks.looks),
        "source_line": manifest.source_lines,
        "duplicate_of": checks.first_of_same,
    }
    return pa.table(
        [known.get(field.name, pa.nulls(count, field.type)) for field in SCORE_SCHEMA],
        schema=SCORE_SCHEMA,
    )
