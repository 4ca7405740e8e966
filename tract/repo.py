"""A repository: objects, refs and settings, as one small value that every operation is a function of.

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
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from blake3 import blake3

from tract.config import TractConfig, from_table, to_table
from tract.errors import (
    BlobNotFoundError,
    ConfigError,
    FormatVersionError,
    HistoryCutError,
    NotARepositoryError,
    ObjectCorruptError,
    SessionError,
    StorageError,
)
from tract.objects.id import ObjectId
from tract.objects.model import Commit, Node, RefValue, read_blob, read_commit, read_node
from tract.refs.files import RefFiles, make_tract_folder
from tract.refs.names import HEAD, ROOT, branch_ref, ref_path, tract_prefix
from tract.refs.operations import OperationRefs, first_operation, now
from tract.refs.store import RefEdit, RefStore
from tract.storage import files
from tract.storage.database import Database, create_database
from tract.storage.memory import MemoryStore
from tract.storage.shallow import UNTOLD, Shallow
from tract.storage.store import Durability, ObjectStore

if TYPE_CHECKING:
    from tract.storage.key_index import KeyIndex

FOLDER = ".tract"
FORMAT_VERSION = "2"
_BUILDING = f"{FOLDER}.new-"
_ABANDONED_AFTER = 3600.0
"""Seconds; a store is made in milliseconds."""

_LONGEST_CONFIG = 64 * 1024
_LONGEST_LINE = 4096
_CONFIG_HEADER = b"# The settings of this tract; docs/format.md lists them.\n"
_CONFIG_CHECK = b"# check "
_CONFIG_DIGITS = 16

_COMMITS_KEPT = 8192
_NODES_KEPT = 16384
_T = TypeVar("_T")


class DecodedObjects:
    """Commits and tree nodes already decoded; an id names one value for ever, so nothing here can go stale."""

    __slots__ = ("commits", "nodes")

    def __init__(self) -> None:
        self.commits: dict[ObjectId, Commit] = {}
        self.nodes: dict[ObjectId, Node] = {}


def _keep(cache: dict[ObjectId, _T], id: ObjectId, value: _T, limit: int) -> _T:
    if len(cache) >= limit:
        # Many at once: a dict looks for its first key by passing over all that were deleted before it.
        for old in list(islice(cache, limit // 16)):
            cache.pop(old, None)
    cache[id] = value
    return value


@dataclass(frozen=True, slots=True)
class Repository:
    """An open store, seen from one of its tracts.

    *path* is the ``.tract`` folder, None in memory; *prefix* is ``""`` for the root tract and ``tracts/<name>/`` for another.
    *branch* is the ref of a branch that this repository is on whatever HEAD says, None where HEAD says it.
    *replaced* are commits whose ids a batch gave out and that landed under other ids, by the first.
    """

    objects: ObjectStore
    refs: RefStore
    config: TractConfig
    path: str | None
    tract: str = ROOT
    prefix: str = ""
    author: str = "unknown"
    clock: Callable[[], int] = now
    decoded: DecodedObjects | None = None
    branch: str | None = None
    replaced: dict[ObjectId, ObjectId] = field(default_factory=dict)
    states: dict[str, bytes] = field(default_factory=dict)  # what a store in memory has instead of state files
    shallow: Shallow = field(default_factory=lambda: Shallow(None))
    key_indexes: dict[str, KeyIndex] = field(default_factory=dict)  # by the tract's prefix

    @property
    def keys(self) -> KeyIndex:
        """The index of this tract's keys."""
        from tract.storage.key_index import KeyIndex  # most programs use no keys

        found = self.key_indexes.get(self.prefix)
        if found is None:
            name = blake3(self.prefix.encode()).hexdigest()[:8]
            start = None if self.path is None else os.path.join(self.path, "cache", f"keys-{name}-")
            found = self.key_indexes[self.prefix] = KeyIndex(start)
        return found

    def commit(self, id: ObjectId) -> Commit:
        """The commit *id*; without its parents where its history was cut, and without a target that went with them."""
        cache = self._decoded.commits
        found = cache.get(id)
        if found is None:
            found = self._read_commit(id)
            if id in self.shallow.cuts:
                is_gone = found.target is not None and not self.objects.contains(found.target)
                found = found._replace(parents=(), target=None if is_gone else found.target)
            _keep(cache, id, found, _COMMITS_KEPT)
        return found

    def _read_commit(self, id: ObjectId) -> Commit:
        try:
            return read_commit(id, self.objects.read(id))
        except BlobNotFoundError:
            # Nobody asks for a commit that nothing names, and of what gc cut 'shallow' keeps everybody away.
            raise BlobNotFoundError(id.hex(), UNTOLD) from None

    def check_whole(self, id: ObjectId, failed: str = "") -> None:
        """HistoryCutError when gc cut not only what was before the commit *id*, but its context too; *failed* is what that prevents."""
        cut = self.shallow.cuts.get(id)
        if cut is not None and cut.grade == "all":
            raise HistoryCutError(id.hex(), cut.date, failed or "only a commit's message is kept, not its context")

    def check_history(self, id: ObjectId, failed: str = "") -> None:
        """HistoryCutError when the parents of commit *id* were cut: what it did cannot be told any more; *failed* is what that prevents."""
        cut = self.shallow.cuts.get(id)
        if cut is not None:
            raise HistoryCutError(id.hex(), cut.date, failed)

    def look_at_shallow(self) -> None:
        """Learn what gc cut since; costs a look at one name."""
        for id in self.shallow.reload():
            self._decoded.commits.pop(id, None)

    def node(self, id: ObjectId) -> Node:
        """The tree node *id*."""
        cache = self._decoded.nodes
        found = cache.get(id)
        if found is None:
            found = _keep(cache, id, read_node(id, self.objects.read(id)), _NODES_KEPT)
        return found

    def nodes(self, ids: Sequence[ObjectId]) -> list[Node]:
        """The tree nodes with those ids, in their order; read together."""
        cache = self._decoded.nodes
        found = {id: cache.get(id) for id in ids}
        missing = [id for id, node in found.items() if node is None]
        for id, read in zip(missing, self.objects.nodes(missing), strict=True):
            found[id] = _keep(cache, id, read, _NODES_KEPT)
        return [node for id in ids if (node := found[id]) is not None]

    def blob(self, id: ObjectId) -> Any:
        """The value of the blob *id*."""
        return read_blob(id, self.objects.read(id))

    def keep_commit(self, id: ObjectId, commit: Commit) -> None:
        """Remember a commit that was just made."""
        _keep(self._decoded.commits, id, commit, _COMMITS_KEPT)

    def keep_node(self, id: ObjectId, node: Node) -> None:
        """Remember a tree node that was just made."""
        _keep(self._decoded.nodes, id, node, _NODES_KEPT)

    @property
    def folder(self) -> str:
        """The folder of this tract, with its refs, settings and states; only of a store on the disk."""
        assert self.path is not None
        return os.path.join(self.path, ref_path(self.prefix))

    @property
    def _decoded(self) -> DecodedObjects:
        assert self.decoded is not None
        return self.decoded

    def ref(self, name: str) -> RefValue | None:
        """What the ref *name* of this tract holds."""
        return self.refs.read(self.prefix + name)

    def head(self) -> tuple[str | None, ObjectId | None]:
        """The ref HEAD is on (None where it is detached) and the commit it is at (None where there is none yet)."""
        value = self.branch or self.ref(HEAD)
        if isinstance(value, bytes):
            return None, value
        if value is None:
            raise ObjectCorruptError(self.prefix + HEAD, "there is no such ref")
        tip = self.ref(value)
        if isinstance(tip, str):
            raise ObjectCorruptError(self.prefix + value, "a branch must not be symbolic")
        return value, tip

    def local_refs(self, prefix: str = "") -> tuple[tuple[str, RefValue], ...]:
        """This tract's refs under *prefix*, named without the tract's own prefix."""
        cut = len(self.prefix)
        return tuple((name[cut:], value) for name, value in self.refs.list(self.prefix + prefix))

    def close(self) -> None:
        self.refs.close()
        self.objects.close()


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
    """The store that a user's *path* means: a path that ends in ``.tract`` is it, any other folder holds it."""
    absolute = os.path.abspath(path)
    return absolute if os.path.basename(absolute) == FOLDER else os.path.join(absolute, FOLDER)


