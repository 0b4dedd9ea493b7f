"""Tables of the report on peaks and scaling laws."""

from __future__ import annotations

from typing import Any

from noisescale.laws.power_law import SCALES
from noisescale.statistics.estimate import minus


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
