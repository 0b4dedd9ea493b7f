"""Draw figures: compute the table of each, draw it, and write both."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from noisescale.figures.plotting import style
from noisescale.figures.registry import FIGURES
from noisescale.results.load import Results, read_results


def figures_stage(
    names: Sequence[str],
    study_path: Path,
    runs_path: Path | None,
    evidence_path: Path | None,
    laws_path: Path | None,
    folder: Path,
) -> None:
    """Draw the named figures in one process.

    Parameters
    ----------
    names
        Keys of `noisescale.figures.registry.FIGURES`.
    study_path
        The resolved study as JSON.
    runs_path, evidence_path, laws_path
        Collected results and scaling laws; None where none of the figures needs them.
    folder
        The folder that ``<name>.png``, ``.svg`` and ``.csv`` are written to.

    Raises
    ------
    RecordError
        An input is missing, damaged, or lacks runs of the study; or `folder` is not writable.
    """
    inputs = read_results(study_path, runs_path, evidence_path, laws_path)
    for name in names:
        draw_figure(name, inputs, folder)


def draw_figure(name: str, inputs: Results, folder: Path) -> None:
    """Draw one figure and write its files into `folder`."""
    spec = FIGURES[name]
    module = importlib.import_module(f"noisescale.figures.{spec.module}")
    with style.look():
        table = module.tabulate(spec, inputs)
        style.save(module.compose(spec, table, inputs.study), table, folder, name)
