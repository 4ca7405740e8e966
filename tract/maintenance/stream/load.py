"""A stream of text, as ``fast_export`` writes it, back into objects and refs with the same ids.

Every object is proved by its id and by the shape of its kind, and must hold only what is in the stream or in the store.
Nothing is seen of a stream before all of it was read and found good: its objects wait in quarantine, and its refs move in one operation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import BinaryIO, NamedTuple, NoReturn

from blake3 import blake3

from tract.errors import BlobNotFoundError, RefNameError, StorageError, StreamError, TractError
from tract.history.moves import check_beside, check_is_for
from tract.maintenance.fsck.refs import replay
from tract.maintenance.stream.export import CHECK_DIGITS, FIRST_LINE
from tract.maintenance.stream.text import LineError, parse_object, parse_ref_value, ref_value_text
from tract.objects.codec import MAX_SIZE
from tract.objects.id import Kind, ObjectId, parse_id
from tract.objects.model import (
    Commit,
    CommitOperation,
    NewObject,
    Object,
    Operation,
    RefChange,
    RefValue,
    new_operation,
    read_commit,
    read_node,
    read_operation,
)
from tract.refs.files import RefFiles
from tract.refs.names import HEAD, HEADS, TRACTS, check_ref
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.storage.database import Database
from tract.storage.quarantine import Quarantine
from tract.storage.shallow import Cut, readable_cuts, write_shallow

# JSON is longer than what it says, by escapes; more than this says too much.
_LONGEST_OBJECT = 4 * MAX_SIZE
_LONGEST_NAME = 1024
_MOST_DIGITS = 12

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
            arrivals.take(reader.paragraph())
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
    if new and repo.path is not None:
        write_shallow(repo.path, {**new, **repo.shallow.cuts})
        repo.look_at_shallow()


class _Reader:
    """The lines of a stream, counted from 1, and the check of all before the last."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = blake3()
        self._unhashed: list[bytes] = []
        self.number = 0

    def line(self, limit: int = _LONGEST_OBJECT) -> str:
        data = self._stream.readline(limit + 1)
        self.number += 1
        if not data:
            self.fail("the stream ends before its last line")
        if len(data) > limit:
            self.fail(f"it makes an object of more than {_LONGEST_OBJECT} bytes")
        if data[-1:] != b"\n":
            self.fail("the stream ends in the middle of it")
        self._unhashed.append(data)
        try:
            return data[:-1].decode("utf-8")
        except UnicodeDecodeError as exc:
            self.fail(f"not UTF-8 at byte {exc.start}")

    def paragraph(self) -> list[str]:
        """The lines up to the next blank one."""
        lines: list[str] = []
        left = _LONGEST_OBJECT
        while line := self.line(left):
            lines.append(line)
            left = max(1, left - len(line))
        if not lines:
            self.fail("expected an object, found a blank line")
        self._take_in()
        return lines

    def _take_in(self) -> None:
        """Hash the lines that were read since: many at once take less time than each."""
        self._hash.update(b"".join(self._unhashed))
        self._unhashed.clear()

    def number_of(self, key: str) -> int:
        """The number in the line ``<key> <number>``, which must come now."""
        word, _, text = self.line().partition(" ")
        if word != key or not (text.isascii() and text.isdecimal()) or len(text) > _MOST_DIGITS:
            self.fail(f"expected '{key} <number>'")
        return int(text)

    def check(self) -> str:
        """The check of all lines so far."""
        self._take_in()
        return self._hash.hexdigest()[:CHECK_DIGITS]

    def is_at_end(self) -> bool:
        return not self._stream.read(1)

    def fail(self, detail: str, line: int | None = None) -> NoReturn:
        """Refuse *line*, or the one that was read last."""
        raise StreamError(self.number if line is None else line, detail)


