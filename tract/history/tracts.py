"""The tracts of a store: made, listed, deleted, restored, renamed and copied; each in one operation that moves only refs.

A tract is there as long as its HEAD is. Its settings are a file in its folder, which stays when the tract is deleted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from tract.config import TractConfig, from_table, to_table
from tract.dataclass import replace
from tract.errors import CommitNotFoundError, SessionError
from tract.history.state import states
from tract.messages.values import compact_json
from tract.named_tuple import NamedTuple
from tract.objects.json import parse_json
from tract.objects.model import Operation, RefValue
from tract.opening import author_name
from tract.refs.names import (
    CHILD_REFS,
    HEAD,
    ROOT,
    SPAWN_REF,
    STATES,
    TRACTS,
    branch_ref,
    ref_path,
    split_tract,
    tract_name,
    tract_prefix,
)
from tract.refs.ref_files import make_tract_folder
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.settings import read_config, write_config
from tract.storage import files
from tract.transaction import Transaction, transaction

CONFIG_FILE = "config.toml"
_LINKS = (SPAWN_REF, CHILD_REFS)
"""Where parent and children of a tract are named, which a copy of it has not."""


class TractTimes(NamedTuple):
    """When a tract was made, and when a ref of it moved last, in microseconds since 1970; None where the operation is not kept."""

    created: int | None = None
    changed: int | None = None


def in_tract(repo: Repository, name: str) -> Repository:
    """The store as seen from the tract *name*, which must be there; SessionError where it is not."""
    prefix = tract_prefix(name)
    if repo.refs.read(prefix + HEAD) is None:
        raise SessionError(f"there is no tract named '{name}'")
    return replace(repo, tract=name, prefix=prefix)


def with_settings(repo: Repository, config: TractConfig) -> Repository:
    """*repo* with those settings, and their author, unless it was opened for one."""
    return replace(repo, config=config, author=repo.author if repo.is_author_given else author_name(config))


def tract_times(repo: Repository) -> dict[str, TractTimes]:
    """The tracts that are there, by prefix, with their times: the root tract first, the others in order of their names."""
    found = {prefix: TractTimes(created, changed) for prefix, created, changed in repo.refs.tracts()}
    if found[""].changed is None:
        found[""] = _root_times(repo)
    return {prefix: found[prefix] for prefix in ("", *sorted(found.keys() - {""}, key=tract_name))}


def _root_times(repo: Repository) -> TractTimes:
    """When the root tract changed last; keyframes do not say that."""
    for _, operation in repo.refs.history():
        if any(not split_tract(change.name)[0] for change in operation.changes):
            is_first = any(change.name == HEAD and change.old is None for change in operation.changes)
            return TractTimes(operation.time if is_first else None, operation.time)
    return TractTimes()


def create_tract(repo: Repository, name: str, config: TractConfig | None = None) -> None:
    """Make the tract *name*, with settings of its own where *config* is given; SessionError where there is one."""
    with transaction(_root(repo), f"create-tract: {name}", moves="refs") as tx:
        prefix = free_prefix(tx, name)
        write_settings(repo, prefix, config)
        tx.move(prefix + HEAD, branch_ref((config or repo.config).default_branch), None)


def copy_tract(repo: Repository, source: str, name: str) -> None:
    """Make the tract *name* as *source* is: the same branches, tags, notes and settings."""
    with transaction(_root(repo), f"copy-tract: {source} to {name}", moves="refs") as tx:
        prefix, refs = _refs_of(tx, source)
        new = free_prefix(tx, name)
        write_settings(repo, new, own_settings(repo, prefix))
        _put(tx, new, [(ref, value) for ref, value in refs if not ref.startswith(_LINKS)])


def rename_tract(repo: Repository, old: str, name: str) -> None:
    """Call the tract *old* *name*; its settings go along. SessionError for the root tract, and while a command waits in it."""
    refuse_root(old, "renamed")
    with transaction(_root(repo), f"rename-tract: {old} to {name}", moves="refs") as tx:
        prefix, refs = _refs_of(tx, old)
        waiting = states(replace(repo, tract=old, prefix=prefix))
        if waiting:
            raise SessionError(f"tract '{old}' cannot be renamed: '{waiting[0]}' waits in it")
        new = free_prefix(tx, name)
        write_settings(repo, new, own_settings(repo, prefix))
        for ref, value in refs:
            tx.move(prefix + ref, None, value)
        _put(tx, new, refs)
    write_settings(repo, prefix, None)


def drop_tract(repo: Repository, name: str, tell: Callable[[Transaction], object] | None = None) -> None:
    """Delete all refs of the tract *name*, whoever was spawned from it: as long as gc keeps what they were at, ``restore_tract`` brings it back.

    In the same operation *tell* says so in the tract that *repo* is seen from; else it is seen from the root tract.
    """
    refuse_root(name, "deleted")
    with transaction(_root(repo) if tell is None else repo, f"delete-tract: {name}", moves="refs") as tx:
        prefix, refs = _refs_of(tx, name)
        tx.edits += [RefEdit(prefix + ref, None, value) for ref, value in refs]
        if tell is not None:
            tell(tx)


def bring_back(repo: Repository, name: str, tell: Callable[[Transaction], object] | None = None) -> None:
    """Bring the tract *name* back as it was when it was deleted; SessionError where it is there, never was, or gc took its commits.

    *tell* as for :func:`drop_tract`.
    """
    with transaction(_root(repo) if tell is None else repo, f"restore-tract: {name}", moves="refs") as tx:
        prefix = free_prefix(tx, name)
        for ref, value in deleted_refs(repo, name):
            if isinstance(value, bytes) and not repo.objects.contains(value):
                error = CommitNotFoundError(value.hex(), "gc took it")
                raise SessionError(f"tract '{name}' cannot be restored: its commits are not kept any more") from error
            tx.edits.append(RefEdit(prefix + ref, value, None))
        if tell is not None:
            tell(tx)


def deleted_refs(repo: Repository, name: str) -> list[tuple[str, RefValue | None]]:
    """What the refs of the tract *name* were when it was deleted last; SessionError where that is not kept."""
    prefix = tract_prefix(name)
    for operation in _deletions(repo, prefix):
        found = [(split_tract(change.name), change.old) for change in operation.changes]
        return [(local, old) for (start, local), old in found if start == prefix]
    raise SessionError(f"no deleted tract named '{name}' is kept")


def _deletions(repo: Repository, prefix: str) -> Iterator[Operation]:
    """The operations in which the tract was deleted, newest first."""
    for _, operation in repo.refs.history():
        if any(change.name == prefix + HEAD and change.new is None for change in operation.changes):
            yield operation


def _root(repo: Repository) -> Repository:
    return replace(repo, tract=ROOT, prefix="")


def refuse_root(name: str, done: str) -> None:
    if name == ROOT:
        raise SessionError(f"the root tract cannot be {done}")


def _refs_of(tx: Transaction, name: str) -> tuple[str, Sequence[tuple[str, RefValue]]]:
    prefix = tract_prefix(name)
    if tx.repo.refs.read(prefix + HEAD) is None:
        raise SessionError(f"there is no tract named '{name}'")
    refs = replace(tx.repo, prefix=prefix).local_refs()
    return prefix, [(ref, value) for ref, value in refs if not ref.startswith(TRACTS)]


def free_prefix(tx: Transaction, name: str) -> str:
    """The prefix for a new tract *name*; SessionError where there is one."""
    prefix = tract_prefix(name)
    if tx.repo.refs.read(prefix + HEAD) is not None:
        raise SessionError(f"tract '{name}' exists already")
    return prefix


def _put(tx: Transaction, prefix: str, refs: Sequence[tuple[str, RefValue]]) -> None:
    tx.edits += [RefEdit(prefix + ref, value, None) for ref, value in refs]


def own_settings(repo: Repository, prefix: str) -> TractConfig | None:
    """The settings that a tract has of its own; None where it has the root tract's."""
    if repo.path is None:
        saved = repo.states.get(prefix + CONFIG_FILE)
        return None if saved is None else from_table(parse_json(saved.decode()))
    with suppress(FileNotFoundError, NotADirectoryError):
        return read_config(os.path.join(repo.path, ref_path(prefix), CONFIG_FILE)) if prefix else None
    return None


