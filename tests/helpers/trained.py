"""Trainings of small stacks, finished or killed on the way."""

import dataclasses

import numpy as np
import torch

from noisescale.models.mlp.stack import prepare_inputs
from noisescale.study.grid import Run
from noisescale.training.checkpoint import Checkpoint
from noisescale.training.device_dataset import DeviceDataset
from noisescale.training.loop import TrainingLoop
from noisescale.training.scheduler import run_concurrently
from noisescale.training.state import Checkpointer

RUN = Run(
    hidden="20",
    preprocessing="raw",
    train_size=60,
    batch_size=15,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=0.0,
    label_noise=0.0,
    updates=120,
    seed=0,
)


def run(**fields):
    return dataclasses.replace(RUN, **fields)


STRATEGIES = {
    "two hidden layers": {"hidden": "19x37", "batch_size": 1, "momentum": 0.0, "updates": 60},
    "weight decay": {"weight_decay": 0.01},
    "momentum 0": {"momentum": 0.0},
    "blocks": {"batch_size": 2, "updates": 100},
    "dual": {"train_size": 9, "batch_size": 9},
    "dual, blocks": {"train_size": 9, "batch_size": 2, "momentum": 0.5},
}
"""Runs for each way to train the first layer, on the six inputs of `clouds`."""


def clouds(device="cpu", n_test=300):
    """Return three overlapping clouds of points, 200 to train on."""
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(3, 6))

    def points(n):
        y = draw.integers(3, size=n)
        x = (centres[y] + 0.5 * draw.normal(size=(n, 6))).astype(np.float32)
        return prepare_inputs(x, "cpu").to(device), torch.tensor(y)

    (x, y), (x_test, y_test) = points(200), points(n_test)
    return DeviceDataset(x, y, x_test, y_test.to(device), n_inputs=6, n_classes=3)


def padded(data):
    """Return a data set with a column of zeros, as inputs are padded on a GPU."""
    x, x_test = (torch.nn.functional.pad(x, (0, 1)) for x in (data.x, data.x_test))
    return dataclasses.replace(data, x=x, x_test=x_test)


def train_stack(data, runs, evaluations_per_decade, progress=lambda runs: None, checkpointer=None):
    """Return the learning curves of runs of one stack key."""
    checkpointer = checkpointer or Checkpointer()

    def begin(runs):
        return TrainingLoop(data, runs, evaluations_per_decade, progress, checkpointer)

    return next(run_concurrently([runs], begin, 1, checkpointer, data.x.device.type))


class Killed(BaseException):
    """Takes the place of a kill of the process."""


class KilledAfterWrite(Checkpoint):
    """Is due when asked for the `questions`-th time; the process is killed right after writing."""

    questions = 1

    def due(self):
        self.questions -= 1
        return self.questions <= 0

    def _write(self, stacks):
        super()._write(stacks)
        raise Killed


def same_curves(curves, others):
    """Return whether learning curves are equal, except for the time that they took."""
    return [dataclasses.replace(c, seconds=0) for c in curves] == [
        dataclasses.replace(c, seconds=0) for c in others
    ]
