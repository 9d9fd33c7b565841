"""Files with numbers of the user's own: every format, by row and by name, and every refusal."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from deftclean.core.errors import InputError
from deftclean.table.own_files import OwnFile, read_own

NAMES = pa.chunked_array([["a.png", "b.png", "c.png"]])
VALUES = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], dtype=np.float32)
ORDER = [2, 0, 1]  # of the lines of a file that has names


def read(path: Path) -> OwnFile:
    return read_own("--embeddings", path, NAMES, ("file_name", "path"))


def written(path: Path) -> Path:
    """The same numbers in each of the formats."""
    shuffled = [NAMES[at].as_py() for at in ORDER]
    match path.name:
        case "rows.npy":
            np.save(path, VALUES)
        case "half.npy":
            np.save(path, VALUES.astype(np.float16))
        case "rows.safetensors":
            save_file({"x": torch.from_numpy(VALUES)}, path)
        case "rows.csv":
            pd.DataFrame(VALUES).to_csv(path, index=False)
        case "named.csv":
            pd.DataFrame(VALUES[ORDER], columns=["u", "v"]).assign(path=shuffled).to_csv(
                path, index=False
            )
        case "named.parquet":
            pd.DataFrame(
                {"file_name": shuffled, "u": VALUES[ORDER, 0], "v": VALUES[ORDER, 1]}
            ).to_parquet(path)
        case "lists.parquet":
            lists = pa.array(VALUES[ORDER].tolist(), pa.list_(pa.float64()))
            pq.write_table(pa.table({"file_name": shuffled, "embedding": lists}), path)
        case "fixed.parquet":
            flat = pa.array(VALUES.ravel())
            pq.write_table(pa.table({"e": pa.FixedSizeListArray.from_arrays(flat, 2)}), path)
        case "lists.jsonl":
            lines = [
                f'{{"file_name": "{n}", "e": {v.tolist()}}}'
                for n, v in zip(shuffled, VALUES[ORDER], strict=True)
            ]
            path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(
    "name",
    [
        *("rows.npy", "half.npy", "rows.safetensors", "rows.csv", "named.csv", "named.parquet"),
        *("lists.parquet", "fixed.parquet", "lists.jsonl"),
    ],
)
def test_every_format_gives_each_row_its_own_numbers(tmp_path: Path, name: str) -> None:
    found = read(written(tmp_path / name))
    np.testing.assert_array_equal(np.asarray(found.values)[found.lines], VALUES)


def test_rows_without_a_line_are_known(tmp_path: Path) -> None:
    pd.DataFrame({"file_name": ["c.png", "zz.png"], "u": [1, 2], "v": [3, 4]}).to_csv(
        tmp_path / "x.csv", index=False
    )
    assert read(tmp_path / "x.csv").lines.tolist() == [-1, -1, 0]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.npy", np.zeros((2, 2)), r"has 2 lines; the data have 3 rows"),
        ("x.npy", np.zeros(3), r"holds 3; it must be a line of two or more numbers"),
        ("x.npy", np.zeros((3, 1)), r"holds 3 x 1; it must be"),
        ("x.npy", np.array([["a", "b"]] * 3), r"holds <U1, not numbers"),
        ("x.npy", np.zeros((3, 2), dtype=complex), r"holds complex128, not numbers"),
        ("x.npy", b"\x93NUMPY\x01", r"cannot be read"),
        ("x.npy", np.array([None] * 3, dtype=object), r"cannot be read: .*Python objects"),
        ("x.safetensors", b"\x08\0\0\0\0\0\0\0{}      ", r"holds 0 tensors"),
        ("x.safetensors", b"nothing", r"cannot be read"),
        ("x.txt", b"1 2", r"must end in .npy, .safetensors, .parquet"),
        ("x.csv", b"file_name,u,v\na.png,1,2\na.png,3,4\n", r'several lines of 1 files: "a.png"'),
        ("x.csv", b"file_name,u,v\nA.png,1,2\n", r"none is in the data: 'A.png', where the data"),
        ("x.csv", b"file_name,u,v\na.png,1,x\n", r"no numbers, or not in every line: v"),
        ("x.csv", b"file_name,path,u,v\na.png,a.png,1,2\n", r"several columns that may hold"),
        ("x.jsonl", b'{"e": [1, 2]}\n{"e": [1]}\n{"e": [1, 2]}\n', r"different lengths"),
        ("x.jsonl", b'{"e": [1, 2], "f": [1]}\n' * 3, r"several columns of lists: e, f"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, name, content, said: str) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    with pytest.raises(InputError, match=said) as caught:
        read(path)
    assert caught.value.message.startswith(f"--embeddings {path}")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder.npy").mkdir()
    for name in ("nix.npy", "folder.npy"):
        with pytest.raises(InputError, match="does not exist or is no file"):
            read(tmp_path / name)


def probabilities(columns: tuple[str, ...] | None, width: int) -> OwnFile:
    values = np.arange(3 * width, dtype=np.float32).reshape(3, width)
    return OwnFile("--pred-probs", Path("p.csv"), values, np.arange(3), columns)


def test_columns_are_put_in_the_order_of_the_classes() -> None:
    found = probabilities(("dog", "cat"), 2).of_classes(("cat", "dog"))
    assert found.values[0].tolist() == [1, 0]
    assert probabilities(None, 2).of_classes(("cat", "dog")).values[0].tolist() == [0, 1]
    assert probabilities(("0", "1"), 2).of_classes(("cat", "dog")).values[0].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("columns", "width", "said"),
    [
        (None, 3, "has 3 columns; there are 2 classes"),
        (("cat", "mouse"), 2, "no classes are mouse; of dog there is none"),
        (("cat", "dog", "x"), 3, "no classes are x"),
    ],
)
def test_columns_of_other_classes_are_refused(columns, width: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        probabilities(columns, width).of_classes(("cat", "dog"))
