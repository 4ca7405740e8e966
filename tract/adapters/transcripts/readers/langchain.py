"""Messages of LangChain and LangGraph, in its three serialised forms.

    {"type": "human", "data": {"content", …}}                                      messages_to_dict
    {"lc": 1, "type": "constructor", "id": […, "HumanMessage"], "kwargs": {…}}      dumps, dumpd
    {"type": "human", "content", "additional_kwargs", "response_metadata", …}       model_dump, a graph's state

    human, HumanMessage        {"role": "user"}
    ai, AIMessage              {"role": "assistant"}, its ``tool_calls`` with ``args`` as chat completions has them
    system, SystemMessage      {"role": "system"}
    tool, ToolMessage          {"role": "tool", "tool_call_id"}
    function, chat, remove     a function's result, the role that it names, none

``usage_metadata`` is the usage, ``response_metadata.model_name`` the model. If the original message has more, it is in the turn's metadata, under ``langchain``.
Source: langchain-core, ``messages/`` and ``load/dump.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, linear
from tract.adapters.transcripts.formats import message_flaw
from tract.adapters.transcripts.readers.building import (
    answer,
    give_ids,
    model_config,
    objects_in,
    plain_turn,
    result,
    tool_call,
)
from tract.adapters.transcripts.readers.messages import keep_beside
from tract.objects.message_format import JSON

_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool", "function": "tool", "chat": "", "AIMessageChunk": "assistant", "HumanMessageChunk": "user"}  # fmt: skip
_CLASSES = {"HumanMessage": "human", "AIMessage": "ai", "SystemMessage": "system", "ToolMessage": "tool", "FunctionMessage": "function", "ChatMessage": "chat", "AIMessageChunk": "ai", "HumanMessageChunk": "human"}  # fmt: skip


def is_langchain_message(value: JSON) -> bool:
    """Whether *value* is a LangChain message."""
    return _fields(value) is not None


def _fields(value: JSON) -> tuple[str, dict[str, JSON]] | None:
    """The type of a message and its fields; None if *value* is not a message."""
    if not isinstance(value, dict):
        return None
    kind = value.get("type")
    if value.get("lc") == 1 and kind == "constructor" and isinstance(value.get("kwargs"), dict):
        path = value.get("id")
        named = _CLASSES.get(path[-1]) if isinstance(path, list) and path and isinstance(path[-1], str) else None
        return (named, value["kwargs"]) if named is not None and "content" in value["kwargs"] else None
    if not isinstance(kind, str) or kind not in _ROLES:
        return None
    if isinstance(value.get("data"), dict) and "content" in value["data"]:
        return kind, value["data"]
    return (kind, value) if "content" in value and "role" not in value else None


def read_langchain(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The found messages as a conversation; nothing if none can be read."""
    turns: list[Turn] = []
    functions: dict[str, str] = {}  # the ids of the calls of functions that have no result yet
    for index, value in enumerate(found.values):
        line = found.line(index)
        fields = _fields(value)
        if (plain := plain_turn(value, line)) is not None:
            turns.append(plain)
            continue
        if fields is None:
            report(line, f"{found.place}[{index}]: not a message of LangChain's")
            continue
        turn = _turn(*fields, line, index, functions)
        if (problem := message_flaw(turn.message, "openai")) is not None:
            report(line, f"{found.place}[{index}]: {problem}")
            continue
        for call in objects_in(fields[1].get("invalid_tool_calls")):
            report.note(line, f"{found.place}[{index}]: a call that could not be parsed is only in the metadata: {str(call.get('name'))[:40]!a}")  # fmt: skip
        turns.append(turn)
    if not turns:
        report(found.line(0), f"{found.place or 'conversation'}: no message in it")
        return
    give_ids(turns)
    yield linear(name, turns, keep_beside(dict(found.beside), found.place, found.line(0), report))


