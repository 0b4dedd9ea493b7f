"""Users' .npz files: which are used, as what, and in which line the others are refused.

Each row is an input. A refused file is refused twice in the same way: before any job runs, by
`noisescale.data.check.check_data`, and by the stage that prepares it.
"""

import datetime
import gzip
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.datasets import header, in_both, rewritten, user_arrays
from helpers.inputs import Accepted, Refused, rows, verify
from helpers.study_config import patched

from noisescale.data import check
from noisescale.data.check import check_data
from noisescale.data.dataset import load_dataset, read_dataset_metadata
from noisescale.data.prepare import data_stage, prepare_dataset
from noisescale.data.study_data import load_data_of
from noisescale.errors import DataError, NoisescaleError
from noisescale.planning.freshness import examine
from noisescale.planning.plan import Plan
from noisescale.study.loading import load_study
from noisescale.study.model import DatasetSpec

VALID = user_arrays()


def inputs(values):
    """Accepted, and the inputs have these values and no others."""
    return Accepted(lambda data: np.allclose(np.unique(data.X_train), values, rtol=1e-6))


def like(**changes):
    """Accepted as the same data set as that of these arrays."""
    X = (user_arrays(**changes)["X_train"].reshape(12, -1) / 255).astype(np.float32)
    y = user_arrays(**changes)["y_train"]
    return Accepted(
        lambda data: np.allclose(data.X_train, X, rtol=1e-6) and (data.y_train == y).all()
    )


def fortran(X):
    return np.asfortranarray(X)


def strided(X):
    """Return an array of the same values that is not contiguous."""
    return np.repeat(X, 2, axis=0)[::2]


GREYS = VALID["X_train"].astype(np.float32) / 255
FLOATS = {"X_train": GREYS, "X_test": GREYS[:6]}

ACCEPTED = {
    # -- types and layouts
    "bytes": ({}, like()),
    "bytes in Fortran order": ({"X_train": fortran(VALID["X_train"])}, like()),
    "bytes that are not contiguous": ({"X_train": strided(VALID["X_train"])}, like()),
    "integers of 64 bits up to 255": (
        {key: VALID[key].astype(np.int64) for key in ("X_train", "X_test")},
        like(),
    ),
    "integers of 16 bits up to 200": (in_both([0, 200], np.uint16), inputs([0, 200 / 255])),
    "big-endian integers": (in_both([0, 128], ">i4"), inputs([0, 128 / 255])),
    "bytes of few levels": (in_both([0, 3], np.uint8), inputs([0, 3 / 255])),
    "zeros and ones": (in_both([0, 1], np.int64), inputs([0, 1])),
    "booleans": (in_both([False, True], bool), inputs([0, 1])),
    "floats": (FLOATS, inputs(np.unique(GREYS))),
    "half precision": (in_both([0.25, 0.5], np.float16), inputs([0.25, 0.5])),
    "big-endian floats": (in_both([0.25, 0.5], ">f8"), inputs([0.25, 0.5])),
    "extended precision": (in_both([0.25, 0.5], np.longdouble), inputs([0.25, 0.5])),
    "floats in another precision in each split": (
        {"X_train": GREYS.astype(np.float64), "X_test": GREYS[:6]},
        inputs(np.unique(GREYS)),
    ),
    "standardized floats": (in_both([-1.5, 0.0, 2.5]), inputs([-1.5, 0, 2.5])),
    "a constant": (in_both([0.5]), inputs([0.5])),
    "images with a channel": (
        {key: VALID[key][..., None] for key in ("X_train", "X_test")},
        like(),
    ),
    "flat images": ({key: VALID[key].reshape(-1, 6) for key in ("X_train", "X_test")}, like()),
    # -- labels and splits
    "labels in bytes": ({"y_train": VALID["y_train"].astype(np.uint8)}, like()),
    "big-endian labels": ({"y_test": VALID["y_test"].astype(">i8")}, like()),
    "a single test image": (
        {"X_test": VALID["X_test"][:1], "y_test": VALID["y_test"][:1]},
        Accepted(lambda data: len(data.X_test) == 1),
    ),
    "a class that the test split lacks": (
        {"y_test": np.zeros(6, int)},
        Accepted(lambda data: data.n_classes == 3),
    ),
    "other arrays, even pickled ones": ({"notes": np.array(["a"], dtype=object)}, like()),
}


