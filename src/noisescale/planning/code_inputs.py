"""A digest of the code that the results of a stage depend on.

Snakemake does not detect edits of imported modules. The modules of a stage are found by following
its imports, so that there is no list to maintain.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

from noisescale.environment import PACKAGE

_NO_EFFECT_ON_RESULTS = ("errors", "progress", "study.checks")
"""Modules and packages that only report to the user, or validate input."""


def source_files(*modules: str, package: str = "") -> list[Path]:
    """Return the source files of modules of this package and of everything they import from it.

    Modules that no result depends on are left out, and so is every ``__init__.py``.

    Parameters
    ----------
    *modules
        Names within the package, such as ``training.job`` or ``figures.collapse``.
    package
        Follow only imports of modules in this package, such as ``data``; by default, all imports.
    """
    found: set[Path] = set()
    names = list(modules)
    while names:
        name = names.pop()
        path = PACKAGE.joinpath(*name.split(".")).with_suffix(".py")
        if path in found or _excluded(name, package) or not path.is_file():
            continue
        found.add(path)
        names += _imports(path)
    return sorted(found)


def code_digest(*modules: str, package: str = "") -> str:
    """Return a digest of the code of modules and of everything they import; see `source_files`.

    It does not depend on comments, docstrings and formatting.
    """
    digest = hashlib.blake2b(digest_size=8)
    for path in source_files(*modules, package=package):
        digest.update(f"{path.relative_to(PACKAGE)} {_syntax_digest(path)}\n".encode())
    return digest.hexdigest()


def _excluded(name: str, package: str) -> bool:
    if package and not _is_in(name, package):
        return True
    return any(_is_in(name, other) for other in _NO_EFFECT_ON_RESULTS)


def _is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """Return the names in this package that a source file imports."""
    names: list[str] = []
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            package = f"{node.module}."
            if package.startswith("noisescale."):
                inner = node.module.removeprefix("noisescale").removeprefix(".")
                names += [inner] if inner else []
                # `from package import name` may name modules; other names are not files.
                names += [f"{inner}.{alias.name}".lstrip(".") for alias in node.names]
    return tuple(names)


@cache
def _syntax_digest(path: Path) -> str:
    return hashlib.blake2b(_syntax(_tree(path)).encode(), digest_size=16).hexdigest()


def _syntax(value: object) -> str:
    """Return a syntax tree as text, without docstrings and empty fields.

    Versions of Python differ in the empty fields of a node.
    """
    if isinstance(value, list):
        return ",".join(_syntax(item) for item in value if not _is_text(item))
    if not isinstance(value, ast.AST):
        return repr(value)
    fields = ((name, getattr(value, name, None)) for name in value._fields if name != "ctx")
    return (
        type(value).__name__
        + "("
        + ";".join(f"{name}={_syntax(item)}" for name, item in fields if item not in (None, []))
        + ")"
    )


def _is_text(item: object) -> bool:
    """Return whether a statement is only a string: a docstring, also one below an attribute."""
    return (
        isinstance(item, ast.Expr)
        and isinstance(item.value, ast.Constant)
        and isinstance(item.value.value, str)
    )
