"""The engine's fingerprint: moved by its arithmetic, blind to how it is written."""

import shutil
from pathlib import Path

import pytest

import noisescale
from noisescale.fingerprint import ENGINE, NOT_ENGINE, engine_fingerprint
from noisescale.plan import code

PACKAGE = Path(noisescale.__file__).parent


@pytest.fixture
def folder(tmp_path):
    for name in ENGINE:
        shutil.copy(PACKAGE / name, tmp_path)
    return tmp_path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_comments_docstrings_and_layout_do_not_count(folder):
    before = engine_fingerprint(folder)
    assert before == engine_fingerprint()
    edit(folder / "engine.py", "import torch\n", "import torch  # a comment\n\n\n")
    edit(folder / "engine.py", '"""The stacked SGD engine', '"""A stacked SGD engine')
    edit(folder / "engine.py", '"""Make the updates', '"""Do the updates')
    assert engine_fingerprint(folder) == before


def test_everything_that_the_engine_imports_is_part_of_it_or_excused():
    imported = {Path(path).stem for name in ENGINE for path in code(Path(name).stem)}
    assert imported - {Path(name).stem for name in ENGINE} - set(NOT_ENGINE) - {"study"} == set()


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("engine.py", "activation, self.momentum or 1", "activation, self.momentum"),
        ("products.py", "        c.baddbmm_(a, b, beta=beta)", "        c.baddbmm_(a, b)"),
        ("randomness.py", "np.sqrt(2 / inputs)", "np.sqrt(1 / inputs)"),
        ("sampling.py", "_GATHERED_BYTES = 4_000_000", "_GATHERED_BYTES = 4_000_001"),
        ("evaluation.py", "logits.amax(1)", "logits.amin(1)"),
        ("course.py", "1 / n_classes", "0 / n_classes"),
        ("training.py", "set_flush_denormal(True)", "set_flush_denormal(False)"),
        ("data.py", "*= np.float32(scale)", "*= np.float32(2 * scale)"),
        ("preprocessing.py", "1 / np.sqrt(np.where(", "1 / abs(np.where("),
    ],
)
def test_arithmetic_counts(folder, module, old, new):
    before = engine_fingerprint(folder)
    edit(folder / module, old, new)
    assert engine_fingerprint(folder) != before
