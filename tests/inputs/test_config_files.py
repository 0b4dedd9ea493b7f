"""Configuration files: what is read as what, and in which line the others are refused.

A row is a file, laid over a complete study. `tests/study/test_yaml_files.py` has the ambiguities
and damages of YAML with their line numbers, `tests/study/test_config_errors.py` the wrong values of
each key with all that their messages say, and every odd value in every place.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from helpers.inputs import Accepted, Expected, Refused, rows, verify
from helpers.study_config import STUDY, in_experiment

from noisescale.cli import main
from noisescale.study import checks
from noisescale.study.loading import load_study


def base(key: str, value: object) -> Accepted:
    """Accepted, and every experiment that does not vary this key has this one value."""
    return Accepted(lambda study: study.experiments["generalization_gap"].axes[key] == [value])


def is_(**values: object) -> Accepted:
    """Accepted, and the study has these values."""
    return Accepted(lambda study: all(getattr(study, key) == v for key, v in values.items()))


def swept(experiment: str, values: list[Any]) -> Accepted:
    return Accepted(lambda study: study.experiments[experiment].axes[experiment] == values)


def bomb() -> str:
    """Return ten lines of aliases that mean three billion values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for i in range(1, 10):
        lines.append(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]")
    return "\n".join(lines)


def block(count: int | str, start: str = "0.01", stop: str = "1") -> str:
    return in_experiment(
        "learning_rate", f"learning_rate: {{from: {start}, to: {stop}, per_decade: {count}}}"
    )


