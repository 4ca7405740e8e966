"""Finding, making and opening stores.

<folder>/.tract/
  format          "tract 2", repository id, check
  config.toml
  HEAD refs/…     ref files
  tracts/<name>/  HEAD and refs of another tract
  objects/        journal, packs, loose objects
  locks/
  state/          what commands of several steps have done so far
  shallow         commits whose history was cut on purpose
  cache/          derived; may be deleted at any time
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from blake3 import blake3

from tract.annotations import Any
from tract.config import TractConfig, from_table, to_table
from tract.errors import (
    ConfigError,
    FormatVersionError,
    NotARepositoryError,
    ObjectCorruptError,
    SessionError,
    StorageError,
)
from tract.objects.model import NewObject, Operation, RefChange, RefValue, new_operation
from tract.refs.names import HEAD, ROOT, branch_ref, tract_prefix
from tract.refs.operations import OperationRefs, now
from tract.refs.ref_files import RefFiles
from tract.refs.store import RefStore
from tract.repo import DecodedObjects, Repository
from tract.settings import load_config, write_config
from tract.storage import files
from tract.storage.database import Database, create_database
from tract.storage.shallow import Shallow
from tract.storage.store import Durability

FOLDER = ".tract"
FORMAT_VERSION = "2"
_BUILDING = f"{FOLDER}.new-"
_ABANDONED_AFTER = 3600.0
"""Remains of a store's making are removed after this many seconds; making one takes milliseconds."""


def find_repository(start: str) -> str | None:
    """The nearest store at or above the folder *start*, or None."""
    folder = os.path.abspath(start)
    while True:
        candidate = os.path.join(folder, FOLDER)
        if files.is_there(candidate):
            return candidate  # a store or not: what is in its place must not be passed over for one further up
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def store_path(path: str) -> str:
    """The store for a user's *path*: the path itself if it ends in ``.tract``, else the store in that folder."""
    absolute = os.path.abspath(path)
    return absolute if os.path.basename(absolute) == FOLDER else os.path.join(absolute, FOLDER)


def create_repository(path: str, config: TractConfig) -> None:
    """Make a new store at *path* (a folder ``.tract``), whole or not at all.

    It is built beside its place and renamed into it, so a crash leaves no half-made store.
    The remains of a crash are removed by the next process that makes a store there, an hour later or more.
    """
    parent = os.path.dirname(path)
    made = not files.is_there(parent)
    try:
        files.make_directories(parent)
    except (FileExistsError, NotADirectoryError):
        raise NotARepositoryError(f"'{parent}' is not a folder") from None
    files.remove_abandoned(parent, _BUILDING, _ABANDONED_AFTER)
    building = os.path.join(parent, _BUILDING + os.urandom(6).hex())
    try:
        _lay_out(building, config)
        files.rename(building, path)
    except BaseException as exc:
        files.remove_tree(building)
        if made:
            files.remove_empty(parent)
        if isinstance(exc, OSError):
            if os.path.isdir(path):
                return  # another process made it first
            raise StorageError(f"cannot create '{path}': {exc.strerror}") from exc
        raise
    files.sync_directory(os.path.realpath(parent))


def _lay_out(building: str, config: TractConfig) -> None:
    """Write everything of a new store into the folder *building*."""
    files.make_directory(building)
    head = ((HEAD, branch_ref(config.default_branch)),)
    create_database(os.path.join(building, "objects"), first_operation(head, actor=author_name(config)))
    for name in ("locks", "cache", "refs", "refs/heads", "refs/tags", "refs/notes"):
        files.make_directory(os.path.join(building, name))
    for name in ("locks/journal", "locks/gc"):
        files.write_file(os.path.join(building, name), b"", sync=False)
    RefFiles(building, "full").write_first(head)
    write_config(os.path.join(building, "config.toml"), config)
    files.write_file(os.path.join(building, "format"), format_text(), sync=True)


def first_operation(refs: Sequence[tuple[str, RefValue]], *, actor: str) -> NewObject:
    """The keyframe a new store begins with."""
    changes = tuple(RefChange(name, None, value) for name, value in refs)
    return new_operation(Operation(None, now(), actor, "init", changes=changes, refs=tuple(refs)))


def format_text(id: str | None = None) -> bytes:
    """The content of a format file, for the repository *id*; None makes a new one."""
    line = f"tract {FORMAT_VERSION}\n{id or os.urandom(16).hex()}\n"
    return f"{line}{blake3(line.encode()).hexdigest()[:16]}\n".encode()


def read_format(path: str) -> str:
    """The repository id in the format file of the store *path*.

    NotARepositoryError if there is none, FormatVersionError if another version wrote it.
    """
    name = os.path.join(path, "format")
    try:
        data = files.read_file(name, 4096)
    except (FileNotFoundError, NotADirectoryError):
        raise NotARepositoryError(f"'{path}' is not a tract store: it has no format file") from None
    lines = data.decode("utf-8", "replace").split("\n")
    if not lines[0].startswith("tract ") or len(lines) < 3:
        raise ObjectCorruptError(name, "it does not begin with 'tract'", 0)
    version = lines[0].removeprefix("tract ")
    body = "".join(line + "\n" for line in lines[:2])
    whole = data == f"{body}{blake3(body.encode()).hexdigest()[:16]}\n".encode()
    if version != FORMAT_VERSION and (whole or version.isdigit()):
        raise FormatVersionError(path, version, FORMAT_VERSION)
    if not whole:
        raise ObjectCorruptError(name, "it does not match its checksum", len(body))
    return lines[1]


