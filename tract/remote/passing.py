"""Transactions on their way to the remote: those that wait in a lane, joined into one push, tract by tract."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tract.dataclass import dataclass, field, replace
from tract.errors import RefMovedError, RemoteError, RemoteMovedError
from tract.history.walk import is_ancestor
from tract.objects.id import ObjectId
from tract.objects.model import NewObject, RefChange, RefValue, shown
from tract.refs.buffered import BufferedObjects
from tract.refs.names import HEADS, NOTES, REMOTES, TAGS, split_tract, tract_name
from tract.refs.store import RefEdit
from tract.remote.address import LINKS
from tract.remote.branches import TractPush, Wanted, tracking_ref
from tract.remote.carrying import bring, check_not_parted
from tract.remote.link import Link
from tract.remote.meta import push_meta, refuse_moved_tags
from tract.remote.notes import note_lists
from tract.repo import Repository
from tract.transaction import Transaction


@dataclass(eq=False, slots=True, kw_only=True)
class Passing:
    """A transaction in its lane: its changes and its outcome."""

    tx: Transaction
    changes: tuple[RefChange, ...]
    needs: Collection[ObjectId]
    supposed: Collection[ObjectId]
    """The *needs* that other waiting transactions had made when this one was made."""

    scans: bool
    is_sent: bool = False
    error: BaseException | None = None
    edits: list[RefEdit] = field(default_factory=list)
    """The edits that record this store's knowledge of the remote after the push; they land with the last transaction of the push."""

    objects: list[NewObject] = field(default_factory=list)

    @property
    def is_decided(self) -> bool:
        return self.is_sent or self.error is not None


def of_tract(repo: Repository, prefix: str) -> Repository:
    return replace(repo, prefix=prefix, tract=tract_name(prefix), branch=None)


def changes_of(group: Sequence[Passing]) -> dict[str, RefChange]:
    """The changes of *group* together, by the names of the refs."""
    found: dict[str, RefChange] = {}
    for one in group:
        for change in one.changes:
            before = found.get(change.name)
            found[change.name] = change if before is None else RefChange(change.name, before.old, change.new)
    return found


def standing(waiting: Sequence[Passing], repo: Repository, told: str = "") -> list[Passing]:
    """The transactions of *waiting* that continue from the present refs and objects; with *told*, the name of the remote, the others are refused."""
    found: list[Passing] = []
    values: dict[str, RefValue | None] = {}
    made: set[ObjectId] = set()
    for one in waiting:
        moved = None
        for name, old, new in one.changes:
            now = values[name] if name in values else repo.refs.read(name)
            if now not in (old, new):
                moved = moved_there(told, name, shown(old), shown(now))
        if not all(id in made or repo.objects.contains(id) for id in one.supposed):
            moved = refused_before(told, one)
        if moved is None:
            found.append(one)
            values.update((name, new) for name, _, new in one.changes)
            made.update(new.id for new in one.tx.objects)
        elif told:
            one.error = moved
    return found


def moved_there(remote: str, name: str, expected: str | None, actual: str | None) -> RefMovedError:
    error = RefMovedError(name, expected, actual)
    error.remote = remote
    return error


def refused_before(remote: str, one: Passing) -> RefMovedError:
    """The error for a transaction based on one that was refused."""
    return moved_there(remote, one.changes[0].name, shown(one.changes[0].new), None)


