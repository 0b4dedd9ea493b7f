"""Minibatches: without replacement within an epoch, alike for runs that share a seed."""

import itertools

import pytest
import torch

from noisescale.sampling import Minibatches, one_hot

POOL, TRAIN, CLASSES = 60, 20, 3


@pytest.fixture
def make():
    # Each example's only input is its index in the pool, so that a minibatch tells who is in it.
    x = torch.arange(POOL, dtype=torch.float32)[:, None]
    draw = torch.Generator().manual_seed(0)
    members = torch.stack([torch.randperm(POOL, generator=draw)[:TRAIN] for _ in range(2)])
    labels = torch.randint(CLASSES, (3, POOL), generator=draw)

    def minibatches(batch_size, seed_row=(0, 0, 1), task_row=(0, 1, 2)):
        return Minibatches(
            x,
            members,
            one_hot(labels, CLASSES),
            torch.tensor([11, 12]),
            torch.tensor(seed_row),
            torch.tensor(task_row),
            batch_size,
        )

    return minibatches, members, labels


@pytest.mark.parametrize("batch_size", [1, 3, 7, 10, 20])
def test_an_epoch_uses_each_example_at_most_once_and_only_whole_minibatches(make, batch_size):
    minibatches, members, _ = make
    source = minibatches(batch_size)
    per_epoch = TRAIN // batch_size
    updates = [x[..., 0] for x, _ in source.updates(0, 2 * per_epoch)]
    assert len(updates) == 2 * per_epoch
    for epoch in (updates[:per_epoch], updates[per_epoch:]):
        for run, row in enumerate((0, 0, 1)):
            used = torch.cat([x[run] for x in epoch]).long()
            assert len(used) == per_epoch * batch_size == len(used.unique())
            assert set(used.tolist()) <= set(members[row].tolist())


def test_runs_of_equal_seed_see_the_same_examples_in_the_same_order(make):
    minibatches, _, _ = make
    for x, _ in minibatches(3).updates(0, 30):
        assert torch.equal(x[0], x[1])
        assert not torch.equal(x[0], x[2])


def test_each_run_has_the_labels_of_its_own_task(make):
    minibatches, _, labels = make
    for x, targets in minibatches(4).updates(0, 12):
        for run, task in enumerate((0, 1, 2)):
            assert torch.equal(targets[run].argmax(1), labels[task][x[run, :, 0].long()])


def test_asking_in_pieces_gives_the_same_minibatches_as_asking_at_once(make):
    minibatches, _, _ = make
    at_once = [x for x, _ in minibatches(3).updates(0, 25)]
    source = minibatches(3)
    cuts = [0, 1, 5, 6, 13, 25]
    pieces = [x for a, b in itertools.pairwise(cuts) for x, _ in source.updates(a, b)]
    assert all(torch.equal(a, b) for a, b in zip(at_once, pieces, strict=True))


def test_a_run_sees_the_same_minibatches_whatever_it_is_stacked_with(make):
    minibatches, _, _ = make
    stacked, alone = minibatches(3), minibatches(3, seed_row=(1,), task_row=(2,))
    for (x, y), (x_alone, y_alone) in zip(
        stacked.updates(0, 20), alone.updates(0, 20), strict=True
    ):
        assert torch.equal(x[2], x_alone[0]) and torch.equal(y[2], y_alone[0])


def test_dropping_runs_leaves_the_others_their_minibatches(make):
    minibatches, _, _ = make
    for batch_size in (3, TRAIN):
        whole, cut = minibatches(batch_size), minibatches(batch_size)
        list(cut.updates(0, 4))
        cut.keep(torch.tensor([False, True, True]))
        for (x, y), (x_cut, y_cut) in zip(whole.updates(4, 9), cut.updates(4, 9), strict=True):
            assert torch.equal(x[1:], x_cut) and torch.equal(y[1:], y_cut)


def test_a_full_batch_is_the_whole_training_set(make):
    minibatches, members, _ = make
    for x, _ in minibatches(TRAIN).updates(0, 3):
        assert torch.equal(x[2, :, 0].long().sort().values, members[1].sort().values)