def create_repository(path: str, config: TractConfig) -> None:
    """Lay out a new store at *path* (a folder ``.tract``), whole or not at all.

    Everything is built beside it and renamed into place, so a crash leaves no half-made store.
    What it leaves is removed by the next that makes a store there, an hour later or more.
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
    """Everything a new store has, in the folder *building*."""
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


def format_text(id: str | None = None) -> bytes:
    """What a format file says, for the repository *id*; None makes a new one."""
    line = f"tract {FORMAT_VERSION}\n{id or os.urandom(16).hex()}\n"
    return f"{line}{blake3(line.encode()).hexdigest()[:16]}\n".encode()


def read_format(path: str) -> str:
    """The repository id in the format file of the store *path*.

    NotARepositoryError when there is none, FormatVersionError when another version wrote it.
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
    safe_directories: tuple[str, ...] = (),
    create_tract: bool = True,
) -> Repository:
    """The store at *path*, which must exist; the settings that *config* was given take the place of the saved ones, and *author* is who commits instead of who the settings say.

    A *tract* that is not there is made, or without *create_tract* a SessionError.
    *safe_directories* are stores to open although another user owns them.
    """
    if durability not in ("full", "process"):
        raise ConfigError(f"durability must be 'full' or 'process', not {durability!r}")
    if not files.is_there(path):
        raise NotARepositoryError(f"'{path}' does not exist")
    files.check_tree(path, safe_directories)
    for name in ("objects", "objects/pack", "locks", "refs", "tracts", "cache"):
        files.check_directory(os.path.join(path, name))
    read_format(path)
    prefix = tract_prefix(tract or ROOT)
    settings = _load_config(path, prefix, config)
    store = Database(os.path.join(path, "objects"), os.path.join(path, "locks"), durability)
    try:
        author = _checked_author(author) if author else author_name(settings)
        mirror = RefFiles(path, durability)
        refs = OperationRefs(store, actor=author, mirror=mirror)
        if store.is_torn:
            _hear_witnesses(store, refs, mirror)
        store.before_clearing = lambda: _hear_witnesses(store, refs, mirror)
        shallow = Shallow(path)
        repo = Repository(
            store, refs, settings, path, tract or ROOT, prefix, author, now, DecodedObjects(), shallow=shallow
        )
        repo.look_at_shallow()
        store.after_replacing = repo.look_at_shallow  # whatever drops objects begins a new journal first
        if not create_tract and repo.ref(HEAD) is None:
            raise SessionError(f"there is no tract named '{repo.tract}' in '{path}'")
        _check_last_state(repo, mirror)
        _create_head(repo)
    except BaseException:
        store.close()
        raise
    return repo


