"""Lists of notes: each entry is an event, about the commit for which it stands, in its own namespace, and there once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

from tract.errors import ObjectCorruptError
from tract.maintenance.fsck.connectivity import Graph
from tract.maintenance.fsck.examination import Examination
from tract.maintenance.fsck.report import Problem
from tract.objects.id import ObjectId
from tract.objects.model import Entry
from tract.objects.note import read_event
from tract.objects.strict_reader import read_blob
from tract.refs.names import NOTES, REMOTE_NOTES, split_tract
from tract.tree import Context


def namespace_of(ref: str) -> str | None:
    """The namespace of the list at *ref*; None where it holds no list of notes."""
    local = split_tract(ref)[1]
    if local.startswith(NOTES):
        return local.removeprefix(NOTES)
    return local.removeprefix(REMOTE_NOTES).partition("/")[2] if local.startswith(REMOTE_NOTES) else None


def note_problems(found: Examination, graph: Graph) -> Iterator[Problem]:
    """What is wrong with the lists that refs hold, but for what is missing."""
    known: set[tuple[str, Entry]] = set()  # a remote's list has mostly what the tract's own has
    for ref, tip in sorted(found.record.refs.items()):
        namespace = namespace_of(ref)
        commit = graph.commits.get(tip) if isinstance(tip, bytes) else None
        if namespace is None or commit is None:
            continue
        entries: list[Entry] = []
        with suppress(ObjectCorruptError):  # a node that cannot be read was told
            entries = graph.entries(Context(commit.tree, commit.open))
        for entry, number in Counter(entries).items():
            target, blob = entry
            if number > 1:
                detail = f"the list has it {number} times, about commit {target.hex()[:16]} (on '{ref}')"
                yield _problem(found, "note-twice", blob, detail)
            if (namespace, entry) not in known:
                known.add((namespace, entry))
                detail = _wrong(found, namespace, target, blob)
                if detail:
                    yield _problem(found, "note-shape", blob, f"{detail} (on '{ref}')")


def _wrong(found: Examination, namespace: str, target: ObjectId, blob: ObjectId) -> str:
    place = found.found.get(blob)
    if place is None or place.kind != "blob":
        return ""  # it was told as what is missing
    try:
        event = read_event(blob, read_blob(blob, place.load()), target)
    except ObjectCorruptError as exc:
        return exc.detail
    return "" if event.namespace == namespace else f"it is a note of '{event.namespace}', and stands in another list"


def _problem(found: Examination, kind: str, blob: ObjectId, detail: str) -> Problem:
    place = found.found.get(blob)
    path, offset = ("", None) if place is None else (place.path, place.offset)
    return Problem(kind, "error", f"note {blob.hex()}", path=path, offset=offset, detail=detail)
