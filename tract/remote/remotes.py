"""The remotes of a store: kept in the root tract's settings, added with a probe, and opened as links."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from blake3 import blake3

from tract.config import TractConfig, from_table, to_table
from tract.config.remote_config import Conditions, RemoteConfig
from tract.dataclass import dataclass, replace
from tract.errors import RemoteError, RemoteRefusedError
from tract.messages.values import compact_json
from tract.objects.json import parse_json
from tract.refs.names import REMOTE_NOTES, REMOTES, ROOT
from tract.remote.address import MARKER, parse_address
from tract.remote.link import Link
from tract.remote.probe import probe
from tract.remote.transport import Stored
from tract.repo import Repository
from tract.settings import read_config, write_config
from tract.storage import files
from tract.transaction import transaction

_MEMORY = "remotes"
_CONFIG = "config.toml"
_FORMAT = b"tract remote 1\n"


@dataclass(frozen=True, slots=True)
class RemoteInfo:
    """A remote: its name and address, and what its probe found (None if it was not probed yet)."""

    name: str
    url: str
    conditions: Conditions | None


def remotes(repo: Repository) -> tuple[RemoteConfig, ...]:
    """The remotes of a store, in order of name."""
    return tuple(sorted(_settings(repo).remotes, key=lambda one: one.name))


def remote_named(repo: Repository, name: str) -> RemoteConfig:
    """The remote *name*; RemoteError if it does not exist."""
    found = next((one for one in remotes(repo) if one.name == name), None)
    if found is None:
        raise RemoteError(f"there is no remote named '{name}'")
    return found


def describe(remote: RemoteConfig) -> RemoteInfo:
    """The public description of a remote."""
    return RemoteInfo(remote.name, remote.url, remote.conditions)


def add_remote(repo: Repository, remote: RemoteConfig, *, probing: bool = True) -> RemoteConfig:
    """Add a remote, with what its probe finds; RemoteError if the name is taken, or the remote cannot be reached.

    Without *probing* it is not contacted now, and the first push probes it.
    """
    address = parse_address(remote.url)
    remote = replace(remote, url=str(address))
    if any(one.name == remote.name for one in remotes(repo)):
        raise RemoteError(f"there is a remote named '{remote.name}' already")
    if probing:
        remote = probed(remote)
    _save(repo, lambda found: (*(one for one in found if one.name != remote.name), remote))
    return remote


def probed(remote: RemoteConfig) -> RemoteConfig:
    """The remote with the guarantees of its store; those of a folder, or of memory, are tract's own and known."""
    if parse_address(remote.url).scheme in ("file", "memory"):
        return replace(remote, conditions="if-match")
    return replace(remote, conditions=probe(remote))


def remember_probe(repo: Repository, remote: RemoteConfig) -> None:
    """Save what a probe found."""
    _save(repo, lambda found: tuple(remote if one.name == remote.name else one for one in found))


def remove_remote(repo: Repository, name: str) -> None:
    """Forget a remote and its remote-tracking refs; nothing changes on the remote."""
    remote_named(repo, name)
    for prefix, _, _ in list(repo.refs.tracts()):
        own = replace(repo, prefix=prefix, branch=None)
        with transaction(own, f"remote: removed {name}", moves="refs") as tx:
            for start in (f"{REMOTES}{name}/", f"{REMOTE_NOTES}{name}/"):
                for ref, _ in own.local_refs(start):
                    tx.move(ref, None)
    _save(repo, lambda found: tuple(one for one in found if one.name != name))
    if repo.path is not None:
        cache = os.path.join(repo.path, "cache")
        starts = (f"remote-{name}-", *(() if remotes(repo) else ("remote-pack-",)))
        for file in files.list_directory(cache):
            if file.startswith(starts):
                files.unlink(os.path.join(cache, file))


def open_link(repo: Repository, name: str) -> Link:
    """Open the remote *name*."""
    return Link(repo, remote_named(repo, name))


def begin_remote(link: Link) -> Link:
    """Return the link once the place is marked as a remote: the first push marks it, with the form of its heads.

    RemoteError if it is a remote of another version; RemoteRefusedError if its heads have a form that, by this probe, its store cannot keep.
    """
    if link.recall(_marker_name(link)) is None:
        word = "logged" if link.remote.conditions == "create-only" else "swapped"
        data = _FORMAT + f"{os.urandom(16).hex()}\n{word}\n".encode()
        if read_marker(link) is None:
            link.patiently(lambda: link.transport.create(MARKER, data))
    marked = as_marked(link)
    if link.remote.conditions == "create-only" and marked.remote.conditions != "create-only":
        raise RemoteRefusedError(
            f"remote '{link.name}' cannot be pushed to: its heads are replaced by conditional puts, which were found not to keep concurrent writers apart in its store"
        )
    return marked


def _marker_name(link: Link) -> str:
    return f"remote-{link.name}-marker-{blake3(link.remote.url.encode()).hexdigest()[:16]}"


def read_marker(link: Link) -> bytes | None:
    """The mark that says what the place is; None if there is none. RemoteError if it is not a mark of this version of tract."""
    found = link.patiently(lambda: link.transport.get(MARKER))
    if not isinstance(found, Stored):
        return None
    if not found.data.startswith(_FORMAT):
        raise RemoteError(f"'{link.remote.url}' is a remote of another version of tract's, or none")
    return found.data


def as_marked(link: Link) -> Link:
    """The link, with the form of heads that the place uses; RemoteError if it is not a remote."""
    name = _marker_name(link)
    data = link.recall(name) or read_marker(link)
    if data is None:
        raise RemoteError(f"there is no tract remote at '{link.remote.url}': nothing was ever pushed there")
    link.keep(name, data)
    is_logged = data.split(b"\n")[2:3] == [b"logged"]
    if is_logged != (link.remote.conditions == "create-only"):
        conditions: Conditions = "create-only" if is_logged else "if-match"
        return Link(link.repo, replace(link.remote, conditions=conditions), link.plain, grace=link.grace)
    return link


def _settings(repo: Repository) -> TractConfig:
    if repo.path is None:
        saved = repo.remembered.get(_MEMORY)
        return TractConfig() if saved is None else from_table(parse_json(saved.decode()))
    return read_config(os.path.join(repo.path, _CONFIG))


def _save(repo: Repository, change: Callable[[tuple[RemoteConfig, ...]], Sequence[RemoteConfig]]) -> None:
    root = replace(repo, tract=ROOT, prefix="", branch=None)
    with transaction(root, "remote", moves="refs"):  # only for its lock: it moves no ref, so it writes nothing
        settings = _settings(repo)
        config = replace(settings, remotes=tuple(change(settings.remotes)))
        if repo.path is None:
            repo.remembered[_MEMORY] = compact_json(to_table(config)).encode()
        else:
            write_config(os.path.join(repo.path, _CONFIG), config)
