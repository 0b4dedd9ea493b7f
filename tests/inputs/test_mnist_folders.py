"""Folders of MNIST, Fashion-MNIST and KMNIST: which are used, and in which line the others are refused.

A row is a folder with made-up files of 20 + 10 images, since KMNIST's digests are not known. What
needs the real files, or a server, is in `tests/data/test_mnist.py`.
"""

import gzip
import hashlib
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.inputs import Accepted, Refused, rows, verify
from helpers.study_config import load

from noisescale.data import mnist
from noisescale.data.check import check_data
from noisescale.data.dataset import load_dataset
from noisescale.data.mnist import FILES
from noisescale.data.prepare import data_stage, prepare_dataset
from noisescale.planning.freshness import examine
from noisescale.planning.plan import Plan
from noisescale.study.model import DatasetSpec

SHAPES = ((20, 28, 28), (20,), (10, 28, 28), (10,))
IMAGES, LABELS, TEST_IMAGES, TEST_LABELS = FILES


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Expect small files, and have no mirror that answers."""
    from torchvision import datasets

    monkeypatch.delenv("NOISESCALE_DATA", raising=False)
    for name, shape in zip(FILES, SHAPES, strict=True):
        monkeypatch.setitem(FILES, name, shape)
    for source in (datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST):
        monkeypatch.setattr(source, "mirrors", ["http://127.0.0.1:9/"])


def idx(shape, values):
    """Return an IDX file of unsigned bytes."""
    head = bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
    return head + np.resize(np.uint8(values), math.prod(shape)).tobytes()


def content(name, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, 784) if "images" in name else range(10)
    return idx(dict(zip(FILES, SHAPES, strict=True))[name], values)


def complete(folder, names=tuple(FILES), seed=0):
    """Write the files of a data set."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(content(name, seed))


def with_file(name, change):
    """Return a function that writes a data set with one file changed."""

    def make(root):
        raw = root / "KMNIST/raw"
        complete(raw)
        change(raw / name)

    return make


