"""What advice is about, and what an advice is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field

from tract.agents.actions import Action
from tract.agents.measures import Measures
from tract.compile.snapshot import Snapshot
from tract.compile.workspace import Workspace
from tract.curation.compress.result import CachePrices, PrefixCost
from tract.history.priority import Priority, priority_of
from tract.report.text import count_of


@dataclass(frozen=True, slots=True, repr=False)
class Advice:
    """An action that would help; *saves_tokens* of the context, *prefix* is what it costs a provider's cache."""

    number: int
    action: Action
    saves_tokens: int
    prefix: PrefixCost | None = None

    @property
    def reason(self) -> str:
        """Why."""
        return self.action.reason

    def __repr__(self) -> str:
        return f"Advice({self})"

    def __str__(self) -> str:
        saving = f"; saves {self.saves_tokens:,} tokens" if self.saves_tokens else ""
        return f"{self.number}. {self.action.name}: {self.reason}{saving}{_cost(self.prefix)}"


def _cost(prefix: PrefixCost | None) -> str:
    if prefix is None:
        return ""
    total = prefix.common_tokens + prefix.invalidated_tokens
    calls = prefix.break_even_calls
    pays = "never pays for itself" if calls is None else f"pays for itself after {count_of(calls, 'call')}"
    return f"; {prefix.common_tokens:,} of {total:,} tokens stay cached, {pays}"


@dataclass(slots=True)
class Subject:
    """What advice is about: a context and its figures; *archives_waiting* are compressions whose originals may go.

    *saved* has for a row what steps before save of it, for who plans several.
    """

    space: Workspace
    snapshot: Snapshot
    _: KW_ONLY
    measures: Measures
    tokens: int
    budget: int | None
    archives_waiting: int
    saved: dict[int, int] = field(default_factory=dict)

    def tokens_of(self, row: int) -> int:
        """The tokens of a row."""
        return self.measures.columns.counts[row] - self.saved.get(row, 0)

    def tokens_before(self, row: int) -> int:
        """The tokens in front of a row."""
        gone = sum(tokens for at, tokens in self.saved.items() if at < row)
        return self.measures.columns.total(row, self.space) - gone

    @property
    def all_tokens(self) -> int:
        """The tokens of all messages by the counter alone."""
        return self.tokens_before(self.snapshot.length)

    def is_hidden(self, row: int) -> bool:
        """Whether a step before hides all of a row."""
        return row in self.saved and not self.tokens_of(row)

    def take(self, saved: Mapping[int, int]) -> None:
        """Go on from a step that saves so many tokens of these rows."""
        for row, tokens in saved.items():
            self.saved[row] = self.saved.get(row, 0) + tokens
        self.tokens -= sum(saved.values())

    def is_pinned(self, row: int) -> bool:
        """Whether the message in a row must survive."""
        repo, columns = self.space.repo, self.measures.columns
        note = self.space.compiler.priorities.get(repo, columns.commits[row])
        if note is None and row not in self.measures.instructions:
            return False
        return priority_of(note, repo.blob(columns.blobs[row])) is Priority.PINNED

    def pinned_rows(self) -> set[int]:
        """The rows that somebody pinned; instructions, which are pinned by themselves, are in the measures."""
        notes, columns = self.space.compiler.advance_notes(), self.measures.columns
        rows = (
            columns.place(commit) for commit in notes.priorities.targets() if notes.is_pinned(self.space.repo, commit)
        )
        return {row for row in rows if row is not None and row < self.snapshot.length}

    def commit_of(self, row: int) -> str:
        """The hexadecimal id of the message in a row."""
        return self.measures.columns.commits[row].hex()

    def cost(self, first: int, saved: int) -> PrefixCost:
        """What it costs a cache where *saved* tokens go, the first change being in row *first*."""
        common = self.tokens_before(first)
        rest = self.all_tokens - common
        return PrefixCost.of(common, rest, rest - saved, 0.0, CachePrices.of(self.space.config))
