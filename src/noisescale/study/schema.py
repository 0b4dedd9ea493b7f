"""Check nested settings against a JSON Schema, and say in one line what is wrong with them.

The schema stays the one description of every key, its range and its default; the sentences are
made from it: "base.momentum is 1.5: expected a number (at least 0, below 1)".
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from noisescale.errors import ConfigError

if TYPE_CHECKING:
    from jsonschema import ValidationError

_UNKNOWN = "additionalProperties"
"""The keyword of JSON Schema that an unknown key violates."""

_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "object": "a block of key: value lines",
}
_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}


class Schema:
    """A JSON Schema (draft 2020-12) that fills in defaults and explains what is wrong.

    Parameters
    ----------
    root
        The schema. All its references are of the form ``#/$defs/NAME``. A `title` in it is what
        is expected, in words, where these cannot be made from types and bounds.
    """

    def __init__(self, root: dict[str, Any]) -> None:
        self.root = root

    @classmethod
    def read(cls, path: Path) -> Schema:
        """Return the schema in a YAML file."""
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return cls(yaml.load(Path(path).read_text(encoding="utf-8"), loader))

    def check(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings as plain dicts and lists, valid and with defaults filled in.

        A key whose value is null counts as left out. The settings themselves are not changed.

        Raises
        ------
        ConfigError
            Names the first key that is wrong, its value, what was expected, how to mend it.
        """
        # Imported here: it takes a quarter of a second, which nothing else should pay.
        from jsonschema import Draft202012Validator

        if not isinstance(settings, Mapping):
            raise ConfigError(f"config is {show(settings)}: expected {_KINDS['object']}")
        complete = self._complete(_plain(settings), self.root)
        errors = Draft202012Validator(self.root).iter_errors(complete)
        # An unknown key comes first: it may well be why another is missing.
        ranked = sorted(map(self._cause, errors), key=lambda e: e.validator != _UNKNOWN)
        if ranked:
            raise ConfigError(self._explain(ranked[0]))
        return complete

    def resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a schema with what it refers to merged in; its own keywords win."""
        while "$ref" in schema:
            target = self.root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
            schema = target | {key: value for key, value in schema.items() if key != "$ref"}
        return schema

    def _complete(self, value: Any, schema: dict[str, Any]) -> Any:
        """Return a value without its nulls, and with the defaults of what it leaves out."""
        properties = self.resolve(schema).get("properties")
        if properties is None or not isinstance(value, dict):
            return value
        result = {}
        for key, given in value.items():
            if key not in properties:
                result[key] = given
            elif given is not None:
                result[key] = self._complete(given, properties[key])
        for key, inner in properties.items():
            if key not in result and inner.get("default") is not None:
                result[key] = self._complete(deepcopy(inner["default"]), inner)
        return result

    def _types(self, schema: dict[str, Any]) -> list[str]:
        """Return the types that a schema names, in all its branches."""
        schema = self.resolve(schema)
        if "anyOf" in schema:
            return [name for branch in schema["anyOf"] for name in self._types(branch)]
        types = schema.get("type", [])
        return [types] if isinstance(types, str) else types

    def _expectation(self, schema: dict[str, Any]) -> str:
        """Return in words what a schema wants, as in "a whole number (at least 1)"."""
        schema = self.resolve(schema)
        if "title" in schema:
            return schema["title"]
        if "anyOf" in schema:
            branches = [self._expectation(s) for s in schema["anyOf"] if s.get("type") != "null"]
            return " or ".join(filter(None, [", ".join(branches[:-1]), branches[-1]]))
        if "const" in schema:
            return str(schema["const"])
        if "enum" in schema:
            return "one of " + ", ".join(schema["enum"])
        words = " or ".join(_KINDS[name] for name in self._types(schema) if name != "null")
        limits = [f"{word} {schema[key]}" for key, word in _BOUNDS.items() if key in schema]
        if schema.get("multipleOf") == 2:
            limits.insert(0, "even")
        return words + (f" ({', '.join(limits)})" if limits else "")

    def _cause(self, error: ValidationError) -> ValidationError:
        """Return the error itself, or what is wrong inside the list or range that it is about."""
        while error.validator == "anyOf" and isinstance(error.instance, (list, dict)):
            kind = "array" if isinstance(error.instance, list) else "object"
            branches = enumerate(error.validator_value)
            chosen = next((i for i, branch in branches if kind in self._types(branch)), None)
            if chosen is None:
                break
            inner = [e for e in error.context if e.relative_schema_path[0] == chosen]
            error = min(inner, key=lambda e: e.validator != _UNKNOWN)
        return error

    def _explain(self, error: ValidationError) -> str:
        """Return the line about an error."""
        path, value, schema = tuple(error.absolute_path), error.instance, error.schema
        where = f"{dotted(path)} is {show(value)}"
        match error.validator:
            case "additionalProperties":
                return self._explain_unknown(path, value, schema["properties"])
            case "required":
                missing = next(key for key in error.validator_value if key not in value)
                expected = self._expectation(self.resolve(schema)["properties"][missing])
                return f"{dotted((*path, missing))} is missing: expected {expected}; add it"
            case "contains":
                wanted = error.validator_value["const"]
                return f"{where}: expected {wanted} among the values; add it"
            case "uniqueItems" if "title" not in schema:
                twice = next(item for i, item in enumerate(value) if item in value[:i])
                return f"{where}, with {show(twice)} twice: expected different values; remove one"
            case "minItems" if "title" not in schema:
                return f"{where}: expected one value or more; add one, or leave the key out"
        return f"{where}: expected {self._expectation(schema)}{self._hint(path, value, schema)}"

    def _explain_unknown(
        self, path: tuple[Any, ...], block: dict[str, Any], known: dict[str, Any]
    ) -> str:
        """Return the line about the first unknown key of a block."""
        key = next(key for key in block if key not in known)
        text = f"{dotted((*path, key))} is {show(block[key])}, but there is no such key: expected "
        text += f"one of {', '.join(known)}; "
        if homes := [home for home, keys in self._blocks() if key in keys]:
            return text + f"{key} belongs in {' or '.join(homes)}"
        if close := difflib.get_close_matches(key.lower(), known, n=1):
            return text + f"did you mean {close[0]}?"
        return text + "remove it"

    def _blocks(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the place of each block of keys, and the keys."""
        yield "the top level", self.root["properties"]
        for key, inner in self.root["properties"].items():
            if properties := self.resolve(inner).get("properties"):
                yield key, properties

    def _hint(self, path: tuple[Any, ...], value: Any, schema: dict[str, Any]) -> str:
        """Return how to mend a value of the wrong type, where that is not plain to see."""
        types = set(self._types(schema)) - {"null"}
        if isinstance(value, str) and types & {"number", "integer"}:
            return _number_hint(value, whole="number" not in types)
        if types == {"array"} and not isinstance(value, dict):
            return f"; write it in brackets, [{value}]"
        if isinstance(value, bool):
            return "; YAML reads yes, no, on and off as true and false"
        if types == {"string"} and not isinstance(value, (str, list, dict)):
            return f'; write it in quotes, "{value}"'
        if isinstance(value, (list, dict)) and path[0] == "base":
            return "; the base has single values, several stand in an experiment"
        return ""


