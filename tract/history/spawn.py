"""Spawning: a tract that begins with the context of another, and the link between the two.

    parent   a ─ b ─ c            refs/notes/children      a note about S: the child's name, and what became of it
                      ╲           a copy of the context, not of the history
    child              S ─ d      refs/archive/spawn       S, whose metadata names parent, purpose and the commit c

S is a commit of the operation ``spawn``: it adds no message, and has no parent unless the child has its parent's history.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from tract.config import TractConfig
from tract.errors import SessionError, SpawnError
from tract.history.notes import POLICY_LOG, PROPOSALS, NoteTable, note_tip
from tract.history.tracts import drop_tract, free_prefix, in_tract, write_settings
from tract.objects.id import ObjectId, parse_id
from tract.objects.model import CommitOperation, NewObject, RefValue
from tract.refs.names import HEAD, NOTES, branch_ref, tract_name, tract_prefix
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.transaction import transaction
from tract.tree import Context

CHILDREN = "children"
"""The namespace of the notes about a tract's children; their targets are the commits of the operation ``spawn``."""

_PARENTS_OWN = frozenset(NOTES + name for name in (CHILDREN, PROPOSALS, POLICY_LOG))
"""The notes that a child does not begin with."""

SPAWN = "spawn"
"""The key in a spawn commit's metadata that says where it comes from."""

SPAWN_REF = "refs/archive/spawn"


class Link(NamedTuple):
    """A child and its parent: *spawn* is the child's first commit, *commit* the parent's at that time.

    *call* is the tool call under which the child was spawned. *collapse* is the message that its work became, None as long as it did not, and *last* the commit that gave that its words.
    *child* is the child's name now, or the last one where it *is_deleted*. *is_stranger*: the tract that has the message is not the parent.
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
    is_stranger: bool = False


class NewChild(NamedTuple):
    """A child still to be made: *context* is what it begins with, and *has_history* lets it have its parent's history too."""

    name: str
    context: Context
    new: tuple[NewObject, ...]
    purpose: str
    inheritance: str
    has_history: bool = False
    call: str | None = None
    config: TractConfig | None = None


def write_spawn(repo: Repository, child: NewChild, *, head: ObjectId) -> ObjectId:
    """Make the tract that *child* is, with the notes that its parent has now, and give back its first commit.

    One operation: the commit, the child's refs and the parent's note about it, or nothing. SessionError where there is a tract of that name.
    """
    with transaction(repo, f"spawn: {child.name}", moves="refs") as tx:
        prefix = free_prefix(tx, child.name)
        about = {"parent": repo.tract, "commit": head.hex(), "purpose": child.purpose, "inheritance": child.inheritance}
        tx.objects += child.new
        id = tx.commit(
            CommitOperation.SPAWN,
            child.context,
            parents=(head,) if child.has_history else (),
            message=child.purpose,
            metadata={SPAWN: {**about, "call": child.call}},
        )
        branch = branch_ref((child.config or repo.config).default_branch)
        notes = [(name, tip) for name, tip in repo.local_refs(NOTES) if name not in _PARENTS_OWN]
        refs: list[tuple[str, RefValue]] = [(HEAD, branch), (branch, id), (SPAWN_REF, id), *notes]
        tx.edits += [RefEdit(prefix + name, value, None) for name, value in refs]
        tx.note(CHILDREN, id, {"child": child.name})
        write_settings(repo, prefix, child.config)
    return id


def parent_of(repo: Repository) -> Link | None:
    """The link of this tract to its parent; None where it was not spawned."""
    spawn = repo.ref(SPAWN_REF)
    if not isinstance(spawn, bytes):
        return None
    link = _read(repo, spawn, repo.tract)
    for holder in _holders(repo, link.parent):
        body = _body(holder, _notes_of_children(holder), spawn)
        if body is not None and not body.get("stranger"):
            return _told(link, holder.tract, body)
    return link


def child_named(repo: Repository, name: str) -> Link | None:
    """The link of this tract to the tract *name*, which it spawned, or which was collapsed into it; None where there is neither, or it is deleted."""
    spawn = repo.refs.read(f"{tract_prefix(name)}{SPAWN_REF}")
    body = _body(repo, _notes_of_children(repo), spawn) if isinstance(spawn, bytes) else None
    if body is None or not isinstance(spawn, bytes):
        return None
    return _told(_read(repo, spawn, name), repo.tract, body)


