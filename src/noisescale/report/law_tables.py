"""Tables of the report on peaks and scaling laws, and on the agreement of the evidence."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np

from noisescale.results.scaling_laws import Exponent, ScalingLaws
from noisescale.statistics.estimate import Estimate, minus
from noisescale.study.experiments import LAWS


def exponents(laws: ScalingLaws | None) -> list[dict[str, str]]:
    """Return a row for each fitted exponent of B_opt; `slope` is empty where there is none."""
    return [_exponent(law) for law in laws.exponents.values()] if laws else []


def _exponent(law: Exponent) -> dict[str, str]:
    return {
        "variable": law.variable,
        "variant": law.variant,
        "slope": _text(law.estimate, "{:.2f}") if law.estimate else "",
        "scatter": _interval(law.scatter, "{:.2f}") if law.scatter else "",
        "slope_argmax": "" if law.slope_argmax is None else f"{law.slope_argmax:.2f}",
        "r_squared": "" if law.r_squared is None else f"{law.r_squared:.2f}",
        "curves": f"{law.n_points} of {law.n_points + law.n_censored}",
        "note": law.note,
    }


def peaks(laws: ScalingLaws | None) -> list[dict[str, str]]:
    """Return a row for the peak of each curve."""
    rows = []
    for peak in laws.peaks if laws else ():
        value = "" if peak.value is None else f" {peak.value:g}"
        name = (peak.axis if value else peak.experiment).replace("_", " ")
        rows.append(
            {
                "curve": ", ".join(text for text in (f"{name}{value}", peak.variant) if text),
                "batch_opt": _text(peak.batch_opt_estimate, "{:.3g}"),
                "batch_argmax": f"{peak.batch_argmax:g}",
                "range": f"{peak.batch_min} – {peak.batch_max}",
                "noise_scale": _text(peak.noise_scale_opt_estimate, "{:.3g}"),
                "accuracy": _text(peak.accuracy_estimate, "{:.2f}", 100),
                "gap": _text(peak.gap_estimate, "{:.2f}", 100),
                "runs": f"{peak.n_diverged} of {peak.n_seeds * peak.n_batch_sizes}",
                "censored": peak.reason.value,
            }
        )
    return rows


def joint(laws: ScalingLaws | None) -> dict[str, Any] | None:
    """Return the law of all curves: a row for each exponent, and two paragraphs of text."""
    law = laws.joint if laws else None
    if law is None:
        return None
    g = law.noise_scale
    rows = [
        {
            "variable": LAWS[name].name,
            "symbol": unicodedata.lookup(f"GREEK SMALL LETTER {fit.symbol.upper()}"),
            "slope": _text(Estimate.of(fit.slope, fit.low, fit.high), "{:.2f}"),
            "scatter": _interval(Estimate.of(fit.slope, fit.fit_low, fit.fit_high), "{:.2f}"),
        }
        for name, fit in law.exponents.items()
    ]
    text = (
        f"The law is fitted to {law.n_points} curves with a peak and {law.n_bounds} with a bound "
        f"({law.setting}). It has R² = {_number(law.r_squared, '.2f')}; the peaks scatter by "
        f"{_number(law.scatter, '.2f')} octaves about it."
    )
    mean = _text(Estimate.of(g.noise_scale, g.low, g.high), "{:.3g}")
    constant = (
        "The optimum noise scale, by its exact formula g = ε (N/B − 1)/(1 − m), is "
        f"{mean} on average. From curve to curve it varies by {_number(g.spread, '.2f')} octaves "
        "(standard deviation), of which the error of single peaks explains "
        f"{_number(g.error, '.2f')}; the test that it is the same for all curves has "
        f"p = {_number(g.p, '.2g')}. The −1 in the formula moves the optimum batch size by at most "
        f"{100 * g.finite_n:.0f} %."
    )
    return {"rows": rows, "text": text, "constant": constant}


def one_law(laws: ScalingLaws | None) -> list[str]:
    """Return a line on how well one law describes all curves, and where it bends."""
    if laws is None:
        return []
    parts = []
    if laws.joint is not None and laws.joint.noise_scale.p is not None:
        p = laws.joint.noise_scale.p
        result = "rejected" if p < 1 - laws.statistics.confidence else "not rejected"
        p_value = minus(f"{p:.2g}")
        parts.append(f"A single optimum noise scale for all curves is {result} (p = {p_value})")
    if (found := laws.prediction) is not None:
        parts.append(
            f"B_opt of a curve that is left out is predicted within {found.error:.2f} octaves by "
            f"fitted exponents and within {found.theory_error:.2f} octaves by one noise scale"
        )
    where = [
        f"{local.experiment.replace('_', ' ')} {local.start:g} to {local.stop:g}"
        for local in laws.local_exponents
        if local.bends
    ]
    if where:
        more = f" and {len(where) - 2} more" if len(where) > 2 else ""
        parts.append(f"the law bends for {', '.join(where[:2])}{more}")
    text = "; ".join(parts)
    return [f"{text[:1].upper()}{text[1:]}."] if text else []


def prediction(laws: ScalingLaws | None) -> dict[str, Any] | None:
    """Return what the other curves predict for each curve, next to what it shows."""
    found = laws.prediction if laws else None
    if found is None:
        return None
    rows = [
        {
            "curve": f"ε {c.learning_rate:g}, N {c.train_size}, m {c.momentum:g}",
            "seen": _text(c.observed, "{:.3g}"),
            "law": _text(c.predicted_estimate, "{:.3g}"),
            "inside": "yes" if c.inside else "no",
            "theory": f"{c.theory:.3g}",
        }
        for c in found.curves
    ]
    text = (
        f"The optimum batch size of each of {len(rows)} curves is predicted from the others. The "
        f"root mean square error is {found.error:.2f} octaves with fitted exponents, and "
        f"{found.theory_error:.2f} octaves with one noise scale for all curves. The predicted "
        f"intervals contain {100 * found.inside:.0f} % of the peaks."
    )
    return {"rows": rows, "text": text}


def local_exponents(laws: ScalingLaws | None) -> list[dict[str, str]]:
    """Return the exponent between neighbouring curves, and the violated conditions."""
    return [
        {
            "axis": " ".join(filter(None, [local.experiment.replace("_", " "), local.variant])),
            "range": f"{local.start:g} to {local.stop:g}",
            "slope": _text(Estimate.of(local.slope, local.low, local.high), "{:.2f}"),
            "bends": "yes" if local.bends else "no",
            "notes": "; ".join(local.notes) or "–",
        }
        for local in (laws.local_exponents if laws else ())
    ]


def agreement(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return how similarly evidence and test cross-entropy rank the priors, by label noise.

    Parameters
    ----------
    rows
        Rows of `schemas.AGREEMENT`.
    """

    def text(row: dict[str, Any], name: str) -> str:
        return _text(Estimate.of(row[name], row[f"{name}_low"], row[f"{name}_high"]), "{:.2f}")

    return [
        {
            "noise": f"{row['label_noise']:g}",
            "decades": text(row, "decades"),
            "ranks": text(row, "rank_correlation"),
            "seeds": f"{row['n_seeds']}",
        }
        for row in rows
    ]


def _text(number: Estimate, form: str, scale: float = 1) -> str:
    """Return an estimate with its interval; a dash where there is none."""
    if np.isnan(number.mean):
        return "–"
    return f"{minus(form.format(scale * number.mean))} {_interval(number, form, scale)}".strip()


def _interval(number: Estimate, form: str, scale: float = 1) -> str:
    """Return the interval of an estimate; empty where there is none."""
    if np.isnan(number.low) or np.isnan(number.high):
        return ""
    return minus(f"[{form.format(scale * number.low)}, {form.format(scale * number.high)}]")


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
