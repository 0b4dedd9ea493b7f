# The claims, judged; and one page with everything: the claims, the figures, how they were made.

CAPTIONS = display_path(Path(workflow.basedir) / "workflow/report")
CAPTION_NAMES = ["scaling_laws.rst", *(figure.caption for figure in WANTED)]


rule judge:
    input:
        results=[RESULTS[kind] for kind in RESULTS],
        captions=[f"{CAPTIONS}/{name}" for name in CAPTION_NAMES],
        code=source_files("claims.stage", "report.captions"),
    output:
        [
            f"{OUT}/{name}.parquet{suffix}"
            for name in ("claims", "agreement")
            for suffix in ("", ".sha256")
        ],
        captions=[f"{OUT}/captions/{name}" for name in CAPTION_NAMES],
    log:
        f"{OUT}/logs/judge.log",
    benchmark:
        f"{OUT}/benchmarks/judge.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        study=STUDY_JSON,
        wanted=digest(STUDY),
        results=flags(*RESULTS),
        captions=lambda wildcards, input: os.path.dirname(input.captions[0]),
    shell:
        "python -m noisescale --log {log} claims --study {params.study} {params.results}"
        f" --captions {{params.captions:q}} --output {OUT}"


rule report:
    input:
        results=[RESULTS[kind] for kind in RESULTS],
        figures=FIGURES,
        judged=rules.judge.output,
        template=display_path(
            Path(workflow.basedir) / "src/noisescale/report/templates/report.html.j2"
        ),
        code=source_files("report.page"),
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
        wanted=digest(STUDY),
        results=flags(*RESULTS),
    shell:
        "python -m noisescale --log {log} report --study {params.study} {params.results}"
        f" --figures {OUT}/figures --claims {OUT} --benchmarks {OUT}/benchmarks"
        " --output {output}"
