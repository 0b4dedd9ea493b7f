"""On a GPU: the same trainings, by CUDA graphs, in stacks of any size. `make gpu` runs these."""

import contextlib
import dataclasses
import gc

import pytest
import torch
from helpers.trained import (
    STRATEGIES,
    Killed,
    KilledAfterWrite,
    clouds,
    padded,
    run,
    same_curves,
    train_stack,
)

from noisescale.results.identity import RunIdentity
from noisescale.training.gpu import gpu_usable
from noisescale.training.loop import TrainingLoop
from noisescale.training.scheduler import run_concurrently
from noisescale.training.state import Checkpointer
from noisescale.training.torch_settings import prepare_torch

IDENTITY = RunIdentity(1, "these", 5, "float32")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(autouse=True)
def float32():
    prepare_torch(1)
    yield
    prepare_torch(1)


@pytest.mark.parametrize("fields", STRATEGIES.values(), ids=STRATEGIES)
def test_trainings_are_those_of_the_cpu_up_to_rounding(fields):
    runs = [
        run(seed=seed, learning_rate=rate, label_noise=noise, **fields)
        for seed in (0, 1)
        for rate, noise in ((0.05, 0.0), (0.2, 0.4), (1e20, 0.0))
    ]
    there, here = (train_stack(clouds(device), runs, 5) for device in ("cuda", "cpu"))
    for gpu, cpu in zip(there, here, strict=True):
        assert gpu.diverged_at == cpu.diverged_at
        for a, b in zip(gpu.evaluations, cpu.evaluations, strict=True):
            assert a.update == b.update
            assert a.test_accuracy == pytest.approx(b.test_accuracy, abs=0.02)
            # A training that diverges amplifies rounding errors.
            if cpu.diverged_at is None or b.update < cpu.diverged_at:
                assert a.test_cross_entropy == pytest.approx(b.test_cross_entropy, rel=1e-2)


def test_a_large_stack_trains_each_run_as_a_stack_of_one_does_up_to_rounding():
    runs = [run(seed=seed, learning_rate=0.05) for seed in range(300)]
    together = train_stack(clouds("cuda"), runs, 5)
    for one in (0, 150, 299):
        (alone,) = train_stack(clouds("cuda"), [runs[one]], 5)
        a, b = together[one].evaluations[-1], alone.evaluations[-1]
        assert a.train_cross_entropy == pytest.approx(b.train_cross_entropy, rel=1e-2)


@pytest.mark.skipif(
    torch.cuda.is_available() and torch.cuda.get_device_capability() < (8, 0),
    reason="needs a GPU that has TF32",
)
def test_tf32_changes_a_training_a_little_and_only_where_it_is_set():
    """Its factors have 10 bits of precision: a relative error of about 1e-3."""
    runs = [run(hidden="256", learning_rate=0.05)]
    (exact,), (again,) = (train_stack(clouds("cuda"), runs, 5) for _ in range(2))
    prepare_torch(1, "tf32")
    (coarse,) = train_stack(clouds("cuda"), runs, 5)
    a, b, c = (curve.evaluations[-1].train_cross_entropy for curve in (exact, again, coarse))
    assert a == b != c == pytest.approx(a, rel=0.05)


@pytest.mark.parametrize("fields", STRATEGIES.values(), ids=STRATEGIES)
def test_a_stack_killed_after_every_block_ends_in_the_same_curves(tmp_path, fields):
    here = clouds("cuda")
    rates = (0.05, 1e2, 1e20)
    runs = [run(seed=s, learning_rate=rate, **fields) for s in (0, 1) for rate in rates]
    undisturbed, curves = train_stack(here, runs, 5), None
    while curves is None:
        with contextlib.suppress(Killed):
            checkpoint = KilledAfterWrite(tmp_path / "checkpoint", IDENTITY, runs)
            curves = train_stack(here, runs, 5, checkpointer=checkpoint)
    assert same_curves(curves, undisturbed)


def test_stacks_on_several_streams_are_those_of_one_at_a_time():
    """With different shapes, padded inputs, and runs that diverge on the way."""
    data = padded(clouds("cuda"))
    stacks = [
        [
            run(seed=seed, learning_rate=rate, **fields | {"batch_size": size})
            for seed in (0, 1, 2)
            for rate in (0.05, 1e2, 1e20)
        ]
        for fields in STRATEGIES.values()
        for size in (fields.get("batch_size", 15), 3)
    ]

    def curves(n_concurrent):
        def begin(runs):
            return TrainingLoop(data, runs, 5)

        finished = run_concurrently(stacks, begin, n_concurrent, Checkpointer(), "cuda")
        return {curve.run: curve for part in finished for curve in part}

    one, several = curves(1), curves(8)
    runs = [run for stack in stacks for run in stack]
    assert same_curves([several[run] for run in runs], [one[run] for run in runs])


def test_a_plan_finds_the_gpu():
    assert gpu_usable()


def test_fewer_and_smaller_stacks_on_a_small_memory_give_the_same_curves_up_to_rounding(caplog):
    """Runs take 100 MB each and are 8 to a stack: four stacks do not fit in 2 GB."""
    caplog.set_level("INFO")
    stacks = [
        [run(seed=seed, learning_rate=rate, hidden="3500x3500", updates=40) for seed in (0, 1)]
        for rate in (0.0002, 0.0004, 0.001, 0.002)
    ]
    stacks = [
        [dataclasses.replace(one, label_noise=noise) for one in stack for noise in (0, 0.1, 0.2, 1)]
        for stack in stacks
    ]
    here = clouds("cuda")

    def curves():
        def begin(runs):
            return TrainingLoop(here, runs, 2)

        finished = run_concurrently(stacks, begin, 4, Checkpointer(), "cuda")
        return {curve.run: curve for part in finished for curve in part}

    ample = curves()
    gc.collect()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(2e9 / total)
    try:
        scarce = curves()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "out of memory" in caplog.text
    assert scarce.keys() == ample.keys()
    for one, curve in ample.items():
        a, b = curve.evaluations[-1], scarce[one].evaluations[-1]
        assert a.train_cross_entropy == pytest.approx(b.train_cross_entropy, rel=1e-2, abs=1e-3)
