"""Notice before a call what has been damaged since it was written, so that it is made again.

Snakemake compares times and, where these have changed, checksums: it does not see a bit that flips,
nor a file that is cut and keeps its time. What misses its checksum file, it makes again; a training
job that runs keeps what is sound.
"""

from __future__ import annotations

import sys
from pathlib import Path

from noisescale.planning.plan import Plan
from noisescale.results.completeness import is_intact
from noisescale.storage.digests import fits_checksum, loads_verified, write_checksum
from noisescale.storage.files import not_writable
from noisescale.study.grid import Run


def repair(plan: Plan, missing: dict[str, list[Run]]) -> list[Path]:
    """Have the next call make again what is damaged in a study's folder; return what that is.

    Nothing is deleted but checksums, and laws that cannot be read.

    Parameters
    ----------
    plan
        The study.
    missing
        The runs of each shard that are to be trained, from `Plan.missing`.

    Raises
    ------
    RecordError
        The folder cannot be written to.
    """
    damaged = []
    for checksum in sorted(plan.folder.rglob("*.sha256")):
        path = checksum.with_suffix("")
        if not path.exists() or fits_checksum(path):
            continue
        if is_intact(path):  # the checksum is damaged, or a bit that carries nothing
            print(f"noisescale: {path}: not its checksum, but sound; kept", file=sys.stderr)
            write_checksum(path)
        else:
            damaged.append(path)
            _remove(checksum)
    laws = plan.folder / "scaling_laws.json"
    try:
        loads_verified(laws.read_text(encoding="utf-8"))
    except FileNotFoundError:
        pass
    except (OSError, ValueError):
        damaged.append(laws)
        _remove(laws)
    for path in damaged:
        print(f"noisescale: {path}: not what was written; made again", file=sys.stderr)
    for shard, runs in missing.items():
        # A sound file, but an older one, or of another shard.
        if runs:
            _remove(Path(f"{plan.shard_path(shard)}.sha256"))
    return damaged


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise not_writable(path, error) from error
