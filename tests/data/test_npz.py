"""A user's own file: what is accepted, what is refused, and the error messages."""

import io
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.datasets import one_line, user_arrays

from noisescale.data import npz
from noisescale.data.dataset import load_dataset, read_dataset_metadata
from noisescale.data.prepare import prepare_dataset
from noisescale.errors import DataError, RecordError
from noisescale.study.model import DatasetSpec

DIGITS = DatasetSpec("digits", None, "data")


@pytest.fixture
def own(tmp_path):
    """Return a function that writes a user's file and prepares it."""

    def prepared(path=tmp_path / "own.npz", **changes):
        if not path.exists():
            np.savez(path, **user_arrays(**changes))
        output = tmp_path / "prepared.npz"
        prepare_dataset(DatasetSpec("npz", str(path), "data"), output)
        return load_dataset(output)

    return prepared


def test_own_images_of_bytes_are_flattened_and_scaled_to_unit_range(own):
    dataset = own()
    expected = user_arrays()
    assert dataset.X_train.dtype == np.float32 and dataset.n_classes == 3
    np.testing.assert_allclose(dataset.X_train, expected["X_train"].reshape(12, 6) / 255, rtol=1e-6)
    np.testing.assert_array_equal(dataset.y_test, expected["y_test"])


def test_own_floats_are_taken_as_they_are(own):
    X = np.random.default_rng(0).normal(3, 100, (12, 6))
    dataset = own(X_train=X, X_test=X[:6].astype(np.float16))
    np.testing.assert_array_equal(dataset.X_train, X.astype(np.float32))


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([0, 7, 255], np.int64, [0, 7 / 255, 1]),
        ([0, 200], np.uint16, [0, 200 / 255]),
        ([0, 128], ">i4", [0, 128 / 255]),
        ([0, 3], np.uint8, [0, 3 / 255]),
        ([0, 1], np.int64, [0, 1]),
        ([0, 1], np.uint8, [0, 1]),
        ([False, True], bool, [0, 1]),
    ],
)
def test_own_integers_mean_what_their_range_says(own, values, dtype, expected):
    dataset = own(**both(values, dtype))
    np.testing.assert_allclose(np.unique(dataset.X_train), expected, rtol=1e-6)
    np.testing.assert_allclose(np.unique(dataset.X_test), expected, rtol=1e-6)


def test_the_type_of_integers_does_not_change_the_digest(own, tmp_path):
    values = user_arrays()
    wide = {key: values[key].astype(np.int64) for key in ("X_train", "X_test")}
    assert own(tmp_path / "wide.npz", **wide).digest == own().digest


@pytest.mark.parametrize("high", [254.0, 255.5, 256.0])
def test_own_floats_that_are_not_grey_levels_are_taken_as_they_are(own, high):
    dataset = own(**both([0.0, 3.0, high]))
    np.testing.assert_array_equal(np.unique(dataset.X_train), np.float32([0, 3, high]))


def test_test_images_that_also_occur_in_the_training_split_are_counted(own, tmp_path, caplog):
    valid = user_arrays()
    leaking = valid["X_test"].copy()
    leaking[[1, 4]] = valid["X_train"][[7, 0]]
    own()
    assert read_dataset_metadata(tmp_path / "prepared.npz")["test_images_in_train"] == 0
    assert not caplog.records
    own(tmp_path / "leaking.npz", X_test=leaking)
    assert read_dataset_metadata(tmp_path / "prepared.npz")["test_images_in_train"] == 2
    (message,) = caplog.messages
    assert "leaking.npz: 2 of 6 images in X_test also occur in X_train" in message


def test_own_file_may_be_compressed_and_contain_other_arrays(tmp_path, own):
    np.savez_compressed(tmp_path / "more.npz", **user_arrays(), notes=np.array(["a"], dtype=object))
    assert own(tmp_path / "more.npz").digest == own().digest


def test_the_digest_changes_with_the_content_only(tmp_path, own):
    def digest(name, **changes):
        return own(tmp_path / name, **changes).digest

    base = digest("a.npz")
    flat = {key: user_arrays()[key].reshape(-1, 6) for key in ("X_train", "X_test")}
    assert digest("b.npz") == base == digest("c.npz", **flat)
    assert digest("d.npz", y_train=(np.arange(12) % 3).astype(np.uint8)) == base
    others = []
    for key in npz.ARRAYS:
        changed = user_arrays()[key].copy()
        changed.flat[4] = 0 if changed.flat[4] else 1
        others.append(digest(f"{key}.npz", **{key: changed}))
    as_floats = {key: user_arrays()[key].astype(np.float32) for key in ("X_train", "X_test")}
    others.append(digest("floats.npz", **as_floats))
    assert len({base, *others}) == 6


def both(values, dtype=None):
    """Return X_train and X_test that have these values and no others, in equal shares."""
    X = np.resize(np.asarray(values, dtype), (12, 2, 3))
    return {"X_train": X, "X_test": X[:6]}


