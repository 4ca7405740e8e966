"""Health: what the context of a branch is made of, what of it is of no more use, and what could be done about it.

No model is asked. On a handle that has looked before it costs what was added since.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from tract.agents.advice import Advice, Subject, advise
from tract.agents.measures import Call, Measures, Share
from tract.agents.rules import KEPT_TURNS
from tract.compile.snapshot import Snapshot
from tract.compile.totals import ContextTotals, context_totals, newest_usage
from tract.compile.workspace import Workspace
from tract.config import read_retention
from tract.history.branch import on_branch
from tract.history.context import context_at, entries, index_of
from tract.history.times import moment
from tract.history.tree_diff import diff_contexts
from tract.history.walk import first_parents
from tract.messages import message_text
from tract.messages.kinds import MessageKind
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.refs.names import HEADS
from tract.repo import Repository
from tract.report.status import OpenCall, prefix_of_last_call
from tract.report.text import Shown, count_of, excerpt, short

if TYPE_CHECKING:
    from tract.messages.message import CompileWarning

STALE_DAYS = 7
"""A branch that nobody committed to or moved for so long is stale."""

CACHE_SECONDS = 300
"""How long providers keep a prompt's cache that nobody uses: Anthropic's and OpenAI's least."""

_FOUND = 10
_MOST_STEPS = 5000
_MOST_GROWN = 64

BranchState: TypeAlias = Literal["current", "merged", "unmerged", "unknown"]


class LargeMessage(NamedTuple):
    """A message that takes much of the context."""

    number: int
    commit_hash: str
    kind: MessageKind
    tokens: int
    excerpt: str


class RepeatedOutput(NamedTuple):
    """A call that was made *times* times; its outputs but the last have *tokens*."""

    tool: str
    arguments: str
    times: int
    tokens: int


class OldOutputs(NamedTuple):
    """The outputs in front of the model's last *turns* turns: so many *messages* with so many *tokens*."""

    messages: int
    tokens: int
    turns: int


class Fragmentation(NamedTuple):
    """How the context is pieced together: its *summaries*, those of them that stand directly behind another, and the messages that are *hidden*."""

    summaries: int
    adjoining: int
    hidden: int


class BranchHealth(NamedTuple):
    """A branch: whether HEAD's has all of it, how many of its messages HEAD's context lacks, and since when nothing was committed."""

    name: str
    commit_hash: str
    state: BranchState
    missing: int
    last_commit: datetime
    is_stale: bool


class CacheState(NamedTuple):
    """What a provider is likely to have in its cache: *tokens* of this context from the last recorded call, at *last_call*; None where no call was recorded."""

    is_warm: bool | None
    tokens: int | None
    last_call: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Health(Shown):
    """The state of a branch's context.

    *torn* are calls without a result, and results without a call, that the conversation went past. *archives_waiting* are summaries in it whose originals the next gc may take.
    *advice* is what could be done, the least risky first; each is an action.
    """

    tract_id: str
    branch: str | None
    head_hash: str | None
    message_count: int
    token_count: int
    token_budget_max: int | None
    by_kind: tuple[Share, ...]
    by_tool: tuple[Share, ...]
    largest: tuple[LargeMessage, ...]
    fragmentation: Fragmentation
    repeated: tuple[RepeatedOutput, ...]
    old_outputs: OldOutputs
    open_calls: tuple[OpenCall, ...]
    torn: tuple[CompileWarning, ...]
    branches: tuple[BranchHealth, ...]
    archives_waiting: int
    cache: CacheState
    advice: tuple[Advice, ...]

    @property
    def budget_share(self) -> float | None:
        """The tokens as a share of the budget; None without one."""
        return None if not self.token_budget_max else self.token_count / self.token_budget_max

    def __repr__(self) -> str:
        return f"Health({count_of(self.message_count, 'message')}, {count_of(self.token_count, 'token')}, {len(self.advice)} advised)"

    def __str__(self) -> str:
        return "\n".join(health_lines(self))


