"""The stages of the workflow by hand: ``python -m noisescale STAGE --help``."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from pathlib import Path

from noisescale.errors import NoisescaleError


def main(arguments: list[str] | None = None) -> int:
    """Run one stage; return the exit status.

    A user's error is one line, on the terminal and in the log; everything else that a stage says
    goes to the log where there is one.
    """
    options = vars(_parser().parse_args(arguments))
    stage, log = options.pop("stage"), options.pop("log")
    terminal = sys.stderr
    try:
        if log is not None:
            sys.stderr = _Log(log)
        _STAGES[stage](**options)
    except NoisescaleError as error:
        for stream in {terminal, sys.stderr}:
            print(f"noisescale {stage}: {error}", file=stream)
        return 1
    return 0


class _Log(io.TextIOBase):
    """A log file. What a full disk has no room for is lost, and the work goes on."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "wb", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise NoisescaleError(
                f"{path}: cannot be written ({error.strerror}); make the folder writable, or make "
                "room, and run the workflow again"
            ) from error

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._file.write(text.encode("utf-8", "replace"))
        return len(text)


_Parser = argparse.ArgumentParser


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="noisescale", description=__doc__)
    parser.add_argument("--log", type=Path, help="file for all messages but errors")
    stages = parser.add_subparsers(dest="stage", required=True)

    def stage(name: str, summary: str, *files: str, optional: tuple[str, ...] = ()) -> _Parser:
        sub = stages.add_parser(name, help=summary, description=summary)
        for file in files:
            sub.add_argument(f"--{file}", type=Path, required=file not in optional)
        return sub

    stage("data", "find or download the data set", "study", "output")
    stage("evidence", "sweep the prior of a linear model", "study", "data", "output")
    train = stage("train", "bring a shard of runs up to date", "study", "data", "output")
    train.add_argument("--shard", required=True, help="its name, see the folder runs")
    train.add_argument("--threads", type=int, default=1, help="CPU threads")
    stage("collect", "gather the shards", "study", "shards", "output")
    stage("scaling", "locate peaks and fit the scaling laws", "study", "runs", "output")
    figures = stage(
        "figures",
        "draw figures",
        "study",
        "runs",
        "evidence",
        "laws",
        "folder",
        optional=("runs", "evidence", "laws"),
    )
    figures.add_argument("names", nargs="+", help="such as fig5_learning_rate")
    stage(
        "judge",
        "judge the claims, write captions",
        "study",
        "runs",
        "evidence",
        "laws",
        "captions",
        "output",
        optional=("runs", "evidence", "laws"),
    )
    stage(
        "report",
        "write the report",
        "study",
        "runs",
        "evidence",
        "laws",
        "figures",
        "judged",
        "benchmarks",
        "output",
        optional=("runs", "evidence", "laws"),
    )
    for name, summary, source in (
        ("publish", "publish a finished study in a folder", "results"),
        ("redraw", "make figures, laws and report from a published folder", "published"),
    ):
        stage(name, summary, source, "output").add_argument(
            "--captions", type=Path, default=Path("workflow/report"), help="the figures' captions"
        )
    return parser


# Each stage imports what it needs and no more: torch alone takes seconds.


def _data(study: Path, output: Path) -> None:
    from noisescale.data.prepare import data_stage

    data_stage(study, output)


def _evidence(study: Path, data: Path, output: Path) -> None:
    from noisescale.evidence.sweep import evidence_stage

    evidence_stage(study, data, output)


def _train(study: Path, data: Path, output: Path, shard: str, threads: int) -> None:
    from noisescale.training.job import train_stage

    train_stage(study, data, shard, output, threads)


def _collect(study: Path, shards: Path, output: Path) -> None:
    from noisescale.results.collect import collect_stage

    collect_stage(study, shards, output)


def _scaling(study: Path, runs: Path, output: Path) -> None:
    from noisescale.laws.scaling import laws_stage

    laws_stage(study, runs, output)


def _figures(
    study: Path,
    runs: Path | None,
    evidence: Path | None,
    laws: Path | None,
    folder: Path,
    names: list[str],
) -> None:
    from noisescale.figures.draw import figures_stage

    figures_stage(names, study, runs, evidence, laws, folder)


def _judge(
    study: Path,
    runs: Path | None,
    evidence: Path | None,
    laws: Path | None,
    captions: Path,
    output: Path,
) -> None:
    from noisescale.claims.stage import claims_stage
    from noisescale.report.captions import captions_stage

    claims_stage(study, runs, evidence, laws, output)
    captions_stage(study, output / "claims.parquet", captions, output / "captions")


def _report(
    study: Path,
    runs: Path | None,
    evidence: Path | None,
    laws: Path | None,
    figures: Path,
    judged: Path,
    benchmarks: Path,
    output: Path,
) -> None:
    from noisescale.report.page import report_stage

    report_stage(study, runs, evidence, laws, figures, judged, benchmarks, output)


def _publish(results: Path, output: Path, captions: Path) -> None:
    from noisescale.report.publish import publish_study

    publish_study(results, captions, output)


def _redraw(published: Path, output: Path, captions: Path) -> None:
    from noisescale.report.publish import redraw_published

    redraw_published(published, captions, output)


_STAGES = {
    "data": _data,
    "evidence": _evidence,
    "train": _train,
    "collect": _collect,
    "scaling": _scaling,
    "figures": _figures,
    "judge": _judge,
    "report": _report,
    "publish": _publish,
    "redraw": _redraw,
}