SHAPE, UNITS = "expected the same shape, in the same order of axes", "expected the same units"
BAD_ARRAYS = {
    "a missing array": ({"y_test": None}, "no array y_test"),
    "pickled objects": ({"y_train": np.array([0, 1, 2] * 4, dtype=object)}, "allow_pickle=False"),
    "NaN": (both(np.nan), "X_train has values that are NaN"),
    "infinity": (both([0.0, 1.0]) | {"X_test": np.full((6, 2, 3), -np.inf)}, "X_test has values"),
    "beyond float32": (both(1e300), "beyond float32"),
    "complex pixels": (both(0, complex), "of type complex128; expected uint8"),
    "text for pixels": (both("a"), "of type <U1; expected uint8"),
    "negative integers": (both([-1, 255]), "of type int64 with values -1 … 255"),
    "integers of 16 bits": (both([0, 65535], np.uint16), "(X / 65535).astype('float32')"),
    "integers of 12 bits": (both([0, 4095], np.int32), "largest possible value is not known"),
    "wide integers of few levels": (both([0, 16]), "of type int64 with values 0 … 16"),
    "grey levels stored as floats": (both([0.0, 255.0]), ".astype('uint8'), or divide them by 255"),
    "grey levels in half precision": (both([0, 7, 255], np.float16), "whole numbers 0 … 255"),
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
        {"X_train": both(np.linspace(0, 1, 7))["X_train"], "X_test": both([0.5, 254.5])["X_test"]},
        UNITS,
    ),
    "bytes scaled in one split only": (
        {"X_train": both([0, 255], np.uint8)["X_train"], "X_test": both([0, 1], int)["X_test"]},
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
}


@pytest.mark.parametrize(("changes", "words"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_own_file_that_does_not_fit_is_refused_in_one_line(own, tmp_path, changes, words):
    with pytest.raises(DataError) as excinfo:
        own(**changes)
    assert one_line(excinfo, tmp_path / "own.npz", words)
    assert not (tmp_path / "prepared.npz").exists()


def header(shape, descr="|u1"):
    """Return the head of an .npy file that declares `shape`, without its contents."""
    file = io.BytesIO()
    fields = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, fields)
    return file.getvalue()


def rewritten(path, **members):
    """Write a valid .npz in which some members have other bytes."""
    np.savez(path, **user_arrays())
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents |= {f"{key}.npy": content for key, content in members.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


BAD_FILES = {
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
}


@pytest.mark.parametrize(("write", "words"), BAD_FILES.values(), ids=BAD_FILES)
def test_own_file_that_is_not_a_valid_npz_is_refused_in_one_line(tmp_path, write, words):
    path, output = tmp_path / "bad.npz", tmp_path / "prepared.npz"
    write(path)
    with pytest.raises(DataError) as excinfo:
        prepare_dataset(DatasetSpec("npz", str(path), "data"), output)
    assert one_line(excinfo, path, words)
    assert not output.exists()


def test_own_file_with_a_wrong_byte_is_refused(tmp_path):
    path = tmp_path / "flipped.npz"
    np.savez(path, **user_arrays())
    content = bytearray(path.read_bytes())
    content[content.index(user_arrays()["X_train"].tobytes()) + 40] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"damaged.*CRC"):
        prepare_dataset(DatasetSpec("npz", str(path), "data"), tmp_path / "prepared.npz")


def test_own_file_may_have_any_version_of_the_array_format(tmp_path, own):
    path = tmp_path / "version.npz"
    file = io.BytesIO()
    np.lib.format.write_array(file, user_arrays()["X_train"], version=(2, 0))
    rewritten(path, X_train=file.getvalue())
    assert own(path).digest == own().digest


def test_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, **user_arrays(X_train=np.zeros((12, 2**20), np.uint8)))
    assert path.stat().st_size < 2**17
    monkeypatch.setattr(npz, "MAX_BYTES", 2**22)
    monkeypatch.setattr(np.lib.format, "read_array", None)  # nothing may be read
    with pytest.raises(DataError) as excinfo:
        prepare_dataset(DatasetSpec("npz", str(path), "data"), tmp_path / "prepared.npz")
    assert one_line(excinfo, "unpacks to")


def test_zip_bomb_that_lies_about_its_size_is_not_unpacked(tmp_path):
    """Its headers say 200 bytes where there are 64 million."""
    path, size = tmp_path / "bomb.npz", 2**26
    rewritten(path, X_train=header((12, 6)) + bytes(size))
    declared, true = (len(header((12, 6))) + n for n in (72, size))
    content = path.read_bytes()
    assert content.count(true.to_bytes(4, "little")) == 2
    path.write_bytes(content.replace(true.to_bytes(4, "little"), declared.to_bytes(4, "little")))
    tracemalloc.start()
    with pytest.raises(DataError, match="damaged"):
        prepare_dataset(DatasetSpec("npz", str(path), "data"), tmp_path / "prepared.npz")
    assert tracemalloc.get_traced_memory()[1] < size / 8
    tracemalloc.stop()


def test_a_pickle_is_never_executed(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "trap.npz", **user_arrays(X_train=np.array([[Trap()]], dtype=object)))
        with pytest.raises(DataError, match="allow_pickle=False"):
            prepare_dataset(
                DatasetSpec("npz", str(tmp_path / "trap.npz"), ""), tmp_path / "out.npz"
            )
    assert not (tmp_path / "sprung").exists()


def test_unknown_name_and_missing_path_are_refused(tmp_path):
    with pytest.raises(DataError, match="'cifar' is not known; expected one of digits"):
        prepare_dataset(DatasetSpec("cifar", None, "data"), tmp_path / "out.npz")
    with pytest.raises(DataError, match=r"dataset\.path: missing"):
        prepare_dataset(DatasetSpec("npz", None, "data"), tmp_path / "out.npz")


def test_unwritable_output_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot be written"):
        prepare_dataset(DIGITS, tmp_path / "file" / "out.npz")
