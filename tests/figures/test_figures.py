"""Figures: the .csv is exactly what is plotted, whatever the results."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from helpers.drawing import NAMES, artists, compose, data, drawn, made_up, one_experiment
from helpers.synthetic import synthetic_evidence, synthetic_runs, synthetic_study, write_synthetic

from noisescale import figures
from noisescale.figures.draw import draw_figure, figures_stage
from noisescale.figures.plotting import plot_data, style
from noisescale.figures.registry import FIGURES, FORMATS, JOBS, figures_of
from noisescale.laws.scaling import laws_stage
from noisescale.results.load import Results
from noisescale.storage import tables as records
from noisescale.study.experiments import EXPERIMENTS
from noisescale.study.model import BatchRange

CAPTIONS = Path(__file__).parents[2] / "workflow" / "report"


def numbers(points) -> list[tuple[float, ...]]:
    return sorted(tuple(np.round(point, 9)) for point in points)


def test_the_registry_agrees_with_the_registry_of_experiments():
    for kind in EXPERIMENTS.values():
        assert kind.name in FIGURES[kind.figure].experiments
    for spec in FIGURES.values():
        assert set(spec.experiments) <= set(EXPERIMENTS)
        assert spec.job in JOBS and set(spec.needs) <= {"runs", "evidence", "laws"}
        assert (spec.noise_levels is not None) == ("evidence" in spec.needs)
        assert (spec.number is not None) == spec.name.startswith(f"fig{spec.number}_")


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_needs_only_the_results_that_it_declares(name):
    given = dict.fromkeys(("runs", "evidence", "laws"))
    given |= {kind: getattr(data(), kind) for kind in FIGURES[name].needs}
    table, _ = drawn(name)
    only, _ = compose(name, Results(data().study, **given))
    pd.testing.assert_frame_equal(only, table)


def test_the_registry_imports_nothing_heavy():
    code = (
        "import sys; from noisescale.figures import registry; "
        "print({'matplotlib', 'pandas', 'numpy', 'scipy'} & set(sys.modules))"
    )
    path = [str(Path(figures.__file__).parents[2])]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_a_caption(name):
    text = (CAPTIONS / FIGURES[name].caption).read_text()
    assert "**The paper**" in text and "**Ours**" in text


def test_a_study_gets_the_figures_that_it_has_the_data_for():
    study = synthetic_study(seeds=1)
    assert [spec.name for spec in figures_of(study)] == NAMES
    assert [s.name for s in figures_of(replace(study, experiments={}))] == [
        "fig1_memorization",
        "fig2_evidence",
        "label_noise",
    ]
    two_ends = replace(study.evidence, label_noise=[0.0, 1.0])
    only = figures_of(replace(study, experiments={}, evidence=two_ends))
    assert [spec.name for spec in only] == ["fig1_memorization", "fig2_evidence"]
    momentum = {"momentum": study.experiments["momentum"]}
    only = figures_of(replace(study, experiments=momentum, evidence=None))
    assert [spec.name for spec in only] == ["fig7_momentum", "collapse"]


@pytest.mark.parametrize("name", NAMES)
def test_the_table_is_exactly_what_is_plotted(name):
    table, drawing = drawn(name)
    assert list(table.columns) == list(plot_data.COLUMNS)
    curves = table[table["kind"] == "curve"].groupby(["row", "panel", "series"], sort=False)
    expected = [(key[-1], numbers(part[["x", "y"]].to_numpy())) for key, part in curves]
    plotted = [(s, numbers(line.get_xydata())) for s, line in artists(drawing, "curve")]
    assert sorted(map(str, plotted)) == sorted(map(str, expected))
    for kind in ("peak", "point", "position", "minimum"):
        rows = table[table["kind"] == kind]
        expected = [(r.series, numbers([(r.x, r.y)])) for r in rows.itertuples()]
        plotted = [(s, numbers(mark.get_xydata())) for s, mark in artists(drawing, kind)]
        assert sorted(map(str, plotted)) == sorted(map(str, expected))


@pytest.mark.parametrize("name", NAMES)
def test_the_bands_are_the_intervals_of_the_table(name):
    table, drawing = drawn(name)
    rows = table[(table["kind"] == "curve") & table["low"].notna()]
    parts = rows.groupby(["row", "panel", "series"], sort=False)
    expected = [
        (key[-1], round(part["low"].min(), 9), round(part["high"].max(), 9)) for key, part in parts
    ]
    plotted = []
    for series, band in artists(drawing, "band"):
        y = np.concatenate([path.vertices[:, 1] for path in band.get_paths()])
        plotted.append((series, round(y.min(), 9), round(y.max(), 9)))
    assert sorted(plotted) == sorted(expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_can_be_redrawn_from_its_csv(name, tmp_path):
    table, _ = drawn(name)
    table.to_csv(tmp_path / "table.csv", index=False)
    read = plot_data.complete(pd.read_csv(tmp_path / "table.csv", dtype={"row": str}))
    pd.testing.assert_frame_equal(read, table)

    def image(of):
        _, figure = compose(name, data(), of)
        with style.look():
            figure.canvas.draw()
        return np.asarray(figure.canvas.buffer_rgba())

    assert (image(read) == image(table)).all()


def test_the_same_results_give_the_same_bytes(tmp_path):
    """They depend neither on the user's settings of Matplotlib nor on what was drawn before."""
    draw_figure("fig5_learning_rate", data(), tmp_path / "a")
    with mpl.rc_context({"lines.linewidth": 7, "svg.hashsalt": None, "font.size": 30}):
        draw_figure("fig9_fixed_epochs", data(), tmp_path / "b")
        draw_figure("fig5_learning_rate", data(), tmp_path / "b")
    for suffix in FORMATS:
        first, second = (tmp_path / x / f"fig5_learning_rate.{suffix}" for x in "ab")
        assert first.read_bytes() == second.read_bytes()
    text = (tmp_path / "a" / "fig5_learning_rate.svg").read_text()
    assert "<dc:date>" not in text