WHOLE, TIMES = "a whole number", "expected at most 2,000,000"
FILES: dict[str, tuple[str | bytes, Expected]] = {
    # -- keys and blocks
    "a key twice": ("title: a\ntitle: b\n", Refused("line 2", "title is there twice", "remove")),
    "a block twice": ("base: {updates: 7}\nbase: {seeds: 3}\n", Refused("base is there twice")),
    "an experiment twice": (
        "experiments:\n  momentum: null\n  evidence: null\n  momentum: null\n",
        Refused("line 4", "experiments.momentum is there twice"),
    ),
    "a key twice in JSON": ('{"title": "a", "title": "b"}', Refused("title is there twice")),
    "a key twice by a merge": ("base: {<<: {updates: 3}, updates: 7}\n", base("updates", 7)),
    "a near miss": ("base: {learning-rate: 0.1}", Refused("did you mean learning_rate?")),
    "a plural": ("experiment: {momentum: null}", Refused("did you mean experiments?")),
    "a capital": ("Device: cpu", Refused("Device is", "did you mean device?")),
    "a symbol": ("base: {lr: 0.1}", Refused("base.lr is 0.1", "expected one of hidden, ")),
    "a key of another block": ("seeds: 3", Refused("seeds belongs in base")),
    "an unknown experiment": ("experiments: {dropout: {}}", Refused("no such key", "momentum")),
    "a key that is a number": ("3: 4", Refused("3 is 4", "expected one of study, ")),
    "a key that is null": ("~: 4", Refused("None is 4")),
    "a key with a dot": ("base.updates: 7", Refused('"base.updates" is 7', "no such key")),
    "a key that is a list": ("? [a]\n: 1", Refused("not YAML", "correct it")),
    # -- null blocks
    "a null block with defaults": ("statistics:\ndataset:\ndevice:\n", is_(device="auto")),
    "a null base": ("base:\n", Refused("base is missing", "add it")),
    "null experiments": ("experiments:\n", Refused("experiments is missing")),
    "every experiment null": (
        "experiments: {" + ", ".join(f"{name}: null" for name in STUDY["experiments"]) + "}",
        Refused("or all null", "one or more; add one"),
    ),
    "an empty block": ("experiments: {}\n", is_(name="test")),
    "a null study": ("study: null", Refused("study is missing")),
    "null in quotes": (in_experiment("momentum", "seeds: 'null'"), Refused("write experiments:")),
    "None": ("experiments: {evidence: None}", Refused('is "None"', "{evidence: null}")),
    "a list for a block": ("base: []", Refused("base is []", "key: value lines")),
    "a list of experiments": ("experiments: [momentum]", Refused("key: value lines")),
    "text for a block": ("dataset: digits", Refused('"digits"', "key: value lines")),
    # -- numbers that YAML reads otherwise
    "octal": ("base: {updates: 0200}", Refused("base.updates is 0200", "octal", "128")),
    "octal of YAML 1.2": ("base: {updates: 0o17}", Refused('"0o17"', WHOLE)),
    "no octal: an 8": ("base: {updates: 089}", Refused('"089"', "write 89")),
    "base 60": ("base: {updates: 1:30}", Refused("base 60, 90", "write 90")),
    "base 60 in a list": ("base: {seeds: [1:00]}", Refused("base.seeds[0]", "base 60")),
    "hexadecimal": ("base: {updates: 0x10}", base("updates", 16)),
    "underscores": ("base: {updates: 1_000}", base("updates", 1000)),
    "a comma": ("base: {updates: '1,000'}", Refused('"1,000"', WHOLE)),
    "a decimal comma": ("base: {momentum: '0,9'}", Refused('"0,9"', "a number")),
    "1e-3": ("base: {learning_rate: 1e-3}", Refused('"1e-3"', "write 1.0e-3")),
    "1E5": ("base: {updates: 1E5}", Refused('"1E5"', "write 100000")),
    "1.0e+5": ("base: {updates: 1.0e+5}", base("updates", 100_000)),
    "1e-3 in JSON": ('{"base": {"learning_rate": 1e-3}}', base("learning_rate", 0.001)),
    "a whole number with a point": ("base: {updates: 7.0}", base("updates", 7)),
    "half a number": ("base: {updates: 7.5}", Refused("7.5", WHOLE)),
    "a number in quotes": ("base: {updates: '7'}", Refused('"7"', "write 7, unquoted")),
    "a fraction": ("base: {momentum: 9/10}", Refused('"9/10"', "a number")),
    "per cent": ("statistics: {confidence: 95%}", Refused('"95%"', "above 0, below 1")),
    "a power": ("base: {updates: 2**10}", Refused('"2**10"', WHOLE)),
    "NaN": ("base: {momentum: .nan}", Refused("nan", "finite")),
    "NaN in JSON": ('{"base": {"momentum": NaN}}', Refused("nan", "finite")),
    "infinity": ("base: {learning_rate: .inf}", Refused("inf", "finite")),
    "minus infinity": ("base: {weight_decay: -.inf}", Refused("-inf", "finite")),
    "infinity in JSON": ('{"base": {"momentum": 1e999}}', Refused("inf", "finite")),
    "no number is so small": ("base: {learning_rate: 1.0e-400}", Refused("0.0", "above 0")),
    "a number of 23 digits": ("base: {updates: 12345678901234567890123}", Refused("at most")),
    "a number of 5,000 digits": ("base: {updates: " + "9" * 5000 + "}", Refused("expected")),
    "negative": ("base: {updates: -7}", Refused("is -7", "at least 1")),
    "zero": ("base: {learning_rate: 0}", Refused("is 0:", "above 0")),
    # -- booleans, dates, text
    "yes for a number": ("base: {seeds: yes}", Refused("true", "YAML reads yes")),
    "off in a list": (in_experiment("momentum", "momentum: [off, 0.9]"), Refused("YAML reads yes")),
    "the country Norway": ("study: no", Refused("study is false", "YAML reads yes, no")),
    "a date for a name": ("study: 2024-01-01", Refused("2024-01-01", "in quotes")),
    "a number for a title": ("title: 2024", Refused("2024", "write it in quotes")),
    "a title of 201 characters": (f"title: {'x' * 201}", Refused("at most 200 characters")),
    "a title in any script": ("title: Größe 数据 🎲\n", is_(title="Größe 数据 🎲")),
    "a comment that is none": ("device: cpu#fast", Refused('"cpu#fast"', "auto, cpu, cuda")),
    "full where there is none": ("base: {train_size: full}", Refused('"full"', WHOLE)),
    "Full": (in_experiment("batch_size", "batch_size: Full"), Refused('"Full"', "full")),
    # -- lists and ranges
    "a list in the base": ("base: {momentum: [0, 0.9]}", Refused("put lists in an experiment")),
    "a list without brackets": (
        in_experiment("momentum", 'momentum: "0, 0.9"'),
        Refused('"0, 0.9"', "a list"),
    ),
    "an empty list": (in_experiment("momentum", "momentum: []"), Refused("one value or more")),
    "a value twice": (in_experiment("momentum", "momentum: [0, 0.0]"), Refused("twice")),
    "a range": (block(1), swept("learning_rate", [0.01, 0.1, 1.0])),
    "a reversed range": (block(1, "1", "0.1"), Refused("at least from", "exchange them")),
    "a range from zero": (block(1, "0", "1"), Refused("from is 0", "above 0")),
    "a negative range": (block(1, "-1", "1"), Refused("from is -1", "above 0")),
    "a range of one value": (block(1, "1", "1"), Refused("[1], a single value", "add some")),
    "a range of 300 decades": (block(1, "1.0e-300", "1"), Refused("at most 40 decades", "smaller")),
    "a range of 320 decades": (block(1, "1.0e-320", "1"), Refused("at most 40 decades", "smaller")),
    "no step": (block(0), Refused("per_decade is 0", "above 0")),
    "a negative step": (block(-2), Refused("per_decade is -2", "above 0")),
    "a step wider than the range": (block("1.0e-12"), swept("learning_rate", [0.01, 1.0])),
    "a step beyond all numbers": (
        in_experiment("batch_size", "batch_size: {per_octave: 1.0e-12}"),
        Refused("[1, 100] at train_size 100", "3 batch sizes or more"),
    ),
    "a step in both units": (
        in_experiment("batch_size", "batch_size: {per_decade: 1}"),
        Refused("two kinds of step", "remove one"),
    ),
    "a range with a typing error": (
        in_experiment("batch_size", "batch_size: {form: 1, to: 8, per_octave: 1}"),
        Refused("form is 1", "did you mean from?"),
    ),
    # -- grids
    "a grid of a billion runs": (
        block(100, "1.0e-35", "1000") + "\nbase: {seeds: 10000}\n",
        Refused("experiments.", "runs", TIMES, "seeds"),
    ),
    "10,000 seeds": ("base: {seeds: 10000}\nseeds_per_shard: 10000\n", is_(seeds_per_shard=10_000)),
    "more seeds": ("base: {seeds: 10001}", Refused("10001", "from 1 to 10000")),
    "a batch beyond the training set": (
        in_experiment("momentum", "batch_size: [1, 5, 101]"),
        Refused("is 101", "at most 100"),
    ),
    # -- the file itself
    "empty": ("", Refused("own.yaml: empty", "key: value lines")),
    "only comments": ("# nothing\n", Refused("own.yaml: only comments")),
    "only a document's start": ("---\n", Refused("own.yaml", "key: value lines")),
    "a word": ("digits", Refused("key: value lines at the top level")),
    "a list": ("- a\n- b\n", Refused("key: value lines at the top level")),
    "no space after a colon": ("device:cpu\n", Refused("key: value lines at the top level")),
    "no colon": ("device: cpu\ntitle\n", Refused("line", "not YAML")),
    "a wrong indent": ("base:\n  updates: 7\n seeds: 3\n", Refused("line 3", "not YAML")),
    "a tab as indent": ("base:\n\tupdates: 7\n", Refused("line 2: a tab", "by spaces")),
    "a tab after a colon": ("device:\tcpu\n", is_(device="cpu")),
    "two documents": ("title: a\n---\ntitle: b\n", Refused("a second document", "remove")),
    "a document with its end": ("---\ntitle: a\n...\n", is_(title="a")),
    "lines of Windows": ("title: a\r\ndevice: cpu\r\n", is_(title="a", device="cpu")),
    "lines of an old Mac": ("title: a\rdevice: cpu\r", is_(title="a", device="cpu")),
    "a mark of UTF-8": (b"\xef\xbb\xbftitle: a\n", is_(title="a")),
    "Latin-1": ("title: Größe\n".encode("latin-1"), Refused("not UTF-8", "0xf6", "save the file")),
    "UTF-16": ("title: a\n".encode("utf-16"), Refused("not UTF-8")),
    "a zero byte": (b"title: a\x00b\n", Refused("not YAML")),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00", Refused("not UTF-8")),
    "an open bracket": ("base: {updates: 7\n", Refused("not YAML", "correct it")),
    "an open quote": ('title: "a\n', Refused("not YAML", "correct it")),
    "3,000 brackets": ("a: " + "[" * 3000, Refused("own.yaml")),
    "an alias of itself": ("a: &x [*x]\n", Refused("contains itself", "remove the alias")),
    "an alias": (
        "base: &b {momentum: 0.5}\nexperiments: {batch_size: *b}\n",
        base("momentum", 0.5),
    ),
    "an alias of nothing": ("base: *b\n", Refused("not YAML", "undefined alias")),
    "aliases of three billion values": (bomb(), Refused("100,000", "remove aliases")),
    "a tag of Python": ("title: !!python/name:os.system\n", Refused("not YAML")),
    "a tag of its own": ("title: !title a\n", Refused("not YAML")),
    "a variable": ("dataset: {data_root: $HOME/data}\n", Accepted()),
    "a template": ("title: '{title}'\n", is_(title="{title}")),
    "a comma at the end of JSON": ('{"title": "a",}', is_(title="a")),
    "comments in JSON": ('{"title": "a"} // b', Refused("not YAML")),
}


