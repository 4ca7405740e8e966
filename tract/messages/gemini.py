"""Gemini's contents: writing turns in its format.

    {"role": "user" | "model", "parts": [...]}      neighbours of one role are one content, tool results first
    {"text"}  {"text", "thought": true}
    {"function_call": {"id", "name", "args"}}       beside it its "thought_signature", if the call came with one
    {"function_response": {"id", "name", "response": {"output" | "error": text}}}
    {"inline_data": {"mime_type", "data"}}  {"file_data": {"file_uri", "mime_type"}}

The keys are in snake case, which both Google's Python SDK and the REST API (by protobuf's JSON mapping) take; data and signatures are base64 text.
Pictures and files in a tool's result follow the results as parts of their own, where every model reads them; a placeholder in the result says so.

These have no counterpart in Gemini's format: a name, audio, files by OpenAI's ids, an image's detail, another provider's signature under a thought (the thought itself is kept).
The API refuses text without a visible character; such text is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from tract.messages.assembly import Assembly
from tract.messages.form import Form
from tract.messages.mending import Step
from tract.messages.parts import (
    SYSTEM_ROLES,
    File,
    Image,
    Notes,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    object_arguments,
    placeholder,
    runs,
    split_results,
)
from tract.messages.tool_names import fitting_name
from tract.messages.writing import Writer, note_losses
from tract.objects.message_format import JSON

BEGINNING = "[the conversation's beginning is left out]"
"""What the user says before a conversation that begins with a call."""

FOREIGN = "skip_thought_signature_validator"
"""The signature that Google's documentation gives for calls that another model made."""

_Item: TypeAlias = tuple[int, str, list[dict[str, JSON]]]
"""The message, the role (``system`` for instructions), and the parts."""

_NAMELESS = "unknown_tool"
"""For a result without its call: Gemini takes none without a name."""


def write_gemini(turns: Sequence[Turn], notes: Notes) -> list[dict[str, JSON]]:
    """*turns* of users and assistants as contents that alternate."""
    contents: list[dict[str, JSON]] = []
    names: dict[str, str] = {}  # of the tools called so far, by the call's id
    for side, run in runs(turns):
        results, rest = split_results(run, notes) if side == "user" else ([], run)
        parts = [_write_result(result, names) for _, result in results]
        for index, result in results:
            parts += _write_attachments(index, result, notes)
        for turn in rest:
            parts += _write_parts(turn, names, notes)
        _sign(parts)
        if parts:
            contents.append({"role": "model" if side == "assistant" else side, "parts": parts})
    return contents


def _joined(group: Sequence[_Item]) -> list[dict[str, JSON]]:
    """One content made of neighbours of one role."""
    _, role, parts = group[0]
    return [{"role": role, "parts": parts if len(group) == 1 else [one for _, _, some in group for one in some]}]


def write_system_parts(turn: Turn, notes: Notes) -> list[dict[str, JSON]]:
    """The parts of the system instruction made of *turn*; it may hold only text."""
    parts = []
    for part in turn.parts:
        if not isinstance(part, Text | Refusal):
            notes.lost(turn.index, placeholder(part))
        elif part.text.strip():
            parts.append({"text": part.text})
    _note_silence(turn, parts, notes)
    return parts


def _write_parts(turn: Turn, names: dict[str, str], notes: Notes) -> list[dict[str, JSON]]:
    parts = []
    for part in turn.parts:
        if isinstance(part, Text | Refusal | Reasoning) and not part.text.strip():
            continue
        if isinstance(part, ToolCall):
            names[part.id] = fitting_name(part.name, "gemini", turn.index, notes)
            parts.append(_write_call(turn.index, part, notes))
            continue
        written = _write_part(part)
        if written is None:
            notes.lost(turn.index, placeholder(part))
            continue
        if isinstance(part, Image) and part.detail not in (None, "auto"):
            notes.lost(turn.index, f"image detail '{part.detail}'")
        parts.append(written)
    _note_silence(turn, parts, notes)
    return parts


def _sign(parts: list[dict[str, JSON]]) -> None:
    """Put a signature on an answer's first call if it has none: Gemini 3 requires one there, and accepts this one for calls of other models."""
    first = next((part for part in parts if "function_call" in part), None)
    if first is not None:
        first.setdefault("thought_signature", FOREIGN)


