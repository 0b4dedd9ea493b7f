"""Part I of the paper: logistic regression on two classes for a range of prior precisions.

Figures 1 and 2 show its results, which have one row per seed, label noise and prior precision.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from noisescale.data.dataset import Dataset
from noisescale.data.preprocessing import preprocess
from noisescale.data.randomness import IMAGES, TEST_NOISE, TRAIN_NOISE, generator, noisy_labels
from noisescale.data.study_data import load_data_of
from noisescale.errors import DataError, NoisescaleError
from noisescale.evidence import laplace
from noisescale.progress import Progress
from noisescale.results.schemas import EVIDENCE
from noisescale.storage.provenance import collect_provenance
from noisescale.storage.tables import write_table
from noisescale.study.model import EvidenceSpec, Study


def sweep_evidence(
    dataset: Dataset,
    spec: EvidenceSpec,
    progress: Callable[[float], None] = lambda fits: None,
) -> pa.Table:
    """Fit a model for every combination of seed, label noise and prior precision.

    The statistics of preprocessing are those of the drawn training images, not of the whole
    training split. The model thus uses nothing but its N examples, and the test images stay unseen,
    whichever pool they come from.

    Parameters
    ----------
    dataset
        The data set that images are drawn from.
    spec
        The classes, sizes and values of the sweep.
    progress
        Called with the number of fits since the last call.

    Returns
    -------
    pyarrow.Table
        Columns as in `noisescale.results.schemas.EVIDENCE`. ``n_parameters`` is P, one weight per
        input and the bias; ``weight_norm`` is that of the weights without the bias.

    Raises
    ------
    DataError
        The pool has too few images of a class.
    NoisescaleError
        The minimum of a cost is not found.
    """
    rows: list[dict[str, Any]] = []
    for seed in spec.seeds:
        drawn = preprocess(draw_two_classes(dataset, spec, seed), spec.preprocessing)
        design = laplace.design_matrix(drawn.X_train)
        n_parameters = design.shape[1]
        basis = laplace.row_space(design)
        design = design @ basis
        test_design = laplace.design_matrix(drawn.X_test) @ basis
        for label_noise in spec.label_noise:
            labels = noisy_labels(seed, drawn.y_train, label_noise, 2, TRAIN_NOISE)
            test_labels = noisy_labels(seed, drawn.y_test, label_noise, 2, TEST_NOISE)
            fits: list[dict[str, Any]] = []
            for minimum in laplace.minima_over_priors(design, labels, spec.prior_precision):
                logits, test_logits = design @ minimum.weights, test_design @ minimum.weights
                weight_norm = float(np.linalg.norm((basis @ minimum.weights)[:-1]))
                ratio = laplace.log_evidence_ratio(minimum, len(labels))
                fits.append(
                    {
                        "dataset": dataset.name,
                        "preprocessing": spec.preprocessing,
                        "seed": seed,
                        "label_noise": label_noise,
                        "prior_precision": minimum.prior_precision,
                        "train_size": len(labels),
                        "test_size": len(test_labels),
                        "n_parameters": n_parameters,
                        "log_evidence_ratio": ratio,
                        "log_evidence_ratio_per_example": ratio / len(labels),
                        "cost": minimum.cost,
                        "half_log_determinant": minimum.half_log_determinant,
                        "train_accuracy": laplace.accuracy(logits, labels),
                        "test_accuracy": laplace.accuracy(test_logits, test_labels),
                        "train_cross_entropy": laplace.cross_entropy(logits, labels),
                        "test_cross_entropy": laplace.cross_entropy(test_logits, test_labels),
                        "margin": laplace.margin(logits, labels, weight_norm),
                        "weight_norm": weight_norm,
                        "gradient_norm": minimum.gradient_norm,
                        "newton_steps": minimum.newton_steps,
                    }
                )
                progress(1)
            rows += reversed(fits)
    return pa.Table.from_pylist(rows, schema=EVIDENCE)


def draw_two_classes(dataset: Dataset, spec: EvidenceSpec, seed: int) -> Dataset:
    """Draw disjoint training and test images of two classes, half of each class.

    The smaller of two training sets of the same seed is a subset of the larger one; the test images
    do not depend on the size of the training set.

    Returns
    -------
    Dataset
        With labels 0 and 1 for the first and the second of the classes.

    Raises
    ------
    DataError
        The pool has too few images of a class.
    """
    X, y = dataset.X_train, dataset.y_train
    if spec.pool == "all":
        X, y = np.concatenate([X, dataset.X_test]), np.concatenate([y, dataset.y_test])
    random = generator(seed, IMAGES)
    half_train, half_test = spec.train_size // 2, spec.test_size // 2
    train, test = [], []
    for c in spec.classes:
        members = random.permutation(np.flatnonzero(y == c))
        if len(members) < half_train + half_test:
            raise DataError(
                f"experiments.evidence: train_size {spec.train_size} and test_size "
                f"{spec.test_size} need {half_train + half_test} images of class {c}, but "
                f"{dataset.name} has {len(members)} in pool {spec.pool}"
            )
        train.append(members[:half_train])
        test.append(members[len(members) - half_test :])
    return replace(
        dataset,
        X_train=X[np.concatenate(train)],
        y_train=np.repeat([0, 1], half_train),
        X_test=X[np.concatenate(test)],
        y_test=np.repeat([0, 1], half_test),
        n_classes=2,
    )


def evidence_stage(study_path: Path, data_path: Path, output: Path) -> None:
    """Run a study's sweep of prior precisions and write ``evidence.parquet``.

    Parameters
    ----------
    study_path
        The resolved study as JSON.
    data_path
        The prepared data set, see `noisescale.data.prepare.prepare_dataset`.
    output
        The table.

    Raises
    ------
    NoisescaleError
        The study has no sweep, a file cannot be read or written, the pool has too few images, or
        the minimum of a cost is not found.
    """
    study = Study.read(study_path)
    if study.evidence is None:
        raise NoisescaleError("experiments.evidence: null; expected a block with a sweep")
    dataset = load_data_of(study, data_path)
    began = time.perf_counter()
    spec = study.evidence
    fits = len(spec.seeds) * len(spec.label_noise) * len(spec.prior_precision)
    with Progress(fits, "evidence", "fits") as progress:
        table = sweep_evidence(dataset, spec, progress)
    metadata = {
        "kind": "evidence",
        "data_digest": dataset.digest,
        "study": {"dataset": asdict(study.dataset), "evidence": asdict(study.evidence)},
        "device": "cpu",
        "seconds": time.perf_counter() - began,
    }
    write_table(output, table, EVIDENCE, metadata | collect_provenance())
