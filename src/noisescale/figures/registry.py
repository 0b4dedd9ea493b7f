"""The figures: what there is, what each is drawn from, which module draws it.

A figure module has two functions. ``tabulate(inputs)`` asks the statistics for numbers and returns
one tidy table; ``compose(table)`` draws that table and nothing else. So the ``.csv`` beside a
picture is exactly what is plotted. This file imports nothing heavy: the workflow reads it.
"""

from __future__ import annotations

from dataclasses import dataclass

from noisescale.study.model import Study

FORMATS = ("png", "svg", "csv")
"""The files of each figure."""


@dataclass(frozen=True)
class FigureSpec:
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
        return "laws" if self.module in ("fig5_6_7_sweeps", "collapse") else "curves"

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
        FigureSpec("fig1_memorization", "Memorization", "fig1_memorization", ("evidence",)),
        FigureSpec("fig2_evidence", "The Bayesian evidence", "fig2_evidence", ("evidence",)),
        FigureSpec(
            "fig3_generalization_gap",
            "The generalization gap",
            "fig3_generalization_gap",
            ("generalization_gap",),
        ),
        FigureSpec("fig4_batch_size", "The best batch size", "fig4_batch_size", ("batch_size",)),
        FigureSpec("fig5_learning_rate", "Learning rate", "fig5_6_7_sweeps", ("learning_rate",)),
        FigureSpec("fig6_train_size", "Training set size", "fig5_6_7_sweeps", ("train_size",)),
        FigureSpec("fig7_momentum", "Momentum", "fig5_6_7_sweeps", ("momentum",)),
        FigureSpec("fig8_weight_decay", "Weight decay", "fig8_weight_decay", ("weight_decay",)),
        FigureSpec("fig9_fixed_epochs", "Fixed epochs", "fig9_fixed_epochs", ("fixed_epochs",)),
        FigureSpec("collapse", "Collapse on the noise scale", "collapse", _SWEEPS),
        FigureSpec("label_noise", "Label noise", "label_noise", ("label_noise", "evidence")),
    )
}
"""Every figure by name, in the order of the report."""


def figures_of(study: Study) -> list[FigureSpec]:
    """Return the figures that a study has the data for, in the order of the report."""
    available = set(study.experiments)
    if study.evidence is not None:
        available.add("evidence")
    return [f for f in FIGURES.values() if available & set(f.experiments) and _enough(f, study)]


def _enough(figure: FigureSpec, study: Study) -> bool:
    if figure.name != "label_noise" or "label_noise" in study.experiments:
        return True
    return len(study.evidence.label_noise) > 2
