"""Data sets: what is accepted, what is refused and in which words, and the preprocessing."""

import gzip
import hashlib
import http.server
import io
import json
import os
import pickle
import shutil
import socket
import threading
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from noisescale.data import dataset as data
from noisescale.data import npz
from noisescale.data.dataset import load_dataset
from noisescale.data.prepare import prepare_dataset
from noisescale.data.preprocessing import preprocess
from noisescale.errors import DataError, RecordError
from noisescale.storage.digests import sha256
from noisescale.study.model import DatasetSpec

DIGITS = DatasetSpec("digits", None, "data")
MNIST = DatasetSpec("mnist", None, "data")
ROOT = os.environ.get("NOISESCALE_DATA", "")  # before the tests change it
RAW = Path(ROOT) / "MNIST" / "raw"


def needs_mnist(test):
    """Mark a test that reads real MNIST; it is skipped where there is none."""
    absent = not (RAW / "train-images-idx3-ubyte").is_file()
    skip = pytest.mark.skipif(absent, reason="NOISESCALE_DATA has no MNIST/raw")
    return pytest.mark.mnist(skip(test))


@pytest.fixture(scope="module")
def digits_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    prepare_dataset(DIGITS, path)
    return path


@pytest.fixture(scope="module")
def digits(digits_path):
    return load_dataset(digits_path)


def arrays(**changes):
    """Return 12 + 6 images of 2 × 3 pixels in three classes, a sound data set but for `changes`."""
    rng = np.random.default_rng(0)
    sound = {
        "X_train": rng.integers(0, 256, (12, 2, 3), dtype=np.uint8),
        "y_train": np.arange(12) % 3,
        "X_test": rng.integers(0, 256, (6, 2, 3), dtype=np.uint8),
        "y_test": np.arange(6) % 3,
    }
    return {key: value for key, value in (sound | changes).items() if value is not None}


@pytest.fixture
def own(tmp_path):
    """Return a function that writes a user's file and prepares it."""

    def prepared(path=tmp_path / "own.npz", **changes):
        if not path.exists():
            np.savez(path, **arrays(**changes))
        output = tmp_path / "prepared.npz"
        prepare_dataset(DatasetSpec("npz", str(path), "data"), output)
        return load_dataset(output)

    return prepared


def one_line(excinfo, *parts):
    message = str(excinfo.value)
    assert "\n" not in message and len(message) < 700
    for part in parts:
        assert str(part) in message
    return True


# --- digits ---


def test_digits_are_split_once_and_for_all_with_every_class_in_proportion(digits):
    assert digits.X_train.shape == (1000, 64) and digits.X_test.shape == (797, 64)
    shares = np.bincount(digits.y_train) / (
        np.bincount(digits.y_train) + np.bincount(digits.y_test)
    )
    np.testing.assert_allclose(shares, 1000 / 1797, atol=0.005)


def test_digits_hold_every_image_once_with_its_label(digits):
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


