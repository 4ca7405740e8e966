"""Priorities: which messages are hidden from the model, and which must survive compression."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from tract.dataclass import dataclass, replace
from tract.errors import CommitNotFoundError, ContentValidationError
from tract.history.notes import PRIORITY, NewNote, NoteTable, note_history, notes_between, said_by, write_note
from tract.history.times import moment
from tract.objects.id import ObjectId
from tract.objects.model import RefValue
from tract.objects.note import left_standing, read_body
from tract.refs.names import HEADS, NOTES, split_tract, tract_name
from tract.repo import Repository


class Priority(StrEnum):
    """What a message's priority can be: hidden from the model, normal, or protected from compression."""

    SKIP = "skip"
    NORMAL = "normal"
    PINNED = "pinned"


PriorityName: TypeAlias = Literal["skip", "normal", "pinned"]

_INSTRUCTING = ("system", "developer")

# The content types of instructions, by name: loading their classes takes longer than reading a log.
_INSTRUCTION, _DIALOGUE, _MESSAGE = "instruction", "dialogue", "message"

_PRIORITIES = tuple(priority.value for priority in Priority)


@dataclass(frozen=True, slots=True)
class PriorityAnnotation:
    """One priority that was set: *target* is the message's commit, *origin* what asked for it if that was not a person: ``tool``, or a policy's name."""

    target: str
    priority: Priority
    reason: str | None
    author: str
    created_at: datetime
    origin: str | None = None


def read_priority(name: Priority | str) -> Priority:
    """The priority named *name*; ContentValidationError for any other name."""
    try:
        return Priority(name)
    except ValueError:
        known = ", ".join(priority.value for priority in Priority)
        raise ContentValidationError(f"unknown priority {name!r}; known are {known}") from None


def priority_of(note: Mapping[str, Any] | None, content: Mapping[str, Any] | None) -> Priority:
    """A message's priority: its newest note's, else pinned for an instruction and normal for other messages.

    *content* is the map in the message's blob, None if there is none.

    A note with an unknown priority, which anybody may have written, is ignored.
    """
    said = None if note is None else note.get("priority")
    if said in _PRIORITIES:
        return Priority(said)
    return Priority.PINNED if content is not None and _is_instruction(content) else Priority.NORMAL


def _is_instruction(content: Mapping[str, Any]) -> bool:
    """True if a content instructs the model, in any format: such a message is pinned unless a note says otherwise."""
    kind = content.get("content_type")
    if kind == _MESSAGE:
        message = content.get("message")
        return isinstance(message, dict) and message.get("role") in _INSTRUCTING
    if kind == _DIALOGUE:
        return content.get("role") in _INSTRUCTING
    return kind == _INSTRUCTION


def check_own(repo: Repository, message: ObjectId) -> None:
    """Raise CommitNotFoundError for a message of another tract, which gets no notes here. A message that no branch of any tract reaches passes."""
    if _leads_to(repo, repo.head()[1], message):
        return
    if any(_leads_to(repo, value, message) for _, value in repo.local_refs(HEADS)):
        return
    for prefix, _, _ in repo.refs.tracts():
        other = replace(repo, tract=tract_name(prefix), prefix=prefix, branch=None)
        if prefix != repo.prefix and any(_leads_to(other, value, message) for _, value in other.local_refs(HEADS)):
            raise CommitNotFoundError(message.hex(), f"it is a message of tract '{other.tract}', not of '{repo.tract}'")


def _leads_to(repo: Repository, tip: RefValue | None, message: ObjectId) -> bool:
    from tract.history.context import context_at, find_entry  # who only reads priorities needs neither
    from tract.history.walk import is_ancestor

    return isinstance(tip, bytes) and (
        find_entry(repo, context_at(repo, tip), message) is not None or is_ancestor(repo, message, tip)
    )


def annotate(
    repo: Repository,
    target: ObjectId,
    priority: Priority,
    reason: str | None,
    table: NoteTable | None = None,
    origin: str | None = None,
) -> PriorityAnnotation:
    """Set the priority of the message *target*, as a note: no branch moves, and earlier notes are kept.

    *table*, the caller's table of priorities, saves reading all of them; *origin* names what asked for it, if that was not a person.
    """
    body: dict[str, Any] = {"priority": priority.value}
    for name, said in (("reason", reason), ("origin", origin)):
        if said is not None and not isinstance(said, str):
            raise ContentValidationError(
                f"{'a' if name == 'reason' else 'an'} {name} must be text, not {type(said).__name__}"
            )
        if said is not None:
            body[name] = said
    time = repo.clock()
    write_note(
        repo, PRIORITY, NewNote(target, body, time), reason=f"annotate: {priority} {target.hex()[:16]}", table=table
    )
    return PriorityAnnotation(target.hex(), priority, reason, repo.author, moment(time), origin)


def brought_back(repo: Repository, old: ObjectId | None, new: ObjectId | None) -> set[ObjectId] | None:
    """The messages that the priorities at *old* hide and those at *new* do not; None if the notes at *old* are no longer kept."""
    if old is None:
        return set()
    if not repo.objects.contains(old):
        return None
    added = notes_between(repo, old, new)
    if added is None:
        was, now = NoteTable(), NoteTable()
        was.advance(repo, old)
        now.advance(repo, new)
        return {one for one in was.targets() if _hides(was.get(repo, one)) and not _hides(now.get(repo, one))}
    news = {entry[1]: said_by(repo, entry) for entry in added}
    found: set[ObjectId] = set()
    for target in {event.target for event in news.values()}:
        events = {blob: event for blob, event in news.items() if event.target == target}
        if not _hides(events[left_standing(events)[-1]].body):
            before = {one for event in events.values() for one in event.replaces} - events.keys()
            there = [one for one in before if repo.objects.contains(one)]
            found |= {target} if any(_hides(read_body(one, repo.blob(one), target)) for one in there) else set()
    return found


def _hides(body: Mapping[str, Any] | None) -> bool:
    return body is not None and body.get("priority") == Priority.SKIP.value


def annotation_history(repo: Repository, target: ObjectId) -> list[PriorityAnnotation]:
    """Every priority that the message *target* was given, oldest first."""
    return [
        PriorityAnnotation(
            target.hex(),
            read_priority(str(note.body.get("priority"))),
            note.body.get("reason"),
            note.author,
            moment(note.time),
            note.body.get("origin"),
        )
        for note in note_history(repo, PRIORITY, target)
    ][::-1]


def pinned_messages(repo: Repository, tips: Iterable[tuple[str, ObjectId]]) -> Iterator[ObjectId]:
    """Yield the messages that the notes at *tips* (names and values of refs) say are pinned, and not unpinned since."""
    for name, tip in tips:
        if split_tract(name)[1] == NOTES + PRIORITY:
            table = NoteTable()
            table.advance(repo, tip)
            for target in table.targets():
                if table.get(repo, target).get("priority") == Priority.PINNED:
                    yield target
