"""Only what changed is run again, tested with real workflow runs of a tiny study.

What is up to date is tested in detail, and much faster, in test_freshness.py.
"""

import os
import re
import shutil
import zipfile

import pyarrow.parquet as pq
import pytest
from helpers.tiny_workflow import RUNS

RUNS_TABLE = "results/tiny/runs.parquet"
DAY = 86_400
FIGURES = {"figures_evidence", "figures_curves", "figures_laws"}
AFTER_LAWS = {"figures_curves", "figures_laws", "claims", "report", "all"}


def older(path, content):
    """Replace a file by another one that is a day older."""
    before = path.stat().st_mtime
    path.write_bytes(content)
    os.utime(path, (before - DAY, before - DAY))


def test_the_first_workflow_run_builds_everything(first_run, finished):
    assert first_run.trained == RUNS
    for name in ("runs.parquet", "evidence.parquet", "scaling_laws.json", "report.html"):
        assert (finished.results / name).stat().st_size > 0
    figures = {path.name for path in (finished.results / "figures").iterdir()}
    for stem in ("fig1_memorization", "fig2_evidence", "fig3_generalization_gap"):
        assert {f"{stem}.png", f"{stem}.svg", f"{stem}.csv"} <= figures
    assert not list(finished.results.rglob("*.sha256"))


def test_the_summary_is_printed_before_the_first_job(fresh, first_run):
    expected = f"study tiny: {RUNS} runs, 0 up to date, {RUNS} to train in 2 jobs"
    assert expected in first_run.text
    assert re.search(r"^Provided resources: .*\bgpu\b.*\b1\b", first_run.text, re.MULTILINE)
    dry = fresh.dry_run()
    assert expected in dry.text and "out of date" not in dry.text
    assert not fresh.results.exists()


def test_a_run_of_two_experiments_is_trained_once(first_run):
    assert first_run.trained == RUNS


def test_a_second_workflow_run_does_nothing(finished):
    result = finished()
    assert result.nothing_to_be_done and not result.jobs
    assert f"{RUNS} runs, {RUNS} up to date, 0 to train" in result.text


def test_touched_files_and_leftovers_of_earlier_versions_rerun_nothing(finished):
    for folder in ("results", "src", "workflow", "envs"):
        for path in sorted((finished.folder / folder).rglob("*")):
            if path.is_file():
                os.utime(path)
    os.utime(finished.folder / "config.yaml")
    (finished.results / "runs.parquet.sha256").write_text("of an earlier version")
    assert finished.dry_run().nothing_to_be_done


def test_results_are_up_to_date_without_snakemakes_metadata(finished):
    shutil.rmtree(finished.folder / ".snakemake")
    assert finished.dry_run().nothing_to_be_done


@pytest.mark.parametrize(
    ("what", "more"),
    [
        ("learning rate", lambda s: s["experiments"]["learning_rate"]["learning_rate"].append(0.2)),
        ("seed", lambda s: s["base"].update(seeds=3)),
        ("batch size", lambda s: s["experiments"]["learning_rate"]["batch_size"].append(16)),
    ],
)
def test_a_new_value_trains_exactly_its_runs(finished, what, more):
    more(finished.settings)
    result = finished(RUNS_TABLE)
    new = {"learning rate": 6, "seed": 6, "batch size": 4}[what]
    assert result.status == 0, result.text
    assert result.trained == new
    assert f"{RUNS + new} runs, {RUNS} up to date, {new} to train" in result.text


def test_a_new_value_does_not_rerun_the_evidence_and_removing_it_leaves_nothing_to_do(finished):
    finished.settings["experiments"]["learning_rate"]["learning_rate"].append(0.2)
    result = finished.dry_run()
    assert result.jobs == {"train": 2, "collect": 1, "laws": 1} | dict.fromkeys(AFTER_LAWS, 1)
    finished.settings["experiments"]["learning_rate"]["learning_rate"].pop()
    assert finished.dry_run().nothing_to_be_done


def added(text):
    return lambda content: content + text.encode()


