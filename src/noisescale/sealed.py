"""JSON that tells when it has been damaged: it carries a digest of what it says.

A flipped bit in a digit leaves JSON that is valid, and wrong.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

_KEY = "digest"


def digest_of(content: Any) -> str:
    """Return a digest of plain data, however it is laid out as text."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def seal(content: dict[str, Any], **layout: Any) -> str:
    """Return JSON text with a digest in it; `layout` is for `json.dumps`."""
    # What the reader will see: lists for tuples, text for keys.
    plain = json.loads(json.dumps(content))
    return json.dumps(content | {_KEY: digest_of(plain)}, **layout)


def unseal(text: str) -> dict[str, Any]:
    """Return what `seal` was given. Text without a digest, of an earlier version, is believed.

    Raises
    ------
    ValueError
        The text is no JSON object, or not what was sealed.
    """
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("not an object")
    digest = content.pop(_KEY, None)
    if digest not in (None, digest_of(content)):
        raise ValueError("its content is not that of its digest")
    return content
