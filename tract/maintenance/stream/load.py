"""A stream of JSON lines, as ``fast_export`` writes it, back into objects and refs with the same ids.

Every object is proved by its id and by the shape of its type, and must need only what is in the stream or in the store.
Nothing is seen of a stream before all of it was read and found good: its objects wait in quarantine, and its refs move in one operation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import BinaryIO, NamedTuple, NoReturn

from blake3 import blake3

from tract.errors import BlobNotFoundError, RefNameError, StorageError, StreamError, TractError
from tract.history.moves import check_beside, check_is_for
from tract.maintenance.fsck.refs import replay
from tract.maintenance.stream.dump import CHECK_DIGITS, STREAM
from tract.objects.codec import MAX_SIZE
from tract.objects.document import object_of, ref_value
from tract.objects.id import Kind, ObjectId, parse_id
from tract.objects.json import parse_kept_json
from tract.objects.message_format import JSON
from tract.objects.model import (
    Commit,
    NewObject,
    Node,
    Object,
    Operation,
    RefChange,
    RefValue,
    named_by,
    new_operation,
    shown,
)
from tract.objects.strict_reader import read_commit, read_node, read_operation
from tract.refs.names import HEAD, HEADS, check_ref, split_tract
from tract.refs.ref_files import RefFiles
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.storage.database import Database
from tract.storage.quarantine import Quarantine
from tract.storage.shallow import Cut, kept_part, readable_cuts
from tract.transaction import wrong_content

# JSON is longer than what it says, by escapes; more than this says too much.
_LONGEST_LINE = 4 * MAX_SIZE
_MOST = 10**12

# So many kinds and generations are remembered; those of others are looked up.
_REMEMBERED = 200_000


class ImportResult(NamedTuple):
    """What a stream brought: *new* of its *objects* were not in the store, and *taken* of its *operations* are its own now: all or none."""

    objects: int
    new: int
    refs: int
    operations: int
    taken: int


Progress = Callable[[int, int], None]
"""Told how many objects are done and how many there are."""


def import_stream(
    repo: Repository, stream: BinaryIO, *, force: bool = False, progress: Progress | None = None
) -> ImportResult:
    """Bring all of *stream* into the store, or nothing of it.

    Objects first, refs last, in one operation; no gc can run meanwhile.
    StreamError names the line that cannot be imported; StorageError a ref that is elsewhere already, unless *force* moves it.
    Operations are taken over by a store that has no commit yet, and only by such a one.
    """
    store = repo.objects
    if not isinstance(store, Database):
        raise StorageError("a store in memory cannot take in a stream")
    with store.maintenance(), Quarantine(store.path) as quarantine:
        reader = _Reader(stream)
        count, ref_count, cuts = _read_head(reader)
        arrivals = _Arrivals(repo, store, quarantine, reader, cuts)
        for done in range(count):
            arrivals.take(reader.line())
            if progress is not None:
                progress(done + 1, count)
        refs = _read_refs(reader, arrivals, ref_count)
        last = _read_end(reader)
        arrivals.check_all_came()
        arrivals.check_history(last, refs)
        quarantine.finish()
        with store.lock():
            repo.refs.refresh()
            edits = _edits(repo, refs, force=force)
            _take_over_cuts(repo, cuts, arrivals)
            quarantine.land()
            taken = last is not None and _take_over(repo, store, last, refs)
            if not taken:
                repo.refs.update(edits, reason="fast-import")
    return ImportResult(count, arrivals.new, len(refs), arrivals.operations, arrivals.operations if taken else 0)


def _take_over_cuts(repo: Repository, cuts: Mapping[ObjectId, Cut], arrivals: _Arrivals) -> None:
    """Write down what was cut of the commits that come; what the store has itself stays as whole as it is. Before the objects land."""
    repo.look_at_shallow()
    new = {id: cut for id, cut in cuts.items() if arrivals.brought(id)}
    repo.put_cuts({**new, **repo.shallow.cuts})


class _Reader:
    """The lines of a stream, counted from 1, and the check of all before the last."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = blake3()
        self._last = b""
        self.number = 0

    def line(self) -> JSON:
        """The value of the next line."""
        self._hash.update(self._last)
        data = self._last = self._stream.readline(_LONGEST_LINE + 1)
        self.number += 1
        if not data:
            self.fail("the stream ends before its last line")
        if len(data) > _LONGEST_LINE:
            self.fail(f"it has more than {_LONGEST_LINE} bytes")
        if data[-1:] != b"\n":
            self.fail("the stream ends in the middle of it")
        try:
            return parse_kept_json(data)
        except ValueError as exc:
            self.fail(f"not JSON: {exc}")

    def fields(self, *names: str) -> list[JSON]:
        """The values of the keys *names*, which the next line must have, and no others."""
        return self.take(self.line(), *names)

    def take(self, value: JSON, *names: str) -> list[JSON]:
        """The same of the line that was read last."""
        if not isinstance(value, dict) or value.keys() != set(names):
            self.fail(f"expected an object with the keys {', '.join(names)}")
        return [value[name] for name in names]

    def check(self) -> str:
        """The check of all lines before the one that was read last."""
        return self._hash.hexdigest()[:CHECK_DIGITS]

    def is_at_end(self) -> bool:
        return not self._stream.read(1)

    def fail(self, detail: str, line: int | None = None) -> NoReturn:
        """Refuse *line*, or the one that was read last."""
        raise StreamError(self.number if line is None else line, detail)


