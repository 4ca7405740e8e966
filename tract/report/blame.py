"""Blame, as people ask for it: where each message of a context comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tract.compile.tables import ConfigTable
from tract.compile.workspace import Workspace, context_commit
from tract.history.blame import Blamed, blame_entries
from tract.history.compression import sources_by_summary
from tract.history.context import context_at, entries
from tract.history.priority import Priority
from tract.messages import copy_json, message_text
from tract.objects.message_format import JSON
from tract.objects.model import Entry
from tract.report.info import CommitInfo, rebuilt_with_count
from tract.report.log import describe
from tract.tokens.counts import message_in


@dataclass(frozen=True, slots=True, repr=False)
class BlameEntry:
    """A message of a context, hidden ones included: the commit that introduced it, and the last that changed what it says.

    The two are the same where nobody changed it. *position* counts from 0; *generation_config* is that of its present words.
    *sources* are the messages that it stands for where it is a summary, as long as they are kept.
    """

    position: int
    introduced: CommitInfo
    changed: CommitInfo
    content_hash: str
    role: str
    text: str
    generation_config: dict[str, JSON] | None
    sources: tuple[str, ...]
    _count: Callable[[], int] = field(compare=False)

    @property
    def commit_hash(self) -> str:
        """The commit that introduced the message: its id everywhere."""
        return self.introduced.commit_hash

    @property
    def changed_hash(self) -> str:
        """The commit that last changed it."""
        return self.changed.commit_hash

    @property
    def is_changed(self) -> bool:
        """Whether anybody changed it since it was introduced."""
        return self.commit_hash != self.changed_hash

    @property
    def author(self) -> str:
        """Who committed its present words."""
        return self.changed.author

    @property
    def model(self) -> str | None:
        """The model that its generation config names."""
        model = (self.generation_config or {}).get("model")
        return model if isinstance(model, str) else None

    @property
    def priority(self) -> Priority:
        """Whether it is hidden, pinned or neither."""
        return self.introduced.priority

    @property
    def token_count(self) -> int:
        """Its tokens as a message, framing included; counted when first asked for."""
        return self._count()

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuilt_with_count(self)

    def __repr__(self) -> str:
        change = f" changed by {self.changed_hash[:16]}" if self.is_changed else ""
        return f"BlameEntry({self.position} {self.commit_hash[:16]} {self.role}{change}: {self.text[:40]!r})"


def blame(space: Workspace, revision: str, places: slice = slice(None)) -> list[BlameEntry]:
    """Where each message of the context at *revision* comes from, first to last; none where there is no commit yet.

    *places* asks for some of them only, and reads no further back than those need.
    """
    repo = space.repo
    if revision == "HEAD" and repo.head()[1] is None:
        return []
    tip = context_commit(repo, revision)
    rows = entries(repo, context_at(repo, tip))
    chosen = range(len(rows))[places]
    configs = space.compiler.advance_notes(repo).configs
    if configs.tip is not None:
        configs.sort_out(repo, {commit for commit, _ in rows}.__contains__)
    blamed = blame_entries(repo, tip, rows[places])
    sources = sources_by_summary(repo, (row.commit for row in blamed))
    return [
        _entry(space, at, row, configs, sources.get(row.commit, ())) for at, row in zip(chosen, blamed, strict=True)
    ]


def _entry(space: Workspace, position: int, row: Blamed, configs: ConfigTable, sources: Sequence[Entry]) -> BlameEntry:
    repo = space.repo
    value = repo.blob(row.blob)
    as_introduced = repo.commit(row.commit).content == row.blob
    introduced = describe(space, row.commit, value if as_introduced else None)
    changed = introduced if row.changed == row.commit else describe(space, row.changed)
    message = message_in(value)
    return BlameEntry(
        position,
        introduced,
        changed,
        row.blob.hex(),
        message.role,
        message_text(message),
        copy_json(configs.of_words(repo, row.commit, row.blob)),
        tuple(commit.hex() for commit, _ in sources),
        lambda: space.message_tokens(row.blob),
    )
