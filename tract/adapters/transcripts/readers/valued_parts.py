"""LLaMA-Factory's messages, whose parts have their content under ``value``.

    {"role", "content": [{"type": "text" | "reasoning" | "tool_call" | "image_url", "value": …}, …], "loss_weight"}

A ``tool_call``'s value is JSON, ``{"name", "arguments"}``, and gets the id ``call_<message>_<part>``; messages of role ``tool`` answer the calls before them in order.
Source: LLaMA-Factory (v1), the format to which its data engine converts all others.
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, linear
from tract.adapters.transcripts.formats import ROLES, among
from tract.adapters.transcripts.readers.building import answer, plain_turn, result, tool_call
from tract.adapters.transcripts.readers.messages import keep_beside
from tract.adapters.transcripts.strictjson import Refused, parse
from tract.objects.json import compact_json
from tract.objects.message_format import JSON


def is_valued_message(value: JSON) -> bool:
    """Whether *value* is such a message."""
    content = value.get("content") if isinstance(value, dict) and among(value.get("role"), ROLES) else None
    return isinstance(content, list) and bool(content) and all(
        isinstance(part, dict) and isinstance(part.get("type"), str) and "value" in part for part in content
    )  # fmt: skip


def read_valued(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The found messages as a conversation; nothing if none can be read."""
    turns: list[Turn] = []
    unanswered: list[str] = []
    for index, value in enumerate(found.values):
        line = found.line(index)
        if (plain := plain_turn(value, line)) is not None:
            turns.append(plain)
            continue
        if not is_valued_message(value):
            report(line, f"{found.place}[{index}]: its parts have no 'value'")
            continue
        message = _message(value, index, unanswered)
        turns.append(Turn(message, "openai", metadata={"llama_factory": value}, line=line))
    if not turns:
        report(found.line(0), f"{found.place or 'conversation'}: no message in it")
        return
    yield linear(name, turns, keep_beside(dict(found.beside), found.place, found.line(0), report, limit=1 << 20))


def _message(value: dict[str, JSON], index: int, unanswered: list[str]) -> dict[str, JSON]:
    texts, thoughts, calls, others = [], [], [], []
    for at, part in enumerate(value["content"]):
        said = part["value"] if isinstance(part["value"], str) else compact_json(part["value"])
        call = _call(part, f"call_{index}_{at}") if part["type"] == "tool_call" else None
        if call is not None:
            calls.append(call)
        elif part["type"] == "reasoning":
            thoughts.append(said)
        elif part["type"] == "image_url":
            others.append({"type": "image_url", "image_url": {"url": said}})
        else:
            texts.append(said)
    text = "\n".join(texts)
    if value["role"] == "tool":
        return result(unanswered.pop(0), text) if unanswered else {"role": "user", "content": text}
    unanswered[:] = [call["id"] for call in calls]
    if value["role"] == "assistant":
        return answer(text, calls, "\n".join(thoughts))
    content: JSON = [{"type": "text", "text": text}, *others] if others else text
    return {"role": value["role"], "content": content}


def _call(part: dict[str, JSON], id: str) -> dict[str, JSON] | None:
    value = parse(part["value"].encode()) if isinstance(part["value"], str) else part["value"]
    if isinstance(value, Refused) or not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    return tool_call(id, value["name"], value.get("arguments"))
