"""Advice: possible actions for a context, each with the tokens it saves and its cost for a prompt cache.

repeated outputs ── skip        a later call gave the same output again
old outputs      ── skip        they, and their files, were not used for some turns
oldest messages  ── compress    if a budget is nearly used up; a note written by rule replaces them
archives         ── gc
stale branches   ── archive     if HEAD's branch has all their messages
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from tract.agents.actions import Action
from tract.agents.leftout import KEPT_TURNS
from tract.agents.measures import Output
from tract.agents.rules import compressing, paths_in
from tract.agents.subject import Advice, Subject
from tract.compile.supposed import Supposed
from tract.dataclass import replace
from tract.maintenance.gc.collect import is_due
from tract.messages import message_text
from tract.messages.torn_pairs import Lost, without_tools
from tract.named_tuple import NamedTuple
from tract.report.text import count_of

PRESSURE = 0.7
"""The used share of the budget from which messages should be summed up."""

TARGET = 0.5
"""The share of the budget to which they are brought down."""

AGAIN = "a later call gave again"
OLD = f"are older than {KEPT_TURNS} turns"

_MOST_TARGETS = 200

_LEAST_SAVING = 50
"""The least tokens that an advice saves; it must also be a hundredth of the context."""


def advise(subject: Subject, merged: Sequence[str] = ()) -> tuple[Advice, ...]:
    """The possible actions, the least risky first; *merged* are stale branches whose messages HEAD's branch has."""
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
    """The outputs older than some turns, the oldest first, whose files were not named since."""
    measures = subject.measures
    start = measures.turn_before(KEPT_TURNS)
    if not start:
        return
    in_use = _paths_from(subject, start)
    for one in measures.standing.values():
        if one.row >= start:
            return
        if all(in_use.isdisjoint(paths_in(call.arguments)) for call in one.calls):
            yield one


def _paths_from(subject: Subject, row: int) -> set[str]:
    """The files named from *row* on."""
    messages = subject.measures.columns.messages[row : subject.snapshot.length]
    return set().union(*(paths_in(message_text(message)) for message in messages))


class Skipping(NamedTuple):
    """The advice to hide outputs, the rest of the affected rows, the calls hidden with them, the tokens saved for each row, and whether more outputs could be hidden."""

    advice: Advice
    left: dict[int, Supposed | None]
    calls_gone: dict[int, frozenset[int]]
    saved: dict[int, int]
    has_more: bool


def skipping(subject: Subject, outputs: Iterable[Output], why: str) -> Skipping | None:
    """The advice to hide *outputs*, as many as one action takes; None if that saves little."""
    free = (
        one
        for one in outputs
        if one.row not in subject.left and not any(map(subject.is_pinned, (one.row, *one.call_rows)))
    )
    some = sorted(islice(free, _MOST_TARGETS), key=lambda one: one.row)
    if not some:
        return None
    gone = _calls_gone(subject, some)
    left: dict[int, Supposed | None] = dict.fromkeys(one.row for one in some)
    left |= {row: _left_of(subject, row, calls) for row, calls in gone.items()}
    by_row = subject.saving(left)
    saved = sum(by_row.values())
    has_more = next(free, None) is not None
    if saved < _LEAST_SAVING or (not has_more and saved < subject.all_tokens // 100):
        return None
    more = ", and there are more" if has_more else ""
    reason = f"{count_of(len(some), 'output')} of tools that {why}{more}"
    targets = [subject.commit_of(one.row) for one in some]
    action = Action("annotate", {"target": targets, "priority": "skip", "reason": why}, reason)
    return Skipping(Advice(0, action, saved, subject.cost(min(left), saved)), left, gone, by_row, has_more)


def _calls_gone(subject: Subject, outputs: Sequence[Output]) -> dict[int, frozenset[int]]:
    """By row: the calls hidden with the *outputs*, which are their results, and those of the same messages that earlier steps hid."""
    places: dict[int, set[int]] = defaultdict(set)
    for one in outputs:
        for ref in one.refs:
            places[ref.row].add(ref.at)
    return {row: frozenset(calls) | subject.calls_gone.get(row, frozenset()) for row, calls in places.items()}


def _left_of(subject: Subject, row: int, calls: frozenset[int]) -> Supposed | None:
    """The rest of a message without those *calls*."""
    known, columns = subject.measures.left_of_calls, subject.measures.columns
    if (row, calls) not in known:
        left = without_tools(columns.messages[row], Lost(set(calls), set()))
        known[row, calls] = None if left is None else Supposed(row, left, subject.space.made_tokens(left))
    return known[row, calls]


# Compression


def _pressure(subject: Subject) -> Advice | None:
    if subject.budget is None or subject.tokens < PRESSURE * subject.budget:
        return None
    return compressing(
        subject,
        round(TARGET * subject.budget),
        f"the context is at {subject.tokens / subject.budget:.0%} of the budget",
    )


def _garbage(subject: Subject) -> Advice | None:
    if subject.archives_waiting:
        why = f"originals of {count_of(subject.archives_waiting, 'compression')} are older than they are kept"
    elif subject.space.repo.path is not None and is_due(subject.space.repo):
        why = "the store has many small packs or loose objects"
    else:
        return None
    return Advice(0, Action("gc", {}, why), 0)
