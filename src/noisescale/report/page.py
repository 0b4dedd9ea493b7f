"""The report: one HTML page that needs nothing else, with claims, figures, laws and settings."""

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
from noisescale.report.job_times import StageTime, read_job_times
from noisescale.results.load import Results, read_results
from noisescale.results.scaling_laws import ScalingLaws
from noisescale.results.schemas import AGREEMENT
from noisescale.storage.files import read_bytes, write_text
from noisescale.storage.tables import read_metadata, read_table
from noisescale.study.model import Study

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Picture:
    """A figure of the report: its files as data URIs, its caption as HTML."""

    name: str
    title: str
    part: str
    png: str
    csv: str
    caption: str
    alternative: str

    @property
    def label(self) -> str:
        """Its heading, with the number of the paper's figure where it has one."""
        number = self.name.partition("_")[0].removeprefix("fig")
        return f"Figure {number}. {self.title}" if number.isdecimal() else self.title


def report_stage(
    study_path: Path,
    runs_path: Path | None,
    evidence_path: Path | None,
    laws_path: Path | None,
    figures_folder: Path,
    judged_folder: Path,
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
        Where the study's figures are.
    judged_folder
        What `noisescale.claims.stage` wrote: claims, agreement of the evidence, a caption for each figure.
    benchmarks_folder
        Where Snakemake has written what each job took.
    output
        The HTML file.

    Raises
    ------
    RecordError
        A file is missing, damaged, or not one of ours; or `output` cannot be written.
    """
    inputs = read_results(study_path, runs_path, evidence_path, laws_path)
    captions = judged_folder / "captions"
    pictures = [picture(s, figures_folder, captions) for s in figures_of(inputs.study)]
    metadata = {
        name: read_metadata(path)
        for name, path in (("runs", runs_path), ("evidence", evidence_path))
        if path is not None
    }
    found = read_claims(judged_folder / "claims.parquet")
    agreed = read_table(judged_folder / "agreement.parquet", AGREEMENT)
    laws_caption, _ = caption_html(captions / LAWS_CAPTION)
    times = read_job_times(benchmarks_folder)
    page = render_report(inputs, found, agreed.to_pylist(), pictures, metadata, laws_caption, times)
    write_text(output, page)


def render_report(
    inputs: Results,
    found: Sequence[Claim],
    agreed: list[dict[str, Any]],
    pictures: Sequence[Picture],
    metadata: dict[str, Any],
    laws_caption: str,
    times: Sequence[StageTime],
) -> str:
    """Return the page.

    Parameters
    ----------
    found, agreed
        The claims, and the rows of `schemas.AGREEMENT`.
    metadata
        The provenance of ``runs`` and ``evidence``, those that there are.
    laws_caption
        HTML.
    times
        What the stages took.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        study=inputs.study,
        summary=summary(inputs.study, found, inputs.laws, metadata),
        claims=found,
        pictures=pictures,
        laws_caption=laws_caption,
        exponents=law_tables.exponents(inputs.laws),
        peaks=law_tables.peaks(inputs.laws),
        joint=law_tables.joint(inputs.laws),
        prediction=law_tables.prediction(inputs.laws),
        bends=law_tables.bends(inputs.laws),
        agreement=law_tables.agreement(agreed),
        settings=study_tables.settings(inputs.study),
        experiments=study_tables.experiments(inputs.study),
        provenance=provenance_tables.provenance(metadata),
        versions=provenance_tables.versions(metadata),
        shards=provenance_tables.shards(metadata),
        stages=provenance_tables.stages(times),
        time_spent=provenance_tables.time_spent(times, metadata),
        anchors={p.name for p in pictures},
    )


def summary(
    study: Study, found: Sequence[Claim], laws: ScalingLaws | None, metadata: dict[str, Any]
) -> list[str]:
    """Return the study in at most five lines."""
    counts = {
        word: sum(claim.verdict == word for claim in found)
        for word in (Verdict.SUPPORTED, Verdict.UNDECIDED, Verdict.NOT_SUPPORTED)
    }
    lines = [
        f"Of {len(found)} claims of the paper, "
        + ", ".join(f"{count} {_are(count)} {word}" for word, count in counts.items() if count)
        + "."
    ]
    lines += [f"{c.name}: {c.measured}" for c in found if c.figure == "fig2_evidence"][:1]
    fitted = [law for law in law_tables.exponents(laws) if law["slope"]]
    if fitted:
        lines.append(
            "Exponents of the optimum batch size, 1 in theory: "
            + "; ".join(f"{law['slope']} on {law['variable']}" for law in fitted)
            + "."
        )
    lines += law_tables.one_law(laws)
    lines.append(provenance_tables.effort(metadata))
    return lines


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def picture(spec: FigureSpec, figures_folder: Path, captions_folder: Path) -> Picture:
    """Return a figure ready for the page.

    Raises
    ------
    RecordError
        One of its files is missing.
    """
    html, alternative = caption_html(Path(captions_folder) / spec.caption)
    stem = Path(figures_folder) / spec.name
    return Picture(
        name=spec.name,
        title=spec.title,
        part=spec.part,
        png=data_uri(stem.with_suffix(".png"), "image/png"),
        csv=data_uri(stem.with_suffix(".csv"), "text/csv"),
        caption=html,
        alternative=alternative,
    )


def data_uri(path: Path, media_type: str) -> str:
    """Return a file as a data URI."""
    return f"data:{media_type};base64,{base64.b64encode(read_bytes(path)).decode('ascii')}"
