"""Result tables: typed Parquet with provenance, written completely, verified when read.

Parquet has checksums for its data, but none for its headers; therefore each table carries a digest
of its values and its metadata.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from noisescale.errors import RecordError
from noisescale.storage.digests import json_digest
from noisescale.storage.files import atomic_write

SCHEMA_VERSION = 1
_KEY = b"noisescale"
_AGAIN = "give the right file, or run the workflow again"


def write_table(path: Path, table: pa.Table, schema: pa.Schema, metadata: dict[str, Any]) -> None:
    """Write a table with its provenance.

    Parameters
    ----------
    path
        The file; missing folders are created.
    table
        Has the columns of `schema`, which are cast to its types.
    schema
        Names, types and nullability of the columns.
    metadata
        Plain data; stored as JSON under the key ``noisescale``, with the version of the schemas and
        a digest of the table.

    Raises
    ------
    RecordError
        The file cannot be written, or a number that must be finite is not.
    """
    metadata = {"schema_version": SCHEMA_VERSION} | metadata
    table = table.select(schema.names).cast(schema)
    _check_values(path, table)
    # As `json.loads` returns it: lists for tuples, strings for keys.
    metadata = json.loads(json.dumps(metadata))
    metadata["digest"] = _digest(table, metadata)
    table = table.replace_schema_metadata({_KEY: json.dumps(metadata).encode()})
    with atomic_write(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a table that `write_table` wrote, and verify it.

    Parameters
    ----------
    path
        The file.
    schema
        The columns that it must have.

    Raises
    ------
    RecordError
        The file is missing, damaged, of another schema or version, or a number that must be finite
        is not.
    """
    metadata = read_metadata(path)
    try:
        # Without partitioning: otherwise an "=" in the name of a folder would make a column.
        table = pq.read_table(path, page_checksum_verification=True, partitioning=None)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if not table.schema.equals(schema):
        raise RecordError(
            f"{path}: its columns are not those of noisescale's schema {SCHEMA_VERSION}; {_AGAIN}"
        )
    _check_values(path, table)
    # Tables of earlier versions have no digest.
    if metadata.pop("digest", None) not in (None, _digest(table, metadata)):
        raise _damaged(path, "content does not match its digest")
    return table


def _digest(table: pa.Table, metadata: dict[str, Any]) -> str:
    """Return a digest of a table's values and metadata, independent of their encoding in a file."""
    digest = hashlib.sha256(json_digest(metadata).encode())
    for name, column in zip(table.column_names, table.columns, strict=True):
        digest.update(f"{name} {column.type} {len(column)} ".encode())
        digest.update(column.is_null().to_numpy().tobytes())
        if pa.types.is_string(column.type):
            digest.update(json.dumps(column.to_pylist()).encode())
        else:
            digest.update(column.fill_null(0).to_numpy().tobytes())
    return digest.hexdigest()


def _check_values(path: Path, table: pa.Table) -> None:
    """Check that numbers are finite in the columns that have no nulls."""
    for field in table.schema:
        if field.nullable or not pa.types.is_floating(field.type):
            continue
        if not pc.all(pc.is_finite(table[field.name]), min_count=0).as_py():
            raise RecordError(f"{path}: {field.name} has values that are not finite; {_AGAIN}")


def read_metadata(path: Path) -> dict[str, Any]:
    """Return the metadata in a table's file without verifying them; errors as `read_table`."""
    path = Path(path)
    if not path.is_file():
        raise RecordError(f"{path}: no such file; run the workflow to create it")
    try:
        stored = pq.read_metadata(path).metadata or {}
        metadata = json.loads(stored[_KEY])
        version = metadata["schema_version"]
    except (KeyError, TypeError) as error:
        raise RecordError(f"{path}: not written by noisescale; {_AGAIN}") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if version != SCHEMA_VERSION:
        raise RecordError(f"{path}: schema version {version}, expected {SCHEMA_VERSION}; {_AGAIN}")
    return metadata


def _damaged(path: Path, reason: object) -> RecordError:
    first = (str(reason).splitlines() or [type(reason).__name__])[0]
    return RecordError(f"{path}: damaged or truncated ({first}); {_AGAIN}")
