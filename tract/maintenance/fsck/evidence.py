"""What can be proved of a damaged store: the values of its refs, the operations to write again, and what is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from tract.config import TractConfig
from tract.errors import ObjectCorruptError
from tract.maintenance.fsck.examination import Examination
from tract.maintenance.fsck.journal import JournalScan
from tract.maintenance.fsck.note_lists import mended_lists
from tract.objects.id import ObjectId
from tract.objects.model import (
    Commit,
    CommitOperation,
    NewObject,
    Node,
    Object,
    Operation,
    RefChange,
    RefValue,
    named_by,
    new_operation,
)
from tract.objects.strict_reader import read_commit, read_node, read_operation
from tract.refs.names import HEAD, HEADS, ref_path, split_tract
from tract.refs.operations import now, unfold_operation
from tract.storage.shallow import Cut

_ACTOR = "fsck"


def best_refs(found: Examination) -> dict[str, RefValue]:
    """For every ref the newest value that can be proved and whose commit exists.

    The operations give it: those in the journal and those set aside from it.
    The ref's file gives it if the operations do not have its value, or if a missing operation may have moved the ref;
    in that case a branch without a file counts as deleted.
    """
    record = found.record
    refs: dict[str, RefValue] = {}
    for name in sorted(record.values.keys() | found.ref_files.keys()):
        value, synced = found.ref_files.get(name, (None, False))
        values = list(record.values.get(name, ()))
        is_gone = bool(values) and name not in record.refs
        if value is not None and (
            record.is_doubtful(name) or not record.operations or (synced and value not in values)
        ):
            values.append(value)
            is_gone = False
        elif value is None and record.is_doubtful(name) and _was_deleted(found, name):
            is_gone = True
        if not is_gone:
            best = next((value for value in reversed(values) if is_there(found, value)), None)
            if best is not None:
                refs[name] = best
    for scan in found.evidence:
        if scan.is_tail:
            refs = _moved_on(found, scan, refs)
        else:
            _add_evidence(found, scan, refs)
    for prefix in {"", *(split_tract(name)[0] for name in refs)}:
        if prefix + HEAD not in refs:
            refs[prefix + HEAD] = _likely_branch(refs, prefix)
    return refs


def _moved_on(found: Examination, tail: JournalScan, refs: dict[str, RefValue]) -> dict[str, RefValue]:
    """The refs after the operations of the tail, which are the newest, unless an operation behind them is missing."""
    for _, operation in operations_of(found, tail):
        for change in operation.changes:
            if found.record.is_doubtful(change.name):
                continue  # its file was used
            if change.new is None:
                refs.pop(change.name, None)
            elif is_there(found, change.new):
                refs[change.name] = change.new
    return refs


def operations_of(found: Examination, scan: JournalScan) -> list[tuple[ObjectId, Operation]]:
    """The operations of a scan, except those with a wrong shape."""
    operations = []
    for id in scan.operations:
        with suppress(ObjectCorruptError):
            operations.append((id, read_operation(id, found.found.read(id))))
    return operations


def _was_deleted(found: Examination, name: str) -> bool:
    """True if the other files suggest that a missing operation deleted this ref, which has no file."""
    head = split_tract(name)[0] + HEAD
    value, _ = found.ref_files.get(head, (None, False))
    is_current = name == head or (isinstance(value, str) and split_tract(name)[0] + value == name)
    return value is not None and not is_current and os.path.dirname(ref_path(name)) in found.layout.directories


def _add_evidence(found: Examination, scan: JournalScan, refs: dict[str, RefValue]) -> None:
    """Move *refs* to the values in operations that were set aside. A ref that has moved elsewhere since stays, and the other value gets a name beside it."""
    first: dict[str, RefValue | None] = {}
    last: dict[str, RefValue | None] = {}
    for _, operation in operations_of(found, scan):
        for change in operation.changes:
            first.setdefault(change.name, change.old)
            last[change.name] = change.new
    for name, value in last.items():
        now_at = refs.get(name)
        if now_at == value or (value is not None and not is_there(found, value)):
            continue
        if now_at == first[name] or (
            isinstance(value, bytes) and isinstance(now_at, bytes) and _follows(found, value, now_at)
        ):
            refs.pop(name, None)
            if value is not None:
                refs[name] = value
        elif isinstance(value, bytes) and value not in found.history and "refs/" in name:
            refs[_free_name(refs, name, value)] = value


def _follows(found: Examination, id: ObjectId, earlier: ObjectId) -> bool:
    """True if *earlier* is in the history of the commit *id*, or its message in a context there, as far as that can be read."""
    seen: set[ObjectId] = set()
    waiting = [id]
    while waiting:
        at = waiting.pop()
        if at == earlier:
            return True
        if at not in seen and is_there(found, at):
            seen.add(at)
            commit = read_commit(at, found.found.read(at))
            if earlier in commit.entry_commits:
                return True
            waiting.extend(commit.parents)
    return False


def _free_name(refs: dict[str, RefValue], name: str, value: RefValue) -> str:
    number = 1
    while True:
        free = f"{name}-recovered" + (f"-{number}" if number > 1 else "")
        if refs.get(free, value) == value:
            return free
        number += 1


def is_there(found: Examination, value: RefValue) -> bool:
    """True if a ref can have this value: a commit that can be read, or the name of a branch."""
    if isinstance(value, str):
        return value.startswith(HEADS)
    place = found.found.get(value)
    return place is not None and place.kind == "commit"


def _likely_branch(refs: dict[str, RefValue], prefix: str) -> str:
    """A branch for a HEAD whose value is lost: main, else the first branch."""
    branches = sorted(name.removeprefix(prefix) for name in refs if name.startswith(prefix + HEADS))
    default = HEADS + TractConfig().default_branch
    return default if default in branches or not branches else branches[0]


def lost_things(found: Examination, refs: dict[str, RefValue]) -> tuple[str, ...]:
    """The lost objects, which are named but in no file: by id, with their first words if these can be told."""
    lost: dict[ObjectId, str] = {}
    for problem in found.problems:
        if problem.kind == "missing-object":
            kind, text = problem.subject.split()
            id = bytes.fromhex(text)
            if id not in found.mendable:
                lost[id] = kind
    for scan in found.evidence:
        lost |= {id: kind for id, kind in _named_in(found, scan) if id not in found.found and id not in found.mendable}
    for name in {*found.record.values, *found.ref_files}:
        newest = (*found.record.values.get(name, ())[-1:], *found.ref_files.get(name, ())[:1])
        for value in newest:
            if isinstance(value, bytes) and value not in found.found:
                lost[value] = f"commit of '{name}'"
    for name, one in mended_lists(found, refs).items():
        for note in one.left_out:
            if note.blob in lost:
                lost[note.blob] = f"note about commit {note.target.hex()[:16]} in '{name}',"
    lines = [f"{kind} {id.hex()[:16]}{_told(found, id)}" for id, kind in lost.items()]
    for name, value in sorted(found.record.refs.items()):
        if isinstance(value, bytes) and is_there(found, value) and name not in refs:
            lines.append(
                f"ref '{name}', which was at {value.hex()[:16]}: its file is gone, and an operation that may have deleted it is missing"
            )
    if found.record.known_since is not None:
        lines.append("an operation: what it said in the reflog")
    return tuple(lines)


def _named_in(found: Examination, scan: JournalScan) -> Iterator[tuple[ObjectId, str]]:
    """Yield the objects that the commits and trees of a scan name."""
    for record in scan.records:
        if record.kind in ("commit", "tree"):
            read: Callable[[ObjectId, Object], Commit | Node] = read_commit if record.kind == "commit" else read_node
            with suppress(ObjectCorruptError):
                obj = read(record.id, found.found.read(record.id))
                yield from [(id, kind) for id, kind, role in named_by(obj) if role != "noted"]


def _told(found: Examination, id: ObjectId) -> str:
    words = found.words_of(id)
    return f": {words!r}" if words else ""


def retold(found: Examination, refs: dict[str, RefValue]) -> tuple[list[NewObject], NewObject]:
    """The operations to write again, and the keyframe with the values of *refs*.

    If operations are missing, or moved refs to commits that are gone, the others are written again without them.
    """
    record = found.record
    tail = [one for scan in found.evidence if scan.is_tail for one in operations_of(found, scan)]
    lost = any(not is_there(found, value) for values in record.values.values() for value in values)
    if record.is_whole and not lost and not tail:
        previous = record.operations[-1][0] if record.operations else None
        return [], _last_operation(previous, record.refs, refs)
    told: list[NewObject] = []
    state: dict[str, RefValue] = {}
    for _, operation in [*record.operations, *tail]:
        for one in [operation] if operation.steps is None else [*unfold_operation(operation)][::-1]:
            changes = tuple(_changes(found, one, state))
            if changes:
                previous = told[-1].id if told else None
                told.append(new_operation(Operation(previous, one.time, one.actor, one.reason, changes=changes)))
    return told, _last_operation(told[-1].id if told else None, state, refs)


def _changes(found: Examination, operation: Operation, state: dict[str, RefValue]) -> Iterator[RefChange]:
    """Yield the changes that still apply; *state* moves with them."""
    for name, _, new in operation.changes:
        if new is not None and not is_there(found, new):
            continue
        if state.get(name) != new:
            yield RefChange(name, state.get(name), new)
        if new is None:
            state.pop(name, None)
        else:
            state[name] = new


def _last_operation(previous: ObjectId | None, before: dict[str, RefValue], after: dict[str, RefValue]) -> NewObject:
    names = sorted(before.keys() | after.keys())
    changes = tuple(
        RefChange(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    )
    return new_operation(
        Operation(previous, now(), _ACTOR, "fsck: repair", changes=changes, refs=tuple(sorted(after.items())))
    )


def cuts_of(found: Examination) -> dict[ObjectId, Cut]:
    """The lines for ``shallow``: those that could be read, compressions whose history is missing, and the messages that they kept, also pinned ones and edits that no object names."""
    date = time.strftime("%Y-%m-%d", time.gmtime())
    messages = {id for id, place in found.found.items() if place.kind == "commit" and id not in found.history}
    cuts = {id: cut for id, cut in found.cuts.items() if is_there(found, id)}
    for id in {*found.cut_off, *messages}:
        if is_there(found, id) and id not in cuts:
            commit = read_commit(id, found.found.read(id))
            if commit.operation is CommitOperation.NOTE:
                continue  # the commit it is about may be gone
            rest = (*commit.open, *(one for one in (commit.tree, commit.target) if one is not None))
            if any(one not in found.found for one in rest):
                cuts[id] = Cut("all", date)
            elif id in found.cut_off or any(one not in found.found for one in commit.parents):
                cuts[id] = Cut("parents", date)
    # A child of one of these commits has no history to go back to.
    alone = {id for id, cut in cuts.items() if cut.grade == "all"}
    for id in found.history - cuts.keys() if alone else ():
        if not alone.isdisjoint(read_commit(id, found.found.read(id)).parents):
            cuts[id] = Cut("parents", date)
    return cuts
