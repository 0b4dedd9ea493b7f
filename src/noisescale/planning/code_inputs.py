"""The source files that a stage is computed by, as inputs of its rule."""

from __future__ import annotations

import ast
import hashlib
import json
import os
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from noisescale.environment import PACKAGE

_MESSAGES = {"errors", "progress", "study.checks"}
"""Modules that no result depends on: they say something, or accept or refuse."""


def digest(*parts: Any) -> str:
    """Return a short digest of anything made of plain data, dataclasses or runs.

    Snakemake re-runs a job when a parameter changes; a digest keeps its reason readable.
    """
    text = json.dumps(parts, sort_keys=True, default=asdict)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def source_files(*modules: str) -> list[str]:
    """Return the source files that modules of this package are made of.

    Snakemake sees neither edits of imported modules nor of packages: a rule names these files as
    its input. Found by following the imports, so that no list can go stale; modules that only say
    something to the user are left out, and so are the packages' faces (``__init__.py``).

    Parameters
    ----------
    *modules
        Names within the package, such as ``training.job`` or ``figures.collapse``.

    Returns
    -------
    list of str
        Paths relative to the working directory where they lie below it.
    """
    found: set[Path] = set()
    left = list(modules)
    while left:
        name = left.pop()
        base = PACKAGE.joinpath(*name.split("."))
        path = base.with_suffix(".py")
        if name in _MESSAGES or path in found or not path.is_file():
            continue
        found.add(path)
        left += _imports(path)
    return sorted(display_path(path) for path in found)


@cache
def _imports(path: Path) -> list[str]:
    """Return the names in this package that a source file imports."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            package = f"{node.module}."
            if package.startswith("noisescale."):
                inner = node.module.removeprefix("noisescale").removeprefix(".")
                names += [inner] if inner else []
                # `from package import module` names modules; what are not, are no files.
                names += [f"{inner}.{alias.name}".lstrip(".") for alias in node.names]
    return names


def display_path(path: Path) -> str:
    """Return a path relative to the working directory where it lies below it.

    So that a copied or moved repository re-runs nothing.
    """
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
