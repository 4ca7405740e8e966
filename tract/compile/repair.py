"""Tool pairs are one unit: where a call or its result is hidden, the other half is not sent either.

    shown     user  assistant(text, call a, call b)   result a   result b
    skipped                                           result a
    repaired  user  assistant(text,         call b)              result b

Only what has lost its other half goes: the call out of its message, the message when nothing else was in it.
A call whose result nobody committed yet is no torn pair, nor is what was torn when it was recorded: that is reported, not changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from tract.compile.snapshot import Columns, Snapshot
from tract.messages import Pairing, message_from_raw, tool_ids
from tract.messages.message import CompileWarning, Message
from tract.messages.values import items_of
from tract.objects.id import ObjectId

_THOUGHTS = ("thinking", "redacted_thinking")


class Pair(NamedTuple):
    """A call and the result that answers it, each by its place in the context: below 0 where it is hidden."""

    call: int
    result: int
    id: str


class Repair:
    """The pairs of a context with hidden tool messages, and what it shows of them.

    Grows with the context: ``extend`` costs the messages that were added.
    """

    def __init__(self) -> None:
        self._pairing = Pairing()
        self._hidden = 0
        self.columns = Columns()
        self.length = 0
        self.rows = 0  # of the snapshot under repair that were taken in
        self.dropped: dict[ObjectId, ObjectId] = {}
        self.gone: set[int] = set()  # the rows that dropped messages had
        self.warnings: tuple[CompileWarning, ...] = ()

    def take_hidden(self, message: Message) -> list[Pair]:
        """Take in the next message of the context, which is hidden."""
        self._hidden += 1
        return self._take(-self._hidden, message)

    def take_shown(self, row: int, message: Message) -> list[Pair]:
        """Take in the next message of the context, which is in row *row*."""
        return self._take(row, message)

    def _take(self, place: int, message: Message) -> list[Pair]:
        return [Pair(call, place, id) for call, id in self._pairing.add(place, message)]


def repair(snapshot: Snapshot, hidden: Iterable[Message | None]) -> Repair:
    """The repaired rows of *snapshot*; *hidden* has for every entry of its context the message, if it is hidden."""
    made = Repair()
    pairs: list[Pair] = []
    columns = snapshot.columns
    row = 0
    for left_out in hidden:
        if left_out is not None:
            pairs += made.take_hidden(left_out)
        else:
            pairs += made.take_shown(row, columns.messages[row])
            row += 1
    lost = _lost(columns.messages, pairs)
    kept: list[int] = []
    changed: list[tuple[int, Message]] = []
    warnings: list[CompileWarning] = []
    for at in range(snapshot.length):
        ids = lost.get(at)
        if ids is None:
            kept.append(at)
            continue
        message = without_tools(columns.messages[at], ids)
        index = None if message is None else len(kept)
        warnings += _warnings(columns.messages[at], ids, index, columns.commits[at])
        if message is None:
            made.dropped[columns.commits[at]] = columns.blobs[at]
            made.gone.add(at)
        else:
            changed.append((len(kept), message))
            kept.append(at)
    made.columns = columns.select(kept)
    for at, message in changed:
        made.columns.replace(at, made.columns.blobs[at], message, made=True)
    made.rows, made.length, made.warnings = snapshot.length, len(kept), tuple(warnings)
    return made


def extend_repair(made: Repair, snapshot: Snapshot) -> bool:
    """Take in the rows that were added to *snapshot*; False where its repair has to be made anew, and *made* is of no more use."""
    columns = snapshot.columns
    for row in range(made.rows, snapshot.length):
        message = columns.messages[row]
        lost = {pair.id for pair in made.take_shown(row, message) if pair.call < 0 or pair.call in made.gone}
        commit, blob, config = columns.commits[row], columns.blobs[row], columns.configs[row]
        shown = without_tools(message, lost) if lost else message
        if shown is None and lost != {*_ids(message)}:
            made.rows = -1
            return False  # it takes another call's result with it, and so that call
        if lost:
            index = None if shown is None else made.length
            made.warnings = (*made.warnings, *_warnings(message, lost, index, commit))
        if shown is None:
            made.dropped[commit] = blob
            made.gone.add(row)
        else:
            made.columns.add(commit, blob, shown, config, made=bool(lost))
            made.length += 1
        made.rows = row + 1
    return True


def _ids(message: Message) -> list[str]:
    calls, results = tool_ids(message)
    return [*calls, *results]


def _lost(messages: Sequence[Message], pairs: Sequence[Pair]) -> dict[int, set[str]]:
    """The ids, by row, of the calls and results whose other half is not shown."""
    lost: dict[int, set[str]] = {}
    of_row: dict[int, list[Pair]] = {}
    for pair in pairs:
        for place in (pair.call, pair.result):
            of_row.setdefault(place, []).append(pair)
    work = [pair for pair in pairs if (pair.call < 0) != (pair.result < 0)]
    gone: set[int] = set()
    while work:
        pair = work.pop()
        for row in (pair.call, pair.result):
            if row < 0 or row in gone or pair.id in lost.get(row, ()):
                continue
            lost.setdefault(row, set()).add(pair.id)
            if without_tools(messages[row], lost[row]) is None:
                gone.add(row)  # and with it everything else in it
                work += of_row[row]
    return lost


def without_tools(message: Message, ids: set[str]) -> Message | None:
    """*message* without the calls and results of these ids; None when nothing worth sending is left."""
    if message.format == "openai":
        raw = _without_chat_calls(message, ids)
    elif message.format == "anthropic":
        raw = _without_blocks(message.raw, ids)
    else:
        raw = None  # a message of its own, as in Responses
    return None if raw is None else message_from_raw(raw, message.format)


def _without_chat_calls(message: Message, ids: set[str]) -> dict[str, Any] | None:
    raw = dict(message.raw)
    if raw.get("role") in ("tool", "function"):
        return None
    calls = [
        call
        for call in items_of(raw.pop("tool_calls", None))
        if ids.isdisjoint(_call_ids(message, "tool_calls", [call]))
    ]
    if "function_call" in raw and not ids.isdisjoint(_call_ids(message, "function_call", raw["function_call"])):
        del raw["function_call"]
    if calls:
        raw["tool_calls"] = calls
    says = calls or any(raw.get(key) for key in ("content", "function_call", "refusal", "audio"))
    return raw if says else None


def _call_ids(message: Message, key: str, value: Any) -> list[str]:
    return tool_ids(replace(message, raw={"role": "assistant", key: value}))[0]


def _without_blocks(raw: Mapping[str, Any], ids: set[str]) -> dict[str, Any] | None:
    kept = [
        block for block in items_of(raw.get("content")) if not (isinstance(block, Mapping) and _block_id(block) in ids)
    ]
    says = any(not isinstance(block, Mapping) or block.get("type") not in _THOUGHTS for block in kept)
    return {**raw, "content": kept} if says else None


def _block_id(block: Mapping[str, Any]) -> str | None:
    key = {"tool_use": "id", "tool_result": "tool_use_id"}.get(str(block.get("type")))
    return None if key is None else str(block.get(key))


def _warnings(message: Message, ids: set[str], index: int | None, commit: ObjectId) -> Iterator[CompileWarning]:
    calls, results = tool_ids(message)
    for kind, found, why in (("call", calls, "result"), ("result", results, "call")):
        gone = ", ".join(repr(id) for id in dict.fromkeys(found) if id in ids)
        if gone:
            detail = f"the tool {kind} {gone} is left out: its {why} is hidden"
            yield CompileWarning(f"tool_{kind}_left_out", detail, index, commit.hex())
