"""Read configuration files strictly: ambiguous YAML is an error.

PyYAML accepts a key that occurs twice and uses the last one, and it reads ``0200`` as 128 and
``1:00`` as 60, as YAML 1.1 specifies. Here each of these is an error, in one line that names the
file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import count
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from noisescale.errors import ConfigError

_MAX_VALUES = 100_000
"""Most values of a file, those that aliases repeat included."""

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_NUMBER_TAGS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}


def read_yaml(path: str | PathLike[str]) -> dict[str, Any]:
    """Return the content of a configuration file in YAML or JSON.

    Parameters
    ----------
    path
        The file. As for Snakemake, JSON is tried first.

    Returns
    -------
    dict
        The keys of the file's top level, with what YAML makes of their values.

    Raises
    ------
    ConfigError
        The file cannot be read, is not UTF-8, YAML or JSON, is empty, has several documents, does
        not consist of ``key: value`` lines, or has a key twice or an ambiguous number.
    """
    text = _read_text(path)
    try:
        content = json.loads(text, object_pairs_hook=_unique_pairs)
    except _DuplicateKeyError as error:
        raise ConfigError(_duplicate_key(str(path), str(error))) from None
    except (ValueError, RecursionError):
        content = _parse_yaml(path, text)
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected key: value lines at the top level; see config.yaml")
    return content


def _read_text(path: str | PathLike[str]) -> str:
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}): expected a configuration in YAML; "
            "correct the path"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: not UTF-8 text (byte {error.start} is 0x{error.object[error.start]:02x}): "
            "expected YAML in UTF-8; save the file in this encoding"
        ) from error
    if not text.strip():
        raise ConfigError(f"{path}: empty: expected key: value lines; see config.yaml")
    return text


class _DuplicateKeyError(ValueError):
    """A JSON object has a key twice."""


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise _DuplicateKeyError(key)
        result[key] = value
    return result


def _parse_yaml(path: str | PathLike[str], text: str) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise ConfigError(f"{path}: only comments: expected key: value lines; see config.yaml")
        for line, key, problem in _ambiguities(node):
            raise ConfigError(f"{path}, line {line}: {key} {problem}")
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ConfigError(_not_yaml(path, text, error)) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path}: not YAML that can be read ({error}): expected key: value lines; correct it"
        ) from error
    finally:
        loader.dispose()


def _not_yaml(path: str | PathLike[str], text: str, error: yaml.YAMLError) -> str:
    """Return the line about text that is not YAML, or not a single document."""
    mark = getattr(error, "problem_mark", None)
    place = f"{path}, line {mark.line + 1}" if mark else f"{path}"
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    if "single document" in str(error) or "another document" in problem:
        return f"{place}: a second document begins: expected one; remove the line ---"
    if mark and any("\t" in line for line in text.splitlines()[mark.line : mark.line + 1]):
        return f"{place}: a tab ({problem}): expected spaces, as YAML demands; replace it by spaces"
    return f"{place}: not YAML ({problem}): expected key: value lines; correct it"


def _ambiguities(
    node: yaml.Node,
    key: str = "",
    within: tuple[int, ...] = (),
    visits: Iterator[int] | None = None,
) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the key and the problem of everything ambiguous.

    Aliases are followed, so that a few lines of them may mean any number of values.
    """
    line = node.start_mark.line + 1
    visits = count() if visits is None else visits
    if next(visits) == _MAX_VALUES:
        yield (
            line,
            key,
            (f"is value {_MAX_VALUES:,}: expected fewer; remove aliases, which repeat values"),
        )
    if id(node) in within:
        yield line, key, "contains itself: expected values; remove the alias"
    elif isinstance(node, yaml.ScalarNode):
        if problem := _ambiguous_number(node):
            yield line, key, problem
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            yield from _ambiguities(item, f"{key}[{i}]", (*within, id(node)), visits)
    elif isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode):
                continue  # refused when the document is constructed
            word = name.value
            inner = f"{key}.{word}".lstrip(".")
            at = name.start_mark.line + 1
            if word in first:
                yield at, inner, f"is there twice, first in line {first[word]}{_REMEDY_TWICE}"
            first[word] = at
            yield from _ambiguities(value, inner, (*within, id(node)), visits)


_REMEDY_TWICE = ": expected each key once; remove one of the two"


def _duplicate_key(place: str, key: str) -> str:
    return f"{place}: {key} is there twice{_REMEDY_TWICE}"


def _ambiguous_number(node: yaml.ScalarNode) -> str:
    """Return what is wrong with a number in base 8 or 60, which looks as if it were in base 10."""
    text = node.value
    if node.style or node.tag not in _NUMBER_TAGS:
        return ""
    if _OCTAL.fullmatch(text):
        value, base = int(text.replace("_", ""), 8), "an octal number"
        remedy = f"write {text.replace('_', '').replace('0', '', 1).lstrip('0') or 0}, or {value}"
    elif _SEXAGESIMAL.fullmatch(text):
        value, base = yaml.safe_load(text), "a number in base 60"
        remedy = f'write {value}, or "{text}" in quotes for text'
    else:
        return ""
    return f"is {text}, which YAML reads as {base}, {value}: expected a decimal number; {remedy}"
