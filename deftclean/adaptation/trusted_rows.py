"""The rows that a classifier is tested on, as far as a table tells: before any picture is read."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deftclean.core.errors import InputError
from deftclean.core.text import few
from deftclean.data.manifest import Manifest, read_manifest
from deftclean.data.options import ManifestOptions


@dataclass(frozen=True)
class TrustedRows:
    """What is there to test on.

    Attributes:
        path: as it was given.
        manifest: N rows.
        reading: with which it was read.
        unknown: how many rows have a label that is none of the classes, by label.
        without_class: how many rows have no label, or such a one.
    """

    path: Path
    manifest: Manifest
    reading: ManifestOptions
    unknown: Counter[str]
    without_class: int

    def about_unknown(self) -> str:
        """Which labels are none of the classes, for people."""
        listed = few([f"{label!r} ({count:,})" for label, count in self.unknown.most_common()])
        return (
            f"{self.unknown.total():,} of {len(self.manifest):,} test rows have a label that is "
            f"none of the classes, and are not tested on: {listed}"
        )


def read_trusted_rows(
    test: str | Path, folder: str | Path | None, class_names: Sequence[str]
) -> TrustedRows:
    """Read labels that are believed.

    Args:
        test: folder with class sub-folders, or a table.
        folder: of the pictures, where a table does not stand in it.
        class_names: K.

    Raises:
        InputError: it cannot be read, or no label is one of the classes.
    """
    path, known = Path(test), set(class_names)
    reading = ManifestOptions(known_labels={name: name for name in class_names})
    data, labels = (Path(folder), path) if folder is not None else (path, None)
    manifest = read_manifest(data, labels, reading)
    counts = Counter(manifest.given_labels.drop_null().to_pylist())
    unknown = Counter({label: count for label, count in counts.items() if label not in known})
    tested = counts.total() - unknown.total()
    if not counts:
        columns = ", ".join(map(repr, manifest.columns.column_names)) or "none"
        raise InputError(
            f"{path}: none of its {len(manifest):,} rows has a label; its columns are {columns}.",
            "Call the column of labels 'label'.",
        )
    if not tested:
        listed = few([repr(label) for label, _count in unknown.most_common()]) or "none"
        raise InputError(
            f"{path}: none of its {len(manifest):,} labels is one of the {len(class_names):,} "
            f"classes that are trained. Its labels: {listed}; the classes: "
            f"{few([repr(name) for name in class_names])}.",
        )
    return TrustedRows(path, manifest, reading, unknown, len(manifest) - tested)
