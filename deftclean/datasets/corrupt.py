"""The command `corrupt`, whole: clean labels in, noisy labels and the truth out. No torch."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.errors import InputError, UsageError
from deftclean.core.fields import check_integer
from deftclean.core.outputs import check_name, check_output
from deftclean.core.progress import Progress, Silent
from deftclean.core.results import Shown
from deftclean.core.switch import together
from deftclean.core.tables import SUFFIXES, check_suffix, read_table, write_table
from deftclean.core.text import few
from deftclean.data.columns import find_label_column, find_path_column
from deftclean.data.file_names import relative_names
from deftclean.data.labels import name_labels
from deftclean.data.manifest import Manifest, read_manifest
from deftclean.data.options import ManifestOptions, input_files
from deftclean.datasets.noise import (
    Instances,
    check_ratio,
    class_conditional,
    instance_dependent,
    symmetric,
)
from deftclean.datasets.noisy_table import noisy_table, write_with_images
from deftclean.datasets.options import NoiseOptions
from deftclean.datasets.transitions import changes_matrix, read_transition
from deftclean.datasets.truth import differs, truth_path, truth_table
from deftclean.stores.door import opens_urls


@dataclass(frozen=True, repr=False)
class CorruptResult(Shown):
    """What `corrupt` made.

    Attributes:
        output: the noisy labels' file.
        truth: the truth table's file, beside it.
        root: the data folder that file names are relative to.
        scan_options: what `scan` has to be told to read the labels as this command did.
        table: the noisy labels: `file_name`, and the input's columns; N rows in input order.
        truth_table: columns `file_name`, `true_label` and `wrong`.
        rows: N.
        labelled: rows with a label; the others are as they were.
        wrong: rows whose label is another one now.
        unreadable: labelled rows that kept their label since noise depends on the picture and it
            cannot be read.
        side: of the square pictures that the noise depends on, in pixels; None where on none.
        notes: what a user should know about how the input was read.
        seconds: wall time.
    """

    output: Path
    truth: Path
    root: Path
    scan_options: tuple[str, ...]
    table: pa.Table
    truth_table: pa.Table
    rows: int
    labelled: int
    wrong: int
    unreadable: int
    side: int | None
    notes: tuple[str, ...]
    seconds: float

    def facts(self) -> Mapping[str, object]:
        """What a notebook shows."""
        return {
            "rows": self.rows,
            "labelled": self.labelled,
            "wrong": self.wrong,
            "unreadable": self.unreadable or None,
            "labels": self.output,
            "truth": self.truth,
        }


@opens_urls("data", "labels", "reading", "options", output="output")
def corrupt(
    data: str | Path,
    labels: str | Path | None = None,
    *,
    output: str | Path | None = None,
    options: NoiseOptions | None = None,
    overwrite: bool = False,
    reading: ManifestOptions | None = None,
    progress: Progress | None = None,
) -> CorruptResult:
    """Put wrong labels into a data set, and write down which.

    Args:
        data: image folder, or a table.
        labels: table of labels; None where `data` says it all.
        output: table of the noisy labels; None for `noisy` with the input table's ending.
        options: which noise.
        overwrite: replace existing outputs.
        reading: columns and class names.
        progress: told what happens; nobody by default.

    Raises:
        UsageError: options or input are wrong; nothing was written.
        RunError: the disk is full.
    """
    began = time.monotonic()
    options, reading = options or NoiseOptions(), reading or ManifestOptions()
    progress = progress or Silent()
    _check_options(options)
    source = Path(labels) if labels is not None else Path(data)
    others = [Path(each) for each in (options.transition, options.labels) if each is not None]
    inputs = [*input_files(data, labels, reading), *others]
    target = _target(source, Path(output) if output is not None else None, overwrite, inputs)
    manifest = read_manifest(Path(data), Path(labels) if labels is not None else None, reading)
    for note in manifest.notes:
        progress.say(note)
    if manifest.images is not None and target.suffix.lower() != ".parquet":
        raise UsageError(
            f"-o {target}: the images lie in {source.name}, and only Parquet can hold them.",
            "Let the output's name end in .parquet.",
        )

    drawn = _draw(manifest, options, reading, progress)
    names = pa.array(manifest.class_names, pa.string())
    noisy = names.take(pa.array(drawn.noisy))
    wrong = differs(noisy, manifest.given_labels)
    table = noisy_table(manifest, noisy, pc.fill_null(wrong, False))
    truth = truth_table(manifest.file_names, manifest.given_labels, wrong)
    _write(target, overwrite, manifest, table, truth)
    return CorruptResult(
        output=target,
        truth=truth_path(target),
        root=manifest.root,
        scan_options=_scan_options(reading),
        table=table,
        truth_table=truth,
        rows=len(manifest),
        labelled=len(manifest) - manifest.given_labels.null_count,
        wrong=pc.sum(wrong).as_py() or 0,
        unreadable=drawn.unreadable,
        side=drawn.side,
        notes=manifest.notes,
        seconds=time.monotonic() - began,
    )


def _write(
    target: Path, overwrite: bool, manifest: Manifest, table: pa.Table, truth: pa.Table
) -> None:
    """Both files, or neither."""
    with together(target, overwrite) as outputs:
        file, beside = outputs.file(target), outputs.file(truth_path(target))
        if manifest.images is not None and manifest.label_column is not None:
            column = table[manifest.label_column]
            write_with_images(manifest.images, manifest.label_column, column, file)
        else:
            write_table(table, file, target.suffix)
        write_table(truth, beside, target.suffix)


def _scan_options(reading: ManifestOptions) -> tuple[str, ...]:
    given = {"--label-column": reading.label_column, "--class-names": reading.class_names}
    return tuple(word for name, value in given.items() if value for word in (name, str(value)))


def _check_options(options: NoiseOptions) -> None:
    needed = {
        "--ratio": (
            options.ratio is not None,
            ("symmetric", "instance-dependent", "asymmetric"),
        ),
        "--map": (bool(options.changes), ("asymmetric",)),
        "--transition": (options.transition is not None, ("transition",)),
        "--from": (options.labels is not None, ("labels",)),
    }
    optional = {"--from-column": (options.labels_column is not None, ("labels",))}
    missing = [n for n, (given, of) in needed.items() if options.noise in of and not given]
    every = {**needed, **optional}
    useless = [n for n, (given, of) in every.items() if options.noise not in of and given]
    problems = []
    if missing:
        problems.append(f"needs {' and '.join(missing)}")
    if useless:
        problems.append(f"does not use {' and '.join(useless)}")
    if problems:
        raise UsageError(
            f"--noise {options.noise} {' and '.join(problems)}.", "See deftclean corrupt --help."
        )
    if options.ratio is not None:
        check_ratio(options.ratio)
    if options.seed < 0:
        raise UsageError(f"--seed is {options.seed}; it must be 0 or more.")
    check_integer("--seed", options.seed)
    if options.size < 1:
        raise UsageError(f"--size is {options.size}; it must be 1 pixel or more.")


def _target(
    source: Path, output: Path | None, overwrite: bool, inputs: Iterable[Path | None]
) -> Path:
    if output is None:
        written = not source.is_dir() and source.suffix.lower() in SUFFIXES
        output = Path(f"noisy{source.suffix if written else '.csv'}")
    check_name(output)
    check_suffix(output)
    truth = truth_path(output)
    for path in (output, truth):
        check_output(path, overwrite, inputs)
    return output


@dataclass(frozen=True)
class _Drawn:
    """(N,) noisy class, masked where a row has no label, and what there is to tell of it."""

    noisy: "np.ma.MaskedArray[Any, Any]"
    unreadable: int = 0
    side: int | None = None


def _draw(
    manifest: Manifest, options: NoiseOptions, reading: ManifestOptions, progress: Progress
) -> _Drawn:
    indices = manifest.label_indices(manifest.class_names)
    rows = np.flatnonzero(~np.ma.getmaskarray(indices))
    labels, classes = indices.filled(0)[rows], len(manifest.class_names)
    if not len(rows):
        raise InputError(f"{manifest.source}: no row has a label.", "There is nothing to corrupt.")
    if classes < 2:
        raise InputError(
            f"{manifest.source}: all labels are {manifest.class_names[0]!r}.",
            "Labels can be wrong only among two or more classes.",
        )
    unreadable, side = 0, None
    match options.noise:
        case "symmetric":
            noisy = symmetric(labels, classes, options.ratio or 0.0, options.seed)
        case "asymmetric":
            matrix = changes_matrix(options.changes, manifest.class_names, options.ratio or 0.0)
            noisy = class_conditional(labels, matrix, options.seed)
        case "transition":
            matrix = read_transition(Path(options.transition or ""), manifest.class_names)
            noisy = class_conditional(labels, matrix, options.seed)
        case "labels":
            noisy = _other_labels(manifest, rows, options, reading)
        case "instance-dependent":
            noisy, unreadable, side = _by_picture(
                manifest, rows, labels, options, reading, progress
            )
    indices[rows] = noisy
    return _Drawn(indices, unreadable, side)


def _by_picture(
    manifest: Manifest,
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    options: NoiseOptions,
    reading: ManifestOptions,
    progress: Progress,
) -> tuple[NDArray[np.int64], int, int]:
    from deftclean.datasets.instance_pixels import picture_side, read_instances
    from deftclean.images.row_images import row_images, work_folder

    seen = np.zeros(len(rows), bool)

    def noted(blocks: Iterator[Instances]) -> Iterator[Instances]:
        for block in blocks:
            seen[block.rows] = True
            yield block

    with work_folder() as work:
        images = row_images(manifest, reading, work)
        side = picture_side(images, rows, options.size)
        if side is None:
            raise InputError(
                f"{manifest.source}: none of its {len(rows):,} labelled images can be read.",
                "File names are relative to the data folder; give the folder that holds them: "
                "deftclean corrupt data/ labels.csv",
            )
        blocks = read_instances(images, labels, rows, side, options.workers, progress)
        noisy = instance_dependent(
            labels, len(manifest.class_names), options.ratio or 0.0, options.seed, noted(blocks)
        )
    return noisy, int((~seen).sum()), side


def _other_labels(
    manifest: Manifest, rows: NDArray[np.int64], options: NoiseOptions, reading: ManifestOptions
) -> NDArray[np.int64]:
    """(n,) class of each of `rows` in the other file, by file name.

    Raises:
        InputError: rows it does not name, names twice, or gives no known label.
    """
    path = Path(options.labels or "")
    table = read_table(path, reading.delimiter, None)
    path_column = find_path_column(path, table.schema, None)
    rest = pa.schema([field for field in table.schema if field.name != path_column])
    if options.labels_column is not None and options.labels_column not in rest.names:
        raise InputError(
            f"--from {path} has no column {options.labels_column!r} (--from-column).",
            f"It has the columns {few(rest.names, 12)}.",
        )
    label_column = find_label_column(path, rest, options.labels_column)
    names, _ = relative_names(table[path_column], path, manifest.root)
    given = name_labels(table[label_column], reading.class_names, None, manifest.label_names).given
    wanted = manifest.file_names.take(pa.array(rows))
    places = pc.index_in(wanted, value_set=names)
    chosen = given.take(places)
    classes = pc.index_in(chosen, value_set=pa.array(manifest.class_names, pa.string()))
    _refuse_gaps(path, names, wanted, places, chosen, classes)
    found: NDArray[np.int64] = classes.to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def _refuse_gaps(
    path: Path,
    names: pa.Array,
    wanted: pa.Array,
    places: pa.Array,
    chosen: pa.Array,
    classes: pa.Array,
) -> None:
    problems = []
    if twice := len(names) - pc.count_distinct(names).as_py():
        problems.append(f"{twice:,} rows name a file that stands there already")
    if places.null_count:
        absent = wanted.filter(pc.is_null(places)).slice(0, 3).to_pylist()
        problems.append(f"it lacks {places.null_count:,} files ({', '.join(absent)})")
    unlabelled = chosen.null_count - places.null_count
    if unlabelled:
        problems.append(f"{unlabelled:,} files have no label there")
    unknown = chosen.filter(pc.and_(pc.is_valid(chosen), pc.is_null(classes)))
    if len(unknown):
        listed = few([repr(name) for name in unknown.unique().to_pylist()])
        problems.append(f"{len(unknown):,} labels are none of the classes: {listed}")
    if problems:
        raise InputError(
            f"--from {path}: {'; '.join(problems)}.",
            "It must give every labelled file of the data set one of its classes.",
        )
