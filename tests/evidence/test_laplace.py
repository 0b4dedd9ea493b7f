"""The evidence of logistic regression, compared with independent computations."""

import numpy as np
import pytest
from scipy import integrate
from scipy.special import log_expit

from noisescale.errors import NoisescaleError
from noisescale.evidence import laplace


def problem(n=60, d=8, seed=0, scale=1.0, true_labels=True):
    """Return a design matrix (n, d + 1) and labels that follow a logistic model, or nothing."""
    rng = np.random.default_rng(seed)
    inputs = scale * rng.standard_normal((n, d))
    logits = inputs @ rng.standard_normal(d) if true_labels else np.zeros(n)
    labels = (rng.random(n) < 1 / (1 + np.exp(-logits))).astype(np.int64)
    return laplace.design_matrix(inputs), labels


def separable(n=40, d=60, seed=0):
    """Fewer examples than weights: any labels are memorized, and the Hessian nearly vanishes."""
    return problem(n, d, seed, true_labels=False)


def cost(design, labels, prior_precision, weights):
    """C(w) straight from its definition."""
    log_likelihood = log_expit((2 * labels - 1) * (design @ weights)).sum()
    return -log_likelihood + prior_precision / 2 * (weights**2).sum()


def ratio(design, labels, prior_precision):
    minimum = laplace.minimize(design, labels, prior_precision)
    return laplace.log_evidence_ratio(minimum, len(labels))


# --- the minimum ---


@pytest.mark.parametrize("prior_precision", [1e-4, 1e-2, 1.0, 1e2, 1e4])
@pytest.mark.parametrize("make", [problem, separable])
def test_weights_are_those_of_scikit_learn(make, prior_precision):
    from sklearn.linear_model import LogisticRegression

    design, labels = make()
    peer = LogisticRegression(
        C=1 / prior_precision, fit_intercept=False, tol=1e-12, max_iter=10000, solver="newton-cg"
    ).fit(design, labels)
    minimum = laplace.minimize(design, labels, prior_precision)
    np.testing.assert_allclose(
        minimum.weights, peer.coef_[0], rtol=1e-5, atol=1e-6 * np.abs(peer.coef_).max()
    )
    ours, theirs = (
        cost(design, labels, prior_precision, w) for w in (minimum.weights, peer.coef_[0])
    )
    assert minimum.cost == pytest.approx(ours, rel=1e-12)
    assert ours <= theirs + 1e-12 * theirs


@pytest.mark.parametrize("prior_precision", [1e-8, 1e-4, 1.0, 1e5])
@pytest.mark.parametrize("make", [problem, separable])
def test_no_step_in_any_direction_lowers_the_cost(make, prior_precision):
    design, labels = make()
    minimum = laplace.minimize(design, labels, prior_precision)
    rng = np.random.default_rng(1)
    for size in (1e-1, 1e-3):
        for _ in range(20):
            step = rng.standard_normal(design.shape[1])
            step *= size * np.linalg.norm(minimum.weights) / np.linalg.norm(step)
            there = cost(design, labels, prior_precision, minimum.weights + step)
            assert there > minimum.cost * (1 - 1e-12)


@pytest.mark.parametrize("prior_precision", [1e-8, 1e-4, 1.0, 1e5])
def test_the_gradient_is_small_compared_with_its_two_terms(prior_precision):
    design, labels = separable()
    minimum = laplace.minimize(design, labels, prior_precision)
    assert minimum.gradient_norm < 1e-6 * prior_precision * np.linalg.norm(minimum.weights)


def test_the_minimum_does_not_depend_on_the_start():
    design, labels = separable()
    precisions = [10.0**k for k in range(-8, 6)]
    warm = list(laplace.minima_over_priors(design, labels, precisions))
    assert [m.prior_precision for m in warm] == sorted(precisions, reverse=True)
    for minimum in warm:
        cold = laplace.minimize(design, labels, minimum.prior_precision)
        np.testing.assert_allclose(minimum.weights, cold.weights, rtol=1e-6)
        assert minimum.half_log_determinant == pytest.approx(cold.half_log_determinant, rel=1e-7)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_inputs_without_a_minimum_in_float64_are_an_error():
    design, labels = problem()
    with pytest.raises(NoisescaleError, match="prior_precision: 1e-08 is too small"):
        laplace.minimize(design * 1e200, labels, 1e-8)


