"""Tables of the report that describe the study: its settings and its experiments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noisescale.report.provenance_tables import Rows
from noisescale.study.grid import expand_cells
from noisescale.study.model import BatchRange, Experiment, Study

_PARAMETERS = (
    "hidden",
    "preprocessing",
    "train_size",
    "batch_size",
    "learning_rate",
    "momentum",
    "weight_decay",
    "label_noise",
    "updates",
    "epochs",
    "seeds",
)


@dataclass(frozen=True)
class ExperimentTable:
    """The experiments of Part II: a row of values for each, with the names of the columns."""

    columns: list[str]
    rows: list[list[str]]


def settings(study: Study) -> Rows:
    """Return the settings of the whole study."""
    rows = [
        ("study", study.name),
        (
            "data set",
            study.dataset.name + (f" ({study.dataset.path})" if study.dataset.path else ""),
        ),
        ("device", study.device),
        ("bootstrap", f"{study.statistics.bootstrap} resamples of the seeds"),
        ("confidence", f"{100 * study.statistics.confidence:g} %"),
    ]
    if (spec := study.evidence) is not None:
        rows += [
            ("evidence: classes", _values(spec.classes)),
            ("evidence: examples", f"{spec.train_size} train, {spec.test_size} test ({spec.pool})"),
            ("evidence: prior precision λ", _values(spec.prior_precision)),
            ("evidence: label noise", _values(spec.label_noise)),
            ("evidence: preprocessing", spec.preprocessing),
            ("evidence: seeds", f"{len(spec.seeds)}"),
        ]
    return rows


def experiments(study: Study) -> ExperimentTable:
    """Return the values of all parameters and the number of runs of each experiment."""
    names = [parameter.replace("_", " ") for parameter in _PARAMETERS]
    return ExperimentTable(
        columns=["experiment", *names, "runs"],
        rows=[_experiment(experiment) for experiment in study.experiments.values()],
    )


def _experiment(experiment: Experiment) -> list[str]:
    cells = {name: _values(values) for name, values in experiment.axes.items()}
    cells["batch_size"] = _batch_sizes(experiment)
    cells["seeds"] = str(len(experiment.axes["seeds"]))
    runs = sum(1 for _ in expand_cells(experiment))
    return [
        experiment.name.replace("_", " "),
        *(cells.get(parameter, "–") for parameter in _PARAMETERS),
        str(runs),
    ]


def _batch_sizes(experiment: Experiment) -> str:
    sizes = experiment.batch_size
    if isinstance(sizes, BatchRange):
        return f"{sizes.start} to {sizes.stop or 'full'}, {sizes.per_octave:g} per octave"
    return _values(sizes)


def _values(values: Sequence[object]) -> str:
    """List values, or the ends and the number of a long list."""
    texts = [f"{v:g}" if isinstance(v, float) else str(v) for v in values]
    if len(texts) > 12:
        return f"{texts[0]} to {texts[-1]}, {len(texts)} values"
    return ", ".join(texts)
