"""A context's messages as one provider takes them.

A message already in the format wanted comes out value for value, a deep copy of what was given.
Any other is converted; what has no counterpart is left out and named in a warning.
The same messages always give the same value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, TypeGuard

from tract.messages.anthropic import join_system, own_system, write_system
from tract.messages.anthropic_body import Verbatim, write_body
from tract.messages.caching import CacheMode, check_cache, mark_anthropic, mark_openai, mark_responses
from tract.messages.gemini import write_gemini, write_system_parts
from tract.messages.message import CompileWarning, Message
from tract.messages.openai import write_openai
from tract.messages.parts import SYSTEM_ROLES, Notes, Rendered, Turn
from tract.messages.reading import turn_of
from tract.messages.responses import write_responses
from tract.messages.values import copy_json
from tract.objects.message_format import JSON, MessageFormat, message_format


def render(messages: Sequence[Message], format: str, cache: CacheMode = None) -> Rendered:
    """*messages* in *format* or an alias of it; see the function of each format. ContentValidationError for others.

    ``gemini`` is written only: no message is kept in it.
    With *cache* ``auto`` all but Gemini's contents, which have none, get cache marks.
    """
    check_cache(cache)
    if format == "gemini":
        return render_gemini(messages)
    name = message_format(format)
    rendered = _RENDERERS[name](messages)
    if cache is not None:
        _MARKERS[name](rendered.value)
    return rendered


def render_chat(messages: Sequence[Message | dict[str, JSON]], cache: CacheMode = None) -> Rendered:
    """*messages* as a list of chat completions messages, with cache marks where *cache* is ``auto``.

    A dict among them is one already, and nobody else's: it becomes part of the result as it is.
    """
    check_cache(cache)
    rendered = render_openai(messages)
    if cache is not None:
        mark_openai(rendered.value)
    return rendered


def render_openai(messages: Sequence[Message | dict[str, JSON]]) -> Rendered:
    """*messages* as a list of chat completions messages; a dict is one already."""
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
    Only where formats meet are Anthropic's own messages changed: joined with neighbours of their role, results named as their converted calls.
    """
    notes = Notes()
    system: list[JSON] = []
    body: list[Verbatim | Turn] = []
    for index, message in enumerate(messages):
        own = message.format == "anthropic"
        if message.role not in SYSTEM_ROLES or (own and body):
            body.append(Verbatim(index, _copy(message, index, notes)) if own else _turn(message, index, notes))
            continue
        if body:
            notes.add(index, "system_moved", message.role)
        content = _system_content(message, index, notes)
        if content is not None:
            system.append(content)
    value = write_body(body, notes)
    for member in body:
        if isinstance(member, Turn):
            _note_losses(member, notes)
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
        turn = _turn(message, index, notes)
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
        return copy_json(own_system(message.raw, index, notes))
    turn = _turn(message, index, notes)
    content = write_system(turn, notes)
    _note_losses(turn, notes)
    return content


def _copy(message: Message, index: int, notes: Notes) -> dict[str, JSON]:
    """What *message* is in its own format; a role that is none there stays, for a server that knows it."""
    if message.role not in _ROLES[message.format]:
        notes.add(index, "unknown_role", f"{message.role!r}, kept as it is")
    if message.is_error:
        notes.lost(index, "is_error of a tool result")
    copy: dict[str, JSON] = copy_json(message.raw)
    return copy


def _turn(message: Message, index: int, notes: Notes) -> Turn:
    turn = turn_of(message, index)
    if message.role not in _ROLES[message.format]:
        notes.add(index, "unknown_role", f"{message.role!r}, sent as {turn.role!r}")
    return turn


def _render_list(
    messages: Sequence[Message | dict[str, JSON]],
    format: MessageFormat,
    notes: Notes,
    write: Callable[[Sequence[Turn]], list[dict[str, JSON]]],
) -> list[dict[str, JSON]]:
    """Copies of the messages in *format* (a dict is one), and what *write* makes of each run of others between them."""
    roles = _ROLES[format]
    if _are_plain(messages, roles):
        return list(messages)
    value: list[dict[str, JSON]] = []
    turns: list[Turn] = []
    for index, message in enumerate(messages):
        if isinstance(message, dict):
            role = message.get("role", "")
            if not isinstance(role, str) or role not in roles:
                notes.add(index, "unknown_role", f"{role!r}, kept as it is")
            own = message
        elif message.format == format:
            own = _copy(message, index, notes)
        else:
            turns.append(_turn(message, index, notes))
            continue
        if turns:
            value += _write_run(turns, notes, write)
            turns = []
        value.append(own)
    if turns:
        value += _write_run(turns, notes, write)
    return value


def _are_plain(
    messages: Sequence[Message | dict[str, JSON]], roles: frozenset[str]
) -> TypeGuard[Sequence[dict[str, JSON]]]:
    """Whether all are dicts with a role that is known, as in most conversations: of ten thousand that is known in a moment."""
    role: Callable[[Any], Any] = itemgetter("role")
    try:
        return roles.issuperset(map(role, messages))
    except (KeyError, TypeError):  # one has no role or one that is no text, or is no dict
        return False


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
            "tool_id_changed": "the result names its call by the id it has in this request: {}",
            "unknown_role": "no provider knows the role {}",
            "invalid_arguments": "the arguments of {} are no JSON object and were put under the key 'arguments'",
        }
    )


_ROLES: dict[MessageFormat, frozenset[str]] = {
    "openai": frozenset({"system", "developer", "user", "assistant", "tool", "function"}),
    "responses": frozenset({"system", "developer", "user", "assistant", "tool"}),
    "anthropic": frozenset({"system", "user", "assistant"}),
}

_RENDERERS: dict[MessageFormat, Callable[[Sequence[Message]], Rendered]] = {
    "openai": render_openai,
    "responses": render_responses,
    "anthropic": render_anthropic,
}

_MARKERS: dict[MessageFormat, Callable[[JSON], None]] = {
    "openai": mark_openai,
    "responses": mark_responses,
    "anthropic": mark_anthropic,
}
