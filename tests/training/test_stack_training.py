"""Whole trainings: learning curves, divergence, independence of the stack."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.trained import FORMULATIONS, run, train

from noisescale.data.dataset import Dataset
from noisescale.data.randomness import noisy_labels, subset
from noisescale.models.mlp import strategy
from noisescale.models.mlp import strategy as formulation
from noisescale.models.mlp.initialization import initial_weights
from noisescale.models.mlp.strategy import block_updates, uses_dual
from noisescale.training import devices
from noisescale.training import stack_training as training
from noisescale.training.loop import TrainingLoop
from noisescale.training.minibatches import Minibatches
from noisescale.training.problem import DeviceDataset, to_device
from noisescale.training.shuffling import permutations
from noisescale.training.stack_training import StackTraining

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def problem():
    """Three overlapping clouds of points."""
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(3, 6))

    def points(n):
        y = draw.integers(3, size=n)
        x = centres[y] + 0.5 * draw.normal(size=(n, 6))
        return torch.tensor(np.c_[x, np.ones(n)], dtype=torch.float32), torch.tensor(y)

    return DeviceDataset(*points(200), *points(300), n_classes=3)


def test_these_runs_are_trained_in_all_formulations():
    forms = {
        name: (uses_dual(run(**fields), 6), block_updates(run(**fields), 6) > 1)
        for name, fields in FORMULATIONS.items()
    }
    assert forms == {
        "two hidden layers": (False, True),
        "weight decay": (False, False),
        "momentum 0": (False, False),
        "blocks": (False, True),
        "dual": (True, False),
        "dual, blocks": (True, True),
    }


@pytest.fixture(params=["as on a CPU", "as on a GPU"])
def problem_there(request, problem, monkeypatch):
    """The problem, cut into blocks and portions and padded as on a device."""
    if request.param == "as on a CPU":
        return problem
    monkeypatch.setattr(training, "block_updates", lambda *a: block_updates(*a[:2], "cuda"))
    monkeypatch.setattr(
        Minibatches, "_at_once", lambda self, blocks, updates: min(1 << blocks.bit_length() - 1, 16)
    )
    x, x_test = (torch.nn.functional.pad(x, (0, 1)) for x in (problem.x, problem.x_test))
    return dataclasses.replace(problem, x=x, x_test=x_test, padding=1)


@pytest.mark.parametrize("fields", FORMULATIONS.values(), ids=FORMULATIONS)
def test_a_training_is_that_of_the_usual_loop(problem, problem_there, fields):
    """Subset, noise, initial weights and order from the seed; steps by autograd and SGD."""
    ours = run(label_noise=0.3, seed=5, **fields)
    (curve,) = train(problem_there, [ours], 5)

    n, batch_size = ours.train_size, ours.batch_size
    members = torch.from_numpy(subset(5, 200, n))
    labels = torch.from_numpy(noisy_labels(5, problem.y.numpy(), 0.3, 3))
    x, y = problem.x[members, :-1], labels[members]
    modules = []
    for layer in initial_weights(5, [6, *ours.widths, 3]):
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
        test = model(problem.x_test[:, :-1])
        test_loss = torch.nn.functional.cross_entropy(test, problem.y_test).item()
        accuracy = (test.argmax(1) == problem.y_test).float().mean().item()
    last = curve.points[-1]
    assert last.update == ours.updates
    assert last.train_cross_entropy == pytest.approx(train_loss, rel=1e-3)
    assert last.test_cross_entropy == pytest.approx(test_loss, rel=1e-3)
    assert last.test_accuracy == pytest.approx(accuracy, abs=1 / 300)


@pytest.mark.parametrize("small", [strategy._SMALL, 0], ids=["small", "large"])
@pytest.mark.parametrize("fields", FORMULATIONS.values(), ids=FORMULATIONS)
def test_a_run_is_the_same_to_the_last_bit_whatever_it_is_trained_beside(
    problem, monkeypatch, fields, small
):
    """Also in the blocks of a layer that exceeds the cache."""
    monkeypatch.setattr(formulation, "_SMALL", small)
    runs = [
        run(seed=seed, learning_rate=rate, label_noise=noise, **fields)
        for seed in (0, 1, 2)
        for rate, noise in ((0.05, 0.0), (0.2, 0.4), (1e20, 0))
    ]
    together = {curve.run: curve.points for curve in train(problem, runs, 5)}
    for one in runs:
        (alone,) = train(problem, [one], 5)
        assert alone.points == together[one]


def test_inputs_are_padded_to_rows_of_32_bytes_where_that_is_faster():
    draw = np.random.default_rng(0)
    x, y = draw.random((5, 10), dtype=np.float32), draw.integers(2, size=5)
    problem = to_device(Dataset("", x, y, x, y, 2, ""), "meta")
    assert problem.x.shape == problem.x_test.shape == (5, 16)
    assert (problem.padding, problem.n_inputs) == (5, 10)
    assert to_device(Dataset("", x, y, x, y, 2, ""), "cpu").x.shape == (5, 11)


def test_training_learns(problem):
    (curve,) = train(problem, [run()], 5)
    assert curve.diverged_at is None
    assert curve.points[0].update == 0 and curve.points[0].train_accuracy < 0.7
    assert curve.points[-1].train_accuracy > 0.95 and curve.points[-1].test_accuracy > 0.8
    assert curve.seconds > 0


def test_a_run_that_blows_up_counts_as_guessing_from_the_update_where_it_does(problem):
    blown, sound = train(problem, [run(learning_rate=1e20), run()], 5)
    assert sound.diverged_at is None
    assert 1 <= blown.diverged_at <= 4
    assert [p.update for p in blown.points] == [p.update for p in sound.points]
    for point in blown.points:
        finite = point.train_cross_entropy is not None
        assert finite == (point.update < blown.diverged_at)
        if not finite:
            assert point.test_accuracy == point.train_accuracy == pytest.approx(1 / 3)
            assert point.test_cross_entropy is None


def test_the_update_of_divergence_is_exact(problem):
    """By hand: the first update whose gradient is not finite, in float32 as trained."""
    wild = run(learning_rate=30.0, momentum=0.0, updates=2000, batch_size=2, seed=1)
    (curve,) = train(problem, [dataclasses.replace(wild, learning_rate=1e12)], 3)
    layers = [torch.from_numpy(w) for w in initial_weights(1, [6, 20, 3])]
    members = torch.from_numpy(subset(1, 200, 60))
    x, y = problem.x[members], problem.y[members]
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


def test_a_run_that_ends_no_better_than_guessing_is_diverged_since_it_was_so(problem):
    (curve,) = train(problem, [run(learning_rate=100.0, batch_size=1, updates=300)], 5)
    assert curve.diverged_at is not None
    if curve.points[-1].train_cross_entropy is not None:
        since = [p for p in curve.points if p.update >= curve.diverged_at]
        assert all(p.train_cross_entropy >= math.log(3) for p in since)


def test_progress_adds_up_to_the_number_of_runs(problem):
    for rate in (0.1, 1e20):
        seen = []
        train(problem, [run(learning_rate=rate, seed=s) for s in range(3)], 5, seen.append)
        assert sum(seen) == pytest.approx(3)


def test_a_piece_takes_about_as_long_as_said(problem, monkeypatch):
    """However long an update takes, so that a process that is to stop can."""
    clock, per_update, advance = [0.0], [0.0], StackTraining.advance

    def slow(self, stop, due):
        before = self.update
        advance(self, stop, due)
        clock[0] += per_update[0] * (self.update - before)

    monkeypatch.setattr(devices, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(StackTraining, "advance", slow)
    for per_update[0], least, most in ((0.02, 2, 10), (0.0002, 250, 500)):
        # Of full batches, so that a portion is one update; evaluated once in a thousand.
        loop = TrainingLoop(problem, [run(batch_size=60, updates=4000)], 1)
        pieces = []
        while not loop.over:
            before = loop.snapshot().update
            loop.step()
            pieces.append(loop.snapshot().update - before)
        assert least <= max(pieces[len(pieces) // 2 :]) <= most