def memory_repository(*, tract: str | None = None, config: TractConfig | None = None) -> Repository:
    """A new store in memory."""
    settings = config or TractConfig()
    store = MemoryStore()
    author = author_name(settings)
    head = ((HEAD, branch_ref(settings.default_branch)),)
    store.append((), first_operation(head, actor=author), keyframe=True)
    refs = OperationRefs(store, actor=author)
    repo = Repository(
        store, refs, settings, None, tract or ROOT, tract_prefix(tract or ROOT), author, now, DecodedObjects()
    )
    _create_head(repo)
    return repo


def _create_head(repo: Repository) -> None:
    """Give a tract that is new its HEAD."""
    if repo.ref(HEAD) is not None:
        return
    with repo.refs.lock():
        repo.refs.refresh()
        if repo.ref(HEAD) is None:  # nor has another process that opens the same tract made one
            edit = RefEdit(repo.prefix + HEAD, branch_ref(repo.config.default_branch), None)
            repo.refs.update([edit], reason=f"init: tract {repo.tract}")


def _check_last_state(repo: Repository, mirror: RefFiles) -> None:
    """Compare HEAD's and its branch's file with the operations: an acknowledged one may be missing.

    A file that is only behind is left for the next writer, for whoever opens a store may only want to read it.
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
    """Raise when what looks like the torn end of a write was acknowledged: a synced ref file knows of it."""
    refs.refresh()
    mirror.check_against(store)
    mirror.check_held(refs, list(mirror.names()))


def _checked_author(author: str) -> str:
    if not author.isprintable():
        raise ConfigError(f"author must be printable text, not {author!r}")
    return author


def author_name(config: TractConfig) -> str:
    """Who commits: what the settings say, else the login name of the user."""
    if config.author:
        return config.author
    import pwd  # absent outside Unix, and needed only here

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"


def _load_config(path: str, prefix: str, given: TractConfig | None) -> TractConfig:
    """The settings of a tract: its own, else the root tract's; those that were given take the place of saved ones, and are saved."""
    own = os.path.join(path, ref_path(prefix), "config.toml")
    saved = _saved_config(path, own)
    if given is None:
        return saved
    settings = saved.changed(given)
    if not os.path.exists(own) or to_table(saved) != to_table(settings):
        if prefix and not os.path.isdir(os.path.dirname(own)):
            make_tract_folder(path, prefix)
        write_config(own, settings)
    return settings


