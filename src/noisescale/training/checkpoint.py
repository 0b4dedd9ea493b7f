"""What a training job has done so far, in a file beside its output, so that no kill costs much.

The file holds the learning curves of the runs that are finished and the state of the stacks in
training; it is rewritten whole, every `SECONDS_BETWEEN`. It is a sequence of records, each JSON
and the bytes of arrays between their lengths and their digest: a torn end costs its own record.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from noisescale.errors import RecordError
from noisescale.results.identity import RunIdentity
from noisescale.storage.files import atomic_write
from noisescale.study.grid import Run
from noisescale.training.learning_curve import Evaluation, LearningCurve
from noisescale.training.state import Checkpointer, StackState

SECONDS_BETWEEN = 45.0
"""From one writing to the next, or ten times what writing takes, where that is longer."""

_FORMAT = 2
_LENGTHS = struct.Struct("<QQ")
"""Before each record: the bytes of its JSON and of its arrays."""
_DIGEST_BYTES = 16
_PIECE_BYTES = 1 << 26

Record = tuple[dict[str, Any], dict[str, torch.Tensor]]


class Checkpoint(Checkpointer):
    """The checkpoint of one training job.

    Parameters
    ----------
    path
        The file. What in it is damaged, or of another job, is ignored.
    identity
        What rows must have in common to stand in one table.
    runs
        The runs that the job is to train.
    clock
        Seconds since some moment.

    Attributes
    ----------
    finished : dict of Run to Curve
        Runs that need no training any more.
    """

    def __init__(
        self,
        path: Path,
        identity: RunIdentity,
        runs: list[Run],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = Path(path)
        self.finished: dict[Run, LearningCurve] = {}
        self._clock, self._started = clock, clock()
        self._next = self._started + SECONDS_BETWEEN
        self._job = {"format": _FORMAT, **asdict(identity)}
        self._earlier = 0.0
        self._curves: list[Record] = []
        self._interrupted: list[Record] = []
        self._stop: signal.Signals | None = None
        self._read({run.run_id: run for run in runs})

    @property
    def seconds(self) -> float:
        """Wall time of the job: of this process, and of earlier ones until they last wrote."""
        return self._earlier + self._clock() - self._started

    def add(self, curves: list[LearningCurve]) -> None:
        """Take down that runs are finished."""
        self._curves.append(_of_curves(curves))
        self.finished |= {curve.run: curve for curve in curves}

    def snapshot(self, runs: list[Run]) -> StackState | None:
        """Return how far this stack of runs has come, if it is one that was interrupted."""
        for stack in self._interrupted:
            if stack[0]["runs"] == _ids(runs):
                return _to_snapshot(stack)
        return None

    def due(self) -> bool:
        """Return whether it is time to write, or to stop."""
        return self._stop is not None or self._clock() >= self._next

    def save(self, stacks: list[tuple[list[Run], StackState]]) -> None:
        """Write all that is known: what is finished, and what is in training.

        Raises
        ------
        SystemExit
            The process has been told to stop.
        """
        present = {tuple(_ids(runs)) for runs, _ in stacks}
        finished = {run.run_id for run in self.finished}
        # Of an earlier process, and not yet begun again.
        self._interrupted = [
            record
            for record in self._interrupted
            if tuple(record[0]["runs"]) not in present and not finished & set(record[0]["runs"])
        ]
        self._write([*(_of_snapshot(*stack) for stack in stacks), *self._interrupted])

    def remove(self) -> None:
        """Delete the file: all is in the output."""
        self.path.unlink(missing_ok=True)

    @contextmanager
    def stopping(self) -> Iterator[None]:
        """Within the block, let SIGTERM and SIGINT end the process once all is written.

        A second SIGINT ends it at once; a second SIGTERM, which SLURM sends at a time limit, is
        no other than the first.
        """
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def stop(number: int, frame: object) -> None:
            self._stop = signal.Signals(number)
            if number == signal.SIGINT:
                signal.signal(number, before[number])

        for number in before:
            signal.signal(number, stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _write(self, stacks: list[Record]) -> None:
        started = self._clock()
        job = {"kind": "job", **self._job, "seconds": self.seconds}
        try:
            with atomic_write(self.path) as temporary, open(temporary, "wb") as file:
                for record in ((job, {}), *self._curves, *stacks):
                    _put(file, *record)
        except RecordError as error:
            print(f"{error}; training goes on without it", file=sys.stderr)
        self._next = self._clock() + max(SECONDS_BETWEEN, 10 * (self._clock() - started))
        if self._stop is not None:
            print(f"stopped by {self._stop.name}; the next call goes on from here", file=sys.stderr)
            raise SystemExit(128 + self._stop)

    def _read(self, runs: dict[str, Run]) -> None:
        for record in checkpoint_contents(self.path):
            meta = record[0]
            if meta["kind"] == "job":
                if any(meta.get(key) != value for key, value in self._job.items()):
                    print(f"{self.path}: of other data or another engine; ignored", file=sys.stderr)
                    return
                self._earlier = meta["seconds"]
            elif meta["kind"] == "curves":
                self._curves.append(record)
                self.finished |= _to_curves(record, runs)
            else:
                self._interrupted.append(record)
        if self.finished or self._interrupted:
            in_part = sum(len(meta["runs"]) for meta, _ in self._interrupted)
            in_part = f", and {in_part} in part" if in_part else ""
            print(f"{self.path}: {len(self.finished)} runs finished{in_part}", file=sys.stderr)


def _put(file: BinaryIO, meta: dict[str, Any], arrays: dict[str, torch.Tensor]) -> None:
    """Write a record, a piece at a time: the stack of a GPU is larger than its job's memory."""
    kinds = {
        name: [str(array.dtype).removeprefix("torch."), list(array.shape)]
        for name, array in arrays.items()
    }
    text = json.dumps(meta | {"arrays": kinds}).encode()
    text += b" " * (-len(text) % 8)  # so that arrays are aligned
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)

    def put(piece: bytes | memoryview) -> None:
        file.write(piece)
        digest.update(piece)

    put(_LENGTHS.pack(len(text), sum(array.nbytes for array in arrays.values())))
    put(text)
    for array in arrays.values():
        flat = array.reshape(-1)
        for piece in flat.split(_PIECE_BYTES // array.itemsize):
            put(memoryview(piece.cpu().numpy()).cast("B"))
    file.write(digest.digest())


def checkpoint_contents(path: Path) -> Iterator[Record]:
    """Yield the records of a checkpoint until its end, or the first that is torn or damaged."""
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
            of_text, of_arrays = _LENGTHS.unpack(lengths)
            if start + _LENGTHS.size + of_text + of_arrays + _DIGEST_BYTES > end:
                break
            text = file.read(of_text)
            digest = hashlib.blake2b(lengths + text, digest_size=_DIGEST_BYTES)
            offset, left = file.tell(), of_arrays
            while left:
                piece = file.read(min(left, _PIECE_BYTES))
                digest.update(piece)
                left -= len(piece)
            if file.read(_DIGEST_BYTES) != digest.digest():
                break
            meta = json.loads(text)
            yield meta, _arrays(path, meta.pop("arrays"), offset)
        else:
            return
    print(f"{path}: its end is torn or damaged, and ignored", file=sys.stderr)


def _arrays(path: Path, kinds: dict[str, list], offset: int) -> dict[str, torch.Tensor]:
    """Return arrays that stay in the file until they are read; it may be replaced meanwhile."""
    arrays = {}
    for name, (dtype, shape) in kinds.items():
        if math.prod(shape):
            array = np.memmap(path, dtype, "c", offset, tuple(shape))
        else:
            array = np.empty(shape, dtype)
        arrays[name] = torch.from_numpy(array)
        offset += array.nbytes
    return arrays


def _ids(runs: list[Run]) -> list[str]:
    return [run.run_id for run in runs]


def _of_points(curves: list[list[Evaluation]]) -> torch.Tensor:
    """Return the points of learning curves as rows; a cross-entropy of None is NaN."""
    rows = [astuple(point) for points in curves for point in points]
    return torch.from_numpy(np.array(rows, dtype=np.float64).reshape(-1, 5))


def _to_points(table: torch.Tensor, lengths: list[int]) -> list[list[Evaluation]]:
    rows = iter(table.tolist())

    def point() -> Evaluation:
        update, *values = next(rows)
        return Evaluation(int(update), *(None if math.isnan(value) else value for value in values))

    return [[point() for _ in range(length)] for length in lengths]


def _of_curves(curves: list[LearningCurve]) -> Record:
    meta = {
        "kind": "curves",
        "runs": _ids([curve.run for curve in curves]),
        "lengths": [len(curve.points) for curve in curves],
        "diverged_at": [curve.diverged_at for curve in curves],
        "seconds": [curve.seconds for curve in curves],
    }
    return meta, {"points": _of_points([curve.points for curve in curves])}


def _to_curves(record: Record, runs: dict[str, Run]) -> dict[Run, LearningCurve]:
    meta, arrays = record
    points = _to_points(arrays["points"], meta["lengths"])
    columns = zip(meta["runs"], points, meta["diverged_at"], meta["seconds"], strict=True)
    return {runs[name]: LearningCurve(runs[name], *rest) for name, *rest in columns if name in runs}


def _of_snapshot(runs: list[Run], snapshot: StackState) -> Record:
    simple = ("update", "settled", "finite", "alive", "seconds", "device")
    meta = {
        "kind": "stack",
        "runs": _ids(runs),
        "lengths": [len(points) for points in snapshot.points],
        "diverged": list(snapshot.diverged.items()),
        **{name: getattr(snapshot, name) for name in simple},
    }
    return meta, {"points": _of_points(snapshot.points)} | snapshot.tensors


def _to_snapshot(record: Record) -> StackState:
    meta, tensors = dict(record[0]), dict(record[1])
    del meta["kind"], meta["runs"]
    points = _to_points(tensors.pop("points"), meta.pop("lengths"))
    diverged = dict(map(tuple, meta.pop("diverged")))
    return StackState(**meta, diverged=diverged, points=points, tensors=tensors)