def send(link: Link, group: Sequence[Passing]) -> tuple[list[RefEdit], list[NewObject]]:
    """Push the changes of *group*, tract by tract; return the edits and objects that record this store's knowledge of the remote."""
    merged = changes_of(group)
    objects = [new for one in group for new in one.tx.objects]
    is_begun = False
    known: list[RefEdit] = []
    made: list[NewObject] = []
    for prefix in dict.fromkeys(split_tract(name)[0] for name in merged):
        plain = replace(of_tract(link.repo, prefix), author=group[-1].tx.repo.author)
        own = replace(plain, objects=BufferedObjects(plain.objects, list(objects)))
        changes = {
            name.removeprefix(prefix): new if isinstance(new, bytes) else None
            for name, _, new in merged.values()
            if split_tract(name)[0] == prefix
        }
        wanted = [
            _wanted(link, own, name.removeprefix(HEADS), new) for name, new in changes.items() if name.startswith(HEADS)
        ]
        beside = {name: new for name, new in changes.items() if name.startswith((TAGS, LINKS))}
        tips = {name.removeprefix(NOTES): new for name, new in changes.items() if name.startswith(NOTES) and new}
        if not wanted and not beside and not tips:
            continue
        one = TractPush(link, own, note_lists(own, link.name, tips), is_living=True)
        try:
            _push_tract(one, wanted, beside)
        except RemoteMovedError as exc:
            bring(link, plain, None)
            if not exc.ref.startswith(TAGS) and all(_has_landed(link, plain, branch, objects) for branch in wanted):
                continue  # others pushed so often meanwhile that the head no longer names this push
            raise _parted(link, plain, wanted, exc) from exc
        except RemoteError as exc:
            if (one.done.pushed or is_begun) and exc.landed is False:
                exc.landed = None  # a branch, or another tract, is there by now
            raise
        is_begun = True
        one.finish()
        known += one.done.edits
        made += one.new()
    return known, made


def _push_tract(push: TractPush, wanted: Sequence[Wanted], beside: Mapping[str, ObjectId | None]) -> None:
    """Push the branches of a tract, and then what belongs to no branch; RemoteMovedError if one of them has another value on the remote."""
    link, own = push.link, push.repo
    push.plan([branch for branch in wanted if branch.tip is not None or _is_there(link, own, branch)])
    if any(name.startswith(TAGS) for name in beside) and (meta := link.look(own.tract, None)) is not None:
        refuse_moved_tags(own, beside, meta.head)
    push.run()
    push_meta(link, push, beside, "lease")


def _parted(link: Link, plain: Repository, wanted: Sequence[Wanted], exc: RemoteMovedError) -> RefMovedError:
    """The error for a branch or a tag that others moved on the remote. If this store's branch has diverged from it meanwhile, that error is raised instead."""
    for branch in wanted:
        if branch.force is None:
            check_not_parted(link, plain, branch.branch)
    name = plain.prefix + ("" if exc.ref.startswith(TAGS) else HEADS) + exc.ref
    return moved_there(link.name, name, exc.expected, exc.actual)


def _wanted(link: Link, own: Repository, branch: str, tip: ObjectId | None) -> Wanted:
    """A branch to push. With a lease it may go back or aside on the remote, if this store's branch had all the commits that it loses there; otherwise it must move forward."""
    here, seen = own.ref(HEADS + branch), own.refs.read(tracking_ref(own, link.name, branch))
    if tip is not None and isinstance(here, bytes) and is_ancestor(own, here, tip):
        return Wanted(branch, tip)
    had_all = tip is None or not isinstance(seen, bytes) or (isinstance(here, bytes) and is_ancestor(own, seen, here))
    return Wanted(branch, tip, "lease" if had_all else None)


def _has_landed(link: Link, plain: Repository, branch: Wanted, objects: Sequence[NewObject]) -> bool:
    """True if the branch was to be at one of *objects*, and the remote's branch continues from it by now."""
    if all(branch.tip != new.id for new in objects):
        return False
    there = plain.refs.read(tracking_ref(plain, link.name, branch.branch))
    if branch.tip is None or not isinstance(there, bytes) or not plain.objects.contains(branch.tip):
        return False
    return is_ancestor(plain, branch.tip, there)


def _is_there(link: Link, own: Repository, branch: Wanted) -> bool:
    return own.refs.read(f"{own.prefix}{REMOTES}{link.name}/{branch.branch}") is not None
