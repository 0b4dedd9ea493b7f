"""What is damaged without Snakemake's knowledge is noticed by the next call, and made again."""

import os

import pyarrow.parquet as pq


def flip(path):
    """Flip a bit in the middle of a file, and leave its size and its times as they are."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def rows(results):
    return pq.read_table(results / "runs.parquet").drop_columns("train_seconds")


def test_a_damaged_shard_is_trained_again(finished):
    before = rows(finished.results)
    (shard,) = (finished.results / "runs").rglob("batch_size~1-7/*.parquet")
    times = shard.stat()
    shard.write_bytes(shard.read_bytes()[:-30])
    os.utime(shard, ns=(times.st_atime_ns, times.st_mtime_ns))
    call = finished("results/tiny/runs.parquet")
    assert call.status == 0, call.text
    assert f"{shard.relative_to(finished.folder)}: damaged or replaced" in call.text
    assert call.trained == 2 * 2 * 2
    assert rows(finished.results).equals(before)
    assert finished("--dry-run", "results/tiny/runs.parquet").nothing_to_be_done


def test_an_older_shard_in_the_place_of_a_shard_costs_only_what_it_lacks(finished):
    (shard,) = (finished.results / "runs").rglob("batch_size~1-7/*.parquet")
    older, times = shard.read_bytes(), shard.stat()
    finished.settings["base"]["seeds"] = 3
    finished("results/tiny/runs.parquet")
    before = rows(finished.results)
    shard.write_bytes(older)
    os.utime(shard, ns=(times.st_atime_ns, times.st_mtime_ns))
    call = finished("results/tiny/runs.parquet")
    assert call.status == 0, call.text
    assert "18 runs, 14 up to date, 4 to train in 1 job" in call.text
    assert call.trained == 4
    assert rows(finished.results).equals(before)


def test_an_older_table_in_the_place_of_a_table_is_collected_again(finished):
    table = finished.results / "runs.parquet"
    older, times = table.read_bytes(), table.stat()
    finished.settings["base"]["seeds"] = 3
    finished("results/tiny/runs.parquet")
    before = rows(finished.results)
    table.write_bytes(older)
    os.utime(table, ns=(times.st_atime_ns, times.st_mtime_ns))
    call = finished("results/tiny/runs.parquet")
    assert call.jobs == {"collect": 1}
    assert rows(finished.results).equals(before)


def test_damaged_tables_and_laws_are_made_again(finished):
    results = finished.results
    expected = {path: path.read_bytes() for path in results.glob("figures/*")}
    before = rows(results)
    flip(results / "runs.parquet")
    (results / "scaling_laws.json").write_text("{}")
    (results / "claims.parquet").write_bytes(b"PAR1")
    call = finished()
    assert call.status == 0, call.text
    assert call.jobs.keys() >= {"collect", "laws", "claims"}
    assert not call.jobs.keys() & {"train", "evidence"}
    assert rows(results).equals(before)
    assert {path: path.read_bytes() for path in results.glob("figures/*")} == expected
    assert finished.dry_run().nothing_to_be_done


def test_repair_removes_what_is_damaged_and_a_run_makes_it_again(finished):
    laws = finished.results / "scaling_laws.json"
    before = laws.read_bytes()
    flip(laws)
    done = finished.command("repair", "results/tiny")
    assert done.returncode == 0, done.stdout
    assert "results/tiny/scaling_laws.json: damaged; removed" in done.stdout
    assert not laws.exists()
    assert finished("results/tiny/scaling_laws.json").jobs == {"laws": 1}
    assert laws.read_bytes() == before
