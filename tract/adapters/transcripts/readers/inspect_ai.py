"""Inspect AI's logs: ``samples`` of an evaluation, each with its ``messages``, as chat completions messages.

    in the log                                                 becomes
    {"role", "content": text or parts}                         the same; reasoning parts become ``reasoning_content``
    tool_calls: [{"id", "function": name, "arguments": {…}}]   {"id", "type": "function", "function": {"name", "arguments": text}}
    {"role": "tool", "tool_call_id", "content", "function"}    the same, with ``name``; an error is the content if there is none

    {"type": "image", "image": "attachment://<hash>"}          the picture that the sample has under ``attachments``

A log may be JSON, or an archive with a file for each sample (``.eval``).
Source: inspect_ai, ``model/_chat_message.py``, ``tool/_tool_call.py`` and ``log/_log.py``.
If a message was changed, the original is in the turn's metadata under ``inspect_ai``.
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, linear
from tract.adapters.transcripts.formats import message_flaw
from tract.adapters.transcripts.readers.messages import keep_beside
from tract.objects.json import compact_json
from tract.objects.message_format import JSON

_ATTACHMENT = "attachment://"


def is_inspect_message(value: JSON) -> bool:
    """Whether *value* is a message with a call as only Inspect writes it: the function's name as a text."""
    if not isinstance(value, dict) or not isinstance(value.get("role"), str):
        return False
    calls = value.get("tool_calls")
    if isinstance(calls, list) and any(isinstance(call, dict) and isinstance(call.get("function"), str) for call in calls):  # fmt: skip
        return True
    content = value.get("content")
    return isinstance(content, list) and any(
        isinstance(part, dict)
        and (
            (part.get("type") == "reasoning" and isinstance(part.get("reasoning"), str)) or _attached(part) is not None
        )
        for part in content
    )


def _attached(part: dict[str, JSON]) -> str | None:
    """The name of the attachment that is the picture of *part*."""
    image = part.get("image") if part.get("type") == "image" else None
    return image.removeprefix(_ATTACHMENT) if isinstance(image, str) and image.startswith(_ATTACHMENT) else None


def read_inspect(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The found messages as a conversation; nothing if none can be read."""
    turns: list[Turn] = []
    given = found.beside.get("attachments")
    attachments = given if isinstance(given, dict) else {}
    for index, value in enumerate(found.values):
        message = _message(value, attachments) if isinstance(value, dict) else value
        if (problem := message_flaw(message, "openai")) is not None:
            report(found.line(index), f"{found.place}[{index}]: {problem}")
            continue
        error = value.get("error")
        if isinstance(error, dict) and error.get("message") and error["message"] not in str(message.get("content")):
            report.note_once(found.line(index), f"{found.place}[{index}]: an error beside a tool's content is only in the metadata")  # fmt: skip
        kept = {"inspect_ai": value} if message != value else {}
        model = value.get("model")
        turns.append(
            Turn(
                message,
                "openai",
                metadata=kept,
                config={"model": model} if isinstance(model, str) and model else None,
                line=found.line(index),
            )
        )
    if not turns:
        report(found.line(0), f"{found.place or 'conversation'}: no message in it")
        return
    yield linear(name, turns, keep_beside(dict(found.beside), found.place, found.line(0), report))


def _message(value: dict[str, JSON], attachments: dict[str, JSON]) -> dict[str, JSON]:
    content = value.get("content")
    message: dict[str, JSON] = {"role": value.get("role"), "content": content}
    if isinstance(content, list):
        thoughts = [part for part in content if isinstance(part, dict) and part.get("type") == "reasoning"]
        message["content"] = [_part(part, attachments) for part in content if part not in thoughts]
        if thoughts:
            texts = (part.get("reasoning") or part.get("summary") for part in thoughts)
            message["reasoning_content"] = "\n".join(text for text in texts if isinstance(text, str))
    calls = value.get("tool_calls")
    if isinstance(calls, list):
        message["tool_calls"] = [_call(call) if isinstance(call, dict) else call for call in calls]
    if value.get("role") == "tool":
        message["tool_call_id"] = value.get("tool_call_id")
        if isinstance(value.get("function"), str):
            message["name"] = value["function"]
        error = value.get("error")
        if not message["content"] and isinstance(error, dict):
            message["content"] = str(error.get("message") or error.get("type") or "")
    return message


def _part(part: JSON, attachments: dict[str, JSON]) -> JSON:
    name = _attached(part) if isinstance(part, dict) else None
    image = attachments.get(name) if name is not None else None
    return {"type": "image_url", "image_url": {"url": image}} if isinstance(image, str) else part


def _call(call: dict[str, JSON]) -> dict[str, JSON]:
    name, arguments = call.get("function"), call.get("arguments")
    if not isinstance(name, str):
        return call
    text = arguments if isinstance(arguments, str) else compact_json(arguments or {})
    return {"id": call.get("id"), "type": "function", "function": {"name": name, "arguments": text}}
