"""The blocks of a configuration with their defaults: the format of ``config.yaml``.

Each block is validated individually here. `noisescale.study.checks` has the checks that involve
several blocks, and `noisescale.study.config_errors` formats validation errors as one line.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, create_model, model_validator

from noisescale.study.catalog import DATASETS
from noisescale.study.config_values import (
    WHOLE,
    BatchSize,
    BatchSizeRange,
    ConfigBlock,
    Epochs,
    EpochsRange,
    EvenSize,
    Hidden,
    LabelNoise,
    LabelNoiseRange,
    LearningRate,
    LearningRateRange,
    ListOf,
    ListOrRange,
    Momentum,
    OneOrMore,
    OneOrMoreOrRange,
    Preprocessing,
    PriorPrecision,
    PriorPrecisionRange,
    Seeds,
    TrainSize,
    TrainSizeRange,
    Updates,
    UpdatesRange,
    WeightDecay,
    WeightDecayRange,
    refuse,
)
from noisescale.study.experiments import EXPERIMENTS, ExperimentKind


def _known_dataset(name: str) -> str:
    if name not in DATASETS:
        refuse((), "is {value}")
    return name


class DatasetBlock(ConfigBlock):
    """Where the examples come from."""

    name: Annotated[str, AfterValidator(_known_dataset)] = Field(
        "digits",
        description="; ".join(f"{entry.name}: {entry.origin}" for entry in DATASETS.values()),
        json_schema_extra={"enum": list(DATASETS)},
    )
    path: str | None = Field(
        None,
        min_length=1,
        description="The file of an npz data set, with arrays X_train, y_train, X_test, y_test.",
    )
    data_root: str = Field(
        "data",
        min_length=1,
        description="Folder in which torchvision looks for its data sets, and into which it "
        "downloads what is missing. The environment variable NOISESCALE_DATA overrides it.",
    )

    @model_validator(mode="after")
    def _npz_has_a_path(self) -> Self:
        if self.name == "npz" and self.path is None:
            refuse("path", "is missing", "the file of the npz data set; add it")
        if self.name != "npz" and self.path is not None:
            refuse(
                "path",
                "is {value} next to name {name}",
                "null, since only npz has a path; set name: npz, or remove the path",
            )
        if self.path is not None and set("{}") & set(str(Path(self.path).expanduser())):
            refuse(
                "path",
                "is {value}",
                "a path without braces, which Snakemake takes for wildcards; rename the file",
            )
        return self


def _refuse_two_budgets(block: BaseBlock | ExperimentBlock) -> None:
    """Reject a block with both updates and epochs."""
    if block.updates is not None and block.epochs is not None:
        problem = "is {value} next to updates {updates}"
        refuse("epochs", problem, "one of the two; remove one, or set it to null")


class BaseBlock(ConfigBlock):
    """The setting of every run, unless its experiment overrides it.

    All values but seeds are single values; exactly one of updates and epochs is given.
    """

    hidden: Hidden = Field(
        description='Width of the hidden layer of ReLU units; "400x200" means two layers.'
    )
    preprocessing: Preprocessing = Field(
        "raw",
        description="Preprocessing of the pixels: raw, in [0, 1]; standardize, each to mean 0 and "
        "variance 1; whiten, PCA-whitened.",
    )
    train_size: TrainSize = Field(
        description="Number of training examples N, drawn at random from the training split."
    )
    learning_rate: LearningRate = Field(
        description="Learning rate ε of SGD on the mean loss; constant."
    )
    momentum: Momentum = Field(0.0, description="Momentum m of the heavy ball, v ← m v + gradient.")
    weight_decay: WeightDecay = Field(
        0.0,
        description="L2 coefficient; this times the weights is added to the gradient of the mean "
        "loss.",
    )
    label_noise: LabelNoise = Field(
        0.0,
        description="Fraction of the training labels that are replaced by uniformly random ones.",
    )
    updates: Updates | None = Field(
        None, description="Number of SGD updates of a run. Give this or epochs."
    )
    epochs: Epochs | None = Field(
        None, description="Number of passes through the training set. Give this or updates."
    )
    seeds: Seeds = Field(
        10,
        description="A number of seeds, or a list of seeds. A seed fixes the subset of examples, "
        "the label noise, the initial weights and the shuffling.",
    )

    @model_validator(mode="after")
    def _has_one_budget(self) -> Self:
        _refuse_two_budgets(self)
        if self.updates is None and self.epochs is None:
            refuse("updates", "is missing", "updates or epochs; add one of the two")
        return self


class ExperimentBlock(ConfigBlock):
    """An experiment: every combination of its values is trained.

    An omitted key has the base's value. updates or epochs replace the base's updates or
    epochs.
    """

    hidden: OneOrMore[Hidden] | None = Field(None, description="Widths of hidden layers.")
    preprocessing: OneOrMore[Preprocessing] | None = Field(
        None, description="Kinds of preprocessing."
    )
    train_size: OneOrMoreOrRange[TrainSize, TrainSizeRange] | None = Field(
        None, description="Training set sizes."
    )
    batch_size: OneOrMoreOrRange[BatchSize, BatchSizeRange] = Field(
        description="Batch sizes of every curve; full is the whole training set. The end of a "
        "range is capped at the training set of its curve; a number in a list must not exceed it."
    )
    learning_rate: OneOrMoreOrRange[LearningRate, LearningRateRange] | None = Field(
        None, description="Learning rates."
    )
    momentum: OneOrMore[Momentum] | None = Field(
        None,
        description="Momenta. Theory has 1 / (1 − m), so there is no range for these.",
    )
    weight_decay: OneOrMoreOrRange[WeightDecay, WeightDecayRange] | None = Field(
        None, description="Weight decays."
    )
    label_noise: OneOrMoreOrRange[LabelNoise, LabelNoiseRange] | None = Field(
        None, description="Fractions of random labels."
    )
    updates: OneOrMoreOrRange[Updates, UpdatesRange] | None = Field(
        None, description="Numbers of updates. Give these or epochs, not both."
    )
    epochs: OneOrMoreOrRange[Epochs, EpochsRange] | None = Field(
        None, description="Numbers of epochs. Give these or updates, not both."
    )
    seeds: Seeds | None = Field(None, description="Seeds, a count or a list.")

    @model_validator(mode="after")
    def _has_at_most_one_budget(self) -> Self:
        _refuse_two_budgets(self)
        return self


def _contains_both_tasks(values: list[float]) -> list[float]:
    for task in (0, 1):
        if task not in values:
            refuse((), "is {value}", f"{task} among the values; add it")
    return values


class EvidenceBlock(ConfigBlock):
    """Figures 1 and 2: logistic regression on two classes over the precision of the prior.

    It takes nothing from base.
    """

    classes: Annotated[
        list[Annotated[int, Field(ge=0), WHOLE]],
        Field(min_length=2, max_length=2, json_schema_extra={"uniqueItems": True}),
        AfterValidator(lambda pair: pair if pair[0] != pair[1] else refuse((), "is {value}")),
    ] = Field(
        [0, 1],
        title="a list of two different classes",
        description="The two classes that the model distinguishes.",
    )
    pool: Literal["train", "all"] = Field(
        "train",
        description="The split that training and test images are both drawn from, without "
        "overlap: train, or all (train and test).",
    )
    train_size: EvenSize = Field(description="Number of training images, half of each class.")
    test_size: EvenSize = Field(description="Number of test images, half of each class.")
    prior_precision: ListOrRange[PriorPrecision, PriorPrecisionRange] = Field(
        {"from": 1.0e-8, "to": 1.0e5, "per_decade": 2},
        validate_default=True,
        description="Precisions λ of the Gaussian prior over the weights, at least 3.",
    )
    label_noise: Annotated[ListOf[LabelNoise], AfterValidator(_contains_both_tasks)] = Field(
        [0.0, 0.5, 1.0],
        description="Fractions of random labels, in training and test set. The figures need 0 "
        "(true labels) and 1 (random labels).",
        json_schema_extra={"allOf": [{"contains": {"const": 0}}, {"contains": {"const": 1}}]},
    )
    preprocessing: Preprocessing = Field("raw", description="As in base.")
    seeds: Seeds = Field(10, description="A number of seeds, or a list of seeds.")


class _ExperimentsBlock(ConfigBlock):
    """The experiments, one or more; null leaves an experiment and its figures out."""

    evidence: EvidenceBlock | None = Field(
        None, description="Figures 1 and 2: the evidence over the precision of the prior."
    )

    @property
    def trained(self) -> dict[str, ExperimentBlock]:
        """The experiments that train networks: all but the evidence, by name."""
        blocks = {name: getattr(self, name) for name in EXPERIMENTS}
        return {name: block for name, block in blocks.items() if block is not None}

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if not self.trained and self.evidence is None:
            refuse((), "is {}, or all null", "one or more; add one")
        return self

    @model_validator(mode="after")
    def _has_what_is_swept(self) -> Self:
        for name, block in self.trained.items():
            swept = EXPERIMENTS[name].swept
            if getattr(block, swept) is None:
                refuse((name, swept), "is missing")
        return self


def _describe(kind: ExperimentKind) -> str:
    """Return the description of an experiment: its figure, and the fewest values that it needs."""
    sizes = "1 batch size" if kind.min_batch_sizes == 1 else f"{kind.min_batch_sizes} batch sizes"
    values = f"{kind.min_values} values of the {kind.label}, and " if kind.min_values > 1 else ""
    return f"The figure {kind.figure}. It needs {values}{sizes} or more for each curve."


if TYPE_CHECKING:
    ExperimentsBlock = _ExperimentsBlock
else:
    ExperimentsBlock = create_model(
        "ExperimentsBlock",
        __base__=_ExperimentsBlock,
        __doc__=_ExperimentsBlock.__doc__,
        **{
            name: (
                ExperimentBlock | None,
                Field(
                    None, description=_describe(kind), json_schema_extra={"required": [kind.swept]}
                ),
            )
            for name, kind in EXPERIMENTS.items()
        },
    )
"""The block ``experiments``: a key for each kind of experiment in the registry, and evidence."""


class StatisticsBlock(ConfigBlock):
    """How uncertainty is computed."""

    bootstrap: Annotated[int, Field(ge=10, le=100_000), WHOLE] = Field(
        1000, description="Number of bootstrap resamples of the seeds."
    )
    confidence: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.95, description="Level of the confidence intervals."
    )


class StudyConfig(ConfigBlock):
    """The design of a study: the keys of config.yaml and of presets that are merged into it.

    A key that is left out, or set to null, takes its default.
    """

    study: str = Field(
        pattern="^[A-Za-z0-9_][A-Za-z0-9._-]*$",
        max_length=64,
        title='a name of letters, digits, ".", "_", "-" that does not start with "." or "-"',
        description="Name of the study and of its folder, results/<study>.",
    )
    title: str = Field("", max_length=200, description="Heading of the report, free text.")
    dataset: DatasetBlock = Field(
        {}, validate_default=True, description="Where the examples come from."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where the networks are trained; auto takes a GPU if there is one."
    )
    precision: Literal["float32", "tf32"] = Field(
        "float32",
        description="Precision of matrix products on a GPU. A CPU always computes in float32.",
    )
    seeds_per_shard: Annotated[int, Field(ge=1, le=10_000), WHOLE] = Field(
        10, description="One training job holds the runs of this many consecutive seeds."
    )
    evaluations_per_decade: Annotated[int, Field(ge=1, le=100), WHOLE] = Field(
        5, description="Points of the learning curves for each factor of ten in updates."
    )
    base: BaseBlock = Field(description="The setting of every run.")
    experiments: ExperimentsBlock = Field(
        description="The experiments, one or more; null leaves an experiment and its figures out."
    )
    statistics: StatisticsBlock = Field(
        {}, validate_default=True, description="How uncertainty is computed."
    )
