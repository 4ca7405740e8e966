"""Cached facts about the list recorded before: a copy of each item, by its row of the context.

    rows      0  1  2  3  4  5      identified by commit and blob, so that unchanged rows are recognised
    copies    a  b  C  d  e  ?      compared with the list all at once, by Python's comparison of lists
    list      a  b  C  d  e  f  g

An unknown row is looked up in its content. So finding one changed message needs neither a rendering of the context nor a look at each message.
A copy shares with the list only its texts, which cannot be changed: a value changed in place differs from its copy.
The copy of an SDK's own object has its fields, because converting it to its API's form is slow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from itertools import compress, count
from operator import ne
from typing import Any

from tract.adapters.recording.given import Given, alike, as_dict, copied, word_of
from tract.adapters.recording.matching import MOST, Script
from tract.adapters.recording.plan import Plan
from tract.adapters.transcripts.readers.gemini import Calls, content_messages
from tract.compile.snapshot import Columns, Snapshot
from tract.dataclass import replace
from tract.messages.message import Message
from tract.messages.tool_edits import INTERRUPTED
from tract.objects.message_format import JSON

_MOST_UNKNOWN = 512
_UNKNOWN: Any = object()
_WORDS = frozenset({"content", "text", "output"})


class Known:
    """The copies of a list's items by the rows of a context; the first *apart* rows are instructions that the list does not mention."""

    def __init__(self, given: Given, columns: Columns, copies: list[Any], apart: int) -> None:
        self._columns = columns
        self._copies = copies
        self._unknown = _unknown(copies)
        self._apart = apart
        self._instructions = given.instructions
        self._calls = Calls()
        self._called = 0
        if given.format == "gemini":
            self._called = next((at for at, one in enumerate(copies) if one is _UNKNOWN), len(copies))
            for item in given.items[: self._called]:
                content_messages(item, self._calls)

    def plan(self, given: Given, snapshot: Snapshot) -> Plan | None:
        """The changes that make the context of *snapshot* the list *given*; None if the cached facts are not enough."""
        if given.instructions != self._instructions or snapshot.columns.made or not self._follow(snapshot):
            return None
        body = list(given.items)
        start = self._same_from_start(body, given, snapshot)
        apart = frozenset(range(self._apart or given.instructions))
        script = Script(silent=list(range(self._apart)))
        length = len(self._copies)
        if start == length:
            body[start:] = given.dicts([*map(copied, body[start:])], start)
            calls = copy(self._calls) if self._called == start else None
            if (given.format == "gemini" and calls is None) or INTERRUPTED in repr(body[start:]):
                return None  # a rendering ends with a result that was made up
            return Plan(
                replace(given, items=body, before=start, calls=calls), snapshot, script, snapshot.length, start, apart
            )
        if start < given.instructions or given.format == "gemini":
            return None
        stop = len(body) - self._same_from_end(body, start, given, snapshot)
        rows = range(start + self._apart, snapshot.length - (len(body) - stop))
        body[start:stop] = given.dicts([*map(copied, body[start:stop])], start)
        given = replace(given, items=body)
        if not _find_edits(given, snapshot, rows, range(start, stop), script):
            return None
        script.kept.update((item, (snapshot.length - len(body) + item,)) for item in range(stop, len(body)))
        return Plan(given, snapshot, script, start + self._apart, start, apart)

    def _follow(self, snapshot: Snapshot) -> bool:
        """Move the copies to the rows of *snapshot*; False if too many of these are unknown."""
        columns, apart = snapshot.columns, self._apart
        before, length = len(self._copies) + apart, snapshot.length
        if columns is not self._columns:
            old = [ids[:before] for ids in (self._columns.commits, self._columns.blobs)]
            new = [ids[:length] for ids in (columns.commits, columns.blobs)]
            first = min(map(_same_at_start, old, new))
            if first < apart:
                return False
            rest = min(before, length) - first
            last = min(rest, *(_same_at_start(one[::-1], other[::-1]) for one, other in zip(old, new, strict=True)))
            between = [_UNKNOWN] * (length - first - last)
            self._copies = [*self._copies[: first - apart], *between, *self._copies[before - apart - last :]]
            self._columns = columns
            self._forget_calls(first - apart)
            self._unknown = _unknown(self._copies)
        elif before > length:
            del self._copies[length - apart :]
            self._forget_calls(length - apart)
            self._unknown = _unknown(self._copies)
        elif before < length:
            self._copies += [_UNKNOWN] * (length - before)
            self._unknown += range(before - apart, length - apart)
        return len(self._unknown) <= _MOST_UNKNOWN

    def _forget_calls(self, at: int) -> None:
        if self._called > at:
            self._called = -1

    def _same_from_start(self, body: Sequence[JSON], given: Given, snapshot: Snapshot) -> int:
        """The number of items at the beginning that equal the rows."""
        copies = self._copies
        most = min(len(copies), len(body))
        for at in self._unknown:
            if at < most and copies[at] is _UNKNOWN:
                self._is_content(at, body[at], given, snapshot)
        self._unknown = [at for at in self._unknown if copies[at] is _UNKNOWN]
        if (copies if most == len(copies) else copies[:most]) == body[:most]:
            return most  # all at once, which is quicker than a search for a difference
        for at in compress(count(), map(ne, copies, body)):
            if not self._is_content(at, body[at], given, snapshot):
                return at
        return most

    def _same_from_end(self, body: Sequence[JSON], start: int, given: Given, snapshot: Snapshot) -> int:
        """The number of items at the end that equal the rows, apart from the first *start* of either."""
        copies = self._copies
        most = min(len(copies), len(body)) - start
        for at in compress(range(most), map(ne, reversed(copies), reversed(body))):
            if not self._is_content(len(copies) - 1 - at, body[-1 - at], given, snapshot):
                return at
        return most

    def _is_content(self, at: int, item: JSON, given: Given, snapshot: Snapshot) -> bool:
        """Whether *item* is the content of the row with copy *at*; if so, it becomes the row's copy."""
        message = snapshot.columns.messages[at + self._apart]
        if message.format != given.own_format:
            return False
        copy_of = copied(item)
        item = as_dict(copy_of)
        if given.format == "gemini":
            if at != self._called:
                return False
            calls = copy(self._calls)
            made = content_messages(item, calls)
            if len(made) != 1 or not alike(message.raw, made[0]):
                return False
            self._calls, self._called = calls, at + 1
        elif item is None or not alike(message.raw, item):
            return False
        self._copies[at] = _marked(copy_of)
        return True


