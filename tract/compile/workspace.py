"""A workspace: a repository with the counter, the caches and the compiler that one open tract uses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tract.compile.cache import BlobCache, estimate
from tract.compile.compiler import Compiler
from tract.compile.snapshot import Snapshot
from tract.config import TractConfig
from tract.errors import CommitNotFoundError
from tract.history.context import chunks, context_at
from tract.history.notes import NoteTable
from tract.objects.id import ObjectId
from tract.repo import Repository


@dataclass(slots=True)
class Workspace:
    """What an open tract works with; *repo* is the batch's while one is open.

    *warn* is told what a person should hear, such as a budget that is exceeded.
    """

    repo: Repository
    blobs: BlobCache
    compiler: Compiler
    usages: NoteTable
    types: dict[str, type[Any]]
    warn: Callable[[str], None]
    lock: threading.RLock = field(default_factory=threading.RLock)
    """For one thread at a time: results count their tokens when they are first asked to."""
    exact: bool = True
    """Whether a blob nobody counted is counted now; else it is estimated, which loads no tokenizer."""
    usage_seen: tuple[ObjectId | None, ObjectId | None, Any] = (None, None, None)
    """The last answer to which usage counts for a commit: the state of the notes, the commit, the note."""

    @property
    def config(self) -> TractConfig:
        return self.repo.config

    def message_tokens(self, blob: ObjectId) -> int:
        """The tokens of a blob's content as a message."""
        if self.exact:
            return self.blobs.count(self.repo, blob).message
        return (self.blobs.known(blob) or estimate(self.repo, blob)).message

    def text_tokens(self, blob: ObjectId) -> int:
        """The tokens of a blob's text."""
        with self.lock:
            if self.exact:
                return self.blobs.count(self.repo, blob).text
            return (self.blobs.known(blob) or estimate(self.repo, blob)).text


def compile_head(space: Workspace) -> Snapshot:
    """The snapshot of the context at HEAD."""
    return space.compiler.compile(space.repo, space.repo.head()[1])


def current_blob(repo: Repository, message: ObjectId) -> ObjectId:
    """The blob that the message has in the current context, else the one it was committed with."""
    _, tip = repo.head()
    for _, items in chunks(repo, context_at(repo, tip)):
        if message in items[::2]:
            return items[items[::2].index(message) * 2 + 1]
    content = repo.commit(message).content
    if content is None:
        raise CommitNotFoundError(message.hex(), "it has no content")
    return content
