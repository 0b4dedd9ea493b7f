"""A peak is found, its interval covers the true optimum, and doubtful peaks are censored."""

from __future__ import annotations

import itertools
import os
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import statsmodels.api as sm

from noisescale.laws.peak_fit import fit_peak, held_out_gap, without_failed_batches
from noisescale.statistics.loess import HALF_WIDTH, MIN_NEIGHBOURS, local_quadratic

SIZES = np.array([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000])
SIMULATIONS = int(os.environ.get("NOISESCALE_SIMULATIONS", "200"))
N_SEEDS = 10


def bump(octaves: np.ndarray) -> np.ndarray:
    """A symmetric peak two points high."""
    return 0.88 + 0.02 * np.exp(-0.5 * (octaves / 2.5) ** 2)


def slope_and_cliff(octaves: np.ndarray) -> np.ndarray:
    """A peak as real curves have it: gentle towards large batches, a cliff towards small ones."""
    return 0.88 + 0.007 / (1 + 2 ** (octaves - 2.5)) - 0.00175 * 2 ** (-2.2 * octaves)


def divergent(octaves: np.ndarray) -> np.ndarray:
    """A symmetric peak whose left end diverges, four times below the optimum."""
    return np.where(octaves < -2, 0.1, bump(octaves))


SHAPES = {bump: 0.0, slope_and_cliff: 0.7458, divergent: 0.0}
"""Curves as functions of octaves, and where their maximum is."""


def noisy(random, curve: np.ndarray, noise: float, n_seeds: int = N_SEEDS) -> np.ndarray:
    """Accuracies of seeds by batch sizes: effects of the seeds on whole curves, and noise."""
    seed_effect = random.normal(0, 0.01, (n_seeds, 1))
    return np.maximum(curve + seed_effect + random.normal(0, noise, (n_seeds, len(curve))), 0.1)


def fit(accuracy, sizes=SIZES, diverged=None, bootstrap=300):
    """The peak of a curve, with its intervals of level 0.95."""
    counts = np.random.default_rng(7).multinomial(
        len(accuracy), np.full(len(accuracy), 1 / len(accuracy)), size=bootstrap
    )
    diverged = accuracy <= 0.12 if diverged is None else diverged
    found = fit_peak(sizes, accuracy, diverged, counts)
    return SimpleNamespace(**vars(found) | vars(found.at(0.95)))


SETTINGS = list(itertools.product(SHAPES, [0.0015, 0.004]))
"""Shape of the curve, noise of an accuracy."""


@cache
def simulated(shape, noise):
    """Fits of curves whose optimum is anywhere from 20 to 40, and those optima."""
    random = np.random.default_rng(11)
    found = []
    for _ in range(SIMULATIONS):
        optimum = 20 * 2 ** random.uniform()
        octaves = np.log2(SIZES / optimum) + SHAPES[shape]
        found.append((fit(noisy(random, shape(octaves), noise)), optimum))
    return found


def inside(shape, noise) -> list[bool]:
    """Whether the interval of each simulated curve covers its optimum."""
    return [
        low <= optimum <= high
        for found, optimum in simulated(shape, noise)
        for low, high in [found.batch_opt_interval]
    ]


@pytest.mark.parametrize("at", [0.0, 3.3, 9.97])
def test_the_smooth_curve_equals_weighted_least_squares(at):
    x, y = np.log2(SIZES), np.random.default_rng(0).normal(size=len(SIZES))
    height, curvature = local_quadratic(x, np.array([at]))
    distance = np.abs(x - at)
    reach = max(HALF_WIDTH, 1.1 * np.sort(distance)[MIN_NEIGHBOURS - 1])
    weights = np.where(distance < reach, (1 - (distance / reach) ** 3) ** 3, 0)
    design = np.vander(x - at, 3, increasing=True)
    expected = sm.WLS(y, design, weights=weights).fit().params
    assert height @ y == pytest.approx(expected[0])
    assert curvature @ y == pytest.approx(2 * expected[2])


def test_three_batch_sizes_are_enough_for_a_parabola():
    sizes = np.array([4, 16, 64])
    accuracy = 0.9 - 0.001 * (np.log2(sizes) - 3.9) ** 2 + np.zeros((3, 1))
    assert fit(accuracy, sizes).batch_opt == pytest.approx(2**3.9, rel=0.02)