def known_by(plan: Plan, own: Sequence[Any]) -> Known | None:
    """The cached facts for a *plan* found in another way, with our *own* copies of the items; None if an item is not exactly one row."""
    given, snapshot, script = plan.given, plan.snapshot, plan.script
    apart = len(script.silent)
    if snapshot.columns.made or sorted(script.silent) != [*range(apart)]:
        return None
    if apart and (given.instructions or plan.apart != frozenset(script.silent)):
        return None
    copies: list[Any] = [_UNKNOWN] * (snapshot.length - apart)
    messages = snapshot.columns.messages.afresh()  # the same number of items and messages need not match one to one
    for row, item, one in zip(range(apart, plan.rows), given.items[: plan.items], own, strict=False):
        message = messages[row]
        if message.format == given.own_format and alike(message.raw, item):
            copies[row - apart] = _marked(one)
    for item, rows in script.kept.items():
        of = [*zip(range(item, len(given.items)), rows, strict=False)]
        if len(of) != len(rows) or any(script.kept.get(at) != () for at, _ in of[1:]):
            return None
        if len(rows) > 1 and not all(_is_committed(given, snapshot, at, row) for at, row in of):
            return None  # a step is known only if each of its messages is an item
        for at, row in of:
            copies[row - apart] = _marked(own[at])
    return Known(given, snapshot.columns, copies, apart)


