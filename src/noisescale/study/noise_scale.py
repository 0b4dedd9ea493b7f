"""The noise scale of SGD, g = ε (N/B − 1) / (1 − m).

Smith & Le (2018) derive it from the stochastic differential equation that SGD discretizes:
equation 10 without momentum, section 5.2 and appendix D with it. For B ≪ N it is ε N / (B (1 − m)),
so that a constant optimum g implies B_opt ∝ ε N / (1 − m).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    _Array = npt.NDArray[np.float64]
    _Numbers = float | _Array


@overload
def noise_scale(
    learning_rate: float, train_size: float, batch_size: float, momentum: float = 0.0
) -> float: ...
@overload
def noise_scale(
    learning_rate: _Numbers, train_size: _Numbers, batch_size: _Array, momentum: _Numbers = 0.0
) -> _Array: ...
def noise_scale(
    learning_rate: _Numbers, train_size: _Numbers, batch_size: _Numbers, momentum: _Numbers = 0.0
) -> _Numbers:
    """Return SGD's noise scale g = ε (N/B − 1) / (1 − m).

    Parameters
    ----------
    learning_rate, train_size, batch_size, momentum : float or array_like
        ε, N, B and m; arrays are combined elementwise.

    Returns
    -------
    float or ndarray
        g, in units of the learning rate; 0 at full batch.

    Examples
    --------
    >>> import noisescale as ns
    >>> round(ns.noise_scale(learning_rate=0.1, train_size=1000, batch_size=16, momentum=0.9), 6)
    61.5
    """
    return learning_rate * (train_size / batch_size - 1) / (1 - momentum)