def open_repository(
    path: str,
    *,
    tract: str | None = None,
    config: TractConfig | None = None,
    durability: Durability = "full",
    author: str | None = None,
    settings: Mapping[str, Any] | None = None,
    safe_directories: tuple[str, ...] = (),
    create_tract: bool = True,
    read_only: bool = False,
) -> Repository:
    """The existing store at *path*. Settings given in *config* replace the stored ones; *author* is the author of commits instead of the one in the settings.

    A *tract* that does not exist is created, or without *create_tract* is a SessionError.
    *settings*, as in config.toml, hold while the store is open, and are not saved.
    *safe_directories* are stores to open although another user owns them.
    With *read_only* nothing is written, neither now nor later: a tract that does not exist is a SessionError, and *config* is not saved.
    """
    if durability not in ("full", "process"):
        raise ConfigError(f"durability must be 'full' or 'process', not {durability!r}")
    _check_store(path, safe_directories)
    prefix = tract_prefix(tract or ROOT)
    known = load_config(path, prefix, config, save=not read_only)
    if settings:
        known = from_table({**to_table(known), **settings})
    store = Database(os.path.join(path, "objects"), os.path.join(path, "locks"), durability, read_only=read_only)
    try:
        mirror = RefFiles(path, durability)
        repo = _repository_of(store, path, mirror, known, tract=tract or ROOT, author=author, read_only=read_only)
        if (read_only or not create_tract) and repo.ref(HEAD) is None:
            raise SessionError(f"there is no tract named '{repo.tract}' in '{path}'")
        _check_last_state(repo, mirror)
        _create_head(repo)
    except BaseException:
        store.close()
        raise
    return repo


def _repository_of(
    store: Database,
    path: str,
    mirror: RefFiles,
    config: TractConfig,
    *,
    tract: str,
    author: str | None,
    read_only: bool,
) -> Repository:
    """The tract of a store just opened; a torn end of its journal, if there is one, is checked against acknowledged writes."""
    actor = checked_author(author) if author else author_name(config)
    refs = OperationRefs(store, actor=actor, mirror=mirror)
    if store.is_torn:
        _hear_witnesses(store, refs, mirror)
    store.before_clearing = lambda: _hear_witnesses(store, refs, mirror)
    repo = Repository(
        store,
        refs,
        config=config,
        path=path,
        tract=tract,
        prefix=tract_prefix(tract),
        author=actor,
        is_author_given=bool(author),
        read_only=read_only,
        shallow=Shallow(path),
    )
    repo.look_at_shallow()
    store.after_replacing = repo.look_at_shallow  # whatever drops objects begins a new journal first
    return repo


def _check_store(path: str, safe_directories: tuple[str, ...]) -> None:
    """Refuse a folder that is not a store of this format, or that is not to be trusted."""
    if not files.is_there(path):
        raise NotARepositoryError(f"'{path}' does not exist")
    files.check_tree(path, safe_directories)
    for name in ("objects", "objects/pack", "locks", "refs", "tracts", "cache"):
        files.check_directory(os.path.join(path, name))
    read_format(path)


def memory_repository(*, tract: str | None = None, config: TractConfig | None = None) -> Repository:
    """A new store in memory."""
    settings = config or TractConfig()
    from tract.storage.memory import MemoryStore  # a store on the disk needs none

    store = MemoryStore()
    author = author_name(settings)
    head = ((HEAD, branch_ref(settings.default_branch)),)
    store.append((), first_operation(head, actor=author), keyframe=True)
    refs = OperationRefs(store, actor=author)
    repo = Repository(
        store,
        refs,
        config=settings,
        path=None,
        tract=tract or ROOT,
        prefix=tract_prefix(tract or ROOT),
        author=author,
        clock=now,
        decoded=DecodedObjects(),
    )
    _create_head(repo)
    return repo


def _create_head(repo: Repository) -> None:
    """Give a new tract its HEAD."""
    if repo.ref(HEAD) is not None:
        return
    from tract.transaction import transaction  # most tracts that are opened are there

    with transaction(repo, f"init: tract {repo.tract}", moves="refs") as tx:
        if tx.ref(HEAD) is None:  # nor has another process that opens the same tract made one
            tx.move(HEAD, branch_ref(repo.config.default_branch), None)


def _check_last_state(repo: Repository, mirror: RefFiles) -> None:
    """Compare the files of HEAD and its branch with the operations: an acknowledged operation may be missing.

    A file that is only behind is left for the next writer, because the opener may only want to read.
    """
    names = [repo.prefix + HEAD]
    value = repo.refs.read(names[0])
    if isinstance(value, str):
        names.append(repo.prefix + value)
    for name in names:
        found = mirror.read(name)
        if (found[0] if found is not None else None) != repo.refs.read(name):
            mirror.check_against(repo.objects, [name])
            mirror.check_held(repo.refs, [name])


def _hear_witnesses(store: Database, refs: RefStore, mirror: RefFiles) -> None:
    """Raise if the apparent torn end of a write was acknowledged: a synced ref file proves it."""
    refs.refresh()
    mirror.check_against(store)
    mirror.check_held(refs, list(mirror.names()))


def checked_author(author: str) -> str:
    """*author*; ConfigError if it cannot be an author's name."""
    if not isinstance(author, str) or not author.strip() or not author.isprintable():
        raise ConfigError(f"author must be printable text, not {author!r}")
    return author


def author_name(config: TractConfig) -> str:
    """The author of commits: from the settings, else the user's login name."""
    if config.author:
        return config.author
    import pwd  # absent outside Unix, and needed only here

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"
