"""A training that is killed, however often, loses little and leads to the same curves."""

import dataclasses
import signal

import pytest
from helpers.trained import STRATEGIES, Killed, KilledAfterWrite, clouds, same_curves, train_stack

from noisescale.results.identity import RunIdentity
from noisescale.study.grid import Run
from noisescale.training import checkpoint
from noisescale.training.checkpoint import Checkpoint
from noisescale.training.loop import TrainingLoop

pytestmark = pytest.mark.usefixtures("one_thread")

RUN = Run("12", "raw", 60, 15, 0.1, 0.9, 0.0, 0.0, 40, 0)
IDENTITY = RunIdentity(1, "these", 5, "float32")


@pytest.fixture(scope="module")
def data():
    return clouds(n_test=100)


def stack(**fields):
    """Return runs that train, and runs that diverge at different times."""
    one = dataclasses.replace(RUN, **fields | {"updates": 60})
    rates = (0.05, 1e2, 1e20)
    return [dataclasses.replace(one, seed=s, learning_rate=r) for s in (0, 1) for r in rates]


@pytest.mark.parametrize("fields", STRATEGIES.values(), ids=STRATEGIES)
def test_a_stack_killed_after_every_block_ends_in_the_same_curves(data, tmp_path, fields):
    runs = stack(**fields)
    undisturbed = train_stack(data, runs, 5)
    assert any(curve.diverged_at for curve in undisturbed)
    assert not all(curve.diverged_at for curve in undisturbed)
    curves, kills = None, 0
    while curves is None:
        try:
            curves = train_stack(
                data,
                runs,
                5,
                checkpointer=KilledAfterWrite(tmp_path / "checkpoint", IDENTITY, runs),
            )
        except Killed:
            kills += 1
    assert kills > 8
    assert same_curves(curves, undisturbed)
    assert all(curve.seconds > 0 for curve in curves)


@pytest.fixture
def written(data, tmp_path):
    """A checkpoint with one stack finished, and another in training."""
    done, doing = stack(), stack(batch_size=20)
    checkpointer = Checkpoint(tmp_path / "checkpoint", IDENTITY, done + doing)
    checkpointer.add(train_stack(data, done, 5))
    dying = KilledAfterWrite(checkpointer.path, IDENTITY, done + doing)
    dying.questions, dying._curves = 7, checkpointer._curves
    with pytest.raises(Killed):
        train_stack(data, doing, 5, checkpointer=dying)
    return checkpointer, done, doing


def read(written, **identity):
    checkpointer, done, doing = written
    return Checkpoint(checkpointer.path, dataclasses.replace(IDENTITY, **identity), done + doing)


def test_interrupted_stacks_stay_in_the_checkpoint_until_they_are_finished(data, tmp_path):
    """Several were in training; the next process is stopped after it has resumed one of them."""
    stacks = [stack(batch_size=size) for size in (5, 10, 20)]
    runs = [run for one in stacks for run in one]
    loops = [TrainingLoop(data, one, 5) for one in stacks]
    for loop in loops:
        while loop.snapshot().update < 20:
            loop.step()
    first = Checkpoint(tmp_path / "checkpoint", IDENTITY, runs)
    first.save([(loop.runs, loop.snapshot()) for loop in loops])
    second = Checkpoint(first.path, IDENTITY, runs)
    resumed = TrainingLoop(data, stacks[0], 5, checkpointer=second)
    resumed.step()
    second.save([(resumed.runs, resumed.snapshot())])
    third = Checkpoint(first.path, IDENTITY, runs)
    updates = [third.snapshot(one).update for one in stacks]
    assert updates[0] > loops[0].snapshot().update
    assert updates[1:] == [loop.snapshot().update for loop in loops[1:]]
    third.add(train_stack(data, stacks[1], 5))
    third.save([])
    fourth = Checkpoint(first.path, IDENTITY, runs)
    assert [fourth.snapshot(one) is None for one in stacks] == [False, True, False]