def _note_silence(turn: Turn, parts: Sequence[JSON], notes: Notes) -> None:
    if not parts and not turn.losses and not notes.has_lost(turn.index):
        notes.lost(turn.index, "a message without visible text")


def _write_part(part: Part) -> dict[str, JSON] | None:
    match part:
        case Text(text) | Refusal(text):
            return {"text": text}
        case Reasoning(text):
            return {"text": text, "thought": True}
        case File(text=str()):
            return {"text": part.titled_text()}
        case Image(media_type, data, url) | File(media_type=media_type, data=data, url=url):
            return _write_data(media_type, data, url)
        case _:
            return None


def _write_data(media_type: str | None, data: str | None, url: str | None) -> dict[str, JSON] | None:
    if data is not None and media_type is not None:
        return {"inline_data": {"mime_type": media_type, "data": data}}
    if url is None or url[:5].lower() == "data:":
        return None
    return {"file_data": {"file_uri": url} | ({} if media_type is None else {"mime_type": media_type})}


def _write_call(index: int, call: ToolCall, notes: Notes) -> dict[str, JSON]:
    arguments = object_arguments(index, call, notes)
    name = fitting_name(call.name, "gemini", index, notes)
    part: dict[str, JSON] = {"function_call": {"id": call.id, "name": name, "args": arguments}}
    return part if call.signature is None else {**part, "thought_signature": call.signature}


def _write_result(result: ToolResult, names: dict[str, str]) -> dict[str, JSON]:
    text = "\n".join(part.text if isinstance(part, Text) else placeholder(part) for part in result.parts)
    response = {"error" if result.is_error else "output": text}
    name = names.get(result.id, _NAMELESS)
    return {"function_response": {"id": result.id, "name": name, "response": response}}


def _write_attachments(index: int, result: ToolResult, notes: Notes) -> list[dict[str, JSON]]:
    """The pictures and files of a result, as parts beside it."""
    parts = []
    for part in result.parts:
        if isinstance(part, Text):
            continue
        written = _write_part(part)
        if written is None:
            notes.lost(index, f"{placeholder(part)} in a tool result")
        else:
            parts.append(written)
    return parts


class GeminiWriter(Writer):
    """The writer for Gemini; an item is a message number, a role (``system`` for instructions) and parts."""

    def __init__(self, form: Form) -> None:
        super().__init__(form)
        self._assembly: Assembly[_Item] = Assembly(self.items, itemgetter(1), _joined)

    def take_back(self, items: int, state: Any) -> None:
        self._assembly.take_back(items)
        super().take_back(items, state)

    def write_plain(self, values: Sequence[Mapping[str, JSON]], row: int) -> None:
        names = {"assistant": "model", "developer": "system"}
        self.items += [
            (at, names.get(value["role"], value["role"]), [{"text": value["content"]}])
            for at, value in enumerate(values, row)
        ]

    def write(self, step: Step, notes: Notes, *, is_last: bool) -> None:
        turns = [turn for piece in (*step.answer, *step.rest) for turn in self.turns(piece, notes)]
        turns = [*self.summaries(step, notes), *turns]
        for turn in turns:
            if turn.role in SYSTEM_ROLES:
                parts = write_system_parts(turn, notes)
                self.items += [(turn.index, "system", parts)] if parts else []
        said = [turn for turn in turns if turn.role not in SYSTEM_ROLES]
        self.items += [(step.row, one["role"], one["parts"]) for one in write_gemini(said, notes)]
        note_losses(turns, notes)

    def request(self, notes: Notes) -> Any:
        """The request: ``contents``, and ``system_instruction`` if there are instructions.

        If there are only instructions, they are sent as a user message. A conversation that begins with a call gets a user message before it, because the API refuses it otherwise.
        """
        found = self._assembly.assembled()
        for index, role, _ in found.moved:
            notes.add(index, "system_moved", role)
        contents = found.messages
        system = [part for _, _, parts in found.system for part in parts]
        if contents and contents[0]["role"] == "model" and any("function_call" in one for one in contents[0]["parts"]):
            notes.add(self.items[0][0], "first_message_added", "a tool call")
            contents.insert(0, {"role": "user", "parts": [{"text": BEGINNING}]})
        if system and not contents:
            notes.add(self.items[0][0], "instructions_as_user", "system")
            return {"contents": [{"role": "user", "parts": system}]}
        return {"system_instruction": {"parts": system}, "contents": contents} if system else {"contents": contents}
