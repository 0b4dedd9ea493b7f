"""A training that is killed, however often, loses little and ends in the same curves."""

import dataclasses
import signal

import numpy as np
import pytest
import torch
from test_training import FORMULATIONS
from trained import train

from noisescale import journal as journals
from noisescale.course import Course
from noisescale.grid import Run
from noisescale.journal import Journal
from noisescale.training import Problem, prepare_torch

RUN = Run("12", "raw", 60, 15, 0.1, 0.9, 0.0, 0.0, 40, 0)
IDENTITY = {"engine_fingerprint": "this", "data_digest": "these"}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    prepare_torch(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def problem():
    draw = np.random.default_rng(0)

    def points(n):
        x = np.c_[draw.normal(size=(n, 6)), np.ones(n)]
        return torch.tensor(x, dtype=torch.float32), torch.tensor(draw.integers(3, size=n))

    return Problem(*points(200), *points(100), n_classes=3)


def stack(**fields):
    """Sound runs, and runs that diverge at different times."""
    one = dataclasses.replace(RUN, **fields | {"updates": 60})
    rates = (0.05, 1e2, 1e20)
    return [dataclasses.replace(one, seed=s, learning_rate=r) for s in (0, 1) for r in rates]


class Killed(BaseException):
    pass


class Doomed(Journal):
    """Is due at its `lives`-th question, and its process killed right after it has written."""

    lives = 1

    def due(self):
        self.lives -= 1
        return self.lives <= 0

    def _write(self, stacks):
        super()._write(stacks)
        raise Killed


def same(curves, others):
    """Compare curves but for the time that they took."""
    return [dataclasses.replace(c, seconds=0) for c in curves] == [
        dataclasses.replace(c, seconds=0) for c in others
    ]


@pytest.mark.parametrize("fields", FORMULATIONS.values(), ids=FORMULATIONS)
def test_a_stack_killed_after_every_block_ends_in_the_same_curves(problem, tmp_path, fields):
    runs = stack(**fields)
    undisturbed = train(problem, runs, 5)
    assert any(curve.diverged_at for curve in undisturbed)
    assert not all(curve.diverged_at for curve in undisturbed)
    curves, kills = None, 0
    while curves is None:
        try:
            curves = train(problem, runs, 5, keeper=Doomed(tmp_path / "journal", IDENTITY, runs))
        except Killed:
            kills += 1
    assert kills > 8
    assert same(curves, undisturbed)
    assert all(curve.seconds > 0 for curve in curves)


@pytest.fixture
def written(problem, tmp_path):
    """A journal with one stack finished, and another in training."""
    done, doing = stack(), stack(batch_size=20)
    keeper = Journal(tmp_path / "journal", IDENTITY, done + doing)
    keeper.add(train(problem, done, 5))
    dying = Doomed(keeper.path, IDENTITY, done + doing)
    dying.lives, dying._curves = 7, keeper._curves
    with pytest.raises(Killed):
        train(problem, doing, 5, keeper=dying)
    return keeper, done, doing


def read(written, **identity):
    keeper, done, doing = written
    return Journal(keeper.path, IDENTITY | identity, done + doing)


def test_stacks_that_are_not_begun_again_are_not_forgotten(problem, tmp_path):
    """Several were in training; the next process is stopped when it has begun with one."""
    stacks = [stack(batch_size=size) for size in (5, 10, 20)]
    runs = [run for one in stacks for run in one]
    courses = [Course(problem, one, 5) for one in stacks]
    for course in courses:
        while course.snapshot().update < 20:
            course.piece()
    first = Journal(tmp_path / "journal", IDENTITY, runs)
    first.keep([(course.runs, course.snapshot()) for course in courses])
    second = Journal(first.path, IDENTITY, runs)
    begun = Course(problem, stacks[0], 5, keeper=second)
    begun.piece()
    second.keep([(begun.runs, begun.snapshot())])
    third = Journal(first.path, IDENTITY, runs)
    made = [third.snapshot(one).update for one in stacks]
    assert made[0] > courses[0].snapshot().update
    assert made[1:] == [course.snapshot().update for course in courses[1:]]
    third.add(train(problem, stacks[1], 5))
    third.keep([])
    fourth = Journal(first.path, IDENTITY, runs)
    assert [fourth.snapshot(one) is None for one in stacks] == [False, True, False]


def test_another_kind_of_device_begins_anew(problem, tmp_path):
    """It cuts updates into other blocks, and pads its data; what is finished is good there too."""
    runs = stack()
    course = Course(problem, runs, 5)
    while course.snapshot().update < 20:
        course.piece()
    elsewhere = dataclasses.replace(course.snapshot(), device="cuda")
    Journal(tmp_path / "journal", IDENTITY, runs).keep([(runs, elsewhere)])
    here = Journal(tmp_path / "journal", IDENTITY, runs)
    assert Course(problem, runs, 5, keeper=here).snapshot().update == 0


def test_finished_runs_come_back_as_they_were(written):
    keeper, done, doing = written
    back = read(written)
    assert back.finished == keeper.finished and set(back.finished) == set(done)
    assert back.snapshot(doing).update > 0
    assert back.snapshot(doing[:-1]) is None, "another stack"


@pytest.mark.parametrize("other", [{"engine_fingerprint": "another"}, {"data_digest": "others"}])
def test_the_journal_of_another_engine_or_other_data_is_ignored(written, other, capsys):
    foreign = read(written, **other)
    assert not foreign.finished and foreign.snapshot(written[2]) is None
    assert "of other data or another engine" in capsys.readouterr().err


def test_runs_that_are_no_longer_wanted_are_ignored(written):
    keeper, done, _ = written
    assert set(Journal(keeper.path, IDENTITY, done[:2]).finished) == set(done[:2])


def places(content):
    """Return where in the file the parts of each record begin: lengths, JSON, arrays, digest."""
    at = 0
    while at < len(content):
        text, arrays = journals._LENGTHS.unpack_from(content, at)
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
    keeper = Journal(tmp_path / "journal", IDENTITY, [RUN], clock=lambda: now[0])
    for now[0], due in ((0, False), (44, False), (46, True)):
        assert keeper.due() == due
    keeper.keep([])
    assert keeper.path.exists() and not keeper.due()
    now[0] = 46 + 44
    assert not keeper.due()
    now[0] = 46 + 46
    assert keeper.due()


def test_a_full_disk_does_not_stop_the_training(problem, tmp_path, capsys):
    (tmp_path / "file").touch()
    keeper = Journal(tmp_path / "file" / "journal", IDENTITY, [RUN], clock=iter(range(99)).__next__)
    keeper.add(train(problem, [RUN], 5))
    keeper.keep([])
    assert "cannot be written" in capsys.readouterr().err
    assert RUN in keeper.finished


@pytest.mark.parametrize("numbers", [[signal.SIGTERM], [signal.SIGINT], 2 * [signal.SIGTERM]])
def test_a_signal_ends_the_process_once_all_is_written(problem, tmp_path, numbers):
    runs = stack()
    undisturbed = train(problem, runs, 5)
    keeper = Journal(tmp_path / "journal", IDENTITY, runs)
    number = numbers[0]
    before = signal.getsignal(number)

    def progress(_):
        for number in numbers:
            signal.raise_signal(number)

    with keeper.stopping(), pytest.raises(SystemExit) as stopped:
        train(problem, runs, 5, progress, keeper)
    assert stopped.value.code == 128 + number
    assert signal.getsignal(number) == before
    back = Journal(tmp_path / "journal", IDENTITY, runs)
    assert back.snapshot(runs).update > 0
    assert same(train(problem, runs, 5, keeper=back), undisturbed)
