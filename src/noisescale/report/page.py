"""The report: one self-contained HTML page with claims, figures, scaling laws and settings.

This module gathers the numbers; the sentences are in ``templates/report.html.j2``.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noisescale.claims.claim import Claim, Verdict
from noisescale.claims.stage import read_claims
from noisescale.figures.registry import FigureSpec, figures_of
from noisescale.report import law_tables, provenance_tables, study_tables
from noisescale.report.captions import LAWS_CAPTION, caption_html
from noisescale.report.job_times import (
    StageTime,
    duration,
    predicted_time,
    read_job_times,
    total_time,
)
from noisescale.report.provenance_tables import Effort, Metadata
from noisescale.results.load import Results, read_results
from noisescale.results.scaling_laws import ScalingLaws
from noisescale.results.schemas import AGREEMENT
from noisescale.storage.files import read_bytes, write_text
from noisescale.storage.tables import read_metadata, read_table

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Picture:
    """A figure of the report.

    Attributes
    ----------
    name, heading, part
        As in `FigureSpec`.
    png, csv
        Its files as data URIs.
    caption
        HTML.
    alternative
        The text in place of the picture.
    """

    name: str
    heading: str
    part: str
    png: str
    csv: str
    caption: str
    alternative: str


@dataclass(frozen=True)
class Summary:
    """The numbers of the summary at the top of the report.

    Attributes
    ----------
    verdicts
        Each verdict that occurs, with the number of claims that have it.
    evidence
        The claim on the evidence and the test cross-entropy, if it was evaluated.
    exponents
        The rows of `law_tables.exponents` that have a fitted exponent.
    joint_law
        Sentences on the law of all curves together.
    effort
        How much was computed.
    """

    verdicts: dict[str, int]
    evidence: Claim | None
    exponents: list[dict[str, str]]
    joint_law: list[str]
    effort: Effort


def report_stage(
    study_path: Path,
    runs_path: Path | None,
    evidence_path: Path | None,
    laws_path: Path | None,
    figures_folder: Path,
    claims_folder: Path,
    benchmarks_folder: Path,
    output: Path,
) -> None:
    """Write the report of a study.

    Parameters
    ----------
    study_path
        The resolved study as JSON.
    runs_path, evidence_path, laws_path
        Collected results and scaling laws; None for a study without trainings or without evidence.
    figures_folder
        The folder with the study's figures.
    claims_folder
        The folder with ``claims.parquet``, ``agreement.parquet`` and ``captions``.
    benchmarks_folder
        The folder with the times that Snakemake measured.
    output
        The HTML file.

    Raises
    ------
    RecordError
        A file is missing, damaged, or has other contents; or `output` cannot be written.
    """
    inputs = read_results(study_path, runs_path, evidence_path, laws_path)
    captions = claims_folder / "captions"
    pictures = [load_picture(spec, figures_folder, captions) for spec in figures_of(inputs.study)]
    metadata = {
        name: read_metadata(path)
        for name, path in (("runs", runs_path), ("evidence", evidence_path))
        if path is not None
    }
    claims = read_claims(claims_folder / "claims.parquet")
    agreement = read_table(claims_folder / "agreement.parquet", AGREEMENT).to_pylist()
    laws_caption, _ = caption_html(captions / LAWS_CAPTION)
    times = read_job_times(benchmarks_folder)
    page = render_report(inputs, claims, agreement, pictures, metadata, laws_caption, times)
    write_text(output, page)


def render_report(
    inputs: Results,
    claims: Sequence[Claim],
    agreement: list[dict[str, Any]],
    pictures: Sequence[Picture],
    metadata: Metadata,
    laws_caption: str,
    times: Sequence[StageTime],
) -> str:
    """Return the page.

    Parameters
    ----------
    claims
        The evaluated claims.
    agreement
        Rows with the columns of `schemas.AGREEMENT`.
    metadata
        The provenance of ``runs`` and ``evidence``, as far as the study has them.
    laws_caption
        The introduction to the scaling laws as HTML.
    times
        The times of the stages.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["duration"] = duration
    return environment.get_template("report.html.j2").render(
        study=inputs.study,
        summary=summarize(claims, inputs.laws, metadata),
        claims=claims,
        pictures=pictures,
        laws_caption=laws_caption,
        exponents=law_tables.exponents(inputs.laws),
        peaks=law_tables.peaks(inputs.laws),
        joint=law_tables.joint(inputs.laws),
        prediction=law_tables.prediction(inputs.laws),
        local_exponents=law_tables.local_exponents(inputs.laws),
        agreement=law_tables.agreement(agreement),
        settings=study_tables.settings(inputs.study),
        experiments=study_tables.experiments(inputs.study),
        provenance=provenance_tables.provenance(metadata),
        versions=provenance_tables.versions(metadata),
        shards=provenance_tables.shards(metadata),
        stages=provenance_tables.stages(times),
        total_time=total_time(times),
        predicted_time=predicted_time(provenance_tables.shard_provenance(metadata), times),
        anchors={picture.name for picture in pictures},
    )


def summarize(claims: Sequence[Claim], laws: ScalingLaws | None, metadata: Metadata) -> Summary:
    """Return the numbers of the summary."""
    counts = {
        verdict: sum(claim.verdict == verdict for claim in claims)
        for verdict in (Verdict.SUPPORTED, Verdict.UNDECIDED, Verdict.NOT_SUPPORTED)
    }
    return Summary(
        verdicts={verdict: count for verdict, count in counts.items() if count},
        evidence=next((claim for claim in claims if claim.figure == "fig2_evidence"), None),
        exponents=[law for law in law_tables.exponents(laws) if law["slope"]],
        joint_law=law_tables.one_law(laws),
        effort=provenance_tables.effort(metadata),
    )


def load_picture(spec: FigureSpec, figures_folder: Path, captions_folder: Path) -> Picture:
    """Return a figure with its files and its caption.

    Raises
    ------
    RecordError
        One of its files is missing.
    """
    html, alternative = caption_html(Path(captions_folder) / spec.caption)
    stem = Path(figures_folder) / spec.name
    return Picture(
        name=spec.name,
        heading=spec.heading,
        part=spec.part,
        png=data_uri(stem.with_suffix(".png"), "image/png"),
        csv=data_uri(stem.with_suffix(".csv"), "text/csv"),
        caption=html,
        alternative=alternative,
    )


def data_uri(path: Path, media_type: str) -> str:
    """Return a file as a data URI."""
    return f"data:{media_type};base64,{base64.b64encode(read_bytes(path)).decode('ascii')}"
