"""Error messages for wrong settings, in one line: key, value, what was expected, remedy.

What was expected is described in words that are derived from the JSON schema of the models, as in
"base.momentum is 1.5: expected a number (at least 0, below 1)".
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from noisescale.study.config_schema import Node, branches, config_schema, resolve

Place = tuple[str | int, ...]
"""The place of a setting: the keys, and the indices in lists, that lead to it."""

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
_NULL_TEXTS = {"null", "none", "~"}


def dotted(path: Place) -> str:
    """Return the name of a nested key: ("base", "seeds", 2) is base.seeds[2]."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += "." * bool(text) + (part if re.fullmatch(r"[\w-]+", part) else show(part))
    return text or "config"


def show(value: object) -> str:
    """Return a value as in a configuration file, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def one_line(error: ValidationError, settings: Any) -> str:
    """Return the line about the first error in a configuration.

    Parameters
    ----------
    error
        What validation by the models raised.
    settings
        The configuration that was validated.

    Returns
    -------
    str
        About an unknown key, if there is one, because it may be a misspelt one; otherwise about a
        missing key, or the first wrong value.
    """
    ranks = {"extra_forbidden": 0, "missing": 1}
    details = min(error.errors(include_url=False), key=lambda e: ranks.get(e["type"], 2))
    kind, location = details["type"], details["loc"]
    if kind == "extra_forbidden":
        path, block = _locate(location[:-1])
        return _unknown_key((*path, location[-1]), details["input"], block)
    path, node = _locate(location)
    value = _value_at(path, settings)
    where = f"{dotted(path)} is {show(value)}"
    match kind:
        case "missing":
            return f"{dotted(path)} is missing: expected {_words(node)}; add it"
        case "refused":
            return _refusal(path, details["ctx"], settings)
        case "finite_number":
            return f"{dotted(path)} is {value}: expected a finite number"
        case "too_short" if "title" not in node:
            return f"{where}: expected one value or more; add one, or leave the key out"
    return f"{where}: expected {_words(node)}{_hint(path, value, node)}"


def _refusal(path: Place, context: dict[str, Any], settings: Any) -> str:
    """Return the line about an error raised by `noisescale.study.config_values.refuse`."""
    path, node = _locate((*path, *context["key"]))
    block = _value_at(path[:-1], settings)
    names = dict(block) if isinstance(block, Mapping) else {}
    names["value"] = _value_at(path, settings)
    problem = re.sub(r"\{(\w+)\}", lambda name: show(names.get(name[1])), context["problem"])
    remedy = "; add it" if problem == "is missing" else ""
    return f"{dotted(path)} {problem}: expected {context['expected'] or _words(node) + remedy}"


def _value_at(path: Place, settings: Any) -> Any:
    """Return the value in a place of a configuration; None if there is none."""
    for part in path:
        if isinstance(settings, Mapping):
            settings = settings.get(part)
        elif isinstance(settings, list) and isinstance(part, int):
            settings = settings[part]
        else:
            return None
    return settings


# ---- The place of an error -----------------------------------------------------------------------


def _locate(location: Place) -> tuple[Place, Node]:
    """Return the path of an error's location in the configuration, and its part of the schema.

    A location also names the alternatives that were tried (value, list, range), which are not keys.
    """
    root = config_schema()
    path: list[str | int] = []
    node = root
    for part in location:
        if inner := _child(node, part, root):
            path.append(part)
            node = inner
    return tuple(path), node


def _child(node: Node, part: str | int, root: Node) -> Node | None:
    """Return the part of the schema of a key, or of the items of a list; None if there is none."""
    for branch in branches(node, root):
        inner = (
            branch.get("items") if isinstance(part, int) else branch.get("properties", {}).get(part)
        )
        if inner is not None:
            return resolve(inner, root)
    return None


# ---- Words ---------------------------------------------------------------------------------------


def _words(node: Node) -> str:
    """Describe what a part of the schema accepts, as in "a whole number (at least 1)"."""
    words = [_branch_words(branch) for branch in branches(node, config_schema())]
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _branch_words(node: Node) -> str:
    if "title" in node:
        return str(node["title"])
    if "const" in node:
        return str(node["const"])
    if "enum" in node:
        return "one of " + ", ".join(node["enum"])
    if "from" in node.get("properties", {}):
        return "a range {from, to, per_decade or per_octave}"
    bounds = {_BOUNDS[key]: node[key] for key in _BOUNDS if key in node}
    if "above" in bounds:
        bounds.pop("at least", None)
    limits = [
        f"{word} {n:g}" if isinstance(n, float) else f"{word} {n}" for word, n in bounds.items()
    ]
    if "maxLength" in node:
        limits.append(f"at most {node['maxLength']} characters")
    if node.get("multipleOf") == 2:
        limits.insert(0, "even")
    return _KINDS[node["type"]] + (f" ({', '.join(limits)})" if limits else "")


def _unknown_key(path: Place, value: object, block: Node) -> str:
    """Return the line about an unknown key of a block."""
    key = str(path[-1])
    known = next(b["properties"] for b in branches(block, config_schema()) if "properties" in b)
    text = f"{dotted(path)} is {show(value)}, but there is no such key: "
    text += f"expected one of {', '.join(known)}; "
    if homes := [home for home, keys in _blocks() if key in keys]:
        return text + f"{key} belongs in {' or '.join(homes)}"
    if close := difflib.get_close_matches(key.lower(), known, n=1):
        return text + f"did you mean {close[0]}?"
    return text + "remove it"


def _blocks() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place of each block of keys, and the keys."""
    root = config_schema()
    yield "the top level", root["properties"]
    for key, inner in root["properties"].items():
        for branch in branches(inner, root):
            if properties := branch.get("properties"):
                yield key, properties


# ---- Remedies ------------------------------------------------------------------------------------


def _hint(path: Place, value: object, node: Node) -> str:
    """Return how to correct a value of the wrong type, where that is not obvious."""
    types = {branch.get("type") for branch in branches(node, config_schema())}
    if isinstance(value, str) and value.lower() in _NULL_TEXTS:
        return (
            f"; --config passes {value} as text: write {_null_at(path)} in a file for --configfile"
        )
    if isinstance(value, str) and types & {"number", "integer"}:
        return _number_hint(value, whole="number" not in types)
    if types == {"array"} and not isinstance(value, dict):
        return f"; write it in brackets, [{value}]"
    if isinstance(value, bool):
        return "; YAML reads yes, no, on and off as true and false"
    if types == {"string"} and not isinstance(value, (str, list, dict)):
        return f'; write it in quotes, "{value}"'
    if isinstance(value, (list, dict)) and path[0] == "base":
        return "; base takes single values; put lists in an experiment"
    return ""


def _null_at(path: Place) -> str:
    """Return YAML that sets a key to null: experiments: {evidence: null}."""
    first, *inner = path
    text = "null"
    for part in reversed(inner):
        text = f"{{{part}: {text}}}"
    return f"{first}: {text}"


def _number_hint(text: str, whole: bool) -> str:
    """Return how to write a number that YAML reads as text, if it is one."""
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
        # Nested values of Snakemake's --config are always text.
        return f"; it is quoted, or from --config: write {written}, unquoted, in a file"
    return f"; YAML reads {text} as text: write {written}"
