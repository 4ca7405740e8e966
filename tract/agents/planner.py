"""The rule planner: orders advice into a plan, without a model.

    1  hide every output that a later call gave again
    2  hide old outputs, the oldest first         ┐ until the target is reached
    3  sum up the oldest messages by rule         ┘

The same context always gets the same plan. No step touches pinned messages, instructions, session contents, open calls or the user's last request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tract.agents.advice import AGAIN, OLD, PRESSURE, TARGET, skipping, unused_outputs
from tract.agents.health import HealthTable, subject_of
from tract.agents.measures import Output
from tract.agents.rules import compressing
from tract.agents.subject import Advice, Subject
from tract.compile.workspace import Workspace
from tract.curation.compress.result import CachePrices, PrefixCost
from tract.dataclass import dataclass, replace
from tract.errors import ActionError
from tract.report.text import Shown, count_of


@dataclass(frozen=True, slots=True, repr=False)
class Plan(Shown):
    """What the rule planner would do, step by step, to bring *tokens_before* down to *target*; *tokens_after* is the result, counted in the same way.

    *prefix* is what all steps together cost a provider's prompt cache; None if there are no steps.
    """

    steps: tuple[Advice, ...]
    target: int
    tokens_before: int
    tokens_after: int
    prefix: PrefixCost | None

    def __repr__(self) -> str:
        return f"Plan({count_of(len(self.steps), 'step')}, {self.tokens_before:,} tokens to {self.tokens_after:,})"

    def __str__(self) -> str:
        return "\n".join(map(str, self.steps)) or "nothing to do"


def plan(space: Workspace, table: HealthTable, target: int | None = None) -> Plan:
    """The plan that brings HEAD's context down to *target* tokens; nothing changes.

    Without a *target* it is half of the budget if 70 % of that are used; else only repeated outputs are hidden.
    """
    if target is not None and (type(target) is not int or target < 0):
        raise ActionError(f"target must be a number of tokens, not {target!r:.40}")
    subject = subject_of(space, table)
    before = subject.tokens
    goal = _goal(subject) if target is None else target
    steps = [
        *_hiding(subject, subject.measures.superseded, AGAIN, 0),
        *_hiding(subject, unused_outputs(subject), OLD, goal),
    ]
    last = compressing(subject, goal, f"{subject.tokens:,} tokens are over {goal:,}") if subject.tokens > goal else None
    steps += [] if last is None else [last]
    after = subject.tokens - (0 if last is None else last.saves_tokens)
    numbered = tuple(replace(one, number=number) for number, one in enumerate(steps, 1))
    return Plan(numbered, goal, before, after, _prefix(subject, steps, before - after))


def _goal(subject: Subject) -> int:
    budget = subject.budget
    return round(TARGET * budget) if budget is not None and subject.tokens >= PRESSURE * budget else subject.tokens


def _hiding(subject: Subject, outputs: Iterable[Output], why: str, goal: int) -> list[Advice]:
    """The steps that hide *outputs*, action by action, until *goal* is reached."""
    left = list(outputs)
    steps: list[Advice] = []
    while subject.tokens > goal:
        found = skipping(subject, _enough(subject, left, goal), why)
        if found is None:
            break
        steps.append(found.advice)
        subject.take(found.left, found.calls_gone, found.saved)
    return steps


def _enough(subject: Subject, outputs: Iterable[Output], goal: int) -> Iterator[Output]:
    """As many of *outputs* as bring the context down to *goal*."""
    over = subject.tokens - goal
    for one in outputs:
        if one.row in subject.left:
            continue
        if over <= 0:
            return
        yield one
        over -= one.tokens


def _prefix(subject: Subject, steps: list[Advice], saved: int) -> PrefixCost | None:
    """The cost of all *steps* together, from the first message that any of them changes."""
    costs = [one.prefix for one in steps if one.prefix is not None]
    if not costs:
        return None
    columns = subject.measures.columns
    common = min(cost.common_tokens for cost in costs)
    rest = columns.total(subject.snapshot.length, subject.space) - common
    return PrefixCost.of(common, rest, rest - saved, 0.0, CachePrices.of(subject.space.config))
