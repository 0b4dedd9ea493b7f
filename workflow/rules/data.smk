# The data set, as one file for all later stages.


rule data:
    input:
        out_of_date("data"),
        # The record compares its content.
        own=ancient(STUDY.dataset.path) if STUDY.dataset.path else [],
    output:
        data=f"{OUT}/data.npz",
        record=record("data"),
    log:
        f"{OUT}/logs/data.log",
    benchmark:
        f"{OUT}/benchmarks/data.tsv"
    conda:
        "../../envs/train.yaml"
    params:
        study=STUDY_JSON,
    shell:
        f"{STAGE} data --study {{params.study}} --output {{output.data}}"
