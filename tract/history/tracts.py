"""The tracts of a store: made, listed, deleted, restored, renamed and copied; each in one operation that moves only refs.

A tract exists as long as its HEAD does. Its settings are a file in its folder, which stays when the tract is deleted.
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
"""The refs that name the parent and the children of a tract; a copy of the tract lacks them."""


class TractTimes(NamedTuple):
    """When a tract was made, and when a ref of it last moved, in microseconds since 1970; None if that operation is not kept."""

    created: int | None = None
    changed: int | None = None


def in_tract(repo: Repository, name: str) -> Repository:
    """The store as seen from the tract *name*; SessionError if there is no such tract."""
    prefix = tract_prefix(name)
    if repo.refs.read(prefix + HEAD) is None:
        raise SessionError(f"there is no tract named '{name}'")
    return replace(repo, tract=name, prefix=prefix)


def with_settings(repo: Repository, config: TractConfig) -> Repository:
    """*repo* with these settings, and with their author unless it was opened with one."""
    return replace(repo, config=config, author=repo.author if repo.is_author_given else author_name(config))


def tract_times(repo: Repository) -> dict[str, TractTimes]:
    """The existing tracts, by prefix, with their times: the root tract first, the others in order of name."""
    found = {prefix: TractTimes(created, changed) for prefix, created, changed in repo.refs.tracts()}
    if found[""].changed is None:
        found[""] = _root_times(repo)
    return {prefix: found[prefix] for prefix in ("", *sorted(found.keys() - {""}, key=tract_name))}


def _root_times(repo: Repository) -> TractTimes:
    """The times of the root tract from the operations; keyframes do not hold them."""
    for _, operation in repo.refs.history():
        if any(not split_tract(change.name)[0] for change in operation.changes):
            is_first = any(change.name == HEAD and change.old is None for change in operation.changes)
            return TractTimes(operation.time if is_first else None, operation.time)
    return TractTimes()


def create_tract(repo: Repository, name: str, config: TractConfig | None = None) -> None:
    """Make the tract *name*, with its own settings if *config* is given; SessionError if it exists."""
    with transaction(_root(repo), f"create-tract: {name}", moves="refs") as tx:
        prefix = free_prefix(tx, name)
        write_settings(repo, prefix, config)
        tx.move(prefix + HEAD, branch_ref((config or repo.config).default_branch), None)


def copy_tract(repo: Repository, source: str, name: str) -> None:
    """Make the tract *name* as a copy of *source*: the same branches, tags, notes and settings."""
    with transaction(_root(repo), f"copy-tract: {source} to {name}", moves="refs") as tx:
        prefix, refs = _refs_of(tx, source)
        new = free_prefix(tx, name)
        write_settings(repo, new, own_settings(repo, prefix))
        _put(tx, new, [(ref, value) for ref, value in refs if not ref.startswith(_LINKS)])


def rename_tract(repo: Repository, old: str, name: str) -> None:
    """Rename the tract *old* to *name*, with its settings. SessionError for the root tract, and while a command is under way in it."""
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
    """Delete all refs of the tract *name*, even if tracts were spawned from it; ``restore_tract`` brings it back as long as gc keeps its commits.

    In the same operation, *tell* notes this in the tract of *repo*; without *tell* the root tract is used.
    """
    refuse_root(name, "deleted")
    with transaction(_root(repo) if tell is None else repo, f"delete-tract: {name}", moves="refs") as tx:
        prefix, refs = _refs_of(tx, name)
        tx.edits += [RefEdit(prefix + ref, None, value) for ref, value in refs]
        if tell is not None:
            tell(tx)


def bring_back(repo: Repository, name: str, tell: Callable[[Transaction], object] | None = None) -> None:
    """Bring the tract *name* back as it was when it was deleted; SessionError if it exists, never existed, or gc removed its commits.

    *tell* is as for :func:`drop_tract`.
    """
    with transaction(_root(repo) if tell is None else repo, f"restore-tract: {name}", moves="refs") as tx:
        prefix = free_prefix(tx, name)
        for ref, value in deleted_refs(repo, name):
            if isinstance(value, bytes) and not repo.objects.contains(value):
                error = CommitNotFoundError(value.hex(), "gc removed it")
                raise SessionError(f"tract '{name}' cannot be restored: its commits are not kept any more") from error
            tx.edits.append(RefEdit(prefix + ref, value, None))
        if tell is not None:
            tell(tx)


def deleted_refs(repo: Repository, name: str) -> list[tuple[str, RefValue | None]]:
    """The refs of the tract *name* when it was last deleted; SessionError if that is not kept."""
    prefix = tract_prefix(name)
    for operation in _deletions(repo, prefix):
        found = [(split_tract(change.name), change.old) for change in operation.changes]
        return [(local, old) for (start, local), old in found if start == prefix]
    raise SessionError(f"no deleted tract named '{name}' is kept")


def _deletions(repo: Repository, prefix: str) -> Iterator[Operation]:
    """Yield the operations that deleted the tract, newest first."""
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
    """The prefix for a new tract *name*; SessionError if it exists."""
    prefix = tract_prefix(name)
    if tx.repo.refs.read(prefix + HEAD) is not None:
        raise SessionError(f"tract '{name}' exists already")
    return prefix


def _put(tx: Transaction, prefix: str, refs: Sequence[tuple[str, RefValue]]) -> None:
    tx.edits += [RefEdit(prefix + ref, value, None) for ref, value in refs]


def own_settings(repo: Repository, prefix: str) -> TractConfig | None:
    """The settings that a tract has of its own; None if it uses the root tract's."""
    if repo.path is None:
        saved = repo.states.get(prefix + CONFIG_FILE)
        return None if saved is None else from_table(parse_json(saved.decode()))
    with suppress(FileNotFoundError, NotADirectoryError):
        return read_config(os.path.join(repo.path, ref_path(prefix), CONFIG_FILE)) if prefix else None
    return None


def settings_in(repo: Repository) -> TractConfig:
    """The settings of the tract of *repo*: its own, else the root tract's, which *repo* has."""
    return own_settings(repo, repo.prefix) or repo.config


def change_settings(repo: Repository, prefix: str, config: TractConfig) -> None:
    """Change the settings of an existing tract; in a store in memory those of the root tract stay."""
    if repo.path is not None:
        write_config(os.path.join(make_tract_folder(repo.path, prefix), CONFIG_FILE), config)
    elif prefix:
        repo.states[prefix + CONFIG_FILE] = compact_json(to_table(config)).encode()


def write_settings(repo: Repository, prefix: str, config: TractConfig | None) -> None:
    """Write the settings of a new tract, and remove what a deleted tract of the same name left."""
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
