"""Minibatches: without replacement within an epoch, the same for runs that share a seed."""

import itertools

import pytest
import torch

from noisescale.training.minibatches import Minibatches, one_hot

POOL, TRAIN, CLASSES = 60, 20, 3


@pytest.fixture
def make():
    # An example's only input is its index in the pool, which identifies it in a minibatch.
    x = torch.arange(POOL, dtype=torch.float32)[:, None]
    draw = torch.Generator().manual_seed(0)
    members = torch.stack([torch.randperm(POOL, generator=draw)[:TRAIN] for _ in range(2)])
    labels = torch.randint(CLASSES, (3, TRAIN), generator=draw)

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


def blocks(source, start, stop, longest=1):
    for group in source.groups(start, stop, longest):
        yield from source.gather(group)


def updates(source, start, stop, longest=1):
    """The minibatches and labels of each update."""
    for block in blocks(source, start, stop, longest):
        x, targets = (t.unflatten(1, (block.updates, -1)) for t in (block.x, block.targets))
        yield from zip(x.unbind(1), targets.unbind(1), strict=True)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 10, 20])
def test_an_epoch_uses_each_example_at_most_once_and_only_whole_minibatches(make, batch_size):
    minibatches, members, _ = make
    source = minibatches(batch_size)
    per_epoch = TRAIN // batch_size
    seen = [x[..., 0] for x, _ in updates(source, 0, 2 * per_epoch)]
    assert len(seen) == 2 * per_epoch
    for epoch in (seen[:per_epoch], seen[per_epoch:]):
        for run, row in enumerate((0, 0, 1)):
            used = torch.cat([x[run] for x in epoch]).long()
            assert len(used) == per_epoch * batch_size == len(used.unique())
            assert set(used.tolist()) <= set(members[row].tolist())


def test_runs_of_equal_seed_see_the_same_examples_in_the_same_order(make):
    minibatches, _, _ = make
    for x, _ in updates(minibatches(3), 0, 30):
        assert torch.equal(x[0], x[1])
        assert not torch.equal(x[0], x[2])


def test_each_run_has_the_labels_of_its_task(make):
    minibatches, members, labels = make
    for x, targets in updates(minibatches(4), 0, 12):
        for run, task in enumerate((0, 1, 2)):
            position = {int(i): n for n, i in enumerate(members[(0, 0, 1)[run]])}
            expected = [labels[task][position[int(i)]] for i in x[run, :, 0]]
            assert targets[run].argmax(1).tolist() == expected


def test_minibatches_do_not_depend_on_how_the_updates_are_divided(make):
    minibatches, _, _ = make
    whole = [x for x, _ in updates(minibatches(3), 0, 25)]
    source = minibatches(3)
    cuts = [0, 1, 5, 6, 13, 25]
    pieces = [x for a, b in itertools.pairwise(cuts) for x, _ in updates(source, a, b)]
    assert all(torch.equal(a, b) for a, b in zip(whole, pieces, strict=True))


def test_a_run_sees_the_same_minibatches_in_every_stack(make):
    minibatches, _, _ = make
    stacked, alone = minibatches(3), minibatches(3, seed_row=(1,), task_row=(2,))
    for (x, y), (x_alone, y_alone) in zip(
        updates(stacked, 0, 20), updates(alone, 0, 20), strict=True
    ):
        assert torch.equal(x[2], x_alone[0]) and torch.equal(y[2], y_alone[0])


def test_dropping_runs_does_not_change_the_minibatches_of_the_others(make):
    minibatches, _, _ = make
    for batch_size in (3, TRAIN):
        whole, cut = minibatches(batch_size), minibatches(batch_size)
        list(updates(cut, 0, 4))
        cut.select(torch.tensor([False, True, True]))
        for (x, y), (x_cut, y_cut) in zip(updates(whole, 4, 9), updates(cut, 4, 9), strict=True):
            assert torch.equal(x[1:], x_cut) and torch.equal(y[1:], y_cut)


def test_a_full_batch_is_the_whole_training_set(make):
    minibatches, members, _ = make
    for x, _ in updates(minibatches(TRAIN), 0, 3):
        assert torch.equal(x[2, :, 0].long().sort().values, members[1].sort().values)


@pytest.mark.parametrize("longest", [1, 2, 3, 5, 8])
def test_blocks_hold_the_same_minibatches_whatever_their_length(make, longest):
    minibatches, _, _ = make
    one_by_one = list(updates(minibatches(2), 0, 37))
    in_blocks = list(updates(minibatches(2), 0, 37, longest))
    for (x, y), (x_block, y_block) in zip(one_by_one, in_blocks, strict=True):
        assert torch.equal(x, x_block) and torch.equal(y, y_block)


def test_a_block_is_of_full_length_or_of_a_power_of_two_and_ends_with_the_epoch(make):
    minibatches, _, _ = make
    lengths = [block.updates for block in blocks(minibatches(1), 0, 2 * TRAIN + 7, 6)]
    assert lengths == 2 * [6, 6, 6, 2] + [6, 1]


def test_positions_are_those_of_the_examples_in_the_training_set(make):
    minibatches, members, _ = make
    for block in blocks(minibatches(3), 0, 12, 2):
        for run, row in enumerate((0, 0, 1)):
            assert torch.equal(members[row][block.positions[run]], block.x[run, :, 0].long())


def test_groups_on_a_gpu_have_few_lengths(make, monkeypatch):
    """Each length is recorded once; the blocks in them are the same."""
    minibatches, _, _ = make

    class Elsewhere(Minibatches):
        """Minibatches that form groups as on a device other than a CPU."""

        def _group_size(self, blocks, updates):
            here, self.x = self.x, self.x.to("meta")
            most, self.x = super()._group_size(blocks, updates), here
            return most

    source = minibatches(1)
    source.__class__ = Elsewhere
    groups = list(source.groups(0, 2 * TRAIN, 3))
    assert [(p.blocks, p.updates) for p in groups] == 2 * [(4, 3), (2, 3), (1, 2)]
    theirs = [block for group in groups for block in source.gather(group)]
    for block, same in zip(theirs, blocks(minibatches(1), 0, 2 * TRAIN, 3), strict=True):
        assert torch.equal(block.x, same.x) and torch.equal(block.targets, same.targets)
    source.batch_size = TRAIN
    assert [p.blocks for p in source.groups(0, 37)] == [16, 16, 4, 1]
