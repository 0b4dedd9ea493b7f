"""Re-running only what changed, by real calls of Snakemake on a tiny study."""

import os
import re
import zipfile

import pytest
from helpers.tiny_workflow import RUNS

RUNS_TABLE = "results/tiny/runs.parquet"


def test_a_first_call_makes_everything(first_call, finished):
    assert first_call.trained == RUNS
    for name in ("runs.parquet", "evidence.parquet", "scaling_laws.json", "report.html"):
        assert (finished.results / name).stat().st_size > 0
    figures = {path.name for path in (finished.results / "figures").iterdir()}
    for stem in ("fig1_memorization", "fig2_evidence", "fig3_generalization_gap"):
        assert {f"{stem}.png", f"{stem}.svg", f"{stem}.csv"} <= figures


def test_it_says_before_it_starts_what_it_will_do(fresh, first_call):
    expected = f"study tiny: {RUNS} runs wanted, 0 up to date, {RUNS} to train in 2 jobs"
    assert expected in first_call.text
    assert re.search(r"^Provided resources: .*\bgpu\b.*\b1\b", first_call.text, re.MULTILINE)
    dry = fresh("--dry-run")
    assert expected in dry.text
    assert not fresh.results.exists()


def test_a_run_that_two_experiments_want_is_trained_once(first_call):
    assert first_call.trained == RUNS


def test_a_second_call_does_nothing(finished):
    call = finished()
    assert call.nothing_to_be_done and not call.jobs
    assert f"{RUNS} runs wanted, {RUNS} up to date, 0 to train" in call.text


def test_touching_files_does_nothing(finished):
    for folder in ("results", "src", "workflow", "envs"):
        for path in sorted((finished.folder / folder).rglob("*")):
            if path.is_file():
                os.utime(path)
    os.utime(finished.folder / "config.yaml")
    assert finished().nothing_to_be_done


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
    call = finished(RUNS_TABLE)
    new = {"learning rate": 6, "seed": 6, "batch size": 4}[what]
    assert call.status == 0, call.text
    assert call.trained == new
    assert f"{RUNS + new} runs wanted, {RUNS} up to date, {new} to train" in call.text


def test_an_edit_of_an_experiment_leaves_the_evidence_and_its_figures_alone(finished):
    finished.settings["experiments"]["learning_rate"]["learning_rate"].append(0.2)
    call = finished("--dry-run")
    assert call.status == 0, call.text
    assert {"train", "collect", "scaling", "figures_laws", "report"} <= call.jobs.keys()
    assert not {"evidence", "figures_evidence"} & call.jobs.keys()


@pytest.mark.parametrize(
    ("module", "job"), [("memorization", "figures_evidence"), ("sweeps", "figures_laws")]
)
def test_an_edit_of_a_plot_module_redraws_and_trains_nothing(finished, module, job):
    finished.edit(f"src/noisescale/figures/{module}.py", '"""', '"""Edited. ')
    call = finished()
    assert call.status == 0, call.text
    assert call.jobs.keys() == {job, "report", "all"}
    assert call.trained == 0


def test_an_edit_of_the_captions_rebuilds_captions_and_report_alone(finished):
    caption = finished.folder / "workflow/report/fig1_memorization.rst"
    caption.write_text(caption.read_text() + "\nOne more sentence.\n")
    call = finished()
    assert call.status == 0, call.text
    assert call.jobs.keys() == {"judge", "report", "all"}
    assert "One more sentence." in (finished.results / "report.html").read_text()


def test_an_edit_of_the_engines_arithmetic_trains_all_anew(finished):
    finished.edit(
        "src/noisescale/models/mlp/initialization.py", "np.sqrt(2 / inputs)", "np.sqrt(1 / inputs)"
    )
    call = finished(RUNS_TABLE)
    assert f"{RUNS} runs wanted, 0 up to date, {RUNS} to train" in call.text
    assert call.trained == RUNS


def test_an_edit_of_the_engines_comments_trains_nothing(finished):
    finished.edit(
        "src/noisescale/models/mlp/network.py", "import torch\n", "import torch  # a comment\n"
    )
    call = finished()
    assert call.status == 0, call.text
    assert call.jobs["train"] == 2 and call.trained == 0
    assert finished().nothing_to_be_done


def test_a_deleted_shard_is_trained_again_and_no_other(finished):
    (shard,) = (finished.results / "runs").rglob("batch_size~1-7/*.parquet")
    shard.unlink()
    call = finished()
    assert call.status == 0, call.text
    assert call.jobs["train"] == 1
    assert call.trained == 2 * 2 * 2


def test_a_run_that_a_smaller_study_does_not_want_is_ignored_not_deleted(finished):
    import pyarrow.parquet as pq

    def learning_rates():
        table = pq.read_table(finished.results / "runs.parquet", columns=["learning_rate"])
        return set(table["learning_rate"].to_pylist())

    wanted = finished.settings["experiments"]["learning_rate"]
    wanted["learning_rate"] = [0.1, 0.4]
    finished(RUNS_TABLE)
    assert learning_rates() == {0.1, 0.4}
    wanted["learning_rate"] = [0.05, 0.1, 0.4]
    call = finished(RUNS_TABLE)
    assert call.trained == 0
    assert learning_rates() == {0.05, 0.1, 0.4}


def test_snakemakes_own_report_is_made_with_captions_and_labels(finished):
    call = finished("--report", "report.zip")
    assert call.status == 0, call.text
    with zipfile.ZipFile(finished.folder / "report.zip") as archive:
        names = archive.namelist()
        page = "".join(archive.read(n).decode() for n in names if n.endswith((".html", ".js")))
    assert sum(name.endswith("fig1_memorization.png") for name in names) == 1
    for text in ("Part I: the evidence of a linear model", "Memorization", "memorizes"):
        assert text in page
