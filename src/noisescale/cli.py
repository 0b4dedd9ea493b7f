"""Command line: each stage of the workflow as a command.

Every command imports its stage when it is called, since importing torch takes seconds.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from noisescale.environment import PACKAGE, settle_environment
from noisescale.errors import NoisescaleError

_LOGGER = logging.getLogger("noisescale")

app = typer.Typer(
    help="Run the stages of the noisescale workflow individually.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

StudyOption = Annotated[Path, typer.Option("--study", help="Resolved study, study.json.")]
DataOption = Annotated[Path, typer.Option("--data", help="Prepared data set, data.npz.")]
RunsOption = Annotated[Path | None, typer.Option("--runs", help="Table of all runs, runs.parquet.")]
EvidenceOption = Annotated[
    Path | None, typer.Option("--evidence", help="Table of the evidence, evidence.parquet.")
]
LawsOption = Annotated[Path | None, typer.Option("--laws", help="Scaling laws, scaling_laws.json.")]
CaptionsOption = Annotated[
    Path | None,
    typer.Option(
        "--captions",
        help="Folder of the captions' templates; by default workflow/report of the checkout.",
    ),
]
OutputFile = Annotated[Path, typer.Option("--output", help="File to write.")]
OutputFolder = Annotated[Path, typer.Option("--output", help="Folder to write to.")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    A user's error ends in one line, on the terminal and in the log. Of an unexpected error, the
    traceback goes to the log, where there is one, and its last line to the terminal.

    Parameters
    ----------
    arguments
        The command line without the program's name; that of this process if not given.

    Returns
    -------
    int
        The exit status: 0 for success, 1 for an error, 2 for a wrong command line.
    """
    # Before any command imports NumPy or torch.
    settle_environment()
    with contextlib.ExitStack() as cleanup:
        session = _Session(cleanup)
        try:
            status = _run_command(arguments, session)
            if status == 0:
                session.finish()
            return status
        except NoisescaleError as error:
            _LOGGER.error("%s: %s", session.name, error)
        except Exception as error:
            summary = " ".join("".join(traceback.format_exception_only(error)).split())
            _LOGGER.error("%s: %s", session.name, summary, exc_info=True)
        return 1


def _run_command(arguments: Sequence[str] | None, session: _Session) -> int:
    """Run a command and return the exit status that typer ends with."""
    command = typer.main.get_command(app)
    try:
        command.main(
            args=None if arguments is None else list(arguments),
            prog_name="noisescale",
            obj=session,
        )
    except SystemExit as end:
        if isinstance(end.code, str):
            raise
        return int(end.code or 0)
    return 0


