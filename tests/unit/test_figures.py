"""Figures: the .csv is what is plotted, in marks that can be told apart, whatever the results."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from synthetic import synthetic_evidence, synthetic_runs, synthetic_study

from noisescale import figures, records
from noisescale.figures import draw, inputs, layout, scales, style, tables
from noisescale.scaling import scaling_laws
from noisescale.study import BatchRange, Experiment

NAMES = list(figures.FIGURES)
CAPTIONS = Path(__file__).parents[2] / "workflow" / "report"


def made_up(study, runs=None, evidence=None) -> inputs.Inputs:
    runs = synthetic_runs(study) if runs is None else runs
    laws = json.loads(json.dumps(scaling_laws(study, runs)))
    if study.evidence is not None and evidence is None:
        evidence = synthetic_evidence(study)
    return inputs.Inputs(study, runs, evidence, laws)


def compose(name: str, data: inputs.Inputs, table: pd.DataFrame | None = None):
    """Return a figure's table and its drawing, not written anywhere."""
    spec = figures.FIGURES[name]
    module = importlib.import_module(f"noisescale.figures.{spec.module}")
    with style.look():
        table = module.tabulate(spec, data) if table is None else table
        drawing = module.compose(spec, table, data.study)
        drawing.draw_without_rendering()
    return table, drawing


@pytest.fixture(scope="module")
def data():
    return made_up(synthetic_study(seeds=3, bootstrap=60))


@pytest.fixture(scope="module")
def drawn(data):
    return {name: compose(name, data) for name in NAMES}


def artists(drawing, kind: str) -> list:
    """Return (series, artist) for all marks of a kind."""
    found = drawing.findobj(lambda artist: str(artist.get_gid() or "").startswith(f"{kind} "))
    return [(artist.get_gid().removeprefix(f"{kind} "), artist) for artist in found]


def numbers(points) -> list[tuple[float, ...]]:
    return sorted(tuple(np.round(point, 9)) for point in points)


def one_experiment(name: str, seeds: int = 2, batch_size=None, **axes):
    """Return a study with a single experiment."""
    study = synthetic_study(seeds=seeds, bootstrap=40)
    base = study.experiments[name]
    changed = Experiment(name, base.axes | axes, batch_size or base.batch_size)
    return replace(study, experiments={name: changed}, evidence=None)


