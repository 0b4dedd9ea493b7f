"""Tables of the report that describe how the results were computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from noisescale.report.job_times import StageTime, duration, training_seconds

Rows = list[tuple[str, str]]
"""A table of names and values."""

Metadata = Mapping[str, Mapping[str, Any]]
"""The provenance of ``runs`` and ``evidence``, as far as the study has them."""


@dataclass(frozen=True)
class Effort:
    """How much was computed. What was not recorded is None.

    Attributes
    ----------
    trained, expected, diverged
        Numbers of runs.
    training_seconds
        The sum of the times of the training jobs.
    device
        The device of the training jobs.
    evidence_seconds
        The time of the evidence sweep.
    """

    trained: int | None = None
    expected: int | None = None
    diverged: int | None = None
    training_seconds: float | None = None
    device: str = "?"
    evidence_seconds: float | None = None

    @property
    def recorded(self) -> bool:
        """Whether anything was recorded."""
        times = (self.training_seconds, self.evidence_seconds)
        return self.trained is not None or any(time is not None for time in times)


@dataclass(frozen=True)
class ShardRow:
    """A training job's file; the time is that of the job that wrote it."""

    name: str
    runs: str
    trained: str
    device: str
    time: str
    predicted: str
    written: str


@dataclass(frozen=True)
class StageRow:
    """A stage of the workflow: its last jobs, their time, and its share of the total."""

    stage: str
    jobs: str
    time: str
    share: str


def effort(metadata: Metadata) -> Effort:
    """Return how many runs were trained, how many diverged, and how long it took."""
    runs, evidence = metadata.get("runs", {}), metadata.get("evidence", {})
    counts = runs.get("runs") or {}
    trained = counts.get("trained")
    return Effort(
        trained=trained,
        expected=counts.get("wanted", trained),
        diverged=None if trained is None else counts.get("diverged", 0),
        training_seconds=training_seconds(runs),
        device=runs.get("device", "?"),
        evidence_seconds=training_seconds(evidence),
    )


def provenance(metadata: Metadata) -> Rows:
    """Return with what, where and when the results were computed."""
    rows = []
    for table, meta in metadata.items():
        machine, git = meta.get("machine") or {}, meta.get("git")
        processor = f"{machine.get('processor', '')}, {machine.get('cores', '?')} cores"
        facts = [
            ("device", meta.get("device", "")),
            ("machine", f"{machine.get('system', '')}, {processor}" if machine else ""),
            ("source", _source(git) if "git" in meta else ""),
            ("numerics version", meta.get("numerics_version", "")),
            ("data digest", meta.get("data_digest", "")),
            ("written", meta.get("created", "")),
            ("time", duration(training_seconds(meta))),
        ]
        rows += [(f"{table}: {name}", str(value)) for name, value in facts if value]
    return rows


def _source(git: Mapping[str, Any] | None) -> str:
    if not git:
        return "not in a git checkout"
    return f"commit {git.get('commit', '?')}" + (" with local changes" if git.get("dirty") else "")


def versions(metadata: Metadata) -> Rows:
    """Return the versions of the software; all of them where the tables' versions differ."""
    found: dict[str, set[str]] = {}
    for meta in metadata.values():
        for source in (meta, *(meta.get("shards") or [])):
            for name, version in (source.get("versions") or {}).items():
                found.setdefault(name, set()).add(version)
    return [(name, ", ".join(sorted(values))) for name, values in found.items()]


def shards(metadata: Metadata) -> list[ShardRow]:
    """Return a row for each training job's file."""
    return [_shard_row(shard) for shard in shard_provenance(metadata)]


def shard_provenance(metadata: Metadata) -> list[Mapping[str, Any]]:
    """Return the provenance of each training job's file."""
    return metadata.get("runs", {}).get("shards") or []


def _shard_row(shard: Mapping[str, Any]) -> ShardRow:
    runs = shard.get("runs") or {}
    path = str(shard.get("shard", ""))
    return ShardRow(
        name=path.rpartition("/runs/")[2].removesuffix(".parquet"),
        runs=str(runs.get("wanted", "")),
        trained=str(runs.get("trained", "")),
        device=str(shard.get("device", "")),
        time=duration(training_seconds(shard)),
        predicted=duration(shard.get("forecast")),
        written=str(shard.get("created", "")),
    )


def stages(times: Sequence[StageTime]) -> list[StageRow]:
    """Return a row for each stage of the workflow."""
    total = sum(time.seconds for time in times)
    return [
        StageRow(
            stage=time.stage,
            jobs=str(time.jobs),
            time=duration(time.seconds),
            share=f"{100 * time.seconds / total:.1f} %",
        )
        for time in times
    ]
