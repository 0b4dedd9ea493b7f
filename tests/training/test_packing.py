"""How runs are packed into stacks."""

import dataclasses

from helpers.trained import run

from noisescale.models.registry import stack_key
from noisescale.study.catalog import Shape
from noisescale.training.packing import pack, split_evenly


def test_stacks_are_of_about_equal_size():
    stacks = split_evenly(list(range(17)), 8)
    assert sorted(map(len, stacks)) == [5, 6, 6]
    assert [run for stack in stacks for run in stack] == list(range(17))


def test_runs_of_one_stack_share_their_key_and_the_costliest_stack_comes_first():
    runs = [
        run(seed=seed, batch_size=size, hidden=hidden)
        for seed in range(20)
        for hidden in ("10", "300", "10x10")
        for size in (4, 16)
    ]
    stacks = pack(runs, Shape(64, 10, 1000, 797), "cpu", 5)
    assert sorted(map(hash, runs)) == sorted(hash(one) for stack in stacks for one in stack)
    assert all(len(set(map(stack_key, stack))) == 1 for stack in stacks)
    assert stacks[0][0].hidden == "300"


def test_runs_may_differ_in_seed_learning_rate_and_label_noise_within_a_stack():
    one = run(weight_decay=0.1)
    for fields in (
        {"seed": 1},
        {"learning_rate": 3.0},
        {"label_noise": 0.5},
        {"weight_decay": 0.2},
    ):
        assert stack_key(dataclasses.replace(one, **fields)) == stack_key(one)
    others = {"hidden": "5", "preprocessing": "whiten", "train_size": 61, "batch_size": 3}
    others |= {"momentum": 0.0, "weight_decay": 0.0, "updates": 7}
    for name, value in others.items():
        assert stack_key(dataclasses.replace(one, **{name: value})) != stack_key(one)
