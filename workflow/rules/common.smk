# Shared by all rules: the validated study, its plan, and which results are up to date.
# Parsing writes nothing, in any mode of Snakemake.

import os
import sys
from functools import cache
from pathlib import Path

# Use the package in this repository, even if another version is installed.
sys.path.insert(0, f"{workflow.basedir}/src")

from noisescale.environment import display_path, export_python
from noisescale.errors import NoisescaleError
from noisescale.figures.registry import figures_of
from noisescale.planning import stages, study_lock
from noisescale.planning.failures import failure_message
from noisescale.planning.freshness import Findings, examine
from noisescale.planning.plan import Plan
from noisescale.storage.files import write_text
from noisescale.study.loading import load_study
from noisescale.study.shards import SHARD_PATTERN
from noisescale.study.yaml_files import read_yaml

export_python()

try:
    if workflow.is_main_process:
        # Snakemake has loaded these files, but it accepts duplicate keys and octal numbers.
        for configfile in (*workflow.configfiles, *workflow.overwrite_configfiles):
            read_yaml(configfile)
    STUDY = load_study(config)
    PLAN = Plan(STUDY, Path("results") / STUDY.name)
    FINDINGS = Findings()
    if workflow.is_main_process:
        PLAN.check()
        FINDINGS = examine(PLAN)
        # None on a cluster, where jobs do not run on this machine's cores and workflow.cores raises.
        cores = workflow.resource_settings.cores
        if active := study_lock.active_owner(PLAN.folder, study_lock.SNAKEMAKE_LOCKS):
            messages = [active]
        else:
            killed = study_lock.stale_locks(PLAN.folder, study_lock.SNAKEMAKE_LOCKS)
            messages = ["an earlier workflow run was killed; resuming"] if killed else []
            messages += FINDINGS.messages()
        for message in [*messages, PLAN.summary(FINDINGS.missing, cores)]:
            print(f"noisescale: {message}", file=sys.stderr)
except NoisescaleError as error:
    sys.exit(f"noisescale: {error}")

OUT = str(PLAN.folder)
STUDY_JSON = f"{OUT}/study.json"
# The result files of the study by kind.
FILES = {kind: f"{OUT}/{name}" for kind, name in stages.result_files(PLAN).items()}
# -P: do not import modules from the working directory, such as a user's random.py.
NOISESCALE = "python -P -m noisescale --log {log}"
STAGE = f"{NOISESCALE} --record {{output.record}}"


@cache
def unlock():
    """Remove stale locks before jobs run, but not in a dry run."""
    if workflow.executor_plugin and not (workflow.dryrun or workflow.touch):
        study_lock.remove_stale_locks(PLAN.folder, study_lock.SNAKEMAKE_LOCKS)


def out_of_date(stage):
    """An input function that makes Snakemake rerun a stage whose results are out of date.

    It returns no files, but adds the stage's results to the forced files of Snakemake's DAG, as
    --forcerun does. Therefore a dry run shows the same jobs as a workflow run, and nothing is
    deleted. Input functions are called after parsing, when Snakemake knows its mode.
    """

    def force(wildcards):
        if workflow.is_main_process:
            if stage == "train":
                shard = wildcards.shard
                files = [PLAN.shard_path(shard)] if shard in FINDINGS.missing else []
            else:
                files = FINDINGS.outputs.get(stage, [])
            workflow.dag.forcefiles.update(map(str, files))
            unlock()
        return []

    return force


def report_failures():
    """Print the last line of the log of each job that failed, below all that Snakemake printed."""
    failed = [job for group in workflow.scheduler.failed for job in getattr(group, "jobs", [group])]
    for job in failed:
        message = failure_message(job.rule.name, [Path(log) for log in job.log])
        print(f"noisescale: {message}", file=sys.stderr)


def record(stage):
    """The record of a stage: a file with the digests of its inputs and results.

    Stages depend on the records of earlier stages, and tables are marked ancient(). A record is
    small enough for Snakemake to compare its content, so that a touched or copied table does not
    rerun anything.
    """
    return f"{OUT}/{stages.RECORDS}/{stage}.json"


def made_by(*kinds):
    """The records of the stages that create these kinds of results, if the study has them."""
    makers = {"runs": "collect", "laws": "laws", "evidence": "evidence"}
    return [record(makers[kind]) for kind in kinds if kind in FILES]


def tables(*kinds):
    """The files of these kinds of results, if the study has them."""
    return [ancient(FILES[kind]) for kind in kinds if kind in FILES]


def flags(*kinds):
    """The command-line options for these kinds of results, if the study has them."""
    return " ".join(f"--{kind} {FILES[kind]}" for kind in kinds if kind in FILES)


def drawn(figure):
    """The files of a figure; its picture is included in Snakemake's own report."""
    stem = f"{OUT}/figures/{figure.name}"
    picture = report(
        f"{stem}.png",
        # The caption of this study, which quotes the measured results.
        caption=os.path.abspath(f"{OUT}/captions/{figure.caption}"),
        category=figure.part,
        labels={"figure": figure.name.partition("_")[0], "shows": figure.title},
    )
    return [picture, f"{stem}.svg", f"{stem}.csv"]