def _saved_config(path: str, own: str) -> TractConfig:
    root = os.path.join(path, "config.toml")
    with suppress(FileNotFoundError, NotADirectoryError):  # and nothing else: settings are never guessed
        return read_config(own)
    try:
        return read_config(root)
    except FileNotFoundError:
        raise ConfigError(f"'{root}' is missing") from None


def write_config(path: str, config: TractConfig) -> None:
    """Put the settings at *path*."""
    import json  # a JSON string is a TOML string

    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in to_table(config).items()]
    files.write_file(path, sign_config(_CONFIG_HEADER + "".join(lines).encode()), sync=True)


def sign_config(body: bytes) -> bytes:
    """The bytes of a settings file, with the check line that it ends with."""
    return body + _CONFIG_CHECK + blake3(body).hexdigest()[:_CONFIG_DIGITS].encode() + b"\n"


def is_signed(data: bytes) -> bool:
    """Whether the last line of a settings file is the check of those before it; it is not where the file was edited by hand."""
    return data == sign_config(data[: data.rfind(_CONFIG_CHECK)])


def _is_cut(data: bytes) -> bool:
    """Whether a settings file that tract wrote lacks its end.

    People edit the file, so its check line may be wrong, or stand anywhere; but where tract's first line is, one is there.
    """
    if _CONFIG_HEADER not in data and not _CONFIG_HEADER.startswith(data):
        return False  # somebody wrote all of it
    ends = (line.removeprefix(_CONFIG_CHECK) for line in data.split(b"\n") if line.startswith(_CONFIG_CHECK))
    return all(len(end.rstrip()) != _CONFIG_DIGITS for end in ends)


def read_config(path: str) -> TractConfig:
    """The settings in a file; ConfigError when they make no sense, or the file is cut off."""
    data = files.read_file(path, _LONGEST_CONFIG + 1)
    # What tomllib does with a dotted key grows with the square of its length.
    if len(data) > _LONGEST_CONFIG or max(map(len, data.split(b"\n"))) > _LONGEST_LINE:
        raise ConfigError(f"'{path}': more than {_LONGEST_CONFIG} bytes, or {_LONGEST_LINE} in a line")
    if _is_cut(data):
        raise ConfigError(f"'{path}': it is cut off: its check line is missing")
    if not any(line and line[:1] != b"#" for line in data.split(b"\n")):
        return TractConfig()  # nothing but comments: the usual case, and tomllib takes 10 ms to load
    import tomllib

    try:
        return from_table(tomllib.loads(data.decode()))
    except (ValueError, RecursionError, ConfigError) as exc:
        raise ConfigError(f"'{path}': {exc}") from exc
