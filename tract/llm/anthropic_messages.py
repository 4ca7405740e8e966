"""OpenAI's chat messages as Anthropic's.

| OpenAI | Anthropic |
|---|---|
| system, developer | ``system``, apart |
| ``tool_calls`` | ``tool_use`` blocks behind the text |
| tool | ``tool_result`` blocks, neighbours in one user message |

What is Anthropic's already, a list of its blocks, stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tract.errors import LLMConfigError
from tract.llm.reading import found, parse_json
from tract.llm.types import ChatMessage


def split_system(messages: Iterable[ChatMessage], system: Any = None) -> tuple[str | list[Any], list[dict[str, Any]]]:
    """The system prompt, *system* first, and the other messages; a str where every part of the prompt is one."""
    parts: list[Any] = [] if system is None else [system]
    others: list[dict[str, Any]] = []
    for message in messages:
        role = message.get("role")
        if role in ("system", "developer"):
            parts.append(message.get("content"))
        elif role == "tool":
            _add_result(others, message)
        else:
            others.append(_turn(message))
    if all(isinstance(part, str) for part in parts):
        return "\n\n".join(part for part in parts if part), others
    return [block for part in parts for block in _blocks(part)], others


def _turn(message: ChatMessage) -> dict[str, Any]:
    calls = message.get("tool_calls")
    if not calls:
        return {"role": message.get("role"), "content": message.get("content")}
    return {"role": "assistant", "content": [*_blocks(message.get("content")), *map(_tool_use, calls)]}


def _blocks(content: Any) -> list[Any]:
    """*content* as blocks; an empty text is none, for the API refuses one."""
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if isinstance(content, (list, tuple)):
        return list(content)
    raise LLMConfigError(f"a message's content must be a text or a list, not {found(content)}")


def _tool_use(call: Any) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        raise LLMConfigError(f"a tool call that names no function cannot be sent: it is {found(call)}")
    arguments = function.get("arguments")
    try:
        values = parse_json(arguments) if arguments else {}
    except (ValueError, TypeError, AttributeError) as exc:
        raise LLMConfigError("a tool call's arguments are not JSON") from exc
    return {"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": values}


class _Results(list[Any]):
    """Blocks made here, of tool messages; a user's own list is never added to."""


def _add_result(others: list[dict[str, Any]], message: ChatMessage) -> None:
    result = {"type": "tool_result", "tool_use_id": message.get("tool_call_id"), "content": message.get("content")}
    last = others[-1]["content"] if others else None
    if isinstance(last, _Results):
        last.append(result)
    else:
        others.append({"role": "user", "content": _Results([result])})