@dataclass(slots=True)
class HealthTable:
    """What a handle knows from looking before."""

    measures: Measures | None = None
    head: tuple[str | None, ObjectId | None] = (None, None)
    branches: dict[str, BranchHealth] = field(default_factory=dict)

    def measured(self, space: Workspace, snapshot: Snapshot) -> Measures:
        """The figures of *snapshot*; they cost the rows that were added since."""
        known = self.measures
        if known is None or known.columns is not snapshot.columns or known.rows > snapshot.length:
            known = self.measures = Measures(snapshot.columns, known)
        known.advance(space, snapshot)
        return known


def subject_of(space: Workspace, table: HealthTable, branch: str | None = None) -> Subject:
    """What advice about HEAD's context, or *branch*'s, is worked out from."""
    tip = _place(space.repo, branch)[1]
    snapshot = space.compiler.compile(tip)
    measures = table.measured(space, snapshot)
    budget = space.repo.config.budget
    tokens = context_totals(space, tip).tokens.total
    most = None if budget is None else budget.max_tokens
    return Subject(space, snapshot, measures, tokens, most, _archives_waiting(space, measures))


def _place(repo: Repository, branch: str | None) -> tuple[str | None, ObjectId | None]:
    return repo.head() if branch is None else on_branch(repo, branch).head()


def health(space: Workspace, table: HealthTable, branch: str | None = None) -> Health:
    """The health of HEAD's context, or of *branch*'s; BranchNotFoundError where there is none of that name."""
    repo = space.repo
    at, tip = _place(repo, branch)
    name = None if at is None else at.removeprefix(HEADS)
    subject = subject_of(space, table, branch)
    measures = subject.measures
    totals = context_totals(space, tip)
    branches = _branches(space, table, name, tip)
    merged = tuple(
        one.name
        for one in branches
        if one.state == "merged" and one.is_stale and one.name != repo.config.default_branch
    )
    return Health(
        tract_id=repo.tract,
        branch=name,
        head_hash=None if tip is None else tip.hex(),
        message_count=totals.messages,
        token_count=totals.tokens.total,
        token_budget_max=subject.budget,
        by_kind=measures.by_kind,
        by_tool=measures.by_tool,
        largest=_largest(space, tip, measures),
        fragmentation=_fragmentation(subject.snapshot, measures),
        repeated=_repeated(measures),
        old_outputs=_old_outputs(measures),
        open_calls=_open_calls(measures),
        torn=measures.pairing.warnings(),
        branches=branches,
        archives_waiting=subject.archives_waiting,
        cache=_cache(space, tip, totals),
        advice=advise(subject, merged),
    )


def _largest(space: Workspace, tip: ObjectId | None, measures: Measures) -> tuple[LargeMessage, ...]:
    context = context_at(space.repo, tip)
    found = []
    for row, tokens, kind in measures.largest:
        commit = measures.columns.commits[row]
        number = (index_of(space.repo, context, commit) or 0) + 1
        said = excerpt(message_text(measures.columns.messages[row]))
        found.append(LargeMessage(number, commit.hex(), kind, tokens, said))
    return tuple(found)


def _fragmentation(snapshot: Snapshot, measures: Measures) -> Fragmentation:
    rows = measures.summaries
    adjoining = sum(after == before + 1 for before, after in pairwise(rows))
    return Fragmentation(len(rows), adjoining, len(snapshot.hidden))


def _repeated(measures: Measures) -> tuple[RepeatedOutput, ...]:
    found = [_repeated_output(call, measures) for call in measures.repeated]
    return tuple(sorted(found, key=lambda one: (-one.tokens, one.tool, one.arguments))[:_FOUND])


def _repeated_output(call: Call, measures: Measures) -> RepeatedOutput:
    earlier = measures.repeated[call]
    return RepeatedOutput(call.tool, excerpt(call.arguments), len(earlier) + 1, sum(one.tokens for one in earlier))


