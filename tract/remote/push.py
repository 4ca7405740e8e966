"""Pushing what was asked for, tract by tract: each branch by itself, and then what belongs to no branch.

Everything that must be refused is refused before anything is sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

from tract.dataclass import dataclass, replace
from tract.errors import BranchNotFoundError, RemoteError, RemoteRefusedError
from tract.objects.id import ObjectId
from tract.refs.names import HEAD, HEADS, NOTES, TAGS, branch_ref, tag_ref, tract_name
from tract.remote.address import TRACTS
from tract.remote.branches import Force, PushedRef, Sending, TractPush, Wanted
from tract.remote.dropping import drop_tract_there, tract_to_drop
from tract.remote.finding import list_heads
from tract.remote.link import Link
from tract.remote.meta import push_meta
from tract.remote.notes import note_lists
from tract.remote.remotes import begin_remote, probed, remember_probe, remote_named
from tract.remote.unchanged import PushedBefore
from tract.repo import Repository
from tract.report.text import Shown, count_of
from tract.transaction import transaction

_Planned: TypeAlias = tuple[TractPush, dict[str, ObjectId | None], Force]
"""The push of one tract: its branches, its tags, and how far they may be forced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRequest:
    """What to push: *refs* as they were named (``draft``, a tag, ``:gone`` to delete, ``+draft`` to force, ``:researcher::`` to delete a tract); without any, HEAD's branch.

    *everything* is all branches and tags of the tract, *tags* all its tags, *all_tracts* the same for every tract. *scan* says whether to look for secrets, None for what the remote's settings say.
    """

    refs: tuple[str, ...] = ()
    everything: bool = False
    tags: bool = False
    all_tracts: bool = False
    force: Force = "no"
    scan: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PushResult(Shown):
    """What a push did: each ref that was named, how many *notes* went along in each namespace (as ``{"refs/notes/priority": 2}``), and the *objects*, bytes (*size*) and *requests* that it took."""

    remote: str
    url: str
    refs: tuple[PushedRef, ...]
    notes: dict[str, int]
    objects: int
    size: int
    requests: int

    def __repr__(self) -> str:
        moved = [ref for ref in self.refs if ref.status != "up to date"]
        notes = f"{count_of(sum(self.notes.values()), 'note')}, " if self.notes else ""
        return f"PushResult({self.remote!r}: {count_of(len(moved), 'ref')} moved, {notes}{count_of(self.objects, 'object')})"


def push(
    repo: Repository,
    name: str,
    request: PushRequest,
    *,
    link: Link | None = None,
    told: Callable[[int, int], None] | None = None,
) -> PushResult:
    """Push to the remote *name* what is asked for.

    RemoteMovedError if a branch of the remote is not behind ours; RemoteRefusedError if its store does not keep writers apart.
    """
    link = link or ready_link(repo, name)
    done = Sending()
    for ref in request.refs:
        tract = tract_to_drop(ref)
        if tract is not None:
            force: Force = "yes" if ref.startswith("+") else request.force
            done.pushed += drop_tract_there(link, repo, tract, force)
    rest = tuple(ref for ref in request.refs if tract_to_drop(ref) is None)
    if rest or not done.pushed:
        _push(link, repo, name, replace(request, refs=rest), done, told)
    return _result(link, name, done)


def _push(
    link: Link,
    repo: Repository,
    name: str,
    request: PushRequest,
    done: Sending,
    told: Callable[[int, int], None] | None,
) -> None:
    if told is not None:
        link.told = told
    if request.scan is not None:
        link.scans = request.scan
    tracts = _tracts(repo, request)
    unchanged = None
    if len(tracts) > 1 and repo.path is not None:
        link.listed = list_heads(link, [TRACTS])
        unchanged = PushedBefore(link, repo, link.listed)
        tracts = [own for own in tracts if not _is_unchanged(unchanged, own, done.pushed)]
    _push_all(link, [_planned(link, own, name, request) for own in tracts], done)
    if unchanged is not None and tracts:
        for own in tracts:
            unchanged.add(own)
        unchanged.save()


def _planned(link: Link, own: Repository, name: str, request: PushRequest) -> _Planned:
    """Plan the push of one tract; RemoteError if a branch to delete does not exist on the remote."""
    branches, tags, force = _named(own, request)
    one = TractPush(link, own, note_lists(own, name), force=force)
    one.plan(branches)
    for branch in one.missing():
        raise RemoteError(f"remote '{name}' has no branch '{branch}' to delete")
    return one, tags, force