class _Arrivals:
    """The objects of a stream as they come: proved, put into quarantine, and asked what they hold."""

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
        self._needed: set[ObjectId] = set()  # of those that are wanted, the commits that others than notes name
        self._noted: set[ObjectId] = set()
        self._before_notes: set[ObjectId] = set()
        self.operations = 0
        self.new = 0

    def take(self, lines: list[str]) -> None:
        """Take in the object in *lines*, which end before the line that was read last."""
        start = self._reader.number - len(lines)
        try:
            new = parse_object(lines)
        except LineError as exc:
            raise StreamError(start + exc.index, str(exc)) from exc
        if new.kind == "operation":
            self.operations += 1
            if self._takes_operations:
                self._quarantine.add(new)
            return
        obj = Object(new.kind, new.payload)
        try:
            if new.kind == "commit":
                self._take_commit(new.id, obj, start)
            elif new.kind == "tree":
                self._take_node(new.id, obj, start)
        except TractError as exc:
            self._reader.fail(str(exc), start)
        self._arrive(new, start)

    def _take_commit(self, id: ObjectId, obj: Object, line: int) -> None:
        commit = read_commit(id, obj)
        cut = self._cuts.get(id)
        if cut is not None:
            commit = commit._replace(parents=())
            if cut.grade == "all":
                commit = commit._replace(target=None, tree=None, open=())
        for parent in commit.parents:
            if self._generation(parent, line) >= commit.generation:
                self._reader.fail(f"its generation is not above that of its parent {parent.hex()}", line)
        parts: tuple[tuple[ObjectId | None, Kind], ...] = (
            (commit.content, "blob"),
            (commit.tree, "tree"),
            (commit.target, "commit"),
        )
        for one, kind in parts:
            if one is not None:
                self._want(one, kind, line)
        self._want_entries(commit.open, line)
        if commit.operation is CommitOperation.NOTE:
            self._take_note(commit)
        else:
            self._needed.update(one for one in (*commit.open[::2], commit.target) if one in self._wanted)
        if len(self._generations) > _REMEMBERED:
            self._generations.clear()
        self._generations[id] = commit.generation

    def _take_note(self, note: Commit) -> None:
        if note.target is not None:
            self._noted.add(note.target)
        self._before_notes.update(note.parents)

    def _take_node(self, id: ObjectId, obj: Object, line: int) -> None:
        node = read_node(id, obj)
        if node.level == 0:
            self._want_entries(node.items, line)
            return
        for child in node.items[::2]:
            self._want(child, "tree", line)

    def _want_entries(self, items: tuple[ObjectId, ...], line: int) -> None:
        for commit, blob in zip(items[::2], items[1::2], strict=True):
            self._want(commit, "commit", line)
            self._want(blob, "blob", line)

    def _want(self, id: ObjectId, kind: Kind, line: int) -> None:
        """Note that an object holds *id*, which may still come."""
        known = self._kinds.get(id)
        if known is None:
            self._wanted.setdefault(id, (kind, line))
        elif known != kind:
            self._reader.fail(f"it names {id.hex()} as a {kind}, which is a {known}", line)

    def _arrive(self, new: NewObject, line: int) -> None:
        wanted = self._wanted.pop(new.id, None)
        if wanted is not None and wanted[0] != new.kind:
            self._reader.fail(f"line {wanted[1]} names {new.id.hex()} as a {wanted[0]}, which is a {new.kind}", line)
        if len(self._kinds) > _REMEMBERED:
            self._kinds.clear()
        self._kinds[new.id] = new.kind
        if not self._store.was_seen(new.id):
            self._quarantine.add(new)
            self.new += 1

    def _generation(self, parent: ObjectId, line: int) -> int:
        found = self._generations.get(parent)
        if found is None:
            obj = self.find(parent)
            if obj is None:
                self._reader.fail(f"its parent {parent.hex()} is not before it, nor in the store", line)
            found = self._generations[parent] = read_commit(parent, obj).generation
        return found

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
        """Refuse a stream whose objects hold what is nowhere."""
        for id, (kind, line) in self._wanted.items():
            obj = self.find(id)
            if obj is None:
                if kind == "commit" and id not in self._needed and self._is_noted(id):
                    continue  # gc took what the note is about
                self._reader.fail(f"it names {kind} {id.hex()}, which is neither in the stream nor in the store", line)
            if obj.kind != kind:
                self._reader.fail(f"it names {id.hex()} as a {kind}, which is a {obj.kind}", line)

    def _is_noted(self, id: ObjectId) -> bool:
        """Whether a note is about *id*, in the stream or among the notes in the store that those of the stream follow."""
        while id not in self._noted and self._before_notes:
            at = self._before_notes.pop()
            obj = None if at in self._kinds else self.find(at)
            if obj is not None:
                self._take_note(read_commit(at, obj))
        return id in self._noted

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
        record = replay(history[::-1])
        if record.problems or not record.is_whole:
            self._reader.fail(f"the operations contradict each other: {record.problems[0].detail}")
        if record.refs != refs:
            self._reader.fail("the operations lead to other refs than those of the stream")