def _old_outputs(measures: Measures) -> OldOutputs:
    old = measures.outputs_before(measures.turn_before(KEPT_TURNS))
    return OldOutputs(len(old), sum(one.tokens for one in old), KEPT_TURNS)


def _open_calls(measures: Measures) -> tuple[OpenCall, ...]:
    commits = measures.columns.commits
    return tuple(
        OpenCall(commits[ref.row].hex(), tool.id or None, tool.name) for ref, tool in measures.pairing.open.items()
    )


def _archives_waiting(space: Workspace, measures: Measures) -> int:
    """The summaries whose originals are older than the tract keeps them."""
    kept = space.config.archive_retention_days
    if kept is None or not measures.summaries:
        return 0
    days = read_retention("archive_retention_days", kept).days
    if days is None or days == float("inf"):
        return 0
    oldest = space.repo.clock() - round(timedelta(days=days).total_seconds() * 1_000_000)
    made = (space.repo.commit(measures.columns.commits[row]).time for row in measures.summaries)
    return sum(time < oldest for time in made)


def _cache(space: Workspace, tip: ObjectId | None, totals: ContextTotals) -> CacheState:
    found = newest_usage(space, tip)
    event = None if found is None else space.usages.event(space.repo, found[0])
    if event is None:
        return CacheState(None, None, None)
    shared = prefix_of_last_call(space, tip, totals)
    age = (space.repo.clock() - event.time) / 1_000_000
    return CacheState(age <= CACHE_SECONDS, None if shared is None else shared.tokens, moment(event.time))


# Branches


def _branches(
    space: Workspace, table: HealthTable, current: str | None, tip: ObjectId | None
) -> tuple[BranchHealth, ...]:
    repo = space.repo
    tips = {name.removeprefix(HEADS): id for name, id in repo.local_refs(HEADS) if isinstance(id, bytes)}
    is_grown = (current, tip) == table.head or (current == table.head[0] and _has_grown(repo, table.head[1], tip))
    known = table.branches if is_grown else {}
    new = [name for name in tips if name == current or name not in known or known[name].commit_hash != tips[name].hex()]
    merged = _merged(space, tip, {tips[name] for name in new if name != current})
    made = {name: _branch(space, name, tips[name], tip, name == current, merged) for name in new}
    table.branches = {name: made.get(name) or known[name] for name in sorted(tips)}
    table.head = current, tip
    old = repo.clock() - round(timedelta(days=STALE_DAYS).total_seconds() * 1_000_000)
    aged = {name for name, one in table.branches.items() if one.last_commit <= moment(old)}
    aged -= _moved_since(repo, old) if aged - {current} else set()
    return tuple(one._replace(is_stale=one.name in aged) for one in table.branches.values())


def _moved_since(repo: Repository, time: int) -> set[str]:
    """The branches that were made or moved since *time*, as far as the last operations tell."""
    moved: set[str] = set()
    for _, operation in islice(repo.refs.history(), _MOST_STEPS):
        if operation.time < time:
            break
        moved |= {change.name for change in operation.changes}
    start = repo.prefix + HEADS
    return {name.removeprefix(start) for name in moved if name.startswith(start)}


def _has_grown(repo: Repository, old: ObjectId | None, tip: ObjectId | None) -> bool:
    """Whether nothing but messages came since *old*, and not many: then no branch is merged that was not."""
    for steps, (id, commit) in enumerate(first_parents(repo, tip)):
        if id == old:
            return True
        if steps >= _MOST_GROWN or commit.operation is not CommitOperation.APPEND or len(commit.parents) > 1:
            return False
    return False


def _branch(
    space: Workspace, name: str, at: ObjectId, tip: ObjectId | None, is_current: bool, merged: Merged
) -> BranchHealth:
    repo = space.repo
    last = moment(repo.commit(at).time)
    if is_current:
        return BranchHealth(name, at.hex(), "current", 0, last, False)
    missing = 0
    if at not in merged.found:
        mine = context_at(repo, tip)
        changes = diff_contexts(repo, mine, context_at(repo, at))
        added = {commit for change in changes for commit, _ in change.new}
        missing = len(added - {commit for commit, _ in entries(repo, mine)}) if added else 0
    state: BranchState = "merged" if at in merged.found or not missing else "unmerged" if merged.is_sure else "unknown"
    return BranchHealth(name, at.hex(), state, missing, last, False)


