"""Compiling: the context at a commit, with its notes, becomes the messages that a model is sent.

The modules that compile are loaded with the first compiled context: a log needs only the notes.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from tract.compile.tables import ConfigTable, NoteTables, advance_to_now
from tract.errors import ContentValidationError
from tract.history.notes import NoteTable
from tract.objects.id import ObjectId
from tract.repo import Repository

if TYPE_CHECKING:
    from tract.compile.custom import ContextCompiler
    from tract.compile.incremental import IncrementalCompiler
    from tract.compile.snapshot import Snapshot


class Compiler:
    """Compiles the contexts of one repository with today's notes, or with others."""

    def __init__(
        self,
        repo: Repository,
        *,
        maxsize: int,
        custom: ContextCompiler | None = None,
        verify: bool = False,
    ) -> None:
        if custom is not None and not callable(getattr(custom, "compile", None)):
            raise ContentValidationError(f"context compiler {type(custom).__name__} has no method 'compile'")
        self._repo = repo
        self._maxsize = maxsize
        self._custom = custom
        self._verify = verify
        self._incremental: IncrementalCompiler | None = None
        self._now = NoteTables(NoteTable(), ConfigTable())
        self._note_moves = -1

    def on(self, repo: Repository) -> Compiler:
        """A compiler of *repo*, which has the same objects and perhaps more; the two share what they compiled."""
        other = copy(self)
        other._repo = repo
        other._incremental = self._loaded().on(repo)
        other._now = NoteTables(self._now.priorities.copy(), self._now.configs.copy())
        other._note_moves = -1
        return other

    def beside(self, repo: Repository) -> Compiler:
        """A compiler of another tract of the store, *repo*, with the same settings; the two share the chunks they read."""
        other = Compiler(repo, maxsize=repo.config.compile_cache_maxsize, custom=self._custom, verify=self._verify)
        other._incremental = self._loaded().beside(repo)
        return other

    def _loaded(self) -> IncrementalCompiler:
        if self._incremental is None:
            from tract.compile.incremental import IncrementalCompiler

            self._incremental = IncrementalCompiler(
                self._repo, maxsize=self._maxsize, custom=self._custom, verify=self._verify
            )
        return self._incremental

    @property
    def is_custom(self) -> bool:
        """Whether a user's own compiler makes the messages, so that nothing is known about them without it."""
        return self._custom is not None

    @property
    def verifies(self) -> bool:
        """Whether every result is checked against a fresh compile."""
        return self._verify

    @property
    def notes(self) -> NoteTables:
        """The notes, as of the last ``advance_notes``."""
        return self._now

    @property
    def priorities(self) -> NoteTable:
        """The priorities, as of the last ``advance_notes``."""
        return self._now.priorities

    @property
    def configs(self) -> NoteTable:
        """The generation configs, as of the last ``advance_notes``."""
        return self._now.configs

    def advance_notes(self) -> NoteTables:
        """The notes as they are now."""
        moves = self._repo.refs.note_moves
        if moves != self._note_moves:
            advance_to_now(self._repo, self._now)
            self._note_moves = moves
        return self._now

    def compile(self, commit: ObjectId | None, notes: NoteTables | None = None) -> Snapshot:
        """The snapshot at *commit*, with *notes*; None stands for today's notes.

        HistoryCutError if gc cut its context. A remembered snapshot does not help: all callers lose the context at once.
        """
        if commit is not None:
            self._repo.check_whole(commit)
        return self._loaded().compile(commit, self.advance_notes() if notes is None else notes)

    def has_made(self, snapshot: Snapshot) -> bool:
        """Whether *snapshot* was compiled here, in the context's own order and with today's priorities."""
        return snapshot.key.priority == self.priorities.tip and self._loaded().has_made(snapshot)
