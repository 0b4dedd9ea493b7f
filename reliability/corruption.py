"""Files that are cut, have a bit flipped, or are another file altogether."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from noisescale.data.dataset import load_dataset
from reliability.outcome import Outcome
from reliability.study import RUNS, Study, refused

Harm = Callable[[Path, Random], None]
Fault = Callable[[Study, Path, Random, int], Outcome]


def cut(path: Path, random: Random) -> None:
    """Leave the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: random.randrange(len(content))])


def flip(path: Path, random: Random) -> None:
    """Flip a bit, and leave the file's time as it was."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def exchange(path: Path, random: Random) -> None:
    """Put a table of something else in the place of a file."""
    pq.write_table(pa.table({"a": [1, 2, 3]}), path)


def of(pattern: str, *harms: Harm) -> Fault:
    """Return the fault that the results that match a pattern are harmed in each of these ways.

    The next call has to make them again; what it does not make has to be as it was.
    """

    def fault(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
        outcome = Outcome()
        for number in range(tries):
            study = undisturbed.copied(folder / f"{number}")
            path = random.choice(sorted(study.results.glob(pattern)))
            before = path.read_bytes()
            harms[number % len(harms)](path, random)
            if path.read_bytes() == before:
                continue
            checksum = Path(f"{path}.sha256")
            wanted = checksum if checksum.exists() else path
            call = study(str(wanted.relative_to(study.folder)), RUNS)
            outcome.said = call_said(call.text, path)
            # A bit may be flipped that carries nothing.
            idle = call.nothing_to_be_done and not outcome.said.endswith("but sound; kept")
            if call.status or idle or not outcome.said:
                outcome.failed(call.text[-2000:])
            else:
                outcome.count(study, undisturbed)
        return outcome

    return fault


def call_said(text: str, path: Path) -> str:
    """Return the line with which a call says what is the matter with a file."""
    lines = (line for line in text.splitlines() if line.startswith("noisescale"))
    return next((line for line in lines if path.name in line), "")


def own_data(*harms: Harm) -> Fault:
    """Return the fault that a user's own data are harmed, and put right after the refusal."""

    def fault(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
        outcome = Outcome()
        study = Study.fresh(folder / "study")
        own, prepared = study.folder / "mine.npz", study.results / "data.npz"
        study.settings["dataset"] = {"name": "npz", "path": own.name}
        with np.load(undisturbed.results / "data.npz") as data:
            sound = {name: data[name] for name in ("X_train", "y_train", "X_test", "y_test")}
        np.savez(own, **sound)
        target = f"results/tiny/{prepared.name}"
        study(target)
        content, expected = own.read_bytes(), load_dataset(prepared).digest
        for number in range(tries):
            prepared.unlink()
            harms[number % len(harms)](own, random)
            call = study(target)
            own.write_bytes(content)
            if call.status:
                outcome.said = refused(call)
                if own.name not in outcome.said or prepared.exists():
                    outcome.failed(call.text[-2000:])
                    continue
                study(target)
            # Else the harm was to bytes that mean nothing, such as a date.
            outcome.tries += 1
            outcome.compare("data")
            if load_dataset(prepared).digest == expected:
                outcome.survived += 1
            else:
                outcome.wrong.append(f"{prepared} differs")
        return outcome

    return fault


def not_a_number(path: Path, random: Random) -> None:
    """Put NaN in the place of a pixel."""
    with np.load(path) as data:
        arrays = dict(data)
    for name in ("X_train", "X_test"):
        arrays[name] = arrays[name].astype(np.float32)
    arrays["X_train"].flat[random.randrange(arrays["X_train"].size)] = np.nan
    np.savez(path, **arrays)
