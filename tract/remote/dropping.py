"""Deleting a tract of a remote: tombstones replace all its heads, so that every later fetch sees it; the tract in this store, if any, stays."""

from __future__ import annotations

import os

from tract.dataclass import replace
from tract.errors import RemoteError, RemoteMovedError
from tract.history.tracts import refuse_root
from tract.refs.names import HEADS, REMOTES, tract_prefix
from tract.remote.address import INTENTS, head_key, tract_key
from tract.remote.branches import Force, PushedRef, tracking_ref
from tract.remote.head import Head
from tract.remote.link import KnownHead, Link
from tract.remote.sending import MOST_SWAPS, land_head
from tract.repo import Repository
from tract.transaction import transaction

_END = "::"


def tract_to_drop(ref: str) -> str | None:
    """The tract that a push of *ref* deletes on the remote (``:researcher::``); None if *ref* is a branch or a tag."""
    name = ref.removeprefix("+")
    return name[1 : -len(_END)] if name.startswith(":") and name.endswith(_END) else None


def drop_tract_there(link: Link, repo: Repository, name: str, force: Force) -> list[PushedRef]:
    """Delete the tract *name* on the remote, with its branches, tags and notes.

    RemoteError if it does not exist; SessionError for the root tract; RemoteMovedError if a branch of it has moved since this store last saw it.
    """
    refuse_root(name, "deleted")
    own = replace(repo, tract=name, prefix=tract_prefix(name), branch=None)
    start = tract_key(name)
    listed = [one.key for one in link.patiently(lambda: list(link.transport.list(start)))]
    keys = dict.fromkeys(key.partition("/log/")[0] for key in listed if INTENTS not in key)
    seen = {key: link.remembered_at(key) for key in keys}
    heads = [known for key in keys if (known := link.look_at(key)) is not None]
    living = [known for known in heads if known.head.commit is not None]
    if not living:
        raise RemoteError(f"remote '{link.name}' has no tract '{name}' to delete")
    for known in living:
        if force != "yes":
            _check_seen(link, own, known, seen.get(head_key(name, known.head.branch)))
    dropped = [_drop(link, own, known) for known in sorted(heads, key=lambda one: one.head.branch is None)]
    for key in listed:
        if INTENTS in key:
            link.patiently(lambda key=key: link.transport.delete(key))  # type: ignore[misc]
    tracked = own.local_refs(f"{REMOTES}{link.name}/")
    if tracked:
        with transaction(own, f"push: {link.name}", moves="refs") as tx:
            for ref, _ in tracked:
                tx.move(ref, None)
    return [one for one in dropped if one is not None]


def _check_seen(link: Link, own: Repository, known: KnownHead, before: KnownHead | None) -> None:
    branch = known.head.branch or ""
    tracked = own.refs.read(tracking_ref(own, link.name, branch))
    seen = tracked if isinstance(tracked, bytes) else None if before is None else before.head.commit
    if seen != known.head.commit:
        there = None if known.head.commit is None else known.head.commit.hex()
        raise RemoteMovedError(
            f"{own.tract}{_END}{branch}",
            None if seen is None else seen.hex(),
            there,
            known.head.by,
            "which this store has not seen yet",
        )


def _drop(link: Link, own: Repository, known: KnownHead) -> PushedRef | None:
    push = os.urandom(16)
    for number in range(MOST_SWAPS):
        head = _tombstone(known.head, push, own)
        landed, now = land_head(link, head, push, known.version)
        if landed:
            break
        if now is None or now.head.commit != known.head.commit:
            raise RemoteError(f"tract '{own.tract}' moved in remote '{link.name}' while it was deleted", landed=None)
        known = now
        link.pause(min(number, 4))
    else:
        raise RemoteError(f"tract '{own.tract}' was not deleted: others moved it {MOST_SWAPS} times", landed=False)
    if known.head.branch is None or known.head.commit is None:
        return None
    return PushedRef(own.tract, HEADS + known.head.branch, known.head.commit.hex(), None, "deleted")


def _tombstone(head: Head, push: bytes, own: Repository) -> Head:
    gone = Head(tract=head.tract, branch=head.branch, gen=head.gen, pushes=head.pushes)
    return gone.after(push, by=own.author, time=own.clock())
