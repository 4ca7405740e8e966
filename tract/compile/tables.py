"""The notes that a compilation shows: which messages are skipped, and which configs belong to which words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from tract.history.notes import CONFIG, PRIORITY, NoteTable, note_tip
from tract.history.priority import Priority
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.repo import Repository


class ConfigTable(NoteTable):
    """The generation configs, also of edits: an edit that was given one gives it to the message, as long as its words are shown.

    A note on an edit names the edit; which message that is about is looked up once for each.
    Where several edits, on branches of their own perhaps, gave a message the same words, the newest of them counts.
    """

    __slots__ = ("_of_edits", "_unsorted")

    def __init__(self) -> None:
        super().__init__()
        self._of_edits: dict[tuple[ObjectId, ObjectId], ObjectId] = {}
        self._unsorted: list[ObjectId] = []

    def copy(self) -> Self:
        other = super().copy()
        other._of_edits, other._unsorted = dict(self._of_edits), list(self._unsorted)
        return other

    def advance(self, repo: Repository, tip: ObjectId | None) -> frozenset[ObjectId] | None:
        changed = super().advance(repo, tip)
        if changed is None:
            self._of_edits = {}
            self._unsorted = list(self.targets())
        else:
            self._unsorted += changed
        return changed

    def sort_out(self, repo: Repository, is_message: Callable[[ObjectId], bool]) -> None:
        """Find the edits among the notes' targets; what *is_message* is none, and need not be read, and what gc took shows no words."""
        for target in self._unsorted:
            if is_message(target) or not repo.objects.contains(target):
                continue
            commit = repo.commit(target)
            if commit.operation is CommitOperation.EDIT and commit.target is not None and commit.content is not None:
                words = (commit.target, commit.content)
                known = self._of_edits.get(words)
                if known is None or _age(repo, known) < _age(repo, target):
                    self._of_edits[words] = target
        self._unsorted = []

    def of_words(self, repo: Repository, commit: ObjectId, blob: ObjectId) -> Any:
        """The config that the message *commit* was made with when it is what *blob* says; None where there is none."""
        edit = self._of_edits.get((commit, blob)) if self._of_edits else None
        return self.get(repo, commit if edit is None else edit)


def _age(repo: Repository, edit: ObjectId) -> tuple[int, int, ObjectId]:
    """What newer edits have more of; no two are the same age, for the answer must not depend on the order of looking."""
    commit = repo.commit(edit)
    return commit.generation, commit.time, edit


class NoteTables(NamedTuple):
    """The notes, at one moment."""

    priorities: NoteTable
    configs: ConfigTable

    def is_skipped(self, repo: Repository, commit: ObjectId) -> bool:
        """Whether the message is hidden from the model."""
        note = self.priorities.get(repo, commit)
        return note is not None and note.get("priority") == Priority.SKIP

    def is_pinned(self, repo: Repository, commit: ObjectId) -> bool:
        """Whether somebody pinned the message."""
        note = self.priorities.get(repo, commit)
        return note is not None and note.get("priority") == Priority.PINNED


def tables_at(repo: Repository, priority: ObjectId | None, config: ObjectId | None) -> NoteTables:
    """The notes as they were when their refs were at these tips."""
    tables = NoteTables(NoteTable(), ConfigTable())
    tables.priorities.advance(repo, priority)
    tables.configs.advance(repo, config)
    return tables


def advance_to_now(repo: Repository, tables: NoteTables) -> None:
    """Bring *tables* to the notes as they are now."""
    tables.priorities.advance(repo, note_tip(repo, PRIORITY))
    tables.configs.advance(repo, note_tip(repo, CONFIG))
