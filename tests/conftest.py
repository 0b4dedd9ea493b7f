"""Settings and fixtures of all tests."""

import pytest

from noisescale.environment import settle_environment

settle_environment()  # as the workflow's jobs do, before any test imports torch


@pytest.fixture
def one_thread():
    """One thread, as in a training job: with more, the split of a product depends on the stack."""
    import torch

    from noisescale.training.torch_settings import prepare_torch

    before = torch.get_num_threads()
    prepare_torch(1)
    yield
    torch.set_num_threads(before)