SHAPE, UNITS = "expected the same shape, in the same order of axes", "expected the same units"
REFUSED_ARRAYS = {
    "a missing array": ({"y_test": None}, "no array y_test"),
    "pickled objects": ({"y_train": np.array([0, 1, 2] * 4, dtype=object)}, "allow_pickle=False"),
    "NaN": (in_both(np.nan), "X_train has values that are NaN"),
    "infinity": (
        in_both([0.0, 1.0]) | {"X_test": np.full((6, 2, 3), -np.inf)},
        "X_test has values",
    ),
    "beyond float32": (in_both(1e300), "beyond float32"),
    "complex pixels": (in_both(0, complex), "of type complex128; expected uint8"),
    "text for pixels": (in_both("a"), "of type <U1; expected uint8"),
    "negative integers": (in_both([-1, 255]), "of type int64 with values -1 … 255"),
    "integers of 16 bits": (in_both([0, 65535], np.uint16), "(X / 65535).astype('float32')"),
    "integers of 12 bits": (in_both([0, 4095], np.int32), "largest possible value is not known"),
    "wide integers of few levels": (in_both([0, 16]), "of type int64 with values 0 … 16"),
    "grey levels stored as floats": (
        in_both([0.0, 255.0]),
        ".astype('uint8'), or divide them by 255",
    ),
    "grey levels in half precision": (in_both([0, 7, 255], np.float16), "whole numbers 0 … 255"),
    "channels first here, last there": (
        {"X_train": np.zeros((12, 1, 4, 4)), "X_test": np.zeros((6, 4, 4, 1))},
        SHAPE,
    ),
    "flat here, images there": ({"X_test": np.zeros((6, 6), np.uint8)}, SHAPE),
    "other inputs in the test split": ({"X_test": np.zeros((6, 2, 4), np.uint8)}, SHAPE),
    "integers here, floats there": (
        {"X_test": np.zeros((6, 2, 3))},
        "X_train is of type uint8, but X_test of type float64",
    ),
    "floats scaled in one split only": (
        {
            "X_train": in_both(np.linspace(0, 1, 7))["X_train"],
            "X_test": in_both([0.5, 254.5])["X_test"],
        },
        UNITS,
    ),
    "bytes scaled in one split only": (
        {
            "X_train": in_both([0, 255], np.uint8)["X_train"],
            "X_test": in_both([0, 1], int)["X_test"],
        },
        UNITS,
    ),
    "images without pixels": ({"X_train": np.zeros((12, 0), np.uint8)}, "has shape (12, 0)"),
    "no images": ({"X_test": np.zeros((0, 6), np.uint8)}, "X_test has shape (0, 6)"),
    "one number per image": ({"X_train": np.zeros(12, np.uint8)}, "has shape (12,)"),
    "fewer labels than images": ({"y_train": np.arange(9) % 3}, "12 examples in X_train, but 9"),
    "labels with a column": ({"y_train": np.zeros((12, 1), int)}, "y_train has shape (12, 1)"),
    "one-hot labels": ({"y_test": np.eye(6, dtype=int)}, "y_test has shape (6, 6)"),
    "no labels": ({"y_test": np.zeros(0, int)}, "y_test has shape (0,)"),
    "labels of floats": ({"y_train": np.zeros(12)}, "y_train is of type float64"),
    "labels of text": ({"y_train": np.full(12, "cat")}, "y_train is of type <U3"),
    "negative labels": ({"y_train": np.arange(12) % 3 - 1}, "y_train has class -1"),
    "enormous labels": ({"y_train": np.full(12, 2**64 - 1, np.uint64)}, "y_train has class"),
    "labels from one": ({"y_train": np.arange(12) % 3 + 1}, "y_train has no 0"),
    "a gap in the labels": ({"y_train": np.arange(12) % 3 * 2}, "y_train has no 1"),
    "a single class": ({"y_train": np.zeros(12, int)}, "y_train has only one class"),
    "a class only in the test split": ({"y_test": np.arange(6)}, "y_test has class 5"),
    "no array under this name": (
        {"X_train": None, "x_train": VALID["X_train"]},
        "no array X_train",
    ),
    "NaN in one place": (
        {"X_train": GREYS, "X_test": np.where(np.arange(6) == 4, np.nan, GREYS[:6, 0, 0])[:, None]},
        SHAPE,
    ),
    "NaN in a test image": (
        FLOATS | {"X_test": np.where(GREYS[:6] == GREYS[3, 1, 1], np.nan, GREYS[:6])},
        "X_test has values that are NaN",
    ),
    "dates": (
        {"X_train": np.full((12, 6), np.datetime64(datetime.date(2024, 1, 1)))},
        "datetime64",
    ),
    "records": ({"X_train": np.zeros((12, 6), [("a", "u1"), ("b", "u1")])}, "expected uint8"),
    "labels of booleans": ({"y_train": np.arange(12) % 2 == 0}, "y_train is of type bool"),
    "labels that are objects": ({"y_test": np.array([None] * 6)}, "allow_pickle=False"),
    "a single number": ({"X_train": np.uint8(3)}, "X_train has shape ()"),
    "splits that are exchanged": (
        {"X_train": VALID["X_test"], "X_test": VALID["X_train"]},
        "6 examples in X_train, but 12 labels in y_train",
    ),
}


