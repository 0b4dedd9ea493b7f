"""Figures drawn from a synthetic study, without files, for tests to inspect."""

from __future__ import annotations

import functools
import importlib
from dataclasses import replace

import pandas as pd
from helpers.synthetic import synthetic_evidence, synthetic_runs, synthetic_study

from noisescale.figures.plotting import style
from noisescale.figures.registry import FIGURES
from noisescale.laws.scaling import fit_scaling_laws
from noisescale.results.load import Results
from noisescale.study.model import Experiment

NAMES = list(FIGURES)


def made_up(study, runs=None, evidence=None) -> Results:
    runs = synthetic_runs(study) if runs is None else runs
    laws = fit_scaling_laws(study, runs)
    if study.evidence is not None and evidence is None:
        evidence = synthetic_evidence(study)
    return Results(study, runs, evidence, laws)


def compose(name: str, data: Results, table: pd.DataFrame | None = None):
    """Return a figure's table and its drawing without writing them."""
    spec = FIGURES[name]
    module = importlib.import_module(f"noisescale.figures.{spec.module}")
    with style.look():
        table = module.tabulate(spec, data) if table is None else table
        drawing = module.compose(spec, table, data.study)
    return table, drawing


@functools.cache
def data() -> Results:
    """Return the results of the default synthetic study with three seeds."""
    return made_up(synthetic_study(seeds=3, bootstrap=60))


@functools.cache
def drawn(name: str):
    """Return a figure's table and drawing for the default synthetic study."""
    return compose(name, data())


def artists(drawing, kind: str) -> list:
    """Return (series, artist) for all marks of a kind."""
    found = drawing.findobj(lambda artist: str(artist.get_gid() or "").startswith(f"{kind} "))
    return [(artist.get_gid().removeprefix(f"{kind} "), artist) for artist in found]


def one_experiment(name: str, seeds: int = 2, batch_size=None, **axes):
    """Return a study with a single experiment."""
    study = synthetic_study(seeds=seeds, bootstrap=40)
    base = study.experiments[name]
    changed = Experiment(name, base.axes | axes, batch_size or base.batch_size)
    return replace(study, experiments={name: changed}, evidence=None)
