"""Whole trainings: learning curves, divergence, independence of the stack."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.trained import STRATEGIES, clouds, padded, run, train_stack

from noisescale.data.dataset import Dataset
from noisescale.data.randomness import noisy_labels, subset
from noisescale.models.mlp import stack, strategy
from noisescale.models.mlp.initialization import initial_weights
from noisescale.models.mlp.layer_sizes import hidden_widths
from noisescale.models.mlp.strategy import block_updates, uses_dual
from noisescale.models.registry import get_architecture
from noisescale.training import stopwatch
from noisescale.training.device_dataset import to_device
from noisescale.training.loop import TrainingLoop
from noisescale.training.minibatches import Minibatches
from noisescale.training.shuffling import permutations
from noisescale.training.stack_training import StackTraining

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data():
    return clouds()


def test_the_runs_of_these_tests_are_trained_in_all_ways():
    ways = {
        name: (uses_dual(run(**fields), 6), block_updates(run(**fields), 6) > 1)
        for name, fields in STRATEGIES.items()
    }
    assert ways == {
        "two hidden layers": (False, True),
        "weight decay": (False, False),
        "momentum 0": (False, False),
        "blocks": (False, True),
        "dual": (True, False),
        "dual, blocks": (True, True),
    }


@pytest.fixture(params=["as on a CPU", "as on a GPU"])
def data_there(request, data, monkeypatch):
    """The data set, with its inputs padded and its updates in blocks and groups as on a device."""
    if request.param == "as on a CPU":
        return data
    monkeypatch.setattr(stack, "block_updates", lambda *a: block_updates(*a[:2], "cuda"))

    def group_size(self, blocks, updates):
        return min(1 << blocks.bit_length() - 1, 16)

    monkeypatch.setattr(Minibatches, "_group_size", group_size)
    return padded(data)


@pytest.mark.parametrize("fields", STRATEGIES.values(), ids=STRATEGIES)
def test_a_training_is_that_of_the_usual_loop_with_autograd_and_sgd(data, data_there, fields):
    """With the subset, label noise, initial weights and order of the seed."""
    ours = run(label_noise=0.3, seed=5, **fields)
    (curve,) = train_stack(data_there, [ours], 5)

    n, batch_size = ours.train_size, ours.batch_size
    members = torch.from_numpy(subset(5, 200, n))
    labels = torch.from_numpy(noisy_labels(5, data.y.numpy(), 0.3, 3))
    x, y = data.x[members, :-1], labels[members]
    modules = []
    for layer in initial_weights(5, [6, *hidden_widths(ours), 3]):
        linear = torch.nn.Linear(layer.shape[0] - 1, layer.shape[1])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(layer[:-1].T.copy()))
            linear.bias.copy_(torch.from_numpy(layer[-1]))
        modules += [linear, torch.nn.ReLU()]
    model = torch.nn.Sequential(*modules[:-1])
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=ours.momentum, weight_decay=ours.weight_decay
    )
    for update in range(ours.updates):
        epoch, batch = divmod(update, n // batch_size)
        order = permutations(torch.tensor([5]), epoch, n)[0]
        chosen = order[batch_size * batch : batch_size * (batch + 1)]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x[chosen]), y[chosen]).backward()
        optimizer.step()

    with torch.no_grad():
        train_loss = torch.nn.functional.cross_entropy(model(x), y).item()
        test = model(data.x_test[:, :-1])
        test_loss = torch.nn.functional.cross_entropy(test, data.y_test).item()
        accuracy = (test.argmax(1) == data.y_test).float().mean().item()
    last = curve.evaluations[-1]
    assert last.update == ours.updates
    assert last.train_cross_entropy == pytest.approx(train_loss, rel=1e-3)
    assert last.test_cross_entropy == pytest.approx(test_loss, rel=1e-3)
    assert last.test_accuracy == pytest.approx(accuracy, abs=1 / 300)


@pytest.mark.parametrize("small", [strategy._SMALL, 0], ids=["small", "large"])
@pytest.mark.parametrize("fields", STRATEGIES.values(), ids=STRATEGIES)
def test_a_run_is_the_same_to_the_last_bit_in_every_stack(data, monkeypatch, fields, small):
    """Also with the blocks of a layer that exceeds the cache."""
    monkeypatch.setattr(strategy, "_SMALL", small)
    runs = [
        run(seed=seed, learning_rate=rate, label_noise=noise, **fields)
        for seed in (0, 1, 2)
        for rate, noise in ((0.05, 0.0), (0.2, 0.4), (1e20, 0))
    ]
    together = {curve.run: curve.evaluations for curve in train_stack(data, runs, 5)}
    for one in runs:
        (alone,) = train_stack(data, [one], 5)
        assert alone.evaluations == together[one]


def test_inputs_are_padded_to_rows_of_32_bytes_where_that_is_faster():
    draw = np.random.default_rng(0)
    x, y = draw.random((5, 10), dtype=np.float32), draw.integers(2, size=5)
    dataset, mlp = Dataset("", x, y, x, y, 2, ""), get_architecture("mlp")
    data = to_device(dataset, "meta", mlp)
    assert data.x.shape == data.x_test.shape == (5, 16)
    assert data.n_inputs == 10
    assert to_device(dataset, "cpu", mlp).x.shape == (5, 11)


def test_training_learns(data):
    (curve,) = train_stack(data, [run()], 5)
    assert curve.diverged_at is None
    assert curve.evaluations[0].update == 0 and curve.evaluations[0].train_accuracy < 0.7
    assert curve.evaluations[-1].train_accuracy > 0.95 and curve.evaluations[-1].test_accuracy > 0.8
    assert curve.seconds > 0


def test_a_run_that_diverges_counts_as_guessing_from_that_update_on(data):
    diverged, trained = train_stack(data, [run(learning_rate=1e20), run()], 5)
    assert trained.diverged_at is None
    assert 1 <= diverged.diverged_at <= 4
    assert [p.update for p in diverged.evaluations] == [p.update for p in trained.evaluations]
    for point in diverged.evaluations:
        finite = point.train_cross_entropy is not None
        assert finite == (point.update < diverged.diverged_at)
        if not finite:
            assert point.test_accuracy == point.train_accuracy == pytest.approx(1 / 3)
            assert point.test_cross_entropy is None


def test_the_update_of_divergence_is_exact(data):
    """It is the first whose gradient by autograd, in float32, is not finite."""
    wild = run(learning_rate=30.0, momentum=0.0, updates=2000, batch_size=2, seed=1)
    (curve,) = train_stack(data, [dataclasses.replace(wild, learning_rate=1e12)], 3)
    layers = [torch.from_numpy(w) for w in initial_weights(1, [6, 20, 3])]
    members = torch.from_numpy(subset(1, 200, 60))
    x, y = data.x[members], data.y[members]
    for update in range(1, 2001):
        epoch, batch = divmod(update - 1, 30)
        order = permutations(torch.tensor([1]), epoch, 60)[0]
        chosen = order[2 * batch : 2 * batch + 2]
        leaves = [layer.clone().requires_grad_() for layer in layers]
        hidden = torch.relu(x[chosen] @ leaves[0])
        logits = hidden @ leaves[1][:-1] + leaves[1][-1]
        gradient = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, y[chosen]), leaves)
        if not all(g.isfinite().all() for g in gradient):
            break
        layers = [w - 1e12 * g for w, g in zip(layers, gradient, strict=True)]
    assert curve.diverged_at == update


def test_a_run_that_ends_no_better_than_guessing_diverged_when_it_became_so(data):
    (curve,) = train_stack(data, [run(learning_rate=100.0, batch_size=1, updates=300)], 5)
    assert curve.diverged_at is not None
    if curve.evaluations[-1].train_cross_entropy is not None:
        since = [p for p in curve.evaluations if p.update >= curve.diverged_at]
        assert all(p.train_cross_entropy >= math.log(3) for p in since)


def test_progress_adds_up_to_the_number_of_runs(data):
    for rate in (0.1, 1e20):
        seen = []
        train_stack(data, [run(learning_rate=rate, seed=s) for s in range(3)], 5, seen.append)
        assert sum(seen) == pytest.approx(3)


def test_a_step_takes_about_a_tenth_of_a_second_however_long_an_update_takes(data, monkeypatch):
    """So that a process that is to stop can."""
    clock, per_update, advance = [0.0], [0.0], StackTraining.advance

    def slow(self, stop, due):
        before = self.update
        advance(self, stop, due)
        clock[0] += per_update[0] * (self.update - before)

    monkeypatch.setattr(stopwatch, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(StackTraining, "advance", slow)
    for per_update[0], least, most in ((0.02, 2, 10), (0.0002, 250, 500)):
        # With full batches, so that a group is one update; evaluated once in a thousand.
        loop = TrainingLoop(data, [run(batch_size=60, updates=4000)], 1)
        steps = []
        while not loop.over:
            before = loop.snapshot().update
            loop.step()
            steps.append(loop.snapshot().update - before)
        assert least <= max(steps[len(steps) // 2 :]) <= most