def settings_in(repo: Repository) -> TractConfig:
    """The settings of the tract that the store is seen from: its own, else the root tract's, which *repo* has."""
    return own_settings(repo, repo.prefix) or repo.config


def change_settings(repo: Repository, prefix: str, config: TractConfig) -> None:
    """Give a tract that is there other settings; of a store in memory the root tract's stay as they are."""
    if repo.path is not None:
        write_config(os.path.join(make_tract_folder(repo.path, prefix), CONFIG_FILE), config)
    elif prefix:
        repo.states[prefix + CONFIG_FILE] = compact_json(to_table(config)).encode()


def write_settings(repo: Repository, prefix: str, config: TractConfig | None) -> None:
    """Give a new tract its settings, and take away what a deleted one of its name has left."""
    if repo.path is None:
        for name in [name for name in repo.states if split_tract(name)[0] == prefix]:
            del repo.states[name]
        if config is not None:
            repo.states[prefix + CONFIG_FILE] = compact_json(to_table(config)).encode()
        return
    place = os.path.join(repo.path, ref_path(prefix))
    if config is not None:
        write_config(os.path.join(make_tract_folder(repo.path, prefix), CONFIG_FILE), config)
    else:
        files.unlink(os.path.join(place, CONFIG_FILE))
    for name in files.list_directory(os.path.join(place, STATES)):
        files.unlink(os.path.join(place, STATES, name))
