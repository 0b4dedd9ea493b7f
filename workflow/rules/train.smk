# Part II: the grid of trainings, a job for each shard, and the one table of all runs.


rule train:
    input:
        study=ancient(STUDY_JSON),
        data=table("data.npz"),
        code=code("shard"),
    output:
        update(f"{OUT}/runs/{{shard}}.parquet"),
        update(f"{OUT}/runs/{{shard}}.parquet.sha256"),
    log:
        f"{OUT}/logs/train/{{shard}}.log",
    benchmark:
        f"{OUT}/benchmarks/train/{{shard}}.tsv"
    wildcard_constraints:
        shard="|".join(map(re.escape, PLAN.shards)),
    # The longest first, so that no core is idle at the end.
    priority: lambda wildcards: PLAN.seconds(wildcards.shard)
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        runtime=lambda wildcards: PLAN.minutes(wildcards.shard),
        mem_mb=4000,
        gpu=PLAN.gpus,
    params:
        runs=lambda wildcards: PLAN.digest(wildcards.shard),
    shell:
        "{PYTHON:q} -m noisescale --log {log} train"
        " --study {input.study} --data {input.data[0]} --shard {wildcards.shard}"
        " --threads {threads} --output {output[0]}"


rule collect:
    input:
        study=ancient(STUDY_JSON),
        shards=[ancient(PLAN.shard_path(shard)) for shard in PLAN.shards],
        checksums=[f"{PLAN.shard_path(shard)}.sha256" for shard in PLAN.shards],
        code=code("collect"),
    output:
        f"{OUT}/runs.parquet",
        f"{OUT}/runs.parquet.sha256",
    log:
        f"{OUT}/logs/collect.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        runs=[PLAN.digest(shard) for shard in PLAN.shards],
    shell:
        "{PYTHON:q} -m noisescale --log {log} collect"
        " --study {input.study} --output {output[0]} {input.shards}"
