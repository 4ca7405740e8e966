"""The operations that read the tract and its history, and change nothing."""

from __future__ import annotations

from collections.abc import Sequence

from tract.agents.actions import ActionResult
from tract.agents.excerpts import NONE, WITHHELD, WORDS, commit_line, is_withheld
from tract.agents.operation import Argument, Operation
from tract.agents.subject import Advice
from tract.agents.target import TractLike
from tract.report.text import count_of, excerpt, short

LISTED = 50
"""The default number of messages in a list."""

_MOST_LINES = 100


def _status(tract: TractLike) -> ActionResult:
    found = tract.status()
    where = f"on branch '{found.branch_name}'" if found.branch_name else f"HEAD is detached at {short(found.head_hash)}"
    most = found.token_budget_max
    budget = "no budget is set" if most is None else f"{100 * found.token_count // most} % of the budget of {most}"
    lines = [
        f"{where}, {count_of(found.message_count, 'message')} shown, {found.skipped_count} skipped",
        f"{found.token_count} tokens ({found.token_source}), {budget}",
        f"branches: {', '.join(one.name for one in tract.list_branches()) or 'none'}",
    ]
    lines += [f"call {one.tool_name} ({one.call_id or 'no id'}) waits for its result" for one in found.open_calls]
    data = {
        "branch": found.branch_name,
        "head": found.head_hash,
        "messages": found.message_count,
        "skipped": found.skipped_count,
        "tokens": found.token_count,
        "token_budget": most,
        "open_calls": [one._asdict() for one in found.open_calls],
    }
    return ActionResult(text="\n".join(lines), data=data)


def _health(tract: TractLike) -> ActionResult:
    found = tract.health()
    data = {
        "messages": found.message_count,
        "tokens": found.token_count,
        "token_budget": found.token_budget_max,
        "by_kind": [one._asdict() for one in found.by_kind],
        "by_tool": [one._asdict() for one in found.by_tool],
        "advice": [
            {
                "number": one.number,
                "name": one.action.name,
                "arguments": dict(one.action.arguments),
                "reason": one.reason,
                "saves_tokens": one.saves_tokens,
            }
            for one in found.advice
        ],
    }
    numbers = [_places(tract, one) for one in found.advice]
    return ActionResult(text="\n".join([str(found), *(line for line in numbers if line)]), data=data)


def _places(tract: TractLike, advice: Advice) -> str:
    """The messages that an advice is about, in a form that a model can use to name them."""
    given = advice.action.arguments
    if "target" in given:
        return f"the target of advice {advice.number}: {[one.number for one in tract.messages(only=given['target'])]}"
    if "from_commit" in given:
        first, last = tract.messages(only=[given["from_commit"], given["to_commit"]])
        return f"advice {advice.number} is from_commit={first.number} to_commit={last.number}"
    return ""


def _log(tract: TractLike, limit: int = 20, start: str = "HEAD", withheld: frozenset[str] = NONE) -> ActionResult:
    if start == "HEAD" and tract.head is None:
        return ActionResult(text="no commits", data=[])
    found = tract.log(limit, start=start)
    data = [
        {
            "commit": one.commit_hash,
            "operation": one.operation.value,
            "role": one.role,
            "text": WITHHELD if is_withheld(one, withheld) else one.excerpt,
        }
        for one in found
    ]
    return ActionResult(text="\n".join(commit_line(one, withheld) for one in found) or "no commits", data=data)


def _diff(
    tract: TractLike, a: str | None = None, b: str | None = None, withheld: frozenset[str] = NONE
) -> ActionResult:
    found = tract.diff(a, b)
    lines, data = [], []
    for one in found.message_diffs:
        side = one.after or one.before
        assert side is not None  # one of the two is always there
        versions = [version for version in (one.before, one.after) if version is not None]
        words = " -> ".join(excerpt(version.text, WORDS) for version in versions)
        words = WITHHELD if one.commit_hash in withheld else words
        lines.append(
            f"{one.kind}{' and moved' if one.moved else ''} {side.number} {short(one.commit_hash)} {one.role}: {words}"
        )
        data.append({"kind": one.kind, "number": side.number, "commit": one.commit_hash, "tokens": one.token_delta})
    stat = found.stat
    head = f"{stat.added} added, {stat.removed} removed, {stat.changed} changed, {stat.moved} moved, {stat.token_delta:+} tokens"
    return ActionResult(text="\n".join([head, *lines[:_MOST_LINES], *_left_out(lines)]), data=data)


def _left_out(lines: Sequence[str]) -> list[str]:
    return [f"{len(lines) - _MOST_LINES} more are not shown"] if len(lines) > _MOST_LINES else []


def _blame(tract: TractLike, start: int = 1, count: int = LISTED) -> ActionResult:
    if tract.head is None:
        return ActionResult(text="no messages", data=[])
    found = tract.blame("HEAD", slice(start - 1, start - 1 + count))
    lines, data = [], []
    for one in found:
        changed = f", changed by {short(one.changed_hash)} of {one.author}" if one.is_changed else ""
        model = f", {one.model}" if one.model else ""
        when = one.introduced.created_at.isoformat(timespec="seconds")
        lines.append(
            f"{one.number} {short(one.commit_hash)} {one.role}, {when}, {one.introduced.author}{model}{changed}"
        )
        data.append(
            {"number": one.number, "commit": one.commit_hash, "changed": one.changed_hash, "author": one.author}
        )
    return ActionResult(text="\n".join(lines) or "no messages there", data=data)


LOOKING: Sequence[Operation] = (
    Operation(
        name="status",
        summary="Show branch, number of messages, tokens against the budget, and open tool calls.",
        risk="read",
        function=_status,
    ),
    Operation(
        name="health",
        summary="Show where the tokens go, which tool outputs are of no more use, and what could be done about it.",
        risk="read",
        function=_health,
    ),
    Operation(
        name="log",
        summary="List the newest commits: messages, edits, compressions, merges.",
        risk="read",
        function=_log,
        shows_words=True,
        arguments=(
            Argument(name="limit", type="integer", help="default 20", least=1, most=200),
            Argument(name="start", type="revision", help="where to begin; default HEAD"),
        ),
    ),
    Operation(
        name="diff",
        summary="Show which messages differ between two commits.",
        risk="read",
        function=_diff,
        shows_words=True,
        arguments=(
            Argument(name="a", type="revision", help="default: the commit before b"),
            Argument(name="b", type="revision", help="default HEAD"),
        ),
    ),
    Operation(
        name="blame",
        summary="Show when each message came, and who wrote and changed it.",
        risk="read",
        function=_blame,
        arguments=(
            Argument(name="start", type="integer", help="first message number; default 1", least=1),
            Argument(name="count", type="integer", help="default 50", least=1, most=200),
        ),
    ),
)