class _Session:
    """State of one command: its full name, and what has to be done at its end.

    `finish` is called if the command succeeds; `cleanup` is closed in any case.
    """

    def __init__(self, cleanup: contextlib.ExitStack) -> None:
        self.cleanup = cleanup
        self.name = "noisescale"
        self.finish: Callable[[], None] = lambda: None

    def begin(self, command: str, log: Path | None) -> None:
        """Direct messages to the log file, or to the terminal if there is none."""
        self.name = f"noisescale {command}"
        terminal = logging.StreamHandler(sys.stderr)
        if log is None:
            self.cleanup.enter_context(_handling(terminal))
            return
        terminal.setLevel(logging.ERROR)
        terminal.setFormatter(_MessageOnly())
        self.cleanup.enter_context(_handling(terminal))
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            file = _LogFile(log, mode="w", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise NoisescaleError(
                f"--log {log}: cannot be written ({error.strerror}); make the folder writable, or "
                "make room, and run the command again"
            ) from error
        self.cleanup.enter_context(_handling(file))


class _MessageOnly(logging.Formatter):
    """Leave out tracebacks, which are in the log."""

    def format(self, record: logging.LogRecord) -> str:
        return record.getMessage()


class _LogFile(logging.FileHandler):
    """A log file. If the disk is full, messages are lost and the command continues."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore that a message could not be written."""

    def close(self) -> None:
        """Close the file, ignoring messages that cannot be written."""
        with contextlib.suppress(OSError):
            super().close()


@contextlib.contextmanager
def _handling(handler: logging.Handler) -> Iterator[None]:
    """Attach a handler to the package's logger and to Python's warnings."""
    warnings = logging.getLogger("py.warnings")
    level = _LOGGER.level
    _LOGGER.setLevel(logging.INFO)
    logging.captureWarnings(True)
    for logger in (_LOGGER, warnings):
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in (_LOGGER, warnings):
            logger.removeHandler(handler)
        logging.captureWarnings(False)
        _LOGGER.setLevel(level)
        handler.close()


@app.callback()
def _options(
    context: typer.Context,
    log: Annotated[
        Path | None,
        typer.Option(help="File for all messages; the terminal then shows errors only."),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(
            help="File for the record of the stage's inputs and results: records/<stage>.json in "
            "the folder of the study's results."
        ),
    ] = None,
) -> None:
    context.obj.begin(context.invoked_subcommand, log)
    if record is not None:
        from noisescale.planning.records import Recorder

        context.obj.finish = Recorder(record).finish


@app.command()
def data(study: StudyOption, output: OutputFile) -> None:
    """Find or download the data set, check it, and write it as one file."""
    from noisescale.data.prepare import data_stage

    data_stage(study, output)


@app.command()
def evidence(study: StudyOption, data: DataOption, output: OutputFile) -> None:
    """Compute the evidence of a linear model for each prior precision."""
    from noisescale.evidence.sweep import evidence_stage

    evidence_stage(study, data, output)


@app.command()
def train(
    study: StudyOption,
    data: DataOption,
    shard: Annotated[str, typer.Option(help="Name of the shard, as in the folder runs.")],
    output: OutputFile,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
) -> None:
    """Bring a shard of runs up to date: train the runs that it lacks."""
    _check_shard(study, shard)

    from noisescale.training.job import train_stage

    train_stage(study, data, shard, output, threads)


@app.command()
def collect(
    study: StudyOption,
    shards: Annotated[Path, typer.Option(help="Folder of the shards.")],
    output: OutputFile,
) -> None:
    """Collect the runs of all shards in one table."""
    from noisescale.results.collect import collect_stage

    collect_stage(study, shards, output)


@app.command()
def laws(
    study: StudyOption,
    runs: Annotated[Path, typer.Option(help="Table of all runs, runs.parquet.")],
    output: OutputFile,
) -> None:
    """Locate the optimum batch sizes and fit the scaling laws."""
    from noisescale.laws.scaling import laws_stage

    laws_stage(study, runs, output)


@app.command()
def figures(
    study: StudyOption,
    folder: Annotated[Path, typer.Option(help="Folder for the figures' files.")],
    names: Annotated[list[str], typer.Argument(help="Figures, such as fig5_learning_rate.")],
    runs: RunsOption = None,
    evidence: EvidenceOption = None,
    laws: LawsOption = None,
) -> None:
    """Draw figures."""
    _check_figures(study, names, runs, evidence, laws)

    from noisescale.figures.draw import figures_stage

    figures_stage(names, study, runs, evidence, laws, folder)


@app.command()
def claims(
    study: StudyOption,
    output: OutputFolder,
    captions: CaptionsOption = None,
    runs: RunsOption = None,
    evidence: EvidenceOption = None,
    laws: LawsOption = None,
) -> None:
    """Evaluate the paper's claims, and write the captions that quote them."""
    _check_results(study, runs, evidence, laws)

    from noisescale.claims.stage import claims_stage
    from noisescale.report.captions import captions_stage

    templates = captions or _default_captions()
    claims_stage(study, runs, evidence, laws, output)
    captions_stage(study, output / "claims.parquet", templates, output / "captions")


@app.command()
def report(
    study: StudyOption,
    figures: Annotated[Path, typer.Option(help="Folder of the figures.")],
    claims: Annotated[Path, typer.Option(help="Folder that the command claims wrote to.")],
    benchmarks: Annotated[Path, typer.Option(help="Folder of Snakemake's benchmark files.")],
    output: OutputFile,
    runs: RunsOption = None,
    evidence: EvidenceOption = None,
    laws: LawsOption = None,
) -> None:
    """Write the report."""
    _check_results(study, runs, evidence, laws)

    from noisescale.report.page import report_stage

    report_stage(study, runs, evidence, laws, figures, claims, benchmarks, output)


@app.command()
def check(
    configs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="Configuration files, as after --configfile; later ones override earlier ones.",
        ),
    ] = None,
) -> None:
    """Check configuration files, merged over config.yaml, and the data that they name."""
    from noisescale.planning.plan import Plan
    from noisescale.study.loading import STUDY_FILE, load_study

    paths = configs or []
    complete = any(path.name == STUDY_FILE for path in paths)
    study = load_study(*([] if complete else _base_config()), *paths)
    plan = Plan(study, Path("results") / study.name)
    plan.check()
    runs, jobs = sum(map(len, plan.shards.values())), len(plan.shards)
    typer.echo(f"study {study.name}: valid, {runs} runs in {jobs} training job{'s' * (jobs != 1)}")