REFUSED_FILES = {
    "nothing": (lambda path: None, "no such file"),
    "a folder": (lambda path: path.mkdir(), "no such file"),
    "an empty file": (lambda path: path.write_bytes(b""), "not an .npz"),
    "text": (lambda path: path.write_text("X_train, y_train"), "not an .npz"),
    "a pickle": (lambda path: path.write_bytes(pickle.dumps(user_arrays())), "not an .npz"),
    "a single array": (lambda path: path.write_bytes(header((1,)) + b"\0"), "not an .npz"),
    "an empty archive": (lambda path: np.savez(path), "no array X_train, y_train, X_test, y_test"),
    "a member that is no array": (
        lambda path: rewritten(path, X_train=b"hello"),
        "X_train is damaged, or not numbers",
    ),
    "a member of half its length": (
        lambda path: rewritten(path, X_train=header((12, 6)) + bytes(36)),
        "X_train is damaged",
    ),
    "a member that is too long": (
        lambda path: rewritten(path, X_train=header((12, 6)) + bytes(73)),
        "X_train is damaged",
    ),
    "a shape of 80 TB": (
        lambda path: rewritten(path, X_train=header((10**13, 1), "<f8")),
        "X_train is damaged",
    ),
    "a negative shape": (
        lambda path: rewritten(path, X_train=header((-12, -6)) + bytes(72)),
        "X_train is damaged",
    ),
    "a pickle in a member": (
        lambda path: rewritten(path, y_train=header((12,), "|O") + pickle.dumps([0, 1, 2] * 4)),
        "allow_pickle=False",
    ),
    "a gzip": (lambda path: path.write_bytes(gzip.compress(b"X_train")), "not an .npz"),
    "a spreadsheet": (
        lambda path: zipfile.ZipFile(path, "w").writestr("xl/workbook.xml", "<workbook/>"),
        "no array X_train, y_train, X_test, y_test",
    ),
    "an HDF5 file": (
        lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)),
        "not an .npz",
    ),
    "a link to nothing": (lambda path: path.symlink_to("absent.npz"), "no such file"),
    "a pipe": (lambda path: os.mkfifo(path), "no such file"),
    "the first half": (lambda path: cut(path, 0.5), "damaged, or not an .npz file"),
    "all but its last byte": (lambda path: cut(path, -1), "damaged, or not an .npz file"),
    "an unknown compression": (lambda path: method(path, 99), "X_train is damaged"),
    "a password": (lambda path: encrypted(path), "X_train is damaged"),
    "a flipped bit": (lambda path: flipped(path), "CRC"),
    "arrays in a folder": (lambda path: in_folder(path), "no array X_train"),
    "code in a header": (
        lambda path: rewritten(path, X_train=hostile_header()),
        "X_train is damaged",
    ),
    "a header of 60,000 characters": (
        lambda path: rewritten(path, X_train=header((1,) * 20_000)),
        "X_train is damaged",
    ),
}


def cut(path, share):
    np.savez(path, **VALID)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content)) if share > 0 else share])