# --- the determinant ---


@pytest.mark.parametrize("prior_precision", [1e-3, 1.0, 1e3])
def test_log_determinant_is_that_of_the_hessian_by_autograd(prior_precision):
    import torch

    design, labels = problem()
    minimum = laplace.minimize(design, labels, prior_precision)
    A, signs = torch.from_numpy(design), torch.from_numpy(2.0 * labels - 1)

    def differentiable_cost(w):
        log_likelihood = torch.nn.functional.logsigmoid(signs * (A @ w)).sum()
        return -log_likelihood + prior_precision / 2 * (w @ w)

    hessian = torch.autograd.functional.hessian(
        differentiable_cost, torch.from_numpy(minimum.weights)
    )
    expected = 0.5 * np.log(np.linalg.eigvalsh(hessian.numpy()) / prior_precision).sum()
    assert minimum.half_log_determinant == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("prior_precision", [1e-8, 1e-3])
@pytest.mark.parametrize("rotated", [False, True])
def test_log_determinant_is_accurate_where_the_hessian_is_nearly_singular(prior_precision, rotated):
    mpmath = pytest.importorskip("mpmath")
    design, labels = problem(n=30, d=12, true_labels=False)
    design = design * np.logspace(-5, 1, 13)  # singular values over six decades
    if rotated:
        design = design @ laplace.row_space(design)
    minimum = laplace.minimize(design, labels, prior_precision)
    with mpmath.workdps(60):
        A, w = mpmath.matrix(design.tolist()), mpmath.matrix(minimum.weights.tolist())
        p = [1 / (1 + mpmath.exp(-z)) for z in A * w]
        R = mpmath.diag([q * (1 - q) for q in p])
        H = A.T * R * A / prior_precision + mpmath.eye(13)
        expected = float(mpmath.log(mpmath.det(H)) / 2)
    assert minimum.half_log_determinant == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("shape", [(40, 60), (200, 12)])
@pytest.mark.parametrize("prior_precision", [1e-8, 1e-2, 1e4])
def test_working_in_the_row_space_changes_nothing(shape, prior_precision):
    design, labels = problem(*shape, true_labels=False)
    design[:, 3] = 0  # a constant pixel
    design[:, 4] = design[:, 5]  # and a copy of another
    basis = laplace.row_space(design)
    assert basis.shape == (design.shape[1], np.linalg.matrix_rank(design))
    full = laplace.minimize(design, labels, prior_precision)
    reduced = laplace.minimize(design @ basis, labels, prior_precision)
    np.testing.assert_allclose(
        basis @ reduced.weights, full.weights, rtol=1e-6, atol=1e-7 * np.abs(full.weights).max()
    )
    assert reduced.cost == pytest.approx(full.cost, rel=1e-9)
    assert reduced.half_log_determinant == pytest.approx(full.half_log_determinant, abs=1e-5)


def test_the_row_space_keeps_faint_directions_and_drops_only_rounding():
    design, _ = problem(n=50, d=4)
    faint = 1e-9 * np.random.default_rng(5).standard_normal((50, 1))
    copy = design[:, :1] + design[:, 1:2]
    assert laplace.row_space(np.hstack([design, faint, copy])).shape == (7, 6)


# --- the evidence ---


def true_ratio(design, labels, prior_precision):
    """−ln [ ∫ p(y|x, w) p(w) dw / p(y|x; NULL) ] for two parameters, by adaptive quadrature."""
    minimum = laplace.minimize(design, labels, prior_precision)
    w0, at_minimum = minimum.weights, minimum.cost
    reach = 12 / np.sqrt(prior_precision + 0.02 * len(labels))

    def integrand(b, a):
        return np.exp(at_minimum - cost(design, labels, prior_precision, np.array([a, b])))

    bounds = (w0[0] - reach, w0[0] + reach, w0[1] - reach, w0[1] + reach)
    integral, _ = integrate.dblquad(integrand, *bounds, epsabs=1e-8, epsrel=1e-8)
    log_marginal = np.log(integral) - at_minimum + np.log(prior_precision / (2 * np.pi))
    return -log_marginal - len(labels) * np.log(2)