@app.command()
def publish(
    results: Annotated[Path, typer.Option(help="Folder of a finished study's results.")],
    output: OutputFolder,
    captions: CaptionsOption = None,
) -> None:
    """Publish a finished study in a folder."""
    from noisescale.report.publish import publish_study

    publish_study(results, captions or _default_captions(), output)


@app.command()
def redraw(
    published: Annotated[Path, typer.Option(help="Folder of a published study.")],
    output: OutputFolder,
    captions: CaptionsOption = None,
) -> None:
    """Rebuild laws, figures, claims and report from a published study."""
    from noisescale.report.publish import redraw_published

    redraw_published(published, captions or _default_captions(), output)


@app.command()
def repair(
    results: Annotated[Path, typer.Argument(help="Folder of a study's results.")],
) -> None:
    """Remove the damaged results of a study; the next workflow run rebuilds them."""
    from noisescale.planning.repair import repair_study

    for path in repair_study(results):
        typer.echo(f"{path}: damaged; removed")


@app.command()
def forget(
    results: Annotated[Path, typer.Argument(help="Folder of a study's results.")],
    shard: Annotated[
        list[str] | None,
        typer.Option(help="Name of a shard, as in the folder runs; may be repeated. Default: all."),
    ] = None,
) -> None:
    """Remove the runs of a study's shards; the next workflow run trains them again."""
    from noisescale.planning.repair import forget_shards

    for path in forget_shards(results, shard or ()):
        typer.echo(f"{path}: removed")


def _base_config() -> list[Path]:
    """Return the configuration over which the workflow merges others; none without a checkout."""
    path = PACKAGE.parents[1] / "config.yaml"
    return [path] if path.is_file() else []


def _default_captions() -> Path:
    """Return the captions' folder of the checkout that this package belongs to."""
    folder = PACKAGE.parents[1] / "workflow" / "report"
    if not folder.is_dir():
        raise NoisescaleError(
            "--captions: missing; expected the folder workflow/report of a checkout of noisescale, "
            "since this installation is not in a checkout"
        )
    return folder


def _check_shard(study_path: Path, shard: str) -> None:
    """Check that a study has a shard of this name."""
    from noisescale.study.model import Study
    from noisescale.study.shards import SHARD_PATTERN, assign_shards, shard_runs

    study = Study.read(study_path)
    if re.fullmatch(SHARD_PATTERN, shard) and shard_runs(study, shard):
        return
    known = sorted(assign_shards(study))
    expected = f"one of {len(known)}, such as {known[0]}" if known else "none, it trains nothing"
    raise NoisescaleError(f"--shard {shard!r}: not a shard of {study_path}; expected {expected}")


def _check_figures(
    study_path: Path,
    names: Sequence[str],
    runs: Path | None,
    evidence: Path | None,
    laws: Path | None,
) -> None:
    """Check that a study has these figures, and that the results they need are given."""
    from noisescale.figures.registry import figures_of
    from noisescale.study.model import Study

    study = Study.read(study_path)
    available = {figure.name: figure for figure in figures_of(study)}
    for name in names:
        if name not in available:
            raise NoisescaleError(
                f"figure {name!r}: not a figure of {study_path}; expected one of "
                f"{', '.join(available)}"
            )
    if any(available[name].job != "evidence" for name in names):
        _check_results(study_path, runs, evidence, laws)
    elif evidence is None:
        raise NoisescaleError("--evidence: missing; expected the study's evidence.parquet")


def _check_results(
    study_path: Path, runs: Path | None, evidence: Path | None, laws: Path | None
) -> None:
    """Check that all results that a study has are given."""
    from noisescale.study.model import Study

    study = Study.read(study_path)
    expected = {
        "runs": (runs, "runs.parquet", bool(study.experiments)),
        "laws": (laws, "scaling_laws.json", bool(study.experiments)),
        "evidence": (evidence, "evidence.parquet", study.evidence is not None),
    }
    for option, (path, file, needed) in expected.items():
        if needed and path is None:
            raise NoisescaleError(f"--{option}: missing; expected {file} of {study_path}")
        if path is not None and not needed:
            raise NoisescaleError(
                f"--{option} {path}: the study of {study_path} has no {file}; leave it out"
            )
