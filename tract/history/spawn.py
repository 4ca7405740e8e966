"""Spawning: a tract that begins with the context of another, and the link between the two.

    parent   a ─ b ─ c            refs/archive/children/<S>    S again: so gc keeps it, whatever becomes of the child
                      ╲           refs/notes/children          a note about S: what the child's work became, once it was collapsed
    child              S ─ d      refs/archive/spawn           S, whose metadata names parent, purpose and the commit c

S is a commit with the operation ``spawn``: it adds no message, and has no parent unless the child has its parent's history.
It borrows the context of c, its target, so it costs the same however long that is; if messages were chosen, it has a context of its own.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from tract.config import TractConfig
from tract.dataclass import dataclass, replace
from tract.errors import SessionError, SpawnError
from tract.history.commit import Change, Draft, add_commit, check_size
from tract.history.notes import ORCHESTRATOR, POLICY_LOG, PROPOSALS, RUNS, NoteTable, note_tip
from tract.history.tracts import (
    bring_back,
    deleted_refs,
    drop_tract,
    free_prefix,
    in_tract,
    refuse_root,
    write_settings,
)
from tract.objects.id import ObjectId, parse_id
from tract.objects.model import CommitOperation, NewObject, RefValue, new_blob
from tract.refs.names import CHILD_REFS, HEAD, NOTES, SPAWN_REF, branch_ref, split_tract, tract_name, tract_prefix
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.transaction import Transaction, transaction
from tract.tree import EMPTY, Context

CHILDREN = "children"
"""The namespace of the notes about a tract's children; their targets are spawn commits."""

_PARENTS_OWN = frozenset(NOTES + name for name in (CHILDREN, PROPOSALS, POLICY_LOG, ORCHESTRATOR, RUNS))
"""The notes of the parent that a child does not begin with."""

SPAWN = "spawn"
"""The key in a spawn commit's metadata for its origin."""

