"""A user's own file: what is accepted. What is refused: tests/inputs/test_own_files.py."""

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from helpers.datasets import header, in_both, one_line, rewritten, user_arrays

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
    dataset = own(**in_both(values, dtype))
    np.testing.assert_allclose(np.unique(dataset.X_train), expected, rtol=1e-6)
    np.testing.assert_allclose(np.unique(dataset.X_test), expected, rtol=1e-6)


def test_the_type_of_integers_does_not_change_the_digest(own, tmp_path):
    values = user_arrays()
    wide = {key: values[key].astype(np.int64) for key in ("X_train", "X_test")}
    assert own(tmp_path / "wide.npz", **wide).digest == own().digest


@pytest.mark.parametrize("high", [254.0, 255.5, 256.0])
def test_own_floats_that_are_not_grey_levels_are_taken_as_they_are(own, high):
    dataset = own(**in_both([0.0, 3.0, high]))
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
