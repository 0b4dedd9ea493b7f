# What all rules share: the checked study, its plan, and how a stage is called.

import os
import sys
from pathlib import Path

# The workflow runs the package that lies beside it, installed or not.
sys.path.insert(0, f"{workflow.basedir}/src")

from noisescale.environment import export_python
from noisescale.errors import NoisescaleError
from noisescale.figures.registry import figures_of
from noisescale.planning import study_lock
from noisescale.planning.code_inputs import digest, display_path, source_files
from noisescale.planning.plan import Plan
from noisescale.planning.repair import repair
from noisescale.storage.files import write_text
from noisescale.study.loading import load_study
from noisescale.study.shards import SHARD_PATTERN
from noisescale.study.yaml_files import read_yaml

export_python()

LOCKS = Path(".snakemake/locks")

try:
    if workflow.is_main_process:
        # Snakemake has loaded these files, but it accepts a key that occurs twice, and octal numbers.
        for configfile in (*workflow.configfiles, *workflow.overwrite_configfiles):
            read_yaml(configfile)
    STUDY = load_study(config)
    PLAN = Plan(STUDY, Path("results") / STUDY.name)
    if workflow.is_main_process:
        PLAN.check()
        # Also before a dry run, which Snakemake cannot be told from others as yet: what is damaged
        # is to be counted.
        study_lock.remove_stale_locks(PLAN.folder, LOCKS)
        MISSING = PLAN.missing()
        if others := study_lock.active_owner(PLAN.folder, LOCKS):
            print(f"noisescale: {others}", file=sys.stderr)
        else:
            repair(PLAN, MISSING)
        # None on a cluster, whose processors are not this machine's; workflow.cores is an error there.
        print(PLAN.summary(MISSING, workflow.resource_settings.cores), file=sys.stderr)
except NoisescaleError as error:
    sys.exit(f"noisescale: {error}")

OUT = str(PLAN.folder)
STUDY_JSON = f"{OUT}/study.json"


def table(name):
    """A result table as an input: compared by its checksum, however large it is."""
    return [ancient(f"{OUT}/{name}"), f"{OUT}/{name}.sha256"]


RESULTS = {
    "runs": table("runs.parquet") if STUDY.experiments else [],
    "laws": [f"{OUT}/scaling_laws.json"] if STUDY.experiments else [],
    "evidence": table("evidence.parquet") if STUDY.evidence else [],
}


def flags(*kinds):
    """The command line's options for those kinds of results that the study has."""
    return " ".join(f"--{kind} {RESULTS[kind][0]}" for kind in kinds if RESULTS[kind])


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


WANTED = figures_of(STUDY)
FIGURES = [file for figure in WANTED for file in drawn(figure)]
