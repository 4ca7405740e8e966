"""Tool definitions: their tokens in a request.

By the rules that the providers publish:

    OpenAI      "How to count tokens with tiktoken": 7 a function, 3 if it has properties, 3 a property, 3 a value
                of an enum (3 less for each enum), 12 at the end of all, and the tokens of names, types and descriptions
    Anthropic   346 once ("Tool use with Claude", for tool_choice auto), and the tokens of each definition as JSON
    others      the tokens of each definition as JSON

The tokens of a provider's own tools (web search, code execution) are not published.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tract.messages.values import compact_json, items_of
from tract.tokens.counter import TokenCounter, checked_count

_FUNCTION = 7
_PROPERTIES = 3
_PROPERTY = 3
_ENUM = -3
_ENUM_VALUE = 3
_END = 12
_ANTHROPIC = 346


def count_tools(counter: TokenCounter, tools: Iterable[Any]) -> int:
    """The tokens of the tool definitions *tools* of a request, in any provider's shape."""
    definitions = [tool for tool in tools if isinstance(tool, Mapping)]
    functions = [found for tool in definitions if (found := _function(tool)) is not None]
    others = [tool for tool in definitions if _function(tool) is None]
    total = sum(_count_function(counter, function) for function in functions) + (_END if functions else 0)
    if any("input_schema" in tool for tool in others):
        total += _ANTHROPIC
    return total + sum(checked_count(counter, compact_json(tool)) for tool in others)


def _function(tool: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The function that one of OpenAI's tools defines, in chat completions or in Responses; None for any other tool."""
    inner = tool.get("function")
    if isinstance(inner, Mapping):
        return inner
    return tool if tool.get("type") == "function" and "parameters" in tool else None


def _count_function(counter: TokenCounter, function: Mapping[str, Any]) -> int:
    total = _FUNCTION + checked_count(counter, f"{function.get('name')}:{_described(function)}")
    parameters = function.get("parameters")
    properties = parameters.get("properties") if isinstance(parameters, Mapping) else None
    if not isinstance(properties, Mapping) or not properties:
        return total
    total += _PROPERTIES
    for name, schema in properties.items():
        total += _PROPERTY + _count_property(counter, name, schema if isinstance(schema, Mapping) else {})
    return total


def _count_property(counter: TokenCounter, name: str, schema: Mapping[str, Any]) -> int:
    values = items_of(schema.get("enum"))
    of_enum = _ENUM + sum(_ENUM_VALUE + checked_count(counter, str(value)) for value in values) if values else 0
    inner = {key: value for key, value in schema.items() if key in ("properties", "items")}
    nested = checked_count(counter, compact_json(inner)) if inner else 0
    return of_enum + nested + checked_count(counter, f"{name}:{schema.get('type')}:{_described(schema)}")


def _described(value: Mapping[str, Any]) -> str:
    return str(value.get("description") or "").removesuffix(".")
