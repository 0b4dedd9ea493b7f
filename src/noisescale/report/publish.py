"""Published studies: the collected tables in a folder, and everything drawn from them again.

What is published beside the tables is what `redraw_published` makes of them, so that anyone who has the
folder and this program can make it, too, without training and without the data set.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from noisescale.claims.stage import claims_stage, read_claims
from noisescale.errors import RecordError
from noisescale.figures.draw import figures_stage
from noisescale.figures.registry import FIGURES, figures_of
from noisescale.laws.scaling import laws_stage
from noisescale.report import law_tables, provenance_tables
from noisescale.report.captions import captions_stage
from noisescale.report.page import report_stage
from noisescale.results import schemas
from noisescale.results.load import read_json
from noisescale.results.scaling_laws import ScalingLaws
from noisescale.storage.digests import dumps_verified
from noisescale.storage.files import atomic_write, write_text
from noisescale.storage.tables import read_metadata, read_table
from noisescale.study.model import Study

STUDY, RUNS, EVIDENCE = "study.json", "runs.parquet", "evidence.parquet"
LAWS = "scaling_laws.json"
TEMPLATES = "*.md.j2"
"""Texts to be filled in with what was measured; each loses its last ending."""
CHECKS = "checks"
"""The folder, beside the story, of the published studies that it quotes as well."""
PICTURES = ("png", "csv")
"""The files of a figure that are published."""


def redraw_published(folder: Path, captions: Path, output: Path) -> None:
    """Make laws, figures, verdicts and report from published tables.

    Parameters
    ----------
    folder
        Has ``study.json`` and, as far as the study has them, ``runs.parquet`` and
        ``evidence.parquet``.
    captions
        Has the figures' captions, ``workflow/report`` in a checkout.
    output
        The folder for all that is made, laid out as ``results/<study>``.

    Raises
    ------
    RecordError
        A file is missing, damaged, or not one of ours.
    """
    study_path = folder / STUDY
    study = Study.read(study_path)
    runs = folder / RUNS if study.experiments else None
    evidence = folder / EVIDENCE if study.evidence is not None else None
    laws = output / LAWS if runs else None
    if runs and laws:
        laws_stage(study_path, runs, laws)
    paths = (study_path, runs, evidence, laws)
    names = [spec.name for spec in figures_of(study)]
    figures_stage(names, *paths, output / "figures")
    claims_stage(*paths, output)
    captions_stage(study_path, output / "claims.parquet", captions, output / "captions")
    report_stage(*paths, output / "figures", output, output / "benchmarks", output / "report.html")


def publish_study(results: Path, captions: Path, output: Path) -> None:
    """Publish a finished study: its tables, and what `redraw_published` makes of them.

    Parameters
    ----------
    results
        ``results/<study>``.
    captions
        See `redraw_published`.
    output
        The folder; what it has of an earlier publication is replaced. Each ``*.md.j2`` in it is
        filled in, see `render_template`.

    Raises
    ------
    RecordError
        The study is not finished, or a file is damaged.
    """
    study = Study.read(results / STUDY)
    kept = {
        name: schema
        for name, schema, there in (
            (RUNS, schemas.RUNS, study.experiments),
            (EVIDENCE, schemas.EVIDENCE, study.evidence is not None),
        )
        if there
    }
    for name, schema in kept.items():
        read_table(results / name, schema)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".publish-") as temporary:
        fresh = Path(temporary)
        for name in (STUDY, *kept):
            shutil.copyfile(results / name, fresh / name)
        redraw_published(fresh, captions, fresh / "made")
        for name in ("claims.parquet", *([LAWS] if study.experiments else [])):
            shutil.copyfile(fresh / "made" / name, fresh / name)
        for path in (fresh / "made/figures").iterdir():
            if path.suffix.removeprefix(".") in PICTURES:
                shutil.copyfile(path, fresh / path.name)
        if study.experiments:
            ScalingLaws.read(fresh / LAWS).peak_table().to_csv(fresh / "peaks.csv", index=False)
        write_text(
            fresh / "provenance.json",
            dumps_verified(tables_provenance(fresh, list(kept)), indent=1) + "\n",
        )
        for template in sorted(output.glob(TEMPLATES)):
            write_text(fresh / template.stem, render_template(template, fresh, output / CHECKS))
        for name in _names() - {path.name for path in fresh.iterdir()}:
            (output / name).unlink(missing_ok=True)
        for path in sorted(fresh.iterdir()):
            if path.is_file():
                with atomic_write(output / path.name) as place:
                    shutil.copyfile(path, place)


def _names() -> set[str]:
    """Return the names of all files that a study may publish, but for the story."""
    pictures = {f"{name}.{end}" for name in FIGURES for end in PICTURES}
    return {RUNS, EVIDENCE, LAWS, "peaks.csv", *pictures}


def tables_provenance(folder: Path, tables: list[str]) -> dict[str, Any]:
    """Return the provenance of a folder's tables, without the study, which is beside them."""
    metadata = {name: read_metadata(folder / name) for name in tables}
    return {name: {k: v for k, v in m.items() if k != "study"} for name, m in metadata.items()}


def render_template(template: Path, folder: Path, checks: Path) -> str:
    """Fill in a text with what was measured.

    Parameters
    ----------
    template
        A Jinja2 template of Markdown. It has the `template_context` of the folder, and as ``checks`` those of
        each folder in `checks`, by its name.
    folder
        Has the claims, the laws and the provenance.
    checks
        Has the folders of other published studies; need not exist.

    Raises
    ------
    RecordError
        The template is no template, or asks for what there is not.
    """
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    others = sorted(path.parent for path in checks.glob(f"*/{STUDY}"))
    environment = SandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    try:
        return environment.from_string(template.read_text(encoding="utf-8")).render(
            **template_context(folder),
            checks={path.name: template_context(path) for path in others},
        )
    except TemplateError as error:
        raise RecordError(f"{template}: {error}; mend the template") from error


def template_context(folder: Path) -> dict[str, Any]:
    """Return what a published study measured, for its `render_template`.

    Returns
    -------
    dict
        ``claims``: by the name of their claim; ``made``: ``tables_provenance.json``. Of trainings
        also ``laws``: ``scaling_laws.json``; ``peaks``, ``exponents``: rows of the report's tables;
        ``joint``, ``prediction``, ``bends``: what the report says; ``runs``: the provenance of the
        runs; ``time``: what they took, foretold and actually.
    """
    made = read_json(folder / "provenance.json", [])
    claims = read_claims(folder / "claims.parquet")
    found = {"claims": {claim.name: claim for claim in claims}, "made": made}
    if (folder / LAWS).is_file():
        laws = ScalingLaws.read(folder / LAWS)
        found |= {
            "laws": laws,
            "peaks": law_tables.peaks(laws),
            "exponents": law_tables.exponents(laws),
            "joint": law_tables.joint(laws),
            "prediction": law_tables.prediction(laws),
            "bends": law_tables.bends(laws),
            "runs": made[RUNS],
            "time": provenance_tables.time_spent([], {"runs": made[RUNS]}),
        }
    return found