def test_preparing_twice_gives_the_same_bytes(digits_path, tmp_path):
    prepare_dataset(DIGITS, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == digits_path.read_bytes()


def test_prepared_file_has_its_checksum_beside_it_and_leaves_nothing_else(digits_path):
    name = digits_path.name
    checksum = Path(f"{digits_path}.sha256").read_text()
    assert checksum == f"{hashlib.sha256(digits_path.read_bytes()).hexdigest()}  {name}\n"
    assert {path.name for path in digits_path.parent.iterdir()} == {name, f"{name}.sha256"}


# --- the user's own file ---


def test_own_images_of_bytes_are_flattened_and_scaled_to_unit_range(own):
    dataset = own()
    expected = arrays()
    assert dataset.X_train.dtype == np.float32 and dataset.n_classes == 3
    np.testing.assert_allclose(dataset.X_train, expected["X_train"].reshape(12, 6) / 255, rtol=1e-6)
    np.testing.assert_array_equal(dataset.y_test, expected["y_test"])


def test_own_floats_are_taken_as_they_are(own):
    X = np.random.default_rng(0).normal(3, 100, (12, 6))
    dataset = own(X_train=X, X_test=X[:6].astype(np.float16))
    np.testing.assert_array_equal(dataset.X_train, X.astype(np.float32))


def test_own_file_may_be_compressed_and_hold_more_than_is_asked(tmp_path, own):
    np.savez_compressed(tmp_path / "more.npz", **arrays(), notes=np.array(["a"], dtype=object))
    assert own(tmp_path / "more.npz").digest == own().digest


def test_digest_changes_with_any_content_and_with_nothing_else(tmp_path, own):
    def digest(name, **changes):
        return own(tmp_path / name, **changes).digest

    base = digest("a.npz")
    flat = {key: arrays()[key].reshape(-1, 6) for key in ("X_train", "X_test")}
    assert digest("b.npz") == base == digest("c.npz", **flat)
    assert digest("d.npz", y_train=(np.arange(12) % 3).astype(np.uint8)) == base
    others = []
    for key in data.ARRAYS:
        changed = arrays()[key].copy()
        changed.flat[4] = 0 if changed.flat[4] else 1
        others.append(digest(f"{key}.npz", **{key: changed}))
    as_floats = {key: arrays()[key].astype(np.float32) for key in ("X_train", "X_test")}
    others.append(digest("floats.npz", **as_floats))
    assert len({base, *others}) == 6


NAN = np.full((12, 6), np.nan)
BAD_ARRAYS = {
    "a missing array": ({"y_test": None}, "no array y_test"),
    "pickled objects": ({"y_train": np.array([0, 1, 2] * 4, dtype=object)}, "pickled"),
    "NaN": ({"X_train": NAN, "X_test": NAN}, "X_train has values that are NaN"),
    "infinity": ({"X_test": np.full((6, 6), -np.inf)}, "X_test has values"),
    "beyond float32": ({"X_train": np.full((12, 6), 1e300)}, "beyond float32"),
    "integer pixels": ({"X_train": np.zeros((12, 6), int)}, "of type int64; expected uint8"),
    "boolean pixels": ({"X_train": np.zeros((12, 6), bool)}, "of type bool"),
    "complex pixels": ({"X_train": np.zeros((12, 6), complex)}, "of type complex128"),
    "text for pixels": ({"X_train": np.full((12, 6), "a")}, "of type <U1"),
    "fewer labels than images": ({"y_train": np.arange(9) % 3}, "12 examples in X_train, but 9"),
    "other inputs in the test split": ({"X_test": np.zeros((6, 7), np.uint8)}, "6 inputs per exam"),
    "bytes here, floats there": ({"X_test": np.zeros((6, 6))}, "expected both or neither"),
    "images without pixels": ({"X_train": np.zeros((12, 0), np.uint8)}, "has shape (12, 0)"),
    "no images": ({"X_test": np.zeros((0, 6), np.uint8)}, "X_test has shape (0, 6)"),
    "one number per image": ({"X_train": np.zeros(12, np.uint8)}, "has shape (12,)"),
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
    """Write a sound .npz in which some members have other bytes."""
    np.savez(path, **arrays())
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
    "a pickle": (lambda path: path.write_bytes(pickle.dumps(arrays())), "not an .npz"),
    "a single array": (lambda path: path.write_bytes(header((1,)) + b"\0"), "not an .npz"),
    "an empty archive": (lambda path: np.savez(path), "no array X_train, y_train, X_test, y_test"),
    "a member that is no array": (lambda path: rewritten(path, X_train=b"hello"), "damaged"),
    "a member of half its length": (
        lambda path: rewritten(path, X_train=header((12, 6)) + bytes(36)),
        "X_train declares another size",
    ),
    "a member that is too long": (
        lambda path: rewritten(path, X_train=header((12, 6)) + bytes(73)),
        "X_train declares another size",
    ),
    "a shape of 80 TB": (
        lambda path: rewritten(path, X_train=header((10**13, 1), "<f8")),
        "X_train declares another size",
    ),
    "a negative shape": (
        lambda path: rewritten(path, X_train=header((-12, -6)) + bytes(72)),
        "X_train declares another size",
    ),
    "a pickle in a member": (
        lambda path: rewritten(path, y_train=header((12,), "|O") + pickle.dumps([0, 1, 2] * 4)),
        "y_train holds pickled Python objects",
    ),
}


@pytest.mark.parametrize(("write", "words"), BAD_FILES.values(), ids=BAD_FILES)
def test_own_file_that_is_no_sound_npz_is_refused_in_one_line(tmp_path, write, words):
    path, output = tmp_path / "bad.npz", tmp_path / "prepared.npz"
    write(path)
    with pytest.raises(DataError) as excinfo:
        prepare_dataset(DatasetSpec("npz", str(path), "data"), output)
    assert one_line(excinfo, path, words)
    assert not output.exists()


def test_own_file_with_a_wrong_byte_is_refused(tmp_path):
    path = tmp_path / "flipped.npz"
    np.savez(path, **arrays())
    content = bytearray(path.read_bytes())
    content[content.index(arrays()["X_train"].tobytes()) + 40] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"damaged.*CRC"):
        prepare_dataset(DatasetSpec("npz", str(path), "data"), tmp_path / "prepared.npz")


