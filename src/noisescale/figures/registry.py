"""The figures of a study: what each shows, what it is drawn from, and the module that draws it.

To find the code of a figure, look up its entry in `FIGURES`: ``module`` names the file in this
package.

A figure module has two functions. ``tabulate(spec, inputs)`` computes the numbers and returns one
tidy table; ``compose(spec, table, study)`` draws that table and nothing else. The ``.csv`` file
next to a picture therefore holds exactly what is plotted.

The workflow imports this module to plan its jobs, so it must import quickly.
"""

from __future__ import annotations

from dataclasses import dataclass

from noisescale.study.experiments import JOINT_LAW_EXPERIMENTS
from noisescale.study.model import Study

FORMATS = ("png", "svg", "csv")
"""The files of each figure."""

JOBS = ("evidence", "curves", "laws")
"""The workflow's drawing jobs. Several figures share a job because imports take seconds."""

PART_1 = "Part I: the evidence of a linear model"
PART_2 = "Part II: the noise scale of SGD"
BEYOND = "Beyond the paper"


@dataclass(frozen=True)
class FigureSpec:
    """A figure of the study.

    A study has the figure if it has one of `experiments`, or an evidence sweep with at least
    `noise_levels` levels of label noise.

    Attributes
    ----------
    name
        The stem of its files, and of its caption ``workflow/report/<name>.rst``.
    title
        What it shows, in a few words.
    module
        The module of this package that draws it.
    job
        The job of the workflow that draws it, one of `JOBS`.
    part
        The part of the report that it belongs to.
    needs
        The results that it is drawn from, as far as the study has them: ``runs``, ``evidence``,
        ``laws``.
    experiments
        The experiments that it is drawn from; any of them suffices.
    noise_levels
        The number of levels of label noise that suffices to draw it from the evidence sweep; None
        if it does not show the evidence.
    number
        Its number in the paper; None for a figure that the paper does not have.
    """

    name: str
    title: str
    module: str
    job: str
    part: str
    needs: tuple[str, ...]
    experiments: tuple[str, ...] = ()
    noise_levels: int | None = None
    number: int | None = None

    @property
    def caption(self) -> str:
        """The file name of its caption."""
        return f"{self.name}.rst"

    @property
    def label(self) -> str:
        """How a text refers to it: ``figure 5``, or the title of a figure without a number."""
        return self.title.lower() if self.number is None else f"figure {self.number}"

    @property
    def heading(self) -> str:
        """Its heading in the report."""
        return self.title if self.number is None else f"Figure {self.number}. {self.title}"

    def shows_evidence(self, study: Study) -> bool:
        """Return whether the study's evidence sweep suffices to draw it."""
        if self.noise_levels is None or study.evidence is None:
            return False
        return len(study.evidence.label_noise) >= self.noise_levels

    def is_drawn_for(self, study: Study) -> bool:
        """Return whether the study has the data for it."""
        return bool(study.experiments.keys() & set(self.experiments)) or self.shows_evidence(study)


FIGURES = {
    figure.name: figure
    for figure in (
        FigureSpec(
            name="fig1_memorization",
            number=1,
            title="Memorization",
            module="fig1_memorization",
            job="evidence",
            part=PART_1,
            needs=("evidence",),
            noise_levels=1,
        ),
        FigureSpec(
            name="fig2_evidence",
            number=2,
            title="The Bayesian evidence",
            module="fig2_evidence",
            job="evidence",
            part=PART_1,
            needs=("evidence",),
            noise_levels=1,
        ),
        FigureSpec(
            name="fig3_generalization_gap",
            number=3,
            title="The generalization gap",
            module="fig3_generalization_gap",
            job="curves",
            part=PART_2,
            needs=("runs",),
            experiments=("generalization_gap",),
        ),
        FigureSpec(
            name="fig4_batch_size",
            number=4,
            title="The optimum batch size",
            module="fig4_batch_size",
            job="curves",
            part=PART_2,
            needs=("runs", "laws"),
            experiments=("batch_size",),
        ),
        FigureSpec(
            name="fig5_learning_rate",
            number=5,
            title="Learning rate",
            module="fig5_6_7_sweeps",
            job="laws",
            part=PART_2,
            needs=("runs", "laws"),
            experiments=("learning_rate",),
        ),
        FigureSpec(
            name="fig6_train_size",
            number=6,
            title="Training set size",
            module="fig5_6_7_sweeps",
            job="laws",
            part=PART_2,
            needs=("runs", "laws"),
            experiments=("train_size",),
        ),
        FigureSpec(
            name="fig7_momentum",
            number=7,
            title="Momentum",
            module="fig5_6_7_sweeps",
            job="laws",
            part=PART_2,
            needs=("runs", "laws"),
            experiments=("momentum",),
        ),
        FigureSpec(
            name="fig8_weight_decay",
            number=8,
            title="Weight decay",
            module="fig8_weight_decay",
            job="curves",
            part=PART_2,
            needs=("runs",),
            experiments=("weight_decay",),
        ),
        FigureSpec(
            name="fig9_fixed_epochs",
            number=9,
            title="Fixed epochs",
            module="fig9_fixed_epochs",
            job="curves",
            part=PART_2,
            needs=("runs", "laws"),
            experiments=("fixed_epochs",),
        ),
        FigureSpec(
            name="collapse",
            title="Collapse on the noise scale",
            module="collapse",
            job="laws",
            part=BEYOND,
            needs=("runs", "laws"),
            experiments=JOINT_LAW_EXPERIMENTS,
        ),
        FigureSpec(
            name="label_noise",
            title="Label noise",
            module="label_noise",
            job="curves",
            part=BEYOND,
            needs=("runs", "evidence", "laws"),
            experiments=("label_noise",),
            noise_levels=3,
        ),
    )
}
"""Every figure by name, in the order of the report."""


def figures_of(study: Study) -> list[FigureSpec]:
    """Return the figures that a study has the data for, in the order of the report."""
    return [figure for figure in FIGURES.values() if figure.is_drawn_for(study)]