def _is_new(repo: Repository) -> bool:
    """Whether the store has no commit that a ref holds."""
    return not any(isinstance(value, bytes) for _, value in repo.refs.list())


def _read_head(reader: _Reader) -> tuple[int, int, dict[ObjectId, Cut]]:
    """How many objects and refs the stream says it has, and what was cut of the history in it."""
    if reader.line(_LONGEST_NAME) != FIRST_LINE:
        reader.fail(f"expected '{FIRST_LINE}'")
    objects, refs = reader.number_of("objects"), reader.number_of("refs")
    cuts: dict[ObjectId, Cut] = {}
    line = reader.line()
    key, _, count = line.partition(" ")
    if key == "cuts" and count.isascii() and count.isdecimal() and len(count) <= _MOST_DIGITS:
        for _ in range(int(count)):
            read = readable_cuts(f"{reader.line(_LONGEST_NAME)}\n".encode())
            if not read:
                reader.fail("expected '<id> parents|all <date>'")
            cuts.update(read)
        line = reader.line()
    if line:
        reader.fail("expected a blank line")
    return objects, refs, cuts


def _read_refs(reader: _Reader, arrivals: _Arrivals, count: int) -> dict[str, RefValue]:
    refs: dict[str, RefValue] = {}
    for _ in range(count):
        words = reader.line().split(" ", 2)
        if len(words) != 3 or words[0] != "ref":
            reader.fail("expected 'ref <value> <name>'")
        name = words[2]
        try:
            value = parse_ref_value(words[1])
            _check_ref(arrivals, name, value)
        except (ValueError, TractError) as exc:
            reader.fail(str(exc))
        if name in refs:
            reader.fail(f"ref '{name}' is in the stream twice")
        refs[name] = value
    return refs


def _check_ref(arrivals: _Arrivals, name: str, value: RefValue) -> None:
    check_ref(name)
    local = name.split("/", 2)[2] if name.startswith(TRACTS) else name
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
    last = None
    line = reader.line()
    if line:
        word, _, text = line.partition(" ")
        last = parse_id(text)
        if word != "operations" or last is None:
            reader.fail("expected a blank line")
        if reader.line():
            reader.fail("expected a blank line")
    check = reader.check()
    if reader.line(_LONGEST_NAME) != f"end {check}":
        reader.fail(f"expected 'end {check}': a line before this one was changed")
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
            here, there = (ref_value_text(one).removeprefix("ref:")[:40] for one in (current, value))
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
    keyframe = Operation(last, repo.clock(), repo.author, "fast-import", (), state)
    store.rotate((), new_operation(keyframe), without="operation")
    repo.refs.refresh()
    if repo.path is not None:
        # Shown as not yet synced, which whoever moves the ref next corrects.
        mirror = RefFiles(repo.path, "process")
        mirror.write([RefChange(name, None, value) for name, value in state])
        mirror.close()
    return True