@pytest.mark.parametrize("optimum", [8, 13, 30, 100])
def test_without_noise_the_peak_is_found_between_the_grid_points(optimum):
    found = fit(np.tile(bump(np.log2(SIZES / optimum)), (3, 1)))
    assert found.reason == ""
    assert found.batch_opt == pytest.approx(optimum, rel=0.1)
    assert found.accuracy == pytest.approx(0.9, abs=1e-3)
    assert found.batch_opt_interval[0] < optimum < found.batch_opt_interval[1]


@pytest.mark.parametrize(("shape", "noise"), SETTINGS)
def test_the_optimum_is_unbiased_and_its_interval_covers_the_true_one(shape, noise):
    fits = simulated(shape, noise)
    estimators = {
        name: np.log2([getattr(found, name) / optimum for found, optimum in fits])
        for name in ("batch_opt", "batch_argmax")
    }
    share = np.mean(inside(shape, noise))
    text = "; ".join(
        f"{name} bias {error.mean():+.3f}, standard error {error.std():.3f} octaves"
        for name, error in estimators.items()
    )
    print(f"{shape.__name__}, noise {noise}: {share:.3f} of {len(fits)} inside; {text}")
    assert share >= 0.90
    for error in estimators.values():
        assert abs(error.mean()) < error.std()


def test_the_interval_of_an_optimum_has_about_its_nominal_coverage():
    share = np.mean([inside(*setting) for setting in SETTINGS])
    print(f"{len(SETTINGS) * SIMULATIONS} simulations: {share:.3f} inside")
    assert 0.90 <= share <= 0.99


def test_the_interval_is_not_unnecessarily_wide():
    """Its width is about four standard deviations of the estimate."""
    found = simulated(bump, 0.003)
    errors = [np.log2(peak.batch_opt / optimum) for peak, optimum in found]
    widths = [np.log2(np.divide(*peak.batch_opt_interval[::-1])) for peak, _ in found]
    assert np.median(widths) < 8 * np.std(errors)


def test_the_smooth_estimate_is_better_than_the_batch_size_of_highest_accuracy():
    found = simulated(bump, 0.003)
    smooth = [np.log2(peak.batch_opt / optimum) for peak, optimum in found]
    argmax = [np.log2(peak.batch_argmax / optimum) for peak, optimum in found]
    assert np.square(smooth).mean() < 0.7 * np.square(argmax).mean()


@pytest.mark.parametrize("n_seeds", [5, 10])
def test_flat_curves_are_censored(n_seeds):
    random = np.random.default_rng(3)
    flat = np.full(len(SIZES), 0.9)
    reasons = [fit(noisy(random, flat, 0.003, n_seeds)).reason for _ in range(SIMULATIONS)]
    print(f"{n_seeds} seeds: {np.mean([reason != '' for reason in reasons]):.3f} flagged")
    assert np.mean([reason != "" for reason in reasons]) >= 0.9
    assert np.mean([reason == "flat" for reason in reasons]) >= 0.75


def test_flat_curves_that_fail_at_small_batches_are_censored():
    """The cliff is no left side of a peak."""
    random = np.random.default_rng(4)
    cliff = np.where(SIZES < 6, 0.1, 0.9)
    reasons = [fit(noisy(random, cliff, 0.003)).reason for _ in range(SIMULATIONS)]
    assert np.mean([reason != "" for reason in reasons]) >= 0.9


def test_real_peaks_are_rarely_censored():
    assert np.mean([found.reason == "" for found, _ in simulated(bump, 0.003)]) >= 0.9


def test_choosing_the_best_of_many_batch_sizes_does_not_bias_the_gap():
    random = np.random.default_rng(5)
    honest, naive = [], []
    for _ in range(400):
        heights = noisy(random, np.full(11, 0.9), 0.01)
        honest.append(held_out_gap(heights, -1).mean())
        mean = heights.mean(axis=0)
        naive.append(mean.max() - mean[-1])
    assert abs(np.mean(honest)) < 4 * np.std(honest) / 20
    assert np.mean(naive) > 10 * np.std(naive) / 20


