# The checked configuration and the data set, each as one file that later stages read.


rule study:
    output:
        STUDY_JSON,
    log:
        f"{OUT}/logs/study.log",
    params:
        study=short(STUDY),
    run:
        write_text(output[0], STUDY.to_json())
        write_text(log[0], PLAN.summary() + "\n")


rule data:
    input:
        study=ancient(STUDY_JSON),
        own=STUDY.dataset.path or [],
        code=code("prepare"),
    output:
        data=f"{OUT}/data.npz",
        checksum=f"{OUT}/data.npz.sha256",
    log:
        f"{OUT}/logs/data.log",
    conda:
        "../../envs/train.yaml"
    params:
        dataset=short(STUDY.dataset.name),
    shell:
        "python -m noisescale --log {log} data --study {input.study} --output {output.data}"
