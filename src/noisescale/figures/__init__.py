"""The figures: what there is, what each is drawn from, which module draws it.

A figure module has two functions. ``tabulate(inputs)`` asks the statistics for numbers and returns
one tidy table; ``compose(table)`` draws that table and nothing else. So the ``.csv`` beside a
picture is exactly what is plotted. This file imports nothing heavy: the workflow reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from noisescale.study import Study

FORMATS = ("png", "svg", "csv")
"""The files of each figure."""


@dataclass(frozen=True)
class Spec:
    """A figure of the study.

    Attributes
    ----------
    name
        The stem of its files, and of its caption ``workflow/report/<name>.rst``.
    title
        What it shows, in a few words.
    module
        The module of this package that draws it.
    experiments
        What it is drawn from, any of which suffices: names of experiments, or ``evidence``.
    """

    name: str
    title: str
    module: str
    experiments: tuple[str, ...]

    @property
    def job(self) -> str:
        """Return the job that draws it: a few figures share one, as importing costs seconds."""
        if self.experiments == ("evidence",):
            return "evidence"
        return "laws" if self.module in ("sweeps", "collapse") else "curves"

    @property
    def caption(self) -> str:
        """The file name of its caption."""
        return f"{self.name}.rst"

    @property
    def part(self) -> str:
        """The part of the study that it belongs to."""
        if self.experiments == ("evidence",):
            return "Part I: the evidence of a linear model"
        if self.name.startswith("fig"):
            return "Part II: the noise scale of SGD"
        return "Beyond the paper"


_SWEEPS = ("batch_size", "learning_rate", "train_size", "momentum")

FIGURES = {
    figure.name: figure
    for figure in (
        Spec("fig1_memorization", "Memorization", "memorization", ("evidence",)),
        Spec("fig2_evidence", "The Bayesian evidence", "evidence", ("evidence",)),
        Spec(
            "fig3_generalization_gap",
            "The generalization gap",
            "generalization_gap",
            ("generalization_gap",),
        ),
        Spec("fig4_batch_size", "The best batch size", "batch_size", ("batch_size",)),
        Spec("fig5_learning_rate", "Learning rate", "sweeps", ("learning_rate",)),
        Spec("fig6_train_size", "Training set size", "sweeps", ("train_size",)),
        Spec("fig7_momentum", "Momentum", "sweeps", ("momentum",)),
        Spec("fig8_weight_decay", "Weight decay", "weight_decay", ("weight_decay",)),
        Spec("fig9_fixed_epochs", "Fixed epochs", "fixed_epochs", ("fixed_epochs",)),
        Spec("collapse", "Collapse on the noise scale", "collapse", _SWEEPS),
        Spec("label_noise", "Label noise", "label_noise", ("label_noise", "evidence")),
    )
}
"""Every figure by name, in the order of the report."""


def wanted(study: Study) -> list[Spec]:
    """Return the figures that a study has the data for, in the order of the report."""
    available = set(study.experiments)
    if study.evidence is not None:
        available.add("evidence")
    return [f for f in FIGURES.values() if available & set(f.experiments) and _enough(f, study)]


def _enough(figure: Spec, study: Study) -> bool:
    if figure.name != "label_noise" or "label_noise" in study.experiments:
        return True
    return len(study.evidence.label_noise) > 2


def main(
    names: Sequence[str],
    study_path: Path,
    runs_path: Path | None,
    evidence_path: Path | None,
    laws_path: Path | None,
    folder: Path,
) -> None:
    """Draw the named figures in one process; see `noisescale.figures.draw.main`."""
    from noisescale.figures import draw

    draw.main(names, study_path, runs_path, evidence_path, laws_path, folder)
