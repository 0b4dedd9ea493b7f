"""The public function that trains runs in this process."""

import logging

import numpy as np
import pytest
import torch
from helpers import golden
from helpers.trained import run

from noisescale.results.schemas import RUNS
from noisescale.training.learning_curve import runs_table
from noisescale.training.runs import train
from noisescale.training.torch_settings import torch_settings


@pytest.fixture(scope="module")
def dataset():
    return golden.digits()


def test_curves_come_in_the_order_of_the_runs_and_become_a_tidy_table(dataset):
    runs = [run(seed=seed, batch_size=size) for seed in (3, 1) for size in (20, 5)]
    curves = train([*runs, runs[0]], dataset, device="cpu", evaluations_per_decade=2)
    assert [curve.run for curve in curves] == [*runs, runs[0]]
    table = runs_table(curves[:-1], dataset.name)
    assert table.schema == RUNS
    frame = table.to_pandas()
    assert set(frame["dataset"]) == {"digits"}
    final = frame[frame["update"] == runs[0].updates].set_index("run_id")
    for curve in curves:
        accuracy = final.loc[curve.run.run_id, "test_accuracy"]
        assert accuracy == np.float32(curve.evaluations[-1].test_accuracy) > 0.3


def test_a_training_in_this_process_leaves_the_settings_of_torch_as_they_were(dataset):
    before = torch.get_num_threads()
    with torch_settings(2):
        train([run(updates=2)], dataset, device="cpu", precision="tf32")
        assert torch.get_num_threads() == 2
        assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.get_num_threads() == before


def test_denormal_numbers_are_zero_within_the_settings_of_a_training():
    def half_of_the_smallest():
        return (torch.tensor(torch.finfo(torch.float32).tiny) / 2).item()

    torch.set_flush_denormal(False)
    with torch_settings(1):
        assert half_of_the_smallest() == 0
    assert half_of_the_smallest() > 0


def test_in_library_use_nothing_is_logged_above_info(dataset, caplog):
    with caplog.at_level(logging.DEBUG):
        train([run(updates=2)], dataset, device="cpu")
    assert all(record.levelno <= logging.INFO for record in caplog.records)