def test_the_fit_is_drawn_with_the_theory():
    table, _ = drawn("fig5_learning_rate")
    law = data().laws.exponents["learning_rate"]
    fit = table[table["kind"] == "fit"]
    assert fit["series"].iloc[0].startswith(f"fit: slope {law.slope:.2f}")
    np.testing.assert_allclose(fit["y"], law.line.batch_opt)
    theory = table[table["kind"] == "theory"]
    slope = np.diff(np.log(theory["y"])) / np.diff(np.log(theory["x"]))
    assert slope == pytest.approx(1)
    momentum, _ = drawn("fig7_momentum")
    points = momentum[momentum["kind"] == "point"]
    np.testing.assert_allclose(points["x"], [1, 2, 5, 10, 20])


def test_further_axes_become_rows_of_panels():
    study = one_experiment("learning_rate", hidden=["100", "400"], learning_rate=[0.05, 0.1, 0.2])
    table, drawing = compose("fig5_learning_rate", made_up(study))
    assert list(dict.fromkeys(table["row"])) == ["hidden 100", "hidden 400"]
    assert len(drawing.axes) == 4
    titles = [ax.get_title(loc="left") for ax in drawing.axes]
    assert [title.split("\n")[0] for title in titles[::2]] == ["hidden 100", "hidden 400"]


@pytest.mark.parametrize("name", ["batch_size", "weight_decay", "fixed_epochs", "label_noise"])
def test_every_figure_has_a_row_of_panels_for_each_variant(name):
    figure = next(spec.name for spec in FIGURES.values() if name in spec.experiments)
    table, drawing = compose(figure, made_up(one_experiment(name, hidden=["100", "400"])))
    assert len(drawing.axes) == 2 * table["panel"].nunique()


def without_signal(study):
    """Return results in which every run diverged immediately, and the evidence is constant."""
    runs = synthetic_runs(study)
    runs["status"], runs["diverged_at"] = "diverged", 1
    runs[["train_accuracy", "test_accuracy"]] = 0.1
    runs[["train_cross_entropy", "test_cross_entropy"]] = np.nan
    evidence = synthetic_evidence(study)
    for column in ("train_accuracy", "test_accuracy", "margin", "train_cross_entropy"):
        evidence[column] = 0.5
    evidence["log_evidence_ratio_per_example"] = 0.0
    return runs, evidence


@pytest.fixture(scope="module", params=[1, 3], ids=["one seed", "three seeds"])
def all_diverged(request):
    study = synthetic_study(seeds=request.param, bootstrap=20)
    coarse = {
        key: experiment
        if isinstance(experiment.batch_size, list)
        else replace(experiment, batch_size=BatchRange(8, None, 0.4))
        for key, experiment in study.experiments.items()
    }
    study = replace(study, experiments=coarse)
    return made_up(study, *without_signal(study))


@pytest.mark.parametrize("name", NAMES)
def test_a_study_in_which_every_run_diverged_is_drawn(all_diverged, name):
    _, drawing = compose(name, all_diverged)
    seeds = len(set(all_diverged.runs["seed"]))
    assert f"{seeds} seed" in drawing._supxlabel.get_text()


def test_the_stage_draws_from_files(tmp_path):
    study = one_experiment("momentum", momentum=[0.0, 0.9])
    write_synthetic(tmp_path, replace(study, evidence=synthetic_study(seeds=2).evidence))
    study_path, runs = tmp_path / "study.json", tmp_path / "runs.parquet"
    laws = tmp_path / "laws.json"
    laws_stage(study_path, runs, laws)
    folder = tmp_path / "figures"
    figures_stage(["fig7_momentum"], study_path, runs, None, laws, folder)
    evidence = tmp_path / "evidence.parquet"
    figures_stage(["fig1_memorization"], study_path, None, evidence, None, folder)
    assert {path.name for path in folder.iterdir()} == {
        f"{name}.{suffix}" for name in ("fig7_momentum", "fig1_memorization") for suffix in FORMATS
    }
    laws.write_text("{")
    with pytest.raises(records.RecordError, match=r"laws\.json: cannot be read"):
        figures_stage(["fig7_momentum"], study_path, runs, None, laws, folder)
