"""Published studies: the collected tables of a study, with everything that is computed from them.

`redraw_published` computes everything that is published in addition to the tables. Anyone who has
the folder and this program can therefore rebuild it, without training and without the data set.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noisescale.claims.stage import claims_stage, read_claims
from noisescale.errors import RecordError
from noisescale.figures.draw import figures_stage
from noisescale.figures.registry import FIGURES, figures_of
from noisescale.laws.scaling import laws_stage
from noisescale.report import law_tables
from noisescale.report.captions import captions_stage
from noisescale.report.job_times import duration, predicted_time
from noisescale.report.page import report_stage
from noisescale.report.provenance_tables import shard_provenance
from noisescale.results import schemas
from noisescale.results.load import read_json
from noisescale.results.scaling_laws import ScalingLaws
from noisescale.storage.digests import dumps_verified
from noisescale.storage.files import atomic_write, write_text
from noisescale.storage.tables import read_metadata, read_table
from noisescale.study.model import Study

if TYPE_CHECKING:
    import pyarrow as pa

STUDY, RUNS, EVIDENCE = "study.json", "runs.parquet", "evidence.parquet"
LAWS, CLAIMS, PEAKS = "scaling_laws.json", "claims.parquet", "peaks.csv"
PROVENANCE = "provenance.json"
TEMPLATES = "*.md.j2"
"""The templates of a published folder; a rendered text has the name without ``.j2``."""
CHECKS = "checks"
"""The subfolder with further published studies, which the templates can quote as well."""
PICTURES = ("png", "csv")
"""The files of a figure that are published."""


def redraw_published(folder: Path, captions: Path, output: Path) -> None:
    """Make laws, figures, verdicts and report from published tables.

    Parameters
    ----------
    folder
        Has ``study.json`` and, depending on the study, ``runs.parquet`` and ``evidence.parquet``.
    captions
        The folder with the captions of the figures, ``workflow/report`` in a checkout.
    output
        The folder that everything is written to, with the layout of ``results/<study>``.

    Raises
    ------
    RecordError
        A file is missing, damaged, or has other contents.
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
    captions_stage(study_path, output / CLAIMS, captions, output / "captions")
    report_stage(*paths, output / "figures", output, output / "benchmarks", output / "report.html")


def publish_study(results: Path, captions: Path, output: Path) -> None:
    """Publish a finished study: its tables, and what `redraw_published` computes from them.

    Parameters
    ----------
    results
        ``results/<study>``.
    captions
        See `redraw_published`.
    output
        The folder to publish in. Files of an earlier publication are replaced, and its templates
        ``*.md.j2`` are rendered, see `render_template`.

    Raises
    ------
    RecordError
        The study is not finished, or a file is damaged.
    """
    study = Study.read(results / STUDY)
    tables = _tables(study)
    for name, schema in tables.items():
        read_table(results / name, schema)
    output.mkdir(parents=True, exist_ok=True)
    # `output` is only changed after everything has been made.
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".publish-") as temporary:
        staging = Path(temporary)
        for name in (STUDY, *tables):
            shutil.copyfile(results / name, staging / name)
        _add_products(staging, captions, study)
        _add_provenance(staging, tables)
        for template in sorted(output.glob(TEMPLATES)):
            text = render_template(template, staging, output / CHECKS)
            write_text(staging / template.stem, text)
        _replace_published(staging, output)


def _tables(study: Study) -> dict[str, pa.Schema]:
    """Return the names and schemas of the tables that a study has."""
    tables = {}
    if study.experiments:
        tables[RUNS] = schemas.RUNS
    if study.evidence is not None:
        tables[EVIDENCE] = schemas.EVIDENCE
    return tables