def test_own_file_may_have_any_version_of_the_array_format(tmp_path, own):
    path = tmp_path / "version.npz"
    file = io.BytesIO()
    np.lib.format.write_array(file, arrays()["X_train"], version=(2, 0))
    rewritten(path, X_train=file.getvalue())
    assert own(path).digest == own().digest


def test_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, **arrays(X_train=np.zeros((12, 2**20), np.uint8)))
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
    told, true = (len(header((12, 6))) + n for n in (72, size))
    content = path.read_bytes()
    assert content.count(true.to_bytes(4, "little")) == 2
    path.write_bytes(content.replace(true.to_bytes(4, "little"), told.to_bytes(4, "little")))
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
        write(tmp_path / "trap.npz", **arrays(X_train=np.array([[Trap()]], dtype=object)))
        with pytest.raises(DataError, match="pickled"):
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


# --- loading ---


def test_prepared_file_that_was_cut_is_refused_in_one_line_wherever_it_was_cut(
    digits_path, tmp_path
):
    content, path = digits_path.read_bytes(), tmp_path / "cut.npz"
    for end in {*np.linspace(0, len(content) - 1, 60).astype(int), len(content) - 1}:
        path.write_bytes(content[:end])
        with pytest.raises(DataError) as excinfo:
            load_dataset(path)
        assert one_line(excinfo, path, "delete it and run the workflow again")


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
        arrays(),
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
        assert one_line(excinfo, path, "delete it and run the workflow again")
    with pytest.raises(DataError, match="no such file"):
        load_dataset(tmp_path / "absent.npz")


# --- preprocessing ---


def test_raw_is_what_it_was(digits):
    assert preprocess(digits, "raw") is digits


def test_standardize_is_that_of_scikit_learn_with_constant_pixels_zero(digits):
    from sklearn.preprocessing import StandardScaler

    ours = preprocess(digits, "standardize")
    peer = StandardScaler().fit(digits.X_train.astype(np.float64))
    np.testing.assert_allclose(ours.X_train, peer.transform(digits.X_train), atol=1e-5)
    constant = digits.X_train.std(axis=0) == 0
    assert constant.any()
    varying = ~constant
    expected = peer.transform(digits.X_test)
    np.testing.assert_allclose(ours.X_test[:, varying], expected[:, varying], rtol=1e-5, atol=1e-5)
    assert not ours.X_train[:, constant].any() and not ours.X_test[:, constant].any()


def test_a_pixel_that_only_the_test_split_lights_stays_dark(digits):
    lit = digits.X_test.copy()
    constant = digits.X_train.std(axis=0) == 0
    lit[:, constant] = 0.5
    ours = preprocess(replace(digits, X_test=lit), "standardize")
    assert not ours.X_test[:, constant].any()


def test_whiten_is_that_of_scikit_learn_up_to_signs(digits):
    from sklearn.decomposition import PCA

    ours = preprocess(digits, "whiten")
    peer = PCA(whiten=True).fit(digits.X_train.astype(np.float64))
    rank = int((peer.explained_variance_ > 1e-7 * peer.explained_variance_[0]).sum())
    factor = np.sqrt(len(digits.X_train) / (len(digits.X_train) - 1))  # it divides by n − 1
    for split in ("X_train", "X_test"):
        expected = peer.transform(getattr(digits, split))[:, :rank] * factor
        found = getattr(ours, split)
        signs = np.sign((found[:, :rank] * expected).sum(axis=0))
        np.testing.assert_allclose(found[:, :rank], expected * signs, atol=2e-3)
        assert found.shape == getattr(digits, split).shape and not found[:, rank:].any()


