"""A small configuration with every experiment, and how it is varied in tests."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

from noisescale.study.loading import load_study
from noisescale.study.model import Study

ROOT = Path(__file__).parents[2]
DEFAULT = load_configfile(ROOT / "config.yaml")
PRESETS = sorted((ROOT / "workflow/presets").glob("*.yaml"))
CHECKS = sorted((ROOT / "workflow/presets/checks").glob("*.yaml"))

# Not config.yaml, so that tests do not depend on its numbers.
STUDY = yaml.safe_load("""
study: test
dataset: {name: digits}
base: {hidden: 16, train_size: 100, learning_rate: 0.1, momentum: 0.9, updates: 50, seeds: 3}
experiments:
  generalization_gap: {batch_size: [10, full]}
  batch_size: {batch_size: {from: 1, to: full, per_octave: 1}}
  learning_rate: {learning_rate: [0.05, 0.1, 0.2], batch_size: [5, 10, 20, full]}
  train_size: {train_size: [50, 100], batch_size: [5, 10, 20, full]}
  momentum: {momentum: [0, 0.9], batch_size: [5, 10, 20]}
  weight_decay: {weight_decay: [0, 0.001], batch_size: 10}
  fixed_epochs: {epochs: 2, batch_size: [5, 10, full]}
  label_noise: {label_noise: [0, 0.5], batch_size: [5, 10, 20]}
  evidence: {train_size: 40, test_size: 40}
""")


def patched(*patches: str | dict[str, Any], config: dict[str, Any] = STUDY) -> dict[str, Any]:
    """Return a configuration with others merged over it by Snakemake's own function."""
    config = deepcopy(config)
    for patch in patches:
        update_config(config, yaml.safe_load(patch) if isinstance(patch, str) else patch)
    return config


def load(*patches: str | dict[str, Any]) -> Study:
    """Return the study of `STUDY` with patches merged over it."""
    return load_study(patched(*patches))


def in_experiment(name: str, text: str) -> str:
    """Return a patch of one experiment."""
    return f"experiments: {{{name}: {{{text}}}}}"