def edit(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


def exchanged(a, b):
    def change(path):
        path.write_bytes(content(b))
        (path.parent / b).write_bytes(content(a))

    return with_file(a, change)


def one_of_mnist(path):
    path.write_bytes(content(IMAGES, seed=7))  # its digest is entered as one of MNIST's, see below


def packed(root, names=tuple(FILES), data=None):
    raw = root / "KMNIST/raw"
    raw.mkdir(parents=True)
    for name in names:
        (raw / f"{name}.gz").write_bytes(data or gzip.compress(content(name)))


GONE, AWAY = "is not there and cannot be downloaded", "move it away"
FOLDERS = {
    "all four files": (lambda root: complete(root / "KMNIST/raw"), Accepted()),
    "other files next to them": (
        lambda root: [complete(root / "KMNIST/raw"), packed_next(root), complete(root)],
        Accepted(),
    ),
    "links to files elsewhere": (
        lambda root: [
            complete(root / "store"),
            (root / "KMNIST").mkdir(),
            (root / "KMNIST/raw").symlink_to(root / "store"),
        ],
        Accepted(),
    ),
    # -- absent, or elsewhere
    "nothing": (lambda root: None, Refused("KMNIST/raw", GONE, "NOISESCALE_DATA", "by hand")),
    "an empty folder": (lambda root: (root / "KMNIST/raw").mkdir(parents=True), Refused(GONE)),
    "without raw": (
        lambda root: complete(root / "KMNIST"),
        Refused(GONE, f"KMNIST/{IMAGES} lies where", f"KMNIST/raw/{IMAGES} is expected"),
    ),
    "without the data set's folder": (
        lambda root: complete(root / "raw"),
        Refused(f"raw/{IMAGES} lies where"),
    ),
    "in the root": (lambda root: complete(root), Refused(f"/{IMAGES} lies where")),
    "one folder too deep": (
        lambda root: complete(root / "KMNIST/raw/raw"),
        Refused(f"raw/raw/{IMAGES} lies where"),
    ),
    "in another data set's folder": (
        lambda root: complete(root / "MNIST/raw"),
        Refused("KMNIST/raw", GONE),
    ),
    "a folder in small letters": (lambda root: complete(root / "kmnist/raw"), Refused(GONE)),
    "names with dots": (
        lambda root: dotted(root, ""),
        Refused("train-images.idx3-ubyte lies where", f"{IMAGES} is expected"),
    ),
    "packed, names with dots": (
        lambda root: dotted(root, ".gz"),
        Refused("train-images.idx3-ubyte.gz lies where"),
    ),
    # -- in part
    "images without labels": (
        lambda root: complete(root / "KMNIST/raw", (IMAGES, TEST_IMAGES)),
        Refused("of the unpacked files, there are only", IMAGES, TEST_IMAGES),
    ),
    "all but one": (
        lambda root: complete(root / "KMNIST/raw", tuple(FILES)[:3]),
        Refused(f"{TEST_LABELS}.gz with md5", "found nothing"),
    ),
    "packed files of something else": (
        lambda root: packed(root),
        Refused(f"{IMAGES}.gz with md5", "found "),
    ),
    "packed files that are empty": (
        lambda root: packed(root, data=b" "),
        Refused("found 7215ee9c"),
    ),
    # -- no files, no folders
    "a folder for a file": (
        with_file(IMAGES, lambda path: [path.unlink(), path.mkdir()]),
        Refused(GONE),
    ),
    "a link to nothing for a file": (
        with_file(LABELS, lambda path: [path.unlink(), path.symlink_to("nothing")]),
        Refused(GONE),
    ),
    "a file for raw": (
        lambda root: [(root / "KMNIST").mkdir(), (root / "KMNIST/raw").touch()],
        Refused("KMNIST/raw", GONE),
    ),
    "a file for the data set's folder": (
        lambda root: (root / "KMNIST").touch(),
        Refused("KMNIST/raw", GONE),
    ),
    # -- damaged
    "an empty file": (
        with_file(IMAGES, edit(lambda c: b"")),
        Refused(IMAGES, "0 bytes, expected 15696", AWAY),
    ),
    "half a file": (
        with_file(TEST_IMAGES, edit(lambda c: c[: len(c) // 2])),
        Refused(TEST_IMAGES, "bytes, expected 7856", AWAY),
    ),
    "a byte too many": (
        with_file(LABELS, edit(lambda c: c + b"\0")),
        Refused(LABELS, "29 bytes, expected 28"),
    ),
    "another magic number": (
        with_file(LABELS, edit(lambda c: b"\1" + c[1:])),
        Refused(LABELS, "not an IDX file of (20,) unsigned bytes"),
    ),
    "another type": (
        with_file(LABELS, edit(lambda c: c[:2] + b"\x09" + c[3:])),
        Refused(LABELS, "not an IDX file"),
    ),
    "another shape of equal size": (
        with_file(IMAGES, edit(lambda c: idx((20, 14, 56), 0))),
        Refused(IMAGES, "not an IDX file of (20, 28, 28)"),
    ),
    "a web page": (
        with_file(IMAGES, edit(lambda c: b"<html>not found</html>")),
        Refused(IMAGES, "22 bytes, expected"),
    ),
    "still packed under the unpacked name": (
        with_file(IMAGES, edit(gzip.compress)),
        Refused(IMAGES, "bytes, expected"),
    ),
    # -- of another split, or another data set
    "the splits' images exchanged": (exchanged(IMAGES, TEST_IMAGES), Refused(IMAGES, "expected")),
    "the splits' labels exchanged": (exchanged(LABELS, TEST_LABELS), Refused(LABELS, "expected")),
    "labels for images": (exchanged(IMAGES, LABELS), Refused(IMAGES, "expected")),
    "a file of MNIST": (
        with_file(IMAGES, one_of_mnist),
        Refused(IMAGES, "a file of mnist, expected one of kmnist", "MNIST/raw"),
    ),
    "labels of eleven classes": (
        with_file(LABELS, edit(lambda c: c[:-1] + b"\x0a")),
        Refused("labels are not 0 … 9", "move the files away"),
    ),
    "labels without a class": (
        with_file(TEST_LABELS, edit(lambda c: c.replace(b"\x09", b"\x08"))),
        Refused("labels are not 0 … 9"),
    ),
}


def packed_next(root):
    (root / "KMNIST/raw/notes.txt").write_text("mine")


def dotted(root, end):
    complete(root / "KMNIST/raw")
    for path in (root / "KMNIST/raw").iterdir():
        path.rename(path.with_name(path.name.replace("-idx", ".idx") + end))


@pytest.mark.parametrize(("make", "expected"), **rows(FOLDERS))
def test_folders_of_kmnist(tmp_path, monkeypatch, make, expected):
    digest = hashlib.sha256(content(IMAGES, seed=7)).hexdigest()
    monkeypatch.setitem(mnist.SHA256["mnist"], IMAGES, digest)
    root = tmp_path / "root"
    root.mkdir()
    make(root)
    spec = DatasetSpec("kmnist", None, str(root))

    def prepared():
        prepare_dataset(spec, tmp_path / "data.npz")
        return load_dataset(tmp_path / "data.npz")

    verify(prepared, expected, tmp_path)
    study = replace(load("dataset: {name: kmnist}"), dataset=spec)
    if isinstance(expected, Accepted) or GONE in expected or not_all_there(root):
        check_data(study)  # what is absent may be downloaded by the job
    else:
        verify(lambda: check_data(study), expected, tmp_path)


def not_all_there(root):
    return not all((root / "KMNIST/raw" / name).is_file() for name in FILES)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_files_without_a_known_digest(tmp_path, name):
    complete(tmp_path / mnist.FOLDERS[name] / "raw")
    spec = DatasetSpec(name, None, str(tmp_path))
    words = Refused(IMAGES, "sha256", f"expected {mnist.SHA256[name][IMAGES][:12]}", AWAY)
    verify(lambda: prepare_dataset(spec, tmp_path / "data.npz"), words, tmp_path)


ROOTS = {
    "NOISESCALE_DATA": (lambda root: str(root), "nowhere", Accepted()),
    "NOISESCALE_DATA with a slash": (lambda root: f"{root}/", "nowhere", Accepted()),
    "NOISESCALE_DATA of the home": (lambda root: "~/data Größe", "nowhere", Accepted()),
    "NOISESCALE_DATA relative": (lambda root: root.name, "nowhere", Accepted()),
    "an empty NOISESCALE_DATA": (lambda root: "", "data Größe", Accepted()),
    "NOISESCALE_DATA of nothing": (lambda root: "/nowhere/data", "data Größe", Refused(GONE)),
    "NOISESCALE_DATA of a file": (lambda root: str(root / "file"), "data Größe", Refused(GONE)),
    "NOISESCALE_DATA of the data set": (
        lambda root: str(root / "KMNIST"),
        "data Größe",
        Refused("KMNIST/KMNIST/raw", f"raw/{IMAGES} lies where"),
    ),
    "NOISESCALE_DATA of raw": (
        lambda root: str(root / "KMNIST/raw"),
        "data Größe",
        Refused("raw/KMNIST/raw", f"raw/{IMAGES} lies where"),
    ),
}


@pytest.mark.parametrize(("variable", "data_root", "expected"), **rows(ROOTS))
def test_roots_of_the_data(tmp_path, monkeypatch, variable, data_root, expected):
    root = tmp_path / "data Größe"
    complete(root / "KMNIST/raw")
    (root / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NOISESCALE_DATA", variable(root))
    spec = DatasetSpec("kmnist", None, data_root)
    verify(lambda: prepare_dataset(spec, Path("data.npz")), expected, tmp_path)
    assert not Path("nowhere").exists()


CHANGES = {
    "other files": (lambda raw: complete(raw, seed=3), True),
    "other files of an older time": (
        lambda raw: [complete(raw, seed=3), os.utime(raw / IMAGES, (1, 1))],
        True,
    ),
    "the same files written again": (complete, False),
    "a removed folder": (shutil.rmtree, False),  # finished results may be moved without it
}


@pytest.mark.parametrize(("change", "noticed"), **rows(CHANGES))
def test_files_that_change_after_they_were_used(tmp_path, monkeypatch, change, noticed):
    from noisescale.planning.records import Recorder

    monkeypatch.chdir(tmp_path)
    complete(Path("data/KMNIST/raw"))
    plan = Plan(load("dataset: {name: kmnist}"), Path("results"))
    plan.folder.mkdir()
    (plan.folder / "study.json").write_text(plan.study.to_json())
    recorder = Recorder(plan.folder / "records" / "data.json")
    monkeypatch.setattr("noisescale.data.prepare.check_sizes", lambda *given: None)
    data_stage(plan.folder / "study.json", plan.folder / "data.npz")
    recorder.finish()
    change(Path("data/KMNIST/raw"))
    assert ("data" in examine(plan).stages) == noticed
