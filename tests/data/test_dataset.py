"""Prepared data sets: digits, the file that all stages read, and its metadata."""

import json

import numpy as np
import pytest
from helpers.datasets import one_line, user_arrays

from noisescale.data.dataset import load_dataset, read_dataset_metadata
from noisescale.data.prepare import prepare_dataset
from noisescale.errors import DataError
from noisescale.study.model import DatasetSpec

DIGITS = DatasetSpec("digits", None, "data")

# --- digits ---


def test_digits_have_a_fixed_split_with_every_class_in_proportion(digits):
    assert digits.X_train.shape == (1000, 64) and digits.X_test.shape == (797, 64)
    shares = np.bincount(digits.y_train) / (
        np.bincount(digits.y_train) + np.bincount(digits.y_test)
    )
    np.testing.assert_allclose(shares, 1000 / 1797, atol=0.005)


def test_digits_contain_every_image_once_with_its_label(digits):
    from sklearn.datasets import load_digits

    def rows(X, y):
        return sorted(map(tuple, np.column_stack([np.round(X), y]).astype(int)))

    X, y = load_digits(return_X_y=True)
    ours = np.concatenate([digits.X_train, digits.X_test]) * 16
    assert rows(ours, np.concatenate([digits.y_train, digits.y_test])) == rows(X, y)


def test_digits_are_in_unit_range_and_in_no_order_of_class(digits):
    assert digits.X_train.dtype == np.float32 and digits.y_train.dtype == np.int64
    assert digits.X_train.min() == 0 and digits.X_train.max() == 1
    assert digits.n_classes == 10 == len(np.unique(digits.y_train[:60]))


def test_metadata_are_read_without_the_arrays(digits_path, digits):
    assert read_dataset_metadata(digits_path) == {
        "name": "digits",
        "n_classes": 10,
        "digest": digits.digest,
        "source": None,
        "test_images_in_train": None,
    }


@pytest.mark.parametrize("read", [load_dataset, read_dataset_metadata])
def test_nobody_is_advised_to_delete_a_file_of_their_own(tmp_path, read):
    np.savez(tmp_path / "own.npz", **user_arrays())
    (tmp_path / "notes.npz").write_text("not an archive")
    for name in ("own.npz", "notes.npz"):
        with pytest.raises(DataError) as excinfo:
            read(tmp_path / name)
        assert one_line(excinfo, tmp_path / name, "belongs in dataset.path of the study")
        assert "delete" not in str(excinfo.value)


def test_preparing_twice_gives_the_same_bytes(digits_path, tmp_path):
    prepare_dataset(DIGITS, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == digits_path.read_bytes()


def test_the_prepared_file_is_the_only_one_that_is_written(digits_path):
    assert list(digits_path.parent.iterdir()) == [digits_path]


# --- loading ---


def test_prepared_file_that_was_cut_is_refused_in_one_line_wherever_it_was_cut(
    digits_path, tmp_path
):
    content, path = digits_path.read_bytes(), tmp_path / "cut.npz"
    for end in {*np.linspace(0, len(content) - 1, 60).astype(int), len(content) - 1}:
        path.write_bytes(content[:end])
        with pytest.raises(DataError) as excinfo:
            load_dataset(path)
        assert one_line(excinfo, path, "expected what the command `noisescale data` writes")


def test_prepared_file_with_a_wrong_byte_is_refused_or_means_the_same(
    digits_path, digits, tmp_path
):
    content, path = digits_path.read_bytes(), tmp_path / "flipped.npz"
    rng = np.random.default_rng(0)
    heads = [content.index(f"{key}.npy".encode()) for key in ("X_train", "y_test", "meta")]
    near = [head + offset for head in heads for offset in range(-30, 160, 3)]
    refused = 0
    for position in [*rng.integers(len(content), size=100), *near, *range(-300, 0, 3)]:
        changed = bytearray(content)
        changed[position] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        try:
            loaded = load_dataset(path)
        except DataError as error:
            refused += 1
            assert "\n" not in str(error)
        else:
            assert loaded.digest == digits.digest
            np.testing.assert_array_equal(loaded.X_train, digits.X_train)
    assert refused > 150


def test_loading_anything_else_is_refused_in_one_line(tmp_path, digits_path):
    path = tmp_path / "other.npz"
    with np.load(digits_path) as file:
        prepared = dict(file)
    meta = json.loads(str(prepared["meta"]))
    foreign = [
        user_arrays(),
        prepared | {"y_train": prepared["y_train"][::-1]},
        prepared | {"scale": 1 / 15},
        prepared | {"scale": np.zeros(2)},
        prepared | {"meta": np.array("[]")},
        prepared | {"meta": np.array("not JSON")},
        prepared | {"meta": np.array(json.dumps(meta | {"schema_version": 0}))},
        prepared | {"meta": np.array(json.dumps(meta | {"name": "mnist"}))},
    ]
    for content in foreign:
        np.savez(path, **content)
        with pytest.raises(DataError) as excinfo:
            load_dataset(path)
        assert one_line(excinfo, path, "expected what the command `noisescale data` writes")
    with pytest.raises(DataError, match="no such file"):
        load_dataset(tmp_path / "absent.npz")
