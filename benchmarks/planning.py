"""How a plan grows with its study: ``python -m benchmarks.planning --help``.

Calls the real workflow (`snakemake -n`) on the default study with more and more seeds, on no
results, on half of them and on all; a job as a cluster starts it; and the two stages that take all
runs at once, on made-up learning curves.
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

from benchmarks.rendering import made, rows
from benchmarks.resource_usage import Usage, usage
from benchmarks.synthetic_study import REPOSITORY, Grown
from noisescale.storage.files import write_text

SIZES = [(10**3, 10), (10**4, 10), (10**5, 10), (10**5, 1), (3 * 10**5, 10), (10**6, 10)]
"""Runs, and seeds per shard."""
GATHERED = [10**4, 10**5]
"""Runs to be collected."""

TOUCH = (
    "import sys, snakemake.cli, snakemake.executors.touch as touch;"
    "touch.Executor.SLEEPING_TIME = 0; sys.exit(snakemake.cli.main())"
)
"""``snakemake --touch`` without its rest of a tenth of a second after each file."""

OF_A_CLUSTER = [
    *("--allowed-rules", "train", "--force", "--target-files-omit-workdir-adjustment"),
    *("--max-inventory-time", "0", "--retries", "0", "--no-hooks", "--nolock"),
    *("--ignore-incomplete", "--mode", "remote"),
]
"""How Snakemake's executors for clusters have a job planned, where it is to run."""


BEGIN, END = "<!-- measured: python -m benchmarks.planning -->", "<!-- end of the measured part -->"


def workflow(grown: Grown) -> list[str]:
    """Return the options of Snakemake that every call on a study has."""
    return [
        *("--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(grown.folder)),
        *("--configfile", str(grown.config)),
    ]


def planning(n_runs: int, seeds_per_shard: int, folder: Path, rounds: int) -> dict[str, str]:
    """Return a row of the table on planning."""
    grown = Grown(n_runs, seeds_per_shard, folder)
    plan = ["-m", "snakemake", *workflow(grown), "--cores", "2", "--dry-run"]
    shards = list(grown.plan.shards)

    absent = usage(*plan, rounds=rounds)
    job = [f"train:shard={shards[-1]}", *OF_A_CLUSTER, "--cores", "1", "--dry-run"]
    remote = usage("-m", "snakemake", *workflow(grown), "--target-jobs", *job, rounds=rounds)
    grown.write_results(curves=False)
    # As if Snakemake had made them: it then also compares all that it has written down of each.
    touch = ["--touch", "--forceall", "--until", "train", "--cores", "1"]
    usage("-c", TOUCH, *workflow(grown), *touch)
    there = usage(*plan, rounds=rounds)
    for shard in shards[::2]:
        grown.plan.shard_path(shard).unlink()
    half = usage(*plan, rounds=rounds)

    assert "0 to train" in there.said and jobs(there) < 15, there.said
    assert jobs(half) - jobs(there) == -(-len(shards) // 2), half.said
    return {
        "runs": f"{grown.n_runs:,}",
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
    """Return how many jobs Snakemake said it would run."""
    return int(re.search(r"^total +(\d+)$", planned.said, re.MULTILINE)[1])


def gathering(n_runs: int, folder: Path) -> dict[str, str]:
    """Return a row of the table on what takes all runs at once."""
    grown = Grown(n_runs, 10, folder)
    grown.write_results(curves=True)
    results = grown.plan.folder
    study = ["--study", str(results / "study.json")]
    runs = str(results / "runs.parquet")
    stage = ["-m", "noisescale"]
    collect = usage(*stage, "collect", *study, "--shards", str(results / "runs"), "--output", runs)
    laws = str(results / "scaling_laws.json")
    scaling = usage(*stage, "scaling", *study, "--runs", runs, "--output", laws)
    return {
        "runs": f"{grown.n_runs:,}",
        "rows": f"{pq.read_metadata(runs).num_rows:,}",
        "shards": f"{len(grown.plan.shards):,}",
        "MB on disk": f"{Path(runs).stat().st_size / 1e6:.0f}",
        "collect": collect.seconds,
        "its peak MB": f"{collect.megabytes:.0f}",
        "scaling": scaling.seconds,
        "its peak MB ": f"{scaling.megabytes:.0f}",
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure; print Markdown, and put it where a page has its place for it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description=__doc__)
    parser.add_argument("--most", type=int, default=10**6, help="runs of the largest plan")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--markdown", type=Path, help="a page, between whose marks it is put")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folders = (Path(name) / str(i) for i in itertools.count())
        plans, gathered = [], []
        for n_runs, seeds_per_shard in SIZES:
            if n_runs <= options.most:
                plans.append(planning(n_runs, seeds_per_shard, next(folders), options.rounds))
                print(plans[-1], file=sys.stderr)
        for n_runs in GATHERED:
            if n_runs <= options.most:
                gathered.append(gathering(n_runs, next(folders)))
                print(gathered[-1], file=sys.stderr)
    text = page(plans, gathered, options.rounds, os.getloadavg()[2])
    print(text)
    if options.markdown:
        write_text(options.markdown, put(options.markdown.read_text(), text))


def page(
    plans: list[dict[str, str]], gathered: list[dict[str, str]], rounds: int, load: float
) -> str:
    """Return both tables, with what, where and when, and how busy the machine was."""
    return "\n".join(
        [
            f"{made('python -m benchmarks.planning', f'{os.cpu_count()} cores')}",
            "",
            "Seconds on the clock, in parentheses of the processors, imports included; the best of "
            f"{rounds}, on a machine with a load of {load:.0f}: where that is above the number of "
            "cores, the clock counts what else was running. *No results*, *half* of the shards, "
            "*all*: `snakemake -n --cores 2`; the peak is that of the three. *Jobs* are those of "
            "the DAG where there are no results. "
            "*A cluster's job*: the plan that each remote job makes of itself before it trains.",
            "",
            *rows(pd.DataFrame(plans)),
            "",
            "The two stages that take all runs at once, on learning curves that are made up:",
            "",
            *rows(pd.DataFrame(gathered)),
        ]
    )


def put(text: str, measured: str) -> str:
    """Return a page with what was measured between its marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the page lacks the marks {BEGIN} and {END}")
    return f"{before}{begin}\n\n{measured}\n\n{end}{after}"


if __name__ == "__main__":
    main()
