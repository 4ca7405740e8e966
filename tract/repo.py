"""A repository: objects, refs and settings, as one small value that every operation is a function of."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

from blake3 import blake3

from tract.annotations import TYPE_CHECKING, Any, TypeVar
from tract.config import TractConfig
from tract.dataclass import KW_ONLY, dataclass, field
from tract.errors import (
    BlobNotFoundError,
    HistoryCutError,
    ObjectCorruptError,
    SessionError,
)
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, Node, Outline, RefValue, borrows_context, with_context_of
from tract.objects.strict_reader import decode_blob, read_blob, read_commit, read_node
from tract.refs.names import HEAD, ROOT, ref_path
from tract.refs.operations import now
from tract.refs.store import RefStore
from tract.storage.shallow import UNTOLD, Cut, Shallow, write_shallow
from tract.storage.store import ObjectStore

if TYPE_CHECKING:
    from tract.storage.key_index import KeyIndex

_COMMITS_KEPT = 8192
_NODES_KEPT = 16384
_T = TypeVar("_T")

_REPLACED: dict[ObjectId, ObjectId] = {}
_MOST_REPLACED = 65536


class DecodedObjects:
    """Commits and tree nodes already decoded; an id names one value for ever, so nothing here can be stale."""

    __slots__ = ("commits", "nodes", "outlines")

    def __init__(self) -> None:
        self.commits: dict[ObjectId, Commit] = {}
        self.nodes: dict[ObjectId, Node] = {}
        self.outlines: dict[ObjectId, Outline] = {}

    def forget(self, ids: Iterable[ObjectId]) -> None:
        """Drop these ids: their values change (a cut), or they are gone."""
        for id in ids:
            self.commits.pop(id, None)
            self.nodes.pop(id, None)
            self.outlines.pop(id, None)


def _keep(cache: dict[ObjectId, _T], id: ObjectId, value: _T, limit: int) -> _T:
    if len(cache) >= limit:
        # Many at once: a dict finds its first key by passing over all deleted ones before it.
        for old in list(islice(cache, limit // 16)):
            cache.pop(old, None)
    cache[id] = value
    return value


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Repository:
    """An open store, seen from one of its tracts.

    *path* is the ``.tract`` folder, None in memory; *prefix* is ``""`` for the root tract and ``tracts/<name>/`` for another.
    With *read_only* nothing is written: no object, ref, state or cache.
    *is_author_given* if the caller that opened the store gave the author; else the author comes from the settings of a tract.
    *branch* is the ref of a branch that this repository is on whatever HEAD says, None if HEAD decides.
    *replaced* maps commit ids that a batch of this process returned to the other ids under which they landed.
    *riders* are called with every transaction that is about to land: they may add notes to it, or prevent it by raising.
    *gates* has the gate that a transaction must pass before it lands, a remote that must have it first; none or one (``tract.transaction.Gate``).
    """

    objects: ObjectStore
    refs: RefStore
    _: KW_ONLY
    config: TractConfig
    path: str | None
    tract: str = ROOT
    prefix: str = ""
    author: str = "unknown"
    is_author_given: bool = False
    clock: Callable[[], int] = now
    decoded: DecodedObjects = field(default_factory=DecodedObjects)
    branch: str | None = None
    read_only: bool = False
    replaced: dict[ObjectId, ObjectId] = field(default_factory=lambda: _REPLACED, repr=False)
    riders: list[Callable[[Any], None]] = field(default_factory=list)
    gates: list[Any] = field(default_factory=list)
    states: dict[str, bytes] = field(default_factory=dict)  # what a store in memory has instead of state files
    shallow: Shallow = field(default_factory=lambda: Shallow(None))
    key_indexes: dict[str, KeyIndex] = field(default_factory=dict)  # by the tract's prefix
    remembered: dict[str, bytes] = field(default_factory=dict)  # what a store in memory remembers of remotes

    def __repr__(self) -> str:
        return f"Repository({self.path or ':memory:'!r}, tract={self.tract!r})"

    @property
    def place(self) -> str:
        """The identity of the store in this process: its folder, or a name of its own in memory."""
        return self.path if self.path is not None else f":memory:{id(self.refs)}"

    @property
    def keys(self) -> KeyIndex:
        """The index of this tract's keys."""
        found = self.key_indexes.get(self.prefix)
        if found is None:
            from tract.storage.key_index import KeyIndex  # most programs use no keys

            name = blake3(self.prefix.encode()).hexdigest()[:8]
            start = None if self.path is None else os.path.join(self.path, "cache", f"keys-{name}-")
            found = self.key_indexes[self.prefix] = KeyIndex(start, read_only=self.read_only)
        return found

    def commit(self, id: ObjectId) -> Commit:
        """The commit *id*; without its parents if its history was cut, and without a target that was cut with them."""
        cache = self.decoded.commits
        found = cache.get(id)
        if found is None:
            found = self._read_commit(id)
            if id in self.shallow.cuts:
                is_gone = found.target is not None and not self.objects.contains(found.target)
                found = found._replace(parents=(), target=None if is_gone else found.target)
            found = _keep(cache, id, self._whole(found), _COMMITS_KEPT)
        return found

    def _whole(self, commit: Commit) -> Commit:
        """The commit with its context, which a spawn may have borrowed; without recursion, however many spawns led to it."""
        if not borrows_context(commit):
            return commit
        lender = commit
        while borrows_context(lender):
            assert lender.target is not None
            id = lender.target
            lender = self._read_commit(id)
        return with_context_of(commit, id, lender)

    def outline(self, id: ObjectId) -> Outline:
        """The fields of commit *id* that a walk needs; for a walk through all commits, because commits that lie together are read at once."""
        cache = self.decoded.outlines
        found = cache.get(id)
        if found is None:
            if len(cache) > _COMMITS_KEPT:
                cache.clear()
            beside = self.objects.outlines_beside(id)
            for cut in self.shallow.cuts.keys() & beside.keys():
                beside[cut] = beside[cut]._replace(parents=())
            cache |= beside
            found = beside.get(id)
        if found is None:
            commit = self.commit(id)
            found = Outline(commit.operation, commit.parents, commit.content, commit.generation, commit.time)
            cache[id] = found
        return found

    def _read_commit(self, id: ObjectId) -> Commit:
        try:
            return read_commit(id, self.objects.read(id))
        except BlobNotFoundError:
            # No caller asks for a commit that nothing names, and 'shallow' hides the commits that gc cut.
            raise BlobNotFoundError(id.hex(), UNTOLD) from None

    def check_whole(self, id: ObjectId, failed: str = "") -> None:
        """HistoryCutError if gc cut not only the history before the commit *id*, but its context too; *failed* says what that prevents."""
        cut = self.shallow.cuts.get(id)
        if cut is not None and cut.grade == "all":
            raise HistoryCutError(id.hex(), cut.date, failed or "only a commit's message is kept, not its context")

    def check_history(self, id: ObjectId, failed: str = "") -> None:
        """HistoryCutError if the parents of commit *id* were cut, so that its changes are unknown; *failed* says what that prevents."""
        cut = self.shallow.cuts.get(id)
        if cut is not None:
            raise HistoryCutError(id.hex(), cut.date, failed)

    def landed_as(self, id: ObjectId) -> ObjectId:
        """The commit as which *id* landed, if a batch returned that id; else *id*."""
        landed = self.replaced.get(id)
        return id if landed is None or not self.objects.contains(landed) else landed

    def landed(self, replaced: Mapping[ObjectId, ObjectId]) -> None:
        """Remember the commits that landed under other ids."""
        self.replaced.update(replaced)
        for old in list(islice(self.replaced, max(0, len(self.replaced) - _MOST_REPLACED))):
            self.replaced.pop(old, None)

    def look_at_shallow(self) -> None:
        """Learn about cuts that gc made since; costs one ``stat``."""
        self.decoded.forget(self.shallow.reload())

    def put_cuts(self, cuts: Mapping[ObjectId, Cut]) -> None:
        """Write *cuts* to ``shallow``, before their objects are dropped or added. Only for the holder of the lock."""
        if cuts == self.shallow.cuts:
            return
        if self.path is None:
            self.decoded.forget(self.shallow.put(cuts))
        else:
            write_shallow(self.path, cuts)
            self.look_at_shallow()

    def take_cuts(self, cuts: Mapping[ObjectId, Cut], is_new: Callable[[ObjectId], bool]) -> None:
        """Write down the cuts of commits that are about to be added, before the objects land; a commit that the store has itself, for which *is_new* is false, stays as complete as it is."""
        self.look_at_shallow()
        self.put_cuts({**{id: cut for id, cut in cuts.items() if is_new(id)}, **self.shallow.cuts})

    def node(self, id: ObjectId) -> Node:
        """The tree node *id*."""
        cache = self.decoded.nodes
        found = cache.get(id)
        if found is None:
            found = _keep(cache, id, read_node(id, self.objects.read(id)), _NODES_KEPT)
        return found

    def nodes(self, ids: Sequence[ObjectId]) -> list[Node]:
        """The tree nodes with those ids, in their order; read together."""
        cache = self.decoded.nodes
        found = {id: cache.get(id) for id in ids}
        missing = [id for id, node in found.items() if node is None]
        for id, read in zip(missing, self.objects.nodes(missing), strict=True):
            found[id] = _keep(cache, id, read, _NODES_KEPT)
        return [node for id in ids if (node := found[id]) is not None]

    def blob(self, id: ObjectId) -> Any:
        """The value of the blob *id*."""
        return read_blob(id, self.objects.read(id))

    def map_in(self, commit: Commit) -> ObjectId | None:
        """The content of a commit, as its blob; None if it has none, or if an operation that this version does not know has raw bytes."""
        blob = commit.content
        if blob is None or commit.operation.is_known:
            return blob
        return None if isinstance(decode_blob(blob, self.objects.read(blob)), bytes) else blob

    def keep_commit(self, id: ObjectId, commit: Commit) -> None:
        """Remember a commit that was just made."""
        whole = self._whole(commit) if commit.operation is CommitOperation.SPAWN else commit
        _keep(self.decoded.commits, id, whole, _COMMITS_KEPT)

    def keep_node(self, id: ObjectId, node: Node) -> None:
        """Remember a tree node that was just made."""
        _keep(self.decoded.nodes, id, node, _NODES_KEPT)

    @property
    def folder(self) -> str:
        """The folder of this tract, with its refs, settings and states; only for a store on disk."""
        assert self.path is not None
        return os.path.join(self.path, ref_path(self.prefix))

    def ref(self, name: str) -> RefValue | None:
        """The value of the ref *name* of this tract."""
        return self.refs.read(self.prefix + name)

    def head(self) -> tuple[str | None, ObjectId | None]:
        """The ref HEAD is on (None if it is detached) and its commit (None if there is none yet)."""
        read, prefix = self.refs.read, self.prefix
        value = self.branch or read(prefix + HEAD)
        if isinstance(value, str):
            tip = read(prefix + value)
            if isinstance(tip, str):
                raise ObjectCorruptError(prefix + value, "a branch must not be symbolic")
            return value, tip
        if value is None and prefix:
            raise SessionError(f"there is no tract named '{self.tract}' any more")
        if value is None:
            raise ObjectCorruptError(HEAD, "there is no such ref")
        return None, value

    def local_refs(self, prefix: str = "") -> tuple[tuple[str, RefValue], ...]:
        """This tract's refs under *prefix*, named without the tract's own prefix."""
        cut = len(self.prefix)
        return tuple((name[cut:], value) for name, value in self.refs.list(self.prefix + prefix))

    def close(self) -> None:
        self.refs.close()
        self.objects.close()
