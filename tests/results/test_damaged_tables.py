"""A truncated, changed or replaced file is read as it was written, or refused in one line."""

import dataclasses
import json
import random
import shutil
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.synthetic import synthetic_study, write_synthetic

from noisescale.claims.stage import claims_stage, read_claims
from noisescale.errors import NoisescaleError, RecordError
from noisescale.laws.scaling import laws_stage
from noisescale.planning.plan import Plan
from noisescale.report.captions import caption_html, captions_stage
from noisescale.report.job_times import read_job_times
from noisescale.results import collect
from noisescale.results.collect import collect_stage
from noisescale.results.completeness import is_intact
from noisescale.results.identity import RunIdentity
from noisescale.results.load import Results, read_results
from noisescale.results.scaling_laws import ScalingLaws
from noisescale.results.schemas import AGREEMENT, EVIDENCE, RUNS
from noisescale.storage.tables import SCHEMA_VERSION, read_table, write_table
from noisescale.study.grid import unique_runs
from noisescale.study.model import BatchRange, Study

CUTS, FLIPS = 25, 120


def small_study():
    whole = synthetic_study(seeds=2, bootstrap=20)
    sweep = replace(
        whole.experiments["learning_rate"],
        batch_size=BatchRange(start=4, stop=None, per_octave=0.5),
    )
    evidence = replace(whole.evidence, prior_precision=[0.01, 1.0, 100.0])
    return replace(whole, experiments={"learning_rate": sweep}, evidence=evidence)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    study = write_synthetic(folder, small_study())
    laws_stage(folder / "study.json", folder / "runs.parquet", folder / "scaling_laws.json")
    captions = tmp_path_factory.mktemp("captions")
    for name in ("scaling_laws", "fig1_memorization", "fig2_evidence", "fig5_learning_rate"):
        (captions / f"{name}.rst").write_text("What it *shows*: λ.\n")
    for name in ("collapse", "label_noise"):
        (captions / f"{name}.rst").write_text("What it shows.\n")
    paths = [folder / n for n in ("runs.parquet", "evidence.parquet", "scaling_laws.json")]
    claims_stage(folder / "study.json", *paths, folder)
    captions_stage(folder / "study.json", folder / "claims.parquet", captions, folder / "captions")
    shard = study_shard(folder, study)
    assert shard.exists()
    return folder


def study_shard(folder, study):
    """Write the runs as if a training job had made them, all in one shard."""
    table = read_table(folder / "runs.parquet", RUNS)
    metadata = {
        "kind": "runs",
        **dataclasses.asdict(RunIdentity(1, "the same", 5, "float32")),
        "run_ids": sorted(set(table["run_id"].to_pylist())),
        "jobs": [{"trained": 1, "device": "CPU"}],
    }
    write_table(folder / "shard.parquet", table, RUNS, metadata)
    return folder / "shard.parquet"


def gathered(path):
    """Collect a shard that holds all runs, and return what has been collected."""
    output = path.with_name("collected.parquet")
    study_path = path.with_name("study.json")
    study_path.write_text(small_study().to_json())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect, "assign_shards", lambda study: {path.stem: unique_runs(study)})
        collect_stage(study_path, path.parent, output)
    return read_table(output, RUNS).replace_schema_metadata(None)


READERS = {
    "runs.parquet": lambda path: read_table(path, RUNS),
    "evidence.parquet": lambda path: read_table(path, EVIDENCE),
    "claims.parquet": read_claims,
    "agreement.parquet": lambda path: read_table(path, AGREEMENT),
    "shard.parquet": gathered,
    "scaling_laws.json": ScalingLaws.read,
    "study.json": Study.read,
}


