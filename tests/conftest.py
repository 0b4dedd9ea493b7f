"""Tests compute as the workflow's jobs do."""

from noisescale.environment import settle_environment

settle_environment()

import pytest  # noqa: E402


@pytest.fixture
def one_thread():
    """As in a training job: with several threads, how a product is split depends on the stack."""
    import torch

    from noisescale.training.torch_settings import prepare_torch

    before = torch.get_num_threads()
    prepare_torch(1)
    yield
    torch.set_num_threads(before)
