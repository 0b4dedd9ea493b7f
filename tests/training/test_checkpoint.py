"""A training that is killed, however often, loses little and ends in the same curves."""

import dataclasses
import signal

import numpy as np
import pytest
import torch
from helpers.trained import FORMULATIONS, Doomed, Killed, same, train

from noisescale.results.identity import RunIdentity
from noisescale.study.grid import Run
from noisescale.training import checkpoint
from noisescale.training.checkpoint import Checkpoint
from noisescale.training.loop import TrainingLoop
from noisescale.training.problem import DeviceDataset

pytestmark = pytest.mark.usefixtures("one_thread")

RUN = Run("12", "raw", 60, 15, 0.1, 0.9, 0.0, 0.0, 40, 0)
IDENTITY = RunIdentity(1, "these", 5, "float32")


@pytest.fixture(scope="module")
def problem():
    draw = np.random.default_rng(0)

    def points(n):
        x = np.c_[draw.normal(size=(n, 6)), np.ones(n)]
        return torch.tensor(x, dtype=torch.float32), torch.tensor(draw.integers(3, size=n))

    return DeviceDataset(*points(200), *points(100), n_classes=3)


def stack(**fields):
    """Sound runs, and runs that diverge at different times."""
    one = dataclasses.replace(RUN, **fields | {"updates": 60})
    rates = (0.05, 1e2, 1e20)
    return [dataclasses.replace(one, seed=s, learning_rate=r) for s in (0, 1) for r in rates]


@pytest.mark.parametrize("fields", FORMULATIONS.values(), ids=FORMULATIONS)
def test_a_stack_killed_after_every_block_ends_in_the_same_curves(problem, tmp_path, fields):
    runs = stack(**fields)
    undisturbed = train(problem, runs, 5)
    assert any(curve.diverged_at for curve in undisturbed)
    assert not all(curve.diverged_at for curve in undisturbed)
    curves, kills = None, 0
    while curves is None:
        try:
            curves = train(
                problem, runs, 5, checkpointer=Doomed(tmp_path / "checkpoint", IDENTITY, runs)
            )
        except Killed:
            kills += 1
    assert kills > 8
    assert same(curves, undisturbed)
    assert all(curve.seconds > 0 for curve in curves)


@pytest.fixture
def written(problem, tmp_path):
    """A checkpoint with one stack finished, and another in training."""
    done, doing = stack(), stack(batch_size=20)
    checkpointer = Checkpoint(tmp_path / "checkpoint", IDENTITY, done + doing)
    checkpointer.add(train(problem, done, 5))
    dying = Doomed(checkpointer.path, IDENTITY, done + doing)
    dying.lives, dying._curves = 7, checkpointer._curves
    with pytest.raises(Killed):
        train(problem, doing, 5, checkpointer=dying)
    return checkpointer, done, doing


def read(written, **identity):
    checkpointer, done, doing = written
    return Checkpoint(checkpointer.path, dataclasses.replace(IDENTITY, **identity), done + doing)


def test_stacks_that_are_not_begun_again_are_not_forgotten(problem, tmp_path):
    """Several were in training; the next process is stopped when it has begun with one."""
    stacks = [stack(batch_size=size) for size in (5, 10, 20)]
    runs = [run for one in stacks for run in one]
    loops = [TrainingLoop(problem, one, 5) for one in stacks]
    for loop in loops:
        while loop.snapshot().update < 20:
            loop.step()
    first = Checkpoint(tmp_path / "checkpoint", IDENTITY, runs)
    first.save([(loop.runs, loop.snapshot()) for loop in loops])
    second = Checkpoint(first.path, IDENTITY, runs)
    begun = TrainingLoop(problem, stacks[0], 5, checkpointer=second)
    begun.step()
    second.save([(begun.runs, begun.snapshot())])
    third = Checkpoint(first.path, IDENTITY, runs)
    made = [third.snapshot(one).update for one in stacks]
    assert made[0] > loops[0].snapshot().update
    assert made[1:] == [loop.snapshot().update for loop in loops[1:]]
    third.add(train(problem, stacks[1], 5))
    third.save([])
    fourth = Checkpoint(first.path, IDENTITY, runs)
    assert [fourth.snapshot(one) is None for one in stacks] == [False, True, False]


