"""How several stacks are trained at the same time, and with little memory."""

import pytest
import torch

from noisescale.training.packing import split_evenly
from noisescale.training.scheduler import run_concurrently
from noisescale.training.state import Checkpointer


class Machine:
    """Has memory for at most `most` runs at a time."""

    def __init__(self, most):
        self.most, self.held, self.trained = most, 0, []
        self.error = torch.OutOfMemoryError("CUDA out of memory")

    def begin(self, runs):
        return Fake(self, runs)


class Fake:
    """A loop of three steps that allocates half of its memory in each of the first two."""

    def __init__(self, machine, runs):
        self.machine, self.runs, self.seconds, self.steps = machine, runs, 0.0, 0
        self.over = False

    def step(self):
        if self.steps < 2:
            if self.machine.held + len(self.runs) / 2 > self.machine.most:
                raise self.machine.error
            self.machine.held += len(self.runs) / 2
        self.steps += 1
        self.over = self.steps == 3
        if self.over:
            self.machine.held -= len(self.runs)
            self.machine.trained.append((self.runs, self.seconds))

    def snapshot(self):
        return self.steps

    def curves(self):
        return [run * 10 for run in self.runs]

    def abandon(self):
        assert self.steps < 2
        self.machine.held -= self.steps * len(self.runs) / 2


class Diary(Checkpointer):
    """Records all snapshots."""

    def __init__(self):
        super().__init__()
        self.pages = []

    def due(self):
        return True

    def save(self, stacks):
        self.pages.append(stacks)


@pytest.mark.parametrize("n_concurrent", [1, 3, 9])
@pytest.mark.parametrize("most", [1, 3, 4, 100])
def test_every_run_is_trained_once_however_small_the_memory(most, n_concurrent, caplog):
    caplog.set_level("INFO")
    machine = Machine(most)
    stacks = split_evenly(list(range(23)), 6)
    found = list(run_concurrently(stacks, machine.begin, n_concurrent, Checkpointer(), "cpu"))
    assert sorted(curve for part in found for curve in part) == [10 * run for run in range(23)]
    assert machine.held == 0
    if most < 6:
        assert "continuing with stacks of" in caplog.text


def _beyond_tensors(code):
    error = RuntimeError("CUDA error: see error_code")
    error.error_code = code
    return error


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        _beyond_tensors(2),
    ],
    ids=["linear algebra", "a graph"],
)
def test_other_errors_of_a_full_memory_are_treated_in_the_same_way(error):
    machine = Machine(2)
    machine.error = error
    found = list(run_concurrently([[1, 2, 3], [4, 5]], machine.begin, 2, Checkpointer(), "cpu"))
    assert sorted(curve for part in found for curve in part) == [10, 20, 30, 40, 50]


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), _beyond_tensors(700)])
def test_other_errors_end_the_training(error):
    machine = Machine(2)
    machine.error = error
    with pytest.raises(RuntimeError) as raised:
        list(run_concurrently([[1, 2, 3], [4, 5]], machine.begin, 2, Checkpointer(), "cpu"))
    assert raised.value is error


def test_a_single_run_that_does_not_fit_is_an_error():
    with pytest.raises(torch.OutOfMemoryError):
        list(run_concurrently([[1, 2]], Machine(0).begin, 2, Checkpointer(), "cpu"))


def test_all_stacks_in_training_are_stored():
    diary = Diary()
    list(run_concurrently([[1, 2], [3], [4]], Machine(9).begin, 2, diary, "cpu"))
    assert [[runs for runs, _ in page] for page in diary.pages][:4] == [
        [[1, 2]],
        [[1, 2], [3]],
        [[3], [1, 2]],
        [[1, 2], [3]],
    ]
    assert diary.pages[-1] == []
    updates = [steps for page in diary.pages for runs, steps in page if runs == [1, 2]]
    assert updates == sorted(updates) and max(updates) == 2


def test_the_times_of_all_stacks_add_up_to_the_time_that_passes():
    import time

    class Slow(Fake):
        def step(self):
            time.sleep(0.01)
            super().step()

    started = time.perf_counter()
    machine = Machine(9)
    list(
        run_concurrently(
            [[1], [2], [3]], lambda runs: Slow(machine, runs), 2, Checkpointer(), "cpu"
        )
    )
    passed = time.perf_counter() - started
    # Each lacks its last step, in which it records its time.
    assert 0.06 <= sum(seconds for _, seconds in machine.trained) <= passed
