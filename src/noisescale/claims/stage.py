"""The stage that evaluates the paper's claims and writes them as a table."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pyarrow as pa

from noisescale.claims.agreement import evidence_agreement
from noisescale.claims.claim import Claim, Verdict
from noisescale.claims.evaluate import evaluate_claims
from noisescale.results.load import ResultPaths, Results
from noisescale.results.schemas import AGREEMENT, CLAIMS
from noisescale.storage.provenance import collect_provenance
from noisescale.storage.tables import read_table, write_table


def claims_stage(
    study_path: Path,
    runs_path: Path | None,
    evidence_path: Path | None,
    laws_path: Path | None,
    output: Path,
) -> None:
    """Evaluate the claims: write ``claims.parquet`` and ``agreement.parquet`` into a folder.

    Parameters
    ----------
    study_path
        The resolved study as JSON.
    runs_path, evidence_path, laws_path
        Collected results and scaling laws; None for a study without trainings or without evidence.
    output
        The folder.

    Raises
    ------
    RecordError
        A file is missing, damaged, or not one of ours.
    """
    results = Results.read_paths(ResultPaths(study_path, runs_path, evidence_path, laws_path))
    provenance = collect_provenance()
    rows = [asdict(claim) | claim_files(claim) for claim in evaluate_claims(results)]
    claims = pa.Table.from_pylist(rows, schema=CLAIMS)
    write_table(output / "claims.parquet", claims, CLAIMS, {"kind": "claims", **provenance})
    agreement = pd.DataFrame(columns=AGREEMENT.names)
    if results.evidence is not None:
        agreement = evidence_agreement(results.evidence, results.study.statistics.confidence)
    write_table(
        output / "agreement.parquet",
        pa.Table.from_pandas(agreement, schema=AGREEMENT, preserve_index=False),
        AGREEMENT,
        {"kind": "agreement", **provenance},
    )


def claim_files(claim: Claim) -> dict[str, str]:
    """Return where a claim's figure and its data are, relative to the study's folder.

    Parameters
    ----------
    claim
        The claim.

    Returns
    -------
    dict
        The columns ``picture`` and ``data`` of `schemas.CLAIMS`.
    """
    stem = f"figures/{claim.figure}"
    return {"picture": f"{stem}.png", "data": f"{stem}.csv"}


def read_claims(path: Path) -> list[Claim]:
    """Return the claims that `claims_stage` wrote.

    Parameters
    ----------
    path
        ``claims.parquet``.

    Raises
    ------
    RecordError
        The file is missing, damaged, not one of ours, or of an earlier version.
    """
    rows = read_table(path, CLAIMS).drop_columns(["picture", "data"]).to_pylist()
    return [
        Claim(**row | {name: Verdict(row[name]) for name in ("verdict", "adjusted_verdict")})
        for row in rows
    ]
