"""Carrying: one push for what several writers want appended to a branch.

    commits made ─▸ pack put ─▸ head put, which names the intents that it carries ─▸ the local branch moves
                                   └─ another was first: nothing happened, anywhere

No lock of the store is held while the remote answers: the head orders the writers.
If the store here moved meanwhile, what landed there is brought in as by a fetch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tract.dataclass import replace
from tract.errors import RefMovedError, RemoteError, RemoteMovedError
from tract.history.commit import Change, add_commit
from tract.history.walk import is_ancestor
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.refs.buffered import BufferedObjects
from tract.refs.names import HEAD, HEADS, REMOTES
from tract.remote.branches import TractPush, Wanted, tracking_ref
from tract.remote.fetch import FetchedRef, fetch
from tract.remote.finding import Asked
from tract.remote.head import Head
from tract.remote.intents import Intent, Landed, Wish, named_in
from tract.remote.link import Link
from tract.remote.notes import note_lists
from tract.repo import Repository
from tract.transaction import Transaction, transaction


class Carried(NamedTuple):
    """The commits that landed: those of the carrier's *own* wishes, and for each intent the commits made of it."""

    own: list[ObjectId]
    made: dict[bytes, Landed]


class Listing(NamedTuple):
    """The *intents* to carry, the ids of all intents *left* on the remote, and the number of the head that was read before they were listed."""

    intents: Sequence[Intent]
    left: frozenset[bytes]
    gen: int


NONE_LISTED = Listing((), frozenset(), -1)


class _OtherHeadError(Exception):
    """The head changed after the intents were listed, so their present state is not known."""


def carry(link: Link, repo: Repository, own: Sequence[Wish], listing: Listing = NONE_LISTED) -> Carried | None:
    """Append the intents of *listing*, in order, and then *own* to the branch of *repo*, on the remote and in this store; return None if another writer was first.

    RemoteMovedError if the branch in this store has commits that the remote's branch does not continue. RemoteError with ``landed`` None if no answer came.
    """
    repo.refs.refresh()
    branch, tip = repo.head()
    assert branch is not None
    short = branch.removeprefix(HEADS)
    tx = Transaction(repo, _reason(own, listing.intents))
    tx.branch, tx.tip = branch, tip
    ids, made = _commit_all(tx, own, listing.intents)
    one = _push_of(link, tx)

    def beside(base: Head) -> dict[str, Any]:
        if base.gen != listing.gen:
            raise _OtherHeadError
        return named_in(base, made, listing.left)

    one.beside = None if listing is NONE_LISTED else beside
    last = _last(ids, made)
    try:
        one.plan([Wanted(short, last)])
        one.run()
    except (RemoteMovedError, _OtherHeadError):
        bring(link, repo, short)
        check_not_parted(link, repo, short)
        # An answer may have been lost for so long that the push's id has left the head; its commits tell.
        has_landed = repo.objects.contains(last) and is_ancestor(repo, last, repo.head()[1] or last)
        return Carried(ids, made) if has_landed else None
    one.finish()
    tx.objects += one.new()
    tx.edits += one.done.edits
    _land(link, repo, tx, short)
    return Carried(ids, made)


def _land(link: Link, repo: Repository, tx: Transaction, branch: str) -> None:
    """Land in this store what the remote has."""
    try:
        with transaction(repo, tx.reason, moves="refs", expected=tx.tip) as landing:
            landing.take_over(tx)
    except RefMovedError:
        with it_is_there():
            bring(link, repo, branch)  # another handle here moved the branch, or added a note; the remote has it all
            check_not_parted(link, repo, branch)


@contextmanager
def it_is_there() -> Iterator[None]:
    """Mark a RemoteError as landed: the remote has the push, and only bringing it into this store failed."""
    try:
        yield
    except RemoteError as exc:
        exc.landed = True
        raise


def _reason(own: Sequence[Wish], intents: Sequence[Intent]) -> str:
    if len(own) == 1 and not intents:
        message = own[0].message
        return f"commit: {message.splitlines()[0][:72]}" if message else "commit"
    number = len(own) + sum(len(one.wishes) for one in intents)
    return f"commit: {number} messages"


