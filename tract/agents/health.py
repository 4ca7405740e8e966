"""Health: the composition of a branch's context, the parts that are no longer needed, and advice about them.

No model is asked. A handle that has computed it before reads only the messages added since.
"""

from __future__ import annotations

import heapq
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from tract.agents.advice import advise
from tract.agents.leftout import KEPT_TURNS
from tract.agents.measures import Measures, Share
from tract.agents.other_branches import BranchHealth, BranchTable, look_at_branches
from tract.agents.subject import Advice, Subject
from tract.compile.snapshot import Snapshot
from tract.compile.totals import ContextTotals, newest_usage, snapshot_totals
from tract.compile.workspace import Workspace
from tract.config import read_retention
from tract.dataclass import dataclass, field
from tract.history.branch import on_branch
from tract.history.context import context_at, index_of
from tract.history.times import moment
from tract.history.walk import first_outlines
from tract.messages import message_text
from tract.messages.kinds import MessageKind
from tract.named_tuple import NamedTuple
from tract.objects.collector import without_collections
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.refs.names import HEADS
from tract.repo import Repository
from tract.report.shared_prefix import prefix_of_last_call
from tract.report.status import OpenCall
from tract.report.text import Shown, count_of, excerpt, short

if TYPE_CHECKING:
    from tract.messages.message import CompileWarning

CACHE_SECONDS = 300
"""How long providers keep an unused prompt cache: the least of Anthropic's and OpenAI's times."""

_FOUND = 10

_FURTHEST = 20_000
"""The number of commits searched for compressions."""


class LargeMessage(NamedTuple):
    """A message that takes a large share of the context."""

    number: int
    commit_hash: str
    kind: MessageKind
    tokens: int
    excerpt: str


class RepeatedOutput(NamedTuple):
    """A tool call that was made *times* times; its outputs, except the last, have *tokens*."""

    tool: str
    arguments: str
    times: int
    tokens: int


class OldOutputs(NamedTuple):
    """The tool outputs before the model's last *turns* turns: *messages* of them, with *tokens* in all."""

    messages: int
    tokens: int
    turns: int


class Fragmentation(NamedTuple):
    """How the context is composed: its *summaries*, how many of them directly follow another summary, and how many messages are *hidden*."""

    summaries: int
    adjoining: int
    hidden: int


class CacheState(NamedTuple):
    """What a provider probably still has in its prompt cache: *tokens* of this context from the last recorded call, at *last_call* (None if no call was recorded)."""

    is_warm: bool | None
    tokens: int | None
    last_call: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Health(Shown):
    """The state of a branch's context.

    *torn* are calls without a result, and results without a call, in the middle of the conversation. *archives_waiting* is the number of compressions whose originals the next gc may drop.
    *advice* lists possible actions, the least risky first.
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
        """The tokens as a share of the budget; None without a budget."""
        return None if not self.token_budget_max else self.token_count / self.token_budget_max

    def __repr__(self) -> str:
        return f"Health({count_of(self.message_count, 'message')}, {count_of(self.token_count, 'token')}, {len(self.advice)} advised)"

    def __str__(self) -> str:
        return "\n".join(health_lines(self))


@dataclass(slots=True)
class ArchiveTable:
    """The compressions behind *tip*, with their times, the newest first; an update costs only the commits added since."""

    tip: ObjectId | None = None
    found: list[tuple[ObjectId, int]] = field(default_factory=list)

    def advance(self, repo: Repository, tip: ObjectId | None) -> None:
        """Update to *tip*."""
        new: list[tuple[ObjectId, int]] = []
        known: list[tuple[ObjectId, int]] = []
        for steps, (id, commit) in enumerate(first_outlines(repo, tip)):
            if id == self.tip:
                known = self.found
                break
            if steps >= _FURTHEST:
                break
            if commit.operation == CommitOperation.COMPRESS:
                new.append((id, commit.time))
        self.tip, self.found = tip, [*new, *known]

    def waiting(self, space: Workspace) -> int:
        """The number of archives that are older than the tract's retention, and still exist."""
        kept = space.config.archive_retention_days
        days = None if kept is None else read_retention("archive_retention_days", kept).days
        if days is None or days == float("inf"):
            return 0
        oldest = space.repo.clock() - round(timedelta(days=days).total_seconds() * 1_000_000)
        return sum(time < oldest and id not in space.repo.shallow.cuts for id, time in self.found)


