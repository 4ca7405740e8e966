"""Messages of OpenAI, the Responses API and Anthropic as turns.

A message stays as it was read, every key of it.
A system prompt that stands beside the messages (Anthropic's ``system``, the Responses API's ``instructions``) becomes a first turn of role ``system``.
"""

from __future__ import annotations

import json
from dataclasses import replace

from tract.adapters.transcripts.formats import decide_format, message_flaw
from tract.adapters.transcripts.model import Conversation, Report, Turn, linear, read_time
from tract.adapters.transcripts.shapes import Found
from tract.adapters.transcripts.strictjson import flaw
from tract.objects.message_format import JSON, MessageFormat

_SMALL = 2000
"""Characters of JSON up to which something beside the messages is kept; tools are kept whatever their size."""

_TIME_KEYS = ("timestamp", "created_at", "created")


def read_messages(
    name: str,
    found: Found,
    format: MessageFormat | None,
    report: Report,
    lines: list[int] | None = None,
) -> tuple[Conversation | None, MessageFormat]:
    """*found* as a conversation, None if no message of it can be read, and the format it has.

    *lines* are the line of each message, where each has one; a single one is the line of them all.
    """
    beside = dict(found.beside)
    format = format or _format_of(found)
    first_line = lines[0] if lines else None
    turns = _system_turns(beside, format, first_line, report)
    for index, message in enumerate(found.messages):
        line = lines[index] if lines is not None and len(lines) == len(found.messages) else first_line
        if (problem := message_flaw(message, format)) is not None:
            report(line, f"{found.place}[{index}]: {problem}")
            continue
        turns.append(_turn(message, format, line))
    if not turns:
        report(first_line, f"{found.place or 'conversation'}: no message in it")
        return None, format
    if format == "responses":
        turns[-1] = _with_response_facts(turns[-1], beside)
    return linear(name, turns, keep_beside(beside, found.place, first_line, report)), format


def keep_beside(
    beside: dict[str, JSON], place: str, line: int | None, report: Report, limit: int = _SMALL
) -> dict[str, JSON]:
    """What of *beside* is small enough to keep and can be kept; what cannot is reported."""
    kept = {}
    for key, value in beside.items():
        if (problem := flaw([key, value])) is not None:
            report(line, f"{place}: '{ascii(key)[1:-1]}' beside the messages: {problem}")
        elif key == "tools" or len(json.dumps(value)) <= limit:
            kept[key] = value
    return kept


def _format_of(found: Found) -> MessageFormat:
    if found.responses:
        return "responses"
    format = decide_format(found.messages)
    has_system = any(isinstance(message, dict) and message.get("role") == "system" for message in found.messages)
    return "anthropic" if format == "openai" and "system" in found.beside and not has_system else format


def _system_turns(beside: dict[str, JSON], format: MessageFormat, line: int | None, report: Report) -> list[Turn]:
    """The system prompt beside the messages as turns, none or one; it is taken out of *beside*."""
    key = "instructions" if format == "responses" else "system"
    content = beside.get(key)
    if not content:
        return []
    del beside[key]
    message = {"role": "system", "content": content}
    if (problem := message_flaw(message, format)) is not None:
        report(line, f"'{key}' beside the messages: {problem}")
        return []
    return [Turn(message, format, metadata={"beside": key}, line=line)]


def _turn(message: dict[str, JSON], format: MessageFormat, line: int | None) -> Turn:
    usage = message.get("usage")
    times = (read_time(message[key]) for key in _TIME_KEYS if key in message)
    return Turn(
        message,
        format,
        time=next((time for time in times if time is not None), None),
        usage=usage if isinstance(usage, dict) else None,
        line=line,
    )


def _with_response_facts(turn: Turn, beside: dict[str, JSON]) -> Turn:
    """*turn*, the last of a response, with the usage and time that the response around it states."""
    usage = beside.get("usage")
    usable = isinstance(usage, dict) and flaw(usage) is None
    return replace(
        turn,
        usage=turn.usage or (usage if usable else None),
        time=turn.time or read_time(beside.get("created_at")),
    )
