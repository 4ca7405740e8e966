"""Messages of Vercel's AI SDK: those of a user interface, and those sent to a model.

    {"id", "role", "parts": [part, …]}                              UIMessage
        {"type": "text" | "reasoning", "text"}   {"type": "file", "mediaType", "url"}   {"type": "step-start"}
        {"type": "tool-<name>" | "dynamic-tool", "toolCallId", "state", "input", "output" | "errorText"}
        {"type": "tool-invocation", "toolInvocation": {"toolCallId", "toolName", "args", "result"}}   before version 5
    {"id", "role", "content": text, "toolInvocations": [{…}, …]}    before version 4.2
    {"role", "content": [part, …]}                                  ModelMessage
        {"type": "tool-call", "toolCallId", "toolName", "input" | "args"}
        {"type": "tool-result", "toolCallId", "toolName", "output" | "result"}

An answer of several steps becomes an answer and its results for each step.
Source: the package ``ai``, ``ui/ui-messages.ts`` and ``prompt/`` (versions 4 to 6).
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, linear, read_time
from tract.adapters.transcripts.formats import ROLES, among
from tract.adapters.transcripts.readers.building import answer, model_config, objects_in, result, tool_call
from tract.adapters.transcripts.readers.media import media_part, note_media
from tract.adapters.transcripts.readers.messages import keep_beside
from tract.objects.json import compact_json
from tract.objects.message_format import JSON

_MODEL_PARTS = frozenset({"tool-call", "tool-result"})


def is_vercel_message(value: JSON) -> bool:
    """Whether *value* is such a message."""
    if not isinstance(value, dict) or not among(value.get("role"), ROLES):
        return False
    parts, content = value.get("parts"), value.get("content")
    if objects_in(value.get("toolInvocations")) or objects_in(value.get("experimental_attachments")):
        return True
    if isinstance(parts, list) and parts:
        return all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in parts)
    return isinstance(content, list) and any(
        isinstance(part, dict) and among(part.get("type"), _MODEL_PARTS) for part in content
    )


def read_vercel(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The found messages as a conversation; nothing if none can be read."""
    turns: list[Turn] = []
    for index, value in enumerate(found.values):
        line = found.line(index)
        if not isinstance(value, dict) or not among(value.get("role"), ROLES):
            report(line, f"{found.place}[{index}]: not a message of the AI SDK's")
            continue
        made = _turns(value, line, f"{found.place}[{index}]", report)
        if not made and not isinstance(value.get("parts", value.get("content")), (list, str)):
            report(line, f"{found.place}[{index}]: it has no parts")
        turns += made
    if not turns:
        report(found.line(0), f"{found.place or 'conversation'}: no message in it")
        return
    yield linear(name, turns, keep_beside(dict(found.beside), found.place, found.line(0), report))


def _turns(value: dict[str, JSON], line: int | None, where: str, report: Report) -> list[Turn]:
    content = value.get("parts") or value.get("content")
    given = content if isinstance(content, list) else [content]
    parts = [{"type": "text", "text": part} if isinstance(part, str) else part for part in given if isinstance(part, (str, dict))]  # fmt: skip
    about = value["metadata"] if isinstance(value.get("metadata"), dict) else {}
    if "parts" not in value and (called := objects_in(value.get("toolInvocations"))):  # before version 4.2
        parts = [{"type": "tool-invocation", "toolInvocation": call} for call in called] + [part for part in parts if part.get("text")]  # fmt: skip
    if "parts" not in value:
        attached = objects_in(value.get("experimental_attachments"))
        parts += [{"type": "file", "mediaType": one.get("contentType"), **one} for one in attached]
    if value["role"] in ("assistant", "tool"):
        messages = _answers(parts, where, line, report)
    else:
        messages = [_said(value["role"], parts)]
        note_media(messages[0], line, report)
        for part in parts:
            if _part(part)["type"] == "text" and not isinstance(part.get("text"), str):
                report.note_once(
                    line, f"{where}: a part of type {str(part.get('type'))[:40]!a} is only in the metadata"
                )
    return [
        Turn(
            message,
            "openai",
            time=read_time(value.get("createdAt")),
            config=model_config(about.get("model")) if message["role"] == "assistant" else None,
            metadata={"vercel_ai": value} if at == 0 else {},
            line=line,
        )
        for at, message in enumerate(messages)
    ]


def _said(role: str, parts: list[dict[str, JSON]]) -> dict[str, JSON]:
    said = [_part(part) for part in parts]
    texts = [part for part in said if part["type"] == "text"]
    if len(texts) == len(said):
        return {"role": role, "content": "\n".join(part["text"] for part in texts)}
    return {"role": role, "content": said}


def _part(part: dict[str, JSON]) -> dict[str, JSON]:
    if isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    url = part.get("url") or part.get("image") or part.get("data")
    if isinstance(url, str) and part.get("type") in ("file", "image"):
        kind = part.get("mediaType") or part.get("mimeType") or "image/png"
        return media_part(kind, url if ":" in url[:10] else f"data:{kind};base64,{url}")
    return {"type": "text", "text": f"[{part.get('type')}]"}


def _answers(parts: list[dict[str, JSON]], where: str, line: int | None, report: Report) -> list[dict[str, JSON]]:
    """The answers and results of the steps in *parts*; a step ends where it is marked, or where text follows calls."""
    made: list[dict[str, JSON]] = []
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, JSON]] = []
    results: list[dict[str, JSON]] = []

    def close() -> None:
        if texts or thoughts or calls:
            made.append(answer("".join(texts), calls, "\n".join(thoughts)))
        made.extend(results)
        for each in (texts, thoughts, calls, results):
            each.clear()

    for part in parts:
        kind = str(part.get("type"))
        if kind == "step-start" or (kind in ("text", "reasoning") and calls):
            close()
        if kind == "text":
            texts.append(str(part.get("text") or ""))
        elif kind == "reasoning":
            thoughts.append(str(part.get("text") or part.get("reasoning") or ""))
        elif kind == "tool-result":
            results.append(result(part.get("toolCallId"), _output(part), part.get("toolName")))
        elif (called := _called(kind, part)) is not None:
            given = (called[key] for key in ("input", "args", "rawInput") if called.get(key) is not None)
            calls.append(tool_call(called.get("toolCallId"), called.get("toolName"), next(given, None)))
            if (came := _output(called)) is not None:
                results.append(result(called.get("toolCallId"), came, called.get("toolName")))
        elif kind != "step-start":
            report.note_once(line, f"{where}: a part of type {kind[:40]!a} is only in the metadata")
    close()
    return made


def _called(kind: str, part: dict[str, JSON]) -> dict[str, JSON] | None:
    """The call in a part, with its result if that is there."""
    if kind == "tool-invocation" and isinstance(part.get("toolInvocation"), dict):
        return dict(part["toolInvocation"])
    if "toolCallId" not in part or not (kind.startswith("tool-") or kind == "dynamic-tool"):
        return None
    return {"toolName": kind.removeprefix("tool-"), **part} if kind != "tool-call" else part


def _output(part: dict[str, JSON]) -> JSON:
    output = part.get("output", part.get("result", part.get("errorText")))
    if output is None and part.get("state") == "output-denied":
        approval = part.get("approval")
        reason = approval.get("reason") if isinstance(approval, dict) else None
        output = f"denied: {reason}" if isinstance(reason, str) and reason else "denied"
    if isinstance(output, dict) and output.keys() >= {"type", "value"}:
        output = output["value"]
    return output if output is None or isinstance(output, str) else compact_json(output)
