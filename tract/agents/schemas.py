"""The operations as a provider's tool definitions.

| format | a definition |
|---|---|
| ``openai`` | ``{"type": "function", "function": {"name", "description", "parameters", "strict"}}`` |
| ``responses`` | the same, flat |
| ``anthropic`` | ``{"name", "description", "input_schema"}`` |
| ``gemini`` | one tool with all ``functionDeclarations`` |

OpenAI's strict mode takes a schema in which every property is required; an optional one may be null instead.
Gemini's schemas have no ``additionalProperties``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

from tract.agents.operation import Operation, Profile
from tract.agents.operation_table import operations
from tract.dataclass import replace
from tract.errors import ActionError

ToolFormat: TypeAlias = Literal["openai", "responses", "anthropic", "gemini"]
TOOL_FORMATS: tuple[ToolFormat, ...] = get_args(ToolFormat)


def tool_definitions(
    profile: Profile,
    format: ToolFormat = "openai",
    overrides: Mapping[str, str | None] | None = None,
    prefix: str = "",
) -> list[dict[str, Any]]:
    """The tools of *profile*, in a provider's format.

    *overrides* has other descriptions for tools by name, and None for one to leave out; ActionError for a name that the profile does not have. *prefix* stands before each name.
    """
    if format not in TOOL_FORMATS:
        raise ActionError(f"unknown tool format {format!r:.40}; known are {', '.join(TOOL_FORMATS)}")
    offered = {one.name: one for one in operations(profile)}
    descriptions: dict[str, str | None] = {name: one.summary for name, one in offered.items()}
    if overrides is not None and not isinstance(overrides, Mapping):
        raise ActionError(f"overrides must be a map of names to descriptions, not {overrides!r:.40}")
    for name, description in (overrides or {}).items():
        if name not in offered:
            raise ActionError(f"profile '{profile}' has no operation {name!r:.40}")
        if description is not None and not isinstance(description, str):
            raise ActionError(
                f"the description of '{name}' must be text, or None to leave it out, not {description!r:.40}"
            )
        descriptions[name] = description
    check_prefix(prefix)
    chosen = [
        (replace(one, name=prefix + name), text)
        for name, one in offered.items()
        if (text := descriptions[name]) is not None
    ]
    if format == "gemini":
        return [{"functionDeclarations": [_gemini(one, text) for one, text in chosen]}] if chosen else []
    return [_WRITERS[format](one, text) for one, text in chosen]


def check_prefix(prefix: str) -> None:
    """ActionError for a prefix that no provider accepts in a tool's name."""
    if not isinstance(prefix, str) or not re.fullmatch("(?:[A-Za-z_][A-Za-z0-9_-]{0,39})?", prefix):
        raise ActionError(f"a prefix is up to 40 letters, digits, - and _, not {prefix!r:.60}")


def strict_schema(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an operation's arguments for OpenAI's strict mode."""
    required = parameters["required"]
    properties = {
        name: schema if name in required else _nullable(schema) for name, schema in parameters["properties"].items()
    }
    return {**parameters, "properties": properties, "required": list(properties)}


def _nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    either: dict[str, Any] = {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        either["enum"] = [*schema["enum"], None]
    return either


def _openai(operation: Operation, description: str) -> dict[str, Any]:
    return {"type": "function", "function": _function(operation, description)}


def _responses(operation: Operation, description: str) -> dict[str, Any]:
    return {"type": "function", **_function(operation, description)}


def _function(operation: Operation, description: str) -> dict[str, Any]:
    parameters = strict_schema(operation.parameters)
    return {"name": operation.name, "description": description, "parameters": parameters, "strict": True}


def _anthropic(operation: Operation, description: str) -> dict[str, Any]:
    return {"name": operation.name, "description": description, "input_schema": operation.parameters}


def _gemini(operation: Operation, description: str) -> dict[str, Any]:
    parameters = {key: value for key, value in operation.parameters.items() if key != "additionalProperties"}
    declared: dict[str, Any] = {"name": operation.name, "description": description}
    return {**declared, "parameters": parameters} if operation.arguments else declared


_WRITERS = {"openai": _openai, "responses": _responses, "anthropic": _anthropic}