def changed_heads(path, change):
    """Write a valid .npz and change the two heads of its first member in the archive."""
    np.savez(path, **VALID)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0].header_offset
    for start, offset in ((first, 6), (content.index(b"PK\x01\x02"), 8)):
        change(content, start + offset)
    path.write_bytes(content)


def method(path, number):
    changed_heads(path, lambda content, at: content.__setitem__(at + 2, number))


def encrypted(path):
    changed_heads(path, lambda content, at: content.__setitem__(at, content[at] | 1))


def flipped(path):
    np.savez(path, **VALID)
    content = bytearray(path.read_bytes())
    content[content.index(VALID["X_train"].tobytes()) + 40] ^= 1
    path.write_bytes(content)


def in_folder(path):
    np.savez(path, **{f"data/{key}": value for key, value in VALID.items()})


def hostile_header():
    return header((12, 6)).replace(b"(12, 6)", b"exit(1)")


def spec(path):
    return DatasetSpec("npz", str(path), "data")


def study_of(path, **settings):
    """Return a study of three classes whose data lie in `path`."""
    own = {"dataset": {"name": "npz", "path": str(path)}, "base": {"train_size": 10}}
    blocks = {"train_size": None, "generalization_gap": None, "evidence": None}
    blocks |= dict.fromkeys(["learning_rate", "momentum", "weight_decay", "label_noise"])
    blocks |= {"fixed_epochs": None, "batch_size": {"batch_size": [1, 2, 5]}}
    return load_study(patched(own, {"experiments": blocks}, settings))


def prepared(path, output):
    prepare_dataset(spec(path), output)
    return load_dataset(output)


@pytest.mark.parametrize(("changes", "expected"), **rows(ACCEPTED))
def test_arrays_that_are_used(tmp_path, changes, expected):
    path = tmp_path / "own.npz"
    np.savez(path, **user_arrays(**changes))
    check_data(study_of(path))
    verify(lambda: prepared(path, tmp_path / "data.npz"), expected, tmp_path)


@pytest.mark.parametrize(("changes", "words"), **rows(REFUSED_ARRAYS))
def test_arrays_that_do_not_fit(tmp_path, changes, words):
    path = tmp_path / "own.npz"
    np.savez(path, **user_arrays(**changes))
    refused_before_and_when_it_is_prepared(path, Refused(str(path), words))


@pytest.mark.parametrize(("write", "words"), **rows(REFUSED_FILES))
def test_files_that_are_no_data_set(tmp_path, write, words):
    path = tmp_path / "own.npz"
    write(path)
    refused_before_and_when_it_is_prepared(path, Refused(str(path), words))


def refused_before_and_when_it_is_prepared(path, expected):
    folder = path.parent
    verify(lambda: check_data(study_of(path)), expected, folder)
    verify(lambda: prepared(path, folder / "data.npz"), expected, folder)


