"""The ids of calls in a rendering that are not those they were committed with: a format that wants each once writes the second ``x`` as ``x_2``.

Such an id stands as long as what had it first stands before it, so a list that changes that has to be compared with what was committed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tract.adapters.recording.given import Given
from tract.adapters.recording.matching import Script, match
from tract.adapters.recording.pieces import Piece
from tract.messages.message import Message
from tract.objects.message_format import JSON

_KEYS = frozenset({"id", "call_id", "tool_call_id", "tool_use_id"})
_SURE = 40
"""How many characters of an id are kept, at least, where one that is too long is cut."""


def match_with_ids(given: Given, messages: Sequence[Message], pieces: Sequence[Piece], items: range, script: Script) -> None:  # fmt: skip
    """Match as ``match`` does; where calls change, what has an id for the second time stands for what it was committed as."""
    found = Script()
    match(given, messages, pieces, items, found)
    changed = _changed(given, messages, items, found)
    if changed:
        own = [_as_committed(piece, messages, changed) for piece in pieces]
        if any(len(one) != 1 or one[0] is not piece for one, piece in zip(own, pieces, strict=True)):
            found = Script()
            match(given, messages, [piece for one in own for piece in one], items, found)
    script.kept |= found.kept
    script.edits |= found.edits
    script.moved += found.moved
    script.dropped += found.dropped
    script.silent += found.silent


def _changed(given: Given, messages: Sequence[Message], items: range, script: Script) -> set[str]:
    """The ids in what is dropped, moved, edited or new."""
    values: list[JSON] = [messages[row].raw for row in (*script.dropped, *script.moved, *script.edits.values())]
    values += [given.items[item] for item in items if item not in script.kept]
    return {id for value in values for id in _ids(value)}


def _as_committed(piece: Piece, messages: Sequence[Message], changed: set[str]) -> list[Piece]:
    """Each message of *piece* by itself where an id of it was made of one of the *changed*; else the piece."""
    shown = {id for item in piece.items for id in _ids(item)}
    if not shown:
        return [piece]
    own = {id for row in piece.rows for id in _ids(messages[row].raw)}
    made = {id.rpartition("_")[0] for id in shown - own if id.rpartition("_")[2].isdecimal()}
    if not any(id == one or (len(one) > _SURE and id.startswith(one)) for one in made for id in own & changed):
        return [piece]
    return [Piece((messages[row].raw,), (row,)) for row in piece.rows]


def _ids(value: JSON) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            if isinstance(one, str):
                if key in _KEYS:
                    yield one
            else:
                yield from _ids(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _ids(one)
