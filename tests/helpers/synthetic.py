"""A synthetic study with a known optimum, to test statistics and figures with.

The accuracy of a curve is a smooth peak in log B at B_opt = k ε^α N^β / (1 − m)^γ. Seeds are common
random numbers, as in the real study: a seed lifts or lowers every curve alike, and each run has a
independent small noise.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from noisescale.results.schemas import EVIDENCE, RUNS
from noisescale.storage.files import write_text
from noisescale.storage.provenance import collect_provenance
from noisescale.storage.tables import write_table
from noisescale.study.grid import unique_runs
from noisescale.study.model import (
    BatchRange,
    DatasetSpec,
    EvidenceSpec,
    Experiment,
    Statistics,
    Study,
)
from noisescale.study.schedule import evaluation_updates

CHANCE = 0.1
PEAK_WIDTH = 2.5
"""Standard deviation of the peak in octaves of B."""
DIVERGENCE = 12.0
"""Runs with B < B_opt / 12 have so large a noise scale that they diverge."""

BASE = {
    "hidden": ["100"],
    "preprocessing": ["raw"],
    "train_size": [1000],
    "learning_rate": [0.1],
    "momentum": [0.9],
    "weight_decay": [0.0],
    "label_noise": [0.0],
    "updates": [2000],
}
OCTAVES = BatchRange(start=1, stop=None, per_octave=1.0)


def _experiment(name: str, batch_size: list | BatchRange, seeds: int, **axes: list) -> Experiment:
    resolved = BASE | axes | {"seeds": list(range(seeds))}
    if "epochs" in axes:
        del resolved["updates"]
    return Experiment(name, resolved, batch_size)


def synthetic_study(seeds: int = 10, bootstrap: int = 400) -> Study:
    """Return a study with every experiment and the evidence sweep, on ten classes."""
    experiments = [
        _experiment("generalization_gap", [16, "full"], seeds),
        _experiment("batch_size", OCTAVES, seeds),
        _experiment("learning_rate", OCTAVES, seeds, learning_rate=[0.02, 0.05, 0.1, 0.2, 0.5]),
        _experiment("train_size", OCTAVES, seeds, train_size=[500, 1000, 2000, 4000]),
        _experiment("momentum", OCTAVES, seeds, momentum=[0.0, 0.5, 0.8, 0.9, 0.95]),
        _experiment("weight_decay", [16, "full"], seeds, weight_decay=[0.0, 1e-4, 1e-3, 1e-2]),
        _experiment("fixed_epochs", OCTAVES, seeds, epochs=[10.0, 40.0]),
        _experiment("label_noise", OCTAVES, seeds, label_noise=[0.0, 0.25, 0.5, 1.0]),
    ]
    evidence = EvidenceSpec(
        classes=[0, 1],
        pool="train",
        train_size=800,
        test_size=10000,
        prior_precision=[float(10.0**x) for x in np.arange(-8, 5.01, 0.5)],
        label_noise=[0.0, 0.5, 1.0],
        preprocessing="raw",
        seeds=list(range(seeds)),
    )
    return Study(
        name="synthetic",
        title="A made-up study",
        dataset=DatasetSpec("digits", None, "data"),
        device="cpu",
        precision="float32",
        seeds_per_shard=10,
        evaluations_per_decade=5,
        experiments={experiment.name: experiment for experiment in experiments},
        evidence=evidence,
        statistics=Statistics(bootstrap=bootstrap, confidence=0.95),
    )


def true_batch_opt(
    learning_rate: float,
    train_size: float,
    momentum: float,
    exponents: tuple[float, float, float] = (1, 1, 1),
    batch_opt: float = 16,
) -> float:
    """Return the batch size at the peak; `batch_opt` is its value at the base setting."""
    alpha, beta, gamma = exponents
    return (
        batch_opt
        * (learning_rate / 0.1) ** alpha
        * (train_size / 1000) ** beta
        * (0.1 / (1 - momentum)) ** gamma
    )


def synthetic_runs(
    study: Study,
    noise: float = 0.003,
    exponents: tuple[float, float, float] = (1, 1, 1),
    batch_opt: float = 16,
    gap: float = 0.02,
    seed_spread: float = 0.01,
    random_seed: int = 0,
) -> pd.DataFrame:
    """Return every run of the study with the columns of `schemas.RUNS`.

    Parameters
    ----------
    noise
        Standard deviation of the independent noise of a run's final test accuracy.
    exponents
        Of B_opt on learning rate, training set size and 1/(1 − momentum).
    batch_opt
        B_opt at the base setting (ε = 0.1, N = 1000, m = 0.9).
    gap
        Height of the peak over the accuracy far away from it.
    seed_spread
        Standard deviation of the effect that a seed has on all its runs.
    """
    random = np.random.default_rng(random_seed)
    runs = unique_runs(study)
    table = pd.DataFrame([asdict(run) for run in runs])
    table.insert(0, "run_id", [run.run_id for run in runs])
    table.insert(1, "dataset", study.dataset.name)
    table["noise_scale"] = [run.noise_scale for run in runs]

    peak = true_batch_opt(
        table.learning_rate, table.train_size, table.momentum, exponents, batch_opt
    )
    octaves = np.log2(table.batch_size / peak)
    clean = 1 - table.label_noise
    seeds, which = np.unique(table.seed, return_inverse=True)
    final = 0.88 + gap * np.exp(-0.5 * (octaves / PEAK_WIDTH) ** 2)
    final += 0.01 * np.exp(-((np.log10(table.weight_decay + 1e-6) + 3) ** 2))
    final = CHANCE + clean * (final - CHANCE)
    final += random.normal(0, seed_spread, len(seeds))[which]
    final += random.normal(0, noise, len(table)) if noise else 0
    diverged = (table.batch_size < peak / DIVERGENCE).to_numpy()

    points = {u: evaluation_updates(u, study.evaluations_per_decade) for u in set(table.updates)}
    per_run = [points[u] for u in table.updates]
    index = np.repeat(np.arange(len(table)), [len(p) for p in per_run])
    long = table.iloc[index].reset_index(drop=True)
    long["update"] = np.concatenate(per_run)
    long["epoch"] = long["update"] / (long.train_size // long.batch_size)

    time = long["update"] * long.learning_rate / (1 - long.momentum) / 30
    progress = (1 - np.exp(-time)) / (1 - np.exp(-time.groupby(index).transform("max")))
    gone = diverged[index] & (long["update"] > long.updates / 10)
    target = final.to_numpy()[index]
    long["test_accuracy"] = np.clip(CHANCE + progress * (target - CHANCE), 0, 1)
    long["train_accuracy"] = np.clip(CHANCE + 1.05 * progress * (1 - CHANCE), 0, 1)
    long["train_cross_entropy"] = np.log(10) * (1 - progress) + 0.004
    long["test_cross_entropy"] = np.log(10) * (1 - progress) + 5 * progress * (1 - target)
    long.loc[gone, ["train_accuracy", "test_accuracy"]] = CHANCE
    long.loc[gone, ["train_cross_entropy", "test_cross_entropy"]] = np.nan

    long["status"] = np.where(diverged[index], "diverged", "trained")
    first = long["update"].where(gone).groupby(index).transform("min")
    long["diverged_at"] = first.astype("Int32")
    long["train_seconds"] = long.updates * 1e-3
    return long[RUNS.names]


def synthetic_evidence(study: Study, random_seed: int = 1) -> pd.DataFrame:
    """Return the evidence sweep with the columns of `schemas.EVIDENCE`, like figures 1 and 2."""
    random = np.random.default_rng(random_seed)
    spec = study.evidence
    axes = [spec.seeds, spec.label_noise, spec.prior_precision]
    index = pd.MultiIndex.from_product(axes, names=["seed", "label_noise", "prior_precision"])
    table = index.to_frame(index=False)
    table["dataset"] = study.dataset.name
    table["preprocessing"] = spec.preprocessing
    table["train_size"], table["test_size"], table["n_parameters"] = 800, 10000, 785

    x = np.log10(table.prior_precision)
    random_share = table.label_noise
    strong = 1 / (1 + np.exp(-(x - 4 + 2.5 * random_share) / 0.35))
    fitted = 1 - strong
    jitter = random.normal(0, 1, len(table))
    decades = np.maximum(0, 2 - x) / 10

    table["train_accuracy"] = np.clip(0.5 + 0.5 * fitted * (1 + 1e-3 * jitter), 0, 1)
    right = 0.5 + 0.498 * (1 - random_share)
    table["test_accuracy"] = np.clip(right - 0.003 * decades + 0.002 * jitter, 0, 1)
    ln2 = np.log(2)
    table["train_cross_entropy"] = ln2 * strong + 0.003 * 10 ** (-decades * 5) * fitted
    overconfident = (0.004 + 0.02 * decades**2) * (1 - random_share) + 8 * decades * random_share
    table["test_cross_entropy"] = ln2 * (strong + fitted * random_share) + fitted * overconfident
    table["margin"] = (0.9 * (1 - random_share) + 0.02 * random_share) * fitted + 0.05 * strong
    occam = (0.02 + 0.06 * decades) * (1 - random_share) + (0.2 + 0.8 * decades) * random_share
    per_example = fitted * (occam - (1 - random_share) * ln2) + 0.001 * jitter * fitted
    table["log_evidence_ratio_per_example"] = per_example
    table["log_evidence_ratio"] = per_example * table.train_size
    table["half_log_determinant"] = fitted * occam * table.train_size * 0.8
    table["cost"] = table.log_evidence_ratio - table.half_log_determinant + table.train_size * ln2
    table["weight_norm"] = fitted * 10 ** (-x / 4)
    table["gradient_norm"] = 1e-10
    table["newton_steps"] = 12
    return table[EVIDENCE.names]


def write_synthetic(folder: Path, study: Study | None = None) -> Study:
    """Write study.json, runs.parquet and evidence.parquet into `folder`; return the study."""
    folder = Path(folder)
    study = study or synthetic_study()
    metadata = {"study": study.name} | collect_provenance()
    write_text(folder / "study.json", study.to_json())
    for name, frame, schema in [
        ("runs", synthetic_runs(study), RUNS),
        ("evidence", synthetic_evidence(study), EVIDENCE),
    ]:
        table = pa.Table.from_pandas(frame, preserve_index=False)
        write_table(folder / f"{name}.parquet", table, schema, {"kind": name} | metadata)
    return study
