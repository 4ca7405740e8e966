"""Matching a list of items with the messages of a context: the changes by which the context becomes the list.

    context   a  b  c  d  e  f          a  b  e  f   the longest common prefix and suffix
    list      a  b  C  e  x  f                   c ↔ C   an edit: unmatched at one place, of one role
                                                 d       dropped
                                                 x       new

An item is a message if it equals the message's content, or its rendering; a rendering may join messages, and take them apart.
Between the prefix and the suffix, as many messages as possible are matched, with up to 500 on either side; beyond that, all of them are dropped and new.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from tract.adapters.recording.given import Given, alike, sense_of, word_of
from tract.adapters.recording.pieces import Piece
from tract.dataclass import dataclass, field
from tract.messages.message import Message, item_role
from tract.named_tuple import NamedTuple
from tract.objects.message_format import JSON

MOST = 500
"""The most messages, and items, between the common prefix and suffix that are compared with each other."""


@dataclass(slots=True)
class Script:
    """The changes to the rows of a context: *kept* maps an item to the rows that it is, *edits* to the row that it edits.

    Items in neither are new. *silent* rows stay where they are: the format does not show them.
    """

    kept: dict[int, tuple[int, ...]] = field(default_factory=dict)
    edits: dict[int, int] = field(default_factory=dict)
    moved: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    silent: list[int] = field(default_factory=list)


class _Row(NamedTuple):
    """A row still to be matched; *piece* if it is the first of a whole piece."""

    at: int
    piece: Piece | None


def match(given: Given, messages: Sequence[Message], pieces: Sequence[Piece], items: range, script: Script) -> None:
    """Match the *items* with the rows of *pieces*, and add the results to *script*."""
    _Matching(given, messages, script).run(pieces, items)


class _Matching:
    def __init__(self, given: Given, messages: Sequence[Message], script: Script) -> None:
        self._given = given
        self._messages = messages
        self._script = script

    def run(self, pieces: Sequence[Piece], items: range) -> None:
        rest, start = self._prefix(pieces, items)
        stop = self._suffix(rest, start, items.stop)
        if len(rest) <= MOST and stop - start <= MOST:
            self._script_between(rest, range(start, stop))
        else:
            self._let_go(rest)

    def _let_go(self, rows: Sequence[_Row]) -> None:
        """Note that the list has none of *rows*; rows that the format does not show, so that the list cannot have them, stay."""
        for row in rows:
            is_silent = row.piece is not None and not row.piece.items
            (self._script.silent if is_silent else self._script.dropped).append(row.at)

    # The common prefix and suffix

    def _prefix(self, pieces: Sequence[Piece], items: range) -> tuple[list[_Row], int]:
        """Match piece after piece from the beginning; return the unmatched rows, and the first unmatched item."""
        at, number = items.start, 0
        while number < len(pieces):
            piece = pieces[number]
            if not piece.items:
                used = self._silently(pieces[number:], at, items.stop)
                number, at = number + (used or 1), at + bool(used)
                continue
            number += 1
            count = len(piece.items)
            if count < len(piece.rows) and self._is_said(piece.rows, at, items.stop):
                for row in piece.rows:
                    self._keep(at, (row,), 1)
                    at += 1
                continue
            if at + count <= items.stop and all(alike(self._given.items[at + n], piece.items[n]) for n in range(count)):
                self._keep(at, piece.rows, count)
                at += count
                if count < len(piece.rows):
                    at = self._blank_behind(piece.rows, at, items.stop)
                continue
            done = 0
            while done < len(piece.rows) and at < items.stop and (used := self._committed(piece.rows[done:], at)):
                self._keep(at, piece.rows[done : done + used], 1)
                done, at = done + used, at + 1
            if done < len(piece.rows):
                whole = piece if not done else None
                return [*_rows_of(Piece(piece.items, piece.rows[done:]), whole), *_all_rows(pieces[number:])], at
        return [], at

    def _blank_behind(self, rows: Sequence[int], at: int, stop: int) -> int:
        """Match the items from *at* on with the empty messages at the end of *rows*, which no item of the piece shows; return the first item that is none of them."""
        blank = [*takewhile(lambda row: _is_blank(self._messages[row].raw), reversed(rows))]
        while blank and at < stop:
            if self._committed([blank.pop()], at) == 1:
                self._script.kept[at] = ()
                at += 1
        return at

    def _silently(self, pieces: Sequence[Piece], at: int, stop: int) -> int:
        """Match the first of *pieces*, none of which is shown, and return how many of their rows item *at* has; 0 if it has none, and then the first piece stays."""
        rows = [row for piece in takewhile(lambda one: not one.items, pieces) for row in piece.rows]
        used = self._committed(rows, at) if at < stop else 0
        self._keep(at, rows[: used or 1], int(used > 0))
        return used

    def _is_said(self, rows: Sequence[int], at: int, stop: int) -> bool:
        """Whether the items from *at* on are *rows* as they were committed, one each, including rows that are not shown."""
        return 0 < len(rows) <= stop - at and all(
            self._committed([row], item) == 1 for item, row in enumerate(rows, at)
        )

    def _committed(self, rows: Sequence[int], at: int) -> int:
        """The number of *rows*, from the first on, that item *at* was committed as; 0 for none."""
        messages = self._given.messages(at)
        if 0 < len(messages) <= len(rows) and all(
            alike(message, self._messages[row].raw) for message, row in zip(messages, rows, strict=False)
        ):
            return len(messages)
        if len(messages) != 1 or self._messages[rows[0]].format == self._given.own_format:
            return 0
        row = self._messages[rows[0]]
        sense = sense_of(messages[0], self._given.own_format)
        return int(sense is not None and sense == sense_of(row.raw, row.format))

    def _suffix(self, rest: list[_Row], start: int, stop: int) -> int:
        """Match from the end while rows and items are the same, and take them out of *rest*; return the item at which that stops."""
        firsts = [at for at, row in enumerate(rest) if row.piece is not None]
        while rest:
            first = firsts[-1] if firsts else 0
            piece = rest[first].piece
            if piece is not None and len(rest) - first != len(piece.rows):
                piece = None  # the last row belongs to a piece that is matched row by row
            count = 0 if piece is None else len(piece.items)
            is_said = not count and stop > start and self._committed([rest[-1].at], stop - 1) == 1
            if piece is not None and not is_said and stop - count >= start and all(
                alike(self._given.items[stop - count + n], piece.items[n]) for n in range(count)
            ):  # fmt: skip
                self._keep(stop - count, piece.rows, count)
                stop -= count
                del rest[first:], firsts[-1]
            elif is_said or (stop > start and self._committed([rest[-1].at], stop - 1) == 1):
                self._keep(stop - 1, (rest.pop().at,), 1)
                stop -= 1
                if piece is not None:
                    del firsts[-1]
                    rest[first:] = [_Row(row.at, None) for row in rest[first:]]
            else:
                break
        return stop

    def _keep(self, item: int, rows: Sequence[int], count: int) -> None:
        """Note that *count* items, from *item* on, are *rows*."""
        if not count:
            self._script.silent += rows
            return
        self._script.kept[item] = (*rows,)
        for at in range(item + 1, item + count):
            self._script.kept[at] = ()

    # The rows and items between

    def _script_between(self, rows: Sequence[_Row], items: range) -> None:
        found = self._matches(rows, items)
        anchors = _most_rows(found, len(rows), len(items))
        for row, item, spans in anchors:
            self._keep(items[item], [one.at for one in rows[row : row + spans[0]]], spans[1])
        taken = {row + n for row, _, spans in anchors for n in range(spans[0])}
        used = {item + n for _, item, spans in anchors for n in range(spans[1])}
        for row in range(len(rows)):  # a match in another place is a move
            for item, (count, length) in found[row].items():
                here, there = range(row, row + count), range(item, item + length)
                if taken.isdisjoint(here) and used.isdisjoint(there):
                    taken.update(here)
                    used.update(there)
                    self._keep(items[item], [rows[at].at for at in here], length)
                    self._script.moved += [rows[at].at for at in here]
                    break
        at = before = 0
        for row, item, spans in [*anchors, (len(rows), len(items), (0, 0))]:
            between = [items[n] for n in range(before, item) if n not in used]
            self._edits([rows[n] for n in range(at, row) if n not in taken], between)
            at, before = row + spans[0], item + spans[1]

    def _edits(self, rows: Sequence[_Row], items: Sequence[int]) -> None:
        """Pair unmatched rows and items at one place, in order, if their roles are the same; rows without an item are dropped."""
        left = list(rows)
        for item in items:
            messages = self._given.messages(item)
            if len(messages) != 1 or self._is_thought_or_behind(item):
                continue
            role = item_role(messages[0])
            at = next((at for at, row in enumerate(left) if self._messages[row.at].role == role), None)
            if at is not None:
                self._let_go(left[:at])
                self._script.edits[item] = left[at].at
                del left[: at + 1]
        self._let_go(left)

    def _is_thought_or_behind(self, item: int) -> bool:
        """Whether *item* is a Responses thought, or directly behind a new one, because such items are shown only in their recorded sequence."""
        items, script = self._given.items, self._script
        if items[item].get("type") == "reasoning":
            return True
        before = item - 1
        return before >= 0 and before not in script.kept and items[before].get("type") == "reasoning"

    def _matches(self, rows: Sequence[_Row], items: range) -> list[dict[int, tuple[int, int]]]:
        """For each row: the items at which a match of it and the rows behind it begins, with the numbers of rows and items."""
        given, own = self._given, self._given.own_format
        words = [word_of(given.items[item]) for item in items]
        senses = [None] * len(items) if all(self._messages[row.at].format == own for row in rows) else [
            sense_of(messages[0], own) if len(messages := given.messages(item)) == 1 else None for item in items
        ]  # fmt: skip
        raw = [word_of(self._messages[row.at].raw) for row in rows]
        committed = [tuple(map(word_of, given.messages(item))) for item in items] if given.format == "gemini" else []
        found: list[dict[int, tuple[int, int]]] = []
        for at, row in enumerate(rows):
            message = self._messages[row.at]
            sense = None if message.format == own else sense_of(message.raw, message.format)
            piece = None if row.piece is None else tuple(map(word_of, row.piece.items))
            here: dict[int, tuple[int, int]] = {}
            for item, word in enumerate(words):
                if piece and piece == tuple(words[item : item + len(piece)]):
                    here[item] = len(row.piece.rows), len(piece)  # type: ignore[union-attr]  # it has a piece
                elif word == raw[at] or (sense is not None and sense == senses[item]):
                    here[item] = 1, 1
                elif committed and committed[item] == tuple(raw[at : at + len(committed[item])]) != ():
                    here[item] = len(committed[item]), 1
            found.append(here)
        return found


def _is_blank(message: JSON) -> bool:
    """Whether a message has only texts, and these are empty."""
    content = message.get("content")
    if isinstance(content, list):
        return bool(content) and all(
            isinstance(part, dict) and not str(part.get("text", "x")).strip() for part in content
        )
    return isinstance(content, str) and not content.strip() and message.keys() <= {"role", "content"}


def _all_rows(pieces: Sequence[Piece]) -> list[_Row]:
    return [row for piece in pieces for row in _rows_of(piece, piece)]


def _rows_of(piece: Piece, first: Piece | None) -> list[_Row]:
    return [_Row(row, first if at == 0 else None) for at, row in enumerate(piece.rows)]


def _most_rows(found: Sequence[dict[int, tuple[int, int]]], rows: int, items: int) -> list[tuple[int, int, tuple[int, int]]]:  # fmt: skip
    """The matches, in the order of both sides, that keep the most rows: each with its row, its item, and the numbers of both."""
    best = [[0] * (items + 1) for _ in range(rows + 1)]
    for row in range(rows - 1, -1, -1):
        below, here = best[row + 1], best[row]
        for item in range(items - 1, -1, -1):
            here[item] = max(below[item], here[item + 1])
            spans = found[row].get(item)
            if spans is not None:
                here[item] = max(here[item], spans[0] + best[row + spans[0]][item + spans[1]])
    chosen = []
    row = item = 0
    while row < rows and item < items:
        spans = found[row].get(item)
        if spans is not None and best[row][item] == spans[0] + best[row + spans[0]][item + spans[1]]:
            chosen.append((row, item, spans))
            row, item = row + spans[0], item + spans[1]
        elif best[row][item] == best[row + 1][item]:
            row += 1
        else:
            item += 1
    return chosen
