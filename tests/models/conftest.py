"""What all tests of the perceptron share."""

import pytest

from noisescale.models.mlp import input_layer


@pytest.fixture(autouse=True, params=["in the cache", "beyond it"])
def size(request, monkeypatch):
    """Test first layers within the cache, and beyond it, which are updated in parts."""
    if request.param == "beyond it":
        monkeypatch.setattr(input_layer, "_CACHED", 20)
