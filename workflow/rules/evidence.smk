# Part I: the evidence of a linear model, over the precision of its prior (figures 1, 2).

if STUDY.evidence:

    rule evidence:
        input:
            study=ancient(STUDY_JSON),
            data=table("data.npz"),
            code=code("evidence_sweep"),
        output:
            f"{OUT}/evidence.parquet",
            f"{OUT}/evidence.parquet.sha256",
        log:
            f"{OUT}/logs/evidence.log",
        benchmark:
            f"{OUT}/benchmarks/evidence.tsv"
        priority: 1000
        conda:
            "../../envs/analysis.yaml"
        resources:
            runtime=120,
            mem_mb=4000,
        params:
            evidence=short(STUDY.evidence),
        shell:
            "{PYTHON:q} -m noisescale --log {log} evidence"
            " --study {input.study} --data {input.data[0]} --output {output[0]}"
