"""When runs are evaluated, and the numbers that come out."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss

from noisescale.engine import forward
from noisescale.evaluation import evaluate, evaluation_updates


def test_evaluations_are_log_spaced_from_the_initial_weights_to_the_last_update():
    assert evaluation_updates(100, 2) == [0, 1, 3, 10, 32, 100]
    assert evaluation_updates(1, 5) == [0, 1]
    points = np.array(evaluation_updates(10_000, 5))
    ratios = points[10:] / points[9:-1]
    assert points[-1] == 10_000 and np.all(abs(np.log10(ratios) - 0.2) < 0.03)


@pytest.mark.parametrize("n", [5, 5000])
def test_accuracy_and_cross_entropy_are_those_of_scikit_learn(n):
    draw = torch.Generator().manual_seed(0)
    layers = [torch.randn(1, 5, 6, generator=draw), torch.randn(1, 7, 3, generator=draw)]
    x = torch.randn(n, 5, generator=draw)
    y = torch.randint(3, (n,), generator=draw)
    y[:3] = torch.arange(3)
    probabilities = forward(x, layers)[0].double().softmax(1).numpy()
    accuracy, cross_entropy = evaluate(layers, x, y)
    assert accuracy == accuracy_score(y, probabilities.argmax(1))
    assert cross_entropy == pytest.approx(log_loss(y, probabilities), rel=1e-5)
