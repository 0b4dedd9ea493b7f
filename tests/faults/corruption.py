"""Files that are truncated, have a bit flipped, or are replaced by another file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faults.outcome import Outcome
from faults.study import RUNS, Study, refused
from noisescale.data.dataset import load_dataset

Damage = Callable[[Path, Random], None]
Fault = Callable[[Study, Path, Random, int], Outcome]


def truncate(path: Path, random: Random) -> None:
    """Keep only the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: random.randrange(len(content))])


def flip(path: Path, random: Random) -> None:
    """Flip a bit; the file keeps its modification time."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def replace(path: Path, random: Random) -> None:
    """Replace a file by a table with another schema."""
    pq.write_table(pa.table({"a": [1, 2, 3]}), path)


def damaged_results(pattern: str, *damages: Damage) -> Fault:
    """Return a fault that damages results in each of these ways in turn.

    The next workflow run must name the damaged file, rebuild it, and have equal results.

    Parameters
    ----------
    pattern
        Glob pattern of the files, in the folder of results; one of them is drawn.
    *damages
        What is done to the file.
    """

    def fault(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
        outcome = Outcome()
        for number in range(tries):
            study = undisturbed.copied(folder / f"{number}")
            path = random.choice(sorted(study.results.glob(pattern)))
            before = path.read_bytes()
            damages[number % len(damages)](path, random)
            if path.read_bytes() == before:
                continue
            result = study(str(path.relative_to(study.folder)), RUNS)
            outcome.message = message_about(result.text, path)
            rebuilt = bool(outcome.message) and not result.nothing_to_be_done
            # The bit that was flipped may be one without meaning, such as padding.
            if result.status or not (rebuilt or same_table(path, before)):
                outcome.failed(result.text[-2000:])
            else:
                outcome.count(study, undisturbed)
        return outcome

    return fault


def same_table(path: Path, content: bytes) -> bool:
    """Return whether a file can still be read as the table that it was."""
    try:
        return pq.read_table(path).equals(pq.read_table(pa.BufferReader(content)))
    except (OSError, pa.ArrowException):
        return False


def message_about(text: str, path: Path) -> str:
    """Return the first message of a workflow run that names a file; empty if there is none."""
    lines = (line for line in text.splitlines() if line.startswith("noisescale"))
    return next((line for line in lines if path.name in line), "")


def damaged_user_data(*damages: Damage) -> Fault:
    """Return a fault that damages the user's data set, and repairs it after the refusal."""

    def fault(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
        outcome = Outcome()
        study = Study.fresh(folder / "study")
        user_file, prepared = study.folder / "mine.npz", study.results / "data.npz"
        study.settings["dataset"] = {"name": "npz", "path": user_file.name}
        with np.load(undisturbed.results / "data.npz") as data:
            arrays = {name: data[name] for name in ("X_train", "y_train", "X_test", "y_test")}
        np.savez(user_file, **arrays)
        target = f"results/tiny/{prepared.name}"
        study(target)
        content, expected = user_file.read_bytes(), load_dataset(prepared).digest
        for number in range(tries):
            prepared.unlink()
            damages[number % len(damages)](user_file, random)
            result = study(target)
            user_file.write_bytes(content)
            if result.status:
                outcome.message = refused(result)
                if user_file.name not in outcome.message or prepared.exists():
                    outcome.failed(result.text[-2000:])
                    continue
                study(target)
            # Otherwise the damage hit bytes without meaning, such as a date.
            outcome.tries += 1
            outcome.compare("data")
            if load_dataset(prepared).digest == expected:
                outcome.survived += 1
            else:
                outcome.failures.append(f"{prepared} differs")
        return outcome

    return fault


def insert_nan(path: Path, random: Random) -> None:
    """Replace a pixel by NaN."""
    with np.load(path) as data:
        arrays = dict(data)
    for name in ("X_train", "X_test"):
        arrays[name] = arrays[name].astype(np.float32)
    arrays["X_train"].flat[random.randrange(arrays["X_train"].size)] = np.nan
    np.savez(path, **arrays)
