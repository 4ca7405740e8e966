"""A context's messages as one provider takes them.

A message already in the format wanted comes out value for value, a deep copy of what was given.
Any other is converted; what has no counterpart is left out and named in a warning.
The same messages always give the same value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tract.compile.formats.anthropic import CallIds, join_system, write_anthropic, write_system
from tract.compile.formats.caching import CacheMode, check_cache, mark_anthropic, mark_openai
from tract.compile.formats.gemini import write_gemini, write_system_parts
from tract.compile.formats.openai import write_openai
from tract.compile.formats.parts import SYSTEM_ROLES, Notes, Rendered, Turn
from tract.compile.formats.responses import write_responses
from tract.compile.formats.turns import turn_of
from tract.compile.formats.values import copy_json
from tract.compile.message import CompileWarning, Message
from tract.objects.message_format import JSON, MessageFormat, message_format


def render(messages: Sequence[Message], format: str, cache: CacheMode = None) -> Rendered:
    """*messages* in *format* or an alias of it; see the function of each format. ContentValidationError for others.

    ``gemini`` is written only: no message is kept in it.
    With *cache* ``auto`` chat completions and Anthropic's messages get cache marks; the other formats have none.
    """
    check_cache(cache)
    if format == "gemini":
        return render_gemini(messages)
    name = message_format(format)
    rendered = _RENDERERS[name](messages)
    if cache is not None and name in _MARKERS:
        _MARKERS[name](rendered.value)
    return rendered


def render_openai(messages: Sequence[Message]) -> Rendered:
    """*messages* as a list of chat completions messages."""
    notes = Notes()
    value = _render_list(messages, "openai", notes, lambda turns: write_openai(turns, notes))
    return Rendered(value, _warnings(notes, "openai"))


def render_responses(messages: Sequence[Message]) -> Rendered:
    """*messages* as a list of input items of OpenAI's Responses API."""
    notes = Notes()
    items = (message.raw for message in messages if message.format == "responses")
    custom_calls = {str(item.get("call_id")) for item in items if item.get("type") == "custom_tool_call"}
    value = _render_list(messages, "responses", notes, lambda turns: write_responses(turns, custom_calls, notes))
    return Rendered(value, _warnings(notes, "responses"))


def render_anthropic(messages: Sequence[Message]) -> Rendered:
    """*messages* as a dict of ``messages`` and, when there is one, ``system``.

    System messages of other formats all go to ``system``, wherever they stand; of Anthropic's own, those before the first other message.
    A single one is there as it is, several as one list of text blocks.
    """
    notes = Notes()
    ids = CallIds()
    system: list[JSON] = []
    body: list[Message] = []
    places: list[int] = []
    for index, message in enumerate(messages):
        if message.role not in SYSTEM_ROLES or (message.format == "anthropic" and body):
            body.append(message)
            places.append(index)
            continue
        if body:
            notes.add(index, "system_moved", message.role)
        content = _system_content(message, index, notes)
        if content is not None:
            system.append(content)
    value = _render_list(body, "anthropic", notes, lambda turns: write_anthropic(turns, ids, notes), places)
    prompt = join_system(system)
    result = {"messages": value} if prompt is None else {"system": prompt, "messages": value}
    return Rendered(result, _warnings(notes, "anthropic"))


def render_gemini(messages: Sequence[Message]) -> Rendered:
    """*messages* as a dict of ``contents`` and, when there is one, ``system_instruction``.

    System messages all go to the system instruction, a part for each of their texts, wherever they stand.
    """
    notes = Notes()
    system: list[JSON] = []
    body: list[Turn] = []
    for index, message in enumerate(messages):
        turn = turn_of(message, index)
        if turn.role not in SYSTEM_ROLES:
            body.append(turn)
            continue
        if body:
            notes.add(index, "system_moved", message.role)
        system += write_system_parts(turn, notes)
        _note_losses(turn, notes)
    contents = _write_run(body, notes, lambda turns: write_gemini(turns, notes))
    result: dict[str, JSON] = {"system_instruction": {"parts": system}} if system else {}
    return Rendered({**result, "contents": contents}, _warnings(notes, "gemini"))


def _system_content(message: Message, index: int, notes: Notes) -> JSON:
    if message.format == "anthropic":
        return copy_json(message.raw.get("content"))
    turn = turn_of(message, index)
    content = write_system(turn, notes)
    _note_losses(turn, notes)
    return content


def _render_list(
    messages: Sequence[Message],
    format: MessageFormat,
    notes: Notes,
    write: Callable[[Sequence[Turn]], list[dict[str, JSON]]],
    places: Sequence[int] | None = None,
) -> list[dict[str, JSON]]:
    """Copies of the messages in *format*, and what *write* makes of each run of others between them."""
    value: list[dict[str, JSON]] = []
    turns: list[Turn] = []
    for index, message in enumerate(messages):
        if message.format != format:
            turns.append(turn_of(message, index if places is None else places[index]))
            continue
        if turns:
            value += _write_run(turns, notes, write)
            turns = []
        value.append(copy_json(message.raw))
    if turns:
        value += _write_run(turns, notes, write)
    return value


def _write_run(
    turns: Sequence[Turn], notes: Notes, write: Callable[[Sequence[Turn]], list[dict[str, JSON]]]
) -> list[dict[str, JSON]]:
    written = write(turns)
    for turn in turns:
        _note_losses(turn, notes)
    return written


def _note_losses(turn: Turn, notes: Notes) -> None:
    for loss in turn.losses:
        notes.lost(turn.index, loss)
    if not turn.parts and not notes.has_lost(turn.index):
        notes.lost(turn.index, "a message without content")


def _warnings(notes: Notes, format: str) -> tuple[CompileWarning, ...]:
    return notes.warnings(
        {
            "no_counterpart": f"not carried over to {format}: {{}}",
            "system_moved": "a {} message inside the conversation was moved to the system prompt",
            "tool_result_moved": "the results of {} were moved up to directly follow their calls",
            "invalid_arguments": "the arguments of {} are no JSON object and were put under the key 'arguments'",
        }
    )


_RENDERERS: dict[MessageFormat, Callable[[Sequence[Message]], Rendered]] = {
    "openai": render_openai,
    "responses": render_responses,
    "anthropic": render_anthropic,
}

_MARKERS: dict[MessageFormat, Callable[[JSON], None]] = {"openai": mark_openai, "anthropic": mark_anthropic}
