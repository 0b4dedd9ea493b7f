"""The tables of the report: plain rows of text, from the study, the laws and the provenance."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from noisescale import grid
from noisescale.law import SCALES
from noisescale.study import BatchRange, Experiment, Study
from noisescale.timings import TRAINING, Timing
from noisescale.verdicts import minus

Rows = list[tuple[str, str]]


def exponents(laws: dict[str, Any] | None) -> list[dict[str, str]]:
    """Return a row for each fitted exponent of B_opt; `slope` is empty where there is none."""
    rows = []
    for law in (laws or {}).get("exponents", {}).values():
        fitted = law["slope"] is not None
        rows.append(
            {
                "variable": law["variable"],
                "variant": law["variant"],
                "slope": fitted and _estimate(law["slope"], law["low"], law["high"], "{:.2f}"),
                "scatter": fitted and _interval(law["fit_low"], law["fit_high"], "{:.2f}"),
                "slope_argmax": fitted and f"{law['slope_argmax']:.2f}",
                "r_squared": "" if law["r_squared"] is None else f"{law['r_squared']:.2f}",
                "curves": f"{law['n_points']} of {law['n_points'] + law['n_censored']}",
                "note": law["note"],
            }
        )
    return [{key: value or "" for key, value in row.items()} for row in rows]


def peaks(laws: dict[str, Any] | None) -> list[dict[str, str]]:
    """Return a row for the peak of each curve."""
    rows = []
    for peak in (laws or {}).get("peaks", []):
        value = "" if peak["value"] is None else f" {peak['value']:g}"
        name = (peak["axis"] if value else peak["experiment"]).replace("_", " ")
        rows.append(
            {
                "curve": ", ".join(text for text in (f"{name}{value}", peak["variant"]) if text),
                "batch_opt": _of(peak, "batch_opt", "{:.3g}"),
                "batch_argmax": f"{peak['batch_argmax']:g}",
                "range": f"{peak['batch_min']} – {peak['batch_max']}",
                "noise_scale": _of(peak, "noise_scale_opt", "{:.3g}"),
                "accuracy": _of(peak, "accuracy", "{:.2f}", 100),
                "gap": _of(peak, "gap", "{:.2f}", 100),
                "runs": f"{peak['n_diverged']} of {peak['n_seeds'] * peak['n_batch_sizes']}",
                "censored": peak["reason"],
            }
        )
    return rows


def joint(laws: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the law of all curves: a row for each exponent, and what is to say of it."""
    law = (laws or {}).get("joint")
    if not law:
        return None
    g = law["noise_scale"]
    rows = [
        {
            "variable": SCALES[name][0],
            "symbol": {"alpha": "α", "beta": "β", "gamma": "γ"}[fit["symbol"]],
            "slope": _estimate(fit["slope"], fit["low"], fit["high"], "{:.2f}"),
            "scatter": _interval(fit["fit_low"], fit["fit_high"], "{:.2f}"),
        }
        for name, fit in law["exponents"].items()
    ]
    text = (
        f"{law['n_points']} curves with a peak and {law['n_bounds']} that give a bound "
        f"({law['setting']}). R² = {law['r_squared']:.2f}; the peaks scatter by "
        f"{law['scatter']:.2f} octaves about the law."
    )
    constant = (
        f"The best noise scale, by its exact formula g = ε (N/B − 1)/(1 − m), is "
        f"{_estimate(g['noise_scale'], g['low'], g['high'], '{:.3g}')} on average. From curve to "
        f"curve it varies by {g['spread']:.2f} octaves (standard deviation), of which the error of "
        f"single peaks explains {g['error']:.2f}; that it is one number has p = {g['p']:.2g}. The "
        f"−1 of the formula moves the best batch size by at most {100 * g['finite_n']:.0f} %."
    )
    return {"rows": rows, "text": text, "constant": constant}


