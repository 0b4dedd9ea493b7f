"""When runs are evaluated, and the accuracies and cross-entropies that result."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss

from noisescale.models.mlp.sgd import forward
from noisescale.study.schedule import evaluation_updates
from noisescale.training.evaluation import LabelledExamples, evaluate


def test_evaluations_are_log_spaced_from_the_initial_weights_to_the_last_update():
    assert evaluation_updates(100, 2) == [0, 1, 3, 10, 32, 100]
    assert evaluation_updates(1, 5) == [0, 1]
    points = np.array(evaluation_updates(10_000, 5))
    ratios = points[10:] / points[9:-1]
    assert points[-1] == 10_000 and np.all(abs(np.log10(ratios) - 0.2) < 0.03)


class Stack:
    """As much of a `StackedModel` as is evaluated."""

    def __init__(self, layers):
        self.layers, self.widest = layers, 7

    def __len__(self):
        return len(self.layers[0])

    def predictor(self):
        return partial(forward, layers=self.layers)


def networks(stack, n):
    """Return random networks, examples, and labels with examples of each class."""
    draw = torch.Generator().manual_seed(0)
    layers = [torch.randn(stack, *s, generator=draw) / 2 for s in ((5, 6), (7, 3))]
    y = torch.randint(3, (stack, n), generator=draw)
    y[:, :3] = torch.arange(3)
    return layers, torch.randn(n, 5, generator=draw), y, draw


@pytest.mark.parametrize("n", [5, 5000])
def test_accuracy_and_cross_entropy_are_those_of_scikit_learn(n):
    layers, x, y, _ = networks(2, n)
    ((accuracy, cross_entropy),) = evaluate(Stack(layers), LabelledExamples(x, y[:1]))
    for run, logits in enumerate(forward(x, layers)):
        probabilities = logits.double().softmax(1).numpy()
        assert accuracy[run] == accuracy_score(y[0], probabilities.argmax(1))
        assert cross_entropy[run] == pytest.approx(log_loss(y[0], probabilities), rel=1e-5)


def test_networks_may_be_evaluated_on_different_examples_and_labels():
    layers, x, y, draw = networks(3, 2500)
    members = torch.stack([torch.randperm(2500, generator=draw) for _ in range(3)])
    shared, individual = evaluate(
        Stack(layers), LabelledExamples(x, y[:1]), LabelledExamples(x, y, members)
    )
    for run in range(3):
        one = Stack([layer[run : run + 1] for layer in layers])
        first, second = evaluate(
            one,
            LabelledExamples(x, y[:1]),
            LabelledExamples(x[members[run]], y[run : run + 1]),
        )
        assert [values[run] for values in shared] == [values[0] for values in first]
        assert [values[run] for values in individual] == [values[0] for values in second]


def test_a_tie_of_k_classes_counts_one_kth():
    """A blank image has equal logits in every class: a guess is right one time in ten."""
    layers = [torch.zeros(2, 6, 7), torch.zeros(2, 8, 10)]
    layers[1][1, -1, :4] = 1  # the second network prefers four of the classes
    y = torch.tensor([[0, 3, 4, 9]])
    ((accuracy, _),) = evaluate(Stack(layers), LabelledExamples(torch.zeros(4, 6), y))
    assert accuracy == pytest.approx([1 / 10, (1 / 4 + 1 / 4) / 4])


def test_logits_that_are_not_finite_are_never_right():
    layers = [torch.full((1, 6, 7), torch.nan), torch.ones(1, 8, 3)]
    ((accuracy, _),) = evaluate(
        Stack(layers), LabelledExamples(torch.ones(4, 6), torch.tensor([[0, 1, 2, 0]]))
    )
    assert accuracy == [0]