def test_another_kind_of_device_begins_anew(problem, tmp_path):
    """It cuts updates into other blocks, and pads its data; what is finished is good there too."""
    runs = stack()
    loop = TrainingLoop(problem, runs, 5)
    while loop.snapshot().update < 20:
        loop.step()
    elsewhere = dataclasses.replace(loop.snapshot(), device="cuda")
    Checkpoint(tmp_path / "checkpoint", IDENTITY, runs).save([(runs, elsewhere)])
    here = Checkpoint(tmp_path / "checkpoint", IDENTITY, runs)
    assert TrainingLoop(problem, runs, 5, checkpointer=here).snapshot().update == 0


def test_finished_runs_come_back_as_they_were(written):
    checkpointer, done, doing = written
    back = read(written)
    assert back.finished == checkpointer.finished and set(back.finished) == set(done)
    assert back.snapshot(doing).update > 0
    assert back.snapshot(doing[:-1]) is None, "another stack"


@pytest.mark.parametrize("other", [{"numerics_version": 2}, {"data_digest": "others"}])
def test_the_checkpoint_of_another_engine_or_other_data_is_ignored(written, other, capsys):
    foreign = read(written, **other)
    assert not foreign.finished and foreign.snapshot(written[2]) is None
    assert "of other data or another engine" in capsys.readouterr().err


def test_runs_that_are_no_longer_wanted_are_ignored(written):
    checkpointer, done, _ = written
    assert set(Checkpoint(checkpointer.path, IDENTITY, done[:2]).finished) == set(done[:2])


def places(content):
    """Return where in the file the parts of each record begin: lengths, JSON, arrays, digest."""
    at = 0
    while at < len(content):
        text, arrays = checkpoint._LENGTHS.unpack_from(content, at)
        parts = [at, at + 16, at + 16 + text, at + 16 + text + arrays]
        yield [place for place in parts if arrays or place != parts[2]]
        at = parts[3] + 16


@pytest.mark.parametrize("damage", ["truncated", "bit flipped"])
def test_a_torn_or_damaged_end_costs_its_own_record_alone(written, damage, capsys):
    path, doing = written[0].path, written[2]
    whole = path.read_bytes()
    records = list(places(whole))
    assert len(records) == 3
    for number, parts in enumerate(records):
        for place in parts:
            content = bytearray(whole)
            if damage == "truncated":
                del content[place + 3 :]
            else:
                content[place + 3] ^= 8
            path.write_bytes(content)
            capsys.readouterr()
            back = read(written)
            assert "torn or damaged" in capsys.readouterr().err
            assert bool(back.finished) == (number > 1)
            assert back.snapshot(doing) is None


def test_it_is_written_no_more_often_than_said(problem, tmp_path, monkeypatch):
    now = [0.0]
    checkpointer = Checkpoint(tmp_path / "checkpoint", IDENTITY, [RUN], clock=lambda: now[0])
    for now[0], due in ((0, False), (44, False), (46, True)):
        assert checkpointer.due() == due
    checkpointer.save([])
    assert checkpointer.path.exists() and not checkpointer.due()
    now[0] = 46 + 44
    assert not checkpointer.due()
    now[0] = 46 + 46
    assert checkpointer.due()


def test_a_full_disk_does_not_stop_the_training(problem, tmp_path, capsys):
    (tmp_path / "file").touch()
    checkpointer = Checkpoint(
        tmp_path / "file" / "checkpoint", IDENTITY, [RUN], clock=iter(range(99)).__next__
    )
    checkpointer.add(train(problem, [RUN], 5))
    checkpointer.save([])
    assert "cannot be written" in capsys.readouterr().err
    assert RUN in checkpointer.finished


@pytest.mark.parametrize("numbers", [[signal.SIGTERM], [signal.SIGINT], 2 * [signal.SIGTERM]])
def test_a_signal_ends_the_process_once_all_is_written(problem, tmp_path, numbers):
    runs = stack()
    undisturbed = train(problem, runs, 5)
    checkpointer = Checkpoint(tmp_path / "checkpoint", IDENTITY, runs)
    number = numbers[0]
    before = signal.getsignal(number)

    def progress(_):
        for number in numbers:
            signal.raise_signal(number)

    with checkpointer.stopping(), pytest.raises(SystemExit) as stopped:
        train(problem, runs, 5, progress, checkpointer)
    assert stopped.value.code == 128 + number
    assert signal.getsignal(number) == before
    back = Checkpoint(tmp_path / "checkpoint", IDENTITY, runs)
    assert back.snapshot(runs).update > 0
    assert same(train(problem, runs, 5, checkpointer=back), undisturbed)
