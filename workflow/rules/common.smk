# What all rules share: the checked study, its plan, and how a stage is called.

import os
import sys
from pathlib import Path

# The workflow runs the package that lies beside it, installed or not.
sys.path.insert(0, f"{workflow.basedir}/src")

from noisescale import figures, owner
from noisescale.config import load_study
from noisescale.errors import NoisescaleError
from noisescale.grid import SHARD
from noisescale.mend import mend
from noisescale.plan import Plan, code, export_python, short, shown
from noisescale.records import write_text

export_python()

LOCKS = Path(".snakemake/locks")

try:
    STUDY = load_study(config, Path(workflow.basedir) / "workflow/schemas/config.schema.yaml")
    PLAN = Plan(STUDY, Path("results") / STUDY.name)
    if workflow.is_main_process:
        PLAN.check()
        # Also before a dry run, which Snakemake cannot be told from others as yet: what is damaged
        # is to be counted.
        owner.release_of_the_dead(PLAN.folder, LOCKS)
        MISSING = PLAN.missing()
        if others := owner.of_the_living(PLAN.folder, LOCKS):
            print(f"noisescale: {others}", file=sys.stderr)
        else:
            mend(PLAN, MISSING)
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


WANTED = figures.wanted(STUDY)
FIGURES = [file for figure in WANTED for file in drawn(figure)]
