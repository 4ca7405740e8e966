"""Lists of notes: their problems, and what can be saved of a damaged list.

Each entry of a list is an event about the entry's commit, in the list's namespace, and is there once.
A list is read from its chunks and from the commits that brought its notes: either has what the other has lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from tract.errors import BlobNotFoundError, ObjectCorruptError
from tract.maintenance.fsck.connectivity import Graph
from tract.maintenance.fsck.examination import Examination
from tract.maintenance.fsck.report import Problem
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, Entry, NewObject, RefValue, named_by
from tract.objects.note import NoteEvent, read_event
from tract.objects.strict_reader import read_blob, read_commit, read_node
from tract.refs.names import NOTES, REMOTE_NOTES, split_tract
from tract.tree import EMPTY, Context


def namespace_of(ref: str) -> str | None:
    """The namespace of the list at *ref*; None if *ref* is not a ref of notes."""
    local = split_tract(ref)[1]
    if local.startswith(NOTES):
        return local.removeprefix(NOTES)
    return local.removeprefix(REMOTE_NOTES).partition("/")[2] if local.startswith(REMOTE_NOTES) else None


def note_problems(found: Examination, graph: Graph) -> Iterator[Problem]:
    """Yield the problems of the lists of notes, except missing objects."""
    known: set[tuple[str, Entry]] = set()  # a remote's list has mostly the notes of the tract's own
    for ref, tip in sorted(found.record.refs.items()):
        namespace = namespace_of(ref)
        commit = graph.commits.get(tip) if isinstance(tip, bytes) else None
        if namespace is None or commit is None:
            continue
        entries: list[Entry] = []
        with suppress(ObjectCorruptError):  # an unreadable node was reported already
            entries = graph.entries(Context(commit.tree, commit.open))
        for entry, number in Counter(entries).items():
            target, blob = entry
            if number > 1:
                detail = f"the list has it {number} times, about commit {target.hex()[:16]} (on '{ref}')"
                yield _problem(found, "note-twice", blob, detail)
            if (namespace, entry) not in known and blob in found.found:
                known.add((namespace, entry))
                event = _said(found, blob)
                detail = _wrong(event, namespace, target)
                if detail:
                    yield _problem(found, "note-shape", blob, f"{detail} (on '{ref}')")


def _said(found: Examination, blob: ObjectId) -> NoteEvent | None:
    """The note in an entry's blob, or None if the blob is not a note."""
    with suppress(ObjectCorruptError):
        return read_event(blob, read_blob(blob, found.found.read(blob)))
    return None


def _wrong(event: NoteEvent | None, namespace: str, target: ObjectId) -> str:
    if event is None:
        return "it is not the content of a note"
    if event.target != target:
        return f"it is about commit {event.target.hex()[:16]}, but the list has it under commit {target.hex()[:16]}"
    return "" if event.namespace == namespace else f"it is a note of '{event.namespace}', but is in another list"


def _problem(found: Examination, kind: str, blob: ObjectId, detail: str) -> Problem:
    place = found.found.get(blob)
    path, offset = ("", None) if place is None else (place.path, place.offset)
    return Problem(kind, "error", f"note {blob.hex()}", path=path, offset=offset, detail=detail)


# Rewriting what is left of a list


_TELLS = frozenset(
    {"note-shape", "note-twice", "missing-object", "wrong-kind", "tree-shape", "commit-shape", "object-shape"}
)
"""The kinds of problems that may come from a list of notes."""


class LeftOut(NamedTuple):
    """A note that is no longer in the list: the commit it is about, its blob, and why it is left out."""

    target: ObjectId
    blob: ObjectId
    why: str


class MendedList(NamedTuple):
    """A rewritten list: its *tip*, None if nothing is left, and its new *objects*; how many notes are *kept*, and which are *left_out*."""

    tip: ObjectId | None
    objects: tuple[NewObject, ...]
    kept: int
    left_out: tuple[LeftOut, ...]


class _Group(NamedTuple):
    """The notes that one commit brought; *commit* is None if it is lost."""

    commit: Commit | None
    entries: list[Entry]


def mended_lists(found: Examination, refs: Mapping[str, RefValue]) -> dict[str, MendedList]:
    """Rewrite the lists of notes at *refs* that have lost something or have a problem; the result is by ref."""
    if refs == found.record.refs and not any(problem.kind in _TELLS for problem in found.problems):
        return {}
    mended: dict[str, MendedList] = {}
    known: dict[tuple[str, ObjectId], MendedList | None] = {}
    for ref, tip in sorted(refs.items()):
        namespace = namespace_of(ref)
        if namespace is None or not isinstance(tip, bytes) or _note_at(found, tip) is None:
            continue
        if (namespace, tip) not in known:
            known[namespace, tip] = _mended(found, namespace, tip)
        one = known[namespace, tip]
        if one is not None:
            mended[ref] = one
    return mended


def with_mended(refs: Mapping[str, RefValue], mended: Mapping[str, MendedList]) -> dict[str, RefValue]:
    """The refs with the rewritten lists; the ref of a list with nothing left is removed."""
    tips = {ref: one.tip for ref, one in mended.items()}
    return {ref: value for ref, old in refs.items() if (value := tips.get(ref, old)) is not None}