def test_another_kind_of_device_starts_from_the_initial_weights(data, tmp_path):
    """It divides updates into other blocks and pads its inputs."""
    runs = stack()
    loop = TrainingLoop(data, runs, 5)
    while loop.snapshot().update < 20:
        loop.step()
    elsewhere = dataclasses.replace(loop.snapshot(), device="cuda")
    Checkpoint(tmp_path / "checkpoint", IDENTITY, runs).save([(runs, elsewhere)])
    here = Checkpoint(tmp_path / "checkpoint", IDENTITY, runs)
    assert TrainingLoop(data, runs, 5, checkpointer=here).snapshot().update == 0


def test_a_checkpoint_is_read_as_it_was_written(written):
    checkpointer, done, doing = written
    back = read(written)
    assert back.finished == checkpointer.finished and set(back.finished) == set(done)
    assert back.snapshot(doing).update > 0
    assert back.snapshot(doing[:-1]) is None, "another stack"


@pytest.mark.parametrize("other", [{"numerics_version": 2}, {"data_digest": "others"}])
def test_a_checkpoint_of_another_numerics_version_or_other_data_is_ignored(written, other, caplog):
    with caplog.at_level("INFO"):
        foreign = read(written, **other)
    assert not foreign.finished and foreign.snapshot(written[2]) is None
    assert "created from different data or with another NUMERICS_VERSION" in caplog.text


def test_finished_runs_that_the_job_no_longer_has_are_ignored(written):
    checkpointer, done, _ = written
    assert set(Checkpoint(checkpointer.path, IDENTITY, done[:2]).finished) == set(done[:2])


def part_offsets(content):
    """Yield the offsets of the parts of each record: lengths, JSON, arrays, digest."""
    at = 0
    while at < len(content):
        text, arrays = checkpoint._LENGTHS.unpack_from(content, at)
        offsets = [at, at + 16, at + 16 + text, at + 16 + text + arrays]
        yield [offset for offset in offsets if arrays or offset != offsets[2]]
        at = offsets[3] + 16


@pytest.mark.parametrize("damage", ["truncated", "bit flipped"])
def test_a_damaged_record_and_all_later_ones_are_ignored(written, damage, caplog):
    path, doing = written[0].path, written[2]
    whole = path.read_bytes()
    records = list(part_offsets(whole))
    assert len(records) == 3
    caplog.set_level("INFO")
    for number, offsets in enumerate(records):
        for offset in offsets:
            content = bytearray(whole)
            if damage == "truncated":
                del content[offset + 3 :]
            else:
                content[offset + 3] ^= 8
            path.write_bytes(content)
            caplog.clear()
            back = read(written)
            assert "truncated or damaged" in caplog.text
            assert bool(back.finished) == (number > 1)
            assert back.snapshot(doing) is None


def test_it_is_written_every_45_seconds(data, tmp_path, monkeypatch):
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


def test_a_checkpoint_that_cannot_be_written_does_not_stop_the_training(data, tmp_path, caplog):
    (tmp_path / "file").touch()
    checkpointer = Checkpoint(
        tmp_path / "file" / "checkpoint", IDENTITY, [RUN], clock=iter(range(99)).__next__
    )
    checkpointer.add(train_stack(data, [RUN], 5))
    with caplog.at_level("INFO"):
        checkpointer.save([])
    assert "cannot be written" in caplog.text
    assert RUN in checkpointer.finished


@pytest.mark.parametrize("numbers", [[signal.SIGTERM], [signal.SIGINT], 2 * [signal.SIGTERM]])
def test_a_signal_ends_the_process_once_the_checkpoint_is_written(data, tmp_path, numbers):
    runs = stack()
    undisturbed = train_stack(data, runs, 5)
    checkpointer = Checkpoint(tmp_path / "checkpoint", IDENTITY, runs)
    number = numbers[0]
    before = signal.getsignal(number)

    def progress(_):
        for number in numbers:
            signal.raise_signal(number)

    with checkpointer.stopping(), pytest.raises(SystemExit) as stopped:
        train_stack(data, runs, 5, progress, checkpointer)
    assert stopped.value.code == 128 + number
    assert signal.getsignal(number) == before
    back = Checkpoint(tmp_path / "checkpoint", IDENTITY, runs)
    assert back.snapshot(runs).update > 0
    assert same_curves(train_stack(data, runs, 5, checkpointer=back), undisturbed)