def damaged_copies(content, draw):
    """Yield a file truncated at many lengths, and with a bit flipped at many places."""
    ends = {0, 1, len(content) - 1, *(draw.randrange(len(content)) for _ in range(CUTS))}
    for end in sorted(ends):
        yield content[:end]
    for number in range(FLIPS):
        # The footer at the end of a Parquet file has no checksum.
        near_end = len(content) - 1 - draw.randrange(min(4000, len(content)))
        changed = bytearray(content)
        changed[near_end if number % 2 else draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        yield bytes(changed)


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_refused_in_one_line_or_read_as_written(folder, tmp_path, name):
    path, read_it, refused = tmp_path / name, READERS[name], 0
    content = (folder / name).read_bytes()
    path.write_bytes(content)
    sound = read_it(path)
    for damaged in damaged_copies(content, random.Random(name)):
        path.write_bytes(damaged)
        try:
            found = read_it(path)
        except NoisescaleError as error:
            refused += 1
            assert str(path) in str(error) and "run the workflow again" in str(error)
            assert "\n" not in str(error)
        else:
            assert found == sound
    assert refused > FLIPS / 2


FOREIGN = [b"[]", b"null", b"7", b"{}", b"not JSON", b"\xff", b'{"schema_version": []}', b'"text"']


@pytest.mark.parametrize("stored", FOREIGN)
def test_a_table_with_foreign_provenance_is_refused(tmp_path, stored):
    path = tmp_path / "theirs.parquet"
    table = RUNS.empty_table().replace_schema_metadata({b"noisescale": stored})
    pq.write_table(table, path)
    with pytest.raises(RecordError, match=r"theirs\.parquet: .* run the workflow again"):
        read_table(path, RUNS)


@pytest.mark.parametrize(
    "metadata",
    [{}, {"jobs": 3}, {"jobs": [{}]}, {"run_ids": []}, {"data_digest": "x", "jobs": [[]]}],
)
def test_a_table_of_ours_that_is_no_shard_is_refused(folder, tmp_path, metadata):
    table = read_table(folder / "runs.parquet", RUNS)
    write_table(tmp_path / "s.parquet", table, RUNS, metadata)
    with pytest.raises(RecordError, match=r"s\.parquet: not the shard of a training job; delete"):
        gathered(tmp_path / "s.parquet")


@pytest.mark.parametrize("text", ["[]", "null", "{}", "", "{", '{"name": 1}', "\x00", '{"a": NaN}'])
def test_json_of_something_else_is_refused(tmp_path, text):
    path = tmp_path / "theirs.json"
    path.write_text(text)
    for read_it in (Study.read, ScalingLaws.read):
        with pytest.raises(RecordError, match=r"theirs\.json: .* run the workflow again"):
            read_it(path)


def test_what_earlier_versions_wrote_without_a_digest_is_read(folder, tmp_path):
    for name in ("study.json", "scaling_laws.json"):
        content = json.loads((folder / name).read_text())
        del content["digest"]
        (tmp_path / name).write_text(json.dumps(content))
        assert READERS[name](tmp_path / name) == READERS[name](folder / name)
    table = pq.read_table(folder / "runs.parquet")
    metadata = json.loads(table.schema.metadata[b"noisescale"])
    del metadata["digest"]
    old = table.replace_schema_metadata({b"noisescale": json.dumps(metadata).encode()})
    pq.write_table(old, tmp_path / "runs.parquet")
    assert read_runs(tmp_path) == read_runs(folder)


def test_all_results_of_a_folder_are_read_as_far_as_the_study_has_them(folder, tmp_path):
    found = Results.read(folder)
    assert found.laws == ScalingLaws.read(folder / "scaling_laws.json")
    assert len(found.runs) and len(found.evidence)
    study = replace(small_study(), experiments={})
    (tmp_path / "study.json").write_text(study.to_json())
    shutil.copy(folder / "evidence.parquet", tmp_path)
    found = Results.read(tmp_path)
    assert found.runs is found.laws is None and len(found.evidence)


def test_claims_of_an_earlier_version_are_refused_in_one_line(folder, tmp_path):
    table = pq.read_table(folder / "claims.parquet")
    names = ["together" if n == "adjusted_verdict" else n for n in table.column_names]
    old = table.rename_columns(names).replace_schema_metadata(table.schema.metadata)
    pq.write_table(old, tmp_path / "claims.parquet")
    with pytest.raises(RecordError, match=r"claims\.parquet: its columns are not .*; give"):
        read_claims(tmp_path / "claims.parquet")


def read_runs(folder):
    return read_table(folder / "runs.parquet", RUNS)


def without(table, rows):
    keep = pa.array([i not in rows for i in range(table.num_rows)])
    return table.filter(keep)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.slice(0, 0), "lacks 60 of the study's 60 runs"),
        (lambda t: t.filter(pa.compute.less(t["seed"], 1)), "lacks 30 of the study's 60 runs"),
        (lambda t: without(t, {5}), "lacks evaluations of some runs"),
        (
            lambda t: t.filter(pa.compute.less(t["update"], t["updates"])),
            "lacks evaluations of some runs",
        ),
        (
            lambda t: t.filter(pa.compute.not_equal(t["update"], 1)),
            "lacks evaluations of some runs",
        ),
        (lambda t: pa.concat_tables([t, t.slice(3, 1)]), "an evaluation of a run twice"),
    ],
)
def test_figures_and_laws_are_not_made_from_some_of_the_runs(folder, tmp_path, change, words):
    study_path, path = folder / "study.json", tmp_path / "runs.parquet"
    table = change(read_runs(folder).replace_schema_metadata(None))
    write_table(path, table, RUNS, {"kind": "runs"})
    words = words.replace("60", str(len(set(read_runs(folder)["run_id"].to_pylist()))))
    words = words.replace("30", str(len(set(read_runs(folder)["run_id"].to_pylist())) // 2))
    with pytest.raises(RecordError, match=rf"runs\.parquet: .*{words}.*give the right file"):
        read_results(study_path, path, None, None)
    with pytest.raises(RecordError, match=words):
        laws_stage(study_path, path, tmp_path / "laws.json")
    assert not (tmp_path / "laws.json").exists()


def test_figures_are_not_drawn_from_another_sweep_of_the_evidence(folder, tmp_path):
    table = read_table(folder / "evidence.parquet", EVIDENCE)
    path = tmp_path / "evidence.parquet"
    write_table(path, without(table, {0}), EVIDENCE, {})
    with pytest.raises(RecordError, match=r"evidence\.parquet: has other seeds, label noises"):
        read_results(folder / "study.json", None, path, None)


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_numbers_that_are_not_finite_are_neither_written_nor_read(folder, tmp_path, value):
    table, path = read_runs(folder), tmp_path / "runs.parquet"
    values = [value, *table["test_accuracy"].to_pylist()[1:]]
    place = table.column_names.index("test_accuracy")
    damaged = table.set_column(place, RUNS.field(place), [pa.array(values, pa.float32())])
    with pytest.raises(RecordError, match="test_accuracy has values that are not finite"):
        write_table(path, damaged, RUNS, {})
    assert not path.exists()
    metadata = {b"noisescale": json.dumps({"schema_version": SCHEMA_VERSION}).encode()}
    pq.write_table(damaged.replace_schema_metadata(metadata), path)
    with pytest.raises(RecordError, match="test_accuracy has values that are not finite"):
        read_table(path, RUNS)


def test_missing_runs_are_counted_whatever_file_is_in_the_place_of_a_shard(folder, tmp_path):
    plan = Plan(small_study(), tmp_path)
    for shard, content in zip(plan.shards, [b"", b"text", b"PAR1PAR1"], strict=False):
        plan.shard_path(shard).parent.mkdir(parents=True, exist_ok=True)
        plan.shard_path(shard).write_bytes(content)
    assert sum(map(len, plan.missing().values())) == sum(map(len, plan.shards.values()))


@pytest.mark.parametrize("content", [b"", b"s\n", b"s\th:m:s\n1.", b"\xff\xfe", b"s\nnan\n", b'"'])
def test_a_damaged_benchmark_is_ignored(tmp_path, content):
    (tmp_path / "train.tsv").write_bytes(content)
    (tmp_path / "collect.tsv").write_text("s\th:m:s\n2.5\t0:00:02\n")
    found = read_job_times(tmp_path)
    assert [t.stage for t in found if t.stage != "train"] == ["collect"]
    assert all(t.seconds in (1.0, 2.5) for t in found)


def test_a_damaged_caption_is_one_line(tmp_path):
    (tmp_path / "fig.rst").write_bytes(b"\xff\xfe")
    with pytest.raises(RecordError, match=r"fig\.rst: damaged, not text; delete"):
        caption_html(tmp_path / "fig.rst")


def test_a_table_is_intact_only_if_its_digest_says_so(folder, tmp_path):
    assert all(is_intact(path) for path in folder.glob("*.parquet"))
    assert not is_intact(folder / "study.json")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "theirs.parquet")
    assert not is_intact(tmp_path / "theirs.parquet")
    table = read_runs(folder)
    metadata = {b"noisescale": json.dumps({"schema_version": SCHEMA_VERSION}).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "old.parquet")
    assert read_runs(folder) == read_table(tmp_path / "old.parquet", RUNS)
    assert not is_intact(tmp_path / "old.parquet")
