"""The JSON schema of a configuration, generated from the models, for editors and for messages.

python -m noisescale.study.config_schema > workflow/schemas/config.schema.json
"""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from noisescale.study.config import StudyConfig

Node = dict[str, Any]
"""A schema, or a part of one."""


class _Generator(GenerateJsonSchema):
    """Titles only where they say what is expected; null for whatever may be left out."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        node = super().model_schema(schema)
        node.pop("title", None)
        node["description"] = " ".join(node.get("description", "").split())
        for key, inner in node.get("properties", {}).items():
            if key not in node.get("required", []):
                node["properties"][key] = _or_null(inner)
        return node


def _or_null(node: Node) -> Node:
    """Return a node that accepts null, too, with its description and default on the outside."""
    if node.get("default", ...) is None:
        del node["default"]
    if {"type": "null"} in node.get("anyOf", []):
        return node
    outer = {key: node[key] for key in ("description", "default") if key in node}
    inner = {key: value for key, value in node.items() if key not in outer}
    return {"anyOf": [inner, {"type": "null"}]} | outer


@cache
def config_schema() -> Node:
    """Return the JSON schema (draft 2020-12) of a configuration."""
    schema = StudyConfig.model_json_schema(schema_generator=_Generator)
    heading = {"$schema": GenerateJsonSchema.schema_dialect, "title": "noisescale study"}
    return heading | schema


def resolve(node: Node, root: Node) -> Node:
    """Return a part of a schema with what it refers to merged in; its own keywords win."""
    while "$ref" in node:
        target = root["$defs"][node["$ref"].removeprefix("#/$defs/")]
        node = target | {key: value for key, value in node.items() if key != "$ref"}
    return node


def branches(node: Node, root: Node) -> list[Node]:
    """Return the alternatives that a part of a schema has, null not among them, or itself."""
    node = resolve(node, root)
    if "title" in node:
        return [node]
    inner = node.get("anyOf") or node.get("oneOf") or []
    found = [branch for part in inner for branch in branches(part, root)]
    return [part for part in found or [node] if part.get("type") != "null"]


def schema_text() -> str:
    """Return the schema as the text of ``workflow/schemas/config.schema.json``."""
    return json.dumps(config_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
