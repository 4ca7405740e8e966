"""The notes that a compilation shows: the skipped messages, and the generation configs of messages and edits."""

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
    """The generation configs, those on edits too: an edit's config belongs to the message as long as the edit's content is shown.

    A note on an edit names the edit; the edited message is looked up once for each edit.
    If several edits gave a message the same content, perhaps on different branches, the newest edit counts.
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
        """Find the edits among the notes' targets. A target that *is_message* knows is not read; one that gc dropped is skipped."""
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
        """The config that the message *commit* was made with while its content is *blob*; None if there is none."""
        edit = self._of_edits.get((commit, blob)) if self._of_edits else None
        return self.get(repo, commit if edit is None else edit)


def _age(repo: Repository, edit: ObjectId) -> tuple[int, int, ObjectId]:
    """A sort key by which newer edits are greater; no two are equal, so the result does not depend on the order of search."""
    commit = repo.commit(edit)
    return commit.generation, commit.time, edit


class NoteTables(NamedTuple):
    """The notes at one moment."""

    priorities: NoteTable
    configs: ConfigTable

    def is_skipped(self, repo: Repository, commit: ObjectId) -> bool:
        """Whether the message is hidden from the model."""
        note = self.priorities.get(repo, commit)
        return note is not None and note.get("priority") == Priority.SKIP

    def is_pinned(self, repo: Repository, commit: ObjectId) -> bool:
        """Whether the message is pinned."""
        note = self.priorities.get(repo, commit)
        return note is not None and note.get("priority") == Priority.PINNED


def tables_at(repo: Repository, priority: ObjectId | None, config: ObjectId | None) -> NoteTables:
    """The notes at the moment when their refs had these tips."""
    tables = NoteTables(NoteTable(), ConfigTable())
    tables.priorities.advance(repo, priority)
    tables.configs.advance(repo, config)
    return tables


def advance_to_now(repo: Repository, tables: NoteTables) -> None:
    """Bring *tables* up to date with today's notes."""
    tables.priorities.advance(repo, note_tip(repo, PRIORITY))
    tables.configs.advance(repo, note_tip(repo, CONFIG))