@pytest.mark.parametrize("n", [1000, 40])
def test_whitened_training_inputs_are_uncorrelated_with_variance_one(digits, n):
    few = replace(digits, X_train=digits.X_train[:n], y_train=digits.y_train[:n])
    X = preprocess(few, "whiten").X_train.astype(np.float64)
    rank = np.linalg.matrix_rank(X, tol=1e-3)
    assert rank <= min(n - 1, 61) and (n == 1000 or rank == n - 1)
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-5)
    expected = np.diag([1.0] * rank + [0.0] * (64 - rank))
    np.testing.assert_allclose(X.T @ X / n, expected, atol=1e-4)


def test_whitened_components_have_one_sign_whatever_the_order_of_the_pixels(digits):
    order = np.random.default_rng(0).permutation(64)
    mixed = replace(digits, X_train=digits.X_train[:, order], X_test=digits.X_test[:, order])
    expected = preprocess(digits, "whiten").X_train[:, :30]
    np.testing.assert_allclose(preprocess(mixed, "whiten").X_train[:, :30], expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["standardize", "whiten"])
def test_test_images_have_no_say_in_the_preprocessing(digits, kind):
    full = preprocess(digits, kind)
    few = preprocess(replace(digits, X_test=digits.X_test[:5], y_test=digits.y_test[:5]), kind)
    np.testing.assert_array_equal(few.X_train, full.X_train)
    np.testing.assert_allclose(few.X_test, full.X_test[:5], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["standardize", "whiten"])
def test_constant_inputs_become_zero(digits, kind):
    flat = replace(digits, X_train=np.full_like(digits.X_train, 0.1))
    assert not preprocess(flat, kind).X_train.any()


def test_unknown_preprocessing_is_refused(digits):
    with pytest.raises(ValueError, match="'zca'; expected raw, standardize or whiten"):
        preprocess(digits, "zca")


# --- MNIST and its kin ---


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """Return a copy of MNIST's folder in which files are links that a test may replace."""
    monkeypatch.setenv("NOISESCALE_DATA", str(tmp_path / "root"))
    folder = tmp_path / "root" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for file in RAW.glob("*ubyte"):
        (folder / file.name).symlink_to(file)
    return folder


def damage(path, change):
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(change(content))


@needs_mnist
def test_mnist_is_that_of_torchvision(tmp_path, monkeypatch):
    from torchvision.datasets import MNIST as Peer

    monkeypatch.delenv("NOISESCALE_DATA")
    prepare_dataset(DatasetSpec("mnist", None, ROOT), tmp_path / "mnist.npz")
    dataset = load_dataset(tmp_path / "mnist.npz")
    for split, train in (("train", True), ("test", False)):
        peer = Peer(ROOT, train=train)
        X, y = getattr(dataset, f"X_{split}"), getattr(dataset, f"y_{split}")
        np.testing.assert_allclose(X, peer.data.flatten(1).numpy() / np.float32(255), atol=1e-7)
        np.testing.assert_array_equal(y, peer.targets.numpy())
    assert dataset.X_train.shape == (60000, 784) and dataset.n_classes == 10


@needs_mnist
def test_environment_overrides_data_root(raw, tmp_path):
    prepare_dataset(DatasetSpec("mnist", None, str(tmp_path / "nowhere")), tmp_path / "mnist.npz")
    assert not (tmp_path / "nowhere").exists()


@needs_mnist
@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("train-images-idx3-ubyte", lambda c: c[:1000], "1000 bytes, expected 47040016"),
        ("train-labels-idx1-ubyte", lambda c: b"", "0 bytes, expected 60008"),
        ("t10k-images-idx3-ubyte", lambda c: c + b"\0", "7840017 bytes, expected 7840016"),
        ("t10k-labels-idx1-ubyte", lambda c: b"\1" + c[1:], "not an IDX file"),
        ("t10k-images-idx3-ubyte", lambda c: c[:5000] + b"\7" + c[5001:], "sha256"),
    ],
)
def test_damaged_mnist_file_is_refused_in_one_line(raw, tmp_path, name, change, words):
    damage(raw / name, change)
    with pytest.raises(DataError) as excinfo:
        prepare_dataset(MNIST, tmp_path / "mnist.npz")
    assert one_line(excinfo, raw / name, words, "delete it")
    assert not (tmp_path / "mnist.npz").exists()


