"""The state of a tract, in numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from tract.compile.totals import context_totals, count_commits
from tract.compile.workspace import Workspace
from tract.dataclass import dataclass
from tract.errors import ContentValidationError
from tract.history.context import context_at, count_entries, entries_from
from tract.history.walk import ancestors
from tract.messages.message import Message
from tract.messages.pairing import Pairing, Tool, is_answer, tools_in
from tract.messages.parts import ToolCall
from tract.messages.turns import turn_of
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.refs.names import REMOTES, STATES
from tract.repo import Repository
from tract.report.info import CommitInfo, describe_all
from tract.report.text import Shown, count_of, short
from tract.storage import files
from tract.tree import Context

if TYPE_CHECKING:
    from tract.compile.prefix import PrefixChange
    from tract.history.partial import PartialAnswer
    from tract.history.upstream import Upstream

_RECENT = 5


_LAST = 32
"""The number of messages searched for open calls; more only if all of them belong to one answer."""


class OpenCall(NamedTuple):
    """A tool call that waits for its result: the commit of its message, its id (None if it has none), the name of the tool, and the arguments as the model wrote them, which is JSON for most tools."""

    commit_hash: str
    call_id: str | None
    tool_name: str
    arguments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StatusInfo(Shown):
    """The state of a tract.

    *open_calls* are the tool calls of the last answer that have no result yet.
    *partial_answers* are streamed messages whose process died before it committed them.
    *upstream* compares the branch with the remote's branch of the same name, as it was at the last fetch or push; None if no remote is known to have it.
    *orchestrator_state* is ``idle``, ``running``, ``paused`` or ``stopped``. *policies_state* is ``none``, ``on``, ``paused``, or ``untrusted`` if they came from another store and are off.
    *prefix* is what the request in question would cost the cache of the last recorded one; None if you asked about none, or none was recorded.
    *commit_count* is the number of commits reachable from HEAD, without records; *message_count* that of messages in the context, without skipped ones. *token_count* is that of the compiled context, and *token_source* says how it is known.
    """

    tract_id: str
    head_hash: str | None
    branch_name: str | None
    is_detached: bool
    commit_count: int
    message_count: int
    skipped_count: int
    token_count: int
    token_budget_max: int | None
    token_source: str
    recent_commits: tuple[CommitInfo, ...]
    open_calls: tuple[OpenCall, ...]
    prefix: PrefixChange | None = None
    partial_answers: tuple[PartialAnswer, ...] = ()
    upstream: Upstream | None = None
    orchestrator_state: str = "idle"
    policies_state: str = "none"

    def __repr__(self) -> str:
        where = f"on {self.branch_name!r}" if self.branch_name else f"at {short(self.head_hash)}"
        return f"StatusInfo({where}: {count_of(self.message_count, 'message')}, {count_of(self.token_count, 'token')})"

    def __str__(self) -> str:
        where = f"On branch {self.branch_name}" if self.branch_name else f"HEAD detached at {short(self.head_hash)}"
        hidden = f" ({self.skipped_count} skipped)" if self.skipped_count else ""
        most = self.token_budget_max
        share = "" if most is None else f" of {most:,} ({100 * self.token_count // most} %)"
        counts = f"{count_of(self.message_count, 'message')} in the context{hidden}, {count_of(self.commit_count, 'commit')} behind it"
        tokens = f"Tokens: {self.token_count:,}{share}  [{self.token_source}]"
        prefix = [] if self.prefix is None else [prefix_line(self.prefix)]
        where += "" if self.upstream is None else f", {self.upstream}"
        return "\n".join([where, counts, tokens, *prefix, "", *map(str, self.recent_commits)]).rstrip()


def upstream_now(repo: Repository) -> Upstream | None:
    """How HEAD's branch compares with the remote's."""
    if not repo.local_refs(REMOTES):
        return None
    from tract.history.upstream import upstream_of  # most stores have no remote

    return upstream_of(repo, *repo.head())


def prefix_line(change: PrefixChange) -> str:
    """A change in a line for people."""
    lost = f"{change.invalidated_tokens:,} of the last request's {change.previous_tokens:,} tokens would be read anew"
    why = "" if change.reason is None else f" ({change.reason}{f': {change.detail}' if change.detail else ''})"
    return f"Prefix: {lost}{why}"


def status(space: Workspace, request: Mapping[str, Any] | None = None) -> StatusInfo:
    """The state of the tract; with *request*, also the cost of sending it with the context at HEAD, for the last request's cache."""
    repo = space.repo
    branch, tip = repo.head()
    totals = context_totals(space, tip)
    budget = repo.config.budget
    return StatusInfo(
        tract_id=repo.tract,
        head_hash=None if tip is None else tip.hex(),
        branch_name=None if branch is None else branch.removeprefix("refs/heads/"),
        is_detached=branch is None,
        commit_count=count_commits(space, tip),
        message_count=totals.messages,
        skipped_count=totals.skipped,
        token_count=totals.tokens.total,
        token_budget_max=None if budget is None else budget.max_tokens,
        token_source=totals.tokens.source,
        recent_commits=_recent(space, tip),
        open_calls=open_calls(space, tip),
        prefix=None if request is None else change_of_last_request(space, tip, request),
        upstream=upstream_now(repo),
        partial_answers=left_answers(repo),
    )