def test_the_registry_imports_nothing_heavy():
    code = (
        "import sys; from noisescale import figures; "
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
    text = (CAPTIONS / figures.FIGURES[name].caption).read_text()
    assert "**The paper**" in text and "**Ours**" in text


def test_a_study_gets_the_figures_that_it_has_the_data_for():
    study = synthetic_study(seeds=1)
    assert [spec.name for spec in figures.wanted(study)] == NAMES
    assert [s.name for s in figures.wanted(replace(study, experiments={}))] == [
        "fig1_memorization",
        "fig2_evidence",
        "label_noise",
    ]
    two_ends = replace(study.evidence, label_noise=[0.0, 1.0])
    only = figures.wanted(replace(study, experiments={}, evidence=two_ends))
    assert [spec.name for spec in only] == ["fig1_memorization", "fig2_evidence"]
    momentum = {"momentum": study.experiments["momentum"]}
    only = figures.wanted(replace(study, experiments=momentum, evidence=None))
    assert [spec.name for spec in only] == ["fig7_momentum", "collapse"]


@pytest.mark.parametrize("name", NAMES)
def test_the_table_is_exactly_what_is_plotted(drawn, name):
    table, drawing = drawn[name]
    assert list(table.columns) == list(tables.COLUMNS)
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
def test_the_bands_are_the_intervals_of_the_table(drawn, name):
    table, drawing = drawn[name]
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
def test_a_figure_can_be_redrawn_from_its_csv(data, drawn, name, tmp_path):
    table, drawing = drawn[name]
    with style.look():
        style.save(drawing, table, tmp_path / "a", name)
    read = tables.complete(pd.read_csv(tmp_path / "a" / f"{name}.csv", dtype={"row": str}))
    _, again = compose(name, data, read)
    with style.look():
        style.save(again, read, tmp_path / "b", name)
    for suffix in ("csv", "svg"):
        first, second = ((tmp_path / x / f"{name}.{suffix}").read_bytes() for x in "ab")
        assert first == second


def test_the_same_results_give_the_same_bytes(data, tmp_path):
    """Whatever the user's own settings of matplotlib, and whatever was drawn before."""
    draw.draw("fig5_learning_rate", data, tmp_path / "a")
    with mpl.rc_context({"lines.linewidth": 7, "svg.hashsalt": None, "font.size": 30}):
        draw.draw("fig9_fixed_epochs", data, tmp_path / "b")
        draw.draw("fig5_learning_rate", data, tmp_path / "b")
    for suffix in figures.FORMATS:
        first, second = (tmp_path / x / f"fig5_learning_rate.{suffix}" for x in "ab")
        assert first.read_bytes() == second.read_bytes()
    text = (tmp_path / "a" / "fig5_learning_rate.svg").read_text()
    assert "<dc:date>" not in text


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_says_over_how_many_seeds(drawn, name):
    table, drawing = drawn[name]
    assert "3 seeds" in drawing._supxlabel.get_text()
    assert (table.loc[table["kind"] == "curve", "n_seeds"] == 3).all()


@pytest.mark.parametrize("name", NAMES)
def test_series_can_be_told_apart_without_colour(drawn, name):
    _, drawing = drawn[name]
    (legend,) = drawing.legends
    handles = [h for h in legend.legend_handles if h.get_linestyle() not in ("None", "")]
    # A hollow marker is another marker.
    looks = {
        (h.get_marker(), h.get_linestyle(), h.get_markerfacecolor() == "white") for h in handles
    }
    assert len(looks) == len(handles)


@pytest.mark.parametrize("count", [2, 5, 12])
def test_ordered_series_go_from_dark_to_light(count):
    looks = style.ordered([str(i) for i in range(count)]).values()
    light = [np.dot(mpl.colors.to_rgb(look.color), (0.2126, 0.7152, 0.0722)) for look in looks]
    assert (np.diff(light) > 0).all()
    assert light[-1] < 0.75  # still to be seen on white


def test_named_series_differ_in_lightness():
    looks = style.named(list("abcd")).values()
    light = sorted(
        np.dot(mpl.colors.to_rgb(look.color), (0.2126, 0.7152, 0.0722)) for look in looks
    )
    assert (np.diff(light) > 0.05).all()


def test_zero_weight_decay_is_in_view(drawn):
    _, drawing = drawn["fig8_weight_decay"]
    for _, line in artists(drawing, "curve"):
        ax = line.axes
        assert line.get_xdata().min() == 0
        pixels = ax.transData.transform([(0, 0), (1e-4, 0)])[:, 0]
        left, right = ax.bbox.intervalx
        assert left < pixels[0] < pixels[1] - 20 < right
        assert "0" in [tick.get_text() for tick in ax.get_xticklabels()]


def test_diverged_runs_are_marked_and_counted(data, drawn):
    _, drawing = drawn["fig5_learning_rate"]
    runs = data.runs[data.runs["update"] == data.runs["updates"]]
    chosen = runs[runs["momentum"].eq(0.9) & runs["train_size"].eq(1000)]
    chosen = chosen[chosen["label_noise"].eq(0) & chosen["weight_decay"].eq(0)]
    chosen = chosen[chosen["updates"] == 2000]
    lost = chosen["status"].eq("diverged").sum()
    assert lost > 0
    assert f"{lost} of {len(chosen)} runs diverged" in drawing._supxlabel.get_text()
    assert "×" in drawing._supxlabel.get_text()
    left = drawing.axes[0]
    assert sum(line.get_marker() == "x" and len(line.get_xdata()) > 0 for line in left.lines) >= 3


def test_a_censored_peak_is_hollow_and_points_outward(data, drawn):
    table, drawing = drawn["fig5_learning_rate"]
    peaks = table[table["kind"] == "peak"]
    assert set(peaks["note"]) > {""}
    for series, mark in artists(drawing, "peak"):
        censored = bool(peaks.set_index("series")["note"][series])
        assert (mark.get_markerfacecolor() == "white") == censored
    arrows = [text for text in drawing.axes[0].texts if text.arrow_patch is not None]
    assert len(arrows) == peaks["note"].isin(["at least", "at most"]).sum()


def test_the_fit_is_drawn_beside_the_theory(data, drawn):
    table, _ = drawn["fig5_learning_rate"]
    law = data.laws["exponents"]["learning_rate"]
    fit = table[table["kind"] == "fit"]
    assert fit["series"].iloc[0].startswith(f"fit: slope {law['slope']:.2f}")
    np.testing.assert_allclose(fit["y"], law["line"]["batch_opt"])
    theory = table[table["kind"] == "theory"]
    slope = np.diff(np.log(theory["y"])) / np.diff(np.log(theory["x"]))
    assert slope == pytest.approx(1)
    momentum, _ = drawn["fig7_momentum"]
    points = momentum[momentum["kind"] == "point"]
    np.testing.assert_allclose(points["x"], [1, 2, 5, 10, 20])


def test_further_axes_become_rows_of_panels():
    study = one_experiment("learning_rate", hidden=["100", "400"], learning_rate=[0.05, 0.1, 0.2])
    table, drawing = compose("fig5_learning_rate", made_up(study))
    assert list(dict.fromkeys(table["row"])) == ["hidden 100", "hidden 400"]
    assert len(drawing.axes) == 4
    titles = [ax.get_title(loc="left") for ax in drawing.axes]
    assert [title.split("\n")[0] for title in titles[::2]] == ["hidden 100", "hidden 400"]
    for name in ("batch_size", "weight_decay", "fixed_epochs", "label_noise"):
        figure = next(f.name for f in figures.FIGURES.values() if name in f.experiments)
        varied = one_experiment(name, hidden=["100", "400"])
        _, drawing = compose(figure, made_up(varied))
        assert len(drawing.axes) % 2 == 0


def without_signal(study):
    """Return results in which every run diverged, at once, and the evidence is flat."""
    runs = synthetic_runs(study)
    runs["status"], runs["diverged_at"] = "diverged", 1
    runs[["train_accuracy", "test_accuracy"]] = 0.1
    runs[["train_cross_entropy", "test_cross_entropy"]] = np.nan
    evidence = synthetic_evidence(study)
    for column in ("train_accuracy", "test_accuracy", "margin", "train_cross_entropy"):
        evidence[column] = 0.5
    evidence["log_evidence_ratio_per_example"] = 0.0
    return runs, evidence


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_but_divergence_is_drawn_too(name, seeds, tmp_path):
    study = synthetic_study(seeds=seeds, bootstrap=20)
    coarse = {
        key: experiment
        if isinstance(experiment.batch_size, list)
        else replace(experiment, batch_size=BatchRange(8, None, 0.4))
        for key, experiment in study.experiments.items()
    }
    study = replace(study, experiments=coarse)
    runs, evidence = without_signal(study)
    draw.draw(name, made_up(study, runs, evidence), tmp_path)
    assert (tmp_path / f"{name}.png").stat().st_size > 1000


def test_main_draws_from_files(tmp_path):
    from synthetic import write_synthetic

    from noisescale import scaling

    study = one_experiment("momentum", momentum=[0.0, 0.9])
    write_synthetic(tmp_path, replace(study, evidence=synthetic_study(seeds=2).evidence))
    study_path, runs = tmp_path / "study.json", tmp_path / "runs.parquet"
    laws = tmp_path / "laws.json"
    scaling.main(study_path, runs, laws)
    folder = tmp_path / "figures"
    figures.main(["fig7_momentum"], study_path, runs, None, laws, folder)
    evidence = tmp_path / "evidence.parquet"
    figures.main(["fig1_memorization"], study_path, None, evidence, None, folder)
    assert {path.name for path in folder.iterdir()} == {
        f"{name}.{suffix}"
        for name in ("fig7_momentum", "fig1_memorization")
        for suffix in figures.FORMATS
    }
    laws.write_text("{")
    with pytest.raises(records.RecordError, match=r"laws\.json: cannot be read"):
        figures.main(["fig7_momentum"], study_path, runs, None, laws, folder)


def test_zoom_leaves_a_few_runs_at_chance_outside():
    low, high = scales.zoom([0.1, 0.1, 0.88, 0.9, 0.91, 0.92, 0.9, 0.89])
    assert 0.8 < low < 0.88 and high > 0.92
    assert scales.zoom([np.nan]) == (0.0, 1.0)
    low, high = scales.zoom([0.5, 0.5])
    assert low < 0.5 < high


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([1, 1000], ["1", "10", "100", "1000"]),
        ([0, 1e-4, 1e-2], ["0", "$10^{-4}$", "$10^{-3}$", "$10^{-2}$"]),
        ([500, 4000], ["500", "1000", "2000"]),
    ],
)
def test_ticks_are_written_plainly(values, labels):
    with style.look():
        ax = style.canvas(1, 2).subplots()
        scales.logarithmic(ax, "x", values)
        assert [tick.get_text() for tick in ax.get_xticklabels()] == labels


def test_a_long_legend_takes_more_lines_and_is_read_line_by_line():
    with style.look():
        figure = style.canvas(1, 3)
        layout.legend(figure, style.ordered([f"learning rate {i}" for i in range(9)]))
        figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
    texts = sorted(
        legend.get_texts(), key=lambda t: (-round(t.get_window_extent().y0), t.get_window_extent().x0)
    )
    assert [text.get_text() for text in texts] == [f"learning rate {i}" for i in range(9)]


def test_nothing_reaches_out_of_the_picture(drawn):
    for name, (_, drawing) in drawn.items():
        box = drawing.get_tightbbox()
        width, height = drawing.get_size_inches()
        assert box.x0 >= -0.01 and box.y0 >= -0.01, name
        assert box.x1 <= width + 0.01 and box.y1 <= height + 0.01, name
