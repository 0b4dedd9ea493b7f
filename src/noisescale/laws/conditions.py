"""The conditions under which the theory's laws for the optimum batch size should hold."""

from __future__ import annotations

import pandas as pd

LARGE_TRAIN_SIZE = 20_000
"""The paper finds B_opt ∝ N for training sets of about this size or more."""
TRAINED = 0.99
"""Training accuracy from which a training set counts as fitted."""
NEAR_FULL_BATCH = 0.2
"""If B_opt is above this share of N, the approximation B ≪ N does not hold."""
NEAR_DIVERGED = 1.5
"""If B_opt is below this multiple of the largest B with a diverged run, it is near instability."""


def violated_conditions(experiment: str, curves: pd.DataFrame) -> tuple[str, ...]:
    """Describe the conditions of the law that at least one of some curves violates.

    Parameters
    ----------
    experiment
        The experiment that the curves are of.
    curves
        Columns as in `Peaks.table`.

    Returns
    -------
    tuple of str
        A phrase for each violated condition.
    """
    notes = []
    smallest = curves["train_size"].min()
    if experiment == "train_size" and smallest < LARGE_TRAIN_SIZE:
        notes.append(f"N below {LARGE_TRAIN_SIZE:,}")
    share = (curves["batch_opt"] / curves["train_size"]).max()
    if share > NEAR_FULL_BATCH:
        notes.append(f"B_opt is {share:.0%} of N")
    columns = (curves[name].to_numpy() for name in ("value", "batch_opt", "batch_diverged"))
    for value, batch_opt, batch_diverged in zip(*columns, strict=True):
        if batch_opt < NEAR_DIVERGED * batch_diverged:
            notes.append(
                f"at {value:g} near the limit of stability (B_opt {batch_opt:.3g}, "
                f"runs diverge up to B = {batch_diverged})"
            )
    accuracy = curves["train_accuracy"].min()
    if accuracy < TRAINED:
        notes.append(f"training unfinished (accuracy {accuracy:.1%})")
    return tuple(notes)
