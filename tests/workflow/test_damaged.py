"""What is damaged behind Snakemake's back is noticed by the next call, and made again."""

import os

import pyarrow.parquet as pq
import pytest


def flip(path):
    """Flip a bit in the midst of a file, and leave its size and its times as they are."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def rows(results):
    return pq.read_table(results / "runs.parquet").drop_columns("train_seconds")


def test_a_shard_with_a_flipped_bit_is_trained_anew(finished):
    before = rows(finished.results)
    (shard,) = (finished.results / "runs").rglob("batch_size~1-7/*.parquet")
    flip(shard)
    call = finished()
    assert call.status == 0, call.text
    assert f"{shard.relative_to(finished.folder)}: not what was written; made again" in call.text
    assert call.trained == 2 * 2 * 2
    assert rows(finished.results).equals(before)
    assert finished().nothing_to_be_done


def test_an_older_shard_in_the_place_of_a_shard_costs_only_what_it_lacks(finished):
    (shard,) = (finished.results / "runs").rglob("batch_size~1-7/*.parquet")
    older = shard.read_bytes(), shard.with_name(f"{shard.name}.sha256").read_bytes()
    finished.settings["base"]["seeds"] = 3
    finished("results/tiny/runs.parquet")
    before = rows(finished.results)
    for path, content in zip((shard, shard.with_name(f"{shard.name}.sha256")), older, strict=True):
        path.write_bytes(content)
    call = finished(f"{shard.relative_to(finished.folder)}.sha256", "results/tiny/runs.parquet")
    assert call.status == 0, call.text
    assert call.trained == 4
    assert rows(finished.results).equals(before)


@pytest.mark.parametrize("name", ["evidence.parquet.sha256", "runs.parquet.sha256"])
def test_a_damaged_checksum_of_a_sound_table_costs_nothing(finished, name):
    checksum = finished.results / name
    before = checksum.read_text()
    checksum.write_text(before[:10])
    assert finished().nothing_to_be_done
    assert checksum.read_text() == before


def test_damaged_tables_and_laws_are_made_again(finished):
    results = finished.results
    expected = {path: path.read_bytes() for path in results.glob("figures/*")}
    before = rows(results)
    (results / "runs.parquet").write_bytes((results / "runs.parquet").read_bytes()[:-100])
    (results / "scaling_laws.json").write_text("{}")
    (results / "claims.parquet").write_bytes(b"PAR1")
    call = finished()
    assert call.status == 0, call.text
    assert call.jobs.keys() >= {"collect", "scaling", "judge"}
    assert not call.jobs.keys() & {"train", "evidence"}
    assert rows(results).equals(before)
    assert {path: path.read_bytes() for path in results.glob("figures/*")} == expected
