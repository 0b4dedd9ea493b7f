"""Trainings of small stacks, to their end or killed in the midst."""

import dataclasses

from noisescale.study.grid import Run
from noisescale.training.checkpoint import Checkpoint
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


FORMULATIONS = {
    "two hidden layers": {"hidden": "19x37", "batch_size": 1, "momentum": 0.0, "updates": 60},
    "weight decay": {"weight_decay": 0.01},
    "momentum 0": {"momentum": 0.0},
    "blocks": {"batch_size": 2, "updates": 100},
    "dual": {"train_size": 9, "batch_size": 9},
    "dual, blocks": {"train_size": 9, "batch_size": 2, "momentum": 0.5},
}


def train(problem, runs, evaluations_per_decade, progress=lambda runs: None, checkpointer=None):
    """Return the learning curves of runs of one stack key."""
    checkpointer = checkpointer or Checkpointer()

    def begin(runs):
        return TrainingLoop(problem, runs, evaluations_per_decade, progress, checkpointer)

    return next(run_concurrently([runs], begin, 1, checkpointer, problem.x.device.type))


class Killed(BaseException):
    pass


class Doomed(Checkpoint):
    """Is due at its `lives`-th question, and its process killed right after it has written."""

    lives = 1

    def due(self):
        self.lives -= 1
        return self.lives <= 0

    def _write(self, stacks):
        super()._write(stacks)
        raise Killed


def same(curves, others):
    """Compare curves but for the time that they took."""
    return [dataclasses.replace(c, seconds=0) for c in curves] == [
        dataclasses.replace(c, seconds=0) for c in others
    ]
