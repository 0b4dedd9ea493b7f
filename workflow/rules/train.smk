# Part II: the grid of trainings, with a job for each shard, and the table of all runs.


# A training job has no record, because a shard contains the list of its runs, the digest of the
# data, and NUMERICS_VERSION. Edits of the training code do not rerun it.
rule train:
    input:
        out_of_date("train"),
        record("data"),
        data=ancient(rules.data.output.data),
    output:
        update(f"{OUT}/runs/{{shard}}.parquet"),
    log:
        f"{OUT}/logs/train/{{shard}}.log",
    benchmark:
        f"{OUT}/benchmarks/train/{{shard}}.tsv"
    wildcard_constraints:
        shard=SHARD_PATTERN,
    # Longest first, so that no core is idle at the end.
    priority: lambda wildcards: PLAN.seconds(wildcards.shard)
    conda:
        "../../envs/train.yaml"
    # With one thread, a run does not depend on the other runs of its stack, to the last bit.
    threads: 1
    resources:
        runtime=lambda wildcards, attempt: attempt * PLAN.minutes(wildcards.shard),
        mem_mb=lambda wildcards, attempt: attempt * PLAN.megabytes(wildcards.shard),
        gpu=PLAN.gpus,
    params:
        study=STUDY_JSON,
    shell:
        f"{NOISESCALE} train --study {{params.study}} --data {{input.data}}"
        " --shard {wildcards.shard} --threads {threads} --output {output}"


# Input functions, so that a job on a cluster, which trains one shard, need not list all shards.
rule collect:
    input:
        out_of_date("collect"),
        lambda wildcards: [PLAN.shard_path(shard) for shard in PLAN.shards],
    output:
        table=f"{OUT}/runs.parquet",
        record=record("collect"),
    log:
        f"{OUT}/logs/collect.log",
    benchmark:
        f"{OUT}/benchmarks/collect.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        study=STUDY_JSON,
    shell:
        f"{STAGE} collect --study {{params.study}} --shards {OUT}/runs --output {{output.table}}"