def _plain(value: Any, path: tuple[Any, ...] = ()) -> Any:
    """Return a copy made of dict, list and scalars; numbers that are not finite are refused."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, (*path, str(key))) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner, (*path, i)) for i, inner in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{dotted(path)} is {value}: expected a finite number")
    return value


def _number_hint(text: str, whole: bool) -> str:
    """Return how to write a number that YAML took for text, if it is one."""
    try:
        number = float(text)
    except ValueError:
        return ""
    if not math.isfinite(number) or (whole and not number.is_integer()):
        return ""
    written = str(int(number)) if whole else text.strip()
    if power := re.fullmatch(r"([^.e]*)(\.\d*)?e([+-]?)(\d+)", written.lower()):
        whole_part, fraction, sign, exponent = power.groups()
        written = f"{whole_part or 0}{fraction or '.0'}e{sign or '+'}{exponent}"
    if written == text:
        # So are all nested values of Snakemake's --config.
        return f"; it is quoted, or from --config: write {written}, unquoted, in a file"
    return f"; YAML reads {text} as text: write {written}"


def dotted(path: tuple[Any, ...]) -> str:
    """Return the name of a nested key: ("base", "seeds", 2) is base.seeds[2]."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += "." * bool(text) + (part if re.fullmatch(r"[\w-]+", part) else show(part))
    return text or "config"


def show(value: Any) -> str:
    """Return a value as it could stand in a config file, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
