"""A batch: commits, edits and notes that all land, or none of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from tract.history.notes import NewNote
from tract.objects.id import ObjectId
from tract.refs.buffered import BufferedObjects, BufferedRefs
from tract.refs.names import NOTES
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.transaction import Transaction, transaction


class Batch:
    """A repository whose writes are held back in memory; ``land`` makes them one operation.

    Nothing is locked while the batch fills, so it may be open across calls to a model.
    """

    def __init__(self, base: Repository) -> None:
        self._base = base
        self._objects = BufferedObjects(base.objects)
        self._refs = BufferedRefs(base.refs, self._objects)
        self.repo = replace(base, objects=self._objects, refs=self._refs)

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of the batch that leaves no trace if it fails, whatever becomes of the rest."""
        mark = self._refs.mark()
        try:
            yield
        except BaseException:
            self._refs.go_back(mark)
            raise

    def land(self, *, reason: str) -> None:
        """Write everything, in one operation; RefMovedError when the branch moved meanwhile, and then nothing is written.

        Notes that others wrote meanwhile stay: the batch's own go on top of them.
        """
        with transaction(self._base, reason, moves="refs") as tx:
            tx.objects += self._objects.new
            for edit in self._refs.edits():
                if not self._add_notes_again(tx, edit):
                    tx.edits.append(edit)

    def _add_notes_again(self, tx: Transaction, edit: RefEdit) -> bool:
        """Put the batch's notes on those that others made meanwhile, where *edit* moves a namespace's ref that they moved too."""
        base = self._base
        local = edit.name.removeprefix(base.prefix)
        if not local.startswith(NOTES) or base.refs.read(edit.name) == edit.expected or not isinstance(edit.new, bytes):
            return False
        since = edit.expected if isinstance(edit.expected, bytes) else None
        for note in self._notes_since(edit.new, since):
            tx.note(local.removeprefix(NOTES), note.target, note.body, time=note.time, message=note.message)
        return True

    def _notes_since(self, tip: ObjectId, since: ObjectId | None) -> list[NewNote]:
        notes = []
        at: ObjectId | None = tip
        while at is not None and at != since:
            commit = self.repo.commit(at)
            assert commit.target is not None
            assert commit.content is not None
            notes.append(NewNote(commit.target, self.repo.blob(commit.content), commit.time, commit.message))
            at = commit.parents[0] if commit.parents else None
        return notes[::-1]
