"""On a GPU: the same trainings, by CUDA graphs, in stacks of any size. `make gpu` runs these."""

import contextlib
import dataclasses
import gc

import numpy as np
import pytest
import torch
from helpers.trained import FORMULATIONS, Doomed, Killed, run, same, train

from noisescale.training.devices import prepare_torch
from noisescale.training.gpu import gpu_usable
from noisescale.training.loop import TrainingLoop
from noisescale.training.problem import DeviceDataset
from noisescale.training.scheduler import run_concurrently
from noisescale.training.state import Checkpointer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(autouse=True)
def float32():
    prepare_torch(1)
    yield
    prepare_torch(1)


def problem(device):
    """Three overlapping clouds of points."""
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(3, 6))

    def points(n):
        y = draw.integers(3, size=n)
        x = centres[y] + 0.5 * draw.normal(size=(n, 6))
        x = torch.tensor(np.c_[x, np.ones(n)], dtype=torch.float32)
        return x.to(device), torch.tensor(y)

    x, y = points(200)
    x_test, y_test = points(300)
    return DeviceDataset(x, y, x_test, y_test.to(device), n_classes=3)


@pytest.mark.parametrize("fields", FORMULATIONS.values(), ids=FORMULATIONS)
def test_trainings_are_those_of_the_cpu_but_for_rounding(fields):
    runs = [
        run(seed=seed, learning_rate=rate, label_noise=noise, **fields)
        for seed in (0, 1)
        for rate, noise in ((0.05, 0.0), (0.2, 0.4), (1e20, 0.0))
    ]
    there, here = (train(problem(device), runs, 5) for device in ("cuda", "cpu"))
    for gpu, cpu in zip(there, here, strict=True):
        assert gpu.diverged_at == cpu.diverged_at
        for a, b in zip(gpu.points, cpu.points, strict=True):
            assert a.update == b.update
            assert a.test_accuracy == pytest.approx(b.test_accuracy, abs=0.02)
            # Once it diverges, a training makes much of a rounding error.
            if cpu.diverged_at is None or b.update < cpu.diverged_at:
                assert a.test_cross_entropy == pytest.approx(b.test_cross_entropy, rel=1e-2)


def test_a_large_stack_trains_each_run_as_alone_but_for_rounding():
    runs = [run(seed=seed, learning_rate=0.05) for seed in range(300)]
    together = train(problem("cuda"), runs, 5)
    for one in (0, 150, 299):
        (alone,) = train(problem("cuda"), [runs[one]], 5)
        a, b = together[one].points[-1], alone.points[-1]
        assert a.train_cross_entropy == pytest.approx(b.train_cross_entropy, rel=1e-2)


@pytest.mark.skipif(
    torch.cuda.is_available() and torch.cuda.get_device_capability() < (8, 0),
    reason="needs a GPU that has TF32",
)
def test_tf32_changes_a_training_a_little_and_only_where_it_is_wanted():
    """Its factors have 10 bits of precision: a relative error of some 1e-3."""
    runs = [run(hidden="256", learning_rate=0.05)]
    (exact,), (again,) = (train(problem("cuda"), runs, 5) for _ in range(2))
    prepare_torch(1, "tf32")
    (coarse,) = train(problem("cuda"), runs, 5)
    a, b, c = (curve.points[-1].train_cross_entropy for curve in (exact, again, coarse))
    assert a == b != c == pytest.approx(a, rel=0.05)


@pytest.mark.parametrize("fields", FORMULATIONS.values(), ids=FORMULATIONS)
def test_a_stack_killed_after_every_block_ends_in_the_same_curves(tmp_path, fields):
    here = problem("cuda")
    rates = (0.05, 1e2, 1e20)
    runs = [run(seed=s, learning_rate=rate, **fields) for s in (0, 1) for rate in rates]
    undisturbed, curves = train(here, runs, 5), None
    while curves is None:
        with contextlib.suppress(Killed):
            curves = train(here, runs, 5, checkpointer=Doomed(tmp_path / "checkpoint", {}, runs))
    assert same(curves, undisturbed)


def test_stacks_on_several_streams_are_those_of_one_at_a_time():
    """Of different shapes, on padded inputs, with runs that diverge on the way."""
    unpadded = problem("cuda")
    x, x_test = (torch.nn.functional.pad(x, (0, 1)) for x in (unpadded.x, unpadded.x_test))
    padded = dataclasses.replace(unpadded, x=x, x_test=x_test, padding=1)
    stacks = [
        [
            run(seed=seed, learning_rate=rate, **fields | {"batch_size": size})
            for seed in (0, 1, 2)
            for rate in (0.05, 1e2, 1e20)
        ]
        for fields in FORMULATIONS.values()
        for size in (fields.get("batch_size", 15), 3)
    ]

    def curves(at_once):
        def begin(runs):
            return TrainingLoop(padded, runs, 5)

        made = run_concurrently(stacks, begin, at_once, Checkpointer(), "cuda")
        return {curve.run: curve for part in made for curve in part}

    one, several = curves(1), curves(8)
    runs = [run for stack in stacks for run in stack]
    assert same([several[run] for run in runs], [one[run] for run in runs])


def test_a_plan_finds_the_gpu():
    assert gpu_usable()


def test_where_memory_lacks_fewer_and_smaller_stacks_make_the_same_curves_but_for_rounding(capsys):
    """Of runs that take 100 MB each, 8 to a stack: four of these do not fit in 2 GB."""
    stacks = [
        [run(seed=seed, learning_rate=rate, hidden="3500x3500", updates=40) for seed in (0, 1)]
        for rate in (0.0002, 0.0004, 0.001, 0.002)
    ]
    stacks = [
        [dataclasses.replace(one, label_noise=noise) for one in stack for noise in (0, 0.1, 0.2, 1)]
        for stack in stacks
    ]
    here = problem("cuda")

    def curves():
        def begin(runs):
            return TrainingLoop(here, runs, 2)

        made = run_concurrently(stacks, begin, 4, Checkpointer(), "cuda")
        return {curve.run: curve for part in made for curve in part}

    ample = curves()
    gc.collect()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(2e9 / total)
    try:
        scarce = curves()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "out of memory" in capsys.readouterr().err
    assert scarce.keys() == ample.keys()
    for one, curve in ample.items():
        a, b = curve.points[-1], scarce[one].points[-1]
        assert a.train_cross_entropy == pytest.approx(b.train_cross_entropy, rel=1e-2, abs=1e-3)
