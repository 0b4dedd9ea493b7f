"""What the workflow needs to know of a study before it runs: files, jobs, costs, code.

Read by the Snakefile, in every process that Snakemake starts: nothing heavy is imported here.
"""

from __future__ import annotations

import ast
import glob
import hashlib
import json
import os
import sys
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from noisescale import cost
from noisescale.errors import DataError, RecordError
from noisescale.grid import Run, digest, shards
from noisescale.study import Study

_PACKAGE = Path(__file__).parent
_MESSAGES = {"errors", "progress", "config", "schema"}
"""Modules that no result depends on: they say something, or accept or refuse."""

N_INPUTS = {"digits": 64}
"""Inputs of the data sets that do not have MNIST's 784, for the estimate of costs."""


@dataclass(frozen=True)
class Plan:
    """A study with the folder of its results."""

    study: Study
    folder: Path

    def check(self) -> None:
        """Check what would stop the workflow at its first job.

        Raises
        ------
        DataError
            The user's own data file is not there.
        RecordError
            The folder of the results cannot be written to.
        """
        own = self.study.dataset.path
        if own and not Path(own).expanduser().is_file():
            raise DataError(f"dataset.path: {own}: no such file; expected an .npz with your data")
        folder = self.folder
        while not folder.exists():
            folder = folder.parent
        if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
            raise RecordError(
                f"{self.folder}: cannot be written, as {folder} is not a folder that you may "
                "write to; mend that, or choose another place with --directory"
            )

    @cached_property
    def shards(self) -> dict[str, list[Run]]:
        """The runs of each training job, by the name of its shard."""
        return shards(self.study)

    def shard_path(self, shard: str) -> Path:
        """Return the Parquet file of a shard."""
        return self.folder / "runs" / f"{shard}.parquet"

    def digest(self, shard: str) -> str:
        """Return a short name of what a shard is to hold: its runs, and how they are evaluated."""
        return short(digest(self.shards[shard]), self.study.evaluations_per_decade)

    def seconds(self, shard: str) -> float:
        """Return about how long a shard takes to train from nothing, on one core or one GPU."""
        n_inputs = N_INPUTS.get(self.study.dataset.name, 784)
        total = sum(cost.run_seconds(run, n_inputs, 10) for run in self.shards[shard])
        return total / 50 if self.gpus else total

    @property
    def gpus(self) -> int:
        """GPUs that a training job asks for: one, unless the study keeps to the CPU."""
        if self.study.device == "auto":
            return int(bool(glob.glob("/dev/nvidia[0-9]*")))
        return int(self.study.device == "cuda")

    def minutes(self, shard: str) -> int:
        """Return a generous limit on a training job's run time."""
        return 15 + round(4 * self.seconds(shard) / 60)

    def summary(self) -> str:
        """Say how many runs are wanted, exist, and will be trained, in how many jobs."""
        missing = self.missing()
        wanted = sum(len(runs) for runs in self.shards.values())
        to_train = sum(missing.values())
        jobs = sum(n > 0 for n in missing.values())
        return (
            f"noisescale: study {self.study.name}: {wanted} runs wanted, "
            f"{wanted - to_train} up to date, {to_train} to train"
            + (f" in {jobs} job{'s' * (jobs > 1)}" if jobs else "")
        )

    def missing(self) -> dict[str, int]:
        """Count the runs of each shard that its file lacks, or has of other data or engine."""
        from noisescale.fingerprint import engine_fingerprint

        identity = {
            "engine_fingerprint": engine_fingerprint(),
            "evaluations_per_decade": self.study.evaluations_per_decade,
            "data_digest": self._data_digest(),
        }
        result = {}
        for shard, runs in self.shards.items():
            present = self._present(shard, identity)
            result[shard] = sum(run.run_id not in present for run in runs)
        return result

    def _present(self, shard: str, identity: dict[str, Any]) -> set[str]:
        path = self.shard_path(shard)
        if not path.exists():
            return set()
        from noisescale.records import read_metadata

        try:
            metadata = read_metadata(path)
        except RecordError:
            return set()
        if any(metadata.get(key) != value for key, value in identity.items()):
            return set()
        return set(metadata.get("run_ids", ()))

    def _data_digest(self) -> str | None:
        """Return the digest of the prepared data; None where they are to be prepared (again)."""
        path, spec = self.folder / "data.npz", self.study.dataset
        if not path.exists():
            return None
        from noisescale.data import read_meta
        from noisescale.records import sha256

        try:
            meta = read_meta(path)
        except DataError:
            return None
        same = meta["name"] == spec.name and (not spec.path or meta["source"] == sha256(spec.path))
        return meta["digest"] if same else None


def export_python() -> None:
    """Have the jobs that this process starts run this Python and this package.

    A conda environment that Snakemake activates puts its own Python before it.
    """
    paths = {"PATH": str(Path(sys.executable).parent), "PYTHONPATH": str(_PACKAGE.parent)}
    for variable, path in paths.items():
        others = [p for p in os.environ.get(variable, "").split(os.pathsep) if p and p != path]
        os.environ[variable] = os.pathsep.join([path, *others])


def short(*parts: Any) -> str:
    """Return a short digest of anything made of plain data, dataclasses or runs.

    Snakemake re-runs a job when a parameter changes; a digest keeps its reason readable.
    """
    text = json.dumps(parts, sort_keys=True, default=asdict)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def code(*modules: str) -> list[str]:
    """Return the source files that modules of this package are made of.

    Snakemake sees neither edits of imported modules nor of packages: a rule names these files as
    its input. Found by following the imports, so that no list can go stale; modules that only say
    something to the user are left out.

    Parameters
    ----------
    *modules
        Names within the package, such as ``shard`` or ``figures.sweeps``.

    Returns
    -------
    list of str
        Paths relative to the working directory where they lie below it.
    """
    found: set[Path] = set()
    left = list(modules)
    while left:
        name = left.pop()
        base = _PACKAGE.joinpath(*name.split("."))
        path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        if name in _MESSAGES or path in found or not path.is_file():
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                package = f"{node.module}."
                if package.startswith("noisescale."):
                    inner = node.module.removeprefix("noisescale").removeprefix(".")
                    left += [inner] if inner else []
                    # `from package import module` names modules; what are not, are no files.
                    left += [f"{inner}.{alias.name}".lstrip(".") for alias in node.names]
    return sorted(shown(path) for path in found)


def shown(path: Path) -> str:
    """Return a path relative to the working directory where it lies below it.

    So that a copied or moved repository re-runs nothing.
    """
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
