"""What a user sees when something is wrong: one line that says what, and nothing left behind."""

import os

import numpy as np
import pytest


def one_line(result, *parts):
    """Check that one line of the output has all parts, and that there is no traceback."""
    assert result.status != 0
    assert "Traceback" not in result.text
    assert any(all(part in line for part in parts) for line in result.text.splitlines()), (
        result.text
    )


@pytest.mark.parametrize(
    ("patch", "parts"),
    [
        ({"base": {"learning_rate": "1e-3"}}, ("base.learning_rate", "1e-3", "1.0e-3")),
        ({"base": {"momentum": 1.5}}, ("base.momentum", "1.5", "below 1")),
        ({"base": {"learningrate": 0.1}}, ("learningrate", "learning_rate")),
        ({"study": "../elsewhere"}, ("study", "../elsewhere")),
        ({"dataset": {"name": "npz", "path": "{mine}.npz"}}, ("dataset.path", "braces")),
        ({"device": "tpu"}, ("device", "tpu", "auto, cpu, cuda")),
    ],
)
def test_a_wrong_config_is_one_line_and_leaves_nothing_behind(fresh, patch, parts):
    for key, value in patch.items():
        if isinstance(value, dict):
            fresh.settings[key].update(value)
        else:
            fresh.settings[key] = value
    result = fresh()
    one_line(result, *parts)
    assert len([line for line in result.text.splitlines() if "noisescale" in line]) == 1
    assert not (fresh.folder / "results").exists()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("base: {updates: 7}\nbase: {seeds: 3}\n", ("own.yaml, line 2", "base is there twice")),
        ("base: {updates: 0200}\n", ("own.yaml, line 1", "base.updates", "0200", "128")),
    ],
)
def test_an_ambiguous_file_is_one_line(fresh, text, parts):
    """Snakemake itself accepts the file and would use one of the two values."""
    (fresh.folder / "own.yaml").write_text(text)
    fresh.options = (*fresh.options, "own.yaml")
    one_line(fresh("--dry-run"), *parts)
    assert not (fresh.folder / "results").exists()


def test_null_on_the_command_line_is_one_line(fresh):
    result = fresh("--dry-run", "--config", "experiments={evidence: null}")
    one_line(result, "experiments.evidence", "--config passes null as text", "{evidence: null}")


def test_a_missing_data_file_is_named(fresh):
    fresh.settings["dataset"] = {"name": "npz", "path": "mine.npz"}
    one_line(fresh(), "mine.npz")
    assert not fresh.results.exists()


def test_a_truncated_data_file_is_named(fresh):
    draw = np.random.default_rng(0)
    path = fresh.folder / "mine.npz"
    split = {"X": draw.random((100, 6), dtype=np.float32), "y": np.arange(100) % 3}
    np.savez(path, **{f"{k}_{s}": v for k, v in split.items() for s in ("train", "test")})
    path.write_bytes(path.read_bytes()[:1000])
    fresh.settings["dataset"] = {"name": "npz", "path": "mine.npz"}
    one_line(fresh(), "mine.npz", "damaged")
    assert not (fresh.results / "data.npz").exists()


def test_a_study_of_a_users_own_data_is_complete(fresh):
    draw = np.random.default_rng(0)
    y = np.arange(160) % 3
    X = (draw.normal(size=(3, 4, 5))[y] + draw.normal(size=(160, 4, 5))).astype(np.float32)
    np.savez(fresh.folder / "my data.npz", X_train=X, y_train=y, X_test=X, y_test=y)
    fresh.settings["dataset"] = {"name": "npz", "path": "my data.npz"}
    fresh.settings["experiments"]["evidence"]["classes"] = [0, 2]
    result = fresh()
    assert result.status == 0, result.text
    assert (fresh.results / "report.html").exists()


def test_more_examples_than_the_users_data_have_is_one_line(fresh):
    y = np.arange(40) % 3
    X = np.random.default_rng(0).random((40, 6), dtype=np.float32)
    np.savez(fresh.folder / "mine.npz", X_train=X, y_train=y, X_test=X, y_test=y)
    fresh.settings["dataset"] = {"name": "npz", "path": "mine.npz"}
    one_line(fresh(), "train_size", "60", "40")


def test_a_results_folder_that_cannot_be_written_to_is_named(fresh):
    (fresh.folder / "results").write_text("a file where the folder should be")
    one_line(fresh(), "results", "cannot be written")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_results_folder_without_permission_is_named(fresh):
    fresh.results.mkdir(parents=True)
    fresh.results.chmod(0o500)
    one_line(fresh(), "results", "cannot be written")
