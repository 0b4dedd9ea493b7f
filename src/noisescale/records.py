"""Result tables: typed Parquet with provenance, written whole or not at all, checked when read.

Parquet has checksums for its data, but none for its headers; so a table carries a digest of what
it says. (The ``.sha256`` beside it is for Snakemake, and may lag behind when a writer is killed.)
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata as distributions
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from noisescale.errors import RecordError
from noisescale.sealed import digest_of

SCHEMA_VERSION = 1
_KEY = b"noisescale"
_AGAIN = "delete the file and run the workflow again"

RUNS = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("hidden", pa.string(), nullable=False),
        pa.field("preprocessing", pa.string(), nullable=False),
        pa.field("train_size", pa.int32(), nullable=False),
        pa.field("batch_size", pa.int32(), nullable=False),
        pa.field("learning_rate", pa.float64(), nullable=False),
        pa.field("momentum", pa.float64(), nullable=False),
        pa.field("weight_decay", pa.float64(), nullable=False),
        pa.field("label_noise", pa.float64(), nullable=False),
        pa.field("updates", pa.int32(), nullable=False),
        pa.field("seed", pa.int32(), nullable=False),
        pa.field("noise_scale", pa.float64(), nullable=False),
        pa.field("update", pa.int32(), nullable=False),
        pa.field("epoch", pa.float64(), nullable=False),
        pa.field("train_accuracy", pa.float32(), nullable=False),
        pa.field("train_cross_entropy", pa.float32()),
        pa.field("test_accuracy", pa.float32(), nullable=False),
        pa.field("test_cross_entropy", pa.float32()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("diverged_at", pa.int32()),
        pa.field("train_seconds", pa.float32(), nullable=False),
    ]
)
"""One row per run and evaluation. Cross-entropies are means in nats; null once not finite."""

EVIDENCE = pa.schema(
    [
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("preprocessing", pa.string(), nullable=False),
        pa.field("seed", pa.int32(), nullable=False),
        pa.field("label_noise", pa.float64(), nullable=False),
        pa.field("prior_precision", pa.float64(), nullable=False),
        pa.field("train_size", pa.int32(), nullable=False),
        pa.field("test_size", pa.int32(), nullable=False),
        pa.field("n_parameters", pa.int32(), nullable=False),
        pa.field("log_evidence_ratio", pa.float64(), nullable=False),
        pa.field("log_evidence_ratio_per_example", pa.float64(), nullable=False),
        pa.field("cost", pa.float64(), nullable=False),
        pa.field("half_log_determinant", pa.float64(), nullable=False),
        pa.field("train_accuracy", pa.float64(), nullable=False),
        pa.field("test_accuracy", pa.float64(), nullable=False),
        pa.field("train_cross_entropy", pa.float64(), nullable=False),
        pa.field("test_cross_entropy", pa.float64(), nullable=False),
        pa.field("margin", pa.float64(), nullable=False),
        pa.field("weight_norm", pa.float64(), nullable=False),
        pa.field("gradient_norm", pa.float64(), nullable=False),
        pa.field("newton_steps", pa.int32(), nullable=False),
    ]
)
"""One row per seed, label noise and prior precision λ. Evidence and cost in nats (sums)."""

_CLAIM = ("name", "figure", "paper", "measured", "criterion", "verdict", "together", "unit")
CLAIMS = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in (*_CLAIM, "picture", "data")),
        *(pa.field(name, pa.float64()) for name in ("estimate", "low", "high")),
    ]
)
"""One row per claim of the paper, see `verdicts.Claim`; files relative to the study's folder."""

AGREEMENT = pa.schema(
    [
        pa.field("label_noise", pa.float64(), nullable=False),
        pa.field("n_seeds", pa.int32(), nullable=False),
        *(
            pa.field(name + end, pa.float64())
            for name in ("decades", "rank_correlation")
            for end in ("", "_low", "_high")
        ),
    ]
)
"""One row per label noise of the evidence sweep, see `agreement.agreement`."""

