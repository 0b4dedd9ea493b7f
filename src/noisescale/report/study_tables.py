"""Tables of the report that describe the study: settings and experiments."""

from __future__ import annotations

from typing import Any

from noisescale.report.provenance_tables import Rows
from noisescale.study.grid import expand_cells
from noisescale.study.model import BatchRange, Experiment, Study


def settings(study: Study) -> Rows:
    """Return what holds for the whole study."""
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


def experiments(study: Study) -> dict[str, Any]:
    """Return the axes as columns, and a row of values for each experiment of Part II."""
    axes = ["hidden", "preprocessing", "train_size", "batch_size", "learning_rate", "momentum"]
    axes += ["weight_decay", "label_noise", "updates", "epochs", "seeds"]
    rows = []
    for name, experiment in study.experiments.items():
        values = experiment.axes | {"batch_size": _batch_sizes(experiment)}
        values["seeds"] = f"{len(experiment.axes['seeds'])}"
        cells = [x if isinstance(x := values.get(axis, "–"), str) else _values(x) for axis in axes]
        runs = sum(1 for _ in expand_cells(experiment))
        rows.append([name.replace("_", " "), *cells, f"{runs}"])
    return {
        "axes": ["experiment", *(axis.replace("_", " ") for axis in axes), "runs"],
        "rows": rows,
    }


def _batch_sizes(experiment: Experiment) -> str:
    sizes = experiment.batch_size
    if isinstance(sizes, BatchRange):
        return f"{sizes.start} to {sizes.stop or 'full'}, {sizes.per_octave:g} per octave"
    return _values(sizes)


def _values(values: list[Any]) -> str:
    """List values; only ends and number of a long list."""
    texts = [f"{v:g}" if isinstance(v, float) else str(v) for v in values]
    if len(texts) > 12:
        return f"{texts[0]} to {texts[-1]}, {len(texts)} values"
    return ", ".join(texts)
