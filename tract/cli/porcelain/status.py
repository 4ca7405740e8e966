"""``tract status``: the state of the tract."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from tract.cli.command import DONE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.rendering import Line, names_by_commit, print_one_line, read_line
from tract.cli.under_way import (
    agent_states_of,
    agents_held,
    bisection_under_way,
    compressions_waiting,
    merge_under_way,
    print_bisection_under_way,
    print_compressions_waiting,
    print_merge_under_way,
    print_proposals_waiting,
    print_replay_under_way,
    proposals_waiting,
    replays_under_way,
)
from tract.compile.totals import ContextTotals, context_totals, count_commits
from tract.compile.workspace import Workspace
from tract.config import TokenBudgetConfig
from tract.errors import ObjectCorruptError
from tract.history.walk import first_parents
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.refs.names import HEADS, ROOT
from tract.repo import Repository
from tract.report.shared_prefix import SharedPrefix, prefix_of_last_call
from tract.report.status import OpenCall, change_of_last_request, left_answers, open_calls, prefix_line, upstream_now

if TYPE_CHECKING:
    from tract.compile.prefix import PrefixChange
    from tract.history.partial import PartialAnswer
    from tract.history.upstream import Upstream

_T = TypeVar("_T")

_RECENT = 3
_BAR = 24


class _State(NamedTuple):
    tract: str
    branch: str | None
    tip: ObjectId | None
    commits: int
    pinned: int
    totals: ContextTotals
    prefix: SharedPrefix | None
    budget: TokenBudgetConfig | None
    recent: list[Line]
    names: dict[str, list[str]]
    merge: dict[str, Any] | None
    replays: list[dict[str, Any]]
    bisection: dict[str, Any] | None
    compressions: list[dict[str, Any]]
    proposals: int
    agents: tuple[str, str]
    open_calls: tuple[OpenCall, ...]
    change: PrefixChange | None
    partial: tuple[PartialAnswer, ...]
    upstream: Upstream | None


def run(console: Console, args: Args) -> int:
    with console.open_workspace() as space:
        request = None if args.request is None else _given_request(console, args.request)
        state = _read(console, space, request)
        if request is not None and state.change is None:
            console.warn("no request was recorded with an answer here, so there is none to compare with")
        space.estimates.flush()
        space.totals.flush()
        if args.json:
            _print_json(console, space, state)
        elif args.short:
            _print_short(console, state)
        else:
            _print(console, state)
    return DONE


def _given_request(console: Console, text: str) -> dict[str, Any]:
    from tract.cli.inputs import given_text, read_json  # few ask about a request

    return read_json(given_text(console, text) or "", "--request")


def _readable(console: Console, read: Callable[[Repository], _T | None], repo: Repository, end: str) -> _T | None:
    """The state of a command under way; a warning if it is damaged, because everything else can still be shown."""
    try:
        return read(repo)
    except ObjectCorruptError as exc:
        console.warn(f"{exc}; '{end}' gives up what was under way")
        return None


def _read(console: Console, space: Workspace, request: dict[str, Any] | None) -> _State:
    repo = space.repo
    branch, tip = repo.head()
    totals = context_totals(space, tip)
    return _State(
        tract=repo.tract,
        branch=None if branch is None else branch.removeprefix(HEADS),
        tip=tip,
        commits=count_commits(space, tip),
        pinned=totals.pinned,
        totals=totals,
        prefix=prefix_of_last_call(space, tip, totals),
        budget=repo.config.budget,
        recent=[read_line(space, id) for id in _recent(repo, tip)],
        names=names_by_commit(repo),
        merge=_readable(console, merge_under_way, repo, "tract merge --abort"),
        replays=[] if repo.path is None else replays_under_way(repo),
        bisection=_readable(console, bisection_under_way, repo, "tract bisect reset"),
        compressions=compressions_waiting(repo),
        proposals=proposals_waiting(repo),
        agents=agent_states_of(repo),
        open_calls=open_calls(space, tip),
        change=None if request is None else change_of_last_request(space, tip, request),
        partial=left_answers(repo),
        upstream=upstream_now(repo),
    )


def _recent(repo: Repository, tip: ObjectId | None) -> list[ObjectId]:
    """The last commits, without records."""
    found = (id for id, commit in first_parents(repo, tip) if commit.operation is not CommitOperation.RECORD)
    return list(islice(found, _RECENT))


def _print(console: Console, state: _State) -> None:
    if state.tract != ROOT:
        console.line("Tract ", console.paint(state.tract, "bold"))
    if state.branch is not None:
        beside = "" if state.upstream is None else f", {state.upstream}"
        console.line("On branch ", console.paint(state.branch, "bold green"), beside)
    elif state.tip is not None:
        console.line(console.paint("HEAD detached at ", "red"), state.tip.hex()[:10])
    _print_waiting(console, state)
    if state.tip is None:
        console.line("")
        console.line("No commits yet")
        if state.budget is not None:
            console.line(f"Budget: {state.budget.max_tokens} tokens ({state.budget.action.value})")
        return
    _print_context(console, state)
    console.line("")
    for line in state.recent:
        print_one_line(console, line, state.names.get(line.id))


def _print_waiting(console: Console, state: _State) -> None:
    """Print the commands under way, and everything that waits for the user."""
    if state.merge is not None:
        print_merge_under_way(console, state.merge)
    for replay in state.replays:
        print_replay_under_way(console, replay)
    if state.bisection is not None:
        print_bisection_under_way(console, state.bisection)
    if state.compressions:
        print_compressions_waiting(console, state.compressions)
    if state.proposals:
        print_proposals_waiting(console, state.proposals)
    for what, command in agents_held(state.agents):
        console.line(console.paint(what, "yellow"), ": ", command)
    for one in state.partial:
        said = "1 character" if len(one.text) == 1 else f"{len(one.text):,} characters"
        console.line(
            console.paint("A streamed answer was interrupted: ", "yellow"),
            f"{said} of {one.started_at:%Y-%m-%d %H:%M} UTC, which no context has yet",
        )


def _print_context(console: Console, state: _State) -> None:
    """Print the size of the context, and the part that a provider would read anew."""
    totals = state.totals
    beside = ", ".join(f"{n} {what}" for n, what in ((totals.skipped, "skipped"), (state.pinned, "pinned")) if n)
    console.line(
        f"{totals.messages} message{'' if totals.messages == 1 else 's'} in the context"
        + (f" ({beside})" if beside else ""),
        f", {state.commits} commit{'' if state.commits == 1 else 's'} behind it",
    )
    _print_open_calls(console, state.open_calls)
    _print_tokens(console, state)
    if state.change is not None:
        console.line(console.paint(prefix_line(state.change), "yellow" if state.change.invalidated_tokens else "dim"))
    elif state.prefix is not None:
        shared, sent = state.prefix.tokens, state.prefix.sent
        lost = "" if shared == sent else console.paint(f"  ({sent - shared:,} would be read anew)", "yellow")
        console.line(f"Prefix: {shared:,} of {sent:,} tokens shared with the last recorded call", lost)


def _print_open_calls(console: Console, calls: tuple[OpenCall, ...]) -> None:
    if calls:
        names = ", ".join(f"{call.tool_name} ({call.call_id})" if call.call_id else call.tool_name for call in calls)
        what = "call waits for its result" if len(calls) == 1 else "calls wait for their results"
        console.line(console.paint(f"{len(calls)} tool {what}: ", "yellow"), names)


def _print_short(console: Console, state: _State) -> None:
    """Print a line for HEAD, and one for each command under way."""
    where = (
        state.branch if state.branch is not None else f"HEAD detached at {(state.tip.hex()[:10] if state.tip else '')}"
    )
    totals = state.totals
    beside = [f"{n} {what}" for n, what in ((totals.skipped, "skipped"), (state.pinned, "pinned")) if n]
    tokens = f"{'~' if totals.estimated else ''}{totals.tokens.total} tokens"
    count = f"{totals.messages} message{'' if totals.messages == 1 else 's'}"
    beside += [] if state.upstream is None else [str(state.upstream)]
    budget = [] if state.budget is None else [f"budget {state.budget.max_tokens}"]
    console.line(
        "## ",
        console.paint(where, "green" if state.branch is not None else "red"),
        f"  {', '.join([count, *beside, tokens, *budget])}",
    )
    waiting = [("merge", state.merge is not None), *((one["command"], True) for one in state.replays)]
    for name in [name for name, is_there in (*waiting, ("bisect", state.bisection is not None)) if is_there]:
        console.line(console.paint("UU", "red"), f" {name} under way")
    for one in state.compressions:
        console.line(console.paint("??", "yellow"), f" compression {one['id']} to review")
    if state.proposals:
        console.line(console.paint("??", "yellow"), f" {state.proposals} to approve")
    for what, _ in agents_held(state.agents):
        console.line(console.paint("!!", "yellow"), f" {what[0].lower()}{what[1:]}")


def _print_tokens(console: Console, state: _State) -> None:
    tokens = state.totals.tokens
    shown = f"{'~' if state.totals.estimated else ''}{tokens.total}"
    if state.budget is None:
        console.line("Tokens: ", shown, console.paint(f"  ({tokens.source})", "dim"))
        return
    limit = state.budget.max_tokens
    share = tokens.total / limit
    style = "red" if share > 1 else "yellow" if share > 0.8 else "green"
    bar = f"  [{'#' * min(_BAR, int(share * _BAR)):<{_BAR}}]" if console.is_terminal else ""
    console.line("Tokens: ", shown, f" of {limit} ", console.paint(f"({share:.0%})", style), console.paint(bar, style))
    console.line(console.paint(f"        {tokens.source}", "dim"))
    if tokens.total > limit:
        console.line(console.paint(f"Over the budget by {tokens.total - limit} tokens", "red"))


def _print_json(console: Console, space: Workspace, state: _State) -> None:
    from tract.report.status import status  # people get another text

    console.print_json(
        status(space),
        pinned_count=state.pinned,
        tokens_estimated=state.totals.estimated,
        prefix=state.prefix if state.change is None else state.change,
        merge=state.merge,
        under_way=state.replays,
        bisection=state.bisection,
        compressions=state.compressions,
        proposals=state.proposals,
        orchestrator_state=state.agents[0],
        policies_state=state.agents[1],
    )


COMMAND = Command(
    run,
    (
        Param("short", ("-s", "--short"), bool, help="Print one line, and one for each command under way."),
        Param(
            "request",
            ("--request",),
            metavar="JSON",
            help="Say what sending this request next would cost the cache of the last recorded one: an object with its model, tools and instructions; - reads standard input.",
        ),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    ),
    """
A token count with a ~ is an estimate: status counts no tokens itself.
The line of --short ends with 'budget N' where the tract has a token budget.
The prefix says how many tokens of the last recorded call the context still begins with, that is, how much a provider's prompt cache can still serve.
The number of pinned messages does not include system prompts, which are always pinned.

  $ tract status
""",
)