@pytest.mark.parametrize(("content", "expected"), **rows(FILES))
def test_configuration_files(tmp_path, content: str | bytes, expected: Expected) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    verify(lambda: load_study(STUDY, path), expected, tmp_path)


PLACES: dict[str, tuple[Callable[[Any], Any], Expected]] = {
    "nothing": (lambda path: None, Refused("cannot be read (No such file", "correct the path")),
    "a folder": (lambda path: path.mkdir(), Refused("cannot be read (Is a directory")),
    "a link to itself": (lambda path: path.symlink_to(path), Refused("cannot be read")),
    "a link": (
        lambda path: [path.with_name("b").write_text("title: a"), path.symlink_to("b")],
        is_(title="a"),
    ),
}


@pytest.mark.parametrize(("make", "expected"), **rows(PLACES))
def test_what_lies_at_the_path_of_a_configuration(tmp_path, make, expected) -> None:
    make(tmp_path / "own.yaml")
    verify(lambda: load_study(STUDY, tmp_path / "own.yaml"), expected, tmp_path)


def test_the_greatest_grid_is_counted_without_listing_it(monkeypatch) -> None:
    study = load_study(STUDY)
    runs = len(study.experiments["momentum"].axes["momentum"]) * 3 * 3
    monkeypatch.setattr(checks, "MAX_RUNS", runs)
    checks._check_number_of_runs(study.experiments["momentum"])
    monkeypatch.setattr(checks, "MAX_RUNS", runs - 1)
    with pytest.raises(Exception, match=f"experiments.momentum is {runs} runs: expected at most"):
        checks._check_number_of_runs(study.experiments["momentum"])


