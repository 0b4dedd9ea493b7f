# The data set, as one file that later stages read.


rule data:
    input:
        own=STUDY.dataset.path or [],
        code=source_files("data.prepare"),
    output:
        data=f"{OUT}/data.npz",
        checksum=f"{OUT}/data.npz.sha256",
    log:
        f"{OUT}/logs/data.log",
    benchmark:
        f"{OUT}/benchmarks/data.tsv"
    conda:
        "../../envs/train.yaml"
    params:
        study=STUDY_JSON,
        wanted=digest(STUDY.dataset.name),
    shell:
        "python -m noisescale --log {log} data --study {params.study} --output {output.data}"
