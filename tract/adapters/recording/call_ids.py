"""The parts of a rendering that were not committed and depend on neighbours: a list that changes the neighbours is compared with the committed messages.

x_2             the id of the second call with id x, in a format that wants each once; x if the first is gone
interrupted     the result of a call without one, behind everything that the model went on to say
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from tract.adapters.recording.given import Given
from tract.adapters.recording.matching import Script, match
from tract.adapters.recording.pieces import Piece
from tract.messages.message import Message
from tract.messages.tool_edits import INTERRUPTED
from tract.objects.message_format import JSON

_KEYS = frozenset({"id", "call_id", "tool_call_id", "tool_use_id"})
_SURE = 40
"""The least number of characters kept of an id that is too long."""


def match_with_ids(given: Given, messages: Sequence[Message], pieces: Sequence[Piece], items: range, script: Script) -> None:  # fmt: skip
    """Match as ``match`` does; if calls change, the second use of an id stands for the id it was committed with."""
    found = Script()
    match(given, messages, pieces, items, found)
    changed = _changed(given, messages, items, found)
    parted = _parted(pieces, found)
    if changed or parted:
        own = [_as_committed(piece, messages, changed, parted) for piece in pieces]
        if any(len(one) != 1 or one[0] is not piece for one, piece in zip(own, pieces, strict=True)):
            found = Script()
            match(given, messages, [piece for one in own for piece in one], items, found)
    script.kept |= found.kept
    script.edits |= found.edits
    script.moved += found.moved
    script.dropped += found.dropped
    script.silent += found.silent


def _changed(given: Given, messages: Sequence[Message], items: range, script: Script) -> set[str]:
    """The ids in dropped, moved, edited or new messages."""
    values: list[JSON] = [messages[row].raw for row in (*script.dropped, *script.moved, *script.edits.values())]
    values += [given.items[item] for item in items if item not in script.kept]
    return {id for value in values for id in _ids(value)}


def _parted(pieces: Sequence[Piece], script: Script) -> set[int]:
    """The kept rows that have another neighbour behind them in the list than in the context; new items behind the last row do not count."""
    rows = [row for piece in pieces if piece.items for row in piece.rows]
    behind = dict(pairwise(rows))
    found: set[int] = set()
    for item, kept in script.kept.items():
        after = item + 1
        while script.kept.get(after) == ():
            after += 1
        if kept and kept[-1] in behind and script.kept.get(after, (-1,))[0] != behind[kept[-1]]:
            found.update(kept)
    return found


def _as_committed(piece: Piece, messages: Sequence[Message], changed: set[str], parted: set[int]) -> list[Piece]:
    """Each message of *piece* by itself, if one of its ids was made of one of the *changed*, or a result was made up for a call at its end; else the piece."""
    alone = [Piece((messages[row].raw,), (row,)) for row in piece.rows]
    is_parted = not parted.isdisjoint(piece.rows) and INTERRUPTED in repr(piece.items)
    if is_parted and INTERRUPTED not in repr([one.items for one in alone]):
        return alone
    shown = {id for item in piece.items for id in _ids(item)}
    if not shown:
        return [piece]
    own = {id for row in piece.rows for id in _ids(messages[row].raw)}
    made = {id.rpartition("_")[0] for id in shown - own if id.rpartition("_")[2].isdecimal()}
    if not any(id == one or (len(one) > _SURE and id.startswith(one)) for one in made for id in own & changed):
        return [piece]
    return alone


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
