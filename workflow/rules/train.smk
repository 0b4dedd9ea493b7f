# Part II: the grid of trainings, a job for each shard, and the one table of all runs.


rule train:
    input:
        data=ancient(rules.data.output.data),
        checksum=rules.data.output.checksum,
        code=source_files("training.job"),
    output:
        table=update(f"{OUT}/runs/{{shard}}.parquet"),
        checksum=update(f"{OUT}/runs/{{shard}}.parquet.sha256"),
    log:
        f"{OUT}/logs/train/{{shard}}.log",
    benchmark:
        f"{OUT}/benchmarks/train/{{shard}}.tsv"
    wildcard_constraints:
        shard=SHARD_PATTERN,
    # The longest first, so that no core is idle at the end.
    priority: lambda wildcards: PLAN.seconds(wildcards.shard)
    conda:
        "../../envs/train.yaml"
    # With one thread a run is the same to the last bit, whatever it is stacked with.
    threads: 1
    resources:
        runtime=lambda wildcards, attempt: attempt * PLAN.minutes(wildcards.shard),
        mem_mb=lambda wildcards, attempt: attempt * PLAN.megabytes(wildcards.shard),
        gpu=PLAN.gpus,
    params:
        study=STUDY_JSON,
        wanted=lambda wildcards: PLAN.digest(wildcards.shard),
    shell:
        "python -m noisescale --log {log} train --study {params.study} --data {input.data}"
        " --shard {wildcards.shard} --threads {threads} --output {output.table}"


# By functions: a job on a cluster, which trains one shard, need not know all others.
rule collect:
    input:
        shards=lambda wildcards: [ancient(PLAN.shard_path(shard)) for shard in PLAN.shards],
        checksums=lambda wildcards: [f"{PLAN.shard_path(shard)}.sha256" for shard in PLAN.shards],
        code=source_files("results.collect"),
    output:
        table=f"{OUT}/runs.parquet",
        checksum=f"{OUT}/runs.parquet.sha256",
    log:
        f"{OUT}/logs/collect.log",
    benchmark:
        f"{OUT}/benchmarks/collect.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        study=STUDY_JSON,
        wanted=lambda wildcards: digest(*[PLAN.digest(shard) for shard in PLAN.shards]),
    shell:
        "python -m noisescale --log {log} collect"
        f" --study {{params.study}} --shards {OUT}/runs --output {{output.table}}"
