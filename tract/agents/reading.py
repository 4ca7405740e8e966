"""The operations that look, and change nothing: what each gives back is what a model needs to read.

Text of messages is cut at a size that the answer names, with how to get the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tract.agents.actions import ActionResult
from tract.agents.operation import Argument, Operation
from tract.agents.target import TractLike
from tract.report.text import count_of, excerpt, short

if TYPE_CHECKING:
    from tract.curation.listing import MessageInfo
    from tract.report.info import CommitInfo

_WORDS = 100
"""The characters of a message that a list shows."""

_LENGTH = 8000
"""The characters that an answer has where nothing else is asked for."""

_LONGEST = 50_000

_LISTED = 50


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


def commit_line(one: CommitInfo) -> str:
    """A commit, as lists show it."""
    note = f" ({excerpt(one.message)})" if one.message else ""
    return f"{short(one.commit_hash)} {one.operation.value} {one.role}: {excerpt(one.excerpt, _WORDS)}{note}"


def _log(tract: TractLike, limit: int = 20, start: str = "HEAD") -> ActionResult:
    if start == "HEAD" and tract.head is None:
        return ActionResult(text="no commits", data=[])
    found = tract.log(limit, start=start)
    data = [
        {"commit": one.commit_hash, "operation": one.operation.value, "role": one.role, "text": one.excerpt}
        for one in found
    ]
    return ActionResult(text="\n".join(map(commit_line, found)) or "no commits", data=data)


def message_line(one: MessageInfo) -> str:
    """A message, as lists show it."""
    marks = "".join(f" [{mark}]" for mark in one.marks)
    return (
        f"{one.number} {short(one.commit_hash)} {one.kind} {one.token_count} tokens{marks}: {excerpt(one.text, _WORDS)}"
    )


def message_data(one: MessageInfo) -> dict[str, Any]:
    """A message as JSON, its text apart."""
    return {
        "number": one.number,
        "commit": one.commit_hash,
        "kind": one.kind,
        "role": one.role,
        "tokens": one.token_count,
        "priority": one.priority.value,
        "hidden": one.is_hidden,
    }


def _compile(tract: TractLike, start: int = 1, count: int = _LISTED) -> ActionResult:
    status = tract.status()
    found = tract.messages(start=start, count=count)
    total = status.message_count + status.skipped_count
    lines = [f"{count_of(total, 'message')}, {status.token_count} tokens", *map(message_line, found)]
    if found and found[-1].number < total:
        lines.append(f"{total - found[-1].number} more from start={found[-1].number + 1} on")
    if not found and total:
        lines.append(f"none from number {start} on")
    return ActionResult(text="\n".join(lines), data=[message_data(one) for one in found])


def _show(tract: TractLike, target: str, offset: int = 0, length: int = _LENGTH) -> ActionResult:
    (one,) = tract.messages(only=[target])
    text = one.text
    part = text[offset : offset + length]
    end = offset + len(part)
    lines = [message_line(one).partition(":")[0], part]
    if offset or end < len(text):
        rest = f"; the rest is at offset={end}" if end < len(text) else ""
        lines.append(f"[characters {min(offset, len(text))} to {end} of {len(text)}{rest}]")
    return ActionResult(text="\n".join(lines), data={**message_data(one), "text": part, "characters": len(text)})


MESSAGE = "message number such as 4, or its id"

READING: Sequence[Operation] = (
    Operation(
        name="status",
        summary="Show the branch, the number of messages, the tokens against the budget, and tool calls without a result.",
        risk="read",
        function=_status,
    ),
    Operation(
        name="log",
        summary="List the newest commits of the history: messages, edits, compressions, merges.",
        risk="read",
        function=_log,
        arguments=(
            Argument(name="limit", type="integer", help="how many; 20 if not given", least=1, most=200),
            Argument(name="start", type="revision", help="commit, branch or tag to begin at; HEAD if not given"),
        ),
    ),
    Operation(
        name="compile",
        summary="List the messages of the context: number, id, kind, tokens, whether pinned or hidden, and the first words.",
        risk="read",
        function=_compile,
        arguments=(
            Argument(name="start", type="integer", help="first message number; 1 if not given", least=1),
            Argument(name="count", type="integer", help="how many; 50 if not given", least=1, most=200),
        ),
    ),
    Operation(
        name="show",
        summary="Show the whole text of a message.",
        risk="read",
        function=_show,
        arguments=(
            Argument(name="target", type="message", help=MESSAGE, required=True),
            Argument(name="offset", type="integer", help="first character; 0 if not given"),
            Argument(name="length", type="integer", help="characters; 8000 if not given", least=1, most=_LONGEST),
        ),
    ),
)
