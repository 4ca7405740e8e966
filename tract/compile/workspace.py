"""A workspace: a repository with the counter, the caches and the compiler that one open tract uses."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from tract.compile.compiler import Compiler
from tract.compile.tables import NoteTables, tables_at
from tract.config import TractConfig
from tract.dataclass import KW_ONLY, dataclass, field, replace
from tract.errors import ClosedError, CommitNotFoundError, TractWarning
from tract.history.context import context_at, find_entry
from tract.history.notes import CONFIG, PRIORITY, NoteTable
from tract.history.origins import Origins
from tract.messages.message import Message
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.opening import open_repository
from tract.refs.store import Expected
from tract.repo import Repository
from tract.revision import Revision, resolve_revision, revision_text
from tract.storage.counts import BlobCount
from tract.storage.locks import ThreadLock
from tract.tokens.counted import count_message
from tract.tokens.counter import EstimateTokenCounter
from tract.tokens.counts import BlobCache, TotalsCache, estimate

if TYPE_CHECKING:
    from tract.compile.snapshot import Snapshot

_T = TypeVar("_T")


@dataclass(slots=True, eq=False, repr=False)
class Workspace:
    """The parts that an open tract, or a batch of it, works with.

    *warn* receives warnings for a person, for example that a budget is exceeded.
    """

    repo: Repository
    blobs: BlobCache
    _: KW_ONLY
    compiler: Compiler
    usages: NoteTable
    warn: Callable[[TractWarning], None]
    origins: Origins
    """For each commit, the state of the notes when it was made."""
    totals: TotalsCache
    """The stored figures of contexts."""
    lock: ThreadLock = field(default_factory=ThreadLock)
    """Held while a thread uses the workspace: results count their tokens later, when they are first asked for them."""
    budget_used: int | None = None
    """The tokens of the context including the last commit, from the budget's check; None if it did not compute them."""

    made: int | None = None
    """The generation of the last commit; None if it did anything else than append messages."""

    exact: bool = True
    """Whether a blob without a stored count is counted now; else it is estimated, which loads no tokenizer."""
    usage_seen: tuple[ObjectId | None, ObjectId | None, Any] = (None, None, None)
    """The last lookup of the usage for a commit: the state of the notes, the commit, the note found."""

    compressed_seen: tuple[ObjectId | None, ObjectId | None, bool] = (None, None, False)
    """The last check for a compression between two commits: the later commit, the earlier one, the result."""

    seen: ObjectId | None = None
    """The branch tip that the committing handle saw last, None if unknown: a request it sent has nothing newer."""

    requests: NoteTable = field(default_factory=NoteTable)
    """The notes about requests."""
    shown: tuple[ObjectId | None, ObjectId | None, ObjectId | None] | None = None
    """The commit compiled last with today's notes, the state of the priorities then, and the newest commit known to descend from it."""

    note_moves: int = -1
    """The number of moves of notes' refs up to which *usages* and the compiler's notes are current."""

    lists: dict[tuple[str, str | None], Any] = field(default_factory=dict)
    """By format and branch: facts about the list recorded there last."""

    _types: dict[str, type[Any]] = field(default_factory=dict)

    def on(self, repo: Repository) -> Workspace:
        """A workspace of *repo*, a batch of this workspace's: it shares the lock and the caches, and has its own notes."""
        return replace(
            self,
            repo=repo,
            blobs=self.blobs.on(repo),
            compiler=self.compiler.on(repo),
            usages=self.usages.copy(),
            note_moves=-1,
            requests=NoteTable(),
        )

    @property
    def types(self) -> dict[str, type[Any]]:
        """The content types by name: the built-in ones and the registered ones."""
        if not self._types:
            from tract.objects.content import BUILTIN  # a reading command needs none of them

            self._types.update(BUILTIN)
        return self._types

    @property
    def config(self) -> TractConfig:
        return self.repo.config

    def count_of(self, blob: ObjectId) -> BlobCount:
        """The figures of a blob's content."""
        return self.blobs.count(blob) if self.exact else self.blobs.known(blob) or estimate(self.repo, blob)

    def message_tokens(self, blob: ObjectId) -> int:
        """The tokens of a blob's content as a message."""
        return self.count_of(blob).message

    def is_behind(self, commit: ObjectId, before: ObjectId) -> bool:
        """Whether the message of *commit* was recorded directly behind that of *before*; False if that is not known."""
        from tract.compile.recorded_answers import recorded_before

        found = recorded_before(self.repo, commit)
        return found is None or found == before

    def made_tokens(self, message: Message) -> int:
        """The tokens of a message that is not a blob's content."""
        return count_message(self.blobs.counter if self.exact else EstimateTokenCounter(), message)

    def text_tokens(self, blob: ObjectId) -> int:
        """The tokens of a blob's text."""
        if self.exact:
            return self.blobs.count(blob).text
        return (self.blobs.known(blob) or estimate(self.repo, blob)).text


def ask_store(space: Workspace, question: Callable[[Workspace], _T]) -> _T:
    """The workspace's answer to *question*, under its lock; if the store was closed meanwhile, it is opened again for this.

    Results count their tokens when they are first asked for them, which may be after their tract was closed.
    """
    with space.lock:
        try:
            return question(space)
        except ClosedError:
            if space.repo.path is None:
                raise
        repo = open_repository(space.repo.path, tract=space.repo.tract, create_tract=False)
        try:
            return question(space.on(repo))
        finally:
            repo.close()


Moving: TypeAlias = Callable[[str], AbstractContextManager[tuple[Workspace, Expected]]]
"""A handle's access for the named command, which moves the branch: the locked workspace, and the tip that the branch must have."""


def compile_head(space: Workspace) -> Snapshot:
    """The snapshot of the context at HEAD."""
    return space.compiler.compile(space.repo.head()[1])


def notes_then(space: Workspace, commit: ObjectId) -> NoteTables | None:
    """The notes at the time when *commit* was made; None inside the batch that makes it, which stands for today's."""
    if not space.origins.is_made(commit):
        return None
    tips = space.origins.notes_then(commit)
    if tips is not None:
        return tables_at(space.repo, tips.get(PRIORITY), tips.get(CONFIG))
    space.repo.check_history(commit, f"the notes as they were at commit {commit.hex()[:16]} are not kept")
    raise CommitNotFoundError(
        commit.hex(), "neither the operation that made it nor the notes as they were then are kept"
    )


def context_commit(repo: Repository, revision: Revision) -> ObjectId:
    """The commit that *revision* names, which must have a context."""
    commit = resolve_revision(repo, revision)
    if repo.commit(commit).operation is CommitOperation.NOTE:
        raise CommitNotFoundError(revision_text(revision), "that is a note, which has no context")
    return commit


def current_blob(repo: Repository, message: ObjectId) -> ObjectId:
    """The message's blob in the current context, or else the one it was committed with."""
    blob = find_entry(repo, context_at(repo, repo.head()[1]), message) or repo.commit(message).content
    if blob is None:
        raise CommitNotFoundError(message.hex(), "it has no content")
    return blob
