"""Which results of a study are up to date, determined from content only; nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from noisescale.environment import PACKAGE
from noisescale.planning.plan import Plan
from noisescale.planning.records import Digests, Record, digests, file_digest
from noisescale.planning.stages import RECORDS, Stage, stage_names, study_stage
from noisescale.study.grid import Run

Digest = Callable[[Path], str | None]

NOT_MADE = "not built yet"
NO_RECORD = "no record"


@dataclass(frozen=True)
class Findings:
    """The results that have to be built, rebuilt or trained.

    Attributes
    ----------
    stages
        The stages whose results are not up to date, in the order of the workflow, each with the
        reasons. Later stages are not listed because of earlier ones: Snakemake reruns them itself.
    outputs
        The result files of each of these stages, if it has results.
    missing
        The runs that have to be trained, by shard; complete shards are left out.
    damaged
        Existing files that do not match their recorded digests.
    """

    stages: dict[str, list[str]] = field(default_factory=dict)
    outputs: dict[str, list[Path]] = field(default_factory=dict)
    missing: dict[str, list[Run]] = field(default_factory=dict)
    damaged: list[Path] = field(default_factory=list)

    def messages(self) -> list[str]:
        """Return messages about damaged files and about stages that are out of date."""
        messages = [f"{path}: damaged or replaced; will be rebuilt" for path in self.damaged]
        explained = {NOT_MADE, *(path.as_posix() for path in self.damaged)}
        listed = []
        for name, reasons in self.stages.items():
            # The damaged files are reported above, also for the stages that read them.
            own = [r for r in reasons if not any(path.endswith(r) for path in explained)]
            if own:
                listed.append(f"{name} ({', '.join(own[:3])}{', …' * (len(own) > 3)})")
        if listed:
            messages.append(f"out of date, will be rebuilt: {', '.join(listed)}")
        return messages


def examine(plan: Plan) -> Findings:
    """Return the results of a study that are not up to date. Nothing is written.

    A stage is up to date if it has a record, and the digests in the record match its part of the
    study, its code, and its input and output files. A shard is up to date if it is intact and holds
    all its runs of the study, trained with the same data and `NUMERICS_VERSION`.
    """
    digest = cache(file_digest)
    findings, study_json = Findings(), plan.folder / "study.json"
    for name in stage_names(plan):
        stage = study_stage(plan, name)
        reasons, damaged = _examine_stage(stage, digest)
        if name == "data" and not reasons and plan.data_digest() is None:
            reasons.append("its source files")
        if name == "report" and not reasons and not _has_text(study_json, plan.study.to_json()):
            reasons.append("study.json")  # written at the start of a workflow run
        if reasons:
            findings.stages[name] = reasons
            if reasons != [NOT_MADE]:
                findings.outputs[name] = [*stage.output_paths().values(), stage.record]
            findings.damaged.extend(damaged)

    collected = Record.read(plan.folder / RECORDS / "collect.json")
    verified = {} if collected is None else collected.inputs

    def known_intact(path: Path) -> bool:
        return digest(path) == verified.get(str(path.relative_to(plan.folder)), "")

    shards = {shard: plan.shard_contents(shard, known_intact) for shard in plan.shards}
    findings.damaged.extend(plan.shard_path(s) for s, held in shards.items() if held.damaged)
    findings.missing.update({s: runs for s, runs in plan.missing(shards).items() if runs})
    return findings


def _examine_stage(stage: Stage, digest: Digest) -> tuple[list[str], list[Path]]:
    """Return why a stage's results are not up to date, and which of them are damaged."""
    record = Record.read(stage.record)
    there = {name: path for name, path in stage.output_paths().items() if path.exists()}
    if record is None:
        return [NO_RECORD if there else NOT_MADE], []
    reasons = []
    if record.study != stage.study_digest():
        reasons.append("study")
    sources = {name: PACKAGE / name for name in record.sources}
    if record.sources != digests(sources, digest) and record.code != stage.code_digest():
        reasons.append("code")
    inputs = digests(stage.inputs, digest)
    reasons += _differences(inputs, record.inputs)
    outputs = digests(stage.output_paths(), digest)
    changed = _differences(outputs, record.outputs)
    damaged = [there[name] for name in changed if name in there and name in record.outputs]
    return reasons + changed, damaged


def _differences(found: Digests, recorded: Digests) -> list[str]:
    """Return the names whose digests differ."""
    return sorted(
        name for name in found.keys() | recorded.keys() if found.get(name) != recorded.get(name)
    )


def _has_text(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False