def _push_of(link: Link, tx: Transaction) -> TractPush:
    repo = replace(tx.repo, objects=BufferedObjects(tx.repo.objects, list(tx.objects)))
    return TractPush(link, repo, note_lists(repo, link.name, tx.note_tips()), is_living=True)


def _commit_all(
    tx: Transaction, own: Sequence[Wish], intents: Sequence[Intent]
) -> tuple[list[ObjectId], dict[bytes, Landed]]:
    made: dict[bytes, Landed] = {}
    at = tx.tip
    for intent in intents:
        for wish in intent.wishes:
            at = _commit(tx, at, wish)
        assert at is not None
        made[intent.id] = Landed(at, len(intent.wishes))
    ids: list[ObjectId] = []
    for wish in own:
        at = _commit(tx, at, wish)
        ids.append(at)
    tx.move_branch(at)
    return ids, made


def _commit(tx: Transaction, at: ObjectId | None, wish: Wish) -> ObjectId:
    blob = tx.blob(wish.value)
    change = Change(
        CommitOperation.APPEND,
        blob,
        None,
        time=wish.time,
        author=wish.author,
        message=wish.message,
        metadata=wish.metadata,
    )
    id = add_commit(tx, at, change)
    if wish.notes:
        for namespace, body in wish.notes:
            tx.note(namespace, id, body, time=wish.time, author=wish.author)
    return id


def _last(ids: Sequence[ObjectId], made: dict[bytes, Landed]) -> ObjectId:
    return ids[-1] if ids else list(made.values())[-1].last


def bring(link: Link, repo: Repository, branch: str | None) -> list[FetchedRef]:
    """Learn the remote's value of *branch*, or of the whole tract, and bring the branches here forward to it; one request if nothing is new."""
    found = fetch(link, repo, Asked([repo.tract], None if branch is None else [branch]))
    if found.refs or branch is None or _is_behind(link, repo, branch):
        follow(link, repo, found.refs)
    return found.refs


def _is_behind(link: Link, repo: Repository, branch: str) -> bool:
    return repo.refs.read(tracking_ref(repo, link.name, branch)) != repo.ref(HEADS + branch)


def follow(link: Link, repo: Repository, fetched: Sequence[FetchedRef]) -> None:
    """Move this store's branches to the remote's commits, if these continue them, or if a branch was where the remote's branch was before that went back or was deleted."""
    start = f"{REMOTES}{link.name}/"
    own = replace(repo, branch=None)
    was = {one.ref: one.old for one in fetched if one.tract == repo.tract}
    head = own.ref(HEAD)
    behind: list[tuple[str, ObjectId | None, ObjectId | None]] = []
    for name in {**dict(own.local_refs(start)), **was}:
        ref = HEADS + name.removeprefix(start)
        there, here = own.ref(name), own.ref(ref)
        if not name.startswith(start) or isinstance(there, str) or isinstance(here, str) or there == here:
            continue
        is_as_it_was = here is not None and was.get(name) == here.hex()
        leads = there is not None and (here is None or is_ancestor(own, here, there))
        if not leads and is_as_it_was and (there is not None or ref != head):
            # Other threads of this process push meanwhile: the fetched value may be older than the one here, so the remote is asked once more.
            known = link.look(repo.tract, name.removeprefix(start))
            leads = there == (None if known is None else known.head.commit)
        if leads:
            behind.append((ref, there, here))
    if behind:
        with transaction(own, f"sync: {link.name}", moves="refs") as tx:
            for ref, there, here in behind:
                tx.move(ref, there, here)


def check_not_parted(link: Link, repo: Repository, branch: str) -> None:
    """Raise RemoteMovedError if the branches in this store and on the remote have diverged: nothing can be appended to both."""
    there = repo.refs.read(tracking_ref(repo, link.name, branch))
    here = repo.ref(HEADS + branch)
    if not isinstance(there, bytes) or not isinstance(here, bytes) or is_ancestor(repo, there, here):
        return
    if not is_ancestor(repo, here, there):
        known = link.remembered(repo.tract, branch)
        by = "" if known is None else known.head.by
        raise RemoteMovedError(branch, here.hex(), there.hex(), by, "and both sides have new commits")