NAMES = {
    "spaces": "my data.npz",
    "letters that are not ASCII": "Größe_数据.npz",
    "quotes and a dollar": 'it\'s $HOME "data".npz',
    "no ending": "data",
    "another ending": "data.zip",
    "a folder": "a/b.npz",
    "a leading dash": "-rf.npz",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_names_of_files(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(exist_ok=True)
    with open(name, "wb") as file:
        np.savez(file, **VALID)
    verify(lambda: prepared(name, tmp_path / "out.npz"), like(), tmp_path)


def test_a_path_may_start_with_a_tilde_and_be_a_link(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    np.savez(tmp_path / "file.npz", **VALID)
    (tmp_path / "link.npz").symlink_to("file.npz")
    check_data(study_of("~/link.npz"))
    verify(lambda: prepared("~/link.npz", tmp_path / "out.npz"), like(), tmp_path)


def test_test_images_in_the_training_split_are_counted_and_reported(tmp_path, caplog):
    leaking = VALID["X_test"].copy()
    leaking[[1, 4]] = VALID["X_train"][[7, 0]]
    np.savez(tmp_path / "own.npz", **user_arrays(X_test=leaking))
    prepared(tmp_path / "own.npz", tmp_path / "data.npz")
    assert read_dataset_metadata(tmp_path / "data.npz")["test_images_in_train"] == 2
    assert "2 of 6 images in X_test also occur in X_train" in caplog.text


# ---- A study that asks for more than there is ----------------------------------------------------

EVIDENCE = {"train_size": 4, "test_size": 2, "classes": [0, 1]}
UNFIT = {
    "more training examples": ({"base": {"train_size": 13}}, Refused("is 13", "at most 12")),
    "more of one curve": (
        {"experiments": {"train_size": {"train_size": [6, 99], "batch_size": [1, 2, 3]}}},
        Refused("experiments.train_size.train_size", "is 99", "at most 12"),
    ),
    "a class that does not exist": (
        {"experiments": {"evidence": EVIDENCE | {"classes": [0, 7]}}},
        Refused("experiments.evidence.classes[1] is 7", "one of 0, 1, 2"),
    ),
    "more images of a class": (
        {"experiments": {"evidence": EVIDENCE | {"test_size": 6}}},
        Refused("experiments.evidence.test_size is 6", "at most 4"),
    ),
    "both splits are enough": (
        {"experiments": {"evidence": EVIDENCE | {"test_size": 6, "pool": "all"}}},
        Accepted(),
    ),
}


@pytest.mark.parametrize(("settings", "expected"), **rows(UNFIT))
def test_a_study_and_data_that_do_not_fit(tmp_path, settings, expected):
    path, output = tmp_path / "own.npz", tmp_path / "results" / "data.npz"
    np.savez(path, **VALID)
    study = study_of(path, **settings)
    (tmp_path / "study.json").write_text(study.to_json())
    verify(lambda: check_data(study), expected, tmp_path)
    verify(lambda: data_stage(tmp_path / "study.json", output), expected, tmp_path)
    prepare_dataset(spec(path), output)
    # Also when the data were prepared for an earlier study that did fit.
    verify(lambda: check_data(study, output), expected, tmp_path)
    verify(lambda: load_data_of(study, output), expected, tmp_path)


def test_of_a_large_file_the_labels_are_checked_beforehand(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "MAX_CHECKED_BYTES", 1)
    monkeypatch.setattr(check, "load_user_npz", None)
    path = tmp_path / "own.npz"
    np.savez(path, **VALID)
    check_data(study_of(path))
    with pytest.raises(NoisescaleError, match="at most 12"):
        check_data(study_of(path, base={"train_size": 13}))
    np.savez(path, **user_arrays(y_train=np.arange(12) % 3 + 1))
    with pytest.raises(DataError, match="y_train has no 0"):
        check_data(study_of(path))


def test_data_of_another_set_are_refused(tmp_path):
    prepare_dataset(DatasetSpec("digits", None, "data"), tmp_path / "data.npz")
    words = Refused("data.npz: contains digits, but study test expects npz")
    verify(lambda: load_data_of(study_of("own.npz"), tmp_path / "data.npz"), words, tmp_path)


# ---- Files that change ---------------------------------------------------------------------------


def rewrite(path, age, **changes):
    """Replace a file; its time is `age` seconds before that of the replaced one."""
    before = path.stat()
    np.savez(path, **user_arrays(**changes))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns - int(age * 1e9)))


CHANGES = {
    "other data with an older time": (lambda p: rewrite(p, 1000, y_train=[2, 1, 0] * 4), True),
    "other data with the same time": (lambda p: rewrite(p, 0, y_train=[2, 1, 0] * 4), True),
    "other data with a newer time": (lambda p: rewrite(p, -1000, y_train=[2, 1, 0] * 4), True),
    "the same file with another time": (lambda p: os.utime(p, (1, 1)), False),
    "nothing": (lambda p: None, False),
}


@pytest.mark.parametrize(("change", "noticed"), **rows(CHANGES))
def test_a_file_that_is_replaced(tmp_path, monkeypatch, change, noticed):
    from noisescale.planning.records import Recorder

    monkeypatch.chdir(tmp_path)
    path = tmp_path / "own.npz"
    np.savez(path, **VALID)
    plan = Plan(study_of(path), Path("results"))
    plan.folder.mkdir()
    (plan.folder / "study.json").write_text(plan.study.to_json())
    recorder = Recorder(plan.folder / "records" / "data.json")
    data_stage(plan.folder / "study.json", plan.folder / "data.npz")
    recorder.finish()
    assert "data" not in examine(plan).stages
    change(path)
    assert ("data" in examine(plan).stages) == noticed
    assert (plan.data_digest() is None) == noticed
