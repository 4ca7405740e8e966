"""Advice: what could be done about a context, as actions, each with what it saves and what it costs a prompt cache.

repeated outputs ── skip        a later call gave the same again
old outputs      ── skip        nobody looked at them for some turns, nor at their files
what is oldest   ── compress    where a budget is nearly used up; the note in its place is written by rule
archives         ── gc
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
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

_TURNS = (KEPT_TURNS, 10, 5, 2)
"""How many of the last turns stay, the most that reaches the target."""

_MOST_TARGETS = 200
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


class Subject(NamedTuple):
    """What advice is about: a context and its figures; *archives_waiting* are summaries whose originals may go."""

    space: Workspace
    snapshot: Snapshot
    measures: Measures
    tokens: int
    budget: int | None
    archives_waiting: int

    def tokens_of(self, row: int) -> int:
        """The tokens of a row."""
        return self.measures.columns.counts[row]

    def tokens_before(self, row: int) -> int:
        """The tokens in front of a row."""
        return self.measures.columns.total(row, self.space)

    @property
    def all_tokens(self) -> int:
        """The tokens of all messages by the counter alone."""
        return self.tokens_before(self.snapshot.length)

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


def advise(subject: Subject) -> tuple[Advice, ...]:
    """What could be done, the least risky first."""
    found: list[Advice] = []
    makers: Iterable[Callable[[Subject], Advice | None]] = (_repeated, _old, _pressure, _garbage)
    for make in makers:
        one = make(subject)
        if one is not None:
            found.append(replace(one, number=len(found) + 1))
    return tuple(found)


# Outputs


def _repeated(subject: Subject) -> Advice | None:
    return _skipping(subject, subject.measures.superseded, "a later call gave again")


def _old(subject: Subject) -> Advice | None:
    measures = subject.measures
    start = measures.turn_before(KEPT_TURNS)
    if not start:
        return None
    in_use = _paths_from(subject, start)
    old = (one for one in measures.outputs_before(start) if not one.is_superseded and not one.is_mixed)
    unused = (one for one in old if all(in_use.isdisjoint(paths_in(call.arguments)) for call in one.calls))
    return _skipping(subject, unused, f"are older than {KEPT_TURNS} turns")


def _paths_from(subject: Subject, row: int) -> set[str]:
    """The files that are named from *row* on."""
    messages = subject.measures.columns.messages[row : subject.snapshot.length]
    return set().union(*(paths_in(message_text(message)) for message in messages))


def _skipping(subject: Subject, outputs: Iterable[Output], why: str) -> Advice | None:
    """The advice to hide *outputs*, as many as one action takes; None where that saves little."""
    free = (one for one in outputs if not any(map(subject.is_pinned, (one.row, *one.call_rows))))
    some = sorted(islice(free, _MOST_TARGETS), key=lambda one: one.row)
    if not some:
        return None
    saved = sum(one.tokens for one in some) + sum(_saved_of_calls(subject, some))
    has_more = next(free, None) is not None
    if saved < _LEAST_SAVING or (not has_more and saved < subject.all_tokens // 100):
        return None
    more = ", and there are more" if has_more else ""
    reason = f"{count_of(len(some), 'output')} of tools that {why}{more}"
    targets = [subject.commit_of(one.row) for one in some]
    first = min(min(one.row, *one.call_rows) for one in some)
    action = Action("annotate", {"target": targets, "priority": "skip", "reason": why}, reason)
    return Advice(0, action, saved, subject.cost(first, saved))


def _saved_of_calls(subject: Subject, outputs: Sequence[Output]) -> Iterator[int]:
    """What goes of the messages whose calls the *outputs* answer, for a call is hidden with its result."""
    places: dict[int, set[int]] = defaultdict(set)
    for one in outputs:
        for ref in one.refs:
            places[ref.row].add(ref.at)
    known = subject.measures.saved_of_calls
    for row, calls in places.items():
        key = (row, frozenset(calls))
        if key not in known:
            left = without_tools(subject.measures.columns.messages[row], Lost(calls, set()))
            known[key] = subject.tokens_of(row) - (0 if left is None else subject.space.made_tokens(left))
        yield known[key]


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
    """The advice to sum up the oldest messages, so that *target* tokens are left where that can be; None where it saves little."""
    rows: list[int] = []
    stays: set[int] = set()
    for turns in _TURNS:
        stop = subject.measures.turn_before(turns)
        stays = _staying(subject, stop)
        rows = [row for row in range(stop) if row not in stays]
        if subject.tokens - sum(map(subject.tokens_of, rows)) <= target:
            break
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
