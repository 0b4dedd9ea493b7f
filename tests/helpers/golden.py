"""Small trainings that together take every path of the arithmetic, and their recorded results.

After `noisescale.numerics.NUMERICS_VERSION` is incremented, record them again, from the root of the
repository::

    PYTHONPATH=src python tests/helpers/golden.py
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import astuple, replace
from pathlib import Path

from noisescale.environment import settle_environment

if __name__ == "__main__":
    settle_environment()

import numpy as np
import torch
from sklearn.datasets import load_digits

from noisescale.data.dataset import Dataset
from noisescale.data.preprocessing import preprocess
from noisescale.models.registry import architecture_of
from noisescale.numerics import NUMERICS_VERSION
from noisescale.study.grid import Run
from noisescale.training.device_dataset import to_device
from noisescale.training.loop import TrainingLoop
from noisescale.training.torch_settings import prepare_torch

PATH = Path(__file__).parents[1] / "training/golden/numerics.json"
COMMAND = "PYTHONPATH=src python tests/helpers/golden.py"

EVALUATIONS_PER_DECADE = 3
_SAMPLED_WEIGHTS = 40

_RUN = Run(
    hidden="20",
    preprocessing="raw",
    train_size=200,
    batch_size=16,
    learning_rate=0.05,
    momentum=0.9,
    weight_decay=0.0,
    label_noise=0.0,
    updates=40,
    seed=0,
)

# The first layer is trained in its dual for up to 96 examples of the 64 inputs, and otherwise
# directly (primal). Below 32,768 weights blocks hold up to 32 examples, beyond these 128. From
# 131,072 weights on, momentum is applied to one part of the weights after the other.
_TRAININGS: dict[str, dict[str, str | float]] = {
    "primal, single updates": {"momentum": 0.0, "batch_size": 50},
    "primal, single updates, momentum": {"preprocessing": "standardize"},
    "primal, weight decay": {"weight_decay": 0.01, "momentum": 0.0},
    "primal, weight decay, momentum, two hidden layers": {"hidden": "24x16", "weight_decay": 0.01},
    "primal, blocks, B = 1": {"momentum": 0.0, "batch_size": 1, "updates": 250},
    "primal, large blocks, momentum": {"hidden": "600", "batch_size": 5},
    "primal, full batch": {"batch_size": 200, "updates": 12},
    "primal, in parts": {"hidden": "2100", "batch_size": 32, "learning_rate": 0.01, "updates": 12},
    "primal, in parts, blocks": {"hidden": "2100", "batch_size": 8, "learning_rate": 0.01},
    "primal, in parts, weight decay": {"hidden": "2100", "weight_decay": 0.1, "updates": 12},
    "dual, single updates": {"train_size": 90, "momentum": 0.0, "batch_size": 40},
    "dual, single updates, momentum": {"train_size": 90, "preprocessing": "whiten"},
    "dual, blocks": {"train_size": 60, "momentum": 0.0, "batch_size": 2},
    "dual, blocks, B = 1, momentum, two hidden layers": {
        "train_size": 70,
        "batch_size": 1,
        "hidden": "16x12",
        "updates": 150,
        "learning_rate": 0.01,
    },
    "dual, full batch": {"train_size": 80, "batch_size": 80, "momentum": 0.0},
    "dual, full batch, momentum": {"train_size": 80, "batch_size": 80},
    "dual, large, momentum": {"train_size": 96, "hidden": "1400", "batch_size": 48, "updates": 12},
}


def trainings() -> dict[str, list[Run]]:
    """Return the runs of each training, which are trained in one stack.

    They differ in seed, learning rate and label noise, and one of them diverges.
    """
    stacks = {}
    for name, fields in _TRAININGS.items():
        run = replace(_RUN, **fields)
        noisy = replace(run, seed=1, label_noise=0.3, learning_rate=run.learning_rate / 2)
        stacks[name] = [run, noisy, replace(run, seed=2, learning_rate=1e20)]
    stacks["a single run, B = 1"] = [replace(_RUN, batch_size=1, updates=60, learning_rate=0.01)]
    return stacks


def digits() -> Dataset:
    """Return scikit-learn's handwritten digits: 1,000 to train on, 797 to test on."""
    x, y = load_digits(return_X_y=True)
    x, y = (x / 16).astype(np.float32), y.astype(np.int64)
    return Dataset("digits", x[:1000], y[:1000], x[1000:], y[1000:], 10, digest="")


def platform() -> dict[str, str]:
    """Return what the last bit of a result depends on: processor, libraries and their settings."""
    return {
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "MKL_CBWR": os.environ.get("MKL_CBWR", ""),
    }


def _processor() -> str:
    """Return the processor's vendor and family, if the system reports them."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "unknown"
    found = [re.search(rf"^{key}\s*:\s*(.+)$", text, re.M) for key in ("vendor_id", "cpu family")]
    return " family ".join(match[1] for match in found if match) or "unknown"


def train_all() -> dict[str, dict[str, object]]:
    """Train all, and return the results of each in plain data, as the file holds them.

    Returns
    -------
    dict
        For each training: ``curves``, the values of each run's evaluations; ``diverged_at`` of
        each run; ``weights``, the SHA-256 of the final float32 weights of the runs that have not
        diverged; ``sample``, some of these weights.
    """
    prepare_torch(1)
    dataset = digits()
    results: dict[str, dict[str, object]] = {}
    for name, runs in trainings().items():
        preprocessed = preprocess(dataset, runs[0].preprocessing)
        data = to_device(preprocessed, "cpu", architecture_of(runs[0]))
        loop = TrainingLoop(data, runs, EVALUATIONS_PER_DECADE)
        while not loop.over:
            loop.step()
        weights = loop.training.model.weights.numpy()
        sample = weights[:, :: max(1, weights.shape[1] * len(weights) // _SAMPLED_WEIGHTS)]
        curves = loop.curves()
        results[name] = {
            "curves": [
                [list(astuple(evaluation)) for evaluation in curve.evaluations] for curve in curves
            ],
            "diverged_at": [curve.diverged_at for curve in curves],
            "weights": hashlib.sha256(np.ascontiguousarray(weights)).hexdigest(),
            "sample": sample.astype(float).ravel().tolist(),
        }
    return results


def main() -> None:
    """Train, and write the file."""
    results = train_all()
    header = {"numerics_version": NUMERICS_VERSION, "platform": platform()}
    # One line for each training, so that a diff shows which ones have changed.
    lines = [f"{json.dumps(name)}: {json.dumps(result)}" for name, result in results.items()]
    text = json.dumps(header | {"trainings": {}}, indent=1)
    text = text.replace('"trainings": {}', '"trainings": {\n' + ",\n".join(lines) + "\n }")
    PATH.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
