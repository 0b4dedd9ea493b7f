"""The look of figures: series differ without colour, axes are readable, nothing is hidden."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from helpers.drawing import NAMES, artists, compose, data, drawn, made_up, one_experiment
from helpers.synthetic import synthetic_runs

from noisescale.figures.plotting import annotations, axis_scales, layout, marks, plot_data, style


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_states_its_number_of_seeds(name):
    table, drawing = drawn(name)
    assert "3 seeds" in drawing._supxlabel.get_text()
    assert (table.loc[table["kind"] == "curve", "n_seeds"] == 3).all()


@pytest.mark.parametrize("name", NAMES)
def test_series_can_be_distinguished_without_colour(name):
    _, drawing = drawn(name)
    (legend,) = drawing.legends
    handles = [h for h in legend.legend_handles if h.get_linestyle() not in ("None", "")]
    # A hollow marker counts as a different marker.
    looks = {
        (h.get_marker(), h.get_linestyle(), h.get_markerfacecolor() == "white") for h in handles
    }
    assert len(looks) == len(handles)


@pytest.mark.parametrize("count", [2, 5, 12])
def test_ordered_series_go_from_dark_to_light(count):
    looks = style.ordered([str(i) for i in range(count)]).values()
    light = [np.dot(mpl.colors.to_rgb(look.color), (0.2126, 0.7152, 0.0722)) for look in looks]
    assert (np.diff(light) > 0).all()
    assert light[-1] < 0.75  # still visible on white


def test_named_series_differ_in_lightness():
    looks = style.named(list("abcd")).values()
    light = sorted(
        np.dot(mpl.colors.to_rgb(look.color), (0.2126, 0.7152, 0.0722)) for look in looks
    )
    assert (np.diff(light) > 0.05).all()


def test_zero_weight_decay_is_visible():
    _, drawing = drawn("fig8_weight_decay")
    for _, line in artists(drawing, "curve"):
        ax = line.axes
        assert line.get_xdata().min() == 0
        pixels = ax.transData.transform([(0, 0), (1e-4, 0)])[:, 0]
        left, right = ax.bbox.intervalx
        assert left < pixels[0] < pixels[1] - 20 < right
        assert "0" in [tick.get_text() for tick in ax.get_xticklabels()]


def test_diverged_runs_are_marked_and_counted():
    _, drawing = drawn("fig5_learning_rate")
    runs = data().runs
    runs = runs[runs["update"] == runs["updates"]]
    chosen = runs[runs["momentum"].eq(0.9) & runs["train_size"].eq(1000)]
    chosen = chosen[chosen["label_noise"].eq(0) & chosen["weight_decay"].eq(0)]
    chosen = chosen[chosen["updates"] == 2000]
    lost = chosen["status"].eq("diverged").sum()
    assert lost > 0
    assert f"{lost} of {len(chosen)} runs diverged" in drawing._supxlabel.get_text()
    assert "×" in drawing._supxlabel.get_text()
    left = drawing.axes[0]
    assert sum(line.get_marker() == "x" and len(line.get_xdata()) > 0 for line in left.lines) >= 3


def test_networks_share_an_axis_of_cross_entropy_that_diverged_runs_do_not_stretch():
    study = one_experiment("generalization_gap", hidden=["100", "400"])
    runs = synthetic_runs(study)
    runs.loc[runs["hidden"] == "400", "train_cross_entropy"] /= 50
    _, drawing = compose("fig3_generalization_gap", made_up(study, runs))
    limits = [ax.get_ylim() for ax in drawing.axes if "cross-entropy" in ax.get_title("left")]
    assert len(limits) == 2 and limits[0] == limits[1]
    first = (runs["hidden"] == "400") & (runs["update"] == runs["update"].min())
    runs.loc[first, ["status", "train_cross_entropy"]] = "diverged", 1e9
    _, drawing = compose("fig3_generalization_gap", made_up(study, runs))
    axes = [ax for ax in drawing.axes if "cross-entropy" in ax.get_title("left")]
    assert all(ax.get_ylim()[1] < 1e3 for ax in axes)


def test_an_axis_of_five_powers_of_ten_has_no_ticks_between_them():
    drawing, axes = plt.subplots(2)
    for ax, high in zip(axes, (1e3, 1e5), strict=True):
        axis_scales.logarithmic(ax, "y", [10.0, high])
        drawing.draw_without_rendering()
    ticks = [len(ax.yaxis.get_minorticklocs()) for ax in axes]
    plt.close(drawing)
    assert ticks[0] > 15 and ticks[1] < 8


def test_crosses_of_several_curves_at_one_batch_size_do_not_hide_each_other():
    series = ["ε = 0.1", "ε = 0.2", "ε = 0.4"]
    lost = {"kind": "curve", "n_diverged": 1, "y": 0.1}
    rows = pd.DataFrame([{"series": name, "x": x} | lost for name in series for x in (1, 2)])
    drawing, ax = plt.subplots()
    ax.set(xscale="log", xlim=(1, 10), ylim=(0.9, 1.0))
    marks.diverged(ax, rows, style.ordered(series))
    crosses = [line for line in ax.lines if len(line.get_xdata())]
    points = np.array([cross.get_transform().transform(cross.get_xydata()[0]) for cross in crosses])
    plt.close(drawing)
    x, y = points.T * 72 / drawing.dpi
    assert len(x) == 3 and np.ptp(x) == pytest.approx(0)
    assert (np.diff(y) > 6).all()


def test_a_censored_peak_is_hollow_and_points_outward():
    table, drawing = drawn("fig5_learning_rate")
    peaks = table[table["kind"] == "peak"]
    assert set(peaks["note"]) > {""}
    for series, mark in artists(drawing, "peak"):
        censored = bool(peaks.set_index("series")["note"][series])
        assert (mark.get_markerfacecolor() == "white") == censored
    arrows = [text for text in drawing.axes[0].texts if text.arrow_patch is not None]
    assert len(arrows) == peaks["note"].isin(["at least", "at most"]).sum()


def curve(*y: float, series: str = "a", n_diverged: int = 0):
    x = np.arange(1, len(y) + 1)
    return plot_data.rows("a", "curve", series=series, x=x, y=y, n_diverged=n_diverged)


def test_peaks_fill_the_panel_although_small_batches_fail():
    rows = plot_data.stack(
        [curve(0.1, 0.88, 0.92, 0.91, 0.9), curve(0.1, 0.1, 0.91, 0.9, series="b")]
    )
    low, high = axis_scales.around_peaks(rows)
    assert 0.88 < low < 0.9 and 0.92 < high < 0.93


def test_a_curve_that_is_untrained_at_its_right_end_does_not_hide_the_peaks():
    low, _ = axis_scales.around_peaks(curve(0.9, 0.92, 0.919, 0.918, 0.916, 0.914, 0.2))
    assert low > 0.85


@pytest.mark.parametrize("y", [(0.1, 0.1, 0.1), (0.1, 0.5, 0.9), (0.9,)])
def test_curves_without_a_peak_have_limits_as_well(y):
    low, high = axis_scales.around_peaks(curve(*y))
    assert low < max(y) < high
    assert axis_scales.around_peaks(curve(*y).iloc[:0]) == (0.0, 1.0)


def test_diverged_runs_do_not_stretch_a_panel_that_shows_all_others():
    rows = plot_data.stack([curve(0.8, 0.9), curve(0.1, n_diverged=3, series="b")])
    low, high = axis_scales.full(rows)
    assert 0.7 < low < 0.8 and 0.9 < high < 1
    assert axis_scales.full(curve(0.1, n_diverged=1))[0] < 0.1


def test_the_end_of_a_learning_curve_is_visible():
    rows = plot_data.stack([curve(0.1, 0.5, 0.9, 0.97), curve(0.1, 0.8, 0.95, 0.965, series="b")])
    with style.look():
        ax = style.canvas(1, 2).subplots()
        axis_scales.learning_curve(ax, rows)
    low, high = ax.get_ylim()
    assert 0.9 < low < 0.95 and high > 0.97


def test_labels_are_placed_where_there_is_room():
    with style.look():
        ax = style.canvas(1, 2).subplots()
        ax.set(xlim=(0, 1), ylim=(-1, 1))
        ax.plot([0, 0.5, 1], [-0.05, -0.05, -0.05])
        ax.plot([0, 0.3], [0.05, 0.1])
        annotations.label_line(ax, 0, "zero")
    (text,) = ax.texts
    assert (text.get_ha(), text.get_va()) == ("right", "bottom")


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([1, 1000], ["1", "10", "100", "1000"]),
        ([0, 1e-4, 1e-2], ["0", "$10^{-4}$", "$10^{-3}$", "$10^{-2}$"]),
        ([500, 4000], ["500", "1000", "2000"]),
        ([1, 60000], ["1", "10", "100", "1000", "10000"]),
    ],
)
def test_ticks_are_plain_numbers_or_powers_of_ten(values, labels):
    with style.look():
        ax = style.canvas(1, 2).subplots()
        axis_scales.logarithmic(ax, "x", values)
        assert [tick.get_text() for tick in ax.get_xticklabels()] == labels


def test_a_few_values_are_the_ticks_of_their_axis():
    with style.look():
        ax = style.canvas(1, 2).subplots()
        axis_scales.logarithmic(ax, "x", [1, 2, 4, 1 / 0.15], ticks=True)
        assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "2", "4", "6.67"]


def test_a_long_legend_has_more_lines_and_is_ordered_by_line():
    with style.look():
        figure = style.canvas(1, 3)
        layout.legend(figure, style.ordered([f"learning rate {i}" for i in range(9)]))
        figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
    texts = sorted(
        legend.get_texts(),
        key=lambda t: (-round(t.get_window_extent().y0), t.get_window_extent().x0),
    )
    assert [text.get_text() for text in texts] == [f"learning rate {i}" for i in range(9)]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_extends_beyond_the_picture(name):
    _, drawing = drawn(name)
    drawing.draw_without_rendering()
    box = drawing.get_tightbbox()
    width, height = drawing.get_size_inches()
    assert box.x0 >= -0.01 and box.y0 >= -0.01
    assert box.x1 <= width + 0.01 and box.y1 <= height + 0.01