PACKAGES = ("noisescale", "snakemake", "torch", "torchvision", "numpy", "scipy", "scikit-learn")
PACKAGES += ("pandas", "pyarrow", "matplotlib", "seaborn")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it into place when the block succeeds.

    Raises
    ------
    RecordError
        The folder cannot be written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    os.close(handle)
    # mkstemp is private to its owner; results are as readable as any other new file.
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(name, 0o666 & ~umask)
    try:
        yield Path(name)
        # On the disk before it has its name, and its name before anyone relies on it: else a
        # machine that loses power may keep the name and lose the content.
        _flush(Path(name))
        os.replace(name, path)
        _flush(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            Path(name).unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> RecordError:
    """Return the error that says why a file cannot be written, and what to do."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    mend = "make room" if full else "make the folder writable or choose another with --directory"
    return RecordError(
        f"{path}: cannot be written ({error.strerror or error}); {mend}, and run the workflow again"
    )


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(path: Path) -> None:
    """Delete what killed processes have left of attempts to write `path`, or what it names.

    No other process may be writing it, see `noisescale.alone`.
    """
    path = Path(path)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*"):
        leftover.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def fits_checksum(path: Path) -> bool:
    """Return whether a file is what the ``.sha256`` beside it says."""
    try:
        text = Path(f"{path}.sha256").read_text(encoding="utf-8")
        return text == _checksum(path)
    except (OSError, UnicodeDecodeError):
        return False


def _checksum(path: Path) -> str:
    return f"{sha256(path)}  {Path(path).name}\n"


def write_checksum(path: Path) -> None:
    """Write ``path.sha256`` in the format of ``sha256sum``.

    It is what Snakemake compares in place of a large file's time of change: a touched or copied
    result re-runs nothing.
    """
    write_text(Path(f"{path}.sha256"), _checksum(path))


def sha256(path: Path) -> str:
    """Return the SHA-256 digest of a file in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_table(path: Path, table: pa.Table, schema: pa.Schema, metadata: dict[str, Any]) -> None:
    """Write a table with its provenance, and its checksum beside it.

    Parameters
    ----------
    path
        The file; missing folders are made.
    table
        Columns as in `schema`; cast to its types.
    metadata
        JSON-ready; stored under the key ``noisescale`` with the schema's version.

    Raises
    ------
    RecordError
        The file cannot be written, or a number that must be finite is not.
    """
    metadata = {"schema_version": SCHEMA_VERSION} | metadata
    table = table.select(schema.names).cast(schema)
    _check_values(path, table)
    # As its reader will see it: lists for tuples, text for keys.
    metadata = json.loads(json.dumps(metadata))
    metadata["digest"] = _digest(table, metadata)
    table = table.replace_schema_metadata({_KEY: json.dumps(metadata).encode()})
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
    write_checksum(path)


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a table that `write_table` wrote.

    Raises
    ------
    RecordError
        The file is missing, damaged, of another schema, or from another version, or a number that
        must be finite is not.
    """
    metadata = read_metadata(path)
    try:
        # Not partitioned: else an "=" in the name of a folder would make a column.
        table = pq.read_table(path, page_checksum_verification=True, partitioning=None)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if not table.schema.equals(schema):
        raise RecordError(
            f"{path}: its columns are not those of noisescale's schema {SCHEMA_VERSION}; {_AGAIN}"
        )
    _check_values(path, table)
    # Tables of earlier versions have none.
    if metadata.pop("digest", None) not in (None, _digest(table, metadata)):
        raise _damaged(path, "its content is not that of its digest")
    return table


def is_sound(path: Path) -> bool:
    """Return whether a file is a table of ours that its own digest vouches for."""
    for schema in (RUNS, EVIDENCE, CLAIMS, AGREEMENT):
        with contextlib.suppress(RecordError):
            read_table(path, schema)
            return "digest" in read_metadata(path)
    return False


def _digest(table: pa.Table, metadata: dict[str, Any]) -> str:
    """Return a digest of a table's values and its provenance, however a file encodes them."""
    digest = hashlib.sha256(digest_of(metadata).encode())
    for name, column in zip(table.column_names, table.columns, strict=True):
        digest.update(f"{name} {column.type} {len(column)} ".encode())
        digest.update(column.is_null().to_numpy().tobytes())
        if pa.types.is_string(column.type):
            digest.update(json.dumps(column.to_pylist()).encode())
        else:
            digest.update(column.fill_null(0).to_numpy().tobytes())
    return digest.hexdigest()


def _check_values(path: Path, table: pa.Table) -> None:
    """Check that numbers are finite where none may be absent."""
    for field in table.schema:
        if field.nullable or not pa.types.is_floating(field.type):
            continue
        if not pc.all(pc.is_finite(table[field.name]), min_count=0).as_py():
            raise RecordError(f"{path}: {field.name} has values that are not finite; {_AGAIN}")


def read_metadata(path: Path) -> dict[str, Any]:
    """Return the provenance stored in a table's file; same errors as `read_table`."""
    path = Path(path)
    if not path.is_file():
        raise RecordError(f"{path}: no such file; run the workflow to make it")
    try:
        stored = pq.read_metadata(path).metadata or {}
        metadata = json.loads(stored[_KEY])
        version = metadata["schema_version"]
    except (KeyError, TypeError) as error:
        raise RecordError(
            f"{path}: not written by noisescale; move it away and run the workflow again"
        ) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if version != SCHEMA_VERSION:
        raise RecordError(f"{path}: schema version {version}, expected {SCHEMA_VERSION}; {_AGAIN}")
    return metadata


def _damaged(path: Path, reason: object) -> RecordError:
    first = (str(reason).splitlines() or [type(reason).__name__])[0]
    return RecordError(f"{path}: damaged or truncated ({first}); {_AGAIN}")


def provenance() -> dict[str, Any]:
    """Return where and with what a result was made: versions, machine, git state, time (UTC)."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(distributions.PackageNotFoundError):
            versions[name] = distributions.version(name)
    return {
        "versions": versions,
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
        "git": _git(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def _git() -> dict[str, Any] | None:
    """Return the commit of this module's source tree, or None outside a checkout."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(Path(__file__).parent), *arguments],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return None
