"""The report: one page that is complete, valid, harmless and self-contained."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.synthetic import synthetic_study, write_synthetic

from noisescale.claims.stage import claims_stage
from noisescale.errors import RecordError
from noisescale.figures.registry import FIGURES, figures_of
from noisescale.laws.scaling import laws_stage
from noisescale.report import job_times, provenance_tables
from noisescale.report.captions import caption_html, captions_stage
from noisescale.report.job_times import StageTime, duration, read_job_times
from noisescale.report.page import render_report, report_stage
from noisescale.results.load import Results
from noisescale.storage.files import write_text

CAPTIONS = Path(__file__).parents[2] / "workflow" / "report"
VOID = {"meta", "img", "br", "hr", "link", "input"}
PNG = bytes.fromhex("89504e470d0a1a0a")
HOSTILE = '<script src="http://evil.example/x.js">alert(1)</script> & "quotes"'


class Page(HTMLParser):
    """Read a page and check that its elements are closed in order."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.words = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names))
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def stand_ins(folder: Path, study) -> Path:
    """Write placeholders for the files of each figure."""
    folder.mkdir(parents=True, exist_ok=True)
    for spec in figures_of(study):
        (folder / f"{spec.name}.png").write_bytes(PNG)
        (folder / f"{spec.name}.csv").write_text("x,y\n1,2\n")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the results of a study with a title that has to be escaped."""
    folder = tmp_path_factory.mktemp("results")
    study = replace(synthetic_study(seeds=3, bootstrap=60), title=HOSTILE)
    write_synthetic(folder, study)
    laws_stage(folder / "study.json", folder / "runs.parquet", folder / "laws.json")
    stand_ins(folder / "figures", study)
    return folder


def write(folder: Path, output: Path, **paths) -> str:
    given = {
        "study_path": folder / "study.json",
        "runs_path": folder / "runs.parquet",
        "evidence_path": folder / "evidence.parquet",
        "laws_path": folder / "laws.json",
    }
    given |= {name: path for name, path in paths.items() if name in given}
    claims_stage(**given, output=folder)
    captions_stage(given["study_path"], folder / "claims.parquet", CAPTIONS, folder / "captions")
    rest = {
        "figures_folder": folder / "figures",
        "claims_folder": folder,
        "benchmarks_folder": folder / "benchmarks",
    }
    report_stage(**given | rest | paths, output=output)
    return output.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(folder, tmp_path_factory):
    return Page(write(folder, tmp_path_factory.mktemp("report") / "report.html"))


def test_the_page_needs_no_other_file_and_no_network(folder, tmp_path):
    text = write(folder, tmp_path / "report.html")
    for tag, attributes in Page(text).elements:
        for name in ("src", "srcset", "href", "action", "poster", "data"):
            if value := attributes.get(name):
                assert value.startswith(("data:", "#")), (tag, name, value[:80])
        assert tag not in ("script", "iframe", "object", "embed", "link")
        assert not [name for name in attributes if name.startswith("on")]
    assert "url(" not in text and "@import" not in text


def test_the_title_is_escaped_everywhere(page):
    assert page.all("script") == []
    assert page.text.count("alert(1)") == 2  # in the title and in the heading, as text


def test_every_figure_has_its_caption_and_its_table(page):
    names = list(FIGURES)
    assert [f["id"] for f in page.all("figure")] == names
    images = page.all("img")
    assert len(images) == len(names)
    assert all(image["src"].startswith("data:image/png;base64,") for image in images)
    assert all(len(image["alt"]) > 40 for image in images)
    downloads = [a["download"] for a in page.all("a") if "download" in a]
    assert downloads == [f"{name}.csv" for name in names]
    assert page.text.count("The paper") >= len(names)


def test_links_within_the_page_have_targets(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    inner = [a["href"][1:] for a in page.all("a") if a["href"].startswith("#")]
    assert set(inner) <= set(ids)
    assert len(inner) > 10


def test_each_claim_has_its_verdict_as_text_and_colour(page):
    spans = [a["class"] for a in page.all("span") if a.get("class", "").startswith("verdict")]
    assert len(spans) == 2 * 11  # in the summary and in detail
    for verdict in spans:
        assert verdict.removeprefix("verdict ").replace("-", " ") in page.text
    assert "Of 11 claims" in page.text
    assert all(name in page.text for name in ("The generalization gap", "The noise scale lines"))


def test_exponents_peaks_and_settings_are_listed(folder, page):
    laws = json.loads((folder / "laws.json").read_text())
    slope = laws["exponents"]["learning_rate"]["slope"]
    assert f"{slope:.2f} [" in page.text
    assert "learning rate 0.02" in page.text
    assert "1 to full, 1 per octave" in page.text
    assert "95 %" in page.text
    assert "pyarrow" in page.text


def test_the_page_is_the_same_for_the_same_results(folder, tmp_path):
    assert write(folder, tmp_path / "a.html") == write(folder, tmp_path / "b.html")


def rendered(metadata, times=()) -> str:
    """Return the text of a report that has no more than this metadata."""
    results = Results(synthetic_study(seeds=2), None, None, None)
    return Page(render_report(results, [], [], [], metadata, "", times)).text


def test_effort_comes_from_the_provenance_of_the_runs():
    shard = {
        "shard": "results/x/runs/train_size~1000/batch_size~1-7/seeds~0-9.parquet",
        "runs": {"wanted": 14, "trained": 12, "held": 14},
        "seconds": {"training": 61.2, "total": 70.0},
        "device": "cuda",
        "versions": {"torch": "2.11"},
        "created": "2026-01-01T00:00:00+00:00",
    }
    metadata = {
        "runs": {
            "runs": {"wanted": 14, "trained": 12, "diverged": 3},
            "seconds": {"training": 61.2},
            "device": "cuda",
            "versions": {"torch": "2.12"},
            "git": {"commit": "abc", "dirty": True},
            "shards": [shard],
        },
        "evidence": {"seconds": 2.5, "git": None},
    }
    assert provenance_tables.effort(metadata) == provenance_tables.Effort(
        trained=12,
        expected=14,
        diverged=3,
        training_seconds=61.2,
        device="cuda",
        evidence_seconds=2.5,
    )
    assert (
        "Of 14 expected runs, 12 were trained; 3 of these diverged. "
        "The training jobs took 0:01:01 in total on cuda. The evidence sweep took 2.5 s."
    ) in rendered(metadata)
    (row,) = provenance_tables.shards(metadata)
    assert row.name == "train_size~1000/batch_size~1-7/seeds~0-9"
    assert (row.runs, row.trained, row.time) == ("14", "12", "0:01:01")
    assert ("torch", "2.11, 2.12") in provenance_tables.versions(metadata)
    facts = dict(provenance_tables.provenance(metadata))
    assert facts["runs: source"] == "commit abc with local changes"
    assert facts["evidence: source"] == "not in a git checkout"


def test_job_times_are_read_by_stage(tmp_path):
    for name, seconds in {
        "train/a~1/b": 60,
        "train/a~2/b": 24,
        "evidence": 6,
        "report": 10,
    }.items():
        path = tmp_path / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\n{seconds}.0\t0:00:01\n")
    (tmp_path / "cut.tsv").write_text("s\th")
    times = read_job_times(tmp_path)
    rows = [(r.stage, r.jobs, r.time, r.share) for r in provenance_tables.stages(times)]
    assert rows == [
        ("train", "2", "0:01:24", "84.0 %"),
        ("report", "1", "10.0 s", "10.0 %"),
        ("evidence", "1", "6.0 s", "6.0 %"),
    ]


def test_the_report_compares_the_time_of_jobs_with_the_prediction():
    times = [StageTime("train", 2, 84.0), StageTime("report", 1, 10.0), StageTime("evidence", 1, 6)]
    jobs = [{"forecast": 20.0, "seconds": 30.0}, {"forecast": 20.0, "seconds": 20.0}]
    assert job_times.predicted_time(jobs, times) == job_times.PredictedTime(40.0, 50.0, False)
    assert (
        "The last jobs of all stages took 0:01:40 in total; 10.0 % of this time was neither "
        "training nor the evidence sweep. Predicted time of the training jobs: 40.0 s; actual "
        "time: 50.0 s (1.25 times the prediction)."
    ) in rendered({"runs": {"shards": jobs}}, times)
    assert (
        "Predicted time of the training jobs, including those of earlier workflow runs: 40.0 s;"
    ) in rendered({"runs": {"shards": [*jobs, {}]}}, times)


def test_missing_records_of_effort_are_no_obstacle():
    nothing = provenance_tables.Effort()
    assert provenance_tables.effort({}) == nothing
    assert provenance_tables.effort({"runs": {}, "evidence": {}}) == nothing
    assert "The effort was not recorded." in rendered({})
    assert provenance_tables.shards({"runs": {"shards": [{}]}})
    assert job_times.total_time([]) is None and job_times.predicted_time([{}]) is None
    assert provenance_tables.provenance({"runs": {}}) == []


@pytest.mark.parametrize("part", ["no evidence", "no trainings"])
def test_half_a_study_has_a_report(tmp_path, part):
    study = synthetic_study(seeds=2, bootstrap=40)
    if part == "no evidence":
        chosen = {"momentum": study.experiments["momentum"]}
        study = replace(study, evidence=None, experiments=chosen)
        absent = {"evidence_path": None}
    else:
        study = replace(study, experiments={})
        absent = {"runs_path": None, "laws_path": None}
    full = synthetic_study(seeds=2, bootstrap=40)
    write_synthetic(tmp_path, replace(full, experiments=study.experiments or full.experiments))
    write_text(tmp_path / "study.json", study.to_json())
    if study.experiments:
        laws_stage(tmp_path / "study.json", tmp_path / "runs.parquet", tmp_path / "laws.json")
    stand_ins(tmp_path / "figures", study)
    page = Page(write(tmp_path, tmp_path / "report.html", **absent))
    assert [f["id"] for f in page.all("figure")] == [s.name for s in figures_of(study)]


def test_a_missing_picture_is_an_error_of_one_line(folder, tmp_path):
    with pytest.raises(RecordError, match=r"fig1_memorization\.png: cannot be read") as error:
        write(folder, tmp_path / "report.html", figures_folder=tmp_path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "report.html").exists()


def test_a_caption_cannot_contain_html_or_files(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    path = tmp_path / "caption.rst"
    path.write_text(
        "First *words* of it\nin two lines.\n\n.. raw:: html\n\n   <script>alert(1)</script>\n\n"
        f".. include:: {secret}\n\n<b>bold</b>\n"
    )
    html, first = caption_html(path)
    assert first == "First words of it in two lines."
    assert "<script" not in html and "the secret" not in html and "<b>" not in html
    assert "<em>words</em>" in html


@pytest.mark.parametrize("path", sorted(CAPTIONS.glob("*.rst")), ids=lambda path: path.name)
def test_captions_are_plain_restructured_text_for_snakemake_too(path):
    """Snakemake renders them with Jinja2, and then in the same way as the report."""
    from docutils.core import publish_parts
    from docutils.writers.html5_polyglot import Writer
    from jinja2 import Environment, StrictUndefined

    snakemake = SimpleNamespace(config={"study": "digits", "dataset": {"name": "digits"}})
    text = path.read_text()
    rendered = Environment(undefined=StrictUndefined).from_string(text).render(snakemake=snakemake)
    if path.name != "workflow.rst":
        assert rendered.rstrip("\n") == text.rstrip("\n")
    publish_parts(rendered, writer=Writer(), settings_overrides={"halt_level": 1})
    assert max(map(len, text.splitlines())) <= 105


def test_there_is_a_caption_for_every_part_of_the_workflow():
    names = {path.stem for path in CAPTIONS.glob("*.rst")}
    assert names == set(FIGURES) | {"workflow", "report", "scaling_laws"}


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0.04, "0.0 s"), (59, "59.0 s"), (3725, "1:02:05")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_long_lists_of_values_are_shortened(page):
    assert "1e-08 to 100000, 27 values" in page.text