def children_of(repo: Repository) -> list[Link]:
    """The links of this tract to its children, the oldest first."""
    notes = _notes_of_children(repo)
    found = []
    names: dict[ObjectId, str] | None = None
    for spawn in notes.targets():
        body = _body(repo, notes, spawn) or {}
        if body.get("stranger") or not repo.objects.contains(spawn):
            continue
        name: str | None = str(body.get("child"))
        if repo.refs.read(f"{tract_prefix(name or '')}{SPAWN_REF}") != spawn:
            names = spawned_tracts(repo) if names is None else names
            name = names.get(spawn)
        link = _read(repo, spawn, str(body.get("child")) if name is None else name)
        found.append(_told(link, repo.tract, body)._replace(is_deleted=name is None))
    return found


def link_now(repo: Repository, link: Link) -> tuple[str | None, str | None]:
    """The message that the child's work is in this tract by now, and the commit that gave that its words; None and None where it is in none."""
    body = _body(repo, _notes_of_children(repo), link.spawn) or {}
    return body.get("collapse"), body.get("last", body.get("collapse"))


def _told(link: Link, holder: str, body: dict[str, Any]) -> Link:
    """The link with what the note of the tract *holder* says of it."""
    collapse = body.get("collapse")
    is_stranger = bool(body.get("stranger"))
    return link._replace(
        parent=link.parent if is_stranger else holder,
        collapse=collapse,
        last=body.get("last", collapse),
        is_stranger=is_stranger,
    )


def _read(repo: Repository, spawn: ObjectId, child: str) -> Link:
    commit = repo.commit(spawn)
    about: dict[str, Any] = (commit.metadata or {}).get(SPAWN) or {}
    at, call = about.get("commit"), about.get("call")
    return Link(
        str(about.get("parent")),
        at if isinstance(at, str) and parse_id(at) else None,
        child,
        spawn,
        str(about.get("purpose")),
        str(about.get("inheritance")),
        commit.time,
        call if isinstance(call, str) else None,
    )


def _notes_of_children(repo: Repository) -> NoteTable:
    table = NoteTable()
    table.advance(repo, note_tip(repo, CHILDREN))
    return table


def _body(repo: Repository, notes: NoteTable, spawn: ObjectId) -> dict[str, Any] | None:
    found = notes.get(repo, spawn)
    return found if isinstance(found, dict) else None


def _holders(repo: Repository, parent: str) -> Iterator[Repository]:
    """The tracts that may have the note about a child: the one its parent was called, then all with children."""
    for prefix in dict.fromkeys((tract_prefix(parent), *(prefix for prefix, _, _ in repo.refs.tracts()))):
        if repo.refs.read(f"{prefix}{NOTES}{CHILDREN}") is not None:
            yield replace(repo, tract=tract_name(prefix), prefix=prefix, branch=None)


def spawned_tracts(repo: Repository) -> dict[ObjectId, str]:
    """The names of the tracts that were spawned, by their first commits."""
    found = {}
    for prefix, _, _ in repo.refs.tracts():
        spawn = repo.refs.read(prefix + SPAWN_REF)
        if isinstance(spawn, bytes):
            found[spawn] = tract_name(prefix)
    return found


def delete_tract(repo: Repository, name: str, *, force: bool = False) -> None:
    """Delete all refs of the tract *name*: as long as gc keeps what they were at, ``restore_tract`` brings it back.

    SessionError where it has children, unless *force*: they stay, and all that they need.
    """
    children = [link.child for link in children_of(in_tract(repo, name)) if not link.is_deleted]
    if children and not force:
        more = f" and {len(children) - 1} more" if len(children) > 1 else ""
        raise SessionError(f"tract '{name}' has children: '{children[0]}'{more}")
    drop_tract(repo, name)


def name_now(repo: Repository, spawn: ObjectId) -> str | None:
    """What the tract is called now whose first commit is *spawn*; None where it was deleted."""
    return spawned_tracts(repo).get(spawn)


def check_head(repo: Repository) -> ObjectId:
    """The commit to spawn from; SpawnError where there is none yet."""
    tip = repo.head()[1]
    if tip is None:
        raise SpawnError(f"nothing to spawn from: tract '{repo.tract}' has no commit yet")
    return tip
