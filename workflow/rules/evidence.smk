# Part I: the evidence of a linear model, over the precision of its prior (figures 1, 2).

if STUDY.evidence:

    rule evidence:
        input:
            data=ancient(rules.data.output.data),
            checksum=rules.data.output.checksum,
            code=source_files("evidence.sweep"),
        output:
            table=f"{OUT}/evidence.parquet",
            checksum=f"{OUT}/evidence.parquet.sha256",
        log:
            f"{OUT}/logs/evidence.log",
        benchmark:
            f"{OUT}/benchmarks/evidence.tsv"
        priority: 1000
        conda:
            "../../envs/analysis.yaml"
        resources:
            runtime=lambda wildcards, attempt: attempt * 120,
            mem_mb=lambda wildcards, attempt: attempt * 4000,
        params:
            study=STUDY_JSON,
            wanted=digest(STUDY.evidence),
        shell:
            "python -m noisescale --log {log} evidence"
            " --study {params.study} --data {input.data} --output {output.table}"
