"""Measure how planning scales with a study: ``python -m benchmarks.planning --help``.

Runs the real workflow (`snakemake -n`) on the default study with more and more seeds: without
results, with half of them, and with all; then the planning of a single job as on a cluster, and the
two stages that read all runs, on synthetic learning curves.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from benchmarks.rendering import provenance_line, rows
from benchmarks.resource_usage import Usage, usage
from benchmarks.synthetic_study import REPOSITORY, SyntheticStudy
from noisescale.storage.files import write_text

SIZES = [(10**3, 10), (10**4, 10), (10**5, 10), (10**5, 1), (3 * 10**5, 10), (10**6, 10)]
"""Runs, and seeds per shard."""
COLLECTED = [10**4, 10**5]
"""Numbers of runs for the stages that read all runs."""

TOUCH = (
    "import sys, snakemake.cli, snakemake.executors.touch as touch;"
    "touch.Executor.SLEEPING_TIME = 0; sys.exit(snakemake.cli.main())"
)
"""``snakemake --touch`` without its pause of 0.1 s after each file."""

CLUSTER_JOB = [
    *("--allowed-rules", "train", "--force", "--target-files-omit-workdir-adjustment"),
    *("--max-inventory-time", "0", "--retries", "0", "--no-hooks", "--nolock"),
    *("--ignore-incomplete", "--mode", "remote"),
]
"""Options with which Snakemake's cluster executors start a job on its node."""


COLLECTING = "The two stages that read all runs, on synthetic learning curves:"
BEGIN, END = "<!-- measured: python -m benchmarks.planning -->", "<!-- end of the measured part -->"


def workflow(study: SyntheticStudy) -> list[str]:
    """Return the options of Snakemake for a study."""
    return [
        *("--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(study.folder)),
        *("--configfile", str(study.config)),
    ]


def planning(n_runs: int, seeds_per_shard: int, folder: Path, rounds: int) -> dict[str, str]:
    """Return a row of the table about planning."""
    study = SyntheticStudy(n_runs, seeds_per_shard, folder)
    plan = ["-m", "snakemake", *workflow(study), "--cores", "2", "--dry-run"]
    shards = list(study.plan.shards)

    absent = usage(*plan, rounds=rounds)
    job = [f"train:shard={shards[-1]}", *CLUSTER_JOB, "--cores", "1", "--dry-run"]
    remote = usage("-m", "snakemake", *workflow(study), "--target-jobs", *job, rounds=rounds)
    study.write_results(curves=False)
    # As if Snakemake had made them, so that it also compares its records of each file.
    touch = ["--touch", "--forceall", "--until", "train", "--cores", "1"]
    usage("-c", TOUCH, *workflow(study), *touch)
    there = usage(*plan, rounds=rounds)
    for shard in shards[::2]:
        study.plan.shard_path(shard).unlink()
    half = usage(*plan, rounds=rounds)

    assert "0 to train" in there.output and jobs(there) < 15, there.output
    assert jobs(half) - jobs(there) == -(-len(shards) // 2), half.output
    return {
        "runs": f"{study.n_runs:,}",
        "seeds per shard": f"{seeds_per_shard}",
        "jobs": f"{jobs(absent):,}",
        "no results": absent.seconds,
        "half": half.seconds,
        "all": there.seconds,
        "peak MB": f"{max(one.megabytes for one in (absent, half, there)):.0f}",
        "a cluster's job": remote.seconds,
        "its MB": f"{remote.megabytes:.0f}",
    }


def jobs(planned: Usage) -> int:
    """Return the number of jobs that Snakemake reported."""
    return int(re.search(r"^total +(\d+)$", planned.output, re.MULTILINE)[1])


def collecting(n_runs: int, folder: Path) -> dict[str, str]:
    """Return a row of the table about the stages that read all runs."""
    study = SyntheticStudy(n_runs, 10, folder)
    study.write_results(curves=True)
    results = study.plan.folder
    options = ["--study", str(results / "study.json")]
    shards, runs = str(results / "runs"), str(results / "runs.parquet")
    stage = ["-m", "noisescale"]
    collect = usage(*stage, "collect", *options, "--shards", shards, "--output", runs)
    output = str(results / "scaling_laws.json")
    laws = usage(*stage, "laws", *options, "--runs", runs, "--output", output)
    return {
        "runs": f"{study.n_runs:,}",
        "rows": f"{pq.read_metadata(runs).num_rows:,}",
        "shards": f"{len(study.plan.shards):,}",
        "MB on disk": f"{Path(runs).stat().st_size / 1e6:.0f}",
        "collect": collect.seconds,
        "its peak MB": f"{collect.megabytes:.0f}",
        "laws": laws.seconds,
        "its peak MB ": f"{laws.megabytes:.0f}",
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure; print Markdown, and optionally insert it into a page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description=__doc__)
    parser.add_argument("--max-runs", type=int, default=10**6, help="runs of the largest study")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--markdown", type=Path, help="page with the marks between which the tables are inserted"
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folders = (Path(name) / str(i) for i in itertools.count())
        plans, collected = [], []
        for n_runs, seeds_per_shard in SIZES:
            if n_runs <= options.max_runs:
                plans.append(planning(n_runs, seeds_per_shard, next(folders), options.rounds))
                print(plans[-1], file=sys.stderr)
        for n_runs in COLLECTED:
            if n_runs <= options.max_runs:
                collected.append(collecting(n_runs, next(folders)))
                print(collected[-1], file=sys.stderr)
    text = page(plans, collected, options.rounds, os.getloadavg()[2])
    print(text)
    if options.markdown:
        write_text(options.markdown, insert(options.markdown.read_text(), text))


def page(
    plans: list[dict[str, str]], collected: list[dict[str, str]], rounds: int, load: float
) -> str:
    """Return both tables with their command, date, machine, versions and load."""
    return "\n".join(
        [
            f"{provenance_line('python -m benchmarks.planning', f'{os.cpu_count()} cores')}",
            "",
            "Wall-clock seconds, with CPU seconds in parentheses, including imports; the minimum "
            f"of {rounds}, with a load average of {load:.0f}: if above the number of cores, the "
            "times include waiting for other processes. *No results*, *half* of the shards and "
            "*all* of them: `snakemake -n --cores 2`; the peak memory is the maximum of the three. "
            "*Jobs*: jobs of the DAG without results. *A cluster's job*: what each remote job "
            "plans before it trains.",
            "",
            *rows(pd.DataFrame(plans)),
            *(["", COLLECTING, "", *rows(pd.DataFrame(collected))] if collected else []),
        ]
    )


def insert(text: str, measured: str) -> str:
    """Return a page with ``measured`` between its marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the page lacks the marks {BEGIN} and {END}")
    return f"{before}{begin}\n\n{measured}\n\n{end}{after}"


if __name__ == "__main__":
    main()
