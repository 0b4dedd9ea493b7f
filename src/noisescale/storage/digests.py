"""Digests of content, and JSON with an embedded digest that detects damage.

Without it, JSON in which a bit of a digit has flipped would be read as valid.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

_DIGEST_KEY = "digest"


def short_digest(*parts: Any) -> str:
    """Return a short digest of plain data and dataclasses."""
    text = json.dumps(parts, sort_keys=True, default=asdict)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def json_digest(content: Any) -> str:
    """Return the SHA-256 digest of plain data, independent of its layout as JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def sha256(path: str | Path) -> str:
    """Return the SHA-256 digest of a file in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dumps_verified(content: dict[str, Any], **layout: Any) -> str:
    """Return JSON text that contains its own digest.

    Parameters
    ----------
    content
        Plain data without the key ``digest``.
    **layout
        Options of `json.dumps`, such as ``indent``.
    """
    # As `json.loads` returns it: lists for tuples, strings for keys.
    plain = json.loads(json.dumps(content))
    return json.dumps(content | {_DIGEST_KEY: json_digest(plain)}, **layout)


def loads_verified(text: str) -> dict[str, Any]:
    """Return the content that `dumps_verified` was given.

    Text without a digest, from earlier versions, is accepted without verification.

    Raises
    ------
    ValueError
        The text is not a JSON object, or its content does not match its digest.
    """
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("not an object")
    digest = content.pop(_DIGEST_KEY, None)
    if digest not in (None, json_digest(content)):
        raise ValueError("content does not match its digest")
    return content
