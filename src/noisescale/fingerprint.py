"""A name for the arithmetic that makes a run's result: rows with another one are trained anew."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

ENGINE = (
    "randomness.py",
    "sampling.py",
    "products.py",
    "first_layer.py",
    "formulation.py",
    "engine.py",
    "graphs.py",
    "evaluation.py",
    "schedule.py",
    "training.py",
    "course.py",
    "preprocessing.py",
    "data.py",
)
"""The modules whose arithmetic decides a run's result."""

NOT_ENGINE = {
    "grid": "gives a run its fields, which name it",
    "npz": "reads arrays or fails",
    "errors": "says something to the user",
    "sealed": "tells whether a text is damaged",
}
"""What the engine imports beside itself, and why a result does not depend on it."""


def engine_fingerprint(folder: Path | None = None) -> str:
    """Return a digest of the engine's code, blind to comments, docstrings and layout.

    Parameters
    ----------
    folder
        Where the modules are; the package's own folder by default.
    """
    folder = folder or Path(__file__).parent
    digest = hashlib.blake2b(digest_size=8)
    for name in ENGINE:
        tree = ast.parse((folder / name).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            # A docstring is an expression statement that is a bare string, and so is the
            # description below a constant; neither is evaluated.
            if isinstance(body := getattr(node, "body", None), list):
                node.body = [statement for statement in body if not _is_text(statement)]
        digest.update(ast.unparse(tree).encode())
    return digest.hexdigest()


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