@pytest.mark.parametrize("optimum", [0.5, 1, 1000, 4000])
def test_peaks_at_an_end_of_the_range_are_censored(optimum):
    random = np.random.default_rng(6)
    for _ in range(10):
        found = fit(noisy(random, bump(np.log2(SIZES / optimum)), 0.001))
        assert found.reason == "edge"


def test_a_peak_that_cannot_be_distinguished_from_the_end_is_censored_as_edge():
    """The curve rises to B = 256 and stays: full batch may be as good."""
    rising = 0.88 + 0.004 * np.minimum(np.log2(SIZES), 8)
    found = fit(noisy(np.random.default_rng(8), rising, 0.003))
    assert found.reason == "edge"


def test_the_smallest_surviving_batch_is_no_rounded_top():
    accuracy = np.where(SIZES < 8, 0.1, 0.88 + 0.05 * 2.0 ** -np.log2(SIZES / 4))
    assert fit(np.tile(accuracy, (4, 1))).reason == "not concave"


@pytest.mark.parametrize("share", [0.2, 1.0])
@pytest.mark.parametrize("largest_failed", [2, 4, 8])
def test_diverged_runs_at_small_batches_do_not_move_the_peak(share, largest_failed):
    """Runs diverge up to a quarter of the optimum, in a fifth or all of the seeds."""
    random = np.random.default_rng(9)
    accuracy = noisy(random, bump(np.log2(SIZES / 32)), 0.001)
    with_failures = accuracy.copy()
    small = np.searchsorted(SIZES, largest_failed, side="right")
    with_failures[: round(share * N_SEEDS), :small] = 0.1
    without, found = fit(accuracy), fit(with_failures)
    assert found.reason == ""
    assert abs(np.log2(found.batch_opt / without.batch_opt)) < 0.35


def test_a_steep_fall_is_clipped():
    mean = np.array([0.83, 0.85, 0.87, 0.885, 0.90, 0.875])
    clipped, first = without_failed_batches(np.tile(mean, (5, 1)), np.zeros((5, 6), dtype=bool))
    assert first == 0
    np.testing.assert_allclose(clipped[0], [0.85, 0.85, 0.87, 0.885, 0.90, 0.875])


def test_points_below_a_cliff_are_left_out_but_three_are_kept():
    mean = np.array([0.3, 0.7, 0.90, 0.89, 0.88])
    kept, first = without_failed_batches(np.tile(mean, (5, 1)), np.zeros((5, 5), dtype=bool))
    assert first == 2
    np.testing.assert_allclose(kept[0], mean[2:])
    kept, first = without_failed_batches(np.tile(mean[:4], (5, 1)), np.zeros((5, 4), dtype=bool))
    assert first == 1
    np.testing.assert_allclose(kept[0], [0.88, 0.90, 0.89])


@pytest.mark.parametrize("noise", [0.001, 0.002])
@pytest.mark.parametrize("steepness", [5, 8])
def test_a_cliff_one_step_left_of_the_peak_does_not_move_it(noise, steepness):
    """As on digits: half octaves, the next smaller batch trains but loses points, none diverges."""
    random = np.random.default_rng(12)

    def curve(octaves: np.ndarray) -> np.ndarray:
        fall = np.minimum(0.02 * 2.0 ** (-steepness * octaves), 0.85)
        return 0.97 + 0.008 / (1 + 2 ** (octaves - 1)) - fall

    near = np.linspace(-1, 3, 4001)
    place = near[curve(near).argmax()]
    step, octaves = 0.5, np.arange(1, 10.01, 0.5)
    errors, holds = [], []
    for _ in range(SIMULATIONS):
        optimum = random.uniform(4, 5)
        accuracy = noisy(random, curve(octaves - optimum + place), noise)
        found = fit(accuracy, 2**octaves, np.zeros(accuracy.shape, dtype=bool))
        low, high = np.log2(found.batch_opt_interval)
        errors.append(np.log2(found.batch_opt) - optimum)
        holds.append(low <= optimum <= high)
    assert abs(np.mean(errors)) < step / 2
    assert np.mean(holds) >= 0.90


def test_one_seed_gives_a_peak_and_no_interval():
    found = fit(bump(np.log2(SIZES / 30))[None])
    assert found.reason == "one seed"
    assert found.batch_opt == pytest.approx(30, rel=0.1)
    assert np.isnan(found.batch_opt_interval).all() and np.isnan(found.gap_interval).all()
