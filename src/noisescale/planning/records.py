"""Records of what each stage built its results from, which show whether they are up to date.

A record is a small JSON file, ``records/<stage>.json``. It holds only digests: of the files that
the stage read and wrote, of its code, and of the parts of the study that its results depend on.
Results are up to date as long as all digests match; modification times are ignored. A result file
that does not match its digest is damaged, or was replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from noisescale.errors import RecordError
from noisescale.planning.plan import Plan
from noisescale.planning.stages import RECORDS, stage_names, study_stage
from noisescale.storage.digests import dumps_verified, loads_verified, sha256
from noisescale.storage.files import write_text
from noisescale.study.model import Study

Digests = dict[str, str | None]
"""SHA-256 digests of files by their names; None for a file that cannot be read."""


@dataclass(frozen=True)
class Record:
    """The digests of a stage's inputs and results.

    Attributes
    ----------
    study
        See `Stage.study_digest`.
    code
        See `Stage.code_digest`.
    sources
        Digests of the source files of the code, by their paths relative to the package. If they
        match, the code need not be parsed.
    inputs, outputs
        Digests of the files, by the names that `Stage` gives them.
    """

    study: str
    code: str
    sources: Digests
    inputs: Digests
    outputs: Digests

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return the record in a file; None where there is none, or a damaged one."""
        try:
            content = loads_verified(path.read_text(encoding="utf-8"))
            files = (dict(content[name]) for name in ("sources", "inputs", "outputs"))
            return cls(str(content["study"]), str(content["code"]), *files)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Write the record to a file; errors as `noisescale.storage.files.atomic_write`."""
        write_text(path, dumps_verified(asdict(self), indent=1, sort_keys=True) + "\n")


def file_digest(path: Path) -> str | None:
    """Return the SHA-256 digest of a file; None where it cannot be read."""
    try:
        return sha256(path)
    except OSError:
        return None


def digests(
    paths: Mapping[str, Path], digest: Callable[[Path], str | None] = file_digest
) -> Digests:
    """Return the digests of files by their names."""
    return {name: digest(path) for name, path in paths.items()}


class Recorder:
    """Writes the record of a stage that is about to run; call `finish` when it has succeeded.

    Parameters
    ----------
    path
        ``results/<study>/records/<stage>.json``; the study is that of ``study.json`` in its folder.

    Raises
    ------
    RecordError
        The study cannot be read, or the path is not that of a stage's record.
    """

    def __init__(self, path: Path) -> None:
        folder = path.parent.parent
        plan = Plan(Study.read(folder / "study.json"), folder)
        if path.stem not in stage_names(plan):
            raise RecordError(
                f"{path}: not the record of a stage of study {plan.study.name}; expected one of "
                f"{', '.join(stage_names(plan))} in the folder {RECORDS} of its results"
            )
        self._stage = study_stage(plan, path.stem)
        # Computed before the stage runs, so that inputs that change meanwhile are detected.
        self._made_from = (
            self._stage.study_digest(),
            self._stage.code_digest(),
            digests(self._stage.sources()),
            digests(self._stage.inputs),
        )

    def finish(self) -> None:
        """Write the record; errors as `noisescale.storage.files.atomic_write`."""
        outputs = digests(self._stage.output_paths())
        Record(*self._made_from, outputs).write(self._stage.record)
