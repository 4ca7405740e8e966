"""The couriers of this process: one for each branch of a store that lives in a remote, however many handles append to it."""

from __future__ import annotations

import os
import threading

from tract.remote.courier import Courier
from tract.remote.link import Link
from tract.repo import Repository

_couriers: dict[tuple[str, str, str, str], tuple[Courier, set[int]]] = {}
_lock = threading.Lock()


def _forget_in_child() -> None:
    """A fork copies no thread, and may copy a lock that nobody lets go of: the child begins with couriers of its own."""
    global _lock
    _lock = threading.Lock()
    _couriers.clear()


os.register_at_fork(after_in_child=_forget_in_child)


def courier_for(repo: Repository, link: Link, user: int) -> Courier:
    """The courier of this process for HEAD's branch; *user* lets go of it by ``leave``."""
    branch = repo.head()[0]
    assert repo.path is not None
    assert branch is not None
    key = (os.path.realpath(repo.path), link.remote.url, repo.prefix, branch)
    with _lock:
        found = _couriers.get(key)
        if found is None:
            found = _couriers[key] = Courier(repo, link), set()
        found[1].add(user)
        return found[0]


def leave(user: int) -> None:
    """Let go of all couriers of *user*; those that nobody else has finish what waits, and stop."""
    with _lock:
        mine = [key for key, (_, users) in _couriers.items() if user in users]
        stopping = []
        for key in mine:
            courier, users = _couriers[key]
            users.discard(user)
            if not users:
                del _couriers[key]
                stopping.append(courier)
    for courier in stopping:
        courier.stop()
