"""The perceptron's updates, written out, are those of torch.autograd and torch.optim.SGD."""

import pytest
import torch
from helpers.networks import BATCH, STEPS, Peer, one_hot, problem

from noisescale.models.block import Block
from noisescale.models.mlp.sgd import StackedMLP, forward

pytestmark = pytest.mark.usefixtures("one_thread")


def step(stack, x, y):
    """Update each network with a minibatch; return the finite signal."""
    positions = torch.arange(x.shape[1]).expand(x.shape[:2])
    finite_signal = torch.empty(1, len(stack), dtype=x.dtype)
    stack.advance(Block(x, one_hot(y, x.dtype), positions, updates=1), finite_signal)
    return finite_signal[0]


@pytest.mark.parametrize("hidden", [[9], [9, 6], [16, 8, 4]])
@pytest.mark.parametrize("weight_decay", [0.0, 0.03])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_every_step_equals_autograd_with_torch_optim_sgd(momentum, weight_decay, hidden):
    layers, x, y = problem(3, hidden, torch.float64)
    learning_rates = torch.tensor([0.02, 0.1, 0.5], dtype=torch.float64)
    decay = torch.full((3,), weight_decay, dtype=torch.float64)
    stack = StackedMLP(layers, learning_rates, decay, momentum, BATCH)
    peers = [
        Peer(
            [layer[run] for layer in layers],
            lr=float(learning_rates[run]),
            momentum=momentum,
            weight_decay=weight_decay,
        )
        for run in range(3)
    ]
    for t in range(STEPS):
        step(stack, x[t], y[t])
        for run, peer in enumerate(peers):
            peer.step(x[t, run, :, :-1], y[t, run])
            for ours, theirs in zip(stack.layers, peer.layers(), strict=True):
                torch.testing.assert_close(ours[run], theirs, rtol=1e-9, atol=1e-11)


def test_networks_of_one_stack_may_differ_in_learning_rate_and_weight_decay():
    layers, x, y = problem(4, [9], torch.float64)
    learning_rates = torch.tensor([0.1, 0.1, 0.2, 0.2], dtype=torch.float64)
    decay = torch.tensor([0.0, 0.1, 0.0, 0.1], dtype=torch.float64)
    stack = StackedMLP(layers, learning_rates, decay, 0.5, BATCH)
    for t in range(STEPS):
        step(stack, x[t], y[t])
    for run in range(4):
        options = {"lr": float(learning_rates[run]), "weight_decay": float(decay[run])}
        peer = Peer([layer[run] for layer in layers], momentum=0.5, **options)
        for t in range(STEPS):
            peer.step(x[t, run, :, :-1], y[t, run])
        for ours, theirs in zip(stack.layers, peer.layers(), strict=True):
            torch.testing.assert_close(ours[run], theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("hidden", [37, 800])
@pytest.mark.parametrize("batch_size", [1, 2, 7, 33, 128])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_network_is_the_same_to_the_last_bit_in_every_stack(momentum, batch_size, hidden):
    layers, x, y = problem(6, [hidden], torch.float32, batch_size)

    def weights(chosen):
        rate, decay = torch.full((len(chosen),), 0.1), torch.zeros(len(chosen))
        stack = StackedMLP([layer[chosen] for layer in layers], rate, decay, momentum, batch_size)
        for t in range(STEPS):
            step(stack, x[t][chosen], y[t][chosen])
        return stack.weights

    together = weights(list(range(6)))
    for chosen in ([0], [4], [5, 2], [1, 2, 3]):
        assert torch.equal(weights(chosen), together[chosen])


def test_dropping_a_network_does_not_change_the_others():
    layers, x, y = problem(3, [9], torch.float32)
    rate, decay = torch.full((3,), 0.1), torch.full((3,), 0.01)
    whole, cut = (StackedMLP(layers, rate, decay, 0.9, BATCH) for _ in range(2))
    kept = torch.tensor([True, False, True])
    for t in range(STEPS):
        step(whole, x[t], y[t])
        if t == STEPS // 2:
            cut.select(kept)
        step(cut, x[t], y[t]) if t < STEPS // 2 else step(cut, x[t][kept], y[t][kept])
    assert len(cut) == 2
    assert torch.equal(whole.weights[kept], cut.weights)


def test_the_finite_signal_is_not_finite_from_the_divergence_of_a_network_on():
    layers, x, y = problem(2, [9], torch.float32)
    rate = torch.tensor([0.1, 1e30])
    stack = StackedMLP(layers, rate, torch.zeros(2), 0.0, BATCH)
    finite = [step(stack, x[t], y[t]).isfinite().tolist() for t in range(STEPS)]
    assert all(first for first, _ in finite)
    diverged = [not second for _, second in finite]
    assert any(diverged) and not diverged[0]
    assert diverged == sorted(diverged), "a network does not become finite again"


def test_forward_gives_the_logits_of_the_usual_network():
    layers, x, _ = problem(2, [9, 6], torch.float64)
    logits = forward(x[0, 0], layers)
    for run in range(2):
        peer = Peer([layer[run] for layer in layers], lr=0.1)
        torch.testing.assert_close(logits[run], peer.model(x[0, 0, :, :-1]).detach())


def test_a_stack_does_not_change_the_layers_it_is_given():
    layers, x, y = problem(2, [9], torch.float32)
    before = [layer.clone() for layer in layers]
    stack = StackedMLP(layers, torch.full((2,), 0.1), torch.zeros(2), 0.9, BATCH)
    step(stack, x[0], y[0])
    assert all(torch.equal(a, b) for a, b in zip(before, layers, strict=True))
