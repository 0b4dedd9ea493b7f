"""The training of any runs in this process, packed into stacks.

`train` is the public function; a training job (`noisescale.training.job`) calls `train_runs` with
the checkpoint of its shard.
"""

from __future__ import annotations

from collections.abc import Sequence

from noisescale.cost.estimate import run_seconds, training_seconds
from noisescale.data.dataset import Dataset, dataset_shape
from noisescale.data.preprocessing import preprocess
from noisescale.models.architecture import Architecture
from noisescale.models.registry import architecture_of
from noisescale.progress import Progress
from noisescale.study.grid import Run
from noisescale.training.device_dataset import DeviceDataset, to_device
from noisescale.training.devices import choose_device
from noisescale.training.learning_curve import LearningCurve
from noisescale.training.loop import TrainingLoop
from noisescale.training.packing import CONCURRENT_STACKS, pack
from noisescale.training.scheduler import run_concurrently
from noisescale.training.state import Checkpointer
from noisescale.training.torch_settings import torch_settings


def train(
    runs: Sequence[Run],
    dataset: Dataset,
    *,
    device: str = "auto",
    evaluations_per_decade: int = 5,
    precision: str = "float32",
) -> list[LearningCurve]:
    """Train runs in this process, without the workflow and without files.

    On a CPU it uses one thread, as the workflow's jobs do, so that a run's learning curve does not
    depend on the other runs of its stack. With Intel's MKL, this holds to the last bit only if
    `noisescale.environment.settle_environment` is called before torch is imported.

    Parameters
    ----------
    runs
        The runs, such as those of `noisescale.study.grid.unique_runs`.
    dataset
        The data set, from `noisescale.data.dataset.load_dataset`.
    device
        ``cpu``, ``cuda``, or ``auto``: a GPU where there is one.
    evaluations_per_decade
        Points of the learning curves per factor of ten in updates.
    precision
        Precision of matrix products on a GPU: ``float32`` or ``tf32``.

    Returns
    -------
    list of LearningCurve
        In the order of `runs`. `noisescale.training.learning_curve.runs_table` makes a table of
        them, and its method `to_pandas` a tidy DataFrame.

    Raises
    ------
    NoisescaleError
        `device` is ``cuda``, and there is no GPU.

    Examples
    --------
    >>> import noisescale as ns
    >>> study = ns.load_study("workflow/presets/smoke.yaml")
    >>> curves = ns.train(ns.unique_runs(study)[:2], ns.open_dataset("digits"), device="cpu")
    >>> [curve.evaluations[-1].update == curve.run.updates for curve in curves]
    [True, True]
    >>> table = ns.runs_table(curves, "digits").to_pandas()
    >>> bool(table["test_accuracy"].between(0, 1).all())
    True
    """
    with torch_settings(1, precision):
        return train_runs(
            dataset,
            runs,
            choose_device(device),
            evaluations_per_decade,
            dataset.name,
            Checkpointer(),
        )


def train_runs(
    dataset: Dataset,
    runs: Sequence[Run],
    device: str,
    evaluations_per_decade: int,
    label: str,
    checkpointer: Checkpointer,
) -> list[LearningCurve]:
    """Train runs of any shapes: one stack at a time on a CPU, several at a time on a GPU.

    Parameters
    ----------
    dataset
        The data set, not yet preprocessed.
    runs
        The runs; those that the checkpointer has finished are not trained again.
    device
        ``cpu`` or ``cuda``.
    evaluations_per_decade
        Points of the learning curves per factor of ten in updates.
    label
        Name of the work in progress messages.
    checkpointer
        Receives what is needed to resume the training.

    Returns
    -------
    list of LearningCurve
        In the order of `runs`.
    """
    shape = dataset_shape(dataset)
    packed = pack(list(dict.fromkeys(runs)), shape, device, evaluations_per_decade)
    unfinished = [[run for run in stack if run not in checkpointer.finished] for stack in packed]
    stacks = [stack for stack in unfinished if stack]
    to_train = [run for stack in stacks for run in stack]

    datasets: dict[tuple[Architecture, str], DeviceDataset] = {}

    def device_dataset(run: Run) -> DeviceDataset:
        key = architecture, preprocessing = architecture_of(run), run.preprocessing
        if key not in datasets:
            datasets[key] = to_device(preprocess(dataset, preprocessing), device, architecture)
        return datasets[key]

    work = training_seconds(to_train, shape, evaluations_per_decade, gpu=False)
    with Progress(len(to_train), label, "runs", work=work) as progress:

        def begin(stack: list[Run]) -> TrainingLoop:
            seconds_per_run = run_seconds(stack[0], shape, evaluations_per_decade)
            return TrainingLoop(
                device_dataset(stack[0]),
                stack,
                evaluations_per_decade,
                lambda runs: progress(runs, work=runs * seconds_per_run),
                checkpointer,
            )

        n_concurrent = CONCURRENT_STACKS[device]
        for curves in run_concurrently(stacks, begin, n_concurrent, checkpointer, device):
            checkpointer.add(curves)
    return [checkpointer.finished[run] for run in runs]
