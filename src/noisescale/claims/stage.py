"""The stage that evaluates the paper's claims and writes them as a table."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pyarrow as pa

from noisescale.claims.agreement import evidence_agreement
from noisescale.claims.claim import Claim
from noisescale.claims.evaluate import evaluate_claims
from noisescale.results.load import read_results
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
    """Write ``claims.parquet`` and ``agreement.parquet`` into a folder.

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
    inputs = read_results(study_path, runs_path, evidence_path, laws_path)
    found = evaluate_claims(inputs)
    made = collect_provenance()
    table = pa.Table.from_pylist(
        [asdict(claim) | claim_files(claim) for claim in found], schema=CLAIMS
    )
    write_table(output / "claims.parquet", table, CLAIMS, {"kind": "claims", **made})
    agreed = pd.DataFrame(columns=AGREEMENT.names)
    if inputs.evidence is not None:
        agreed = evidence_agreement(inputs.evidence, inputs.study.statistics.confidence)
    table = pa.Table.from_pandas(agreed, schema=AGREEMENT, preserve_index=False)
    metadata = {"kind": "agreement", **made}
    write_table(output / "agreement.parquet", table, AGREEMENT, metadata)


def claim_files(claim: Claim) -> dict[str, str]:
    """Return where a claim's figure and its data are, relative to the study's folder."""
    stem = f"figures/{claim.figure}"
    return {"picture": f"{stem}.png", "data": f"{stem}.csv"}


def read_claims(path: Path) -> list[Claim]:
    """Return the claims that `claims_stage` wrote.

    Raises
    ------
    RecordError
        The file is missing, damaged, or not one of ours.
    """
    rows = read_table(path, CLAIMS).drop_columns(["picture", "data"]).to_pylist()
    return [Claim(**row) for row in rows]
