# The scaling laws and the pictures.

if STUDY.experiments:

    rule scaling:
        input:
            study=ancient(STUDY_JSON),
            runs=RESULTS["runs"],
            code=code("scaling"),
        output:
            RESULTS["laws"],
        log:
            f"{OUT}/logs/scaling.log",
        conda:
            "../../envs/analysis.yaml"
        params:
            study=short(STUDY.experiments, STUDY.statistics),
        shell:
            "{PYTHON:q} -m noisescale --log {log} scaling"
            " --study {input.study} --runs {input.runs[0]} --output {output}"


def drawn(figure):
    """The files of a figure; its picture is a part of Snakemake's own report."""
    stem = f"{OUT}/figures/{figure.name}"
    picture = report(
        f"{stem}.png",
        caption=f"../report/{figure.caption}",
        category=figure.part,
        labels={"figure": figure.name.partition("_")[0], "shows": figure.title},
    )
    return [picture, f"{stem}.svg", f"{stem}.csv"]


# Importing the plotting libraries costs seconds: a job draws several figures. Those of Part I do
# not wait for the training.
PART_1 = [figure for figure in figures.wanted(STUDY) if figure.experiments == ("evidence",)]
PART_2 = [figure for figure in figures.wanted(STUDY) if figure not in PART_1]
FIGURES = [file for figure in PART_1 + PART_2 for file in drawn(figure)]

for group, members, kinds in (
    ("evidence", PART_1, ["evidence"]),
    ("curves", PART_2[::2], list(RESULTS)),
    ("laws", PART_2[1::2], list(RESULTS)),
):
    if members:

        rule:
            name:
                f"figures_{group}"
            input:
                study=ancient(STUDY_JSON),
                results=[RESULTS[kind] for kind in kinds],
                code=code("figures.draw", *(f"figures.{figure.module}" for figure in members)),
            output:
                *[drawn(figure) for figure in members],
            log:
                f"{OUT}/logs/figures_{group}.log",
            conda:
                "../../envs/analysis.yaml"
            params:
                study=short(STUDY.experiments, STUDY.evidence, STUDY.statistics, STUDY.dataset),
                results=flags(*kinds),
                names=" ".join(figure.name for figure in members),
            shell:
                "{PYTHON:q} -m noisescale --log {log} figures --study {input.study}"
                f" {{params.results}} --folder {OUT}/figures {{params.names}}"
