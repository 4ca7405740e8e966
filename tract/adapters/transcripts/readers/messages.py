"""Messages of OpenAI, the Responses API and Anthropic as turns.

A message stays as it was read, with every key.
A system prompt beside the messages (Anthropic's ``system``, the Responses API's ``instructions``) becomes a first turn of role ``system``.
An answer beside them (``response``, ``output``, ``choices``, ``completion``: a logged request) becomes the last turn, or the last ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Branch, Conversation, Found, Report, Turn, read_time
from tract.adapters.transcripts.formats import decide_format, is_message, message_flaw, own_format, unknown_parts
from tract.adapters.transcripts.readers.answers import answer_turns, other_branches
from tract.adapters.transcripts.strictjson import flaw
from tract.objects.message_format import JSON, MessageFormat

_LARGE = 20_000
"""The most characters of JSON of a field kept from beside the messages; tools are kept whatever their size."""

_ANSWERS = ("response", "output", "completion", "choices", "response_body")
_TIME_KEYS = ("timestamp", "created_at", "created")
_STATED = frozenset((*_TIME_KEYS, "usage", "model"))
"""Keys of a message that state facts about it beside its content."""

SETTINGS = (
    "model", "temperature", "top_p", "max_tokens", "max_completion_tokens", "max_output_tokens", "reasoning_effort",
    "seed", "stop",
)  # fmt: skip


def read_messages(
    name: str, found: Found, report: Report, format: MessageFormat | None = None
) -> Iterator[Conversation]:
    """*found* as a conversation of *format*, by default the one its messages decide; nothing if no message of it can be read."""
    beside = dict(found.beside)
    is_decided = format is None
    format = format or _format_of(found)
    turns = _system_turns(beside, format, found.line(0), report)
    for index, message in enumerate(found.values):
        line = found.line(index)
        own = own_format(message, format) if is_decided else format
        if (problem := message_flaw(message, own)) is not None:
            report(line, f"{found.place}[{index}]: {problem}")
            continue
        for kind in unknown_parts(message) if type(message.get("content")) is list else ():
            report.note_once(line, f"{found.place}[{index}]: a part of type {kind[:40]!a}, which tract does not know, is kept as it is")  # fmt: skip
        turns.append(message_turn(message, own, line))
    if format == "responses" and turns:
        turns[-1] = _with_response_facts(turns[-1], beside)
    asked = tuple(turns)
    answer = _take_answer(beside, turns, found, report) if turns else None
    if not turns:
        report(found.line(0), f"{found.place or 'conversation'}: no message in it")
        return
    title = beside.get("title")
    branches = [Branch("main", tuple(turns)), *other_branches(answer, asked, found.place, found.line(0), report)]
    yield Conversation(
        name,
        tuple(branches),
        keep_beside(beside, found.place, found.line(0), report),
        title=title if isinstance(title, str) and title else None,
    )


def message_turn(message: dict[str, JSON], format: MessageFormat, line: int | None) -> Turn:
    """*message* as a turn, with the usage, the time and the model in it."""
    if _STATED.isdisjoint(message):  # nearly every one of a plain list
        return Turn(message, format, line=line)
    usage, model = message.get("usage"), message.get("model")
    times = (read_time(message[key]) for key in _TIME_KEYS if key in message)
    return Turn(
        message,
        format,
        time=next((time for time in times if time is not None), None),
        usage=usage if isinstance(usage, dict) else None,
        config={"model": model} if isinstance(model, str) and model else None,
        line=line,
    )


def keep_beside(
    beside: dict[str, JSON], place: str, line: int | None, report: Report, limit: int = _LARGE
) -> dict[str, JSON]:
    """The fields of *beside* that are small enough and can be stored; the others are reported."""
    kept = {}
    for key, value in beside.items():
        where = f"{place}: '{ascii(key)[1:-1]}' beside the messages"
        if type(value) not in (int, float, bool) and (problem := flaw([key, value])) is not None:
            report(line, f"{where}: {problem}")
        elif key == "tools" or (size := len(json.dumps(value, ensure_ascii=False))) <= limit:
            kept[key] = value
        else:
            report.note_once(line, f"{where} is left out: {size} characters", f"beside {key}")
    return kept


def _take_answer(beside: dict[str, JSON], turns: list[Turn], found: Found, report: Report) -> JSON:
    """Append the answer beside the messages to *turns*, with the request's settings; it is removed from *beside*, and returned."""
    for key in _ANSWERS:
        value = beside.get(key)
        if value is None or turns[-1].message.get("role") == "assistant":
            continue
        value = {"choices": value} if key == "choices" else value
        if isinstance(value, dict) and value.get("choices") == []:
            continue  # no choices: no model was asked
        made = answer_turns(value, found.line(0))
        if not made:
            report(found.line(0), f"{found.place}: '{key}' beside the messages is not an answer that tract can read")
            continue
        del beside[key]
        settings = {name: beside[name] for name in SETTINGS if beside.get(name) is not None}
        last = made[-1]
        usage = beside.get("usage") if last.usage is None and isinstance(beside.get("usage"), dict) else last.usage
        config = {**settings, **(last.config or {})}
        turns += [*made[:-1], last._replace(config=config or None, usage=usage)]
        return value
    return None


def _format_of(found: Found) -> MessageFormat:
    format = decide_format(found.values)
    has_system = any(isinstance(message, dict) and message.get("role") == "system" for message in found.values)
    return "anthropic" if format == "openai" and "system" in found.beside and not has_system else format


def _system_turns(beside: dict[str, JSON], format: MessageFormat, line: int | None, report: Report) -> list[Turn]:
    """The system prompt beside the messages as turns, none or one; it is removed from *beside*."""
    key = "instructions" if format == "responses" else "system"
    content = beside.get(key)
    if not content:
        return []
    del beside[key]
    if (
        format == "responses" and isinstance(content, list) and all(map(is_message, content))
    ):  # items, as a prompt has them
        flawed = [problem for item in content if (problem := message_flaw(item, format)) is not None]
        for problem in flawed:
            report(line, f"'{key}' beside the messages: {problem}")
        return [Turn(item, format, metadata={"beside": key}, line=line) for item in content if message_flaw(item, format) is None]  # fmt: skip
    message = {"role": "system", "content": content}
    if (problem := message_flaw(message, format)) is not None:
        report(line, f"'{key}' beside the messages: {problem}")
        return []
    return [Turn(message, format, metadata={"beside": key}, line=line)]


def _with_response_facts(turn: Turn, beside: dict[str, JSON]) -> Turn:
    """*turn*, the last of a response, with the usage, time and model of the response around it."""
    usage = beside.get("usage")
    usable = isinstance(usage, dict) and flaw(usage) is None
    model = beside.get("model")
    return turn._replace(
        usage=turn.usage or (usage if usable else None),
        time=turn.time or read_time(beside.get("created_at")),
        config=turn.config or ({"model": model} if isinstance(model, str) and model else None),
    )
