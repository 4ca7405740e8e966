"""Patches: changes since a snapshot was made, applied to it one by one.

Appended rows go into the lists that the snapshot shares; any other change goes into copies of the lists, made when first needed.
"""

from __future__ import annotations

from collections.abc import Iterable

from tract.compile.messages import Decode
from tract.compile.snapshot import Columns, Hidden, Key, Snapshot
from tract.compile.tables import NoteTables
from tract.history.context import chunks, context_at
from tract.messages import tool_ids
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation
from tract.repo import Repository


class Patch:
    """A snapshot on its way to a later commit or to other notes.

    Apply the commits first, oldest first, and then the changed notes: both are looked up in *notes*, the final state.
    """

    def __init__(self, repo: Repository, before: Snapshot, notes: NoteTables, decode: Decode) -> None:
        self._repo = repo
        self._notes = notes
        self._decode = decode
        self._columns: Columns = before.columns
        self._length = before.length
        self._hidden = before.hidden
        self._is_own = False
        self._shared_hidden = before.hidden
        notes.configs.sort_out(repo, lambda commit: self._place(commit) is not None or commit in before.hidden.blobs)

    def snapshot(self, key: Key) -> Snapshot:
        """The patched snapshot, under *key*."""
        return Snapshot(key, self._columns, self._length, self._hidden)

    @property
    def only_appended(self) -> bool:
        """Whether the earlier rows are unchanged, and no message was hidden or shown."""
        return not self._is_own and self._hidden is self._shared_hidden

    def take_step(self, id: ObjectId, commit: Commit) -> None:
        """Apply an append, an edit or a record; a record changes nothing."""
        if commit.operation is CommitOperation.RECORD:
            return
        assert commit.content is not None
        if commit.operation is CommitOperation.EDIT:
            if commit.target is not None:
                self._edit(commit.target, commit.content)
        elif self._notes.is_skipped(self._repo, id):
            self._hide(id, commit.content)
        else:
            self._append(id, commit.content)

    def take_note(self, target: ObjectId, tip: ObjectId | None) -> None:
        """Apply a change of the notes about *target*; *tip* is the commit whose context is compiled."""
        at = self._place(target)
        skipped = self._notes.is_skipped(self._repo, target)
        if at is not None and skipped:
            blob = self._columns.blobs[at]
            self._own().remove(at)
            self._length -= 1
            self._hide(target, blob)
        elif at is not None:
            self._set_config(at)
        elif target in self._hidden.blobs:
            if not skipped:
                self._show(target, tip)
        elif self._repo.objects.contains(target):  # a note may be about a commit that gc took
            commit = self._repo.commit(target)
            if commit.operation is CommitOperation.EDIT and commit.target is not None:
                at = self._place(commit.target)
                if at is not None:
                    self._set_config(at)

    def _payload(self, blob: ObjectId) -> bytes:
        return self._repo.objects.payloads((blob,), "blob")[0]

    def _place(self, commit: ObjectId) -> int | None:
        at = self._columns.place(commit)
        return at if at is not None and at < self._length else None

    def _own(self) -> Columns:
        """The columns, as lists that may be changed."""
        if not self._is_own:
            self._columns = self._columns.copy(self._length)
            self._is_own = True
        return self._columns

    def _append(self, id: ObjectId, blob: ObjectId) -> None:
        if len(self._columns) != self._length:
            self._own()  # another history appended rows to the shared lists
        config = self._notes.configs.of_words(self._repo, id, blob)
        self._columns.add(id, blob, self._payload(blob), config)
        self._length += 1

    def _edit(self, target: ObjectId, blob: ObjectId) -> None:
        if target in self._hidden.blobs:
            self._hide(target, blob)
            return
        at = self._place(target)
        if at is not None:
            self._own().replace(at, blob, self._payload(blob))
            self._set_config(at)

    def _set_config(self, at: int) -> None:
        config = self._notes.configs.of_words(self._repo, self._columns.commits[at], self._columns.blobs[at])
        if config != self._columns.configs[at]:
            self._own().configs[at] = config

    def _hide(self, commit: ObjectId, blob: ObjectId) -> None:
        blobs = {**self._hidden.blobs, commit: blob}
        replaced = self._hidden.tools and commit in self._hidden.blobs
        self._hidden = Hidden(
            blobs, self._has_tools(blobs.values()) if replaced else self._hidden.tools or self._has_tools([blob])
        )

    def _has_tools(self, blobs: Iterable[ObjectId]) -> bool:
        payloads = self._repo.objects.payloads(tuple(blobs), "blob")
        return any(any(tool_ids(self._decode(payload))) for payload in payloads)

    def _show(self, target: ObjectId, tip: ObjectId | None) -> None:
        """Put a hidden message back, before the next one that is shown."""
        blob = self._hidden.blobs[target]
        hidden = {commit: blob for commit, blob in self._hidden.blobs.items() if commit != target}
        self._hidden = Hidden(hidden, self._hidden.tools and self._has_tools(hidden.values()))
        after = self._first_shown_after(target, tip)
        config = self._notes.configs.of_words(self._repo, target, blob)
        self._own().insert(self._length if after is None else after, target, blob, self._payload(blob), config)
        self._length += 1

    def _first_shown_after(self, target: ObjectId, tip: ObjectId | None) -> int | None:
        found = False
        for _, items in chunks(self._repo, context_at(self._repo, tip)):
            commits = items[::2]
            if not found:
                if target not in commits:
                    continue
                found = True
                commits = commits[commits.index(target) + 1 :]
            for commit in commits:
                at = self._place(commit)
                if at is not None:
                    return at
        return None
