"""Compares everything in two requests but their messages: tools, model and instructions come before all messages in a prompt cache.

    model ─▸ tools ─▸ system ─▸ messages      a change takes everything behind it out of the cache

The providers document it so: a cache belongs to a model; Anthropic caches tools, system and messages in that order, OpenAI and Gemini the prompt's beginning, in which a schema for the answer stands like instructions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tract.messages.values import items_of
from tract.tokens.counter import TokenCounter, checked_count
from tract.tokens.tools import count_tools

RequestReason = Literal["model_changed", "tools_changed", "system_changed"]

_TOOLS = ("tools", "functions")
_SYSTEM = ("system", "instructions", "system_instruction", "systemInstruction")
_SCHEMAS = ("response_format", "text", "response_schema", "responseSchema", "output_config")
_CACHE = ("cache_control", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "cached_content")
_INNER = ("config", "generation_config", "generationConfig")


def settings_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a request by name; those in Gemini's ``config`` are lifted out of it."""
    found = {key: value for key, value in request.items() if value is not None}
    for name in _INNER:
        inner = found.get(name)
        if isinstance(inner, Mapping):
            found = {**{key: value for key, value in inner.items() if value is not None}, **found}
    return found


def settings_tokens(counter: TokenCounter, settings: Mapping[str, Any], *, has_system: bool) -> int:
    """The tokens before the messages; instructions count only if the context has none of its own, as *has_system* says."""
    total = count_tools(counter, _tools(settings))
    for name in () if has_system else _SYSTEM:
        value = settings.get(name)
        if value is not None:
            total += checked_count(counter, value if isinstance(value, str) else _text(value))
    return total


def request_change(
    counter: TokenCounter, before: Mapping[str, Any], now: Mapping[str, Any]
) -> tuple[RequestReason, str, int] | None:
    """Why a cache that holds *before* does not serve *now*, apart from messages; None if it does.

    The reason comes with a detail for people, and with the tokens of the settings that precede the change and still match.
    """
    if before.get("model") != now.get("model"):
        return "model_changed", f"model {before.get('model')!r} to {now.get('model')!r}", 0
    for name in _CACHE:
        if _text(before.get(name)) != _text(now.get(name)):
            return "system_changed", name, 0
    old, new = _tools(before), _tools(now)
    if _text(old) != _text(new):
        return "tools_changed", _tools_detail(old, new), 0
    for name in (*_SYSTEM, *_SCHEMAS):
        if _schema(name, before.get(name)) != _schema(name, now.get(name)):
            return "system_changed", name, count_tools(counter, old)
    return None


def _schema(name: str, value: Any) -> str:
    """The part of a setting that is in the prompt: for ``text`` and ``output_config``, the format."""
    inner = value.get("format") if name in ("text", "output_config") and isinstance(value, Mapping) else value
    return _text(None if isinstance(inner, Mapping) and inner.get("type") == "text" else inner)


def _tools(settings: Mapping[str, Any]) -> Sequence[Any]:
    return [tool for name in _TOOLS for tool in items_of(settings.get(name))]


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _tools_detail(old: Sequence[Any], new: Sequence[Any]) -> str:
    """Which tools were removed, added or changed; or that their order changed."""
    earlier, later = ({_name(at, tool): _text(tool) for at, tool in enumerate(tools)} for tools in (old, new))
    words = [
        ("added", [name for name in later if name not in earlier]),
        ("removed", [name for name in earlier if name not in later]),
        ("changed", [name for name in later if earlier.get(name, later[name]) != later[name]]),
    ]
    said = [f"{what}: {', '.join(names)}" for what, names in words if names]
    return "tools " + ("; ".join(said) or "in another order")


def _name(at: int, tool: Any) -> str:
    if not isinstance(tool, Mapping):
        return f"tool {at + 1}"
    inner = tool.get("function")
    name = inner.get("name") if isinstance(inner, Mapping) else tool.get("name")
    declared = [one.get("name") for one in items_of(tool.get("function_declarations")) if isinstance(one, Mapping)]
    return str(name or ", ".join(map(str, declared)) or tool.get("type") or f"tool {at + 1}")
