# The claims with their verdicts, and the report: claims, figures, settings, provenance.


rule claims:
    input:
        out_of_date("claims"),
        made_by(*FILES),
        tables(*FILES),
    output:
        claims=f"{OUT}/claims.parquet",
        agreement=f"{OUT}/agreement.parquet",
        captions=[f"{OUT}/captions/{name}" for name in stages.caption_names(PLAN)],
        record=record("claims"),
    log:
        f"{OUT}/logs/claims.log",
    benchmark:
        f"{OUT}/benchmarks/claims.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        study=STUDY_JSON,
        results=flags(*FILES),
        captions=display_path(stages.CAPTIONS),
    shell:
        f"{STAGE} claims --study {{params.study}} {{params.results}}"
        f" --captions {{params.captions:q}} --output {OUT}"


rule report:
    input:
        out_of_date("report"),
        made_by(*FILES),
        [record(f"figures_{job}") for job in stages.figure_jobs(PLAN)],
        record("claims"),
        tables(*FILES),
        ancient(rules.claims.output.claims),
        [ancient(file) for figure in figures_of(STUDY) for file in drawn(figure)],
    output:
        page=report(
            f"{OUT}/report.html",
            caption="../report/report.rst",
            category="Report",
            labels={"figure": "report", "shows": "Claims, figures, settings"},
        ),
        record=record("report"),
    log:
        f"{OUT}/logs/report.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        study=STUDY_JSON,
        results=flags(*FILES),
    shell:
        f"{STAGE} report --study {{params.study}} {{params.results}}"
        f" --figures {OUT}/figures --claims {OUT} --benchmarks {OUT}/benchmarks"
        " --output {output.page}"