@pytest.mark.parametrize("prior_precision", [0.1, 1.0, 10.0])
def test_evidence_is_the_integral_over_the_weights_when_examples_are_many(prior_precision):
    design, labels = problem(n=300, d=1)
    assert ratio(design, labels, prior_precision) == pytest.approx(
        true_ratio(design, labels, prior_precision), abs=0.02
    )


def test_laplace_approximation_improves_with_the_number_of_examples():
    errors = []
    for n in (10, 100, 1000):
        design, labels = problem(n=n, d=1, seed=2)
        errors.append(abs(ratio(design, labels, 0.1) - true_ratio(design, labels, 0.1)))
    assert errors[0] > 3 * errors[1] > 9 * errors[2]


def test_evidence_does_not_depend_on_the_parameterization():
    # The weights in other units, and in other axes: the same model, so the same evidence, though
    # every eigenvalue of the Hessian changes.
    design, labels = problem()
    rotation = np.linalg.qr(np.random.default_rng(3).standard_normal((9, 9)))[0]
    expected = ratio(design, labels, 0.3)
    assert ratio(design * 100, labels, 0.3 * 100**2) == pytest.approx(expected, rel=1e-9)
    assert ratio(design @ rotation, labels, 0.3) == pytest.approx(expected, rel=1e-9)
    assert ratio(design, 1 - labels, 0.3) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("make", [problem, separable])
def test_a_strong_prior_is_as_good_as_guessing(make):
    design, labels = make()
    assert ratio(design, labels, 1e10) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_random_labels_are_never_evidence_for_a_model(seed):
    design, labels = separable(n=100, d=120, seed=seed)
    ratios = [
        laplace.log_evidence_ratio(minimum, len(labels))
        for minimum in laplace.minima_over_priors(design, labels, np.logspace(-8, 5, 14))
    ]
    assert min(ratios) > -1
    assert ratios[-1] > 0.3 * len(labels)  # and memorizing them is evidence against it


def test_true_labels_are_evidence_for_a_model():
    design, labels = problem(n=400, d=4, scale=4)
    ratios = [ratio(design, labels, prior_precision) for prior_precision in (1e-2, 1.0)]
    assert max(ratios) < -0.3 * len(labels)


# --- what is reported about a minimum ---


def test_cross_entropy_and_accuracy_are_those_of_scikit_learn():
    from sklearn.metrics import accuracy_score, log_loss

    rng = np.random.default_rng(0)
    logits, labels = 3 * rng.standard_normal(200), rng.integers(2, size=200)
    p = 1 / (1 + np.exp(-logits))
    assert laplace.cross_entropy(logits, labels) == pytest.approx(log_loss(labels, p))
    assert laplace.accuracy(logits, labels) == pytest.approx(accuracy_score(labels, logits > 0))


def test_cross_entropy_is_exact_for_huge_logits():
    labels = np.array([1, 0, 1])
    assert laplace.cross_entropy(np.array([1e4, 1e4, -1e4]), labels) == pytest.approx(2e4 / 3)
    assert laplace.cross_entropy(np.array([800.0, -800.0, 800.0]), labels) == 0


def test_without_weights_accuracy_is_chance_and_margin_is_zero():
    labels = np.array([1, 0, 1])
    assert laplace.accuracy(np.zeros(3), labels) == 0.5
    assert laplace.margin(np.zeros(3), labels, 0.0) == 0


def test_margin_is_the_distance_from_the_boundary():
    inputs, labels = np.array([[3.0, 0.0], [1.0, 5.0], [1.5, -1.0]]), np.array([1, 0, 0])
    weights, bias = np.array([4.0, 0.0]), -8.0  # the boundary is where the first input is 2
    logits = inputs @ weights + bias
    margin = laplace.margin(logits, labels, np.linalg.norm(weights))
    assert margin == pytest.approx((1 + 1 + 0.5) / 3)
