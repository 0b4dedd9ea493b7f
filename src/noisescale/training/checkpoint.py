"""The checkpoint of a training job, so that little work is lost when the job is killed.

It is a file next to the job's output with the learning curves of the finished runs and the states
of the stacks in training, rewritten as a whole every `SECONDS_BETWEEN`. The file is a sequence of
records, each of which consists of its lengths, JSON, the bytes of arrays, and a digest. A damaged
record and all later ones are ignored.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import math
import os
import signal
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import torch

from noisescale.errors import RecordError
from noisescale.results.identity import RunIdentity
from noisescale.storage.files import atomic_write
from noisescale.study.grid import Run
from noisescale.training.learning_curve import Evaluation, LearningCurve
from noisescale.training.state import Checkpointer, StackState

logger = logging.getLogger(__name__)

SECONDS_BETWEEN = float(os.environ.get("NOISESCALE_CHECKPOINT_SECONDS", "45"))
"""Time between two writes, in seconds; ten times the duration of a write if that is longer."""

_FORMAT = 3
_LENGTHS = struct.Struct("<QQ")
"""At the start of each record: the number of bytes of its JSON and of its arrays."""
_DIGEST_BYTES = 16
_CHUNK_BYTES = 1 << 26

Record = tuple[dict[str, Any], dict[str, torch.Tensor]]


class Checkpoint(Checkpointer):
    """The checkpoint of one training job.

    Parameters
    ----------
    path
        The file. Damaged records are ignored, and so is the whole file if it is of different data
        or of another `NUMERICS_VERSION`.
    identity
        Identifies the data and the arithmetic.
    runs
        The runs that the job trains.
    clock
        Returns seconds since an arbitrary moment.

    Attributes
    ----------
    finished : dict of Run to LearningCurve
        The learning curves of finished runs.
    """

    def __init__(
        self,
        path: Path,
        identity: RunIdentity,
        runs: list[Run],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.path = Path(path)
        self._clock, self._started = clock, clock()
        self._next = self._started + SECONDS_BETWEEN
        self._job = {"format": _FORMAT, **asdict(identity)}
        self._earlier_seconds = 0.0
        self._curves: list[Record] = []
        self._interrupted: list[Record] = []
        self._stop: signal.Signals | None = None
        self._read({run.run_id: run for run in runs})

    @property
    def seconds(self) -> float:
        """Wall time of the job: of this process, and of earlier ones until their last write."""
        return self._earlier_seconds + self._clock() - self._started

    def add(self, curves: list[LearningCurve]) -> None:
        """Record the curves of runs that are finished."""
        super().add(curves)
        self._curves.append(_curves_record(curves))

    def snapshot(self, runs: list[Run]) -> StackState | None:
        """Return the state in which an earlier process left this stack of runs, if it did."""
        for stack in self._interrupted:
            if stack[0]["runs"] == _ids(runs):
                return _read_state(stack)
        return None

    def due(self) -> bool:
        """Return whether it is time to write or to stop."""
        return self._stop is not None or self._clock() >= self._next

    def save(self, stacks: list[tuple[list[Run], StackState]]) -> None:
        """Write everything: the finished curves and the states of the stacks in training.

        Raises
        ------
        SystemExit
            The process has received a signal to stop.
        """
        in_training = {tuple(_ids(runs)) for runs, _ in stacks}
        finished = {run.run_id for run in self.finished}
        # Keep the stacks of an earlier process that this one has not resumed yet.
        self._interrupted = [
            record
            for record in self._interrupted
            if tuple(record[0]["runs"]) not in in_training and not finished & set(record[0]["runs"])
        ]
        self._write([*(_state_record(*stack) for stack in stacks), *self._interrupted])

    def remove(self) -> None:
        """Delete the file; call this when the output is complete."""
        self.path.unlink(missing_ok=True)

    @contextmanager
    def stopping(self) -> Iterator[None]:
        """Within the block, SIGTERM and SIGINT end the process once the checkpoint is written.

        A second SIGINT ends it immediately. A second SIGTERM, which SLURM sends at a time limit,
        has no further effect.
        """
        signals = (signal.SIGTERM, signal.SIGINT)
        handlers = {number: signal.getsignal(number) for number in signals}

        def stop(number: int, frame: FrameType | None) -> None:
            self._stop = signal.Signals(number)
            if self._stop == signal.SIGINT:
                signal.signal(number, handlers[self._stop])

        for number in signals:
            signal.signal(number, stop)
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _write(self, stacks: list[Record]) -> None:
        started = self._clock()
        job = {"kind": "job", **self._job, "seconds": self.seconds}
        try:
            with atomic_write(self.path) as temporary, open(temporary, "wb") as file:
                for record in ((job, {}), *self._curves, *stacks):
                    _write_record(file, *record)
        except RecordError as error:
            logger.info("%s; training continues without a checkpoint", error)
        self._next = self._clock() + max(SECONDS_BETWEEN, 10 * (self._clock() - started))
        if self._stop is not None:
            logger.info("stopped by %s; the next workflow run resumes from here", self._stop.name)
            raise SystemExit(128 + self._stop)

    def _read(self, runs: dict[str, Run]) -> None:
        for record in checkpoint_contents(self.path):
            meta = record[0]
            if meta["kind"] == "job":
                if any(meta.get(key) != value for key, value in self._job.items()):
                    logger.info(
                        "%s: created from different data or with another NUMERICS_VERSION; ignored",
                        self.path,
                    )
                    return
                self._earlier_seconds = meta["seconds"]
            elif meta["kind"] == "curves":
                self._curves.append(record)
                self.finished |= _read_curves(record, runs)
            else:
                self._interrupted.append(record)
        if self.finished or self._interrupted:
            logger.info(
                "%s: %d runs finished, %d in training",
                self.path,
                len(self.finished),
                sum(len(meta["runs"]) for meta, _ in self._interrupted),
            )


def _write_record(file: BinaryIO, meta: dict[str, Any], arrays: dict[str, torch.Tensor]) -> None:
    """Write a record in chunks, because a stack on a GPU may exceed the job's main memory."""
    kinds = {
        name: [str(array.dtype).removeprefix("torch."), list(array.shape)]
        for name, array in arrays.items()
    }
    text = json.dumps(meta | {"arrays": kinds}).encode()
    text += b" " * (-len(text) % 8)  # so that arrays are aligned
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)

    def write(chunk: bytes | memoryview) -> None:
        file.write(chunk)
        digest.update(chunk)

    write(_LENGTHS.pack(len(text), sum(array.nbytes for array in arrays.values())))
    write(text)
    for array in arrays.values():
        for chunk in array.reshape(-1).split(_CHUNK_BYTES // array.itemsize):
            write(memoryview(chunk.cpu().numpy()).cast("B"))
    file.write(digest.digest())


def checkpoint_contents(path: Path) -> Iterator[Record]:
    """Yield the records of a checkpoint until its end or the first damaged one."""
    try:
        file = open(path, "rb")  # noqa: SIM115
    except OSError:
        return
    with file:
        end = os.fstat(file.fileno()).st_size
        while (start := file.tell()) < end:
            lengths = file.read(_LENGTHS.size)
            if len(lengths) < _LENGTHS.size:
                break
            text_bytes, array_bytes = _LENGTHS.unpack(lengths)
            if start + _LENGTHS.size + text_bytes + array_bytes + _DIGEST_BYTES > end:
                break
            text = file.read(text_bytes)
            digest = hashlib.blake2b(lengths + text, digest_size=_DIGEST_BYTES)
            offset, remaining = file.tell(), array_bytes
            while remaining:
                chunk = file.read(min(remaining, _CHUNK_BYTES))
                digest.update(chunk)
                remaining -= len(chunk)
            if file.read(_DIGEST_BYTES) != digest.digest():
                break
            meta = json.loads(text)
            yield meta, _arrays(path, meta.pop("arrays"), offset)
        else:
            return
    logger.info("%s: truncated or damaged from byte %d; the rest is ignored", path, start)


def _arrays(
    path: Path, kinds: dict[str, tuple[str, list[int]]], offset: int
) -> dict[str, torch.Tensor]:
    """Return arrays that are memory-mapped from the file, which may be replaced in the meantime."""
    arrays = {}
    for name, (dtype, shape) in kinds.items():
        array: npt.NDArray[Any]
        if math.prod(shape):
            array = np.memmap(path, dtype, "c", offset, tuple(shape))
        else:
            array = np.empty(shape, dtype)
        arrays[name] = torch.from_numpy(array)
        offset += array.nbytes
    return arrays


def _ids(runs: list[Run]) -> list[str]:
    return [run.run_id for run in runs]


def _to_rows(curves: list[list[Evaluation]]) -> torch.Tensor:
    """Return the evaluations of learning curves as rows; a cross-entropy of None is NaN."""
    rows = [astuple(evaluation) for evaluations in curves for evaluation in evaluations]
    return torch.from_numpy(np.array(rows, dtype=np.float64).reshape(-1, 5))


def _from_rows(table: torch.Tensor, lengths: list[int]) -> list[list[Evaluation]]:
    """Return learning curves of some lengths from the rows of their evaluations."""

    def cross_entropy(value: float) -> float | None:
        return None if math.isnan(value) else value

    evaluations = [
        Evaluation(int(update), train, cross_entropy(train_nats), test, cross_entropy(test_nats))
        for update, train, train_nats, test, test_nats in table.tolist()
    ]
    ends = list(itertools.accumulate(lengths, initial=0))
    return [evaluations[start:end] for start, end in itertools.pairwise(ends)]


def _curves_record(curves: list[LearningCurve]) -> Record:
    meta = {
        "kind": "curves",
        "runs": _ids([curve.run for curve in curves]),
        "lengths": [len(curve.evaluations) for curve in curves],
        "diverged_at": [curve.diverged_at for curve in curves],
        "seconds": [curve.seconds for curve in curves],
    }
    return meta, {"evaluations": _to_rows([curve.evaluations for curve in curves])}


def _read_curves(record: Record, runs: dict[str, Run]) -> dict[Run, LearningCurve]:
    meta, arrays = record
    evaluations = _from_rows(arrays["evaluations"], meta["lengths"])
    columns = zip(meta["runs"], evaluations, meta["diverged_at"], meta["seconds"], strict=True)
    return {runs[name]: LearningCurve(runs[name], *rest) for name, *rest in columns if name in runs}


def _state_record(runs: list[Run], state: StackState) -> Record:
    simple = ("update", "checked", "finite", "alive", "seconds", "device")
    meta = {
        "kind": "stack",
        "runs": _ids(runs),
        "lengths": [len(evaluations) for evaluations in state.evaluations],
        "diverged": list(state.diverged.items()),
        **{name: getattr(state, name) for name in simple},
    }
    return meta, {"evaluations": _to_rows(state.evaluations)} | state.tensors


def _read_state(record: Record) -> StackState:
    meta, tensors = dict(record[0]), dict(record[1])
    del meta["kind"], meta["runs"]
    evaluations = _from_rows(tensors.pop("evaluations"), meta.pop("lengths"))
    diverged = dict(map(tuple, meta.pop("diverged")))
    return StackState(**meta, diverged=diverged, evaluations=evaluations, tensors=tensors)
