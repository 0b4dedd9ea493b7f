"""Modes of Snakemake that run no job change no file and need no write permission."""

import pytest
from helpers.tiny_workflow import tree_digests

READ_ONLY_MODES = {
    "a dry run": ("--dry-run",),
    "the rules": ("--list-rules",),
    "a summary": ("--summary",),
    "lint": ("--lint",),
    "the graph of jobs": ("--dag",),
    "Snakemake's report": ("--report", "../report.zip"),
}


@pytest.fixture
def damaged(finished):
    """The finished study with damaged results, leftovers of earlier versions and stale locks."""
    results = finished.results
    for name in ("runs.parquet", "scaling_laws.json", "claims.parquet", "records/report.json"):
        path = results / name
        path.write_bytes(path.read_bytes()[:-20])
    (results / "runs.parquet.sha256").write_text("of an earlier version")
    (results / ".owner").write_text('{"place": ["elsewhere"], "process": ["", 1, ""]}')
    finished.write_settings()
    return finished


@pytest.mark.parametrize("what", READ_ONLY_MODES)
def test_modes_that_run_no_job_change_no_damaged_file(damaged, what):
    before = tree_digests(damaged.folder)
    result = damaged(*READ_ONLY_MODES[what])
    assert tree_digests(damaged.folder) == before
    if what != "the rules":  # which Snakemake prints and nothing else
        assert "results/tiny/runs.parquet: damaged or replaced; will be rebuilt" in result.text


def test_a_dry_run_of_damaged_results_plans_the_jobs_of_the_run(damaged):
    dry = damaged.dry_run()
    assert {"collect", "laws", "claims", "report"} <= dry.jobs.keys()
    assert not {"data", "train", "evidence"} & dry.jobs.keys()
    result = damaged()
    assert result.status == 0 and result.jobs == dry.jobs, result.text
    assert damaged.dry_run().nothing_to_be_done


def test_finished_results_need_not_be_writable(finished):
    folders = [finished.results, *(path for path in finished.results.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o500)
    # Root may write everywhere, so that another user's permissions are pretended.
    finished.edit(
        "src/noisescale/planning/plan.py",
        "import os\n",
        "import os as _os\nfrom types import SimpleNamespace\n\n"
        "os = SimpleNamespace(W_OK=_os.W_OK, X_OK=_os.X_OK, access=lambda path, mode: False)\n",
    )
    before = tree_digests(finished.folder)
    try:
        assert finished().nothing_to_be_done
        assert finished("--summary").status == 0
        assert tree_digests(finished.folder) == before
        finished.settings["title"] = "Another title"
        refused = finished()
        assert refused.status != 0 and "cannot be written" in refused.text
        assert "Traceback" not in refused.text
    finally:
        for folder in folders:
            folder.chmod(0o700)


def test_modules_of_the_working_directory_are_not_executed(finished):
    for name in ("random", "numpy", "torch", "logging", "json"):
        (finished.folder / f"{name}.py").write_text("raise SystemExit('executed')\n")
    (shard,) = (finished.results / "runs").rglob("batch_size~8-63/*.parquet")
    shard.unlink()
    (finished.results / "evidence.parquet").unlink()
    result = finished("results/tiny/runs.parquet", "results/tiny/evidence.parquet", **SAFE)
    assert result.status == 0, result.text
    assert result.trained == 4


SAFE = {"PYTHONSAFEPATH": "1"}
"""As in the console script snakemake, where the working directory is not searched for modules."""
