"""The paper's claims beside what was measured, each judged by a rule written down here.

A claim is "supported" when every quantity that it speaks of has its interval on the claimed side of
a fixed threshold, "not supported" when one of them has its interval on the other side, and
"undecided" when the data do not tell. Experiments that the study leaves out are passed over.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from noisescale import claims_evidence, claims_gap, claims_scaling
from noisescale.curves import final_rows
from noisescale.study import Study
from noisescale.verdicts import Claim


def claims(
    study: Study,
    runs: pd.DataFrame | None,
    evidence: pd.DataFrame | None,
    laws: dict[str, Any] | None,
) -> list[Claim]:
    """Return the claims that the study's results speak to, in the order of the figures.

    Parameters
    ----------
    runs, evidence
        Columns as in `records.RUNS` and `records.EVIDENCE`; None where the study has none.
    laws
        See `scaling.scaling_laws`; None without runs.

    Raises
    ------
    RecordError
        Wanted runs are missing.
    """
    found: list[Claim | None] = []
    if evidence is not None and study.evidence is not None:
        found += claims_evidence.claims(evidence, study.statistics)
    if runs is not None and laws is not None:
        has, finals = study.experiments, final_rows(runs)
        if "generalization_gap" in has:
            found.append(claims_gap.generalization_gap(study, finals))
        if "batch_size" in has:
            found.append(claims_scaling.optimum_exists(laws))
        for experiment in claims_scaling.LAWS:
            if experiment in has:
                found.append(claims_scaling.proportionality(laws, experiment))
        if "weight_decay" in has:
            found.append(claims_gap.weight_decay(study, finals))
        if "fixed_epochs" in has:
            found.append(claims_scaling.optimum_at_fixed_epochs(study, finals, laws))
        found.append(claims_scaling.one_noise_scale(laws))
    return [claim for claim in found if claim is not None]
