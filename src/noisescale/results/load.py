"""The results of a study: its tables and laws, read and checked together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Self

import pandas as pd

from noisescale.errors import RecordError
from noisescale.results.completeness import read_evidence, read_runs
from noisescale.results.scaling_laws import ScalingLaws
from noisescale.storage.digests import loads_verified
from noisescale.study.model import Study


@dataclass(frozen=True)
class ResultPaths:
    """The files of a study's results.

    Attributes
    ----------
    study
        The resolved study, ``study.json``.
    runs, laws
        ``runs.parquet`` and ``scaling_laws.json``; None where there are no trainings, or where they
        are not needed.
    evidence
        ``evidence.parquet``; None where there is no evidence sweep, or where it is not needed.
    """

    study: Path
    runs: Path | None = None
    evidence: Path | None = None
    laws: Path | None = None

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """Return the paths in a study's folder, of all files that the study has.

        Parameters
        ----------
        folder
            ``results/<study>``, or a published study.

        Raises
        ------
        RecordError
            The study cannot be read.
        """
        folder = Path(folder)
        study = Study.read(folder / "study.json")
        return cls(
            study=folder / "study.json",
            runs=folder / "runs.parquet" if study.experiments else None,
            evidence=folder / "evidence.parquet" if study.evidence is not None else None,
            laws=folder / "scaling_laws.json" if study.experiments else None,
        )


@dataclass(frozen=True)
class Results:
    """The results of a study; those that were not read are None.

    Attributes
    ----------
    study
        The resolved study.
    runs, evidence
        Columns as in `schemas.RUNS` and `schemas.EVIDENCE`.
    laws
        The peaks and the laws fitted to them.
    """

    study: Study
    runs: pd.DataFrame | None
    evidence: pd.DataFrame | None
    laws: ScalingLaws | None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read and check all results in a study's folder.

        Parameters
        ----------
        folder
            ``results/<study>``, or a published study.

        Raises
        ------
        RecordError
            A file is missing, damaged, not one of ours, or lacks something that the study expects.
        """
        return cls.read_paths(ResultPaths.in_folder(folder))

    @classmethod
    def read_paths(cls, paths: ResultPaths) -> Self:
        """Read and check the files that are given.

        Parameters
        ----------
        paths
            The files; those that are None are not read.

        Raises
        ------
        RecordError
            A file is missing, damaged, not one of ours, or lacks something that the study expects.
        """
        study = Study.read(paths.study)
        return cls(
            study=study,
            runs=None if paths.runs is None else read_runs(paths.runs, study),
            evidence=None if paths.evidence is None else read_evidence(paths.evidence, study),
            laws=None if paths.laws is None else ScalingLaws.read(paths.laws),
        )

    @property
    def required_runs(self) -> pd.DataFrame:
        """The runs, for readers that need them.

        Raises
        ------
        RecordError
            They were not read.
        """
        if self.runs is None:
            raise RecordError(
                "the runs of the study are needed but were not given; pass their file"
            )
        return self.runs

    @property
    def required_evidence(self) -> pd.DataFrame:
        """The evidence, for readers that need it.

        Raises
        ------
        RecordError
            It was not read.
        """
        if self.evidence is None:
            raise RecordError("the evidence is needed but was not given; pass its file")
        return self.evidence


def load_results(folder: str | PathLike[str]) -> Results:
    """Read and verify all results of a study.

    Parameters
    ----------
    folder
        ``results/<study>``, or a published study.

    Returns
    -------
    Results
        The study with its runs, evidence and laws, as far as it has them.

    Raises
    ------
    RecordError
        A file is missing or damaged, or lacks something that the study expects.

    Examples
    --------
    >>> import noisescale as ns
    >>> results = ns.load_results("docs/mnist")
    >>> sorted(results.laws.exponents)
    ['learning_rate', 'momentum', 'train_size']
    """
    return Results.read(Path(folder))


def load_runs(folder: str | PathLike[str]) -> pd.DataFrame:
    """Read the learning curves of all runs of a study.

    Parameters
    ----------
    folder
        ``results/<study>``, or a published study.

    Returns
    -------
    pandas.DataFrame
        A row for each run and evaluation; columns as in `schemas.RUNS`.

    Raises
    ------
    RecordError
        The file is missing or damaged, or lacks runs of the study.

    Examples
    --------
    >>> import noisescale as ns
    >>> runs = ns.load_runs("docs/mnist")
    >>> final = runs[runs["update"] == runs["updates"]]
    >>> final["run_id"].is_unique
    True
    """
    folder = Path(folder)
    return read_runs(folder / "runs.parquet", Study.read(folder / "study.json"))


def read_results(
    study_path: Path,
    runs_path: Path | None,
    evidence_path: Path | None,
    laws_path: Path | None,
) -> Results:
    """Read and check the files that are given, see `Results.read_paths`."""
    return Results.read_paths(ResultPaths(study_path, runs_path, evidence_path, laws_path))


def read_json(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """Return the contents of a verified JSON file.

    Parameters
    ----------
    path
        The file, written by `noisescale.storage.digests.dumps_verified`.
    keys
        Keys that it must have.

    Raises
    ------
    RecordError
        The file is missing, damaged, or lacks a key.
    """
    try:
        content = loads_verified(Path(path).read_text(encoding="utf-8"))
        if absent := set(keys) - content.keys():
            raise ValueError(f"no {min(absent)}")
        return content
    except (OSError, ValueError) as error:
        raise RecordError(
            f"{path}: cannot be read ({type(error).__name__}: {error}); "
            "give the right file, or run the workflow again"
        ) from error
