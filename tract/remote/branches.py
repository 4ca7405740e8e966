"""Pushing branches: packs first, under new names; then the head, in one conditional put.

    what the head's packs have not ─▸ pack ─▸ put under a new name ─▸ head ─▸ put where the one that was read still is
                                                                       │ another writer was first
                                                                       └─▸ read it: our push is in it, or we go on from it, or it is refused

If the process is killed between two requests, nothing of the push is visible there: a pack that no head names is garbage.
A head carries the notes about the commits that come with it, so no reader sees one without the other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Literal

from tract.dataclass import dataclass, field, replace
from tract.errors import RemoteError, RemoteMovedError
from tract.history.notes import noted_entries
from tract.history.walk import first_parents, is_ancestor
from tract.named_tuple import NamedTuple
from tract.objects.id import Kind, ObjectId
from tract.objects.model import CommitOperation, NewObject
from tract.refs.buffered import BufferedObjects
from tract.refs.names import HEADS, REMOTES, tract_name
from tract.refs.store import RefEdit
from tract.remote.closure import Needed, needed
from tract.remote.head import Head, HeadNote, PackName
from tract.remote.link import KnownHead, Link
from tract.remote.notes import (
    NoteLists,
    by_namespace,
    note_lists,
    notes_about,
    sent_edits,
    unsent_notes,
    with_needed,
)
from tract.remote.scan import refuse_secrets
from tract.remote.sending import MOST_SWAPS, Sent, keep_sent, land_head, send_needed
from tract.repo import Repository
from tract.tree import Context, build_list

Force = Literal["no", "lease", "yes"]
"""May a branch on the remote move other than forward: never; if it is where this store last saw it; or always."""

PushStatus = Literal["new", "updated", "forced", "deleted", "up to date"]

_FURTHEST = 64
"""A spawn is searched for among this many commits behind a branch's tip."""

MOST_NOTES = 64
"""A head with more notes has them folded into a list."""


class Wanted(NamedTuple):
    """A branch to push: *tip* is its new commit, None deletes the branch; *force*, if not None, is for this branch alone."""

    branch: str
    tip: ObjectId | None
    force: Force | None = None


@dataclass(frozen=True, slots=True)
class PushedRef:
    """What a push did to one ref of a tract; ids are hexadecimal or None."""

    tract: str
    ref: str
    old: str | None
    new: str | None
    status: PushStatus


@dataclass(slots=True)
class Sending:
    """The progress of a push: what it sent, and the edits that record this in this store."""

    pushed: list[PushedRef] = field(default_factory=list)
    edits: list[RefEdit] = field(default_factory=list)
    notes: list[HeadNote] = field(default_factory=list)
    objects: int = 0


def spawned_from(repo: Repository, tip: ObjectId) -> ObjectId | None:
    """The commit from which the tract with the branch *tip* was spawned; None if no spawn is near."""
    for _, commit in islice(first_parents(repo, tip), _FURTHEST):
        if commit.operation is CommitOperation.SPAWN:
            return commit.target
    return None


def tracking_ref(repo: Repository, remote: str, branch: str) -> str:
    """The remote-tracking ref: a remote's branch as last seen by this store."""
    return f"{repo.prefix}{REMOTES}{remote}/{branch}"


