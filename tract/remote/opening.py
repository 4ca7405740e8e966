"""Opening a store that lives in a bucket."""

from __future__ import annotations

import os
from pathlib import Path

from tract.config import TractConfig
from tract.config.remote_config import RemoteConfig
from tract.dataclass import replace
from tract.errors import ConfigError, RemoteError
from tract.opening import create_repository, find_repository, open_repository, store_path
from tract.remote.address import parse_address
from tract.remote.clone import ORIGIN, clone
from tract.remote.link import Link
from tract.remote.push import ready_link
from tract.remote.remotes import add_remote, open_link, read_marker, remotes
from tract.remote.sync import SYNC_MODES, Sync, SyncMode
from tract.repo import Repository
from tract.storage import files
from tract.storage.locks import ThreadLock


def check_sync(path: str | Path | None, sync: str, *, read_only: bool) -> None:
    """Raise ConfigError for a combination of arguments that is impossible."""
    if sync not in SYNC_MODES:
        raise ConfigError(f"sync must be {', '.join(map(repr, SYNC_MODES[:-1]))} or {SYNC_MODES[-1]!r}, not {sync!r}")
    if path == ":memory:":
        raise ConfigError("a store in memory cannot live in a remote")
    if read_only and sync != "manual":
        raise ConfigError(f"sync={sync!r} is for a store that may be written")


def prepare(path: str | Path | None, remote: str | os.PathLike[str], config: TractConfig | None) -> str:
    """Make the store, with the content of the remote, if it does not exist; return the name of the remote in its settings."""
    found = find_repository(os.getcwd()) if path is None else store_path(os.fsdecode(path))
    store = found or store_path(os.getcwd())
    if isinstance(remote, str) and "://" not in remote and files.is_there(store) and _named(store, remote):
        return remote
    url = str(parse_address(remote))
    if not files.is_there(store):
        if _is_remote(url, config):
            clone(url, os.path.dirname(store))
            return ORIGIN
        create_repository(store, config or TractConfig())
    repo = open_repository(store)
    try:
        for one in remotes(repo):
            if one.url == url:
                return one.name
        names = {one.name for one in remotes(repo)}
        name = next(name for name in (ORIGIN, *(f"remote-{n}" for n in range(1, 99))) if name not in names)
        add_remote(repo, RemoteConfig(name=name, url=url))
        return name
    finally:
        repo.close()


def _named(store: str, name: str) -> bool:
    repo = open_repository(store)
    try:
        return any(one.name == name for one in remotes(repo))
    finally:
        repo.close()


def _is_remote(url: str, config: TractConfig | None) -> bool:
    """True if anything was ever pushed to *url*."""
    from tract.opening import memory_repository

    remote = RemoteConfig(name=ORIGIN, url=url)
    return read_marker(Link(memory_repository(config=config), remote)) is not None


def begin_sync(repo: Repository, name: str | None, mode: SyncMode, lock: ThreadLock | None = None) -> Sync:
    """Keep the store in step with a remote from now on; what earlier processes left open is settled first.

    Without a *name* the store's only remote is used; RemoteError if it has none, or several.
    """
    if name is None:
        known = remotes(repo)
        if len(known) != 1:
            raise RemoteError(f"the store has {len(known)} remotes; name the one that it lives in")
        name = known[0].name
    link = open_link(repo, name) if mode == "manual" else ready_link(repo, name)
    sync = Sync(repo, link, mode, lock)
    if not repo.read_only and read_marker(link) is not None:
        sync.refresh(replace(repo, branch=None))
        if mode == "commit" and repo.head()[0] is not None:
            sync.carry_left(repo)
    return sync
