"""An API's answer in a log, as turns: a chat completion, a Responses response, an Anthropic message, a Gemini response, or one message.

Facts beside the message (usage, the model, the time) go with the last turn.
If a completion has several choices, the first is the answer, and the others are branches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tract.adapters.transcripts.conversations import Branch, Report, Turn, read_time
from tract.adapters.transcripts.formats import is_message, is_responses_item, message_flaw
from tract.objects.message_format import JSON, MessageFormat

_STREAM = r"""(event: \S+\r?\n)?data: \{\s*"(id|choices|type|candidates|object|message|response)":"""
"""What a stream that was not put together begins with."""


def answer_turns(value: JSON, line: int | None = None) -> list[Turn]:
    """The turns of the answer *value*; empty if tract cannot read it as one."""
    if isinstance(value, str) and value and re.match(_STREAM, value) is None:
        return [Turn({"role": "assistant", "content": value}, "openai", line=line)]
    if isinstance(value, list) and value and all(map(is_message, value)):
        format: MessageFormat = "responses" if any(map(is_responses_item, value)) else "openai"
        return _checked([Turn(item, format, line=line) for item in value])
    if not isinstance(value, dict):
        return []
    for key in ("body", "response"):  # an HTTP response around the answer, as batch files have it
        if isinstance(value.get(key), dict):
            return answer_turns(value[key], line)
    facts = _facts(value)
    if isinstance(value.get("choices"), list):
        first = next((choice for choice in value["choices"] if isinstance(choice, dict)), {})
        message = first.get("message")
        if not isinstance(message, dict):
            text = first.get("text")
            message = {"role": "assistant", "content": text} if isinstance(text, str) else None
        return _checked([Turn({"role": "assistant", **message}, "openai", line=line, **facts)]) if message else []
    if isinstance(value.get("output"), list) and any(map(is_message, value["output"])):
        turns = [Turn(item, "responses", line=line) for item in value["output"]]
        turns[-1] = Turn(turns[-1].message, "responses", line=line, **facts)
        return _checked(turns)
    if value.get("role") == "assistant" and value.get("type") == "message" and isinstance(value.get("content"), list):
        message = {"role": "assistant", "content": value["content"]}
        return _checked([Turn(message, "anthropic", line=line, **facts)])
    return _checked([Turn(value, "openai", line=line)]) if is_message(value) else []


def other_branches(
    answer: JSON, turns: Sequence[Turn], place: str, line: int | None, report: Report
) -> Iterator[Branch]:
    """A branch for each choice of a completion except the first: *turns*, and the choice."""
    while isinstance(answer, dict) and not isinstance(answer.get("choices"), list):
        answer = answer.get("body") or answer.get("response")
    choices = answer.get("choices") if isinstance(answer, dict) else None
    for number, choice in enumerate(choices[1:] if isinstance(choices, list) else (), 2):
        made = answer_turns({**answer, "choices": [choice], "usage": None}, line)
        if made:
            yield Branch(f"main-{number}", (*turns, *made), len(turns), 0 if turns else None)
        else:
            report(line, f"{place}: its choice {number} is not an answer that tract can read")


def _checked(turns: list[Turn]) -> list[Turn]:
    return turns if all(message_flaw(turn.message, turn.format) is None for turn in turns) else []


def _facts(value: Mapping[str, JSON]) -> dict[str, Any]:
    usage, model = value.get("usage"), value.get("model")
    times = (read_time(value[key]) for key in ("created", "created_at") if key in value)
    return {
        "usage": usage if isinstance(usage, dict) else None,
        "config": {"model": model} if isinstance(model, str) and model else None,
        "time": next((time for time in times if time is not None), None),
    }