class TractPush:
    """A push of one tract."""

    def __init__(
        self, link: Link, repo: Repository, lists: NoteLists, *, force: Force = "no", is_living: bool = False
    ) -> None:
        """Push *repo*, whose notes are *lists*. *is_living* says that the store lives in the remote: commits that others took back on the remote are not put there again."""
        self.link = self._link = link
        self.store = repo
        self._lists = lists
        self._force = force
        self._is_living = is_living
        made = BufferedObjects(repo.objects)
        self._made = made.new
        self.repo = self._repo = replace(repo, objects=made)
        self._sent_notes: list[HeadNote] = []
        self._known_notes: set[ObjectId] = set()
        self._plans: list[tuple[Wanted, KnownHead | None]] = []
        self.done = Sending()
        self.beside: Callable[[Head], dict[str, Any]] | None = None
        """Returns the extra fields of a new head, from the head before it."""

    def plan(self, wanted: Sequence[Wanted]) -> None:
        """Check whether the branches may move; RemoteMovedError for the first that may not, before anything is sent."""
        self._plans = [(one, self._checked(one, self._known(one.branch))) for one in wanted]

    def missing(self) -> list[str]:
        """The branches that were to be deleted but do not exist on the remote."""
        return [
            one.branch for one, known in self._plans if one.tip is None and (known is None or known.head.commit is None)
        ]

    def run(self) -> None:
        """Push what was planned, each branch by itself."""
        while self._plans:
            self._push(*self._plans.pop(0))

    def finish(self) -> None:
        """Add the edits that record which notes are on the remote now."""
        lists = NoteLists(self._lists.own, note_lists(self.store, self._link.name).there)
        self.done.edits += sent_edits(self._repo, self._link.name, lists, self._sent_notes, self._made)
        self._known_notes.update(note.blob for note in self._sent_notes)
        self._sent_notes.clear()

    def new(self) -> list[NewObject]:
        """The objects that the edits need."""
        return list(self._made)

    def left_notes(self) -> list[HeadNote]:
        """The notes that are not on the remote yet, after what was pushed."""
        sent = self._known_notes.union(note.blob for note in self._sent_notes)
        return [note for note in unsent_notes(self._repo, self._lists) if note.blob not in sent]

    def took(self, notes: Iterable[HeadNote]) -> None:
        """Record that *notes* are on the remote now."""
        self._sent_notes += notes

    # What may move

    def _known(self, branch: str) -> KnownHead | None:
        return self._link.remembered(self._repo.tract, branch) or self._link.look(self._repo.tract, branch)

    def _checked(self, one: Wanted, known: KnownHead | None) -> KnownHead | None:
        """The head from which to continue; it is read again before a push is refused, or has nothing to do."""
        there = None if known is None else known.head.commit
        if there == one.tip or not self._may_move(one, there):
            known = self._link.look(self._repo.tract, one.branch)
            there = None if known is None else known.head.commit
            if there != one.tip and not self._may_move(one, there):
                assert known is not None
                raise self._moved(one, known.head)
        return known

    def _may_move(self, one: Wanted, there: ObjectId | None) -> bool:
        force = one.force or self._force
        if there is None or force == "yes":
            return True
        if force == "lease" or one.tip is None:
            return self._tracked(one.branch) == there
        if not self._repo.objects.contains(there) or not is_ancestor(self._repo, there, one.tip):
            return False
        seen = self._tracked(one.branch) if self._is_living else None
        return seen is None or seen == there or not is_ancestor(self._repo, there, seen)

    def _tracked(self, branch: str) -> ObjectId | None:
        value = self._repo.refs.read(tracking_ref(self._repo, self._link.name, branch))
        return value if isinstance(value, bytes) else None

    def _moved(self, one: Wanted, head: Head) -> RemoteMovedError:
        seen = self._tracked(one.branch)
        detail = ""
        if head.commit is not None and self._repo.objects.contains(head.commit):
            detail = "which is not in the history of this branch"
        return RemoteMovedError(
            one.branch,
            None if seen is None else seen.hex(),
            None if head.commit is None else head.commit.hex(),
            head.by,
            detail,
        )

    # One branch

    def _push(self, one: Wanted, known: KnownHead | None) -> None:
        push = os.urandom(16)
        first = None if known is None else known.head.commit
        sent = Sent()
        for number in range(MOST_SWAPS):
            base = known.head if known is not None else self._base(one)
            need, said = self._needed(one, base, is_new=known is None)
            base, notes, need = self.fold(base, said, need, base.packs)
            there = None if known is None else known.head.commit
            if there == one.tip and not notes and not need.objects:
                self._done(one, there, "up to date")
                return
            if self._link.scans:
                refuse_secrets(self._repo, need, one.branch)
            packs = self._send(need, base, sent)
            head = self._next(one, base, push, packs, need, notes)
            landed, known = land_head(self._link, head, push, None if known is None else known.version)
            if landed and known is not None:
                known = keep_sent(self._link, self._repo, known, sent)
                self._landed(one, first, said)
                return
            self._link.pause(min(number, 4))
            known = self._checked(one, known)
        raise RemoteError(f"push of '{one.branch}' failed: others moved it {MOST_SWAPS} times")

    def _base(self, one: Wanted) -> Head:
        """The head with which a new branch begins: it takes the packs and notes of a branch of the remote whose commits it has."""
        repo, link = self._repo, self._link
        empty = Head(tract=repo.tract, branch=one.branch)
        start = f"{REMOTES}{link.name}/"
        best: tuple[int, str] | None = None
        for name, value in repo.local_refs(start) if one.tip is not None else ():
            if isinstance(value, bytes) and one.tip is not None and is_ancestor(repo, value, one.tip):
                best = max(best or (0, ""), (repo.commit(value).generation, name.removeprefix(start)))
        found = None if best is None else link.look(repo.tract, best[1])
        if found is None or found.head.commit is None:
            return empty if one.tip is None else replace(empty, packs=self._packs_of_parent(one.tip))
        head = found.head
        return Head(
            tract=repo.tract,
            branch=one.branch,
            packs=head.packs,
            folded=head.folded,
            notes=head.notes,
            cuts=head.cuts,
        )

    def _packs_of_parent(self, tip: ObjectId) -> tuple[PackName, ...]:
        """The packs of a branch of another tract that has the commit from which this tract was spawned."""
        repo, link = self._repo, self._link
        target = spawned_from(repo, tip)
        for prefix, _, _ in repo.refs.tracts() if target is not None else ():
            start = f"{prefix}{REMOTES}{link.name}/"
            for name, _ in repo.refs.list(start):
                known = link.remembered(tract_name(prefix), name.removeprefix(start))
                if known is not None and target is not None and link.has(known.head.packs)(target):
                    known = link.look(tract_name(prefix), name.removeprefix(start))
                    return () if known is None else known.head.packs
        return ()

    def _needed(self, one: Wanted, base: Head, *, is_new: bool) -> tuple[Needed, list[HeadNote]]:
        """The objects to send with a branch, and the notes to add to its head."""
        repo = self._repo
        if one.tip is None:
            return Needed((), {}), []
        has = self._link.has(base.packs)
        need = needed(repo, [(one.tip, "commit")], has)
        commits = need.commits()
        unsent = unsent_notes(repo, self._lists)
        notes = [note for note in unsent if note.target in commits]
        if is_new or any(len(repo.commit(id).parents) > 1 for id in commits):
            # Commits that another branch brought there already bring their notes.
            notes = notes_about(repo, self._lists, commits)
        known = {note.blob for note in base.notes}
        notes = [note for note in with_needed(repo, notes) if note.blob not in known]
        blobs: list[tuple[ObjectId, Kind]] = [(note.blob, "blob") for note in notes]
        more = needed(repo, blobs, lambda id: has(id) or id in commits)
        return Needed((*more.objects, *need.objects), need.cuts), notes

    def fold(
        self, base: Head, notes: Sequence[HeadNote], need: Needed, packs: Sequence[PackName]
    ) -> tuple[Head, Sequence[HeadNote], Needed]:
        """The head from which to continue, the notes to add to it, and the objects to send. If the notes become many, all known ones go into lists, and none stays outside them; *packs* are those of the new head."""
        if len(base.notes) + len(notes) <= MOST_NOTES:
            return base, notes, need
        repo = self._repo
        entries = by_namespace(
            HeadNote(namespace, target, blob)
            for namespace, tip in self._lists.there.items()
            for target, blob in noted_entries(repo, tip)
        )
        for namespace, more in by_namespace([*self._sent_notes, *notes]).items():
            known = dict.fromkeys(entries.get(namespace, ()))
            entries[namespace] = list(known | dict.fromkeys(more))
        said = {note.blob for note in base.notes}
        if not said <= {blob for rows in entries.values() for _, blob in rows}:
            return base, notes, need  # another writer wrote them, and they are not here yet
        folded = {name: Context(*build_list(repo, rows, self._made, "notes")) for name, rows in entries.items()}
        roots: list[tuple[ObjectId, Kind]] = []
        for found in folded.values():
            roots += [] if found.tree is None else [(found.tree, "tree")]
            roots += [(blob, "blob") for blob in found.open[1::2]]
        has, sent = self._link.has(packs), {id for id, _ in need.objects}
        more_objects = needed(repo, roots, lambda id: has(id) or id in sent).objects
        whole = Needed((*more_objects, *need.objects), need.cuts)
        return replace(base, folded=folded, notes=()), (), whole

    def _send(self, need: Needed, base: Head, sent: Sent) -> list[PackName]:
        packs = send_needed(self._link, self._repo, need.objects, base.packs, sent)
        self.done.objects += len(sent.ids)
        return packs

    def _next(
        self, one: Wanted, base: Head, push: bytes, packs: Sequence[PackName], need: Needed, notes: Sequence[HeadNote]
    ) -> Head:
        repo = self._repo
        if one.tip is None:
            gone: dict[str, Any] = {"packs": (), "notes": (), "cuts": {}, "folded": {}}
            return base.after(push, by=repo.author, time=repo.clock(), commit=None, **gone)
        return base.after(
            push,
            by=repo.author,
            time=repo.clock(),
            commit=one.tip,
            packs=tuple(packs),
            notes=(*base.notes, *notes),
            cuts={**base.cuts, **need.cuts},
            more=base.more if self.beside is None else self.beside(base),
        )

    def _landed(self, one: Wanted, first: ObjectId | None, notes: Iterable[HeadNote]) -> None:
        status: PushStatus = "updated"
        if one.tip is None:
            status = "deleted"
        elif first is None:
            status = "new"
        elif not (self._repo.objects.contains(first) and is_ancestor(self._repo, first, one.tip)):
            status = "forced"
        self.took(notes)
        self.done.notes += notes
        self._done(one, first, status)

    def _done(self, one: Wanted, first: ObjectId | None, status: PushStatus) -> None:
        old = None if first is None else first.hex()
        new = None if one.tip is None else one.tip.hex()
        self.done.pushed.append(PushedRef(self._repo.tract, HEADS + one.branch, old, new, status))
        ref = tracking_ref(self._repo, self._link.name, one.branch)
        if self._repo.refs.read(ref) != one.tip:
            self.done.edits.append(RefEdit(ref, one.tip))
