"""MNIST and the data sets in its format: found, identified, downloaded."""

import gzip
import hashlib
import http.server
import os
import shutil
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
from helpers.datasets import one_line

from noisescale.data import mnist
from noisescale.data.dataset import load_dataset, read_dataset_metadata
from noisescale.data.prepare import prepare_dataset
from noisescale.data.sources import source_digest
from noisescale.errors import DataError
from noisescale.storage.digests import sha256
from noisescale.study.model import DatasetSpec

MNIST = DatasetSpec("mnist", None, "data")
ROOT = os.environ.get("NOISESCALE_DATA", "")  # before the tests change it
RAW = Path(ROOT) / "MNIST" / "raw"


def needs_mnist(test):
    """Mark a test that reads real MNIST; it is skipped where there is none."""
    absent = not (RAW / "train-images-idx3-ubyte").is_file()
    skip = pytest.mark.skipif(absent, reason="NOISESCALE_DATA has no MNIST/raw")
    return pytest.mark.mnist(skip(test))


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
    assert one_line(excinfo, raw / name, words, "move it away")
    assert not (tmp_path / "mnist.npz").exists()


def write_idx(folder, labels):
    """Write the four files of a data set with empty images."""
    folder.mkdir(parents=True)
    for split, n in (("train", 60000), ("t10k", 10000)):
        size = n.to_bytes(4, "big")
        header = bytes([0, 0, 8, 3]) + size + (28).to_bytes(4, "big") * 2
        (folder / f"{split}-images-idx3-ubyte").write_bytes(header + bytes(n * 784))
        content = np.resize(np.uint8(labels), n).tobytes()
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1]) + size + content)


def test_kmnist_has_no_known_digests_but_impossible_labels_are_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("NOISESCALE_DATA", raising=False)
    spec = DatasetSpec("kmnist", None, str(tmp_path))
    folder = tmp_path / "KMNIST" / "raw"
    write_idx(folder, range(10))
    prepare_dataset(spec, tmp_path / "valid.npz")
    shutil.rmtree(folder)
    write_idx(folder, range(11))
    with pytest.raises(DataError) as excinfo:
        prepare_dataset(spec, tmp_path / "out.npz")
    assert one_line(excinfo, folder, "labels are not 0 … 9")


@needs_mnist
@pytest.mark.parametrize("name", ["fashion_mnist", "kmnist"])
def test_mnist_in_the_folder_of_another_data_set_is_identified(raw, tmp_path, name):
    other = {"fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}[name]
    shutil.move(raw.parent, raw.parents[1] / other)
    with pytest.raises(DataError) as excinfo:
        prepare_dataset(DatasetSpec(name, None, ""), tmp_path / "out.npz")
    path = raw.parents[1] / other / "raw" / "train-images-idx3-ubyte"
    assert one_line(excinfo, path, f"a file of mnist, expected one of {name}", "MNIST/raw")
    assert not (tmp_path / "out.npz").exists()


def test_unknown_files_are_not_taken_for_fashion_mnist(tmp_path, monkeypatch):
    monkeypatch.delenv("NOISESCALE_DATA", raising=False)
    write_idx(tmp_path / "FashionMNIST" / "raw", range(10))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte: sha256 .*expected c59f468a2f67"):
        prepare_dataset(DatasetSpec("fashion_mnist", None, str(tmp_path)), tmp_path / "out.npz")


@needs_mnist
def test_the_source_is_recorded_and_changes_with_the_files(raw, tmp_path):
    prepare_dataset(MNIST, tmp_path / "mnist.npz")
    recorded = read_dataset_metadata(tmp_path / "mnist.npz")["source"]
    assert recorded == source_digest(MNIST) is not None
    damage(raw / "t10k-labels-idx1-ubyte", lambda c: c[:-1] + b"\0")
    assert source_digest(MNIST) not in (None, recorded)
    (raw / "t10k-labels-idx1-ubyte").unlink()
    assert source_digest(MNIST) is None


def test_the_source_of_a_users_file_is_its_checksum_and_digits_have_none(tmp_path):
    path = tmp_path / "own.npz"
    spec = DatasetSpec("npz", str(path), "data")
    assert source_digest(spec) is None
    path.write_bytes(b"content")
    assert source_digest(spec) == sha256(path)
    assert source_digest(DatasetSpec("digits", None, "data")) is None


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
        "train-images-idx3-ubyte.gz with md5 f68b3c2dcbeaaa9fbdd348bbdeb94873, found nothing",
        f"corrupted, its md5 is {hashlib.md5(packed).hexdigest()}",
        "by hand",
    )
    assert not (tmp_path / "mnist.npz").exists()


def test_download_that_the_server_refuses_is_one_line(mirror, tmp_path):
    with pytest.raises(DataError) as excinfo:
        prepare_dataset(MNIST, tmp_path / "mnist.npz")
    assert one_line(excinfo, "404", "127.0.0.1", "cannot be downloaded", "NOISESCALE_DATA")


def test_download_without_a_network_is_one_line(mirror, tmp_path, monkeypatch):
    from torchvision import datasets

    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(DataError) as excinfo:
        prepare_dataset(MNIST, tmp_path / "mnist.npz")
    assert one_line(excinfo, "refused", "check the network")
    assert socket.getdefaulttimeout() is None


def test_download_into_a_place_that_is_no_folder_is_one_line(mirror, tmp_path):
    (tmp_path / "fresh").write_text("")
    with pytest.raises(DataError) as excinfo:
        prepare_dataset(MNIST, tmp_path / "mnist.npz")
    assert one_line(excinfo, tmp_path / "fresh")


def test_a_server_that_does_not_answer_is_given_up(mirror, tmp_path, monkeypatch):
    from torchvision import datasets

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setattr(datasets.MNIST, "mirrors", [url])
        monkeypatch.setattr(mnist, "_TIMEOUT", 0.2)
        with pytest.raises(DataError) as excinfo:
            prepare_dataset(MNIST, tmp_path / "mnist.npz")
    assert one_line(excinfo, url, "timed out")


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("MNIST/raw", "train-images.idx3-ubyte"),
        ("MNIST/raw", "train-images.idx3-ubyte.gz"),
        ("MNIST", "train-images-idx3-ubyte"),
        ("raw", "train-images-idx3-ubyte.gz"),
        ("", "train-images.idx3-ubyte"),
        ("MNIST/raw/raw", "train-images-idx3-ubyte"),
    ],
)
def test_files_under_another_name_or_in_another_folder_are_named(mirror, tmp_path, place, name):
    folder = tmp_path / "fresh" / place
    folder.mkdir(parents=True)
    (folder / name).touch()
    expected = tmp_path / "fresh/MNIST/raw" / name.replace(".idx", "-idx")
    with pytest.raises(DataError) as excinfo:
        prepare_dataset(MNIST, tmp_path / "mnist.npz")
    assert one_line(excinfo, f"{folder / name} lies where {expected} is expected")


def test_files_that_are_unpacked_in_part_are_named(mirror, tmp_path):
    folder = tmp_path / "fresh" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    (folder / "t10k-images-idx3-ubyte").touch()
    with pytest.raises(DataError) as excinfo:
        prepare_dataset(MNIST, tmp_path / "mnist.npz")
    assert one_line(excinfo, "there are only t10k-images-idx3-ubyte")


@needs_mnist
def test_mnist_is_downloaded_and_unpacked_once(mirror, tmp_path, monkeypatch):
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
        file.unlink()  # the packed files are enough
    prepare_dataset(MNIST, tmp_path / "mnist.npz")
    assert sha256(tmp_path / "mnist.npz") == first
