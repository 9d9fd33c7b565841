"""The seal of a table: every byte that holds a value is under it, and other software breaks it."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deftclean.table.seal import folder_digest, seal_holds, write_sealed

TABLE = pa.table(
    {"a": pa.array([1, None, 3]), "b": ["x", "y", "z"], "c": [[1], [], None]}
).replace_schema_metadata({b"deftclean": b'{"threshold": 0.5}', b"mine": b"\xff"})


def sealed(path, table=TABLE):
    write_sealed(table.schema, [table], path, ["b"])
    return path


def damaged(path, copy, at):
    """A copy whose byte at `at` differs in one bit."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    copy.write_bytes(data)
    return copy


def test_a_seal_holds_and_changes_no_value(tmp_path):
    path = sealed(tmp_path / "x.parquet")
    assert seal_holds(path) is True
    assert pq.read_table(path).equals(TABLE)
    assert sealed(tmp_path / "again.parquet").read_bytes() == path.read_bytes()


def test_every_byte_of_the_pages_is_under_the_seal(tmp_path):
    path = sealed(tmp_path / "x.parquet")
    end = len(path.read_bytes()) - 8 - int.from_bytes(path.read_bytes()[-8:-4], "little")
    assert end > 100
    for at in range(4, end):  # before them stands Parquet's own mark, without which none is read
        assert seal_holds(damaged(path, tmp_path / "y.parquet", at)) is False, at


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace_schema_metadata(
            {b"deftclean": b'{"threshold": 0.9}', b"mine": b"\xff"}
        ),
        lambda t: t.replace_schema_metadata({b"deftclean": b'{"threshold": 0.5}'}),
        lambda t: t.rename_columns(["b", "a", "c"]),
        lambda t: t.slice(0, 2),
    ],
)
def test_a_seal_of_another_table_does_not_hold(tmp_path, change):
    seal = pq.read_metadata(sealed(tmp_path / "x.parquet")).metadata[b"deftclean.sha256"]
    other = change(TABLE)
    with pq.ParquetWriter(
        tmp_path / "y.parquet", other.schema, compression="zstd", use_dictionary=["b"]
    ) as writer:
        writer.write_table(other)
        writer.add_key_value_metadata({"deftclean.sha256": seal.decode()})
    assert seal_holds(tmp_path / "y.parquet") is False


def test_what_other_software_writes_has_no_seal(tmp_path):
    pq.write_table(TABLE, tmp_path / "y.parquet")
    assert seal_holds(tmp_path / "y.parquet") is None


@pytest.mark.parametrize("seal", ["", "12", "x:y", "-1:00", f"{2**70}:00", ":"])
def test_a_seal_that_is_none(tmp_path, seal):
    with pq.ParquetWriter(tmp_path / "x.parquet", TABLE.schema) as writer:
        writer.write_table(TABLE)
        writer.add_key_value_metadata({"deftclean.sha256": seal})
    assert not seal_holds(tmp_path / "x.parquet")


def test_no_more_is_written_than_the_disk_takes(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        write_sealed(TABLE.schema, [TABLE], tmp_path / "gone" / "x.parquet", [])


names = st.text("abc", min_size=1, max_size=2)
folders = st.dictionaries(names, st.binary(max_size=3), max_size=3)


@settings(max_examples=60, deadline=None)
@given(one=folders, other=folders)
def test_folders_have_the_same_digest_only_if_they_are_the_same(tmp_path_factory, one, other):
    digests = []
    for content in (one, other):
        folder = tmp_path_factory.mktemp("folder")
        for name, data in reversed(content.items()):
            (folder / name).write_bytes(data)
        (folder / ".DS_Store").write_bytes(folder.name.encode())
        digests.append(folder_digest(folder))
    assert (digests[0] == digests[1]) is (one == other)
