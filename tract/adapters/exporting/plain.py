"""Formats that are not a program's session: a request's body, a message a line, Markdown, ShareGPT's items."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Literal

from tract.adapters.exporting.session import Session, tell_joined
from tract.compile.compiled import CompiledContext
from tract.messages.turns import message_text
from tract.objects.json import compact_json, parse_json
from tract.objects.message_format import JSON

_FROM = {"system": "system", "developer": "system", "user": "human", "assistant": "gpt"}


def write_body(
    format: Literal["openai", "responses", "anthropic", "gemini"],
) -> Callable[[CompiledContext, Session], str]:
    """A writer of a request's body: its messages, and the instructions if the format keeps them apart."""

    def write(context: CompiledContext, session: Session) -> str:
        body: JSON
        if format in ("anthropic", "gemini"):
            tell_joined(context, session)
        match format:
            case "openai":
                body = {"messages": context.to_openai()}
            case "responses":
                body = {"input": context.to_openai_responses()}
            case "anthropic":
                body = context.to_anthropic()
            case "gemini":
                body = context.to_gemini()
        return json.dumps(body, ensure_ascii=False, indent=2) + "\n"

    return write


def write_jsonl(context: CompiledContext, _session: Session) -> str:
    """A chat completions message a line."""
    return "".join(f"{compact_json(message)}\n" for message in context.to_openai())


def write_markdown(context: CompiledContext, _session: Session) -> str:
    """The messages for people: a heading with number and role, and the text."""
    parts = []
    for number, message in zip(context.numbers, context.messages, strict=True):
        name = f" ({message.name})" if message.name else ""
        parts.append(f"## {number} {message.role}{name}\n\n{message_text(message).strip()}\n")
    return "\n".join(parts)


def write_sharegpt(context: CompiledContext, session: Session) -> str:
    """A set of one conversation; instructions at its beginning are its ``system``."""
    items: list[dict[str, JSON]] = []
    system: list[str] = []
    for message in context.to_openai():
        role, text = message["role"], _text(message.get("content"), session)
        if role in ("system", "developer") and not items:
            system.append(text)
            continue
        if role == "tool":
            items.append({"from": "observation", "value": text})
            continue
        calls = message.get("tool_calls") or ()
        if text or not calls:
            items.append({"from": _FROM.get(role, "human"), "value": text})
        if calls:
            made = [_call(call) for call in calls]
            items.append({"from": "function_call", "value": json.dumps(made if len(made) > 1 else made[0], ensure_ascii=False)})  # fmt: skip
            session.lost("the ids of calls")
    whole = [{"conversations": items} | ({"system": "\n\n".join(system)} if system else {})]
    if len(system) > 1:
        session.lost("where one instruction ends and the next begins")
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def _call(call: Mapping[str, JSON]) -> dict[str, JSON]:
    function = call.get("function") or call.get("custom") or {}
    try:
        arguments = parse_json(function.get("arguments") or "{}")
    except ValueError:
        arguments = function.get("arguments")
    return {"name": function.get("name"), "arguments": arguments}


def _text(content: JSON, session: Session) -> str:
    if isinstance(content, str) or content is None:
        return content or ""
    for part in content:
        if not isinstance(part.get("text"), str):
            session.lost(f"a part of type '{part.get('type')}'")
    return "\n".join(part["text"] for part in content if isinstance(part.get("text"), str))
