"""How runs are cut into stacks."""

import pytest
import torch

from noisescale.stacks import in_parts


class Machine:
    """Trains at most `most` runs at a time; more are out of its memory."""

    def __init__(self, most):
        self.most, self.stacks = most, []

    def __call__(self, part):
        if len(part) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.stacks.append(len(part))
        return [run * 10 for run in part]


@pytest.mark.parametrize("most", [1, 3, 4, 100])
def test_every_run_is_trained_once_in_order_however_small_the_memory(most, capsys):
    machine = Machine(most)
    curves = [curve for part in in_parts(list(range(23)), 16, machine) for curve in part]
    assert curves == [run * 10 for run in range(23)]
    assert max(machine.stacks) <= most
    assert ("out of memory" in capsys.readouterr().err) == (most < 12)


def test_stacks_are_of_about_equal_size():
    machine = Machine(100)
    list(in_parts(list(range(17)), 8, machine))
    assert machine.stacks == [6, 6, 5]


def test_a_run_that_does_not_fit_alone_fails():
    with pytest.raises(torch.OutOfMemoryError):
        list(in_parts([1, 2], 2, Machine(0)))
