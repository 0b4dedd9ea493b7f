# One page with everything: the claims, the figures, how they were made.

CAPTIONS = shown(Path(workflow.basedir) / "workflow/report")


rule report:
    input:
        results=[RESULTS[kind] for kind in RESULTS],
        figures=FIGURES,
        captions=[
            f"{CAPTIONS}/{caption}"
            for caption in ("scaling_laws.rst", *(figure.caption for figure in WANTED))
        ],
        template=shown(Path(workflow.basedir) / "src/noisescale/templates/report.html.j2"),
        code=code("report"),
    output:
        report(
            f"{OUT}/report.html",
            caption="../report/report.rst",
            category="Report",
            labels={"figure": "report", "shows": "Claims, figures, settings"},
        ),
    log:
        f"{OUT}/logs/report.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        study=STUDY_JSON,
        wanted=short(STUDY),
        results=flags(*RESULTS),
        captions=lambda wildcards, input: os.path.dirname(input.captions[0]),
    shell:
        "python -m noisescale --log {log} report --study {params.study} {params.results}"
        f" --figures {OUT}/figures --benchmarks {OUT}/benchmarks --captions {{params.captions:q}} --output {{output}}"
