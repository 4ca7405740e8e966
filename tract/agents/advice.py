"""Advice: what could be done about a context, as actions, each with what it saves and what it costs a prompt cache.

repeated outputs ── skip        a later call gave the same again
old outputs      ── skip        nobody looked at them for some turns, nor at their files
what is oldest   ── compress    where a budget is nearly used up; the note in its place is written by rule
archives         ── gc
stale branches   ── archive     where HEAD's has all of them
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple

from tract.agents.actions import Action
from tract.agents.measures import Measures, Output
from tract.agents.rules import KEPT_TURNS, note_of, paths_in
from tract.compile.snapshot import Snapshot
from tract.compile.workspace import Workspace
from tract.curation.compress.result import CachePrices, PrefixCost
from tract.history.priority import Priority, priority_of
from tract.maintenance.gc.run import is_due
from tract.messages import message_text
from tract.messages.message import message_from_raw
from tract.messages.repair import Lost, without_tools
from tract.report.text import count_of

PRESSURE = 0.7
"""The share of the budget from which on messages should be summed up."""

TARGET = 0.5
"""The share that is left of the budget then."""

_TURNS = (KEPT_TURNS, 10, 5)
"""How many of the last turns stay, the most that reaches the target."""

AGAIN = "a later call gave again"
OLD = f"are older than {KEPT_TURNS} turns"

_MOST_TARGETS = 200

_NOTE_TOKENS = 300
"""About as long is a note in the place of messages."""

_LEAST_SAVING = 50
"""Tokens; it must be a hundredth of the context too."""


@dataclass(frozen=True, slots=True)
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
    """What advice is about: a context and its figures; *archives_waiting* are summaries whose originals may go.

    *saved* has for a row what steps before save of it, for who plans several.
    """

    space: Workspace
    snapshot: Snapshot
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

    def commit_of(self, row: int) -> str:
        """The hexadecimal id of the message in a row."""
        return self.measures.columns.commits[row].hex()

    def cost(self, first: int, saved: int) -> PrefixCost:
        """What it costs a cache where *saved* tokens go, the first change being in row *first*."""
        common = self.tokens_before(first)
        rest = self.all_tokens - common
        return PrefixCost.of(common, rest, rest - saved, 0.0, CachePrices.of(self.space.config))


def advise(subject: Subject, merged: Sequence[str] = ()) -> tuple[Advice, ...]:
    """What could be done, the least risky first; *merged* are stale branches of which nothing would be missed."""
    makers: Iterable[Callable[[Subject], Advice | None]] = (_repeated, _old, _pressure, _garbage)
    found = [one for make in makers if (one := make(subject)) is not None]
    found += [
        Advice(0, Action("archive", {"name": name}, f"branch '{name}' is merged and stale"), 0) for name in merged
    ]
    return tuple(replace(one, number=number) for number, one in enumerate(found, 1))


# Outputs


def _repeated(subject: Subject) -> Advice | None:
    found = skipping(subject, subject.measures.superseded, AGAIN)
    return None if found is None else found.advice


def _old(subject: Subject) -> Advice | None:
    found = skipping(subject, unused_outputs(subject), OLD)
    return None if found is None else found.advice


def unused_outputs(subject: Subject) -> Iterator[Output]:
    """The outputs older than some turns, the oldest first, of which no file is named since."""
    measures = subject.measures
    start = measures.turn_before(KEPT_TURNS)
    if not start:
        return
    in_use = _paths_from(subject, start)
    for one in measures.outputs_before(start):
        if one.is_superseded or one.is_mixed:
            continue
        if all(in_use.isdisjoint(paths_in(call.arguments)) for call in one.calls):
            yield one


def _paths_from(subject: Subject, row: int) -> set[str]:
    """The files that are named from *row* on."""
    messages = subject.measures.columns.messages[row : subject.snapshot.length]
    return set().union(*(paths_in(message_text(message)) for message in messages))


class Skipping(NamedTuple):
    """The advice to hide outputs, what it saves of each row, and whether there are more that could be hidden."""

    advice: Advice
    saved: dict[int, int]
    has_more: bool


def skipping(subject: Subject, outputs: Iterable[Output], why: str) -> Skipping | None:
    """The advice to hide *outputs*, as many as one action takes; None where that saves little."""
    free = (
        one
        for one in outputs
        if one.row not in subject.saved and not any(map(subject.is_pinned, (one.row, *one.call_rows)))
    )
    some = sorted(islice(free, _MOST_TARGETS), key=lambda one: one.row)
    if not some:
        return None
    by_row = {**{one.row: subject.tokens_of(one.row) for one in some}, **_saved_of_calls(subject, some)}
    saved = sum(by_row.values())
    has_more = next(free, None) is not None
    if saved < _LEAST_SAVING or (not has_more and saved < subject.all_tokens // 100):
        return None
    more = ", and there are more" if has_more else ""
    reason = f"{count_of(len(some), 'output')} of tools that {why}{more}"
    targets = [subject.commit_of(one.row) for one in some]
    action = Action("annotate", {"target": targets, "priority": "skip", "reason": why}, reason)
    return Skipping(Advice(0, action, saved, subject.cost(min(by_row), saved)), by_row, has_more)


def _saved_of_calls(subject: Subject, outputs: Sequence[Output]) -> dict[int, int]:
    """What goes of the messages whose calls the *outputs* answer, for a call is hidden with its result."""
    measures = subject.measures
    places: dict[int, set[int]] = defaultdict(set)
    for one in outputs:
        for ref in one.refs:
            places[ref.row].add(ref.at)
    saved: dict[int, int] = {}
    for row, calls in places.items():
        if row in subject.saved:
            continue  # calls of it are hidden already, and what the rest saves is little
        key = (row, frozenset(calls))
        if key not in measures.saved_of_calls:
            left = without_tools(measures.columns.messages[row], Lost(calls, set()))
            measures.saved_of_calls[key] = subject.tokens_of(row) - (
                0 if left is None else subject.space.made_tokens(left)
            )
        saved[row] = measures.saved_of_calls[key]
    return saved


# Compression


def _pressure(subject: Subject) -> Advice | None:
    if subject.budget is None or subject.tokens < PRESSURE * subject.budget:
        return None
    return compressing(
        subject,
        round(TARGET * subject.budget),
        f"the context is at {subject.tokens / subject.budget:.0%} of the budget",
    )


def compressing(subject: Subject, target: int, why: str) -> Advice | None:
    """The advice to sum up the oldest messages, as few as leave *target* tokens, or as many as may go where that cannot be; None where it saves little."""
    rows: list[int] = []
    stays: set[int] = set()
    for turns in _TURNS:
        stop = subject.measures.turn_before(turns)
        stays = _staying(subject, stop)
        rows = [row for row in range(stop) if row not in stays and not subject.is_hidden(row)]
        if subject.tokens - sum(map(subject.tokens_of, rows)) + _NOTE_TOKENS <= target:
            rows = _oldest(subject, rows, subject.tokens + _NOTE_TOKENS - target)
            break
    if not rows:
        return None
    going = sum(map(subject.tokens_of, rows))
    columns, kinds = subject.measures.columns, subject.measures.kinds
    note = note_of([(columns.messages[row], kinds[row]) for row in rows])
    written = subject.space.made_tokens(message_from_raw({"role": "assistant", "content": note}, "openai"))
    if written > going // 2:
        return None
    preserved = [subject.commit_of(row) for row in sorted(stays) if rows[0] < row < rows[-1]]
    arguments = {
        "from_commit": subject.commit_of(rows[0]),
        "to_commit": subject.commit_of(rows[-1]),
        "content": note,
        **({"preserve": preserved} if preserved else {}),
    }
    reason = f"{why}; {count_of(len(rows), 'message')} of {subject.snapshot.length} are summed up by rule"
    return Advice(0, Action("compress", arguments, reason), going - written, subject.cost(rows[0], going - written))


def _oldest(subject: Subject, rows: Sequence[int], wanted: int) -> list[int]:
    """The first of *rows* that have *wanted* tokens, and those up to the end of the turn, so that no call is without its results."""
    stop = going = 0
    for row in rows:
        if going >= wanted:
            break
        going += subject.tokens_of(row)
        stop = row + 1
    turns = subject.measures.turns
    at = bisect_left(turns, stop)
    end = turns[at] if at < len(turns) else subject.snapshot.length
    return [row for row in rows if row < end]


def _staying(subject: Subject, stop: int) -> set[int]:
    """The rows in front of *stop* that are not to be summed up, with the tool messages that belong to them."""
    measures = subject.measures
    stays = {*measures.instructions, *measures.sessions, *measures.requests[-1:]}
    stays |= {ref.row for ref in measures.pairing.open}
    stays |= {row for row in range(stop) if subject.is_pinned(row)}
    for one in measures.outputs:
        unit = {one.row, *one.call_rows}
        if not unit.isdisjoint(stays) or max(unit) >= stop > min(unit):
            stays |= unit
    return stays


def _garbage(subject: Subject) -> Advice | None:
    if subject.archives_waiting:
        why = f"originals of summaries are older than they are kept: {subject.archives_waiting}"
    elif subject.space.repo.path is not None and is_due(subject.space.repo):
        why = "the store has many small packs or loose objects"
    else:
        return None
    return Advice(0, Action("gc", {}, why), 0)