class Merged(NamedTuple):
    """Which of several commits another one reaches; *is_sure* where the search came to an end."""

    found: frozenset[ObjectId]
    is_sure: bool


def _merged(space: Workspace, tip: ObjectId | None, wanted: set[ObjectId]) -> Merged:
    """Those of *wanted* that *tip* reaches, as far back as a while."""
    if tip is None or not wanted:
        return Merged(frozenset(), is_sure=True)
    repo = space.repo
    least = min(repo.commit(id).generation for id in wanted)
    found: set[ObjectId] = set()
    seen = {tip}
    waiting = [(-repo.outline(tip).generation, tip)]
    for _ in range(_MOST_STEPS):
        if not waiting or len(found) == len(wanted):
            return Merged(frozenset(found), is_sure=True)
        generation, id = heapq.heappop(waiting)
        found |= {id} & wanted
        new = [parent for parent in repo.outline(id).parents if -generation > least and parent not in seen]
        seen.update(new)
        for parent in new:
            heapq.heappush(waiting, (-repo.outline(parent).generation, parent))
    return Merged(frozenset(found), is_sure=False)


# For people


def health_lines(one: Health) -> list[str]:
    """The state in lines for people and models."""
    share = "" if one.budget_share is None else f" of {one.token_budget_max:,} ({one.budget_share:.0%})"
    lines = [f"{count_of(one.message_count, 'message')}, {one.token_count:,} tokens{share}"]
    lines += [f"  {name}: {count_of(messages, 'message')}, {tokens:,} tokens" for name, messages, tokens in one.by_kind]
    lines += [f"  outputs of {name}: {messages}, {tokens:,} tokens" for name, messages, tokens in one.by_tool[:5]]
    large = [f"{big.number} ({big.tokens:,})" for big in one.largest[:5]]
    lines += [f"largest messages: {', '.join(large)}"] if large else []
    lines += [
        f"repeated: {same.tool} {same.arguments} {same.times} times, {same.tokens:,} tokens given again later"
        for same in one.repeated[:5]
    ]
    old, pieces = one.old_outputs, one.fragmentation
    lines += [f"outputs older than {old.turns} turns: {old.messages}, {old.tokens:,} tokens"] if old.messages else []
    lines += [f"{count_of(pieces.hidden, 'message')} hidden"] if pieces.hidden else []
    lines += [f"{pieces.summaries} summaries, {pieces.adjoining} behind another"] if pieces.summaries else []
    lines += [f"call {call.tool_name} ({call.call_id or 'no id'}) waits for its result" for call in one.open_calls]
    lines += [f"torn: {warning}" for warning in one.torn[:5]]
    lines += [_branch_line(branch) for branch in one.branches if branch.state != "current"]
    lines += [f"originals of {one.archives_waiting} summaries wait for gc"] if one.archives_waiting else []
    return [*lines, _cache_line(one.cache), *(str(advice) for advice in one.advice)]


def _branch_line(one: BranchHealth) -> str:
    missing = f", {count_of(one.missing, 'message')} that HEAD lacks" if one.missing else ""
    stale = f", nothing since {one.last_commit:%Y-%m-%d}" if one.is_stale else ""
    return f"branch {one.name} at {short(one.commit_hash)}: {one.state}{missing}{stale}"


def _cache_line(one: CacheState) -> str:
    if one.last_call is None:
        return "prompt cache: no call was recorded"
    held = "" if one.tokens is None else f", {one.tokens:,} tokens of this context"
    return f"prompt cache: {'likely warm' if one.is_warm else 'likely cold'}{held}, last call {one.last_call:%Y-%m-%d %H:%M:%S} UTC"
