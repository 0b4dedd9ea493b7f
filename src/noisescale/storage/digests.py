"""JSON that tells when it has been damaged: it carries a digest of what it says.

A flipped bit in a digit leaves JSON that is valid, and wrong.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from noisescale.storage.files import write_text

_DIGEST_KEY = "digest"


def json_digest(content: Any) -> str:
    """Return a digest of plain data, however it is laid out as text."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def dumps_verified(content: dict[str, Any], **layout: Any) -> str:
    """Return JSON text with a digest in it; `layout` is for `json.dumps`."""
    # What the reader will see: lists for tuples, text for keys.
    plain = json.loads(json.dumps(content))
    return json.dumps(content | {_DIGEST_KEY: json_digest(plain)}, **layout)


def loads_verified(text: str) -> dict[str, Any]:
    """Return what `dumps_verified` was given. Text without a digest, of an earlier version, is believed.

    Raises
    ------
    ValueError
        The text is no JSON object, or not what was sealed.
    """
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("not an object")
    digest = content.pop(_DIGEST_KEY, None)
    if digest not in (None, json_digest(content)):
        raise ValueError("its content is not that of its digest")
    return content


def fits_checksum(path: Path) -> bool:
    """Return whether a file is what the ``.sha256`` beside it says."""
    try:
        text = Path(f"{path}.sha256").read_text(encoding="utf-8")
        return text == _checksum(path)
    except (OSError, UnicodeDecodeError):
        return False


def _checksum(path: Path) -> str:
    return f"{sha256(path)}  {Path(path).name}\n"


def write_checksum(path: Path) -> None:
    """Write ``path.sha256`` in the format of ``sha256sum``.

    It is what Snakemake compares in place of a large file's time of change: a touched or copied
    result re-runs nothing.
    """
    write_text(Path(f"{path}.sha256"), _checksum(path))


def sha256(path: Path) -> str:
    """Return the SHA-256 digest of a file in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
