"""What all tests of the engine share."""

import pytest

from noisescale.models.mlp import input_layer


@pytest.fixture(autouse=True, params=["in the cache", "beyond it"])
def size(request, monkeypatch):
    """A first layer beyond the cache is updated in parts."""
    if request.param == "beyond it":
        monkeypatch.setattr(input_layer, "_CACHED", 20)
