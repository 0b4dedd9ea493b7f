"""Load a study: merge its configurations, validate them, and resolve them to a `Study`.

This module is imported whenever the workflow is parsed, so it must import quickly.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeGuard

from pydantic import ValidationError

from noisescale.errors import ConfigError
from noisescale.study.checks import check_study
from noisescale.study.config import StudyConfig
from noisescale.study.config_errors import one_line, show
from noisescale.study.model import Study
from noisescale.study.resolve import resolve_study
from noisescale.study.yaml_files import read_yaml

Config = str | PathLike[str] | Mapping[str, Any]
"""A configuration: the path of a file, or its content."""

STUDY_FILE = "study.json"
"""The name of the file in which a study is kept with its results."""


def load_study(*configs: Config) -> Study:
    """Return the study that one or more configurations describe.

    Parameters
    ----------
    *configs
        Each the path of a YAML (or JSON) file, or a mapping such as Snakemake's `config`; later
        ones are merged over earlier ones key by key, as Snakemake merges the files of
        ``--configfile``. They are not changed. Or the path of a ``results/<study>/study.json``
        that a workflow has written, which is a complete study and takes no other configuration.

    Returns
    -------
    Study
        Complete: defaults are filled in, and ranges and single values have become lists (except
        for ranges of batch sizes, which depend on the training set of each curve).

    Raises
    ------
    ConfigError
        In one line: the file or the key, its value, what was expected, the remedy.
    RecordError
        A ``study.json`` is missing or damaged.

    Examples
    --------
    >>> import noisescale as ns
    >>> study = ns.load_study("config.yaml", {"base": {"seeds": 3}})
    >>> study.name, len(ns.unique_runs(study))
    ('digits', 675)
    >>> published = ns.load_study("docs/mnist/study.json")
    >>> published.dataset.name
    'mnist'
    """
    for config in configs:
        if _is_path(config) and Path(config).name == STUDY_FILE:
            if len(configs) == 1:
                return Study.read(Path(config))
            raise ConfigError(
                f"{config} is a complete study: expected no other configuration next to it; "
                "remove the others, or load the files that it was made from"
            )
    study = resolve_study(validate(merge(*map(_settings, configs))))
    check_study(study)
    return study


def merge(*settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return configurations merged key by key, later ones over earlier ones, as Snakemake does."""
    result: dict[str, Any] = {}
    for above in settings:
        result = _merge(result, above)
    return result


def _merge(below: Any, above: Mapping[str, Any]) -> Any:
    if not above:
        return below
    result = dict(below) if isinstance(below, Mapping) else {}
    for key, value in above.items():
        if isinstance(value, Mapping):
            value = _merge(result.get(key, {}), value)
        result[key] = value
    return result


def validate(settings: Mapping[str, Any]) -> StudyConfig:
    """Return a configuration with types, bounds and unknown keys checked and defaults filled in.

    Raises
    ------
    ConfigError
        In one line: the key, its value, what was expected, the remedy.
    """
    try:
        return StudyConfig.model_validate(settings)
    except ValidationError as error:
        # Without the cause: its text has several lines, which the message replaces.
        raise ConfigError(one_line(error, settings)) from None


def _settings(config: Config) -> dict[str, Any]:
    """Return the content of a configuration as dicts, lists and scalars."""
    content = read_yaml(config) if _is_path(config) else config
    if not isinstance(content, Mapping):
        raise ConfigError(f"config is {show(content)}: expected a block of key: value lines")
    plain: dict[str, Any] = _plain(content)
    return plain


def _is_path(config: Config) -> TypeGuard[str | PathLike[str]]:
    return isinstance(config, (str, PathLike))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value