_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A child and its parent: *spawn* is the child's first commit, *commit* the parent's tip at that time.

    *call* is the tool call under which the child was spawned. *collapse* is the message that its work became, None until then, and *last* the commit that gave that message its content.
    *child* is the child's present name, or its last one if it *is_deleted* or *is_elsewhere* (this is a copy of the parent without the child). *parent* is the parent's present name, or its last one if the child *is_orphan* because the parent was deleted.
    *is_stranger*: the tract that has the message is not the parent.
    """

    parent: str
    commit: str | None
    child: str
    spawn: ObjectId
    purpose: str
    inheritance: str
    created: int
    call: str | None = None
    collapse: str | None = None
    last: str | None = None
    is_deleted: bool = False
    is_elsewhere: bool = False
    is_stranger: bool = False
    is_orphan: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChild:
    """A child still to be made. It begins with *context*, which needs the *new* nodes, or with the context of a commit; with *has_history* it has its parent's history too.

    *first* is its own first message.
    """

    name: str
    context: Context | ObjectId
    new: tuple[NewObject, ...] = ()
    purpose: str
    inheritance: str
    has_history: bool = False
    call: str | None = None
    config: TractConfig | None = None
    first: Draft | None = None


def write_spawn(repo: Repository, child: NewChild, *, head: ObjectId) -> ObjectId:
    """Make the tract *child*, with the notes that its parent has now; return its first commit.

    One operation: the commit, the child's refs and the parent's ref to it, or nothing. SessionError if a tract has that name.
    """
    with transaction(repo, f"spawn: {child.name}", moves="refs") as tx:
        prefix = free_prefix(tx, child.name)
        lender = child.context if isinstance(child.context, bytes) else None
        for needed in (head, *(() if lender is None else (lender,))):
            # The caller checked before it had the lock: a hard reset and a gc may have come since.
            if not repo.objects.contains(needed):
                raise SpawnError(f"cannot spawn: commit {needed.hex()[:16]} is not kept any more")
            repo.check_whole(needed, "cannot spawn")
        about = {"parent": repo.tract, "commit": head.hex(), "child": child.name, "inheritance": child.inheritance}
        tx.objects += child.new
        id = tx.commit(
            CommitOperation.SPAWN,
            EMPTY if isinstance(child.context, bytes) else child.context,
            parents=(head,) if child.has_history else (),
            target=None if lender is None else _first_lender(repo, lender),
            message=child.purpose,
            metadata={SPAWN: about if child.call is None else {**about, "call": child.call}},
        )
        tip = id if child.first is None else _add_first(tx, id, child.first)
        branch = branch_ref((child.config or repo.config).default_branch)
        notes = [(name, tip) for name, tip in repo.local_refs(NOTES) if name not in _PARENTS_OWN]
        refs: list[tuple[str, RefValue]] = [(HEAD, branch), (branch, tip), (SPAWN_REF, id), *notes]
        tx.edits += [RefEdit(prefix + name, value, None) for name, value in refs]
        tx.move(_child_ref(id), id, None)
        write_settings(repo, prefix, child.config)
    return id


def _add_first(tx: Transaction, spawn: ObjectId, first: Draft) -> ObjectId:
    blob = new_blob(first.value)
    check_size(tx.repo, blob)
    tx.objects.append(blob)
    return add_commit(tx, spawn, Change(first.operation, blob.id, None, time=tx.repo.clock(), author=tx.repo.author))


def _child_ref(spawn: ObjectId) -> str:
    return CHILD_REFS + spawn.hex()[:_DIGITS]


def _first_lender(repo: Repository, id: ObjectId) -> ObjectId:
    """The commit whose context *id* has borrowed, if *id* is a spawn that borrowed one; else *id*. So a spawn never borrows from one that borrowed."""
    commit = repo.commit(id)
    return commit.target if commit.operation is CommitOperation.SPAWN and commit.target is not None else id


def parent_of(repo: Repository) -> Link | None:
    """The link of this tract to its parent; None if it was not spawned."""
    spawn = repo.ref(SPAWN_REF)
    if not isinstance(spawn, bytes):
        return None
    link = _read(repo, spawn, repo.tract)
    holder = _holder(repo, link)
    if holder is None:
        return replace(link, is_orphan=True)
    return _told(link, holder.tract, _body(holder, _notes_of_children(holder), spawn))


def child_named(repo: Repository, name: str) -> Link | None:
    """The link of this tract to the tract *name*, if it spawned that or collapsed it; None if it did neither, or the tract is deleted."""
    spawn = repo.refs.read(f"{tract_prefix(name)}{SPAWN_REF}")
    if not isinstance(spawn, bytes):
        return None
    body = _body(repo, _notes_of_children(repo), spawn)
    is_child = repo.ref(_child_ref(spawn)) == spawn
    if not is_child and not body:
        return None
    # A copy of the parent has its notes, but did not spawn the child.
    return _told(_read(repo, spawn, name), repo.tract, body if is_child else {**body, "stranger": True})


def children_of(repo: Repository) -> list[Link]:
    """The links of this tract to its children, the oldest first."""
    notes = _notes_of_children(repo)
    found = []
    names: dict[ObjectId, str] | None = None
    for _, spawn in repo.local_refs(CHILD_REFS):
        if not isinstance(spawn, bytes) or not repo.objects.contains(spawn):
            continue
        link = _read(repo, spawn)
        name: str | None = link.child
        if repo.refs.read(f"{tract_prefix(link.child)}{SPAWN_REF}") != spawn:
            names = spawned_tracts(repo) if names is None else names
            name = names.get(spawn)
        body = _body(repo, notes, spawn)
        told = _told(link, repo.tract, body)
        if name is None:
            is_deleted = bool(body.get("deleted"))
            told = replace(told, is_deleted=is_deleted, is_elsewhere=not is_deleted)
        found.append(replace(told, child=link.child if name is None else name))
    return sorted(found, key=lambda link: (link.created, link.spawn))


def link_now(repo: Repository, link: Link) -> tuple[str | None, str | None]:
    """The message that the child's work is in this tract now, and the commit that gave the message its content; None and None if there is none."""
    body = _body(repo, _notes_of_children(repo), link.spawn)
    return body.get("collapse"), body.get("last", body.get("collapse"))


def _told(link: Link, holder: str, body: dict[str, Any]) -> Link:
    """The link, completed from the note of the tract *holder* about it."""
    collapse = body.get("collapse")
    is_stranger = bool(body.get("stranger"))
    return replace(
        link,
        parent=link.parent if is_stranger else holder,
        collapse=collapse,
        last=body.get("last", collapse),
        is_stranger=is_stranger,
    )


def _read(repo: Repository, spawn: ObjectId, child: str | None = None) -> Link:
    commit = repo.commit(spawn)
    about: dict[str, Any] = (commit.metadata or {}).get(SPAWN) or {}
    at, call = about.get("commit"), about.get("call")
    return Link(
        parent=str(about.get("parent")),
        commit=at if isinstance(at, str) and parse_id(at) else None,
        child=str(about.get("child")) if child is None else child,
        spawn=spawn,
        purpose=commit.message or "",
        inheritance=str(about.get("inheritance")),
        created=commit.time,
        call=call if isinstance(call, str) else None,
    )


def _notes_of_children(repo: Repository) -> NoteTable:
    table = NoteTable()
    table.advance(repo, note_tip(repo, CHILDREN))
    return table


