"""A store as a stream of JSON lines, from which ``fast_import`` makes the same objects and refs.

    {"stream": "tract 2", "objects": <number>, "refs": <number>, "cuts": <number>}
    {"cut": <id>, "grade": "parents" | "all", "day": <date>}     a line of ``shallow``, for a commit of the stream
    {"type": "commit", "id": <id>, …}                            as tract/objects/document.py says; a commit after its parents
    {"ref": <name>, "value": <value>}                            in order of name
    {"operations": <id>}                                         the last operation, if operations are in the stream
    {"end": <check>}                                             the first 32 hexadecimal digits of the BLAKE3 of all lines before

Every object is read once, when it is written; memory holds only ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from blake3 import blake3

from tract.errors import BlobNotFoundError
from tract.named_tuple import NamedTuple
from tract.objects.document import document_of
from tract.objects.id import Kind, ObjectId
from tract.objects.json import ascii_json
from tract.objects.message_format import JSON
from tract.objects.model import RefValue, named_by, shown
from tract.objects.strict_reader import read_operation
from tract.refs.names import HEAD
from tract.repo import Repository
from tract.revision import find_ref, resolve_range
from tract.storage.shallow import Cut, kept_part
from tract.tree import node_of_level

STREAM = "tract 2"
CHECK_DIGITS = 32
_PIECE = 64 * 1024

Progress = Callable[[int, int], None]
"""Called with the number done and the total."""


class ExportPlan(NamedTuple):
    """The content of a stream, in order; *last* is the newest operation, None if operations are left out, and *cuts* are the lines of ``shallow``."""

    objects: tuple[ObjectId, ...]
    refs: tuple[tuple[str, RefValue], ...]
    last: ObjectId | None = None
    cuts: tuple[tuple[ObjectId, Cut], ...] = ()


def plan_store_export(repo: Repository, *, operations: bool = False) -> ExportPlan:
    """Plan to export everything: the refs of all tracts, what they reach, and unreachable objects that are whole; operations if asked for."""
    repo.refs.refresh()
    refs = repo.refs.list()
    last = repo.refs.last if operations else None
    order = _Order(repo)
    order.add_commits(value for _, value in refs if isinstance(value, bytes))
    order.add_rest()
    objects = [*order.objects, *(_operations(repo) if operations else ())]
    return ExportPlan(tuple(objects), refs, last, order.cuts(objects))


def plan_revision_export(repo: Repository, revisions: Sequence[str]) -> ExportPlan:
    """Plan to export what *revisions* (``x``, ``x..y``, ``^x``) reach, and the refs they name."""
    repo.refs.refresh()
    starts: list[ObjectId] = []
    hidden: list[ObjectId] = []
    refs: dict[str, RefValue] = {}
    for text in revisions:
        wanted, left_out = resolve_range(repo, text)
        if left_out is not None:
            hidden.append(left_out)
        if wanted is not None:
            starts.append(wanted)
            refs.update(_named_ref(repo, text.rpartition("..")[2] or HEAD))
    before = _Order(repo)
    before.add_commits(hidden)
    order = _Order(repo, set(before.objects))
    order.add_commits(starts)
    return ExportPlan(tuple(order.objects), tuple(sorted(refs.items())), None, order.cuts(order.objects))


def _named_ref(repo: Repository, name: str) -> dict[str, RefValue]:
    """The ref that *name* stands for, with its value; HEAD stands for its branch."""
    ref = find_ref(repo, HEAD if name == "@" else name)
    if ref == HEAD:
        ref = repo.head()[0]
    value = repo.ref(ref) if ref is not None else None
    return {} if ref is None or value is None else {repo.prefix + ref: value}


def _operations(repo: Repository) -> list[ObjectId]:
    """Every operation, oldest first, each after the chunks of refs that it names."""
    found: dict[ObjectId, None] = {}
    for id in list(dict.fromkeys(id for id, _ in repo.refs.history()))[::-1]:
        operation = read_operation(id, repo.objects.read(id))
        found.update(dict.fromkeys((*operation.chunks, id)))
    return list(found)


class _Order:
    """Objects in the order of the stream: the oldest commits first, each after what it holds."""

    def __init__(self, repo: Repository, seen: set[ObjectId] | None = None) -> None:
        self._repo = repo
        self._seen = seen if seen is not None else set()
        self.objects: list[ObjectId] = []

    def add_commits(self, roots: Iterable[ObjectId]) -> None:
        """Add everything that *roots* reach: parents, targets, and the commits whose messages are in a context."""
        found: list[tuple[int, int, ObjectId]] = []
        met: set[ObjectId] = set()
        stack = list(roots)
        while stack:
            id = stack.pop()
            if id in self._seen or id in met:
                continue
            met.add(id)
            commit = kept_part(self._repo.commit(id), self._repo.shallow.cuts.get(id))
            found.append((commit.generation, commit.time, id))
            for named, kind, role in named_by(commit):
                if kind == "tree":
                    stack.extend(self._entries_under(named, met))
                elif kind == "commit" and role != "noted":
                    stack.append(named)
        for _, _, id in sorted(found):
            commit = kept_part(self._repo.commit(id), self._repo.shallow.cuts.get(id))
            for named, kind, _ in named_by(commit):
                if kind == "tree":
                    self.add_tree(named)
                elif kind == "blob":
                    self._add(named)
            self._add(id)

    def cuts(self, ids: Iterable[ObjectId]) -> tuple[tuple[ObjectId, Cut], ...]:
        """The cuts of the commits among *ids*."""
        known = self._repo.shallow.cuts
        return tuple(sorted((id, known[id]) for id in known.keys() & set(ids))) if known else ()

    def _entries_under(self, id: ObjectId, met: set[ObjectId]) -> Iterator[ObjectId]:
        """Yield the commits that a node, and the nodes under it that were not visited, need."""
        if id in self._seen or id in met:
            return
        met.add(id)
        node = self._repo.node(id)
        for named, kind, role in named_by(node):
            if kind == "tree":
                node_of_level(self._repo, named, node.level - 1)
                yield from self._entries_under(named, met)
            elif kind == "commit" and role != "noted":
                yield named

    def add_tree(self, id: ObjectId) -> None:
        """Add a node after the blobs and nodes under it, without the commits of its entries."""
        if id in self._seen:
            return
        node = self._repo.node(id)
        for named, kind, _ in named_by(node):
            if kind == "tree":
                node_of_level(self._repo, named, node.level - 1)
                self.add_tree(named)
            elif kind == "blob":
                self._add(named)
        self._add(id)

    def _add(self, *ids: ObjectId) -> None:
        for id in ids:
            if id not in self._seen:
                self._seen.add(id)
                self.objects.append(id)

    def add_rest(self) -> None:
        """Add objects that no ref reaches; commits and trees only if everything they hold is there."""
        rest: dict[Kind, list[ObjectId]] = {"blob": [], "tree": [], "commit": [], "operation": []}
        for id, kind in self._repo.objects.ids():
            if id not in self._seen:
                rest[kind].append(id)
        generations = {id: self._repo.commit(id).generation for id in rest["commit"]}
        for id in sorted(rest["commit"], key=lambda id: (-generations[id], id)):
            self._add_if_whole(id, "commit")
        for id in sorted(rest["tree"]):
            self._add_if_whole(id, "tree")
        self._add(*sorted(rest["blob"]))

    def _add_if_whole(self, id: ObjectId, kind: Kind) -> None:
        order = _Order(self._repo, self._seen)
        try:
            if kind == "commit":
                order.add_commits([id])
            else:
                order.add_commits(list(self._entries_under(id, set())))
                order.add_tree(id)
            missing = any(not self._repo.objects.contains(one) for one in order.objects)
        except BlobNotFoundError:
            missing = True
        if missing:
            self._seen.difference_update(order.objects)
        else:
            self.objects.extend(order.objects)


def write_stream(
    repo: Repository, plan: ExportPlan, write: Callable[[bytes], object], progress: Progress | None = None
) -> None:
    """Write the stream of *plan*, in pieces of 64 KiB or one object; a stream without its last line is incomplete."""
    check = blake3()
    pending = bytearray()

    def put(document: JSON) -> None:
        data = f"{ascii_json(document)}\n".encode()
        check.update(data)
        pending.extend(data)
        if len(pending) >= _PIECE:
            write(bytes(pending))
            pending.clear()

    put({"stream": STREAM, "objects": len(plan.objects), "refs": len(plan.refs), "cuts": len(plan.cuts)})
    for id, cut in plan.cuts:
        put({"cut": id.hex(), "grade": cut.grade, "day": cut.date})
    for done, id in enumerate(plan.objects):
        put(document_of(id, repo.objects.read(id)))
        if progress is not None:
            progress(done, len(plan.objects))
    for name, value in plan.refs:
        put({"ref": name, "value": shown(value)})
    if plan.last is not None:
        put({"operations": plan.last.hex()})
    end = ascii_json({"end": check.hexdigest()[:CHECK_DIGITS]})
    write(bytes(pending) + f"{end}\n".encode())