def _add_products(staging: Path, captions: Path, study: Study) -> None:
    """Add laws, claims, peaks and figures to the folder of a study's tables."""
    products = staging / "products"
    redraw_published(staging, captions, products)
    shutil.copyfile(products / CLAIMS, staging / CLAIMS)
    for path in (products / "figures").iterdir():
        if path.suffix.removeprefix(".") in PICTURES:
            shutil.copyfile(path, staging / path.name)
    if study.experiments:
        shutil.copyfile(products / LAWS, staging / LAWS)
        ScalingLaws.read(staging / LAWS).peak_table().to_csv(staging / PEAKS, index=False)


def _add_provenance(staging: Path, tables: Iterable[str]) -> None:
    provenance = tables_provenance(staging, tables)
    write_text(staging / PROVENANCE, dumps_verified(provenance, indent=1) + "\n")


def _replace_published(staging: Path, output: Path) -> None:
    """Move the files of `staging` into `output`, and delete those that the study no longer has."""
    files = sorted(path for path in staging.iterdir() if path.is_file())
    for name in _publishable() - {path.name for path in files}:
        (output / name).unlink(missing_ok=True)
    for path in files:
        with atomic_write(output / path.name) as target:
            shutil.copyfile(path, target)


def _publishable() -> set[str]:
    """Return the names of all files that a study may or may not have when it is published."""
    pictures = {f"{name}.{suffix}" for name in FIGURES for suffix in PICTURES}
    return {RUNS, EVIDENCE, LAWS, PEAKS, *pictures}


def tables_provenance(folder: Path, tables: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the provenance of a folder's tables, without the study, which has its own file."""
    metadata = {name: read_metadata(folder / name) for name in tables}
    return {name: {k: v for k, v in m.items() if k != "study"} for name, m in metadata.items()}


def render_template(template: Path, folder: Path, checks: Path) -> str:
    """Render a text with the results of published studies.

    Parameters
    ----------
    template
        A Jinja2 template of Markdown. It has the variables of `template_context` for `folder`, the
        variable ``checks`` with those of each folder in `checks`, by name, and the filter
        ``duration`` for seconds.
    folder
        Has the claims, the laws and the provenance.
    checks
        Has the folders of further published studies; it need not exist.

    Raises
    ------
    RecordError
        The template is not valid, or uses a variable that is not defined.
    """
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    others = sorted(path.parent for path in checks.glob(f"*/{STUDY}"))
    environment = SandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    environment.filters["duration"] = duration
    try:
        return environment.from_string(template.read_text(encoding="utf-8")).render(
            **template_context(folder),
            checks={path.name: template_context(path) for path in others},
        )
    except TemplateError as error:
        raise RecordError(f"{template}: {error}; repair the template") from error


def template_context(folder: Path) -> dict[str, Any]:
    """Return the variables of `render_template` for a published study.

    Returns
    -------
    dict
        ``claims``: the claims by name. ``figures``: `FIGURES`. ``provenance``:
        ``provenance.json``. If the study has trainings, also ``laws``: `ScalingLaws`;
        ``peaks``, ``exponents``, ``joint``, ``prediction``, ``local_exponents``: what `law_tables`
        returns for it; ``runs``: the provenance of the runs; ``time``: their `PredictedTime`, or
        None.
    """
    provenance = read_json(folder / PROVENANCE, [])
    claims = read_claims(folder / CLAIMS)
    context: dict[str, Any] = {
        "claims": {claim.name: claim for claim in claims},
        "figures": FIGURES,
        "provenance": provenance,
    }
    if (folder / LAWS).is_file():
        laws = ScalingLaws.read(folder / LAWS)
        context |= {
            "laws": laws,
            "peaks": law_tables.peaks(laws),
            "exponents": law_tables.exponents(laws),
            "joint": law_tables.joint(laws),
            "prediction": law_tables.prediction(laws),
            "local_exponents": law_tables.local_exponents(laws),
            "runs": provenance[RUNS],
            "time": predicted_time(shard_provenance({"runs": provenance[RUNS]})),
        }
    return context
