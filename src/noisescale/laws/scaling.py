"""Scaling laws: how the optimum batch size grows with learning rate, training set and momentum.

Theory (Smith & Le, section 5): the optimum is one noise scale g ≈ ε N / (B (1 − m)), therefore
B_opt ∝ ε, B_opt ∝ N, B_opt ∝ 1/(1 − m): exponent 1 in each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from noisescale.laws.collapse import fit_collapse
from noisescale.laws.exponents import _exponents
from noisescale.laws.joint import fit_joint_law
from noisescale.laws.local_exponents import fit_local_exponents
from noisescale.laws.peaks import find_peaks
from noisescale.laws.prediction import predict_left_out
from noisescale.results.completeness import read_runs
from noisescale.storage.digests import dumps_verified
from noisescale.storage.files import write_text
from noisescale.storage.tables import SCHEMA_VERSION
from noisescale.study.model import Study


def fit_scaling_laws(study: Study, runs: pd.DataFrame) -> dict[str, Any]:
    """Return every peak and the exponents of B_opt, ready for JSON.

    Parameters
    ----------
    runs
        Columns as in `schemas.RUNS`.

    Returns
    -------
    dict
        ``statistics``: ``bootstrap`` and ``confidence``. ``peaks``: the rows of `Peaks.table`, with
        null for NaN. ``joint``, ``prediction``, ``bends``: see `noisescale.laws.joint`. ``collapse``:
        see `collapse.fit_collapse`. ``exponents``: for the experiments
        learning_rate, train_size and momentum that the study has, by name (``"name (variant)"``
        where an experiment has variants):

        ``experiment``, ``variant``, ``variable``
            Which curves, and what x is, e.g. ``"1 / (1 − momentum)"``.
        ``slope``, ``low``, ``high``
            Exponent of the smooth B_opt on x, interval of the joint bootstrap over seeds: what
            other seeds could have given for *these* curves.
        ``fit_low``, ``fit_high``
            Textbook interval from the scatter about the line: it also holds departures from a power
            law, which the bootstrap does not see.
        ``prefactor``, ``r_squared``
            B_opt = prefactor · x^slope; share of the variance of log B_opt.
        ``slope_argmax``
            The exponent of the paper's estimate, the best B of the grid.
        ``theory``, ``theory_inside``
            1, and whether it lies in [low, high].
        ``n_points``, ``n_censored``, ``censored``, ``n_seeds``
            Numbers of curves used and left out; those left out (x, reason, and on which side of
            the range the optimum lies, see `Peaks`).
        ``n_bounds``
            How many of those left out still count as bounds in the fit (`tobit.fit_tobit`).
        ``line``
            The fit and its band: lists ``x``, ``batch_opt``, ``low``, ``high``.
        ``note``
            Why there is no estimate; then the values above are null.

    Raises
    ------
    RecordError
        Wanted runs are missing.
    """
    peaks = find_peaks(study, runs)
    return _plain(
        {
            "statistics": {
                "bootstrap": study.statistics.bootstrap,
                "confidence": study.statistics.confidence,
            },
            "peaks": peaks.table.to_dict(orient="records"),
            "exponents": _exponents(study, peaks),
            "joint": fit_joint_law(peaks, study.statistics),
            "prediction": predict_left_out(peaks, study.statistics),
            "bends": fit_local_exponents(peaks, study.statistics),
            "collapse": fit_collapse(peaks, study.statistics),
        }
    )


def _plain(value: Any) -> Any:
    """Turn NumPy scalars into Python's and NaN into None, throughout."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def laws_stage(study_path: Path, runs_path: Path, output: Path) -> None:
    """Write the peaks and exponents of a study's runs to a JSON file.

    Raises
    ------
    RecordError
        The table of runs cannot be read, or lacks wanted runs.
    """
    study = Study.read(study_path)
    # A peak is one of last evaluations; the rest, nineteen rows of twenty, need not be in pandas.
    runs = read_runs(runs_path, study, last_only=True)
    laws = {"schema_version": SCHEMA_VERSION} | fit_scaling_laws(study, runs)
    write_text(output, dumps_verified(laws, indent=1, allow_nan=False) + "\n")
