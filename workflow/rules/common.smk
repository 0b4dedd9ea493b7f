# What all rules share: the checked study, its plan, and which of its results are up to date.
# Parsing writes nothing, whatever Snakemake was called for.

import os
import sys
from functools import cache
from pathlib import Path

# The workflow runs the package that lies next to it, whether or not one is installed.
sys.path.insert(0, f"{workflow.basedir}/src")

from noisescale.environment import display_path, export_python
from noisescale.errors import NoisescaleError
from noisescale.figures.registry import figures_of
from noisescale.planning import stages, study_lock
from noisescale.planning.freshness import Findings, examine
from noisescale.planning.plan import Plan
from noisescale.storage.files import write_text
from noisescale.study.loading import load_study
from noisescale.study.shards import SHARD_PATTERN
from noisescale.study.yaml_files import read_yaml

export_python()

try:
    if workflow.is_main_process:
        # Snakemake has loaded these files, but it accepts a key that occurs twice, and octal numbers.
        for configfile in (*workflow.configfiles, *workflow.overwrite_configfiles):
            read_yaml(configfile)
    STUDY = load_study(config)
    PLAN = Plan(STUDY, Path("results") / STUDY.name)
    FINDINGS = Findings()
    if workflow.is_main_process:
        PLAN.check()
        FINDINGS = examine(PLAN)
        # None on a cluster, whose processors are not this machine's; workflow.cores is an error there.
        cores = workflow.resource_settings.cores
        if active := study_lock.active_owner(PLAN.folder, study_lock.SNAKEMAKE_LOCKS):
            messages = [active]
        else:
            killed = study_lock.stale_locks(PLAN.folder, study_lock.SNAKEMAKE_LOCKS)
            messages = ["an earlier call was killed; going on from there"] if killed else []
            messages += FINDINGS.messages()
        for message in [*messages, PLAN.summary(FINDINGS.missing, cores)]:
            print(f"noisescale: {message}", file=sys.stderr)
except NoisescaleError as error:
    sys.exit(f"noisescale: {error}")

OUT = str(PLAN.folder)
STUDY_JSON = f"{OUT}/study.json"
# Tables and laws that the study has, by their kind.
FILES = {kind: f"{OUT}/{name}" for kind, name in stages.result_files(PLAN).items()}
# -P: no module of the working directory, such as a user's random.py, is imported.
NOISESCALE = "python -P -m noisescale --log {log}"
STAGE = f"{NOISESCALE} --record {{output.record}}"


@cache
def unlock():
    """Before a run, but not where Snakemake only looks, remove the locks of a killed call."""
    if workflow.executor_plugin and not (workflow.dryrun or workflow.touch):
        study_lock.remove_stale_locks(PLAN.folder, study_lock.SNAKEMAKE_LOCKS)


def out_of_date(stage):
    """An input function that has Snakemake run a stage whose results are not up to date.

    It names no file, but adds the results to those that Snakemake's graph of jobs, in memory, is to
    make again, as --forcerun does. Therefore a dry run plans what a run does, and nothing is
    deleted. Unlike at parsing, Snakemake knows by then whether it is going to run.
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


def record(stage):
    """The file in which a stage states what it made its results from.

    Stages depend on the records of earlier ones, and their tables are ancient(): a record is small
    enough for Snakemake to compare its content, so that a touched or copied table re-runs nothing.
    """
    return f"{OUT}/{stages.RECORDS}/{stage}.json"


def made_by(*kinds):
    """The records of the stages that make the kinds of results that the study has."""
    makers = {"runs": "collect", "laws": "laws", "evidence": "evidence"}
    return [record(makers[kind]) for kind in kinds if kind in FILES]


def tables(*kinds):
    """The files of the kinds of results that the study has."""
    return [ancient(FILES[kind]) for kind in kinds if kind in FILES]


def flags(*kinds):
    """The command line's options for the kinds of results that the study has."""
    return " ".join(f"--{kind} {FILES[kind]}" for kind in kinds if kind in FILES)


def drawn(figure):
    """The files of a figure; its picture is a part of Snakemake's own report."""
    stem = f"{OUT}/figures/{figure.name}"
    picture = report(
        f"{stem}.png",
        # Of this study: it quotes what was measured.
        caption=os.path.abspath(f"{OUT}/captions/{figure.caption}"),
        category=figure.part,
        labels={"figure": figure.name.partition("_")[0], "shows": figure.title},
    )
    return [picture, f"{stem}.svg", f"{stem}.csv"]
