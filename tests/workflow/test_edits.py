"""Content decides what is up to date, whatever the modification times of the files."""

import os

import pytest
from helpers.tiny_workflow import Workflow

from noisescale.planning import code_inputs, freshness, stages
from noisescale.planning.freshness import examine
from noisescale.planning.plan import Plan
from noisescale.study.loading import load_study

TIMES = ("older", "newer", "same")
FIGURES = {"figures_evidence", "figures_curves", "figures_laws"}
ALL = {"data", "evidence", "collect", "laws", *FIGURES, "claims", "report"}


@pytest.fixture
def study(finished, monkeypatch):
    """The finished tiny study in the working directory, examined with the code next to it."""
    monkeypatch.chdir(finished.folder)
    package = finished.folder / "src/noisescale"
    for module in (code_inputs, freshness, stages):
        monkeypatch.setattr(module, "PACKAGE", package)
    monkeypatch.setattr(stages, "CAPTIONS", finished.folder / "workflow/report")
    monkeypatch.setattr(stages, "_TEMPLATE", package / "report/templates/report.html.j2")
    return finished


def findings(study: Workflow):
    for cached in (code_inputs._tree, code_inputs._imports, code_inputs._syntax_digest):
        cached.cache_clear()
    settings = load_study(study.folder / "config.yaml", study.settings)
    return examine(Plan(settings, study.results.relative_to(study.folder)))


def replace(path, content: bytes, time: str) -> None:
    """Replace a file; the new one is older, newer, or of the same time."""
    before = path.stat().st_mtime_ns
    path.write_bytes(content)
    day = 86_400 * 10**9
    moved = before + {"older": -day, "newer": day, "same": 0}[time]
    os.utime(path, ns=(moved, moved))


def flipped(path) -> bytes:
    """Return a file's content with one bit flipped."""
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    return bytes(content)


def truncated(path) -> bytes:
    return path.read_bytes()[:-30]


def edited(old: str, new: str):
    """Return the edit that replaces text in a file."""

    def edit(path) -> bytes:
        text = path.read_text()
        assert old in text, f"{old!r} is no TEXT in {path}"
        return text.replace(old, new, 1).encode()

    return edit


def added(text: str):
    """Return the edit that adds text at the end of a file."""
    return lambda path: path.read_bytes() + text.encode()


def same(path) -> bytes:
    return path.read_bytes()


SOURCE = "src/noisescale"
R = "results/tiny"
CODE = added("\n_ADDED = 1\n")
COMMENT = added("\n# A comment.\n")
TEXT = added("\nOne more sentence.\n")

EDITS = {
    # kind of edit: file, edit, stages found out of date, runs to train
    "a touched table": (f"{R}/runs.parquet", same, set(), 0),
    "a touched module": (f"{SOURCE}/laws/scaling.py", same, set(), 0),
    "a comment": (f"{SOURCE}/laws/scaling.py", COMMENT, set(), 0),
    "a docstring": (f"{SOURCE}/laws/scaling.py", edited('"""', '"""Edited. '), set(), 0),
    "the data's code": (f"{SOURCE}/data/prepare.py", CODE, {"data"}, 0),
    "the laws' code": (f"{SOURCE}/laws/scaling.py", CODE, {"laws", "claims", "report"}, 0),
    "the engine's code": (f"{SOURCE}/training/loop.py", CODE, set(), 0),
    "a figure's code": (f"{SOURCE}/figures/fig1_memorization.py", CODE, {"figures_evidence"}, 0),
    "the evidence's code": (f"{SOURCE}/evidence/laplace.py", CODE, {"evidence"}, 0),
    "a caption": ("workflow/report/fig1_memorization.rst", TEXT, {"claims"}, 0),
    "the template": (f"{SOURCE}/report/templates/report.html.j2", TEXT, {"report"}, 0),
    "damaged data": (f"{R}/data.npz", flipped, {"data", "evidence"}, 0),
    "damaged evidence": (
        f"{R}/evidence.parquet",
        flipped,
        {"evidence", *FIGURES, "claims", "report"},
        0,
    ),
    "damaged runs": (
        f"{R}/runs.parquet",
        flipped,
        {"collect", "laws", "figures_curves", "figures_laws", "claims", "report"},
        0,
    ),
    "damaged laws": (
        f"{R}/scaling_laws.json",
        flipped,
        {"laws", "figures_curves", "figures_laws", "claims", "report"},
        0,
    ),
    "a damaged figure": (f"{R}/figures/collapse.svg", flipped, {"figures_laws"}, 0),
    "a damaged picture": (f"{R}/figures/collapse.png", flipped, {"figures_laws", "report"}, 0),
    "damaged claims": (f"{R}/claims.parquet", flipped, {"claims", "report"}, 0),
    "a damaged caption": (f"{R}/captions/collapse.rst", TEXT, {"claims", "report"}, 0),
    "a damaged report": (f"{R}/report.html", TEXT, {"report"}, 0),
    "a damaged record": (f"{R}/records/laws.json", flipped, {"laws"}, 0),
    "a damaged study": (f"{R}/study.json", TEXT, {"report"}, 0),
    "a damaged shard": (
        f"{R}/runs/train_size~8-63/batch_size~1-7/seeds~0-9.parquet",
        truncated,
        {"collect"},
        8,
    ),
}


def test_what_is_up_to_date_depends_on_content_and_not_on_time(study):
    assert not findings(study).stages
    wrong = {}
    for kind, (name, edit, expected, runs) in EDITS.items():
        path = study.folder / name
        before, times = path.read_bytes(), path.stat()
        for time in TIMES:
            replace(path, edit(path), time)
            found = findings(study)
            trained = sum(map(len, found.missing.values()))
            if (set(found.stages), trained) != (expected, runs):
                wrong[kind, time] = found.stages, trained
            path.write_bytes(before)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert not wrong, "\n".join(map(str, wrong.items()))
    assert not findings(study).stages
