"""The answer of an API, as a log has it, as turns: a chat completion, a Responses response, an Anthropic message, a Gemini response, or one message.

What comes beside the message (usage, the model, when it was made) goes with the last turn.
Where a completion has several choices, the first is the answer; who reads logs says so of the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tract.adapters.transcripts.formats import is_message, is_responses_item, message_flaw
from tract.adapters.transcripts.model import Turn, read_time
from tract.objects.message_format import JSON, MessageFormat


def answer_turns(value: JSON, line: int | None = None) -> list[Turn]:
    """The turns of the answer that *value* is; none where it is none that tract can read."""
    if isinstance(value, str) and value:
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
        turns = [Turn(item, "responses", line=line) for item in value["output"] if is_message(item)]
        turns[-1] = Turn(turns[-1].message, "responses", line=line, **facts)
        return _checked(turns)
    if value.get("role") == "assistant" and value.get("type") == "message" and isinstance(value.get("content"), list):
        message = {"role": "assistant", "content": value["content"]}
        return _checked([Turn(message, "anthropic", line=line, **facts)])
    return _checked([Turn(value, "openai", line=line)]) if is_message(value) else []


def other_choices(value: JSON) -> int:
    """How many more choices than the first the completion *value* has, or the one in it."""
    for key in ("body", "response"):
        if isinstance(value, dict) and isinstance(value.get(key), dict):
            return other_choices(value[key])
    choices = value.get("choices") if isinstance(value, dict) else None
    return max(0, len(choices) - 1) if isinstance(choices, list) else 0


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
