"""The paper's claims beside what was measured, each judged by a rule written down here.

A claim is "supported" when every quantity that it speaks of has its interval on the claimed side of
a fixed threshold, "not supported" when one of them has its interval on the other side, and
"undecided" when the data do not tell. Experiments that the study leaves out are passed over.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from noisescale.claims.claim import UNDECIDED, Claim
from noisescale.claims.evidence import evidence_claims
from noisescale.claims.generalization_gap import (
    generalization_gap_claim,
    weight_decay_claim,
)
from noisescale.claims.scaling import (
    LAWS,
    fixed_epochs_claim,
    one_noise_scale_claim,
    optimum_exists_claim,
    proportionality_claim,
)
from noisescale.laws.scaling import fit_scaling_laws
from noisescale.results.load import Results
from noisescale.results.selection import final_rows
from noisescale.study.model import Study


def all_claims(
    study: Study,
    runs: pd.DataFrame | None,
    evidence: pd.DataFrame | None,
    laws: dict[str, Any] | None,
) -> list[Claim]:
    """Return the claims that the study's results speak to, in the order of the figures.

    Parameters
    ----------
    runs, evidence
        Columns as in `schemas.RUNS` and `schemas.EVIDENCE`; None where the study has none.
    laws
        See `scaling.fit_scaling_laws`; None without runs.

    Raises
    ------
    RecordError
        Wanted runs are missing.
    """
    found: list[Claim | None] = []
    if evidence is not None and study.evidence is not None:
        found += evidence_claims(evidence, study.statistics)
    if runs is not None and laws is not None:
        has, finals = study.experiments, final_rows(runs)
        if "generalization_gap" in has:
            found.append(generalization_gap_claim(study, finals))
        if "batch_size" in has:
            found.append(optimum_exists_claim(laws))
        for experiment in LAWS:
            if experiment in has:
                found.append(proportionality_claim(laws, experiment))
        if "weight_decay" in has:
            found.append(weight_decay_claim(study, finals))
        if "fixed_epochs" in has:
            found.append(fixed_epochs_claim(study, finals, laws))
        found.append(one_noise_scale_claim(laws))
    return [claim for claim in found if claim is not None]


def evaluate_claims(inputs: Results) -> list[Claim]:
    """Return the claims, each with its verdict alone and among all.

    Among k claims, each is judged by intervals of level 1 − (1 − c)/k for the level c (Bonferroni):
    that any of them is wrongly decided has at most the probability of one alone.
    """
    study = inputs.study
    alone = all_claims(study, inputs.runs, inputs.evidence, inputs.laws)
    confidence = 1 - (1 - study.statistics.confidence) / max(1, len(alone))
    stricter = replace(study, statistics=replace(study.statistics, confidence=confidence))
    laws = inputs.laws and fit_scaling_laws(stricter, inputs.runs)
    among_all = {
        c.name: c.verdict for c in all_claims(stricter, inputs.runs, inputs.evidence, laws)
    }
    # A claim that the wider intervals leave no curve to speak to is undecided.
    return [replace(claim, together=among_all.get(claim.name, UNDECIDED)) for claim in alone]
