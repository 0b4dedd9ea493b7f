# What all rules share: the checked study, its plan, and how a stage is called.

import os
import re
import shlex
import sys
from pathlib import Path

# The workflow runs the package that lies beside it, installed or not, here and in every job.
sys.path.insert(0, f"{workflow.basedir}/src")
os.environ["PYTHONPATH"] = os.pathsep.join([sys.path[0], os.environ.get("PYTHONPATH", "")]).rstrip(
    os.pathsep
)

from noisescale import figures
from noisescale.config import load_study
from noisescale.errors import NoisescaleError
from noisescale.plan import Plan, code, short, shown
from noisescale.records import write_text

try:
    STUDY = load_study(config, Path(workflow.basedir) / "workflow/schemas/config.schema.yaml")
    PLAN = Plan(STUDY, Path("results") / STUDY.name)
    if workflow.is_main_process:
        PLAN.check()
        print(PLAN.summary(), file=sys.stderr)
except NoisescaleError as error:
    sys.exit(f"noisescale: {error}")

OUT = str(PLAN.folder)
STUDY_JSON = f"{OUT}/study.json"

# Within a conda environment that Snakemake made, Python is that environment's.
CONDA = "CONDA" in str(workflow.deployment_settings.deployment_method).upper()
PYTHON = "python" if CONDA else sys.executable


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
