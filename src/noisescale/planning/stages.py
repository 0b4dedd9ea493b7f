"""The stages of a study: which files each reads and writes, and what else its results depend on.

The training of shards is not among them, because each shard states itself what it holds, see
`noisescale.results.identity`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noisescale.environment import PACKAGE
from noisescale.figures.registry import FORMATS, FigureSpec, figures_of
from noisescale.planning.code_inputs import code_digest, source_files
from noisescale.planning.plan import Plan
from noisescale.storage.digests import short_digest

CAPTIONS = PACKAGE.parents[1] / "workflow/report"
"""The folder of the caption templates."""
RECORDS = "records"
"""The folder of the records, within a study's results."""
_TEMPLATE = PACKAGE / "report/templates/report.html.j2"


@dataclass(frozen=True)
class Stage:
    """A stage of a study.

    Attributes
    ----------
    name
        The name of its rule in the workflow.
    folder
        The folder of the study's results.
    inputs
        The files that it reads, by names that do not depend on their location.
    outputs
        The files that it writes, relative to `folder`.
    study
        The parts of the study that its results depend on.
    modules
        The modules of this package that it consists of.
    package
        See `noisescale.planning.code_inputs.source_files`.
    """

    name: str
    folder: Path
    inputs: Mapping[str, Path]
    outputs: tuple[str, ...]
    study: tuple[Any, ...]
    modules: tuple[str, ...]
    package: str = field(default="")

    @property
    def record(self) -> Path:
        """The file of its record, see `noisescale.planning.records`."""
        return self.folder / RECORDS / f"{self.name}.json"

    def study_digest(self) -> str:
        """Return a digest of the parts of the study that its results depend on."""
        return short_digest(self.modules, *self.study)

    def code_digest(self) -> str:
        """Return a digest of its code."""
        return code_digest(*self.modules, package=self.package)

    def sources(self) -> dict[str, Path]:
        """Return the source files of its code by their paths relative to the package."""
        files = source_files(*self.modules, package=self.package)
        return {str(path.relative_to(PACKAGE)): path for path in files}

    def output_paths(self) -> dict[str, Path]:
        """Return the files that it writes by their names in `outputs`."""
        return {name: self.folder / name for name in self.outputs}


def stage_names(plan: Plan) -> list[str]:
    """Return the names of the stages that a study has, each after those that it depends on."""
    names = ["data"]
    names += ["evidence"] if plan.study.evidence else []
    names += ["collect", "laws"] if plan.study.experiments else []
    names += [f"figures_{job}" for job in figure_jobs(plan)]
    return [*names, "claims", "report"]


def figure_jobs(plan: Plan) -> dict[str, list[FigureSpec]]:
    """Return the figures of a study by the job that draws them."""
    jobs: dict[str, list[FigureSpec]] = {}
    for figure in figures_of(plan.study):
        jobs.setdefault(figure.job, []).append(figure)
    return jobs


def study_stage(plan: Plan, name: str) -> Stage:
    """Return a stage of a study by its name.

    Raises
    ------
    KeyError
        The study has no such stage.
    """
    if name.startswith("figures_"):
        return _figures(plan, name)
    return _STAGES[name](plan)


def caption_names(plan: Plan) -> list[str]:
    """Return the file names of a study's captions: that of the laws, and one for each figure."""
    return ["scaling_laws.rst", *(figure.caption for figure in figures_of(plan.study))]


def result_files(plan: Plan) -> dict[str, str]:
    """Return the tables and laws that a study has, relative to its folder, by their kind."""
    files = {"runs": "runs.parquet", "laws": "scaling_laws.json"} if plan.study.experiments else {}
    return files | ({"evidence": "evidence.parquet"} if plan.study.evidence else {})


def _data(plan: Plan) -> Stage:
    spec = plan.study.dataset
    inputs = {"dataset.path": Path(spec.path)} if spec.path else {}
    # The code that writes the file does not matter: the digest in it identifies the content.
    return Stage(
        "data", plan.folder, inputs, ("data.npz",), (spec.name,), ("data.prepare",), package="data"
    )


def _evidence(plan: Plan) -> Stage:
    inputs = _results(plan, "data.npz")
    parts = (plan.study.evidence,)
    modules = ("evidence.sweep",)
    return Stage("evidence", plan.folder, inputs, ("evidence.parquet",), parts, modules)


def _collect(plan: Plan) -> Stage:
    inputs = _results(plan, *(f"runs/{shard}.parquet" for shard in plan.shards))
    # A study that was read from a file has its experiments, hence its shards, in another order.
    parts = tuple(plan.digest(shard) for shard in sorted(plan.shards))
    modules = ("results.collect",)
    return Stage("collect", plan.folder, inputs, ("runs.parquet",), parts, modules)


def _laws(plan: Plan) -> Stage:
    inputs = _results(plan, "runs.parquet")
    parts = (plan.study.experiments, plan.study.statistics)
    modules = ("laws.scaling",)
    return Stage("laws", plan.folder, inputs, ("scaling_laws.json",), parts, modules)


def _figures(plan: Plan, name: str) -> Stage:
    job = name.removeprefix("figures_")
    figures = figure_jobs(plan)[job]
    study, files = plan.study, result_files(plan)
    # The figures of Part I do not wait for the training, nor do they depend on its experiments.
    evidence_only = job == "evidence"
    inputs = _results(plan, *([files["evidence"]] if evidence_only else files.values()))
    experiments = None if evidence_only else study.experiments
    return Stage(
        name,
        plan.folder,
        inputs,
        tuple(f"figures/{figure.name}.{end}" for figure in figures for end in FORMATS),
        (
            [f.name for f in figures],
            experiments,
            study.evidence,
            study.statistics,
            study.dataset.name,
        ),
        ("figures.draw", *(f"figures.{figure.module}" for figure in figures)),
    )


def _claims(plan: Plan) -> Stage:
    captions = caption_names(plan)
    inputs = _results(plan, *result_files(plan).values())
    inputs |= {f"caption {name}": CAPTIONS / name for name in captions}
    outputs = ("claims.parquet", "agreement.parquet", *(f"captions/{name}" for name in captions))
    modules = ("claims.stage", "report.captions")
    return Stage("claims", plan.folder, inputs, outputs, (plan.study,), modules)


def _report(plan: Plan) -> Stage:
    figures = [
        f"figures/{figure.name}.{end}"
        for figure in figures_of(plan.study)
        for end in ("png", "csv")
    ]
    captions = [f"captions/{name}" for name in caption_names(plan)]
    names = [*result_files(plan).values(), "claims.parquet", "agreement.parquet"]
    inputs = _results(plan, *names, *captions, *figures) | {"template": _TEMPLATE}
    modules = ("report.page",)
    return Stage("report", plan.folder, inputs, ("report.html",), (plan.study,), modules)


def _results(plan: Plan, *names: str) -> dict[str, Path]:
    return {name: plan.folder / name for name in names}


_STAGES: dict[str, Callable[[Plan], Stage]] = {
    "data": _data,
    "evidence": _evidence,
    "collect": _collect,
    "laws": _laws,
    "claims": _claims,
    "report": _report,
}
