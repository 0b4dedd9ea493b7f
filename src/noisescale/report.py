"""The report: one HTML page that needs nothing else, with claims, figures, laws and settings."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noisescale import figures, judge, records, report_tables, timings
from noisescale.errors import RecordError
from noisescale.figures.inputs import Inputs, read
from noisescale.study import Study
from noisescale.verdicts import NOT_SUPPORTED, SUPPORTED, UNDECIDED, Claim

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


def main(
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
        What `noisescale.judge` wrote: claims, agreement of the evidence, a caption for each figure.
    benchmarks_folder
        Where Snakemake has written what each job took.
    output
        The HTML file.

    Raises
    ------
    RecordError
        A file is missing, damaged, or not one of ours; or `output` cannot be written.
    """
    inputs = read(study_path, runs_path, evidence_path, laws_path)
    captions = judged_folder / "captions"
    pictures = [picture(s, figures_folder, captions) for s in figures.wanted(inputs.study)]
    metadata = {
        name: records.read_metadata(path)
        for name, path in (("runs", runs_path), ("evidence", evidence_path))
        if path is not None
    }
    found = judge.read_claims(judged_folder / "claims.parquet")
    agreed = records.read_table(judged_folder / "agreement.parquet", records.AGREEMENT)
    laws_caption, _ = caption(captions / judge.SCALING_LAWS)
    times = timings.read(benchmarks_folder)
    page = render(inputs, found, agreed.to_pylist(), pictures, metadata, laws_caption, times)
    records.write_text(output, page)


def render(
    inputs: Inputs,
    found: Sequence[Claim],
    agreed: list[dict[str, Any]],
    pictures: Sequence[Picture],
    metadata: dict[str, Any],
    laws_caption: str,
    times: Sequence[timings.Timing],
) -> str:
    """Return the page.

    Parameters
    ----------
    found, agreed
        The claims, and the rows of `records.AGREEMENT`.
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
        exponents=report_tables.exponents(inputs.laws),
        peaks=report_tables.peaks(inputs.laws),
        joint=report_tables.joint(inputs.laws),
        prediction=report_tables.prediction(inputs.laws),
        bends=report_tables.bends(inputs.laws),
        agreement=report_tables.agreement(agreed),
        settings=report_tables.settings(inputs.study),
        experiments=report_tables.experiments(inputs.study),
        provenance=report_tables.provenance(metadata),
        versions=report_tables.versions(metadata),
        shards=report_tables.shards(metadata),
        stages=report_tables.stages(times),
        time_spent=report_tables.time_spent(times, metadata),
        anchors={p.name for p in pictures},
    )


def summary(
    study: Study, found: Sequence[Claim], laws: dict[str, Any] | None, metadata: dict[str, Any]
) -> list[str]:
    """Return the study in at most five lines."""
    counts = {
        word: sum(claim.verdict == word for claim in found)
        for word in (SUPPORTED, UNDECIDED, NOT_SUPPORTED)
    }
    lines = [
        f"Of {len(found)} claims of the paper, "
        + ", ".join(f"{count} {_are(count)} {word}" for word, count in counts.items() if count)
        + "."
    ]
    lines += [f"{c.name}: {c.measured}" for c in found if c.figure == "fig2_evidence"][:1]
    fitted = [law for law in report_tables.exponents(laws) if law["slope"]]
    if fitted:
        lines.append(
            "Exponents of the best batch size, 1 in theory: "
            + "; ".join(f"{law['slope']} on {law['variable']}" for law in fitted)
            + "."
        )
    lines += report_tables.one_law(laws)
    lines.append(report_tables.effort(metadata))
    return lines


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def picture(spec: figures.Spec, figures_folder: Path, captions_folder: Path) -> Picture:
    """Return a figure ready for the page.

    Raises
    ------
    RecordError
        One of its files is missing.
    """
    html, alternative = caption(Path(captions_folder) / spec.caption)
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


def caption(path: Path) -> tuple[str, str]:
    """Return a caption as HTML, and its first paragraph as plain text."""
    from docutils.core import publish_parts
    from docutils.writers.html5_polyglot import Writer
    from markupsafe import Markup

    try:
        text = _read(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(
            f"{path}: damaged, not text; delete the file and run the workflow again"
        ) from error
    # A caption cannot read files nor bring HTML of its own.
    settings = {"raw_enabled": False, "file_insertion_enabled": False, "report_level": 5}
    html = publish_parts(text, writer=Writer(), settings_overrides=settings)["body"]
    first = text.strip().split("\n\n")[0].replace("*", "")
    return Markup(html), " ".join(first.split())


def data_uri(path: Path, media_type: str) -> str:
    """Return a file as a data URI."""
    return f"data:{media_type};base64,{base64.b64encode(_read(path)).decode('ascii')}"


def _read(path: Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise RecordError(
            f"{path}: cannot be read ({error.strerror}); run the workflow to make it"
        ) from error