def one_law(laws: dict[str, Any] | None) -> list[str]:
    """Say in a line how well one law holds for all curves, and where it bends; none, no line."""
    found = (laws or {}).get("prediction")
    law = (laws or {}).get("joint")
    parts = []
    if law:
        p = law["noise_scale"]["p"]
        held = "rejected" if p < 1 - laws["statistics"]["confidence"] else "not rejected"
        parts.append(f"One best noise scale for all curves: {held} (p = {minus(f'{p:.2g}')})")
    if found:
        parts.append(
            f"B_opt of a curve left out is predicted within {found['error']:.2f} octaves by fitted "
            f"exponents, {found['theory_error']:.2f} by one noise scale"
        )
    bent = [bend for bend in (laws or {}).get("bends", []) if bend["bends"]]
    if bent:
        where = [
            f"{bend['experiment'].replace('_', ' ')} {bend['start']:g} to {bend['stop']:g}"
            for bend in bent
        ]
        more = f" and {len(where) - 2} more" if len(where) > 2 else ""
        parts.append(f"the law bends from {', '.join(where[:2])}{more}")
    text = "; ".join(parts)
    return [f"{text[:1].upper()}{text[1:]}."] if text else []


def prediction(laws: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what is predicted of each curve from the others, beside what it shows."""
    found = (laws or {}).get("prediction")
    if not found:
        return None
    rows = [
        {
            "curve": f"ε {c['learning_rate']:g}, N {c['train_size']}, m {c['momentum']:g}",
            "seen": _estimate(c["batch_opt"], c["low"], c["high"], "{:.3g}"),
            "law": _estimate(c["predicted"], c["predicted_low"], c["predicted_high"], "{:.3g}"),
            "inside": "yes" if c["inside"] else "no",
            "theory": f"{c['theory']:.3g}",
        }
        for c in found["curves"]
    ]
    text = (
        f"Each of {len(rows)} curves predicted from the others. Root mean square error: "
        f"{found['error']:.2f} octaves with fitted exponents, {found['theory_error']:.2f} with one "
        f"noise scale for all; {100 * found['inside']:.0f} % of the peaks lie inside the interval "
        "predicted."
    )
    return {"rows": rows, "text": text}


def bends(laws: dict[str, Any] | None) -> list[dict[str, str]]:
    """Return the exponent between neighbouring curves, and which conditions fail there."""
    return [
        {
            "axis": " ".join(filter(None, [bend["experiment"].replace("_", " "), bend["variant"]])),
            "range": f"{bend['start']:g} to {bend['stop']:g}",
            "slope": _estimate(bend["slope"], bend["low"], bend["high"], "{:.2f}"),
            "bends": "yes" if bend["bends"] else "no",
            "notes": "; ".join(bend["notes"]) or "–",
        }
        for bend in (laws or {}).get("bends", [])
    ]


def agreement(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return how alike evidence and test cross-entropy rank the priors, for each label noise."""
    return [
        {
            "noise": f"{row['label_noise']:g}",
            "decades": _of(row, "decades", "{:.2f}"),
            "ranks": _of(row, "rank_correlation", "{:.2f}"),
            "seeds": f"{row['n_seeds']}",
        }
        for row in rows
    ]


def _of(record: dict[str, Any], name: str, form: str, scale: float = 1) -> str:
    values = [record[name], record[f"{name}_low"], record[f"{name}_high"]]
    return _estimate(*(None if v is None else scale * v for v in values), form)


def _estimate(value: float | None, low: float | None, high: float | None, form: str) -> str:
    if value is None:
        return "–"
    return f"{minus(form.format(value))} {_interval(low, high, form)}".strip()


def _interval(low: float | None, high: float | None, form: str) -> str:
    if low is None or high is None:
        return ""
    return minus(f"[{form.format(low)}, {form.format(high)}]")


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
        runs = sum(1 for _ in grid.expand(experiment))
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


def provenance(metadata: dict[str, Any]) -> Rows:
    """Return with what, where, when and in what time the results were computed."""
    rows = []
    for name, meta in metadata.items():
        machine, git = meta.get("machine") or {}, meta.get("git")
        processor = f"{machine.get('processor', '')}, {machine.get('cores', '?')} cores"
        facts = [
            ("device", meta.get("device", "")),
            ("machine", f"{machine.get('system', '')}, {processor}" if machine else ""),
            ("source", _git(git) if "git" in meta else ""),
            ("engine", meta.get("engine_fingerprint", "")),
            ("data digest", meta.get("data_digest", "")),
            ("written", meta.get("created", "")),
            ("time", duration(_seconds(meta))),
        ]
        rows += [(f"{name}: {fact}", str(value)) for fact, value in facts if value]
    return rows


def _git(git: dict[str, Any] | None) -> str:
    if not git:
        return "not in a git checkout"
    return f"commit {git.get('commit', '?')}" + (" with local changes" if git.get("dirty") else "")


def versions(metadata: dict[str, Any]) -> Rows:
    """Return the versions of the software; where results differ, all of them."""
    found: dict[str, set[str]] = {}
    for meta in metadata.values():
        for source in (meta, *(meta.get("shards") or [])):
            for name, version in (source.get("versions") or {}).items():
                found.setdefault(name, set()).add(version)
    return [(name, ", ".join(sorted(values))) for name, values in found.items()]


def shards(metadata: dict[str, Any]) -> list[dict[str, str]]:
    """Return a row for each training job's file; its time is that of the job that wrote it."""
    rows = []
    for shard in metadata.get("runs", {}).get("shards") or []:
        runs = shard.get("runs") or {}
        rows.append(
            {
                "name": _shard_name(str(shard.get("shard", ""))),
                "runs": str(runs.get("wanted", "")),
                "trained": str(runs.get("trained", "")),
                "device": str(shard.get("device", "")),
                "time": duration(_seconds(shard)),
                "forecast": duration(shard.get("forecast")),
                "written": str(shard.get("created", "")),
            }
        )
    return rows


def stages(times: Sequence[Timing]) -> list[dict[str, str]]:
    """Return a row for each stage of the workflow: its last jobs and what they took."""
    total = sum(timing.seconds for timing in times)
    return [
        {
            "stage": timing.stage,
            "jobs": f"{timing.jobs}",
            "time": duration(timing.seconds),
            "share": f"{100 * timing.seconds / total:.1f} %",
        }
        for timing in times
    ]


def time_spent(times: Sequence[Timing], metadata: dict[str, Any]) -> str:
    """Say what share of the jobs' time was not training, and how the forecast compares."""
    parts = []
    total = sum(timing.seconds for timing in times)
    spent = sum(timing.seconds for timing in times if timing.stage in TRAINING)
    if total:
        parts.append(
            f"The last jobs of all stages took {duration(total)}, one after another; "
            f"{100 * (1 - spent / total):.1f} % of it was neither training nor the evidence sweep."
        )
    jobs = metadata.get("runs", {}).get("shards") or []
    told = [(job["forecast"], _seconds(job)) for job in jobs if job.get("forecast")]
    if told:
        forecast, actual = map(sum, zip(*told, strict=True))
        last = sum(timing.jobs for timing in times if timing.stage == "train")
        earlier = ", those of earlier calls included" if 0 < last < len(jobs) else ""
        parts.append(
            f"Foretold for the training jobs{earlier}: {duration(forecast)}; "
            f"taken: {duration(actual)}, "
            f"{actual / forecast:.2f} times as long."
        )
    return " ".join(parts)


def _shard_name(path: str) -> str:
    return path.rpartition("/runs/")[2].removesuffix(".parquet")


def effort(metadata: dict[str, Any]) -> str:
    """Say how many runs there are, how many diverged, and how long they took."""
    parts = []
    if (runs := metadata.get("runs")) is not None:
        counts = runs.get("runs") or {}
        if "trained" in counts:
            parts.append(
                f"{counts['trained']} of {counts.get('wanted', counts['trained'])} wanted runs "
                f"were trained, {counts.get('diverged', 0)} diverged"
            )
        if time := duration(_seconds(runs)):
            parts.append(f"training jobs took {time}, added up, on {runs.get('device', '?')}")
    if (evidence := metadata.get("evidence")) is not None and (
        time := duration(_seconds(evidence))
    ):
        parts.append(f"the evidence sweep took {time}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else "No record of the effort."


def _seconds(meta: dict[str, Any]) -> float | None:
    seconds = meta.get("seconds")
    return seconds.get("training") if isinstance(seconds, dict) else seconds


def duration(seconds: float | None) -> str:
    """Return a time as people say it, e.g. ``0:02:05`` or ``12.3 s``."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{datetime.timedelta(seconds=round(seconds))}"