@needs_mnist
def test_fashion_mnist_with_impossible_labels_is_refused(raw, tmp_path):
    shutil.move(raw.parent, raw.parents[1] / "FashionMNIST")
    fashion = raw.parents[1] / "FashionMNIST" / "raw"
    prepare_dataset(DatasetSpec("fashion_mnist", None, ""), tmp_path / "sound.npz")
    damage(fashion / "t10k-labels-idx1-ubyte", lambda c: c[:-1] + b"\x0a")
    with pytest.raises(DataError) as excinfo:
        prepare_dataset(DatasetSpec("fashion_mnist", None, ""), tmp_path / "out.npz")
    assert one_line(excinfo, fashion, "labels are not 0 … 9")


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Serve a folder on this machine, make it torchvision's only mirror, and start with no data."""
    from torchvision import datasets

    folder = tmp_path / "mirror"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(
            datasets.MNIST, "mirrors", [f"http://127.0.0.1:{server.server_address[1]}/"]
        )
        monkeypatch.setenv("NOISESCALE_DATA", str(tmp_path / "fresh"))
        yield folder
        server.shutdown()


def test_download_with_a_wrong_checksum_is_refused_in_one_line(mirror, tmp_path):
    packed = gzip.compress(b"not these")
    (mirror / "train-images-idx3-ubyte.gz").write_bytes(packed)
    with pytest.raises(DataError) as excinfo:
        prepare_dataset(MNIST, tmp_path / "mnist.npz")
    assert one_line(
        excinfo,
        tmp_path / "fresh" / "MNIST" / "raw",
        "corrupted",
        "train-images-idx3-ubyte.gz with md5 f68b3c2dcbeaaa9fbdd348bbdeb94873, found "
        + hashlib.md5(packed).hexdigest(),
        "by hand",
    )
    assert not (tmp_path / "mnist.npz").exists()


def test_download_that_the_server_refuses_is_told_in_one_line(mirror, tmp_path):
    with pytest.raises(DataError) as excinfo:
        prepare_dataset(MNIST, tmp_path / "mnist.npz")
    assert one_line(excinfo, "404", "127.0.0.1", "cannot be downloaded", "NOISESCALE_DATA")


def test_download_without_a_network_is_told_in_one_line(mirror, tmp_path, monkeypatch):
    from torchvision import datasets

    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(DataError) as excinfo:
        prepare_dataset(MNIST, tmp_path / "mnist.npz")
    assert one_line(excinfo, "refused", "mend the connection")
    assert socket.getdefaulttimeout() is None


def test_download_into_a_place_that_is_no_folder_is_told_in_one_line(mirror, tmp_path):
    (tmp_path / "fresh").write_text("")
    with pytest.raises(DataError) as excinfo:
        prepare_dataset(MNIST, tmp_path / "mnist.npz")
    assert one_line(excinfo, tmp_path / "fresh")


@needs_mnist
def test_mnist_is_downloaded_unpacked_and_from_then_on_found(mirror, tmp_path, monkeypatch):
    from torchvision import datasets

    resources = []
    for file in RAW.glob("*ubyte"):
        packed = gzip.compress(file.read_bytes(), compresslevel=1)
        (mirror / f"{file.name}.gz").write_bytes(packed)
        resources.append((f"{file.name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    prepare_dataset(MNIST, tmp_path / "mnist.npz")
    first = sha256(tmp_path / "mnist.npz")
    shutil.rmtree(mirror)
    prepare_dataset(MNIST, tmp_path / "mnist.npz")
    assert sha256(tmp_path / "mnist.npz") == first
    for file in (tmp_path / "fresh" / "MNIST" / "raw").glob("*ubyte"):
        file.unlink()  # the packed files alone will do too
    prepare_dataset(MNIST, tmp_path / "mnist.npz")
    assert sha256(tmp_path / "mnist.npz") == first
