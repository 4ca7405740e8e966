"""Reading a stream: its lines, and the objects in them, each proved by its id, its type and what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO, NoReturn

from blake3 import blake3

from tract.errors import BlobNotFoundError, StreamError, TractError
from tract.maintenance.fsck.refs import replay
from tract.maintenance.stream.dump import CHECK_DIGITS
from tract.objects.codec import MAX_SIZE
from tract.objects.document import object_of
from tract.objects.id import Kind, ObjectId
from tract.objects.json import parse_kept_json
from tract.objects.message_format import JSON
from tract.objects.model import (
    Commit,
    NewObject,
    Node,
    Object,
    Operation,
    RefValue,
    named_by,
)
from tract.objects.strict_reader import read_commit, read_node, read_operation
from tract.repo import Repository
from tract.storage.database import Database
from tract.storage.quarantine import Quarantine
from tract.storage.shallow import Cut, kept_part
from tract.transaction import wrong_content

# JSON is longer than the value, because of escapes; a longer line is refused.
_LONGEST_LINE = 4 * MAX_SIZE
# This many kinds and generations are remembered; others are looked up.
_REMEMBERED = 200_000


class StreamReader:
    """The lines of a stream, counted from 1, and the check of all lines before the last."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = blake3()
        self._last = b""
        self.number = 0

    def line(self) -> JSON:
        """Return the value of the next line."""
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
        """Return the values of the keys *names*, which the next line must have, and no others."""
        return self.take(self.line(), *names)

    def take(self, value: JSON, *names: str) -> list[JSON]:
        """Do the same for the line that was read last."""
        if not isinstance(value, dict) or value.keys() != set(names):
            self.fail(f"expected an object with the keys {', '.join(names)}")
        return [value[name] for name in names]

    def check(self) -> str:
        """The check of all lines before the one that was read last."""
        return self._hash.hexdigest()[:CHECK_DIGITS]

    def is_at_end(self) -> bool:
        return not self._stream.read(1)

    def fail(self, detail: str, line: int | None = None) -> NoReturn:
        """Raise StreamError for *line*, or for the one that was read last."""
        raise StreamError(self.number if line is None else line, detail)


class Arrivals:
    """The objects of a stream as they come: proved, put into quarantine, and checked for what they need."""

    def __init__(
        self,
        repo: Repository,
        store: Database,
        quarantine: Quarantine,
        reader: StreamReader,
        cuts: Mapping[ObjectId, Cut],
    ) -> None:
        self._cuts = cuts
        self._store = store
        self._quarantine = quarantine
        self._reader = reader
        self._takes_operations = is_new(repo)
        self._kinds: dict[ObjectId, Kind] = {}
        self._generations: dict[ObjectId, int] = {}
        self._wanted: dict[ObjectId, tuple[Kind, int]] = {}
        self._unread: dict[ObjectId, list[tuple[Commit, int]]] = {}
        self.operations = 0
        self.new = 0

    def take(self, document: JSON) -> None:
        """Take in the object of the line that was read last."""
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
        """Refuse a commit with a content that its operation cannot bring; if the content is still to come, check it then."""
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
                self._reader.fail(f"its parent {parent.hex()} is neither before it in the stream nor in the store")
            found = self._generations[parent] = read_commit(parent, obj).generation
        return found

    def _want_all(self, value: Commit | Node) -> None:
        """Note the objects that an object needs; they may still come."""
        for id, kind, role in named_by(value):
            if role in ("parent", "noted"):
                continue  # parents come before it; the commit that a note is about may be gone
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
        """True if the stream brought a commit that the store did not have."""
        obj = None if self._store.was_seen(id) else self._quarantine.read(id)
        return obj is not None and obj.kind == "commit"

    def find(self, id: ObjectId) -> Object | None:
        """Return the object, from the stream or from the store; None if neither has it."""
        obj = self._quarantine.read(id)
        if obj is not None:
            return obj
        try:
            return self._store.read(id)
        except BlobNotFoundError:
            return None

    def check_all_came(self) -> None:
        """Refuse a stream whose objects need something that is nowhere, or have something that they cannot."""
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


def is_new(repo: Repository) -> bool:
    """True if no ref of the store holds a commit."""
    return not any(isinstance(value, bytes) for _, value in repo.refs.list())