def left_answers(repo: Repository) -> tuple[PartialAnswer, ...]:
    """The streamed messages whose processes died before they were committed."""
    if repo.path is None or not files.exists(os.path.join(repo.folder, STATES)):
        return ()  # as nearly always
    from tract.history.partial import partial_answers

    return partial_answers(repo)


def change_of_last_request(space: Workspace, tip: ObjectId | None, request: Mapping[str, Any]) -> PrefixChange | None:
    """The cost of sending the context at *tip* with *request*, for a cache that holds the request recorded last; None if there is none."""
    from tract.compile.prefix import prefix_change  # few ask about a request
    from tract.compile.sent import sent
    from tract.compile.sent_request import newest_answer

    if not isinstance(request, Mapping):
        raise ContentValidationError(f"request must be a dict, not {type(request).__name__}")
    answer = newest_answer(space, tip)
    if answer is None:
        return None
    before = sent(space, answer.hex())
    settings = None if before.sent_request is None else before.sent_request.settings
    return prefix_change(space, space.compiler.compile(tip), before.snapshot, settings, request)


def _recent(space: Workspace, tip: ObjectId | None) -> tuple[CommitInfo, ...]:
    """The newest commits behind *tip*, without records, as ``log`` returns them."""
    found = ancestors(space.repo, [] if tip is None else [tip])
    said = (id for id, commit in found if commit.operation is not CommitOperation.RECORD)
    return tuple(describe_all(space, islice(said, _RECENT)))


def open_calls(space: Workspace, tip: ObjectId | None) -> tuple[OpenCall, ...]:
    """The tool calls of the last answer in the context at *tip* that have no result yet; costs the same at any length."""
    repo = space.repo
    context = context_at(repo, tip)
    # The entries after the last boundary are in the commit itself, and are nearly always enough.
    last: Sequence[ObjectId] = context.open
    answer = _answer(space, last)
    if 2 * len(answer) == len(last) and context.tree is not None:
        last, answer = _last_answer(space, context)
    if not answer:
        return ()
    notes = space.compiler.advance_notes()
    pairing = Pairing()
    first = len(last) // 2 - len(answer)
    for row, message in enumerate(answer, first):
        pairing.add(row, message)
    return tuple(
        OpenCall(last[2 * ref.row].hex(), tool.id or None, tool.name, _arguments(answer[ref.row - first], tool))
        for ref, tool in pairing.open.items()
        if not notes.is_skipped(repo, last[2 * ref.row])
    )


def _arguments(message: Message, tool: Tool) -> str:
    """The arguments of the call *tool* in *message*."""
    calls = (part for part in turn_of(message).parts if isinstance(part, ToolCall))
    return next((call.arguments for call in calls if (call.id, call.name) == (tool.id, tool.name)), "")


def _last_answer(space: Workspace, context: Context) -> tuple[list[ObjectId], list[Message]]:
    """The last entries of *context*, commits and blobs in turn, and the messages of the last answer with its results, if these end the context."""
    total = count_entries(space.repo, context)
    size = _LAST
    while True:
        start = max(0, total - size)
        last = list(chain.from_iterable(entries_from(space.repo, context, start)))
        answer = _answer(space, last)
        if 2 * len(answer) < len(last) or not start:
            return last, answer
        size *= 8


def _answer(space: Workspace, last: Sequence[ObjectId]) -> list[Message]:
    """The messages at the end of *last*, commits and blobs in turn, that are an answer with its results; empty if another message came since."""
    found: list[Message] = []
    for at in range(len(last) - 1, 0, -2):
        message = space.blobs.message(last[at])
        if not is_answer(message) and not tools_in(message).results:
            break
        found.append(message)
    return found[::-1]