class _Arrivals:
    """The objects of a stream as they come: proved, put into quarantine, and asked what they need."""

    def __init__(
        self, repo: Repository, store: Database, quarantine: Quarantine, reader: _Reader, cuts: Mapping[ObjectId, Cut]
    ) -> None:
        self._cuts = cuts
        self._store = store
        self._quarantine = quarantine
        self._reader = reader
        self._takes_operations = _is_new(repo)
        self._kinds: dict[ObjectId, Kind] = {}
        self._generations: dict[ObjectId, int] = {}
        self._wanted: dict[ObjectId, tuple[Kind, int]] = {}
        self._unread: dict[ObjectId, list[tuple[Commit, int]]] = {}
        self.operations = 0
        self.new = 0

    def take(self, document: JSON) -> None:
        """Take in the object that the line read last says."""
        try:
            new = object_of(document)
            obj = Object(new.kind, new.payload)
            if new.kind == "operation":
                self.operations += 1
                if self._takes_operations:
                    self._quarantine.add(new)
                return
            if new.kind == "commit":
                commit = kept_part(read_commit(new.id, obj), self._cuts.get(new.id))
                self._check_generation(new.id, commit)
                self._want_all(commit)
                self._check_content(commit)
            elif new.kind == "tree":
                self._want_all(read_node(new.id, obj))
            else:
                self._check_unread(new.id, obj)
        except TractError as exc:
            if isinstance(exc, StreamError):
                raise
            self._reader.fail(str(exc))
        self._arrive(new)

    def _check_content(self, commit: Commit) -> None:
        """Refuse a commit whose content its operation cannot bring; where the content is still to come, when it does."""
        content = commit.content
        if content is None:
            return
        self._unread.setdefault(content, []).append((commit, self._reader.number))
        obj = self.find(content) if content in self._kinds or self._store.was_seen(content) else None
        if obj is not None:
            self._check_unread(content, obj)

    def _check_unread(self, id: ObjectId, obj: Object) -> None:
        for commit, line in self._unread.pop(id, ()):
            wrong = wrong_content(commit, obj) if obj.kind == "blob" else None
            if wrong is not None:
                self._reader.fail(wrong, line)

    def _check_generation(self, id: ObjectId, commit: Commit) -> None:
        for parent in commit.parents:
            if self._generation(parent) >= commit.generation:
                self._reader.fail(f"its generation is not above that of its parent {parent.hex()}")
        if len(self._generations) > _REMEMBERED:
            self._generations.clear()
        self._generations[id] = commit.generation

    def _generation(self, parent: ObjectId) -> int:
        found = self._generations.get(parent)
        if found is None:
            obj = self.find(parent)
            if obj is None:
                self._reader.fail(f"its parent {parent.hex()} is not before it, nor in the store")
            found = self._generations[parent] = read_commit(parent, obj).generation
        return found

    def _want_all(self, value: Commit | Node) -> None:
        """Note what an object needs, which may still come."""
        for id, kind, role in named_by(value):
            if role in ("parent", "noted"):
                continue  # parents are before it; what a note is about may be gone
            known = self._kinds.get(id)
            if known is None:
                self._wanted.setdefault(id, (kind, self._reader.number))
            elif known != kind:
                self._reader.fail(f"it names {id.hex()} as a {kind}, which is a {known}")

    def _arrive(self, new: NewObject) -> None:
        wanted = self._wanted.pop(new.id, None)
        if wanted is not None and wanted[0] != new.kind:
            self._reader.fail(f"line {wanted[1]} names {new.id.hex()} as a {wanted[0]}, which is a {new.kind}")
        if len(self._kinds) > _REMEMBERED:
            self._kinds.clear()
        self._kinds[new.id] = new.kind
        if not self._store.was_seen(new.id):
            self._quarantine.add(new)
            self.new += 1

    def brought(self, id: ObjectId) -> bool:
        """Whether the stream brought a commit that the store did not have."""
        obj = None if self._store.was_seen(id) else self._quarantine.read(id)
        return obj is not None and obj.kind == "commit"

    def find(self, id: ObjectId) -> Object | None:
        """The object, from the stream or from the store."""
        obj = self._quarantine.read(id)
        if obj is not None:
            return obj
        try:
            return self._store.read(id)
        except BlobNotFoundError:
            return None

    def check_all_came(self) -> None:
        """Refuse a stream whose objects need what is nowhere, or have what they cannot."""
        for id, (kind, line) in self._wanted.items():
            obj = self.find(id)
            if obj is None:
                self._reader.fail(f"it names {kind} {id.hex()}, which is neither in the stream nor in the store", line)
            if obj.kind != kind:
                self._reader.fail(f"it names {id.hex()} as a {kind}, which is a {obj.kind}", line)
        for id in list(self._unread):
            obj = self.find(id)
            if obj is not None:
                self._check_unread(id, obj)

    def check_history(self, last: ObjectId | None, refs: dict[str, RefValue]) -> None:
        """Refuse operations that are not one chain up to *last*, or do not lead to *refs*."""
        if last is None or not self._takes_operations:
            return
        history: list[tuple[ObjectId, Operation]] = []
        at: ObjectId | None = last
        while at is not None:
            obj = self._quarantine.read(at)
            if obj is None or obj.kind != "operation" or len(history) == self.operations:
                self._reader.fail(f"operation {at.hex()} is not in the stream")
            history.append((at, read_operation(at, obj)))
            at = history[-1][1].previous
        record = replay(history[::-1], self._quarantine.read)
        if record.problems or not record.is_whole:
            self._reader.fail(f"the operations contradict each other: {record.problems[0].detail}")
        if record.refs != refs:
            self._reader.fail("the operations lead to other refs than those of the stream")


