"""Bayesian evidence of logistic regression: the minimum of its cost, and Laplace's formula there.

Smith & Le, sections 2 and 3, in their notation: weights w (the bias is the last of the P
parameters), prior precision λ, cross-entropy H(w) = Σ_n −ln p(y_n | x_n, w) in nats, cost
C(w) = H(w) + (λ/2)‖w‖². Everything is in float64.

The inputs enter as a design matrix A of shape (N, P), see `design_matrix`; labels are 0 and 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg
from scipy.special import expit

from noisescale.errors import NoisescaleError

TOLERANCE = 1e-9
"""Newton's method stops when one more step would change every logit by less than this fraction.

The fraction is that of the largest logit. All results depend on the weights through the logits, so
this bounds their errors, whatever the units of the inputs. A bound on the gradient would not: at
λ = 1e-8 every gradient is small. The method also stops when the gradient consists of rounding
errors, since float64 cannot represent a better minimum.
"""

MAX_STEPS = 200
"""Newton's method fails after this number of steps."""

EPSILON = float(np.finfo(np.float64).eps)

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Minimum:
    """The minimum w0 of the cost for one prior precision.

    Attributes
    ----------
    weights
        w0, shape (P,).
    prior_precision
        λ.
    cost
        C(w0), nats, a sum over the examples.
    half_log_determinant
        ½ Σ_i ln(λ_i / λ), nats, with λ_i the eigenvalues of ∇²C(w0).
    gradient_norm
        ‖∇C(w0)‖. Compare it with λ‖w0‖, the norm of the prior's gradient, which that of H cancels.
    newton_steps
        Number of Newton steps taken from the start.
    """

    weights: Vector
    prior_precision: float
    cost: float
    half_log_determinant: float
    gradient_norm: float
    newton_steps: int


def design_matrix(inputs: npt.NDArray[np.floating]) -> Matrix:
    """Return the inputs, shape (N, D), with a last column of ones for the bias: (N, D + 1)."""
    return np.column_stack([inputs.astype(np.float64), np.ones(len(inputs))])


def row_space(design: Matrix) -> Matrix:
    """Return an orthonormal basis V, shape (P, r), of the space that the examples span.

    The prior is isotropic, and H depends on w through A w only. Therefore the minimum lies in this
    space, and orthogonal directions have λ_i = λ and add nothing to the evidence. The problem can
    be solved with ``A @ V`` and r parameters v: the weights are ``V @ v``, and all other results
    are the same.

    The basis consists of the right singular vectors of A. It makes the Hessian nearly diagonal, up
    to the curvatures of the examples, so that its Cholesky factor is accurate although its
    eigenvalues spread over fifteen decades.
    """
    _, singular, Vt = linalg.svd(design, full_matrices=False)
    rounding = singular[0] * max(design.shape) * EPSILON
    return Vt[singular > rounding].T


def minimize(
    design: Matrix, labels: Labels, prior_precision: float, start: Vector | None = None
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
        The minimum is not reached in `MAX_STEPS` steps, or the Hessian overflows.
    """
    signs = 2.0 * np.asarray(labels) - 1.0
    magnitude = np.abs(design)
    w = np.zeros(design.shape[1]) if start is None else start
    z = design @ w

    def cost(z: Vector, w: Vector) -> float:
        return float(np.logaddexp(0, -signs * z).sum() + prior_precision / 2 * (w @ w))

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
        # A bound on the rounding errors of the gradient: of its terms, and of z through the
        # curvature.
        rounded = magnitude.T @ (error + curvature * (magnitude @ np.abs(w)))
        noise = EPSILON * float(np.linalg.norm(rounded + prior_precision * np.abs(w)))
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
        # Armijo's rule, with an allowance for rounding errors, which dominate near the minimum.
        slope, room, t = float(gradient @ step), 1e-12 * here, 1.0
        while cost(z + t * dz, w + t * step) > here + 1e-4 * t * slope + room and t > 1e-9:
            t /= 2
        w = w + t * step
        z = design @ w
    raise NoisescaleError(
        f"prior_precision: {prior_precision:g} is too small for these inputs, the minimum of the "
        f"cost is not reached in {MAX_STEPS} Newton steps; use a larger value, or inputs of "
        "smaller range"
    )


def _half_log_determinant(factor: Matrix, prior_precision: float) -> float:
    """Return ½ Σ ln(λ_i / λ) from the Hessian's Cholesky factor L: ln det L L^T = 2 Σ ln L_ii."""
    return float(np.log(np.diag(factor)).sum() - len(factor) / 2 * np.log(prior_precision))


def minima_over_priors(
    design: Matrix, labels: Labels, prior_precisions: Iterable[float]
) -> Iterator[Minimum]:
    """Yield the minima in the order of decreasing prior precision, each started from the previous.

    Parameters and errors are those of `minimize`.
    """
    start = None
    for prior_precision in sorted(prior_precisions, reverse=True):
        minimum = minimize(design, labels, prior_precision, start)
        start = minimum.weights
        yield minimum


def log_evidence_ratio(minimum: Minimum, n_examples: int, n_classes: int = 2) -> float:
    """Return the log evidence ratio E = C(w0) + ½ Σ_i ln(λ_i / λ) − N ln n, in nats.

    p(M)/p(NULL) = e^(−E), where the null model assigns the same probability to all n classes: if E
    is negative, the model is more plausible than the null model. Smith & Le, section 3.
    """
    null = n_examples * np.log(n_classes)
    return float(minimum.cost + minimum.half_log_determinant - null)


def cross_entropy(logits: Vector, labels: Labels) -> float:
    """Return the mean of −ln p(y_n | x_n) in nats, with p(1 | x) = σ(logit)."""
    return float(np.logaddexp(0, -(2.0 * labels - 1) * logits).mean())


def accuracy(logits: Vector, labels: Labels) -> float:
    """Return the fraction of labels that the signs of the logits predict; a logit of 0 counts ½."""
    return float((np.sign(logits) * (2.0 * labels - 1) / 2 + 0.5).mean())


def margin(logits: Vector, labels: Labels, weight_norm: float) -> float:
    """Return the mean signed distance of the examples from the decision boundary.

    It is the mean of t_n (w·x_n + b)/‖w‖ with t_n = ±1, in units of the inputs. Misclassified
    examples count negatively.

    Parameters
    ----------
    logits
        w·x_n + b, shape (N,).
    labels
        0 or 1, shape (N,).
    weight_norm
        ‖w‖ without the bias. If it is 0, so is the margin.
    """
    return float(((2.0 * labels - 1) * logits).mean() / weight_norm) if weight_norm else 0.0
