"""What is wrong with a conversation though every byte of it is as it was written: warnings for fsck."""

from __future__ import annotations

from collections.abc import Iterator

from tract.compile.repair import repair
from tract.compile.snapshot import Columns, Hidden, Key, Snapshot
from tract.errors import TractError
from tract.history.context import context_of
from tract.history.priority import Priority
from tract.maintenance.fsck.examination import Examination
from tract.maintenance.fsck.report import Problem
from tract.messages.message import Message, message_in, readable_content
from tract.objects.id import ObjectId
from tract.objects.model import read_blob, read_commit, read_node
from tract.objects.note import NoteEvent, left_standing, read_event
from tract.refs.names import HEADS, NOTES
from tract.storage.counts import counts_path
from tract.tokens.counter import TokenCounter
from tract.tokens.counts import count_content

_NO_KEY = Key(None, None, None)
_NOTHING_HIDDEN = Hidden({}, tools=False)


def conversation_problems(found: Examination) -> Iterator[Problem]:
    """Calls and results of tools without each other, and what no model can be sent, at the tip of every branch."""
    seen: set[tuple[str, ObjectId]] = set()
    for name, tip in sorted(found.record.refs.items()):
        if HEADS not in name or not isinstance(tip, bytes):
            continue
        place = (name[: name.index(HEADS)], tip)
        if place in seen:
            continue  # another branch at the same commit says the same
        seen.add(place)
        try:
            entries = _entries(found, tip)
            skipped = _skipped(found, name)
        except TractError:
            continue  # what is missing is a problem already
        yield from _problems_at(found, name, entries, skipped)


def _problems_at(
    found: Examination, name: str, entries: list[tuple[ObjectId, ObjectId]], skipped: set[ObjectId]
) -> Iterator[Problem]:
    shown = Columns()
    hidden: list[Message | None] = []  # for every entry, the message where it is skipped
    for commit, blob in entries:
        try:
            message = message_in(read_blob(blob, found.found.read(blob)))
            hidden.append(message if commit in skipped else None)
            if commit not in skipped:
                shown.add(commit, blob, message, None)
        except (TractError, KeyError, TypeError, AttributeError) as exc:
            place = found.found.get(blob)
            detail = f"its content is no message: {exc} (on '{name}')"
            path = place.path if place is not None else ""
            yield Problem("content-shape", "error", f"message {commit.hex()}", path, None, detail)
    # The other half of a pair that was skipped is not sent either, so it is nothing to warn of.
    sent = repair(Snapshot(_NO_KEY, shown, len(shown), _NOTHING_HIDDEN), hidden)
    for warning in sent.columns.pairing_warnings(sent.length):
        at = warning.index
        subject = f"message {sent.columns.commits[at].hex()}" if at is not None else f"ref '{name}'"
        yield Problem(warning.kind, "warning", subject, "", None, f"{warning.detail} (on '{name}')")


def _entries(found: Examination, tip: ObjectId) -> list[tuple[ObjectId, ObjectId]]:
    context = context_of(tip, read_commit(tip, found.found.read(tip)))
    items: list[ObjectId] = []
    stack = [] if context.tree is None else [context.tree]
    while stack:
        id = stack.pop()
        node = read_node(id, found.found.read(id))
        if node.level:
            stack.extend(reversed(node.items[::2]))
        else:
            items.extend(node.items)
    items.extend(context.open)
    return list(zip(items[::2], items[1::2], strict=True))


def _skipped(found: Examination, branch: str) -> set[ObjectId]:
    """The messages that are hidden from the model."""
    tip = found.record.refs.get(branch[: branch.index(HEADS)] + NOTES + "priority")
    if not isinstance(tip, bytes):
        return set()
    said: dict[ObjectId, dict[ObjectId, NoteEvent]] = {}
    for target, blob in _entries(found, tip):
        said.setdefault(target, {})[blob] = read_event(blob, read_blob(blob, found.found.read(blob)))
    return {
        target
        for target, events in said.items()
        if events[left_standing(events)[-1]].body.get("priority") == Priority.SKIP
    }


def count_problems(found: Examination, counter: TokenCounter) -> Iterator[Problem]:
    """Where the counts kept under the counter's name are not what it counts now."""
    name = counts_path("cache", counter.name)
    for id, kept in found.counts.get(name, {}).items():
        place = found.found.get(id)
        if place is None or place.kind != "blob":
            continue
        try:
            counted = count_content(counter, readable_content(read_blob(id, place.load())))
        except TractError:
            continue
        if counted != kept:
            detail = f"blob {id.hex()[:16]} is kept with {tuple(kept)} tokens and has {tuple(counted)}"
            yield Problem("counts-wrong", "warning", "token counts", name, None, detail)