def _is_new(repo: Repository) -> bool:
    """Whether the store has no commit that a ref holds."""
    return not any(isinstance(value, bytes) for _, value in repo.refs.list())


def _read_head(reader: _Reader) -> tuple[int, int, dict[ObjectId, Cut]]:
    """How many objects and refs the stream says it has, and what was cut of the history in it."""
    stream, *numbers = reader.fields("stream", "objects", "refs", "cuts")
    if stream != STREAM:
        reader.fail(f"expected a stream '{STREAM}'")
    if not all(type(number) is int and 0 <= number < _MOST for number in numbers):
        reader.fail("expected numbers of objects, refs and cuts")
    objects, refs, count = numbers
    cuts: dict[ObjectId, Cut] = {}
    for _ in range(count):
        words = reader.fields("cut", "grade", "day")
        read = readable_cuts((" ".join(map(str, words)) + "\n").encode("utf-8", "replace"))
        if not read:
            reader.fail("expected what was cut of a commit, and the day")
        cuts.update(read)
    return objects, refs, cuts


def _read_refs(reader: _Reader, arrivals: _Arrivals, count: int) -> dict[str, RefValue]:
    refs: dict[str, RefValue] = {}
    for _ in range(count):
        name, text = reader.fields("ref", "value")
        if not isinstance(name, str):
            reader.fail("the name of a ref must be a text")
        try:
            value = ref_value(text)
            _check_ref(arrivals, name, value)
        except TractError as exc:
            reader.fail(str(exc))
        if name in refs:
            reader.fail(f"ref '{name}' is in the stream twice")
        refs[name] = value
    return refs


