"""A published study: complete, and reproducible from its tables number for number."""

import filecmp
import json
import math
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest
from helpers.synthetic import synthetic_study, write_synthetic

from noisescale.claims.stage import read_claims
from noisescale.errors import RecordError
from noisescale.figures.registry import figures_of
from noisescale.report import provenance_tables
from noisescale.report.publish import (
    CHECKS,
    TEMPLATES,
    publish_study,
    redraw_published,
    render_template,
)
from noisescale.results.scaling_laws import Draws, ScalingLaws
from noisescale.storage.tables import read_metadata

ROOT = Path(__file__).parents[2]
CAPTIONS = ROOT / "workflow/report"
DOCS = sorted(path.parent for path in ROOT.glob("docs/**/study.json"))
TEXT = """{{ claims['The generalization gap'].number }}; {{ laws.peaks | length }} peaks; \
{{ time.ratio if time else "no prediction" }}"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    write_synthetic(folder, synthetic_study(seeds=3, bootstrap=40))
    return folder


@pytest.fixture(scope="module")
def published(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "mine"
    folder.mkdir()
    (folder / "README.md.j2").write_text(TEXT)
    (folder / "more.md.j2").write_text("{{ peaks | length }}")
    publish_study(results, CAPTIONS, folder)
    return folder


def test_every_figure_is_published_with_its_table_and_all_other_files(published):
    names = {
        f"{spec.name}.{end}" for spec in figures_of(synthetic_study()) for end in ("png", "csv")
    }
    names |= {"study.json", "runs.parquet", "evidence.parquet", "claims.parquet", "peaks.csv"}
    names |= {"scaling_laws.json", "provenance.json", "README.md", "README.md.j2"}
    names |= {"more.md", "more.md.j2"}
    assert {path.name for path in published.iterdir()} == names


def test_what_a_study_no_longer_has_is_no_longer_published(results, published, tmp_path):
    output = tmp_path / "again"
    shutil.copytree(published, output)
    (output / "notes.txt").write_text("the user's own")
    smaller = tmp_path / "smaller"
    study = replace(synthetic_study(seeds=3, bootstrap=40), experiments={})
    smaller.mkdir()
    (smaller / "study.json").write_text(study.to_json())
    shutil.copy(results / "evidence.parquet", smaller)
    for template in output.glob(TEMPLATES):
        template.unlink()
    publish_study(smaller, CAPTIONS, output)
    pictures = {f"{spec.name}.{end}" for spec in figures_of(study) for end in ("png", "csv")}
    others = {"study.json", "evidence.parquet", "claims.parquet", "provenance.json"}
    others |= {"README.md", "more.md", "notes.txt"}
    assert {path.name for path in output.iterdir()} == pictures | others


def test_what_is_drawn_again_is_what_was_published(published, tmp_path):
    redraw_published(published, CAPTIONS, tmp_path)
    same = ["scaling_laws.json", *(path.name for path in published.glob("*.csv"))]
    for name in set(same) - {"peaks.csv"}:
        again = tmp_path / ("figures" if name.endswith("csv") else "") / name
        assert filecmp.cmp(published / name, again, shallow=False), name
    assert read_claims(tmp_path / "claims.parquet") == read_claims(published / "claims.parquet")
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_the_peaks_are_those_of_the_laws(published):
    table = pd.read_csv(published / "peaks.csv", keep_default_na=False, na_values=[""])
    assert list(table["batch_opt"]) == pytest.approx(
        [peak.batch_opt for peak in ScalingLaws.read(published / "scaling_laws.json").peaks]
    )


def test_the_readme_quotes_what_was_measured(published):
    claims = {c.name: c for c in read_claims(published / "claims.parquet")}
    peaks = ScalingLaws.read(published / "scaling_laws.json").peaks
    start = f"{claims['The generalization gap'].number}; {len(peaks)} peaks; "
    assert (published / "README.md").read_text().startswith(start)


def test_the_readme_can_quote_the_studies_in_checks(published, tmp_path):
    shutil.copytree(published, tmp_path / "checks/wide")
    template = tmp_path / "README.md.j2"
    template.write_text("{{ checks.wide.peaks | length }} and {{ peaks | length }}")
    text = render_template(template, published, tmp_path / CHECKS)
    n = len(ScalingLaws.read(published / "scaling_laws.json").peaks)
    assert text == f"{n} and {n}"


@pytest.mark.parametrize("text", ["{{ claims['No such claim'].number }}", "{% if %}"])
def test_an_undefined_name_in_a_template_is_an_error_of_one_line(published, tmp_path, text):
    template = tmp_path / "README.md.j2"
    template.write_text(text)
    with pytest.raises(RecordError, match=r"README\.md\.j2: .*; repair the template"):
        render_template(template, published, published / CHECKS)


def test_an_unfinished_or_damaged_study_is_not_published(results, published, tmp_path):
    before = {path.name: path.read_bytes() for path in published.iterdir()}
    broken = tmp_path / "broken"
    shutil.copytree(results, broken)
    data = (broken / "runs.parquet").read_bytes()
    (broken / "runs.parquet").write_bytes(data[: len(data) // 2])
    with pytest.raises(RecordError, match="damaged"):
        publish_study(broken, CAPTIONS, published)
    (broken / "runs.parquet").unlink()
    with pytest.raises(RecordError, match="no such file"):
        publish_study(broken, CAPTIONS, published)
    assert {path.name: path.read_bytes() for path in published.iterdir()} == before
    assert [path.name for path in published.parent.iterdir()] == [published.name]


def equal(a, b, where="") -> None:
    """Fail if numbers differ by more than the rounding of another processor.

    The batch size of highest accuracy is a point of the grid, and rounding can break a tie between
    two points either way. The ends of its interval and single draws are therefore not compared.
    """
    if isinstance(a, dict) and a.keys() == b.keys() == {"float64"}:
        means = [Draws(**draws).values.mean() for draws in (a, b)]
        assert means[1] == pytest.approx(means[0], rel=2e-3), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            if not str(key).startswith("batch_argmax_"):
                equal(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            equal(x, y, f"{where}/{i}")
    elif isinstance(a, float) and math.isfinite(a):
        assert b == pytest.approx(a, rel=2e-3, abs=1e-9), where
    else:
        assert a == b or (a != a and b != b), where


@pytest.mark.parametrize("folder", DOCS, ids=lambda folder: folder.name)
def test_the_published_numbers_are_those_of_the_published_data(folder, tmp_path):
    redraw_published(folder, CAPTIONS, tmp_path)
    for laws in folder.glob("scaling_laws.json"):
        equal(*(asdict(ScalingLaws.read(path)) for path in (laws, tmp_path / laws.name)))
    for csv in folder.glob("*.csv"):
        if csv.name != "peaks.csv":
            tables = [pd.read_csv(path) for path in (csv, tmp_path / "figures" / csv.name)]
            equal(*(table.to_dict("list") for table in tables), csv.name)
    published = read_claims(folder / "claims.parquet")
    again = read_claims(tmp_path / "claims.parquet")
    assert [c.verdict for c in published] == [c.verdict for c in again]
    for template in folder.glob(TEMPLATES):
        assert (
            render_template(template, folder, folder / CHECKS)
            == (folder / template.stem).read_text()
        )


def test_there_is_a_published_study():
    assert DOCS
    for path in (path for folder in DOCS for path in folder.glob("*.parquet")):
        if path.stem in ("runs", "evidence"):
            made = json.loads((path.parent / "provenance.json").read_text())
            assert made[path.name]["git"]
            assert provenance_tables.effort({path.stem: read_metadata(path)})