def _body(repo: Repository, notes: NoteTable, spawn: ObjectId) -> dict[str, Any]:
    """The body of the note about a child; empty if there is none."""
    found = notes.get(repo, spawn)
    return found if isinstance(found, dict) else {}


def _holder(repo: Repository, link: Link) -> Repository | None:
    """The parent of a child, under its present name; None if it was deleted."""
    ref = _child_ref(link.spawn)
    for prefix in dict.fromkeys((tract_prefix(link.parent), *(prefix for prefix, _, _ in repo.refs.tracts()))):
        if repo.refs.read(prefix + ref) == link.spawn:
            return replace(repo, tract=tract_name(prefix), prefix=prefix, branch=None)
    return None


class Parents:
    """The parents of tracts, for a caller that asks about many: if some were renamed, all tracts are searched once."""

    def __init__(self, repo: Repository) -> None:
        self._repo = repo
        self._by_child: dict[ObjectId, str] | None = None

    def link(self, tract: Repository) -> Link | None:
        """The link of a tract to its parent, without what became of it; None if the tract was not spawned."""
        spawn = tract.ref(SPAWN_REF)
        if not isinstance(spawn, bytes):
            return None
        link = _read(tract, spawn, tract.tract)
        if self._repo.refs.read(tract_prefix(link.parent) + _child_ref(spawn)) == spawn:
            return link
        if self._by_child is None:
            refs = ((name, value) for name, value in self._repo.refs.list() if CHILD_REFS in name)
            self._by_child = {
                value: tract_name(split_tract(name)[0]) for name, value in refs if isinstance(value, bytes)
            }
        found = self._by_child.get(spawn)
        return replace(link, parent=found) if found is not None else replace(link, is_orphan=True)


def spawned_tracts(repo: Repository) -> dict[ObjectId, str]:
    """The names of spawned tracts, by their first commits."""
    found = {}
    for prefix, _, _ in repo.refs.tracts():
        spawn = repo.refs.read(prefix + SPAWN_REF)
        if isinstance(spawn, bytes):
            found[spawn] = tract_name(prefix)
    return found


def delete_tract(repo: Repository, name: str, *, force: bool = False) -> None:
    """Delete all refs of the tract *name*; ``restore_tract`` brings it back as long as gc keeps its commits.

    SessionError if it has children, unless *force*: they stay, with everything they need.
    """
    refuse_root(name, "deleted")
    inside = in_tract(repo, name)
    children = [link.child for link in children_of(inside) if not (link.is_deleted or link.is_elsewhere)]
    if children and not force:
        more = f" and {len(children) - 1} more" if len(children) > 1 else ""
        raise SessionError(f"tract '{name}' has children: '{children[0]}'{more}")
    holder, spawn = _spawned_from(repo, inside.ref(SPAWN_REF))
    if holder is None or spawn is None:
        drop_tract(repo, name)
    else:
        drop_tract(holder, name, partial(_note_deleted, holder, spawn, is_deleted=True))


def restore_tract(repo: Repository, name: str) -> None:
    """Bring the tract *name* back as it was when it was deleted; SessionError if it exists, never existed, or gc removed its commits."""
    if repo.refs.read(tract_prefix(name) + HEAD) is not None:
        raise SessionError(f"tract '{name}' exists already")
    holder, spawn = _spawned_from(repo, dict(deleted_refs(repo, name)).get(SPAWN_REF))
    if holder is None or spawn is None:
        bring_back(repo, name)
    else:
        bring_back(holder, name, partial(_note_deleted, holder, spawn, is_deleted=False))


def _spawned_from(repo: Repository, spawn: RefValue | None) -> tuple[Repository | None, ObjectId | None]:
    """The parent of the child with the first commit *spawn*, and that commit; None for each that does not exist."""
    if not isinstance(spawn, bytes) or not repo.objects.contains(spawn):
        return None, None
    return _holder(repo, _read(repo, spawn)), spawn


def _note_deleted(holder: Repository, spawn: ObjectId, tx: Transaction, *, is_deleted: bool) -> None:
    """Note in the parent that the child is deleted, or no longer is. Without the note a missing child would look like one that a copy of the parent lacks."""
    body = {key: value for key, value in _body(holder, _notes_of_children(holder), spawn).items() if key != "deleted"}
    tx.note(CHILDREN, spawn, {**body, "deleted": True} if is_deleted else body)


def name_now(repo: Repository, spawn: ObjectId) -> str | None:
    """The present name of the tract whose first commit is *spawn*; None if it was deleted."""
    return spawned_tracts(repo).get(spawn)


def check_head(repo: Repository) -> ObjectId:
    """The commit to spawn from; SpawnError if there is no commit yet."""
    tip = repo.head()[1]
    if tip is None:
        raise SpawnError(f"nothing to spawn from: tract '{repo.tract}' has no commit yet")
    return tip