def left_out_rows(found: Examination, left_out: Iterable[LeftOut]) -> Iterator[dict[str, Any]]:
    """Yield the report of each note that is left out: commit, blob, why, and the content of the blob if it can be read."""
    for one in left_out:
        says = None
        with suppress(ObjectCorruptError, BlobNotFoundError):
            says = read_blob(one.blob, found.found.read(one.blob))
        yield {"commit": one.target.hex(), "note": one.blob.hex(), "why": one.why, "says": says}


def _mended(found: Examination, namespace: str, tip: ObjectId) -> MendedList | None:
    groups, is_whole = _groups(found, tip)
    kept: list[_Group] = []
    left_out: list[LeftOut] = []
    seen: set[Entry] = set()
    for commit, entries in groups:
        good: list[Entry] = []
        for target, blob in entries:
            event = None if blob not in found.found else _said(found, blob)
            why = "it is missing" if blob not in found.found else _wrong(event, namespace, target)
            if why:
                is_whole = False
            if event is not None and event.namespace == namespace:
                why, target = "", event.target  # the event says where it belongs
            if why:
                left_out.append(LeftOut(target, blob, why))
            elif (target, blob) not in seen:
                seen.add((target, blob))
                good.append((target, blob))
            else:
                is_whole = False
        if good:
            kept.append(_Group(commit, good))
    if is_whole:
        return None
    new, last = _written(found, kept)
    return MendedList(last, tuple(new), len(seen), tuple(left_out))


def _groups(found: Examination, tip: ObjectId) -> tuple[list[_Group], bool]:
    """All notes of a list that can be read, first to last, and whether all its chunks and commits are there."""
    groups: list[_Group] = []
    at: ObjectId | None = tip
    while at is not None and (commit := _note_at(found, at)) is not None:
        own = [] if commit.target is None or commit.content is None else [(commit.target, commit.content)]
        groups.append(_Group(commit, own if commit.parents else _entries(found, commit)[0] or own))
        at = commit.parents[0] if commit.parents else None
    groups.reverse()
    is_whole = at is None
    listed, is_listed = _entries(found, _note_at(found, tip))
    told = {entry for group in groups for entry in group.entries}
    if rest := [entry for entry in listed if entry not in told]:
        first = groups[0]
        if first.commit is not None and not first.commit.parents:
            groups[0] = _Group(first.commit, [*rest, *first.entries])
        else:
            groups.insert(0, _Group(None, rest))
    times = Counter(listed)
    return groups, is_whole and is_listed and not rest and max(times.values(), default=1) == 1


def _note_at(found: Examination, id: ObjectId) -> Commit | None:
    place = found.found.get(id)
    if place is not None and place.kind == "commit":
        with suppress(ObjectCorruptError):
            commit = read_commit(id, place.load())
            return commit if commit.operation is CommitOperation.NOTE else None
    return None


def _entries(found: Examination, commit: Commit | None) -> tuple[list[Entry], bool]:
    """The entries of the list at *commit* in nodes that can be read, first to last, and whether all nodes can."""
    if commit is None:
        return [], False
    items: list[Any] = []
    is_whole = True
    stack = [] if commit.tree is None else [commit.tree]
    while stack:
        id = stack.pop()
        try:
            node = read_node(id, found.found.read(id)) if id in found.found else None
        except ObjectCorruptError:
            node = None
        if node is None:
            is_whole = False
        elif node.level:
            stack += node.items[::2][::-1]
        else:
            items += node.items
    items += commit.open
    return list(zip(items[::2], items[1::2], strict=True)), is_whole


def _written(found: Examination, groups: Iterable[_Group]) -> tuple[list[NewObject], ObjectId | None]:
    """Rewrite the list: each note keeps the commit that brought it, or gets a made-up one. A commit's own list of needed objects is dropped if one of them is missing."""
    from tract.dataclass import replace  # most checks repair nothing
    from tract.history.stale_notes import repeat_notes
    from tract.opening import memory_repository
    from tract.refs.buffered import BufferedObjects

    repo = memory_repository()
    made = BufferedObjects(repo.objects)
    repo = replace(repo, objects=made)
    last: ObjectId | None = None
    context = EMPTY
    for number, (commit, entries) in enumerate(groups, 1):
        note = _made_up(found, entries[-1]) if commit is None else commit
        if note.refs is not None and not all(
            id in found.found for id, _, role in named_by(note) if role in ("list", "ref")
        ):
            note = note._replace(refs=None)
        last, context = repeat_notes(repo, note, entries, last, context, number, made.new)
    return made.new, last


def _made_up(found: Examination, entry: Entry) -> Commit:
    event = _said(found, entry[1])
    assert event is not None
    return Commit(
        CommitOperation.NOTE,
        (),
        entry[1],
        target=entry[0],
        tree=None,
        open=(),
        generation=1,
        time=event.time,
        author=event.author,
    )