def _push_all(link: Link, pushes: list[_Planned], done: Sending) -> None:
    """Push what was planned, all branches first; *done* receives what was sent."""
    try:
        for one, _, _ in pushes:
            one.run()
            one.finish()
            _remember(one)
        for one, tags, force in pushes:
            push_meta(link, one, tags, force)
    finally:
        link.listed = {}
        for one, _, _ in pushes:
            one.finish()
            _remember(one)
            done.pushed += one.done.pushed
            done.notes += one.done.notes
            done.objects += one.done.objects


def _is_unchanged(unchanged: PushedBefore, own: Repository, pushed: list[PushedRef]) -> bool:
    """True if a tract has nothing to push; *pushed* then receives its branches."""
    if not unchanged.has(own):
        return False
    for name, value in own.local_refs(HEADS):
        if isinstance(value, bytes):
            pushed.append(PushedRef(own.tract, name, value.hex(), value.hex(), "up to date"))
    return True


def _result(link: Link, name: str, done: Sending) -> PushResult:
    notes = {note.blob: NOTES + note.namespace for note in done.notes}
    return PushResult(
        remote=name,
        url=link.remote.url,
        refs=tuple(done.pushed),
        notes=dict(sorted(Counter(notes.values()).items())),
        objects=done.objects,
        size=link.traffic.sent,
        requests=link.traffic.requests,
    )


def ready_link(repo: Repository, name: str) -> Link:
    """Open the remote for a push; it is probed now if it never was."""
    remote = remote_named(repo, name)
    if remote.conditions is None:
        remote = probed(remote)
        remember_probe(repo, remote)
    if remote.conditions == "none":
        raise RemoteRefusedError(
            f"remote '{name}' cannot be pushed to: its store cannot keep concurrent writers apart, neither by conditional puts nor by creates"
        )
    return begin_remote(Link(repo, remote))


def _tracts(repo: Repository, request: PushRequest) -> list[Repository]:
    if not request.all_tracts:
        return [repo]
    if request.refs:
        raise RemoteError("a push of all tracts takes no refs")
    found = [prefix for prefix, _, _ in repo.refs.tracts() if repo.refs.read(prefix + HEAD) is not None]
    return [replace(repo, prefix=prefix, tract=tract_name(prefix), branch=None) for prefix in found]


def _named(repo: Repository, request: PushRequest) -> tuple[list[Wanted], dict[str, ObjectId | None], Force]:
    """The branches and tags that are meant, and how far they may be forced."""
    force = request.force
    wanted: dict[str, Wanted] = {}
    tags: dict[str, ObjectId | None] = {}
    if request.everything or request.all_tracts:
        for name, value in repo.local_refs(HEADS):
            if isinstance(value, bytes):
                wanted[name] = Wanted(name.removeprefix(HEADS), value)
    if request.everything or request.all_tracts or request.tags:
        tags |= {name: value for name, value in repo.local_refs(TAGS) if isinstance(value, bytes)}
    for text in request.refs:
        if text.startswith("+"):
            force = "yes"
        _add_named(repo, text.removeprefix("+"), wanted, tags)
    if not (request.refs or request.everything or request.all_tracts or request.tags):
        branch, tip = repo.head()
        if branch is None:
            raise RemoteError("push without a branch's name: HEAD is on no branch")
        if tip is None:
            raise BranchNotFoundError(f"branch '{branch.removeprefix(HEADS)}' has no commit to push")
        wanted[branch] = Wanted(branch.removeprefix(HEADS), tip)
    return list(wanted.values()), tags, force


def _add_named(repo: Repository, text: str, wanted: dict[str, Wanted], tags: dict[str, ObjectId | None]) -> None:
    name = text.removeprefix(":")
    if ":" in name:
        raise RemoteError(f"'{text}' cannot be pushed: a branch has the same name on both sides")
    is_tag = name.startswith(TAGS)
    short = name.removeprefix(TAGS).removeprefix(HEADS)
    if text.startswith(":"):
        if is_tag:
            tags[tag_ref(short)] = None
        else:
            wanted[branch_ref(short)] = Wanted(short, None)
        return
    tip, tag = repo.ref(branch_ref(short)), repo.ref(tag_ref(short))
    if isinstance(tip, bytes) and not is_tag:
        wanted[HEADS + short] = Wanted(short, tip)
    elif isinstance(tag, bytes) and not name.startswith(HEADS):
        tags[TAGS + short] = tag
    else:
        raise BranchNotFoundError(f"there is no branch or tag '{name}' to push")


def _remember(one: TractPush) -> None:
    """Record in this store what is on the remote now."""
    edits, new = one.done.edits, one.new()
    if edits:
        with transaction(one.store, f"push: {one.link.name}", moves="refs") as tx:
            tx.objects += new
            tx.edits += edits
        edits.clear()