@dataclass(slots=True)
class HealthTable:
    """A handle's cached results of earlier looks."""

    measures: Measures | None = None
    branches: BranchTable = field(default_factory=BranchTable)
    archives: ArchiveTable = field(default_factory=ArchiveTable)

    def measured(self, space: Workspace, snapshot: Snapshot) -> Measures:
        """The figures of *snapshot*; only the rows added since cost time."""
        known = self.measures
        if known is None or known.columns is not snapshot.columns or known.rows > snapshot.length:
            known = self.measures = Measures(snapshot.columns, known)
        known.advance(space, snapshot)
        return known


def subject_of(space: Workspace, table: HealthTable, branch: str | None = None) -> Subject:
    """The data from which advice about HEAD's context, or *branch*'s, is computed."""
    tip = _place(space.repo, branch)[1]
    with without_collections():
        snapshot = space.compiler.compile(tip)
        measures = table.measured(space, snapshot)
        totals = snapshot_totals(space, snapshot)
        table.archives.advance(space.repo, tip)
    budget = space.repo.config.budget
    most = None if budget is None else budget.max_tokens
    return Subject(
        space,
        snapshot,
        measures=measures,
        totals=totals,
        tokens=totals.tokens.total,
        budget=most,
        archives_waiting=table.archives.waiting(space),
    )


def _place(repo: Repository, branch: str | None) -> tuple[str | None, ObjectId | None]:
    return repo.head() if branch is None else on_branch(repo, branch).head()


def health(space: Workspace, table: HealthTable, branch: str | None = None) -> Health:
    """The health of HEAD's context, or of *branch*'s; BranchNotFoundError if there is no such branch."""
    repo = space.repo
    at, tip = _place(repo, branch)
    name = None if at is None else at.removeprefix(HEADS)
    subject = subject_of(space, table, branch)
    measures, totals = subject.measures, subject.totals
    branches = look_at_branches(space, table.branches, name, tip)
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
    most = heapq.nsmallest(_FOUND, measures.repeated.items(), key=lambda one: (-one[1][1], one[0]))
    return tuple(
        RepeatedOutput(call.tool, excerpt(call.arguments), times + 1, tokens) for call, (times, tokens) in most
    )


def _old_outputs(measures: Measures) -> OldOutputs:
    old = measures.outputs_before(measures.turn_before(KEPT_TURNS))
    return OldOutputs(len(old), measures.output_tokens[len(old)], KEPT_TURNS)


def _open_calls(measures: Measures) -> tuple[OpenCall, ...]:
    commits = measures.columns.commits
    return tuple(
        OpenCall(commits[ref.row].hex(), tool.id or None, tool.name) for ref, tool in measures.pairing.open.items()
    )


def _cache(space: Workspace, tip: ObjectId | None, totals: ContextTotals) -> CacheState:
    found = newest_usage(space, tip)
    event = None if found is None else space.usages.event(space.repo, found[0])
    if event is None:
        return CacheState(None, None, None)
    shared = prefix_of_last_call(space, tip, totals)
    age = (space.repo.clock() - event.time) / 1_000_000
    return CacheState(age <= CACHE_SECONDS, None if shared is None else shared.tokens, moment(event.time))


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
    lines += (
        [f"originals of {count_of(one.archives_waiting, 'compression')} wait for gc"] if one.archives_waiting else []
    )
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
