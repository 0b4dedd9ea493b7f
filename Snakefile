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


# The limit on GPUs applies to this machine only: on a cluster, each job requests its own.
resource_scopes:
    gpu="local",


# These take seconds and are not worth a job on a cluster, where only login nodes may have internet
# access.
localrules:
    all,
    data,
    collect,
    claims,
    report,


# Not a rule, because each stage depends only on parts of the study, which its record covers: a
# change of this file must not rerun all stages.
onstart:
    try:
        PLAN.check_writable()
        study_lock.acquire(PLAN.folder)
        write_text(STUDY_JSON, STUDY.to_json())
    except NoisescaleError as error:
        raise WorkflowError(f"noisescale: {error}") from None


onsuccess:
    study_lock.release(PLAN.folder)


onerror:
    study_lock.release(PLAN.folder)
    report_failures()


rule all:
    input:
        f"{OUT}/report.html",


include: "workflow/rules/data.smk"
include: "workflow/rules/evidence.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
