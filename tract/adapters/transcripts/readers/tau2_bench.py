"""Simulations of tau2-bench, as chat completions.

    {"simulations": [{"id", "task_id", "messages": [message, …], "reward_info", …}], "tasks", "info"}
    {"role": "assistant", "content", "tool_calls": [{"id", "name", "arguments": {…}, "requestor"}], "usage", "raw_data": {"model", …}}
    {"role": "tool", "id": the call's, "content", "requestor", "error"}
    {"role": "tool", "tool_messages": [such a message, …]}

The simulated user has tools as well: its calls and their results become a user's texts, because no provider takes anything else.
The message itself is in the turn's metadata under ``tau2-bench``.
Source: tau2-bench's own ``data_model/message.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, linear, read_time
from tract.adapters.transcripts.formats import message_flaw
from tract.adapters.transcripts.readers.building import answer, model_config, objects_in, result, tool_call
from tract.adapters.transcripts.readers.messages import keep_beside
from tract.objects.json import compact_json
from tract.objects.message_format import JSON


def is_tau2_message(value: JSON) -> bool:
    """Whether *value* has a call, or is a result, that names its requestor."""
    if not isinstance(value, dict):
        return False
    if value.get("role") == "tool":
        return "requestor" in value or isinstance(value.get("tool_messages"), list)
    return any("requestor" in call and "function" not in call for call in objects_in(value.get("tool_calls")))


def read_tau2(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """*found* as a conversation; nothing if no message of it can be read."""
    turns: list[Turn] = []
    for index, value in enumerate(found.values):
        line, where = found.line(index), f"{found.place}[{index}]"
        several = isinstance(value, dict) and isinstance(value.get("tool_messages"), list)
        for item in value["tool_messages"] if several else [value]:
            if (problem := _flaw(item)) is not None:
                report(line, f"{where}: {problem}")
                continue
            if item.get("tool_calls") and item["role"] == "user":
                report.note_once(line, f"{where}: calls of the simulated user and their results are texts", "user calls")  # fmt: skip
            turns.append(_turn(item, line))
    if turns:
        yield linear(name, turns, keep_beside(dict(found.beside), found.place, found.line(0), report))
    else:
        report(found.line(0), f"{found.place or 'conversation'}: no message in it")


def _flaw(item: JSON) -> str | None:
    if (found := message_flaw(item, "openai")) is not None:
        return found
    content = item.get("content")
    return None if content is None or isinstance(content, str) else "'content' must be a text"


def _turn(item: dict[str, JSON], line: int | None) -> Turn:
    role, text, calls = item["role"], item.get("content") or "", item.get("tool_calls") or []
    config = usage = None
    if role == "assistant":
        message = answer(text, [tool_call(call.get("id"), call.get("name"), call.get("arguments")) for call in calls])
        raw, usage = item.get("raw_data"), item.get("usage")
        config = model_config(raw.get("model")) if isinstance(raw, dict) else None
    elif role == "tool" and item.get("requestor") != "user":
        message = result(item.get("id"), text)
    else:
        told = [compact_json({"name": call.get("name"), "arguments": call.get("arguments")}) for call in calls]
        message = {"role": "user" if role == "tool" else role, "content": "\n".join([*([text] if text else []), *told])}
    return Turn(
        message,
        "openai",
        time=read_time(item.get("timestamp")),
        usage=usage if isinstance(usage, dict) else None,
        config=config,
        metadata={"tau2-bench": item},
        line=line,
    )
