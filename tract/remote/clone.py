"""Cloning: a new store with the content of a remote, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tract.arguments import check_argument
from tract.config import TractConfig
from tract.config.remote_config import RemoteConfig
from tract.dataclass import replace
from tract.errors import ConfigError, RemoteError
from tract.opening import create_repository, open_repository, store_path
from tract.remote.address import parse_address
from tract.remote.fetch import Fetched, fetch
from tract.remote.finding import Asked
from tract.remote.link import Link, nobody
from tract.remote.remotes import add_remote, as_marked
from tract.storage import files

ORIGIN = "origin"


def clone(
    url: str | os.PathLike[str],
    path: str | Path,
    *,
    branches: Sequence[str] | None = None,
    tracts: Sequence[str] | None = None,
    depth: int | None = None,
    timeout: float = 30,
    options: Mapping[str, str] | None = None,
    name: str = ORIGIN,
    told: Callable[[int, int], None] = nobody,
) -> Fetched:
    """Make the store in folder *path*, with everything that the remote at *url* has, or some *branches* or *tracts* of it.

    With *depth* it has that many of the last commits of each branch, with their whole contexts, and no history behind them.
    If the clone fails, what was made is removed again.
    """
    check_argument("path", path, "str | PathLike[str]")
    if depth is not None and (type(depth) is not int or depth < 1):
        raise ConfigError(f"depth must be a number of commits, 1 or more, not {depth!r}")
    remote = RemoteConfig(name=name, url=str(parse_address(url)), timeout=timeout, options=dict(options or {}))
    scheme = parse_address(url).scheme
    remote = replace(remote, conditions="if-match" if scheme in ("file", "memory") else None)
    store = store_path(os.fsdecode(path))
    if files.is_there(store):
        raise RemoteError(f"cannot clone to '{store}': it exists already")
    parent = os.path.dirname(store)
    was_there = files.is_there(parent)
    create_repository(store, TractConfig())
    try:
        return _fill(store, remote, Asked(tracts, branches, as_clone=True, depth=depth), told)
    except BaseException:
        files.remove_tree(store)
        if not was_there:
            files.remove_empty(parent)
        raise


def _fill(store: str, remote: RemoteConfig, asked: Asked, told: Callable[[int, int], None]) -> Fetched:
    """Fetch what is *asked* for into a new store."""
    repo = open_repository(store)
    try:
        add_remote(repo, remote, probing=False)
        link = as_marked(Link(repo, remote))
        found = fetch(link, repo, asked, told)
        _check_found(found, link, asked.branches, asked.tracts)
        return found
    finally:
        repo.close()


def _check_found(found: Fetched, link: Link, branches: Sequence[str] | None, tracts: Sequence[str] | None) -> None:
    """Raise RemoteError if a tract or branch asked for by name does not exist."""
    have = {(ref.tract, ref.ref.partition(f"/{link.name}/")[2]) for ref in found.refs if ref.new is not None}
    for tract in tracts or ():
        if all(one != tract for one, _ in have):
            raise RemoteError(f"'{link.remote.url}' has no tract '{tract}'")
    for branch in branches or ():
        if all(one != branch for _, one in have):
            raise RemoteError(f"'{link.remote.url}' has no branch '{branch}'")
