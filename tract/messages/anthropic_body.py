"""Anthropic's messages of a history that is partly, or not at all, in its format.

    openai user "1"   anthropic user "2"   anthropic assistant   anthropic user "3"   anthropic user "4"
    └──────── one message ──────────┘      └─────────────── copies of what was given ──────────────────┘

Neighbours of one role become one message, tool results first, when one of them at least was converted.
Where all of them are Anthropic's own they stay apart, as they were given: the API joins them itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from tract.messages.anthropic import MESSAGE_KEYS, plain_or_blocks, write_blocks
from tract.messages.call_ids import CallIds
from tract.messages.parts import Notes, Turn
from tract.messages.values import compact_json, extra_keys, items_of
from tract.objects.message_format import JSON


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A copy of an Anthropic message, number *index* of its context; it may be changed."""

    index: int
    raw: dict[str, JSON]


@dataclass(frozen=True, slots=True)
class _Piece:
    """What one message of the context gives; *content* is as Anthropic takes it, *raw* the message if it was its own."""

    index: int
    role: JSON
    content: JSON
    raw: dict[str, JSON] | None = None


def write_body(members: Sequence[Verbatim | Turn], notes: Notes) -> list[dict[str, JSON]]:
    """The conversation of *members* as Anthropic messages; turns are of users and assistants."""
    if all(isinstance(member, Verbatim) for member in members):
        return [member.raw for member in members if isinstance(member, Verbatim)]
    messages: list[dict[str, JSON]] = []
    for role, group in groupby(_pieces(members, notes), key=lambda piece: piece.role):
        pieces = list(group)
        own = [piece.raw for piece in pieces if piece.raw is not None]
        if len(own) == len(pieces):
            messages += own
        else:
            messages.append({"role": role, "content": _joined(pieces, notes)})
    return messages


def _pieces(members: Sequence[Verbatim | Turn], notes: Notes) -> Iterable[_Piece]:
    """The pieces that hold anything, in order."""
    ids = CallIds(_own_ids(members))
    before: JSON = None
    for member in members:
        role = member.role if isinstance(member, Turn) else member.raw.get("role")
        if role == "assistant" and before != "assistant":
            ids.begin_answer()
        before = role
        if isinstance(member, Verbatim):
            _match_ids(member, ids, notes)
            yield _Piece(member.index, role, member.raw.get("content"), member.raw)
            continue
        blocks = write_blocks(member, ids, notes)
        if blocks:
            yield _Piece(member.index, role, blocks if member.listed else plain_or_blocks(blocks))


def _own_ids(members: Sequence[Verbatim | Turn]) -> Iterable[str]:
    for member in members:
        if isinstance(member, Verbatim):
            yield from (block["id"] for block in _blocks_of(member) if isinstance(block.get("id"), str))


def _blocks_of(member: Verbatim) -> list[dict[str, JSON]]:
    return [block for block in items_of(member.raw.get("content")) if isinstance(block, dict)]


def _match_ids(member: Verbatim, ids: CallIds, notes: Notes) -> None:
    """Take note of the message's calls, and have its results name their calls as these are called now."""
    for block in _blocks_of(member):
        if block.get("type") == "tool_use":
            ids.keep_call(str(block.get("id")))
        if block.get("type") == "tool_result":
            given = str(block.get("tool_use_id"))
            known = ids.known_call(given)
            if known not in (None, given):
                block["tool_use_id"] = known
                notes.add(member.index, "tool_id_changed", f"{given!r} as {known!r}")


def _joined(pieces: Sequence[_Piece], notes: Notes) -> JSON:
    """The content of one message for *pieces*, results before anything else."""
    if len(pieces) == 1:
        return pieces[0].content
    results: list[JSON] = []
    rest: list[JSON] = []
    for piece in pieces:
        blocks = _blocks(piece, notes)
        found = [block for block in blocks if _is_result(block)]
        if found and rest:
            notes.add(piece.index, "tool_result_moved", ", ".join(repr(block.get("tool_use_id")) for block in found))
        results += found
        rest += [block for block in blocks if not _is_result(block)]
    return [*results, *rest]


def _is_result(block: JSON) -> bool:
    return isinstance(block, dict) and block.get("type") == "tool_result"


def _blocks(piece: _Piece, notes: Notes) -> Sequence[JSON]:
    for key in extra_keys(piece.raw or {}, MESSAGE_KEYS):
        notes.lost(piece.index, key)
    content = piece.content
    if isinstance(content, list | tuple):
        return content
    text = content if isinstance(content, str) else "" if content is None else compact_json(content)
    if text.strip():
        return [{"type": "text", "text": text}]
    notes.lost(piece.index, "a message without visible text")
    return []
