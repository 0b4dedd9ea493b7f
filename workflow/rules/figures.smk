# The scaling laws and the figures.

if STUDY.experiments:

    rule laws:
        input:
            out_of_date("laws"),
            made_by("runs"),
            runs=tables("runs"),
        output:
            laws=FILES["laws"],
            record=record("laws"),
        log:
            f"{OUT}/logs/laws.log",
        benchmark:
            f"{OUT}/benchmarks/laws.tsv"
        conda:
            "../../envs/analysis.yaml"
        resources:
            runtime=lambda wildcards, attempt: attempt * 120,
            mem_mb=lambda wildcards, attempt: attempt * 4000,
        params:
            study=STUDY_JSON,
        shell:
            f"{STAGE} laws --study {{params.study}} --runs {{input.runs}} --output {{output.laws}}"


for job, members in stages.figure_jobs(PLAN).items():
    # The figures of Part I do not wait for training.
    kinds = ["evidence"] if job == "evidence" else list(FILES)

    rule:
        name:
            f"figures_{job}"
        input:
            out_of_date(f"figures_{job}"),
            made_by(*kinds),
            tables(*kinds),
        output:
            *[drawn(figure) for figure in members],
            record=record(f"figures_{job}"),
        log:
            f"{OUT}/logs/figures_{job}.log",
        benchmark:
            f"{OUT}/benchmarks/figures/{job}.tsv"
        localrule: True  # see localrules in the Snakefile
        conda:
            "../../envs/analysis.yaml"
        params:
            study=STUDY_JSON,
            results=flags(*kinds),
            names=" ".join(figure.name for figure in members),
        shell:
            f"{STAGE} figures --study {{params.study}} {{params.results}}"
            f" --folder {OUT}/figures {{params.names}}"
