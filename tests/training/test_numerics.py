"""The arithmetic that trains a run stays the same until `NUMERICS_VERSION` is incremented."""

import itertools
import json

import numpy as np
import pytest
from helpers import golden

from noisescale.numerics import NUMERICS_VERSION

RECORDED = json.loads(golden.PATH.read_text(encoding="utf-8"))
TOLERANCE = 1e-6
"""Relative, of cross-entropies and weights on other platforms than that of the recording."""
REMEDY = (
    "the arithmetic has changed: raise NUMERICS_VERSION in src/noisescale/numerics.py and record "
    f"the results again with: {golden.COMMAND}"
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def results():
    return golden.train_all()


def test_the_recording_is_of_the_present_version():
    assert RECORDED["numerics_version"] == NUMERICS_VERSION, REMEDY


def test_the_recording_has_all_trainings():
    assert RECORDED["trainings"].keys() == golden.trainings().keys(), REMEDY


@pytest.mark.parametrize("name", golden.trainings())
def test_a_training_leads_to_the_recorded_weights_and_learning_curves(results, name):
    """To the last bit on the platform of the recording, elsewhere up to rounding."""
    recorded, now = RECORDED["trainings"][name], results[name]
    if golden.platform() == RECORDED["platform"]:
        assert now == recorded, REMEDY
        return
    assert now["diverged_at"] == recorded["diverged_at"], REMEDY
    np.testing.assert_allclose(
        _cross_entropies(now), _cross_entropies(recorded), TOLERANCE, err_msg=REMEDY
    )
    difference = np.subtract(now["sample"], recorded["sample"])
    assert np.linalg.norm(difference) <= TOLERANCE * np.linalg.norm(recorded["sample"]), REMEDY


def _cross_entropies(result):
    """Return the cross-entropies of all evaluations; NaN for None."""
    rows = itertools.chain.from_iterable(result["curves"])
    return np.array([[row[2], row[4]] for row in rows], dtype=float)
