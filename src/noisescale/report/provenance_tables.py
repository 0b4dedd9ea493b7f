"""The tables of the report: plain rows of text, from the study, the laws and the provenance."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from noisescale.report.job_times import TRAINING_STAGES, StageTime

Rows = list[tuple[str, str]]


def provenance(metadata: dict[str, Any]) -> Rows:
    """Return with what, where, when and in what time the results were computed."""
    rows = []
    for name, meta in metadata.items():
        machine, git = meta.get("machine") or {}, meta.get("git")
        processor = f"{machine.get('processor', '')}, {machine.get('cores', '?')} cores"
        facts = [
            ("device", meta.get("device", "")),
            ("machine", f"{machine.get('system', '')}, {processor}" if machine else ""),
            ("source", _git(git) if "git" in meta else ""),
            ("numerics version", meta.get("numerics_version", "")),
            ("data digest", meta.get("data_digest", "")),
            ("written", meta.get("created", "")),
            ("time", duration(_seconds(meta))),
        ]
        rows += [(f"{name}: {fact}", str(value)) for fact, value in facts if value]
    return rows


def _git(git: dict[str, Any] | None) -> str:
    if not git:
        return "not in a git checkout"
    return f"commit {git.get('commit', '?')}" + (" with local changes" if git.get("dirty") else "")


def versions(metadata: dict[str, Any]) -> Rows:
    """Return the versions of the software; where results differ, all of them."""
    found: dict[str, set[str]] = {}
    for meta in metadata.values():
        for source in (meta, *(meta.get("shards") or [])):
            for name, version in (source.get("versions") or {}).items():
                found.setdefault(name, set()).add(version)
    return [(name, ", ".join(sorted(values))) for name, values in found.items()]


def shards(metadata: dict[str, Any]) -> list[dict[str, str]]:
    """Return a row for each training job's file; its time is that of the job that wrote it."""
    rows = []
    for shard in metadata.get("runs", {}).get("shards") or []:
        runs = shard.get("runs") or {}
        rows.append(
            {
                "name": _shard_name(str(shard.get("shard", ""))),
                "runs": str(runs.get("wanted", "")),
                "trained": str(runs.get("trained", "")),
                "device": str(shard.get("device", "")),
                "time": duration(_seconds(shard)),
                "forecast": duration(shard.get("forecast")),
                "written": str(shard.get("created", "")),
            }
        )
    return rows


def stages(times: Sequence[StageTime]) -> list[dict[str, str]]:
    """Return a row for each stage of the workflow: its last jobs and what they took."""
    total = sum(timing.seconds for timing in times)
    return [
        {
            "stage": timing.stage,
            "jobs": f"{timing.jobs}",
            "time": duration(timing.seconds),
            "share": f"{100 * timing.seconds / total:.1f} %",
        }
        for timing in times
    ]


def time_spent(times: Sequence[StageTime], metadata: dict[str, Any]) -> str:
    """Say what share of the jobs' time was not training, and how the forecast compares."""
    parts = []
    total = sum(timing.seconds for timing in times)
    spent = sum(timing.seconds for timing in times if timing.stage in TRAINING_STAGES)
    if total:
        parts.append(
            f"The last jobs of all stages took {duration(total)}, one after another; "
            f"{100 * (1 - spent / total):.1f} % of it was neither training nor the evidence sweep."
        )
    jobs = metadata.get("runs", {}).get("shards") or []
    told = [(job["forecast"], _seconds(job)) for job in jobs if job.get("forecast")]
    if told:
        forecast, actual = map(sum, zip(*told, strict=True))
        last = sum(timing.jobs for timing in times if timing.stage == "train")
        earlier = ", those of earlier calls included" if 0 < last < len(jobs) else ""
        parts.append(
            f"Foretold for the training jobs{earlier}: {duration(forecast)}; "
            f"taken: {duration(actual)}, "
            f"{actual / forecast:.2f} times as long."
        )
    return " ".join(parts)


def _shard_name(path: str) -> str:
    return path.rpartition("/runs/")[2].removesuffix(".parquet")


def effort(metadata: dict[str, Any]) -> str:
    """Say how many runs there are, how many diverged, and how long they took."""
    parts = []
    if (runs := metadata.get("runs")) is not None:
        counts = runs.get("runs") or {}
        if "trained" in counts:
            parts.append(
                f"{counts['trained']} of {counts.get('wanted', counts['trained'])} wanted runs "
                f"were trained, {counts.get('diverged', 0)} diverged"
            )
        if time := duration(_seconds(runs)):
            parts.append(f"training jobs took {time}, added up, on {runs.get('device', '?')}")
    if (evidence := metadata.get("evidence")) is not None and (
        time := duration(_seconds(evidence))
    ):
        parts.append(f"the evidence sweep took {time}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else "No record of the effort."


def _seconds(meta: dict[str, Any]) -> float | None:
    seconds = meta.get("seconds")
    return seconds.get("training") if isinstance(seconds, dict) else seconds


def duration(seconds: float | None) -> str:
    """Return a time as people say it, e.g. ``0:02:05`` or ``12.3 s``."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{datetime.timedelta(seconds=round(seconds))}"
