"""The registry of experiments: what each one varies, its labels, and what it requires.

This is the only module with a list of experiments. The configuration is validated against it, and
the statistics, the figures and the report take laws, symbols and labels from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LawVariable:
    """A variable that the optimum batch size is proportional to in theory.

    Attributes
    ----------
    field
        The field of a run that it is a function of.
    name
        As in tables, e.g. ``1 / (1 − momentum)``.
    symbol
        As in formulas, e.g. ``1/(1 − m)``.
    label
        As on an axis, e.g. ``learning rate ε``.
    words
        As in a sentence, e.g. ``the learning rate``.
    exponent
        The Greek letter of its exponent in the joint law, e.g. ``alpha``.
    transform
        The variable as a function of the field; works elementwise on arrays and Series.
    """

    field: str
    name: str
    symbol: str
    label: str
    words: str
    exponent: str
    transform: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True)
class ExperimentKind:
    """An entry of the registry of experiments.

    Attributes
    ----------
    name
        The key in the configuration.
    swept
        The parameter in which its curves differ; ``batch_size`` where it has one curve.
    symbol, label
        Of the swept parameter, in formulas and in words.
    figure
        The figure that shows it.
    min_values
        Fewest values of the swept parameter: 2 where a curve or a fit runs along it.
    min_batch_sizes
        Fewest batch sizes of each curve: 3 where a peak is to lie between them.
    law
        What the optimum batch size is proportional to along it; None where theory says nothing.
    in_joint_law
        Whether its curves enter the law that is fitted to all experiments together.
    """

    name: str
    swept: str
    symbol: str
    label: str
    figure: str
    min_values: int = 1
    min_batch_sizes: int = 3
    law: LawVariable | None = None
    in_joint_law: bool = False


_LEARNING_RATE = LawVariable(
    field="learning_rate",
    name="learning rate",
    symbol="ε",
    label="learning rate ε",
    words="the learning rate",
    exponent="alpha",
)
_TRAIN_SIZE = LawVariable(
    field="train_size",
    name="training set size",
    symbol="N",
    label="training set size N",
    words="the size of the training set",
    exponent="beta",
)
_MOMENTUM = LawVariable(
    field="momentum",
    name="1 / (1 − momentum)",
    symbol="1/(1 − m)",
    label="1 / (1 − m)",
    words="1/(1 − momentum)",
    exponent="gamma",
    transform=lambda momentum: 1 / (1 - momentum),
)

EXPERIMENTS = {
    kind.name: kind
    for kind in (
        ExperimentKind(
            name="generalization_gap",
            swept="batch_size",
            symbol="B",
            label="batch size",
            figure="fig3_generalization_gap",
            min_batch_sizes=2,
        ),
        ExperimentKind(
            name="batch_size",
            swept="batch_size",
            symbol="B",
            label="batch size",
            figure="fig4_batch_size",
            in_joint_law=True,
        ),
        ExperimentKind(
            name="learning_rate",
            swept="learning_rate",
            symbol="ε",
            label="learning rate",
            figure="fig5_learning_rate",
            min_values=2,
            law=_LEARNING_RATE,
            in_joint_law=True,
        ),
        ExperimentKind(
            name="train_size",
            swept="train_size",
            symbol="N",
            label="training set size",
            figure="fig6_train_size",
            min_values=2,
            law=_TRAIN_SIZE,
            in_joint_law=True,
        ),
        ExperimentKind(
            name="momentum",
            swept="momentum",
            symbol="m",
            label="momentum",
            figure="fig7_momentum",
            min_values=2,
            law=_MOMENTUM,
            in_joint_law=True,
        ),
        ExperimentKind(
            name="weight_decay",
            swept="weight_decay",
            symbol="λ",
            label="weight decay",
            figure="fig8_weight_decay",
            min_values=2,
            min_batch_sizes=1,
        ),
        ExperimentKind(
            name="fixed_epochs",
            swept="epochs",
            symbol="epochs",
            label="epochs",
            figure="fig9_fixed_epochs",
        ),
        ExperimentKind(
            name="label_noise",
            swept="label_noise",
            symbol="label noise",
            label="label noise",
            figure="label_noise",
            min_values=2,
        ),
    )
}
"""Every experiment by name, in the order of the figures."""

LAWS = {kind.name: kind.law for kind in EXPERIMENTS.values() if kind.law is not None}
"""The variables of the scaling law, by the experiment that varies them."""

JOINT_LAW_EXPERIMENTS = tuple(kind.name for kind in EXPERIMENTS.values() if kind.in_joint_law)
"""The experiments whose curves one law is fitted to."""

COLLAPSE_EXPERIMENTS = tuple(name for name, law in LAWS.items() if law.field != "train_size")
"""The experiments whose curves share a training set size and should peak at one noise scale."""
