"""One stack trained to its end."""

from noisescale.course import Course, Keeper
from noisescale.side_by_side import side_by_side


def train(problem, runs, evaluations_per_decade, progress=lambda runs: None, keeper=None):
    """Return the learning curves of runs of one stack key."""
    keeper = keeper or Keeper()

    def begin(runs):
        return Course(problem, runs, evaluations_per_decade, progress, keeper)

    return next(side_by_side([runs], begin, 1, keeper, problem.x.device.type))
