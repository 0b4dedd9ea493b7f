"""Files that are damaged without Snakemake's knowledge are detected and rebuilt by the next run."""

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
    result = finished("results/tiny/runs.parquet")
    assert result.status == 0, result.text
    assert f"{shard.relative_to(finished.folder)}: damaged or replaced" in result.text
    assert result.trained == 2 * 2 * 2
    assert rows(finished.results).equals(before)
    assert finished("--dry-run", "results/tiny/runs.parquet").nothing_to_be_done


def test_of_a_shard_that_is_replaced_by_an_older_one_only_missing_runs_are_trained(finished):
    (shard,) = (finished.results / "runs").rglob("batch_size~1-7/*.parquet")
    older, times = shard.read_bytes(), shard.stat()
    finished.settings["base"]["seeds"] = 3
    finished("results/tiny/runs.parquet")
    before = rows(finished.results)
    shard.write_bytes(older)
    os.utime(shard, ns=(times.st_atime_ns, times.st_mtime_ns))
    result = finished("results/tiny/runs.parquet")
    assert result.status == 0, result.text
    assert "18 runs, 14 up to date, 4 to train in 1 job" in result.text
    assert result.trained == 4
    assert rows(finished.results).equals(before)


def test_a_table_that_is_replaced_by_an_older_one_is_collected_again(finished):
    table = finished.results / "runs.parquet"
    older, times = table.read_bytes(), table.stat()
    finished.settings["base"]["seeds"] = 3
    finished("results/tiny/runs.parquet")
    before = rows(finished.results)
    table.write_bytes(older)
    os.utime(table, ns=(times.st_atime_ns, times.st_mtime_ns))
    result = finished("results/tiny/runs.parquet")
    assert result.jobs == {"collect": 1}
    assert rows(finished.results).equals(before)


def test_damaged_tables_and_laws_are_rebuilt(finished):
    results = finished.results
    expected = {path: path.read_bytes() for path in results.glob("figures/*")}
    before = rows(results)
    flip(results / "runs.parquet")
    (results / "scaling_laws.json").write_text("{}")
    (results / "claims.parquet").write_bytes(b"PAR1")
    result = finished()
    assert result.status == 0, result.text
    assert result.jobs.keys() >= {"collect", "laws", "claims"}
    assert not result.jobs.keys() & {"train", "evidence"}
    assert rows(results).equals(before)
    assert {path: path.read_bytes() for path in results.glob("figures/*")} == expected
    assert finished.dry_run().nothing_to_be_done


def test_repair_removes_damaged_files_and_the_next_workflow_run_rebuilds_them(finished):
    laws = finished.results / "scaling_laws.json"
    before = laws.read_bytes()
    flip(laws)
    done = finished.command("repair", "results/tiny")
    assert done.returncode == 0, done.stdout
    assert "results/tiny/scaling_laws.json: damaged; removed" in done.stdout
    assert not laws.exists()
    assert finished("results/tiny/scaling_laws.json").jobs == {"laws": 1}
    assert laws.read_bytes() == before
