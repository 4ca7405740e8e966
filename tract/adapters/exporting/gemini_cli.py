"""A session for the Gemini command line, as ``gemini --session-file FILE`` takes it.

    {"sessionId", "projectHash", "startTime", "lastUpdated", "kind": "main", "messages": [message, …]}
    {"id", "timestamp", "type": "user" | "gemini", "content", "model", "toolCalls": [{"id", "name", "args", "result", "status", "timestamp"}]}

Results are stored with their calls. The program has its own instructions; those of the context are reported.
Tried against gemini-cli 0.61.0, with texts, calls and results.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Mapping

from tract.adapters.exporting.session import Session, called, model_of, new_id, text_of, with_tool_calls
from tract.compile.compiled import CompiledContext
from tract.objects.json import parse_json
from tract.objects.message_format import JSON


def write_gemini_cli(context: CompiledContext, session: Session) -> str:
    """The text of the session's file."""
    model = model_of(list(context.generation_configs), "gemini-2.5-pro")
    moments = session.moments()
    began = next(moments)
    listed = with_tool_calls(context.to_openai())
    results: dict[str, deque[Mapping[str, JSON]]] = {}  # several of one id where a program counts calls anew
    answered = [one for one in listed if one["role"] == "tool"]
    for one in answered:
        results.setdefault(one["tool_call_id"], deque()).append(one)
    called = [call["id"] for one in listed for call in one.get("tool_calls") or () if call["id"] in results]
    if called != [one["tool_call_id"] for one in answered]:
        session.lost("the order of results, because each result is kept with its call")
    messages = [
        {"id": new_id(), "timestamp": next(moments), **message}
        for one in listed
        for message in _messages(one, results, model, began, session)
    ]
    whole = {
        "sessionId": session.id,
        "projectHash": hashlib.sha256(session.folder.encode()).hexdigest(),
        "startTime": began,
        "lastUpdated": messages[-1]["timestamp"] if messages else began,
        "kind": "main",
        "messages": messages,
    }
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def _messages(
    one: Mapping[str, JSON], results: Mapping[str, deque[Mapping[str, JSON]]], model: str, time: str, session: Session
) -> Iterator[dict[str, JSON]]:
    role = one["role"]
    if role in ("system", "developer"):
        session.lost("the instructions, because the program has its own")
    elif role == "user":
        yield {"type": "user", "content": text_of(one, session)}
    elif role == "assistant":
        text = text_of(one, session)
        calls = one.get("tool_calls") or ()
        if text or not calls:
            yield {"type": "gemini", "content": text, "thoughts": [], "model": model}
        if calls:
            made = [_call(call, _next(results.get(call["id"])), time, session) for call in calls]
            yield {"type": "gemini", "content": "", "thoughts": [], "model": model, "toolCalls": made}


def _next(results: deque[Mapping[str, JSON]] | None) -> Mapping[str, JSON] | None:
    return results.popleft() if results else None


def _call(call: Mapping[str, JSON], result: Mapping[str, JSON] | None, time: str, session: Session) -> dict[str, JSON]:
    name, text = called(call)
    try:
        args = parse_json(text or "{}")
    except ValueError:
        args = None
    if not isinstance(args, dict):
        session.lost("arguments of a call that are no JSON object: they stand under 'input'")
        args = {"input": text}
    if result is None:
        session.lost("that a call has no result yet: it has an empty one")
    output = "" if result is None else text_of(result, session)
    response = {"id": call["id"], "name": name, "response": {"output": output}}
    return {
        "id": call["id"],
        "name": name,
        "args": args,
        "result": [{"functionResponse": response}],
        "status": "success",
        "timestamp": time,
    }
