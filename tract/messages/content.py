"""The message that each kind of content becomes.

A ``MessageContent`` is its own message in its own format.
The built-in kinds become chat completions messages, because every provider's format has a counterpart for those:

    instruction      system
    dialogue         its role, and its name if it has one
    tool_io          call: assistant with one tool call; result: tool, marked as an error if its status is ``error``
    reasoning        assistant: no provider takes back a thought it has not signed, so it is sent as plain text
    artifact         assistant: fenced if it has a language
    output           assistant
    freeform         assistant: compact JSON
    session          system: its fields under headings

A kind that a program registered becomes an assistant message with the compact JSON of its fields, as freeform does.
"""

from __future__ import annotations

import re
from typing import Any

from tract.dataclass import fields, is_dataclass, replace
from tract.messages.message import Message, message_from_raw
from tract.messages.tool_names import legacy_call_id
from tract.messages.values import compact_json, json_or_text
from tract.objects.content import (
    ArtifactContent,
    DialogueContent,
    FreeformContent,
    InstructionContent,
    MessageContent,
    OutputContent,
    ReasoningContent,
    RecordContent,
    SessionContent,
    ToolIOContent,
)
from tract.objects.message_format import JSON, message_format


def message_of(content: Any) -> Message:
    """The message that *content* becomes; it shares the values of *content*."""
    if isinstance(content, MessageContent):
        return message_from_raw(content.message, message_format(content.format))
    if isinstance(content, ReasoningContent):
        thought = {"role": "assistant", "content": [{"type": "thinking", "thinking": content.text}]}
        return replace(message_from_raw(thought, "anthropic"), is_thought=True)
    message = message_from_raw(_raw_of(content), "openai")
    is_error = isinstance(content, ToolIOContent) and content.direction == "result" and content.status == "error"
    return replace(message, is_error=True) if is_error else message


def _raw_of(content: Any) -> dict[str, JSON]:
    match content:
        case InstructionContent(text):
            return {"role": "system", "content": text}
        case DialogueContent(role, text, name):
            raw = {"role": role, "content": text}
            return raw if name is None else {**raw, "name": name}
        case ToolIOContent():
            return _tool_message(content)
        case OutputContent(text):
            return {"role": "assistant", "content": text}
        case ArtifactContent():
            return {"role": "assistant", "content": _artifact_text(content)}
        case FreeformContent(payload):
            return {"role": "assistant", "content": compact_json(payload)}
        case RecordContent(kind, payload):
            return {"role": "record", "content": f"{kind}: {json_or_text(payload)}"}  # only ever shown to people
        case SessionContent():
            return {"role": "system", "content": _session_text(content)}
    return {"role": "assistant", "content": compact_json(_fields_of(content))}


def _tool_message(content: ToolIOContent) -> dict[str, JSON]:
    """A call or a result; without a call id both get ``call_<tool name>``, so that they find each other."""
    call_id = content.call_id or legacy_call_id(content.tool_name)
    text = json_or_text(content.payload)
    if content.direction == "result":
        return {"role": "tool", "tool_call_id": call_id, "content": text}
    function = {"name": content.tool_name, "arguments": text}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": call_id, "type": "function", "function": function}],
    }


def _artifact_text(content: ArtifactContent) -> str:
    """The artifact's text; if it has a language, in a fence longer than any run of backticks in it."""
    if content.language is None:
        return content.content
    longest = max((len(run) for run in re.findall(r"`+", content.content)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{content.language}\n{content.content}\n{fence}"


def _session_text(content: SessionContent) -> str:
    sections = [f"Session ({content.session_type}): {content.summary}"]
    for title, items in (
        ("Decisions", content.decisions),
        ("Failed approaches", content.failed_approaches),
        ("Next steps", content.next_steps),
    ):
        if items:
            sections.append("\n".join([f"{title}:", *(f"- {item}" for item in items)]))
    return "\n\n".join(sections)


def _fields_of(content: Any) -> JSON:
    if is_dataclass(content):
        return {field.name: getattr(content, field.name) for field in fields(content)}
    return content
