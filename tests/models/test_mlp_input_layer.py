"""The first layer's dual and its blocks of updates lead to the same weights."""

import pytest
import torch
from helpers.networks import BATCH, CLASSES, INPUTS, Peer, one_hot, problem

from noisescale.models.block import Block
from noisescale.models.mlp.input_layer import Dual, Primal
from noisescale.models.mlp.sgd import StackedMLP
from noisescale.training.minibatches import Minibatches
from noisescale.training.shuffling import permutations

pytestmark = pytest.mark.usefixtures("one_thread")

TRAIN, RUNS = 3 * BATCH + 2, 3
RATES = torch.tensor([0.02, 0.1, 0.5], dtype=torch.float64)


def train(
    dual, longest, momentum, hidden, batch_size, dtype=torch.float64, epochs=4, chosen=(0, 1, 2)
):
    """Train a stack of runs with different training sets; yield it after each epoch."""
    rows = torch.tensor(chosen)
    layers = [w[rows].to(dtype) for w in problem(RUNS, hidden, torch.float64)[0]]
    x, y, members = examples(dtype)
    sets = x[members]
    stack = StackedMLP(
        layers,
        RATES[rows].to(dtype),
        torch.zeros(len(rows)),
        momentum,
        batch_size,
        (sets, rows) if dual else None,
    )
    source = Minibatches(
        torch.bmm(sets, sets.mT).flatten(0, 1) if dual else x,
        torch.arange(RUNS * TRAIN).view(RUNS, TRAIN) if dual else members,
        one_hot(y, dtype),
        torch.arange(RUNS),
        rows,
        rows,
        batch_size,
    )
    for epoch in range(epochs):
        n = source.epoch_updates
        finite_signal = torch.empty(n, len(rows), dtype=dtype)
        done = 0
        groups = source.groups(epoch * n, (epoch + 1) * n, longest)
        for block in (block for group in groups for block in source.gather(group)):
            stack.advance(block, finite_signal[done : done + block.updates])
            done += block.updates
        yield stack, finite_signal


def examples(dtype):
    draw = torch.Generator().manual_seed(2)
    x = torch.randn(2 * TRAIN, INPUTS + 1, generator=draw, dtype=torch.float64).to(dtype)
    x[:, -1] = 1
    y = torch.randint(CLASSES, (RUNS, TRAIN), generator=draw)
    members = torch.stack([torch.randperm(2 * TRAIN, generator=draw)[:TRAIN] for _ in range(RUNS)])
    return x, y, members