def _turn(kind: str, fields: dict[str, JSON], line: int | None, index: int, functions: dict[str, str]) -> Turn:
    more = fields["additional_kwargs"] if isinstance(fields.get("additional_kwargs"), dict) else {}
    about = fields["response_metadata"] if isinstance(fields.get("response_metadata"), dict) else {}
    content, thought = _content(fields.get("content"))
    role = _ROLES[kind] or str(fields.get("role"))
    if role == "assistant":
        calls = _calls(fields, more, index, functions)
        reasoning = more.get("reasoning_content")
        reasoning = "\n".join(_thoughts(more["reasoning"])) if isinstance(more.get("reasoning"), dict) else reasoning
        message = answer(None, calls, thought or (reasoning if isinstance(reasoning, str) else None))
        message["content"] = content or (None if calls else "")
        if isinstance(more.get("refusal"), str) and more["refusal"]:
            message["refusal"] = more["refusal"]
    elif role == "tool":
        call = functions.pop(str(fields.get("name")), None) if kind == "function" else None
        message = result(call or fields.get("tool_call_id") or fields.get("name"), content, fields.get("name"))
    else:
        named = fields.get("name")
        message = {"role": role, "content": content} | ({"name": named} if isinstance(named, str) and named else {})
    usage = fields.get("usage_metadata") or about.get("token_usage")
    model = about.get("model_name") or about.get("model")
    kept = {key: value for key, value in fields.items() if value and key not in ("content", "type", "tool_calls", "tool_call_id", "example", "name")}  # fmt: skip
    if isinstance(fields.get("content"), list) and fields["content"] != message["content"]:
        kept["content"] = fields["content"]
    return Turn(
        message,
        "openai",
        usage=usage if isinstance(usage, dict) and role == "assistant" else None,
        config=model_config(model) if role == "assistant" else None,
        metadata={"langchain": kept} if kept else {},
        line=line,
    )


def _calls(
    fields: dict[str, JSON], more: dict[str, JSON], index: int, functions: dict[str, str]
) -> list[dict[str, JSON]]:
    """The calls of an answer: its own, or else those of its content or of its provider's answer, such as a call of a function."""
    parts = [part for part in objects_in(fields.get("content")) if part.get("type") in ("tool_use", "tool_call")]
    for listed in (objects_in(fields.get("tool_calls")), parts):
        if listed:
            return [tool_call(call.get("id"), call.get("name"), call.get("args", call.get("input"))) for call in listed]
    called = more.get("function_call")
    if isinstance(called, dict) and not more.get("tool_calls"):
        name = str(called.get("name"))
        functions[name] = f"call_{index}"
        return [tool_call(functions[name], name, called.get("arguments"))]
    return objects_in(more.get("tool_calls"))


def _content(content: JSON) -> tuple[JSON, str | None]:
    """A message's content, without the calls that are also in it, and its thought."""
    if not isinstance(content, list):
        return content, None
    parts = [{"type": "text", "text": part} if isinstance(part, str) else part for part in content]
    thoughts = [part for part in parts if isinstance(part, dict) and part.get("type") in ("thinking", "reasoning")]
    said = [part for part in parts if part not in thoughts and not (isinstance(part, dict) and part.get("type") in ("tool_use", "tool_call", "input_json_delta"))]  # fmt: skip
    thought = "\n".join(text for part in thoughts for text in _thoughts(part)) or None
    if len(said) == 1 and isinstance(said[0], dict) and said[0].get("type") == "text" and isinstance(said[0].get("text"), str):  # fmt: skip
        return said[0]["text"], thought
    return said, thought


def _thoughts(part: dict[str, JSON]) -> Iterator[str]:
    """The texts of a part that thinks: its own, or else those of its summary."""
    own = part.get("thinking") or part.get("reasoning")
    summary = [own] if isinstance(own, str) else part.get("summary")
    for one in summary if isinstance(summary, list) else [summary]:
        text = one.get("text") if isinstance(one, dict) else one
        if isinstance(text, str) and text:
            yield text
