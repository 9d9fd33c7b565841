"""Images that lie in a Parquet column, copied once to a flat file for random access.

Parquet gives out whole row groups; a shuffled epoch over one would read everything many times.
Row groups stream through, so memory stays flat.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deftclean.columns import ImageColumn
from deftclean.errors import InputError, RunError
from deftclean.images import SpooledImages

_ROWS_AT_ONCE = 256


def spool_images(column: ImageColumn, path: Path) -> SpooledImages:
    """Copy the image bytes of every row to `path`.

    Raises:
        InputError: the table is damaged.
        RunError: the disk is full.
    """
    name = f"{column.name}.bytes" if column.nested else column.name
    sizes, present = [], []
    try:
        with pq.ParquetFile(column.table) as file, path.open("wb") as spool:
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=[name]):
                values = batch.column(0)
                if column.nested:
                    values = pc.struct_field(values, "bytes")
                for value in values:
                    data = value.as_py()
                    spool.write(data or b"")
                    sizes.append(len(data or b""))
                    present.append(data is not None)
    except pa.ArrowException as error:
        raise InputError(
            f"{column.table} cannot be read: {str(error).splitlines()[0]}", "Is the file whole?"
        ) from error
    except OSError as error:
        raise RunError(
            f"The images of {column.table.name} could not be unpacked to the temporary folder: "
            f"{error.strerror or error}.",
            "It needs as much space as the images; set TMPDIR to a larger disk.",
        ) from error
    return SpooledImages(path, np.cumsum(sizes, dtype=np.int64), np.array(present, dtype=bool))
