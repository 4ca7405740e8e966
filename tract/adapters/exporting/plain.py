"""Formats that are not a program's session: a request's body, a message a line, Markdown, ShareGPT's items."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Literal

from tract.adapters.exporting.session import Session, called, tell_joined, tell_parts, text_of, with_tool_calls
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


def write_markdown(context: CompiledContext, session: Session) -> str:
    """The messages for people: a heading with number and role, and the text."""
    parts = []
    for sent in context.to_openai():
        tell_parts(sent.get("content"), session)
    for number, message in zip(context.numbers, context.messages, strict=True):
        name = f" ({message.name})" if message.name else ""
        parts.append(f"## {number} {message.role}{name}\n\n{message_text(message).strip()}\n")
    return "\n".join(parts)


def write_sharegpt(context: CompiledContext, session: Session) -> str:
    """A set of one conversation; instructions at its beginning are its ``system``."""
    items: list[dict[str, JSON]] = []
    system: list[str] = []
    for message in _in_order_of_calls(with_tool_calls(context.to_openai()), session):
        role, text = message["role"], text_of(message, session)
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


def _in_order_of_calls(messages: list[dict[str, JSON]], session: Session) -> list[dict[str, JSON]]:
    """*messages* with results in the order of their calls, by which alone a set tells what they answer."""
    made: list[dict[str, JSON]] = []
    ids: list[JSON] = []
    for is_result, group in groupby(messages, key=lambda message: message["role"] == "tool"):
        run = list(group)
        if is_result:
            run = sorted(
                run, key=lambda one: ids.index(one["tool_call_id"]) if one["tool_call_id"] in ids else len(ids)
            )
            answered = [one["tool_call_id"] for one in run]
            if answered != ids[: len(answered)]:
                session.lost("which of several calls a result answers")
            if answered != [one["tool_call_id"] for one in messages[len(made) : len(made) + len(run)]]:
                session.lost("the order of results, because each result is kept with its call")
        made += run
        ids = [call["id"] for call in run[-1].get("tool_calls") or ()]
    return made


def _call(call: Mapping[str, JSON]) -> dict[str, JSON]:
    name, text = called(call)
    try:
        arguments = parse_json(text or "{}")
    except ValueError:
        arguments = text
    return {"name": name, "arguments": arguments if isinstance(arguments, dict) else text}
