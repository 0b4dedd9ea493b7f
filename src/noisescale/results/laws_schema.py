"""The JSON schema of ``scaling_laws.json``, generated from the dataclasses that it is read into.

``python -m noisescale.results.laws_schema > workflow/schemas/scaling_laws.schema.yaml`` writes it.
"""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import TypeAdapter

from noisescale.results.scaling_laws import ScalingLaws

_DIGEST = {
    "description": "SHA-256 of everything else, see noisescale.storage.digests.",
    "type": "string",
}


def laws_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a file that `ScalingLaws.write` writes."""
    schema = _without_titles(TypeAdapter(ScalingLaws).json_schema())
    schema["properties"]["digest"] = _DIGEST
    definitions = schema.pop("$defs")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "scaling_laws.json",
        **schema,
        "$defs": definitions,
    }


def laws_schema_text() -> str:
    """Return the schema as the YAML file that a checkout has."""
    head = "# Generated: python -m noisescale.results.laws_schema\n"
    return head + yaml.safe_dump(laws_schema(), sort_keys=False, allow_unicode=True, width=96)


def _without_titles(part: Any) -> Any:
    """Remove the titles that pydantic derives from the names, which say nothing more."""
    if isinstance(part, list):
        return [_without_titles(item) for item in part]
    if isinstance(part, dict):
        return {
            key: _without_titles(value)
            for key, value in part.items()
            if not (key == "title" and isinstance(value, str))
        }
    return part


if __name__ == "__main__":
    print(laws_schema_text(), end="")