def _check_ref(arrivals: _Arrivals, name: str, value: RefValue) -> None:
    check_ref(name)
    local = split_tract(name)[1]
    if isinstance(value, str):
        if local != HEAD or not value.startswith(HEADS):
            raise RefNameError(f"ref '{name}' cannot be symbolic: only HEAD can, and on a branch")
        check_ref(value)
        return
    obj = arrivals.find(value)
    if obj is None or obj.kind != "commit":
        raise RefNameError(f"ref '{name}' is at {value.hex()}, which is no commit of the stream or the store")
    check_is_for(name, value, read_commit(value, obj).operation)


def _read_end(reader: _Reader) -> ObjectId | None:
    """The last operation, where the stream has them; the stream's own check is compared."""
    line = reader.line()
    last: ObjectId | None = None
    if isinstance(line, dict) and line.keys() == {"operations"}:
        last = parse_id(str(line["operations"]))
        if last is None:
            reader.fail("expected the id of an operation")
        line = reader.line()
    (found,) = reader.take(line, "end")
    if found != reader.check():
        reader.fail(f"expected the check '{reader.check()}': a line before this one was changed")
    if not reader.is_at_end():
        reader.fail("there is more after it")
    return last


def _edits(repo: Repository, refs: dict[str, RefValue], *, force: bool) -> list[RefEdit]:
    edits = []
    for name, value in refs.items():
        current = repo.refs.read(name)
        if current == value:
            continue
        if current is not None and not force and not _is_unborn(repo, name, current):
            here, there = (str(shown(one))[:40] for one in (current, value))
            raise StorageError(f"ref '{name}' is at {here}, and in the stream at {there}; nothing was changed")
        edits.append(RefEdit(name, value, current))
    check_beside(dict.fromkeys([*(name for name, _ in repo.refs.list()), *refs]))
    return edits


def _is_unborn(repo: Repository, name: str, value: RefValue) -> bool:
    """Whether the ref is a HEAD on a branch without a commit: a new store's."""
    return isinstance(value, str) and repo.refs.read(name.removesuffix(HEAD) + value) is None


def _take_over(repo: Repository, store: Database, last: ObjectId, refs: dict[str, RefValue]) -> bool:
    """Let the store go on from the operation *last* of the stream, after which its refs are *refs*; only a new store can.

    A keyframe on top of it begins a new journal, in which nothing of the store's own first operation is left.
    """
    if not _is_new(repo) or any(name not in refs for name, _ in repo.refs.list()):
        return False
    state = tuple(sorted(refs.items()))
    keyframe = Operation(last, repo.clock(), repo.author, "fast-import", changes=(), refs=state)
    store.rotate((), new_operation(keyframe))
    repo.refs.refresh()
    if repo.path is not None:
        # Shown as not yet synced, which whoever moves the ref next corrects.
        mirror = RefFiles(repo.path, "process")
        mirror.write([RefChange(name, None, value) for name, value in state])
        mirror.close()
    return True
