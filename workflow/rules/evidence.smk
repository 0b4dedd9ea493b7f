# Part I: the evidence of a linear model for a range of prior precisions (figures 1 and 2).

if STUDY.evidence:

    rule evidence:
        input:
            out_of_date("evidence"),
            record("data"),
            data=ancient(rules.data.output.data),
        output:
            table=FILES["evidence"],
            record=record("evidence"),
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
        shell:
            f"{STAGE} evidence --study {{params.study}} --data {{input.data}} --output {{output.table}}"
