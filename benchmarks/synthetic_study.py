"""The default study with any number of seeds, and synthetic results for it."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml

from noisescale.data.dataset import load_dataset
from noisescale.data.prepare import prepare_dataset
from noisescale.planning.plan import Plan
from noisescale.results.identity import RunIdentity
from noisescale.results.schemas import RUNS
from noisescale.storage.files import write_text
from noisescale.storage.provenance import collect_provenance
from noisescale.storage.tables import write_table
from noisescale.study.grid import Run
from noisescale.study.loading import load_study
from noisescale.study.schedule import evaluation_updates

REPOSITORY = Path(__file__).parents[1]
RUNS_PER_SEED = 225
OPTIMUM = 16
"""Batch size of the peak of every curve: without peaks, the statistics would be faster."""


class SyntheticStudy:
    """The default study with more seeds.

    Parameters
    ----------
    n_runs
        Approximate number of runs.
    seeds_per_shard
        As in the configuration.
    folder
        Working directory of Snakemake; results are in its subfolder ``results/synthetic``.
    """

    def __init__(self, n_runs: int, seeds_per_shard: int, folder: Path) -> None:
        self.folder = folder
        self.settings = {
            "study": "synthetic",
            "device": "cpu",
            "seeds_per_shard": seeds_per_shard,
            "base": {"seeds": -(-n_runs // RUNS_PER_SEED)},
        }
        folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(yaml.safe_dump(self.settings))

    @property
    def config(self) -> Path:
        """The configuration file, to be merged into ``config.yaml``."""
        return self.folder / "synthetic.yaml"

    @cached_property
    def plan(self) -> Plan:
        """The plan of the workflow."""
        study = load_study(REPOSITORY / "config.yaml", self.settings)
        return Plan(study, self.folder / "results" / study.name)

    @property
    def n_runs(self) -> int:
        """Number of runs."""
        return sum(map(len, self.plan.shards.values()))

    def write_results(self, curves: bool) -> None:
        """Write the data and all shards, with synthetic learning curves or with empty tables."""
        data = self.plan.folder / "data.npz"
        prepare_dataset(self.plan.study.dataset, data)
        metadata = {
            "kind": "runs",
            **asdict(RunIdentity.of(self.plan.study, load_dataset(data).digest)),
            "jobs": [{"trained": 0, "seconds": 0.0, "device": "none"} | collect_provenance()],
        }
        for shard, runs in self.plan.shards.items():
            table = self.table(runs) if curves else RUNS.empty_table()
            ids = sorted(run.run_id for run in runs)
            write_table(self.plan.shard_path(shard), table, RUNS, metadata | {"run_ids": ids})
        write_text(self.plan.folder / "study.json", self.plan.study.to_json())

    def table(self, runs: list[Run]) -> pa.Table:
        """Return learning curves of runs, whose accuracy has its peak at `OPTIMUM`."""
        per_decade = self.plan.study.evaluations_per_decade
        updates = [evaluation_updates(run.updates, per_decade) for run in runs]
        which = np.repeat(np.arange(len(runs)), list(map(len, updates)))
        columns = {name: [row[name] for row in map(asdict, runs)] for name in asdict(runs[0])}
        columns |= {
            "run_id": [run.run_id for run in runs],
            "noise_scale": [run.noise_scale for run in runs],
        }
        table = pa.table(columns).take(pa.array(which))
        n = len(which)
        draw = np.random.default_rng(runs[0].seed)
        octaves = np.log2(table["batch_size"].to_numpy() / OPTIMUM)
        accuracy = 0.9 - 0.002 * octaves**2 + draw.normal(0, 0.003, n)
        rest = {
            "dataset": ["digits"] * n,
            "update": np.concatenate(updates),
            "epoch": np.zeros(n),
            "train_accuracy": accuracy,
            "train_cross_entropy": 1 - accuracy,
            "test_accuracy": accuracy,
            "test_cross_entropy": 1 - accuracy,
            "status": ["trained"] * n,
            "diverged_at": pa.nulls(n, pa.int32()),
            "train_seconds": np.ones(n),
        }
        for name, values in rest.items():
            table = table.append_column(name, pa.array(values))
        return table
