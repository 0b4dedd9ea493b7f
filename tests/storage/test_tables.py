"""Result files: typed, with provenance, written completely, verified when read."""

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.synthetic import synthetic_evidence, synthetic_study

from noisescale.errors import RecordError
from noisescale.results.schemas import EVIDENCE, RUNS
from noisescale.storage.files import atomic_write, write_text
from noisescale.storage.provenance import collect_provenance
from noisescale.storage.tables import SCHEMA_VERSION, read_metadata, read_table, write_table


@pytest.fixture
def table():
    frame = synthetic_evidence(synthetic_study())
    return pa.Table.from_pandas(frame, preserve_index=False)


@pytest.fixture
def path(tmp_path, table):
    path = tmp_path / "results" / "evidence.parquet"
    write_table(path, table, EVIDENCE, {"kind": "evidence", "seconds": 1.5})
    return path


def test_a_table_comes_back_with_its_types_and_provenance(path, table):
    read = read_table(path, EVIDENCE)
    assert read.schema.equals(EVIDENCE)
    assert read.num_rows == table.num_rows
    metadata = read_metadata(path)
    assert metadata["seconds"] == 1.5 and metadata["schema_version"] == SCHEMA_VERSION


def test_a_table_is_the_only_file_that_is_written(path):
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "result.txt"
    target.write_text("old")
    with pytest.raises(ValueError), atomic_write(target) as temporary:
        temporary.write_text("half")
        raise ValueError
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["result.txt"]


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecordError) as error:
        read_table(tmp_path / "none.parquet", RUNS)
    assert "none.parquet: no such file" in one_line(error)


@pytest.mark.parametrize("damage", ["truncated", "emptied", "bit flipped", "text"])
def test_a_damaged_file_is_named_with_the_remedy(path, damage):
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        content = content[: len(content) // 2]
    elif damage == "emptied":
        content = b""
    elif damage == "bit flipped":
        content[len(content) // 3] ^= 4
    else:
        content = b"not a table"
    path.write_bytes(content)
    with pytest.raises(RecordError) as error:
        read_table(path, EVIDENCE)
    text = one_line(error)
    assert str(path) in text and "or run the workflow again" in text


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "theirs.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(RecordError, match="not written by noisescale"):
        read_table(path, RUNS)


def test_a_table_of_another_kind_or_version_is_refused(path, table, tmp_path):
    with pytest.raises(RecordError, match="columns are not those"):
        read_table(path, RUNS)
    old = tmp_path / "old.parquet"
    write_table(old, table, EVIDENCE, {"schema_version": 0})
    with pytest.raises(RecordError, match="schema version 0, expected"):
        read_table(old, EVIDENCE)


def test_a_folder_that_cannot_be_written_to_gives_one_line(tmp_path):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    with pytest.raises(RecordError) as error:
        write_text(blocked / "x" / "report.html", "page")
    assert "cannot be written" in one_line(error)


def test_new_files_have_the_users_usual_permissions(tmp_path):
    os.umask(0o022)
    write_text(tmp_path / "a.txt", "text")
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o644


def test_provenance_names_versions_machine_git_and_time():
    made = collect_provenance()
    json.dumps(made)
    assert made["versions"]["pyarrow"] == pa.__version__
    assert {"machine", "git", "created"} <= set(made)
