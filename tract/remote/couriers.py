"""Objects that all handles of a process share for a store that lives in a remote: the lanes of its tracts, and a courier for each branch that is appended to."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from tract.remote.courier import Courier
from tract.remote.lane import Lanes
from tract.remote.link import Link
from tract.repo import Repository

_shared: dict[tuple[str, ...], tuple[Any, set[int]]] = {}
_lock = threading.Lock()


def _forget_in_child() -> None:
    """Give a forked child couriers and lanes of its own: a fork copies no thread, and may copy a lock that no one will release."""
    global _lock
    _lock = threading.Lock()
    _shared.clear()


os.register_at_fork(after_in_child=_forget_in_child)


def courier_for(repo: Repository, link: Link, user: int) -> Courier:
    """The process's courier for HEAD's branch; *user* gives it up with ``leave``."""
    branch = repo.head()[0]
    assert branch is not None
    found: Courier = _found(repo, link, user, (repo.prefix, branch), lambda: Courier(repo, link))
    return found


def lanes_for(repo: Repository, link: Link, user: int) -> Lanes:
    """The process's lanes for the store; *user* gives them up with ``leave``."""
    found: Lanes = _found(repo, link, user, (), lambda: Lanes(repo, link))
    return found


def _found(repo: Repository, link: Link, user: int, more: tuple[str, ...], make: Callable[[], Any]) -> Any:
    assert repo.path is not None
    key = (os.path.realpath(repo.path), link.remote.url, *more)
    with _lock:
        found = _shared.get(key)
        if found is None:
            found = _shared[key] = make(), set()
        found[1].add(user)
        return found[0]


def leave(user: int) -> None:
    """Give up everything that *user* shares; what no other user has finishes its work, and stops."""
    with _lock:
        mine = [key for key, (_, users) in _shared.items() if user in users]
        stopping = []
        for key in mine:
            one, users = _shared[key]
            users.discard(user)
            if not users:
                del _shared[key]
                stopping.append(one)
    for one in stopping:
        one.stop()
