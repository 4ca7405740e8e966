"""Compiling: the context at a commit, with its notes, becomes the messages a model is sent."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from tract.compile.cache import BlobCache, readable_content
from tract.compile.message import Message
from tract.compile.snapshot import Columns, Key, Snapshot
from tract.compile.tokens import count_message
from tract.errors import ContentValidationError, TractError
from tract.history.context import chunks, context_at
from tract.history.notes import CONFIG, PRIORITY, NoteTable, note_tip
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.repo import Repository

SKIP = "skip"

# Behind a fork, or further back than this, a context is read from its tree: that is never slower than walking.
_MOST_STEPS = 64


@dataclass(frozen=True, slots=True)
class ContextEntry:
    """One message of a context on its way to the model, as a custom compiler sees it.

    *commit* is its hexadecimal id; *content* is what was committed, edits applied; entries marked SKIP are left out before.
    """

    commit: str
    content: Any
    priority: str


class ContextCompiler(Protocol):
    """Decides how entries become messages.

    ``compile`` gives one message for each entry, in their order; None leaves the entry out.
    """

    def compile(self, entries: Sequence[ContextEntry]) -> Sequence[Message | None]: ...


class Compiler:
    """Compiles the contexts of one repository, and remembers what it compiled.

    Appending to what was compiled before costs the new messages only; anything else is read from the commit's tree, where what was decoded before is found by its id.
    """

    def __init__(
        self,
        blobs: BlobCache,
        *,
        maxsize: int,
        custom: ContextCompiler | None = None,
        verify: bool = False,
    ) -> None:
        self._blobs = blobs
        self._maxsize = maxsize
        self._custom = custom
        self._verify = verify
        self._snapshots: OrderedDict[Key, Snapshot] = OrderedDict()
        self._latest: Snapshot | None = None
        self.priorities = NoteTable()
        self.configs = NoteTable()
        self._changed_priorities: set[ObjectId] | None = set()
        self._changed_configs: set[ObjectId] | None = set()

    @property
    def is_custom(self) -> bool:
        """Whether messages are what a compiler of the user's makes of them, so that nothing is known without it."""
        return self._custom is not None

    def compile(self, repo: Repository, commit: ObjectId | None) -> Snapshot:
        """The snapshot at *commit*, with the notes as they are now."""
        self.advance_notes(repo)
        key = Key(commit, self.priorities.tip, self.configs.tip)
        snapshot = self._snapshots.get(key)
        if snapshot is None:
            snapshot = self._extend(repo, key) or self._fresh(repo, key)
            self._keep(snapshot)
        else:
            self._snapshots.move_to_end(key)
        if self._verify:
            self._check(repo, snapshot)
        return snapshot

    def advance_notes(self, repo: Repository) -> None:
        """Bring the note tables to the notes as they are now, and remember for the next compile whom that concerns."""
        priorities = self.priorities.advance(repo, note_tip(repo, PRIORITY))
        configs = self.configs.advance(repo, note_tip(repo, CONFIG))
        self._changed_priorities = _joined(self._changed_priorities, priorities)
        self._changed_configs = _joined(self._changed_configs, configs)

    def _keep(self, snapshot: Snapshot) -> None:
        self._snapshots[snapshot.key] = snapshot
        if len(self._snapshots) > self._maxsize:
            self._snapshots.popitem(last=False)
        self._latest = snapshot
        self._changed_priorities = set()
        self._changed_configs = set()

    def _extend(self, repo: Repository, key: Key) -> Snapshot | None:
        """The latest snapshot and what was appended since, or None where more than that changed."""
        latest = self._latest
        if latest is None or self._custom is not None or self._changed_priorities is None:
            return None
        if self._changed_configs is None:
            return None
        appended = _appended_since(repo, key.commit, latest.key.commit)
        if appended is None:
            return None
        columns = latest.columns
        index = columns.index
        for target in (*self._changed_priorities, *self._changed_configs):
            if index.get(target, latest.length) < latest.length or (latest.hidden and target not in appended):
                return None
        if len(columns) != latest.length and appended:
            columns = columns.copy(latest.length)
        hidden = latest.hidden
        for id, blob in appended.items():
            hidden += not self._add(repo, columns, id, blob)
        return Snapshot(key, columns, len(columns) if appended else latest.length, hidden)

    def _fresh(self, repo: Repository, key: Key) -> Snapshot:
        """The snapshot as the commit's tree has it."""
        columns = Columns()
        hidden = 0
        if self._custom is not None:
            return self._custom_snapshot(repo, key, self._custom)
        for _, items in chunks(repo, context_at(repo, key.commit)):
            for at in range(0, len(items), 2):
                hidden += not self._add(repo, columns, items[at], items[at + 1])
        return Snapshot(key, columns, len(columns), hidden)

    def _add(self, repo: Repository, columns: Columns, commit: ObjectId, blob: ObjectId) -> bool:
        """Add a row, unless the message is skipped; whether it was added."""
        note = self.priorities.get(repo, commit)
        if note is not None and note.get("priority") == SKIP:
            return False
        columns.add(commit, blob, self._blobs.message(repo, blob), self.configs.get(repo, commit))
        return True

    def _custom_snapshot(self, repo: Repository, key: Key, compiler: ContextCompiler) -> Snapshot:
        rows: list[tuple[ObjectId, ObjectId]] = []
        given: list[ContextEntry] = []
        total = 0
        for _, items in chunks(repo, context_at(repo, key.commit)):
            for commit, blob in zip(items[::2], items[1::2], strict=True):
                total += 1
                priority = (self.priorities.get(repo, commit) or {}).get("priority", "normal")
                if priority != SKIP:
                    rows.append((commit, blob))
                    given.append(ContextEntry(commit.hex(), readable_content(repo.blob(blob)), priority))
        messages = compiler.compile(given)
        if not isinstance(messages, Sequence) or len(messages) != len(given):
            raise ContentValidationError("a context compiler must give one message, or None, for each entry")
        columns = Columns(partial(count_message, self._blobs.counter))
        for (commit, blob), message in zip(rows, messages, strict=True):
            if message is None:
                continue
            if not isinstance(message, Message):
                raise ContentValidationError(f"a context compiler gave a {type(message).__name__}, not a Message")
            columns.add(commit, blob, message, self.configs.get(repo, commit))
        return Snapshot(key, columns, len(columns), total - len(columns))

    def _check(self, repo: Repository, snapshot: Snapshot) -> None:
        """Compare with a fresh compile; a difference is a defect of tract's own."""
        fresh = self._fresh(repo, snapshot.key)
        length = snapshot.length
        mine = snapshot.columns
        same = (
            fresh.length == length
            and fresh.hidden == snapshot.hidden
            and fresh.columns.commits == mine.commits[:length]
            and fresh.columns.blobs == mine.blobs[:length]
            and fresh.columns.messages == mine.messages[:length]
            and fresh.columns.configs == mine.configs[:length]
        )
        if not same:
            raise TractError("verify_cache: the compiled context differs from a fresh compile of the same commit")


def _joined(before: set[ObjectId] | None, changed: frozenset[ObjectId] | None) -> set[ObjectId] | None:
    if before is None or changed is None:
        return None
    return before.union(changed) if changed else before


def _appended_since(
    repo: Repository, commit: ObjectId | None, since: ObjectId | None
) -> dict[ObjectId, ObjectId] | None:
    """The messages appended between two commits, oldest first; None when anything else happened between them."""
    steps: list[tuple[ObjectId, ObjectId]] = []
    at = commit
    while at != since:
        if at is None or len(steps) >= _MOST_STEPS:
            return None
        found = repo.commit(at)
        if found.operation is not CommitOperation.APPEND or found.content is None or len(found.parents) > 1:
            return None
        steps.append((at, found.content))
        at = found.parents[0] if found.parents else None
    return dict(reversed(steps))
