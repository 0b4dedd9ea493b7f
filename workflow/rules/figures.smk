# The scaling laws and the pictures.

if STUDY.experiments:

    rule scaling:
        input:
            runs=RESULTS["runs"],
            code=source_files("laws.scaling"),
        output:
            RESULTS["laws"],
        log:
            f"{OUT}/logs/scaling.log",
        benchmark:
            f"{OUT}/benchmarks/scaling.tsv"
        conda:
            "../../envs/analysis.yaml"
        resources:
            runtime=lambda wildcards, attempt: attempt * 120,
            mem_mb=lambda wildcards, attempt: attempt * 4000,
        params:
            study=STUDY_JSON,
            wanted=digest(STUDY.experiments, STUDY.statistics),
        shell:
            "python -m noisescale --log {log} laws"
            " --study {params.study} --runs {input.runs[0]} --output {output}"


for job in ("evidence", "curves", "laws"):
    members = [figure for figure in WANTED if figure.job == job]
    # The figures of Part I do not wait for the training, nor are they of its experiments.
    kinds = ["evidence"] if job == "evidence" else list(RESULTS)
    experiments = None if job == "evidence" else STUDY.experiments
    if members:

        rule:
            name:
                f"figures_{job}"
            input:
                results=[RESULTS[kind] for kind in kinds],
                code=source_files(
                    "figures.draw", *(f"figures.{figure.module}" for figure in members)
                ),
            output:
                *[drawn(figure) for figure in members],
            log:
                f"{OUT}/logs/figures_{job}.log",
            benchmark:
                f"{OUT}/benchmarks/figures/{job}.tsv"
            localrule: True  # see the Snakefile
            conda:
                "../../envs/analysis.yaml"
            params:
                study=STUDY_JSON,
                wanted=digest(experiments, STUDY.evidence, STUDY.statistics, STUDY.dataset),
                results=flags(*kinds),
                names=" ".join(figure.name for figure in members),
            shell:
                "python -m noisescale --log {log} figures --study {params.study}"
                f" {{params.results}} --folder {OUT}/figures {{params.names}}"