def peers(momentum, hidden, batch_size, epochs=4):
    """The same trainings by autograd and torch.optim.SGD."""
    layers, _, _ = problem(RUNS, hidden, torch.float64)
    x, y, members = examples(torch.float64)
    models = [
        Peer([layer[run] for layer in layers], lr=float(RATES[run]), momentum=momentum)
        for run in range(RUNS)
    ]
    for epoch in range(epochs):
        order = permutations(torch.arange(RUNS), epoch, TRAIN)
        for run, model in enumerate(models):
            for batch in order[run, : TRAIN // batch_size * batch_size].split(batch_size):
                model.step(x[members[run, batch], :-1], y[run, batch])
        yield models


@pytest.mark.parametrize("dual", [False, True])
@pytest.mark.parametrize(
    ("batch_size", "longest"), [(1, 1), (1, 8), (2, 3), (BATCH, 3), (TRAIN, 1)]
)
@pytest.mark.parametrize("hidden", [[9], [9, 6]])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_all_ways_make_the_updates_of_autograd_with_torch_optim_sgd(
    dual, batch_size, longest, hidden, momentum
):
    trained = train(dual, longest, momentum, hidden, batch_size)
    for (stack, _), models in zip(trained, peers(momentum, hidden, batch_size), strict=True):
        for run, model in enumerate(models):
            for ours, theirs in zip(stack.layers, model.layers(), strict=True):
                torch.testing.assert_close(ours[run], theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("longest", [1, 6])
def test_the_dual_is_about_as_precise_as_the_primal(longest, monkeypatch):
    """In float32, after many updates, both are about as far from the float64 result."""
    monkeypatch.setitem(globals(), "RATES", torch.tensor([0.001, 0.003, 0.01]))

    def final(dual, dtype):
        *_, (stack, _) = train(dual, longest, 0.9, [9], 2, dtype, epochs=60)
        return stack.weights.double()

    truth = final(False, torch.float64)
    error = {dual: (final(dual, torch.float32) - truth).norm() for dual in (False, True)}
    assert error[True] < 3 * error[False] < 1e-3 * truth.norm()


@pytest.mark.parametrize("dual", [False, True])
@pytest.mark.parametrize("longest", [1, 4])
def test_dropping_networks_does_not_change_the_others(dual, longest):
    whole, cut = (train(dual, longest, 0.9, [9], 2, torch.float32) for _ in range(2))
    kept = torch.tensor([False, True, True])
    (stack, _), (other, _) = next(whole), next(cut)
    assert torch.equal(stack.weights, other.weights)
    other.select(kept)
    assert torch.equal(stack.weights[kept], other.weights)
    assert all(len(value) == 2 for value in other.state().values())


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("dual", [False, True])
def test_a_layer_trains_on_after_networks_are_dropped_and_after_it_is_restored(dual, momentum):
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(3, TRAIN, INPUTS, generator=draw)
    w = torch.randn(3, INPUTS, 9, generator=draw)
    gram, nothing = x @ x.mT, torch.empty(0)
    positions = torch.arange(BATCH).expand(3, -1)

    def update(layer, chosen):
        examples = (gram if dual else x)[chosen, :BATCH]
        d = 0.1 * layer.outputs(Block(examples, nothing, positions[chosen], 1))
        layer.update(Block(examples, nothing, positions[chosen], 1), d)

    def new_layer():
        start = w.clone()
        return Dual(start, momentum, x, torch.arange(3)) if dual else Primal(start, momentum)

    every = torch.tensor([True, True, True])
    kept = torch.tensor([False, True, True])
    whole, cut, restored = new_layer(), new_layer(), new_layer()
    for layer in (whole, cut):
        update(layer, every)
    for name, value in restored.state().items():
        value.copy_(whole.state()[name])
    cut.select(kept)
    for layer, chosen in ((whole, every), (cut, kept), (restored, every)):
        update(layer, chosen)
    assert torch.equal(restored.weights, whole.weights)
    assert torch.equal(cut.weights, whole.weights[kept])


@pytest.mark.parametrize("dual", [False, True])
@pytest.mark.parametrize(("batch_size", "longest"), [(1, 1), (1, 8), (2, 3), (TRAIN, 1)])
@pytest.mark.parametrize("hidden", [9, 800])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_stack_of_one_network_is_the_same_to_the_last_bit(
    dual, batch_size, longest, hidden, momentum
):
    def weights(chosen):
        how = (dual, longest, momentum, [hidden], batch_size, torch.float32)
        *_, (stack, _) = train(*how, chosen=chosen)
        return stack.weights

    together = weights((0, 1, 2))
    for run in range(RUNS):
        assert torch.equal(weights((run,))[0], together[run])


@pytest.mark.parametrize("size", ["in the cache"], indirect=True)
@pytest.mark.parametrize("outputs", [200, 300, 800])
@pytest.mark.parametrize("decay", [None, torch.tensor([0.1, 0.2, 0.3])], ids=["", "decay"])
@pytest.mark.parametrize(("batch_size", "updates"), [(1, 1), (1, 2), (3, 1), (32, 1), (8, 4)])
def test_a_large_layer_is_the_same_to_the_last_bit_in_every_stack(
    decay, outputs, batch_size, updates
):
    """With as many inputs as MNIST has, and so in several parts."""
    if decay is not None:
        updates, batch_size = 1, updates * batch_size
    draw = torch.Generator().manual_seed(0)
    w = torch.randn(3, 785, outputs, generator=draw)
    x = torch.randn(3, updates * batch_size, 785, generator=draw)
    d = torch.randn(3, updates * batch_size, outputs, generator=draw)
    nothing = torch.empty(0)

    def updated(chosen):
        layer = Primal(w[chosen].clone(), 0.9, None if decay is None else decay[chosen])
        assert len(layer._parts) > len(chosen)
        for _ in range(3):
            layer.update(Block(x[chosen], nothing, nothing, updates), d[chosen])
        return layer.weights

    together = updated([0, 1, 2])
    for chosen in ([0], [2], [1, 0]):
        assert torch.equal(updated(chosen), together[chosen])


@pytest.mark.parametrize("dual", [False, True])
def test_the_finite_signal_shows_the_update_of_a_block_at_which_a_network_diverges(
    dual, monkeypatch
):
    monkeypatch.setitem(globals(), "RATES", torch.tensor([0.1, 1e30, 0.1], dtype=torch.float64))
    _, one_by_one = next(train(dual, 1, 0.0, [9], 1, torch.float32))
    _, in_blocks = next(train(dual, 8, 0.0, [9], 1, torch.float32))
    finite = one_by_one.isfinite()
    assert finite[:, [0, 2]].all() and not finite[-1, 1]
    assert torch.equal(finite, in_blocks.isfinite())
