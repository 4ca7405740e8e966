"""Faults of a conversation whose bytes are all intact: warnings for fsck."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tract.compile.snapshot import Columns, Hidden, Key, Snapshot
from tract.compile.torn_pairs import repair
from tract.errors import ContentValidationError, ObjectCorruptError, TractError
from tract.history.context import context_of
from tract.history.priority import Priority
from tract.maintenance.fsck.examination import Examination
from tract.maintenance.fsck.report import Problem
from tract.messages import pairing_warnings
from tract.messages.message import Message, message_in, readable_content
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation, borrows_context
from tract.objects.note import NoteEvent, left_standing, read_event
from tract.objects.strict_reader import read_blob, read_commit, read_node
from tract.refs.names import HEADS, NOTES
from tract.storage.counts import counts_path
from tract.tokens.counter import TokenCounter
from tract.tokens.counts import count_content

_NO_KEY = Key(None, None, None)
_NOTHING_HIDDEN = Hidden({}, tools=False)

# After one of these operations a context begins with its parent's context.
_GROWS = (CommitOperation.APPEND, CommitOperation.RECORD)
# This many messages before a branch's own are checked with them: one of its own may answer a call there.
_BEFORE = 40
# Of branches that must be read from the beginning, this many messages are read for each object of the store, and as many more as the next line says.
_MOST_READ = 16
_ALWAYS_READ = 100_000


def conversation_problems(found: Examination) -> Iterator[Problem]:
    """Yield tool calls and results without their other half, and content that no model can be sent, at the tip of every branch.

    A message on several branches is read once: of a branch that continues another one, only the end is checked, and the whole branch if that end has a problem.
    """
    tips = [(name, tip) for name, tip in found.record.refs.items() if HEADS in name and isinstance(tip, bytes)]
    branches = Counter(name[: name.index(HEADS)] for name, _ in tips)
    covered: set[tuple[str, ObjectId]] = set()
    skipped: dict[str, set[ObjectId]] = {}
    left = _MOST_READ * len(found.found) + _ALWAYS_READ
    for name, tip in sorted(tips, key=lambda item: (-_generation(found, item[1]), item[0])):
        prefix = name[: name.index(HEADS)]
        try:
            own = _cover(found, prefix, tip, covered) if branches[prefix] > 1 else None
            hidden = skipped.setdefault(prefix, _skipped(found, prefix))
            if own is not None and _is_clean_end(found, name, _entries(found, tip, own + _BEFORE), hidden):
                continue
            if left < 0:
                yield Problem(
                    "unchecked",
                    "note",
                    f"ref '{name}'",
                    path="",
                    offset=None,
                    detail="its conversation was not checked: too many branches differ",
                )
                continue
            entries = _entries(found, tip)
        except TractError:
            continue  # the missing object is a problem already
        left -= len(entries)
        yield from _problems_at(found, name, entries, hidden)


def _generation(found: Examination, tip: ObjectId) -> int:
    place = found.found.get(tip)
    try:
        return 0 if place is None else read_commit(tip, place.load()).generation
    except ObjectCorruptError:
        return 0


def _cover(found: Examination, prefix: str, tip: ObjectId, covered: set[tuple[str, ObjectId]]) -> int | None:
    """Note the contexts that the context at *tip* begins with. Return how many messages it has more than one noted before, None if it begins with none of those."""
    own = 0
    while (prefix, tip) not in covered:
        covered.add((prefix, tip))
        commit = read_commit(tip, found.found.read(tip))
        if commit.operation not in _GROWS or not commit.parents:
            return None
        own += 1
        tip = commit.parents[0]
    return own


def _is_clean_end(
    found: Examination, name: str, entries: list[tuple[ObjectId, ObjectId]], skipped: set[ObjectId]
) -> bool:
    """True if the end of a context has no problem of its own; the part before it was checked with another branch."""
    first = {commit.hex() for commit, _ in entries[: _BEFORE // 2]} if len(entries) >= _BEFORE else set()
    problems = _problems_at(found, name, entries, skipped)
    return all(problem.subject.split()[-1] in first for problem in problems)


def _problems_at(
    found: Examination, name: str, entries: list[tuple[ObjectId, ObjectId]], skipped: set[ObjectId]
) -> Iterator[Problem]:
    twice = [commit for commit, number in Counter(commit for commit, _ in entries).items() if number > 1]
    for commit in twice:
        detail = f"its context has it more than once (on '{name}')"
        yield Problem("message-twice", "error", f"message {commit.hex()}", path="", offset=None, detail=detail)
    shown = Columns()
    hidden: list[Message | None] = []  # for every entry, the message if it is skipped
    for commit, blob in entries:
        try:
            value = read_blob(blob, found.found.read(blob))
            if value.get("content_type") == "record":
                raise ContentValidationError("it is a record")
            message = message_in(value)
            hidden.append(message if commit in skipped else None)
            if commit not in skipped:
                shown.add(commit, blob, message, None)
        except (TractError, KeyError, TypeError, AttributeError) as exc:
            place = found.found.get(blob)
            detail = f"its content is not a message: {exc} (on '{name}')"
            path = place.path if place is not None else ""
            yield Problem("content-shape", "error", f"message {commit.hex()}", path=path, offset=None, detail=detail)
    # The other half of a skipped pair is not sent either, so it needs no warning.
    sent = repair(Snapshot(_NO_KEY, shown, len(shown), _NOTHING_HIDDEN), hidden)
    for warning in pairing_warnings(sent.columns.messages[: sent.length]):
        at = warning.index
        subject = f"message {sent.columns.commits[at].hex()}" if at is not None else f"ref '{name}'"
        yield Problem(warning.kind, "warning", subject, path="", offset=None, detail=f"{warning.detail} (on '{name}')")


def _entries(found: Examination, tip: ObjectId, most: int | None = None) -> list[tuple[ObjectId, ObjectId]]:
    """The entries of the context at *tip*, or its last *most*."""
    commit = read_commit(tip, found.found.read(tip))
    while borrows_context(commit) and commit.target is not None:
        tip = commit.target
        commit = read_commit(tip, found.found.read(tip))
    context = context_of(tip, commit)
    parts = [context.open]
    number = len(context.open) // 2
    stack = [] if context.tree is None else [context.tree]
    while stack and (most is None or number < most):  # from the last chunk to the first
        id = stack.pop()
        node = read_node(id, found.found.read(id))
        if node.level:
            stack.extend(node.items[::2])
        else:
            parts.append(node.items)
            number += len(node.items) // 2
    items = [id for part in reversed(parts) for id in part]
    entries = list(zip(items[::2], items[1::2], strict=True))
    return entries if most is None else entries[-most:]


def _skipped(found: Examination, prefix: str) -> set[ObjectId]:
    """The messages of a tract that are hidden from the model."""
    tip = found.record.refs.get(prefix + NOTES + "priority")
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
    """Yield the kept counts of this counter that differ from what it counts now."""
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
            yield Problem("counts-wrong", "warning", "token counts", path=name, offset=None, detail=detail)
