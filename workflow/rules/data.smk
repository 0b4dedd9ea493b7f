# The checked configuration and the data set, each as one file that later stages read.


rule study:
    output:
        STUDY_JSON,
    params:
        study=short(STUDY),
    run:
        write_text(output[0], STUDY.to_json())


rule data:
    input:
        study=ancient(STUDY_JSON),
        own=STUDY.dataset.path or [],
        code=code("prepare"),
    output:
        f"{OUT}/data.npz",
        f"{OUT}/data.npz.sha256",
    log:
        f"{OUT}/logs/data.log",
    conda:
        "../../envs/train.yaml"
    params:
        dataset=short(STUDY.dataset.name),
    shell:
        "{PYTHON:q} -m noisescale --log {log} data --study {input.study} --output {output[0]}"
