"""Bayesian evidence of logistic regression: the minimum of its cost, and Laplace's formula there.

Smith & Le, sections 2 and 3, with their letters: weights w (the bias is the last of the P
parameters), prior precision λ, cross-entropy H(w) = Σ_n −ln p(y_n | x_n, w) in nats, cost
C(w) = H(w) + (λ/2)‖w‖². Everything is in float64.

The inputs enter as a design matrix A of shape (N, P), see `design_matrix`; labels are 0 and 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import linalg
from scipy.special import expit

from noisescale.errors import NoisescaleError

TOLERANCE = 1e-9
"""Newton's method stops when one more step would move no logit by more than this fraction.

Everything here depends on the logits, so this bounds the error of it all, whatever the units of
the inputs; a bound on the gradient would not, for at λ = 1e-8 every gradient is small. It also
stops when the gradient is nothing but rounding: a better minimum cannot be told in float64.
"""

MAX_STEPS = 200
EPSILON = np.finfo(np.float64).eps


@dataclass(frozen=True)
class Minimum:
    """The minimum w0 of the cost for one prior precision.

    Attributes
    ----------
    weights
        w0, shape (P,).
    cost
        C(w0), nats, a sum over the examples.
    half_log_determinant
        ½ Σ_i ln(λ_i / λ), nats, with λ_i the eigenvalues of ∇²C(w0).
    gradient_norm
        ‖∇C(w0)‖, to be compared with λ‖w0‖: there the gradients of H and of the prior cancel.
    newton_steps
        Number of Newton steps taken from the start.
    """

    weights: np.ndarray
    prior_precision: float
    cost: float
    half_log_determinant: float
    gradient_norm: float
    newton_steps: int


def design_matrix(inputs: np.ndarray) -> np.ndarray:
    """Return the inputs (N, D) in float64 with a last column of ones for the bias: (N, D + 1)."""
    return np.column_stack([inputs.astype(np.float64), np.ones(len(inputs))])


def row_space(design: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis V (P, r) of the space that the examples span.

    The prior is isotropic and H depends on w through A w only, so the minimum lies in this space,
    and directions out of it have λ_i = λ and add nothing to the evidence. One may work with
    ``A @ V`` and r parameters: weights are ``V @ v``, all other results are the same.

    The basis is that of the singular vectors. It makes the Hessian nearly diagonal up to the
    examples' curvatures, so that its Cholesky factor is accurate though its eigenvalues spread
    over fifteen decades.
    """
    _, singular, Vt = linalg.svd(design, full_matrices=False)
    rounding = singular[0] * max(design.shape) * EPSILON
    return Vt[singular > rounding].T


def minimize(
    design: np.ndarray, labels: np.ndarray, prior_precision: float, start: np.ndarray | None = None
) -> Minimum:
    """Return the minimum of C(w) by Newton's method with backtracking.

    Parameters
    ----------
    design
        A, shape (N, P).
    labels
        0 or 1, shape (N,).
    prior_precision
        λ > 0.
    start
        Weights to start from, shape (P,); zeros if not given.

    Raises
    ------
    NoisescaleError
        The minimum is not reached in `MAX_STEPS` steps, or numbers overflow.
    """
    signs = 2.0 * np.asarray(labels) - 1.0
    magnitude = np.abs(design)
    w = np.zeros(design.shape[1]) if start is None else start
    z = design @ w

    def cost(z: np.ndarray, w: np.ndarray) -> float:
        return np.logaddexp(0, -signs * z).sum() + prior_precision / 2 * (w @ w)

    for steps in range(MAX_STEPS):
        # With s = ±1, 1 − p(y|x) = σ(−s z) keeps its relative precision where p(y|x) is near 1.
        error, right = expit(-signs * z), expit(signs * z)
        gradient = prior_precision * w - design.T @ (signs * error)
        curvature = error * right
        curved = design * np.sqrt(curvature)[:, None]
        hessian = curved.T @ curved
        hessian.flat[:: len(hessian) + 1] += prior_precision
        try:
            factor = linalg.cholesky(hessian, lower=True)
        except (linalg.LinAlgError, ValueError):
            break
        step = -linalg.cho_solve((factor, True), gradient)
        dz = design @ step
        here = cost(z, w)
        # The gradient's terms are rounded, and so is z, which enters it through the curvature.
        noise = magnitude.T @ (error + curvature * (magnitude @ np.abs(w)))
        noise = EPSILON * np.linalg.norm(noise + prior_precision * np.abs(w))
        gradient_norm = float(np.linalg.norm(gradient))
        if np.abs(dz).max() <= TOLERANCE * np.abs(z).max() or gradient_norm <= noise:
            return Minimum(
                weights=w,
                prior_precision=prior_precision,
                cost=here,
                half_log_determinant=_half_log_determinant(factor, prior_precision),
                gradient_norm=gradient_norm,
                newton_steps=steps,
            )
        # Armijo's rule, with room for rounding: near the minimum all of C's digits are settled.
        slope, room, t = gradient @ step, 1e-12 * here, 1.0
        while cost(z + t * dz, w + t * step) > here + 1e-4 * t * slope + room and t > 1e-9:
            t /= 2
        w = w + t * step
        z = design @ w
    raise NoisescaleError(
        f"prior_precision: {prior_precision:g} is too weak for these inputs, the cost's minimum is "
        f"not reached in {MAX_STEPS} Newton steps; use a larger value, or inputs of smaller range"
    )


def _half_log_determinant(factor: np.ndarray, prior_precision: float) -> float:
    """½ Σ ln(λ_i / λ) from the Hessian's Cholesky factor L: ln det L L^T = 2 Σ ln L_ii."""
    return float(np.log(np.diag(factor)).sum() - len(factor) / 2 * np.log(prior_precision))


def minima_over_priors(
    design: np.ndarray, labels: np.ndarray, prior_precisions: Iterable[float]
) -> Iterator[Minimum]:
    """Yield the minima from the strongest prior to the weakest, each started from the last."""
    start = None
    for prior_precision in sorted(prior_precisions, reverse=True):
        minimum = minimize(design, labels, prior_precision, start)
        start = minimum.weights
        yield minimum


def log_evidence_ratio(minimum: Minimum, n_examples: int, n_classes: int = 2) -> float:
    """Return E = C(w0) + ½ Σ_i ln(λ_i / λ) − N ln n, in nats.

    p(M)/p(NULL) = e^(−E), where the null model holds the n classes equally likely: below 0 the
    model is the more plausible of the two. Smith & Le, section 3.
    """
    null = n_examples * np.log(n_classes)
    return float(minimum.cost + minimum.half_log_determinant - null)


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of −ln p(y_n | x_n) in nats, with p(1 | x) = σ(logit)."""
    return float(np.logaddexp(0, -(2.0 * labels - 1) * logits).mean())


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the fraction of labels that the logits' signs tell; a logit of 0 is half right."""
    return float((np.sign(logits) * (2.0 * labels - 1) / 2 + 0.5).mean())


def margin(logits: np.ndarray, labels: np.ndarray, weight_norm: float) -> float:
    """Return the examples' mean signed distance from the decision boundary, in units of the inputs.

    That is the mean of t_n (w·x_n + b)/‖w‖ with t_n = ±1; negative for those on the wrong side.
    `weight_norm` is the norm of the weights without the bias. Without weights it is 0.
    """
    return float(((2.0 * labels - 1) * logits).mean() / weight_norm) if weight_norm else 0.0