def flipped(content):
    content = bytearray(content)
    content[len(content) // 3] ^= 1
    return bytes(content)


CODE = added("\n_ADDED = 1\n")
SOURCE = "src/noisescale"


@pytest.mark.parametrize(
    ("file", "edit", "jobs"),
    [
        (f"{SOURCE}/figures/fig1_memorization.py", CODE, {"figures_evidence", "report"}),
        (f"{SOURCE}/training/packing.py", CODE, set()),
        (f"{SOURCE}/laws/peaks.py", added("\n# A comment.\n"), set()),
        ("workflow/report/fig1_memorization.rst", added("\nMore.\n"), {"claims", "report"}),
        ("results/tiny/evidence.parquet", flipped, {"evidence", *FIGURES, "claims", "report"}),
        ("results/tiny/figures/collapse.svg", flipped, {"figures_laws", "report"}),
        ("results/tiny/report.html", added("<!-- -->"), {"report"}),
    ],
)
def test_a_file_that_became_older_runs_exactly_the_jobs_that_depend_on_it(
    finished, file, edit, jobs
):
    path = finished.folder / file
    older(path, edit(path.read_bytes()))
    result = finished.dry_run()
    assert result.jobs.keys() == (jobs and {*jobs, "all"}), result.text
    assert f"{RUNS} runs, {RUNS} up to date, 0 to train" in result.text


def test_an_edited_plot_is_drawn_again_once(finished):
    path = finished.folder / SOURCE / "figures/fig1_memorization.py"
    older(path, CODE(path.read_bytes()))
    caption = finished.folder / "workflow/report/fig1_memorization.rst"
    older(caption, caption.read_bytes() + b"\nOne more sentence.\n")
    result = finished()
    assert result.status == 0, result.text
    assert result.jobs.keys() == {"figures_evidence", "claims", "report", "all"}
    assert result.trained == 0
    assert "One more sentence." in (finished.results / "report.html").read_text()
    assert finished.dry_run().nothing_to_be_done


def test_another_version_of_the_arithmetic_trains_everything_again(finished):
    finished.append("src/noisescale/numerics.py", "NUMERICS_VERSION += 1")
    result = finished(RUNS_TABLE)
    assert f"{RUNS} runs, 0 up to date, {RUNS} to train" in result.text
    assert result.trained == RUNS


def test_a_deleted_shard_is_trained_again_and_no_other(finished):
    (shard,) = (finished.results / "runs").rglob("batch_size~1-7/*.parquet")
    shard.unlink()
    result = finished(RUNS_TABLE)
    assert result.status == 0, result.text
    assert result.jobs["train"] == 1
    assert result.trained == 2 * 2 * 2


def test_a_forced_training_keeps_the_runs_and_forgetting_trains_them_again(finished):
    result = finished(RUNS_TABLE, "--forcerun", "train")
    assert result.status == 0, result.text
    assert result.jobs["train"] == 2 and result.trained == 0
    (shard,) = (finished.results / "runs").rglob("batch_size~1-7/*.parquet")
    name = shard.relative_to(finished.results / "runs").with_suffix("")
    done = finished.command("forget", "results/tiny", "--shard", str(name))
    assert done.returncode == 0 and not shard.exists(), done.stdout
    assert finished(RUNS_TABLE).trained == 2 * 2 * 2


def test_a_run_that_a_smaller_study_does_not_have_is_ignored_not_deleted(finished):
    def learning_rates():
        table = pq.read_table(finished.results / "runs.parquet", columns=["learning_rate"])
        return set(table["learning_rate"].to_pylist())

    experiment = finished.settings["experiments"]["learning_rate"]
    experiment["learning_rate"] = [0.1, 0.4]
    finished(RUNS_TABLE)
    assert learning_rates() == {0.1, 0.4}
    experiment["learning_rate"] = [0.05, 0.1, 0.4]
    result = finished(RUNS_TABLE)
    assert result.trained == 0 and result.jobs.keys() == {"collect"}
    assert learning_rates() == {0.05, 0.1, 0.4}


def test_the_users_own_flags_are_respected(finished):
    older(finished.results / "runs.parquet", b"damaged")
    assert finished.dry_run("--until", "collect").jobs == {"collect": 1}
    assert finished.dry_run("results/tiny/data.npz").nothing_to_be_done
    result = finished.dry_run("--forcerun", "evidence")
    assert result.jobs.keys() == {
        "collect",
        "laws",
        "evidence",
        *FIGURES,
        "claims",
        "report",
        "all",
    }


def test_snakemakes_own_report_has_captions_and_labels(finished):
    result = finished("--report", "report.zip")
    assert result.status == 0, result.text
    with zipfile.ZipFile(finished.folder / "report.zip") as archive:
        names = archive.namelist()
        page = "".join(archive.read(n).decode() for n in names if n.endswith((".html", ".js")))
    assert sum(name.endswith("fig1_memorization.png") for name in names) == 1
    for text in ("Part I: the evidence of a linear model", "Memorization", "memorizes"):
        assert text in page
