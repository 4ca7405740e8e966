"""ShareGPT conversations, ``[{"from": …, "value": …}]``, as OpenAI chat messages.

    from                             becomes
    human, user                      {"role": "user", "content": value}
    gpt, assistant, chatgpt, model   {"role": "assistant", "content": value}
    system                           {"role": "system", "content": value}
    function_call, tool_call         {"role": "assistant", "content": null, "tool_calls": […]}
    observation, tool, function,
    function_response, tool_response {"role": "tool", "tool_call_id": …, "content": value}
    "system" beside the items        a first {"role": "system", "content": …}

The value of a call is JSON, ``{"name": …, "arguments": {…}}`` or a list of these; each gets the id ``call_<item>_<nth>``, items counted from 0.
Observations answer the calls before them in order.

Two cases become text, because no provider takes anything else, and nothing is lost by it:
a call whose value is not such JSON is an assistant's text, and an observation with no call left to answer is a user's.

The item itself is in the turn's metadata under ``sharegpt``, so the input can be written back exactly.
Written from sets in this shape (LLaMA-Factory's samples) and ToolBench's, which has ``function`` for a result.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, linear
from tract.adapters.transcripts.readers.messages import keep_beside
from tract.adapters.transcripts.strictjson import describe_kind, flaw, parse
from tract.objects.message_format import JSON

_ROLES = {
    "human": "user", "user": "user",
    "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant", "model": "assistant",
    "system": "system",
    "function_call": "call", "tool_call": "call",
    "observation": "result", "tool": "result", "function_response": "result", "tool_response": "result",
    "function": "result",
}  # fmt: skip


def is_sharegpt_item(value: JSON) -> bool:
    """Whether *value* is an item of such a list."""
    return isinstance(value, dict) and "from" in value and "value" in value


def read_sharegpt(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """*found* as a conversation; nothing if no item of it can be read."""
    beside = dict(found.beside)
    turns: list[Turn] = []
    if isinstance(system := beside.get("system"), str) and system and flaw(system) is None:
        del beside["system"]
        turns.append(Turn({"role": "system", "content": system}, "openai", metadata={"beside": "system"}))
    unanswered: list[str] = []
    for index, item in enumerate(found.values):
        if (problem := _item_flaw(item)) is not None:
            report(found.line(index), f"{found.place}[{index}]: {problem}")
            continue
        message = _message(item, index, unanswered)
        turns.append(Turn(message, "openai", metadata={"sharegpt": item}, line=found.line(index)))
    if not turns:
        report(found.line(0), f"{found.place or 'conversation'}: no message in it")
        return
    # Training sets are kept whole: the fields beside the items are half of what they teach.
    yield linear(name, turns, keep_beside(beside, found.place, found.line(0), report, limit=1 << 20))


def sharegpt_messages(items: Sequence[JSON]) -> list[JSON] | None:
    """The messages of *items*; None if one of them is not an item."""
    if any(_item_flaw(item) is not None for item in items):
        return None
    unanswered: list[str] = []
    return [_message(item, index, unanswered) for index, item in enumerate(items)]


def _item_flaw(item: JSON) -> str | None:
    if not isinstance(item, dict):
        return flaw(item) or f"an item must be an object, found {describe_kind(item)}"
    if (found := flaw(item)) is not None:
        return found
    speaker, value = item.get("from"), item.get("value")
    if not isinstance(speaker, str):
        return f"'from' must be a text, found {describe_kind(speaker)}"
    if speaker not in _ROLES:
        return f"'from' is {speaker[:40]!a}, which is none of {', '.join(_ROLES)}"
    return None if isinstance(value, str) else f"'value' must be a text, found {describe_kind(value)}"


def _message(item: dict[str, JSON], index: int, unanswered: list[str]) -> dict[str, JSON]:
    """*item* as a message; ids of its calls are added to *unanswered*, the id it answers is removed."""
    role, value = _ROLES[item["from"]], item["value"]
    if role == "call":
        calls = _calls(value, index)
        # A new call closes the ones before it: the next observations answer this one.
        unanswered[:] = [call["id"] for call in calls]
        if calls:
            return {"role": "assistant", "content": None, "tool_calls": calls}
        return {"role": "assistant", "content": value}
    if role == "result":
        if unanswered:
            return {"role": "tool", "tool_call_id": unanswered.pop(0), "content": value}
        return {"role": "user", "content": value}
    unanswered.clear()
    return {"role": role, "content": value}


def _calls(value: str, index: int) -> list[dict[str, JSON]]:
    """The tool calls in *value*, their JSON; empty if it is anything else."""
    parsed = parse(value.encode("utf-8"))
    functions = parsed if isinstance(parsed, list) else [parsed]
    if flaw(functions) is not None or not all(_is_function(function) for function in functions):
        return []
    return [
        {
            "id": f"call_{index}_{nth}",
            "type": "function",
            "function": {"name": function["name"], "arguments": _arguments(function["arguments"])},
        }
        for nth, function in enumerate(functions)
    ]


def _is_function(value: JSON) -> bool:
    """Whether *value* can become a call with nothing left over."""
    return (
        isinstance(value, dict)
        and value.keys() == {"name", "arguments"}
        and isinstance(value["name"], str)
        and isinstance(value["arguments"], (dict, str))
    )


def _arguments(value: JSON) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