def _is_committed(given: Given, snapshot: Snapshot, at: int, row: int) -> bool:
    """Whether item *at* is the content of *row*."""
    message = snapshot.columns.messages[row]
    messages = given.messages(at) if at < len(given.items) else ()
    return len(messages) == 1 and message.format == given.own_format and alike(message.raw, messages[0])


def _find_edits(given: Given, snapshot: Snapshot, rows: range, items: range, script: Script) -> bool:
    """Add to *script* which of the *items* equal the *rows* in their places, and which edit them; False if a rendering may be needed to decide.

    The list may have more items at its end, which are new.
    """
    new = items[len(rows) :]
    if not rows or len(rows) > min(len(items), MOST) or (new and new.stop != len(given.items)):
        return False
    messages = snapshot.columns.messages
    for row, item in zip(rows, items, strict=False):
        message, one = messages[row], given.items[item]
        if message.format != given.format or not (_is_reworded(message.raw, one) or _is_written_short(message, one)):
            return False
        if alike(message.raw, one):
            script.kept[item] = (row,)
        else:
            script.edits[item] = row
    if len(script.edits) == 1 and not new:
        return True
    if INTERRUPTED in repr([given.items[item] for item in new]):
        return False  # as above
    were = {word_of(messages[row].raw) for row in script.edits.values()}
    return were.isdisjoint(
        word_of(given.items[item]) for item in (*script.edits, *new)
    )  # else one item has moved to another place


def _is_reworded(one: JSON, other: JSON, key: str = "") -> bool:
    """Whether two messages of a format differ only in their texts, so that neither is a rendering of the other."""
    if isinstance(one, str) and isinstance(other, str):
        said, now = one.strip(), other.strip()
        return one == other or (key in _WORDS and bool(said) and bool(now) and said != now)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return all(_is_reworded(one.get(name), other.get(name), name) for name in one.keys() | other.keys())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            _is_reworded(mine, its, key) for mine, its in zip(one, other, strict=True)
        )
    return alike(one, other)


def _unknown(copies: Sequence[Any]) -> list[int]:
    return [at for at, one in enumerate(copies) if one is _UNKNOWN]


def _is_written_short(message: Message, item: JSON) -> bool:
    """Whether one of *item* and *message*, an Anthropic message, has as a text what the other has as its only part: no rendering does that."""
    one, other = message.raw.get("content"), item.get("content")
    if (
        message.format != "anthropic"
        or message.role != item.get("role")
        or isinstance(one, str) == isinstance(other, str)
    ):
        return False
    text, parts = (one, other) if isinstance(one, str) else (other, one)
    return bool(str(text).strip()) and alike(parts, [{"type": "text", "text": text}])


def _same_at_start(one: Sequence[Any], other: Sequence[Any]) -> int:
    return next(compress(count(), map(ne, one, other)), min(len(one), len(other)))


class _Exactly:
    """A value that Python confuses with another JSON value: 1 with True, 0 with False."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return alike(self._value, other)

    __hash__ = None  # type: ignore[assignment]  # it is compared and nothing else


class _Fields:
    """The fields of an SDK's own object at the time of the copy."""

    __slots__ = ("_kind", "_state")

    def __init__(self, value: Any) -> None:
        self._kind = type(value)
        self._state = [_marked(one) for one in _state_of(value)]

    def __eq__(self, other: object) -> bool:
        return type(other) is self._kind and self._state == _state_of(other)

    __hash__ = None  # type: ignore[assignment]  # as above


def _state_of(value: Any) -> list[Any]:
    return [value.__dict__, value.__pydantic_extra__, value.__pydantic_private__]


def _marked(value: Any) -> Any:
    """A copy that equals only the same JSON, and shares nothing that can be changed."""
    kind = type(value)
    if kind is str or value is None:
        return value
    if kind is dict:
        return {key: one if type(one) is str else _marked(one) for key, one in value.items()}
    if kind is list:
        return [_marked(one) for one in value]
    if kind is bool or kind is int or kind is float:
        return _Exactly(value) if value in (0, 1) else value
    return _Fields(value) if hasattr(value, "__pydantic_private__") else _UNKNOWN
