"""The stage that judges: the paper's claims as a table, and captions that quote what was found."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa

from noisescale import figures, records
from noisescale.agreement import agreement
from noisescale.claims import claims
from noisescale.errors import RecordError
from noisescale.figures.inputs import Inputs, read
from noisescale.scaling import scaling_laws
from noisescale.verdicts import UNDECIDED, Claim

SCALING_LAWS = "scaling_laws.rst"
"""The caption of the laws, beside those of the figures."""


def main(
    study_path: Path,
    runs_path: Path | None,
    evidence_path: Path | None,
    laws_path: Path | None,
    captions_folder: Path,
    output: Path,
) -> None:
    """Write ``claims.parquet``, ``agreement.parquet`` and the captions into a folder.

    Parameters
    ----------
    study_path
        The resolved study as JSON.
    runs_path, evidence_path, laws_path
        Collected results and scaling laws; None for a study without trainings or without evidence.
    captions_folder
        Has a ``.rst`` for each figure: what it shows, and what the paper says of it.
    output
        The folder; captions go to its ``captions``.

    Raises
    ------
    RecordError
        A file is missing, damaged, or not one of ours.
    """
    inputs = read(study_path, runs_path, evidence_path, laws_path)
    found = judged_together(inputs)
    made = records.provenance()
    table = pa.Table.from_pylist(
        [asdict(claim) | files(claim) for claim in found], schema=records.CLAIMS
    )
    records.write_table(
        output / "claims.parquet", table, records.CLAIMS, {"kind": "claims", **made}
    )
    agreed = pd.DataFrame(columns=records.AGREEMENT.names)
    if inputs.evidence is not None:
        agreed = agreement(inputs.evidence, inputs.study.statistics.confidence)
    table = pa.Table.from_pandas(agreed, schema=records.AGREEMENT, preserve_index=False)
    metadata = {"kind": "agreement", **made}
    records.write_table(output / "agreement.parquet", table, records.AGREEMENT, metadata)
    for name in [SCALING_LAWS, *(spec.caption for spec in figures.wanted(inputs.study))]:
        text = _read(captions_folder / name)
        quoted = [claim for claim in found if Path(name).stem == claim.figure]
        records.write_text(output / "captions" / name, caption(text, quoted))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(
            f"{path}: cannot be read ({error}); expected a caption, as in workflow/report"
        ) from error


def judged_together(inputs: Inputs) -> list[Claim]:
    """Return the claims, each with its verdict alone and among all.

    Among k claims, each is judged by intervals of level 1 − (1 − c)/k for the level c (Bonferroni):
    that any of them is wrongly decided has at most the probability of one alone.
    """
    study = inputs.study
    alone = claims(study, inputs.runs, inputs.evidence, inputs.laws)
    confidence = 1 - (1 - study.statistics.confidence) / max(1, len(alone))
    stricter = replace(study, statistics=replace(study.statistics, confidence=confidence))
    laws = inputs.laws and scaling_laws(stricter, inputs.runs)
    among_all = {c.name: c.verdict for c in claims(stricter, inputs.runs, inputs.evidence, laws)}
    # A claim that the wider intervals leave no curve to speak to is undecided.
    return [replace(claim, together=among_all.get(claim.name, UNDECIDED)) for claim in alone]


def files(claim: Claim) -> dict[str, str]:
    """Return where a claim's figure and its data are, relative to the study's folder."""
    stem = f"figures/{claim.figure}"
    return {"picture": f"{stem}.png", "data": f"{stem}.csv"}


def caption(text: str, quoted: list[Claim]) -> str:
    """Return a caption with what was measured, as reStructuredText."""
    for claim in quoted:
        measured = "".join(rf"\{c}" if c in r"\*_`|" else c for c in claim.measured)
        text = f"{text.rstrip()}\n\n**Measured** ({claim.name}: {claim.verdict}): {measured}\n"
    return text


def read_claims(path: Path) -> list[Claim]:
    """Return the claims that `main` wrote.

    Raises
    ------
    RecordError
        The file is missing, damaged, or not one of ours.
    """
    rows = records.read_table(path, records.CLAIMS).drop_columns(["picture", "data"]).to_pylist()
    return [Claim(**row) for row in rows]
