"""The subject of advice, and an advice."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence

from tract.agents.actions import Action
from tract.agents.measures import Measures
from tract.compile.snapshot import Snapshot
from tract.compile.supposed import Supposed, supposed_tokens
from tract.compile.totals import ContextTotals
from tract.compile.workspace import Workspace
from tract.curation.compress.result import CachePrices, PrefixCost
from tract.dataclass import KW_ONLY, dataclass, field
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
        """The action's reason."""
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
    """The subject of advice: a context and its figures; *archives_waiting* are compressions whose originals may be dropped.

    While several steps are planned, *tokens* are those left, *left* has the rest of a row after earlier steps (None if they hide it), *calls_gone* the calls of it that they hide, *saved* the tokens they save of it.
    """

    space: Workspace
    snapshot: Snapshot
    _: KW_ONLY
    measures: Measures
    totals: ContextTotals
    tokens: int
    budget: int | None
    archives_waiting: int
    left: dict[int, Supposed | None] = field(default_factory=dict)
    calls_gone: dict[int, frozenset[int]] = field(default_factory=dict)
    saved: dict[int, int] = field(default_factory=dict)
    _sent: Sequence[int] | None = None

    def tokens_of(self, row: int) -> int:
        """The tokens sent for a row."""
        return self._sent_counts()[row] - self.saved.get(row, 0)

    def _sent_counts(self) -> Sequence[int]:
        if self._sent is None:
            self._sent = self.measures.columns.counts_sent(self.snapshot.length, self.space)
        return self._sent

    def tokens_before(self, row: int) -> int:
        """The tokens before a row, counted as if the context ended there."""
        gone = sum(tokens for at, tokens in self.saved.items() if at < row)
        return self.measures.columns.total(row, self.space) - gone

    @property
    def all_tokens(self) -> int:
        """The tokens of all messages by the counter alone."""
        return self.tokens_before(self.snapshot.length)

    def is_hidden(self, row: int) -> bool:
        """Whether an earlier step hides all of a row."""
        return self.left.get(row, True) is None

    # The saving of a step, with its effect on the neighbours of the removed messages

    def saving(self, left: Mapping[int, Supposed | None]) -> dict[int, int]:
        """The tokens saved for each row if only *left* remains of the rows in it; negative if more is sent for one."""
        after = {**self.left, **left}
        saved: dict[int, int] = {}
        for start, stop in self._stretches(after):
            if left.keys().isdisjoint(range(start, stop)):
                continue
            found = self.supposed(range(start, min(stop + 1, self.snapshot.length)), after)
            sent = {one.row: tokens for one, tokens in zip(found, self.sent(found), strict=True) if one.row is not None}
            # A row in neither was hidden before, and no longer counts.
            saved |= {row: self.tokens_of(row) - sent.get(row, 0) for row in {**sent, **left} if start <= row < stop}
        return {row: tokens for row, tokens in saved.items() if tokens}

    def supposed(self, rows: Collection[int], left: Mapping[int, Supposed | None]) -> list[Supposed]:
        """The messages in *rows*, with *left* in place of some."""
        columns = self.measures.columns
        found = (
            left[row] if row in left else Supposed(row, columns.messages[row], columns.counts[row]) for row in rows
        )
        return [one for one in found if one is not None]

    def sent(self, messages: Sequence[Supposed]) -> list[int]:
        """The tokens sent for each of *messages*."""
        return supposed_tokens(self.space, self.measures.columns, messages)

    def _stretches(self, rows: Collection[int]) -> Iterator[tuple[int, int]]:
        """The stretches of rows whose sent form a change of *rows* may affect: from the model's turn before a changed row to the second turn behind it."""
        turns, length = self.measures.turns, self.snapshot.length
        if self.measures.columns.has_far(length, self.space):
            yield 0, length
            return
        start = stop = -1
        for row in sorted(rows):
            at = bisect_right(turns, row)
            first = turns[at - 2] if at > 1 else 0
            if first >= stop >= 0:
                yield start, stop
            if first >= stop:
                start = first
            stop = turns[at + 1] if at + 1 < len(turns) else length
        yield start, stop

    def settled_behind(self, row: int) -> int:
        """The row behind the last one that a change in *row* may affect."""
        return next(self._stretches({row, *(one for one in self.left if one > row)}))[1]

    def tokens_up_to(self, row: int) -> int:
        """The tokens sent for all rows before *row*, whatever follows them."""
        return sum(self._sent_counts()[:row]) - sum(tokens for at, tokens in self.saved.items() if at < row)

    def take(
        self, left: Mapping[int, Supposed | None], gone: Mapping[int, frozenset[int]], saved: Mapping[int, int]
    ) -> None:
        """Apply a step that leaves *left*, hides the calls *gone* and saves the tokens *saved* of each row."""
        self.left.update(left)
        self.calls_gone.update(gone)
        for row, tokens in saved.items():
            self.saved[row] = self.saved.get(row, 0) + tokens
        self.tokens -= sum(saved.values())

    def is_pinned(self, row: int) -> bool:
        """Whether the message in a row is pinned."""
        repo, columns = self.space.repo, self.measures.columns
        note = self.space.compiler.priorities.get(repo, columns.commits[row])
        if note is None and row not in self.measures.instructions:
            return False
        return priority_of(note, repo.blob(columns.blobs[row])) is Priority.PINNED

    def pinned_rows(self) -> set[int]:
        """The rows pinned by a note; instructions, which are pinned by themselves, are in the measures."""
        notes, columns = self.space.compiler.advance_notes(), self.measures.columns
        rows = (
            columns.place(commit) for commit in notes.priorities.targets() if notes.is_pinned(self.space.repo, commit)
        )
        return {row for row in rows if row is not None and row < self.snapshot.length}

    def commit_of(self, row: int) -> str:
        """The hexadecimal id of the message in a row."""
        return self.measures.columns.commits[row].hex()

    def cost(self, first: int, saved: int) -> PrefixCost:
        """The cost for a cache of removing *saved* tokens, with the first change in row *first*."""
        common = self.tokens_before(first)
        rest = self.all_tokens - common
        return PrefixCost.of(common, rest, rest - saved, 0.0, CachePrices.of(self.space.config))
