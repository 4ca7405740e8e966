"""Notes between a tract and its remote: the ones to send, and the ones that came.

    refs/notes/<namespace>                    all notes of the tract
    refs/remote-notes/<remote>/<namespace>    all notes known to be on the remote; those about commits that are not here wait in it

The records of what policies did here belong to this store, and are not sent.
If both have the same notes, as they mostly do, both refs are at one commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tract.errors import ObjectCorruptError
from tract.history.notes import POLICY_LOG, REQUEST, noted_entries, notes_between
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId, parse_id
from tract.objects.model import Commit, CommitOperation, Entry, NewObject, new_commit
from tract.objects.note import read_body, read_event
from tract.refs.names import NOTES, REMOTE_NOTES
from tract.refs.store import RefEdit
from tract.remote.head import HeadNote
from tract.repo import Repository
from tract.tree import EMPTY, Context, append_entry, list_items


class NoteLists(NamedTuple):
    """The tips of a tract's lists of notes, and of the lists known to be on a remote, by namespace."""

    own: dict[str, ObjectId]
    there: dict[str, ObjectId]


class NotedBlobs:
    """The notes in lists, by the names of their refs; it moves with the refs, and costs no more than the notes that were added."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[ObjectId | None, set[ObjectId]]] = {}

    def at(self, repo: Repository, ref: str, tip: ObjectId | None) -> set[ObjectId]:
        """The blobs of the notes in the list at *tip*, the value of the ref *ref*; the caller must not change them."""
        before, blobs = self._known.get(ref, (None, set()))
        if before != tip or tip is None:
            steps = None if before is None else notes_between(repo, before, tip)
            if steps is None:
                blobs = {blob for _, blob in noted_entries(repo, tip)}
            else:
                blobs.update(blob for _, blob in steps)
            self._known[ref] = tip, blobs
        return blobs


def note_lists(repo: Repository, remote: str, own: Mapping[str, ObjectId] | None = None) -> NoteLists:
    """The lists of this tract; *own* has its tips if they are about to move."""
    tips = {name: tip for name, tip in repo.local_refs(NOTES) if isinstance(tip, bytes)}
    start = f"{REMOTE_NOTES}{remote}/"
    there = {name: tip for name, tip in repo.local_refs(start) if isinstance(tip, bytes)}
    mine = {name.removeprefix(NOTES): tip for name, tip in tips.items()} | dict(own or {})
    mine.pop(POLICY_LOG, None)
    return NoteLists(mine, {name.removeprefix(start): tip for name, tip in there.items()})


def unsent_notes(repo: Repository, lists: NoteLists) -> list[HeadNote]:
    """The notes of this tract that are not known to be on the remote, in each namespace in the order in which they were made."""
    found: list[HeadNote] = []
    for namespace, tip in sorted(lists.own.items()):
        there = lists.there.get(namespace)
        if tip == there:
            continue
        new = notes_between(repo, there, tip)
        if new is None:
            known = {blob for _, blob in noted_entries(repo, there)}
            new = [entry for entry in noted_entries(repo, tip) if entry[1] not in known]
        found += [HeadNote(namespace, target, blob) for target, blob in new]
    return found


def notes_about(repo: Repository, lists: NoteLists, commits: frozenset[ObjectId]) -> list[HeadNote]:
    """All notes of this tract about *commits*; reads the whole lists."""
    return [
        HeadNote(namespace, target, blob)
        for namespace, tip in sorted(lists.own.items())
        for target, blob in noted_entries(repo, tip)
        if target in commits
    ]


def with_needed(repo: Repository, chosen: Sequence[HeadNote]) -> list[HeadNote]:
    """*chosen*, each after the note that it refers to instead of repeating a request; ObjectCorruptError for one that is not about its commit, or not of its list: no one could fetch it."""
    found: dict[ObjectId, HeadNote] = {}
    for note in chosen:
        value = repo.blob(note.blob)
        body = read_body(note.blob, value, note.target)
        if value["namespace"] != note.namespace:
            detail = f"it is a note of another list than '{note.namespace}'"
            raise ObjectCorruptError(f"blob {note.blob.hex()}", detail)
        if note.namespace == REQUEST:
            other = body.get("as")
            id = parse_id(other) if isinstance(other, str) else None
            if id is not None and id not in found and repo.objects.contains(id):
                target = parse_id(repo.blob(id)["target"])
                if target is not None:
                    found[id] = HeadNote(REQUEST, target, id)
        found.setdefault(note.blob, note)
    return list(found.values())


def read_list(repo: Repository, found: Context) -> list[Entry]:
    """The entries of a list of notes."""
    return list_items(repo, found.tree, found.open)


def append_notes(
    repo: Repository, tip: ObjectId | None, entries: Iterable[Entry], new: list[NewObject]
) -> ObjectId | None:
    """Append *entries* to the list at *tip*; return the new tip. Each entry gets a commit made only from the note, so that it is the same wherever it is made."""
    for target, blob in entries:
        before = EMPTY
        generation = 0
        if tip is not None:
            commit = repo.commit(tip)
            before, generation = Context(commit.tree, commit.open), commit.generation
        event = read_event(blob, repo.blob(blob), target)
        context = append_entry(repo, before, (target, blob), new, "notes")
        note = Commit(
            operation=CommitOperation.NOTE,
            parents=() if tip is None else (tip,),
            content=blob,
            target=target,
            tree=context.tree,
            open=context.open,
            generation=generation + 1,
            time=event.time,
            author=event.author,
        )
        made = new_commit(note)
        new.append(made)
        repo.keep_commit(made.id, note)
        tip = made.id
    return tip


def sent_edits(
    repo: Repository, remote: str, lists: NoteLists, sent: Iterable[HeadNote], new: list[NewObject]
) -> list[RefEdit]:
    """The edits that record that the notes *sent* are on the remote too; objects for them are added to *new*.

    If the remote then has exactly the tract's notes, its ref goes to the tract's own list.
    """
    edits: list[RefEdit] = []
    for namespace, entries in by_namespace(sent).items():
        was, own = lists.there.get(namespace), lists.own.get(namespace)
        behind = notes_between(repo, was, own)
        blobs = {blob for _, blob in entries}
        if behind is not None and {blob for _, blob in behind} == blobs:
            tip = own
        else:
            known = {blob for _, blob in noted_entries(repo, was)}
            added = [entry for entry in entries if entry[1] not in known]
            own_blobs = {blob for _, blob in noted_entries(repo, own)}
            is_all = own_blobs == known | blobs
            tip = own if is_all else append_notes(repo, was, added, new)
        if tip is not None and tip != was:
            edits.append(RefEdit(f"{repo.prefix}{REMOTE_NOTES}{remote}/{namespace}", tip))
    return edits


def by_namespace(notes: Iterable[HeadNote]) -> dict[str, list[Entry]]:
    """Notes, each once, as entries of their namespaces' lists."""
    found: dict[str, dict[Entry, None]] = {}
    for note in notes:
        found.setdefault(note.namespace, {})[note.target, note.blob] = None
    return {namespace: list(entries) for namespace, entries in found.items()}
