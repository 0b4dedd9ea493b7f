# A Bayesian Perspective on Generalization and Stochastic Gradient Descent (Smith & Le, 2018):
# the grid of trainings, the evidence, the scaling laws, every figure, the report.
#
#   snakemake --cores all                                                     the study of config.yaml
#   snakemake --cores all --configfile workflow/presets/mnist-cpu.yaml        another study

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")


configfile: f"{workflow.basedir}/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


# A limit on GPUs is one of this machine: on a cluster, each job has its own.
resource_scopes:
    gpu="local",


# On a cluster, these seconds are not worth a job; and only its login nodes may reach the internet.
localrules:
    all,
    data,
    collect,
    judge,
    report,


# Not a rule: a file that every job depends on, but that must not re-run any, would have to be an
# ancient() input, and Snakemake does not look for changed parameters below a job that is due.
onstart:
    try:
        study_lock.acquire(PLAN.folder)
        write_text(STUDY_JSON, STUDY.to_json())
    except NoisescaleError as error:
        raise WorkflowError(f"noisescale: {error}") from None


onsuccess:
    study_lock.release(PLAN.folder)


onerror:
    study_lock.release(PLAN.folder)


# The tables are named here so that a deleted or damaged one is made again: Snakemake does not miss
# a file whose descendants are all there.
rule all:
    input:
        f"{OUT}/report.html",
        lambda wildcards: FIGURES,
        lambda wildcards: [*rules.data.output, *rules.judge.output],
        list(RESULTS.values()),
        lambda wildcards: [
            f"{PLAN.shard_path(shard)}{end}" for shard in PLAN.shards for end in ("", ".sha256")
        ],


include: "workflow/rules/data.smk"
include: "workflow/rules/evidence.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
