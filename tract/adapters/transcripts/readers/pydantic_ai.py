"""Messages of Pydantic AI: requests and responses with parts.

    {"kind": "request", "parts": [{"part_kind": "system-prompt" | "user-prompt" | "tool-return" | "retry-prompt", "content"}], "instructions"}
    {"kind": "response", "parts": [{"part_kind": "text" | "thinking" | "tool-call" | "builtin-tool-call" | "builtin-tool-return", …}], "usage", "model_name", "timestamp"}

Source: pydantic-ai, ``messages.py`` (``ModelMessagesTypeAdapter``).
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, linear, read_time
from tract.adapters.transcripts.formats import among
from tract.adapters.transcripts.readers.building import answer, model_config, result, tool_call
from tract.adapters.transcripts.readers.media import media_part, note_media
from tract.adapters.transcripts.readers.messages import keep_beside
from tract.objects.json import compact_json
from tract.objects.message_format import JSON

_WORDS = ("system-prompt", "user-prompt")
_ANSWERS = ("text", "thinking", "tool-call", "builtin-tool-call", "builtin-tool-return")


def is_pydantic_message(value: JSON) -> bool:
    """Whether *value* is such a message."""
    parts = (
        value.get("parts") if isinstance(value, dict) and among(value.get("kind"), ("request", "response")) else None
    )
    return isinstance(parts, list) and all(isinstance(part, dict) and "part_kind" in part for part in parts)


def read_pydantic(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The found messages as a conversation; nothing if none can be read."""
    turns: list[Turn] = []
    instructions: JSON = None
    for index, value in enumerate(found.values):
        line = found.line(index)
        if not is_pydantic_message(value):
            report(line, f"{found.place}[{index}]: not a message of Pydantic AI's")
            continue
        if value["kind"] == "response":
            turns += _response(value, line)
            for part in value["parts"]:
                if not among(part["part_kind"], _ANSWERS):
                    report.note_once(line, f"{found.place}[{index}]: a part of kind {str(part['part_kind'])[:40]!a} is only in the metadata")  # fmt: skip
            continue
        given = value.get("instructions")
        if isinstance(given, str) and given and given != instructions:
            instructions = given
            turns.append(Turn({"role": "system", "content": given}, "openai", metadata={"beside": "instructions"}, line=line))  # fmt: skip
        for at, part in enumerate(value["parts"]):
            if part["part_kind"] in _WORDS and "content" not in part:
                report(line, f"{found.place}[{index}].parts[{at}]: it has no content")
            else:
                turns.append(_asked(part, line))
                note_media(turns[-1].message, line, report)
    if not turns:
        report(found.line(0), f"{found.place or 'conversation'}: no message in it")
        return
    yield linear(name, turns, keep_beside(dict(found.beside), found.place, found.line(0), report))


def _asked(part: dict[str, JSON], line: int | None) -> Turn:
    kind, content = part["part_kind"], part.get("content")
    if kind == "system-prompt":
        message: dict[str, JSON] = {"role": "system", "content": _text(content)}
    elif part.get("tool_call_id") and (kind == "tool-return" or part.get("tool_name")):
        message = result(part["tool_call_id"], content, part.get("tool_name"))
    elif isinstance(content, list):
        message = {"role": "user", "content": [_said(one) for one in content]}
    else:
        message = {"role": "user", "content": _text(content)}
    kept = {"pydantic_ai": part} if kind not in ("user-prompt", "system-prompt") or isinstance(content, list) else {}
    return Turn(message, "openai", time=read_time(part.get("timestamp")), metadata=kept, line=line)


def _said(one: JSON) -> dict[str, JSON]:
    if isinstance(one, dict) and isinstance(one.get("url"), str):
        named = str(one.get("kind")).removesuffix("-url")
        return media_part(one.get("media_type") or ("image/" if named == "url" else f"{named}/*"), one["url"])
    if isinstance(one, dict) and isinstance(one.get("data"), str):
        return media_part(one.get("media_type"), f"data:{one.get('media_type')};base64,{one['data']}")
    return {"type": "text", "text": _text(one)}


def _response(value: dict[str, JSON], line: int | None) -> list[Turn]:
    """The answer, and the results of the provider's own tools in it."""
    parts = value["parts"]
    texts = [part["content"] for part in parts if part["part_kind"] == "text" and isinstance(part.get("content"), str)]
    thoughts = [part["content"] for part in parts if part["part_kind"] == "thinking" and isinstance(part.get("content"), str)]  # fmt: skip
    calls = [tool_call(part.get("tool_call_id"), part.get("tool_name"), part.get("args")) for part in parts if part["part_kind"] in ("tool-call", "builtin-tool-call")]  # fmt: skip
    usage = value.get("usage")
    told = {key: one for key, one in usage.items() if key != "details"} if isinstance(usage, dict) else {}
    if "request_tokens" in told:
        told = {"input_tokens": told.get("request_tokens") or 0, "output_tokens": told.get("response_tokens") or 0}
    time = read_time(value.get("timestamp"))
    results = [result(part.get("tool_call_id"), part.get("content"), part.get("tool_name")) for part in parts if part["part_kind"] == "builtin-tool-return"]  # fmt: skip
    said = Turn(
        answer("".join(texts), calls, "\n".join(thoughts)),
        "openai",
        time=time,
        usage=told if any(isinstance(one, int) and one for one in told.values()) else None,
        config=model_config(value.get("model_name")),
        metadata={"pydantic_ai": value},
        line=line,
    )
    return [said, *(Turn(one, "openai", time=time, line=line) for one in results)]


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else compact_json(value)
