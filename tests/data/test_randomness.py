"""Keyed randomness: what a seed determines, and that it does not change between versions."""

import numpy as np
import pytest
import torch
from scipy import stats

from noisescale.data.randomness import noisy_labels, subset
from noisescale.models.mlp.initialization import initial_weights
from noisescale.training import shuffling
from noisescale.training.shuffling import permutations


def test_smaller_training_sets_are_subsets_of_larger_ones():
    small, large = (set(subset(3, 500, n).tolist()) for n in (100, 400))
    assert small < large
    assert len(small) == 100 and len(large) == 400


def test_seeds_draw_different_training_sets():
    assert set(subset(0, 500, 100)) != set(subset(1, 500, 100))


def test_label_noise_replaces_its_fraction_and_is_nested():
    labels = np.arange(20_000) % 10
    noisy = {p: noisy_labels(5, labels, p, 10) for p in (0.0, 0.25, 0.75, 1.0)}
    assert np.array_equal(noisy[0.0], labels)
    for p, values in noisy.items():
        # A replaced label is the true one in one of ten cases.
        assert np.mean(values != labels) == pytest.approx(0.9 * p, abs=0.01)
    changed = noisy[0.25] != labels
    assert np.array_equal(noisy[0.75][changed], noisy[0.25][changed])


def test_fully_random_labels_are_uniform_and_independent_of_the_true_ones():
    labels = np.arange(20_000) % 10
    noisy = noisy_labels(5, labels, 1.0, 10)
    table = np.histogram2d(labels, noisy, bins=10)[0]
    assert stats.chi2_contingency(table).pvalue > 1e-3
    assert stats.chisquare(np.bincount(noisy)).pvalue > 1e-3


def test_initial_weights_are_normal_with_he_variance_and_zero_biases():
    first, second = initial_weights(0, [300, 200, 10])
    assert first.shape == (301, 200) and second.shape == (201, 10)
    assert not first[-1].any() and not second[-1].any()
    assert stats.kstest(first[:-1].ravel() / np.sqrt(2 / 300), "norm").pvalue > 1e-3
    assert second[:-1].std() == pytest.approx(np.sqrt(2 / 200), rel=0.05)


def test_permutations_contain_every_position_once():
    order = permutations(torch.tensor([0, 1, 2]), epoch=4, size=1000)
    assert torch.equal(order.sort(1).values, torch.arange(1000).expand(3, -1))


def test_a_permutation_depends_on_its_seed_and_epoch_only():
    single = permutations(torch.tensor([7]), epoch=2, size=50)
    among = permutations(torch.tensor([1, 7, 3]), epoch=2, size=50)
    assert torch.equal(single[0], among[1])
    assert not torch.equal(single, permutations(torch.tensor([7]), epoch=3, size=50))


def test_permutations_are_uniform():
    seeds = torch.arange(12_000)
    order = permutations(seeds, epoch=1, size=4)
    kinds = (order * torch.tensor([64, 16, 4, 1])).sum(1).unique(return_counts=True)[1]
    assert len(kinds) == 24
    assert stats.chisquare(kinds.numpy()).pvalue > 1e-3


def test_the_mixing_function_is_splitmix64():
    """Against the generator written with Python's unbounded integers."""

    def mix(x):
        mask = (1 << 64) - 1
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & mask
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB & mask
        return x ^ (x >> 31)

    values = [0, 1, 2, 12345, 2**63 - 1, 2**63, 2**64 - 1]
    signed = torch.tensor([v - (1 << 64) if v >= 1 << 63 else v for v in values])
    assert [v % (1 << 64) for v in shuffling._mix(signed).tolist()] == [mix(v) for v in values]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_permutations_are_the_same_bits_on_a_gpu():
    seeds = torch.arange(5)
    there = permutations(seeds.cuda(), epoch=9, size=3000)
    assert torch.equal(there.cpu(), permutations(seeds, epoch=9, size=3000))