# ---- The command `noisescale check` --------------------------------------------------------------

CHECKED: dict[str, tuple[dict[str, str], int, tuple[str, ...]]] = {
    "nothing but config.yaml": ({}, 0, ("study digits: valid, ", "training jobs")),
    "a file": ({"own.yaml": "study: mine"}, 0, ("study mine: valid, ",)),
    "two files": ({"a.yaml": "study: a", "b.yaml": "study: b"}, 0, ("study b: valid",)),
    "a complete study": ({"study.json": load_study(STUDY).to_json()}, 0, ("study test: valid",)),
    "JSON": ({"own.json": json.dumps(STUDY)}, 0, ("study test: valid",)),
    "an empty file": ({"own.yaml": ""}, 1, ("noisescale check: ", "own.yaml: empty")),
    "a tab": ({"own.yaml": "base:\n\tseeds: 3"}, 1, ("own.yaml, line 2: a tab",)),
    "a wrong value": ({"own.yaml": "base: {seeds: 0}"}, 1, ("base.seeds is 0",)),
    "a missing data file": (
        {"own.yaml": yaml.safe_dump({"dataset": {"name": "npz", "path": "no.npz"}})},
        1,
        ("dataset.path: no.npz: no such file",),
    ),
}


@pytest.mark.parametrize(("files", "status", "words"), **rows(CHECKED))
def test_the_command_check(tmp_path, monkeypatch, capsys, files, status, words) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert main(["check", *files]) == status
    output = capsys.readouterr()
    said, other = (output.err, output.out) if status else (output.out, output.err)
    assert not other
    assert said.count("\n") == 1
    assert all(word in said for word in words), said
    assert {path.name for path in tmp_path.iterdir()} == set(files)


def test_the_command_check_says_that_a_file_is_missing(tmp_path, capsys) -> None:
    assert main(["check", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml: cannot be read (No such file" in capsys.readouterr().err
