"""The operations that look, and change nothing: what each gives back is what a model needs to read.

Text of messages is cut at a size that the answer names, with how to get the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tract.agents.actions import ActionResult
from tract.agents.operation import Argument, Operation
from tract.agents.target import TractLike
from tract.errors import ActionError, EditTargetError
from tract.history.compression import sources_by_summary
from tract.history.context import context_at, entries
from tract.messages import message_text
from tract.messages.message import message_in
from tract.objects.model import CommitOperation
from tract.report.search import search
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
_MOST_LINES = 100
_FEW = 20


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
    return ActionResult(text=str(found), data=data)


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


def cut(text: str, offset: int, length: int) -> str:
    """*length* characters of *text* from *offset* on, and where it is not all, how to get the rest."""
    part = text[offset : offset + length]
    end = offset + len(part)
    if not offset and end >= len(text):
        return part
    rest = f"; the rest is at offset={end}" if end < len(text) else ""
    return f"{part}\n[characters {min(offset, len(text))} to {end} of {len(text)}{rest}]"


def _show(
    tract: TractLike, target: str, version: int | None = None, offset: int = 0, length: int = _LENGTH
) -> ActionResult:
    try:
        (one,) = tract.messages(only=[target])
    except EditTargetError:
        return _show_commit(tract, tract.get_commit(target), offset, length)
    head, text = message_line(one).partition(":")[0], one.text
    if version is not None:
        versions = tract.edit_history(one.commit_hash)
        if not -len(versions) <= version < len(versions):
            raise ActionError(
                f"message {one.number} has {count_of(len(versions), 'version')}: 0 is the first, -1 the last"
            )
        head, text = f"{head}, version {version} of {len(versions)}", _text_of(tract, versions[version])
    data = {**message_data(one), "text": text[offset : offset + length], "characters": len(text)}
    return ActionResult(text=f"{head}{_sources(tract, one)}\n{cut(text, offset, length)}", data=data)


def _sources(tract: TractLike, one: MessageInfo) -> str:
    """What a summary stands for; "" for any other message."""
    if one.kind != "summary":
        return ""
    sources = next(iter(sources_by_summary(tract.repository, [bytes.fromhex(one.commit_hash)]).values()), ())
    if not sources:
        return ", whose originals are not kept"
    shown = ", ".join(short(commit.hex()) for commit, _ in sources[:_FEW])
    more = f" and {len(sources) - _FEW} more" if len(sources) > _FEW else ""
    return f", in the place of {shown}{more}"


def _text_of(tract: TractLike, one: CommitInfo) -> str:
    """The text of the message that a commit brought; "" where it brought none."""
    if one.content_hash is None or one.operation is CommitOperation.RECORD:
        return ""
    return message_text(message_in(tract.repository.blob(bytes.fromhex(one.content_hash))))


def _show_commit(tract: TractLike, one: CommitInfo, offset: int, length: int) -> ActionResult:
    """A commit that is no message of the context: a merge, a compression, a message that left."""
    text = _text_of(tract, one)
    data = {"commit": one.commit_hash, "operation": one.operation.value, "text": text[offset : offset + length]}
    return ActionResult(
        text=f"{commit_line(one)}; not in the context at HEAD\n{cut(text, offset, length)}".rstrip(),
        data={**data, "characters": len(text)},
    )


def _diff(tract: TractLike, a: str | None = None, b: str | None = None) -> ActionResult:
    found = tract.diff(a, b)
    lines, data = [], []
    for one in found.message_diffs:
        side = one.after or one.before
        assert side is not None  # one of the two is always there
        words = " -> ".join(excerpt(version.text, _WORDS) for version in (one.before, one.after) if version is not None)
        lines.append(
            f"{one.kind}{' and moved' if one.moved else ''} {side.number} {short(one.commit_hash)} {one.role}: {words}"
        )
        data.append({"kind": one.kind, "number": side.number, "commit": one.commit_hash, "tokens": one.token_delta})
    stat = found.stat
    head = f"{stat.added} added, {stat.removed} removed, {stat.changed} changed, {stat.moved} moved, {stat.token_delta:+} tokens"
    return ActionResult(text="\n".join([head, *lines[:_MOST_LINES], *_left_out(lines)]), data=data)


def _left_out(lines: Sequence[str]) -> list[str]:
    return [f"{len(lines) - _MOST_LINES} more are not shown"] if len(lines) > _MOST_LINES else []


def _blame(tract: TractLike, start: int = 1, count: int = _LISTED) -> ActionResult:
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


def _search(
    tract: TractLike, text: str, role: str | None = None, tool: str | None = None, limit: int = 20
) -> ActionResult:
    repo = tract.repository
    hits = search(repo, text, tract=tract.tract_id, role=role, tool=tool, limit=limit)
    places = {commit: at for at, (commit, _) in enumerate(entries(repo, context_at(repo, repo.head()[1])), 1)}
    lines, data = [], []
    for hit in hits:
        number = places.get(bytes.fromhex(hit.commit_hash))
        where = f"{number} " if number else "(not in the context) "
        start = max(0, (hit.matches[0][0] if hit.matches else 0) - _WORDS // 3)
        lines.append(
            f"{where}{short(hit.commit_hash)} {hit.role}: {'…' if start else ''}{excerpt(hit.text[start:], _WORDS)}"
        )
        data.append({"number": number, "commit": hit.commit_hash, "role": hit.role})
    return ActionResult(text="\n".join(lines) or "nothing found", data=data)


MESSAGE = "message number or id"

READING: Sequence[Operation] = (
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
        arguments=(
            Argument(name="limit", type="integer", help="default 20", least=1, most=200),
            Argument(name="start", type="revision", help="where to begin; default HEAD"),
        ),
    ),
    Operation(
        name="compile",
        summary="List the messages of the context: number, id, kind, tokens, pinned or hidden, first words.",
        risk="read",
        function=_compile,
        arguments=(
            Argument(name="start", type="integer", help="first message number; default 1", least=1),
            Argument(name="count", type="integer", help="default 50", least=1, most=200),
        ),
    ),
    Operation(
        name="show",
        summary="Show the whole text of a message, also of one that left the context.",
        risk="read",
        function=_show,
        arguments=(
            Argument(name="target", type="message", help=MESSAGE, required=True),
            Argument(
                name="version",
                type="integer",
                help="0 the original, -1 the newest",
                least=-1000,
                most=1000,
            ),
            Argument(name="offset", type="integer", help="first character"),
            Argument(name="length", type="integer", help="characters; default 8000", least=1, most=_LONGEST),
        ),
    ),
    Operation(
        name="diff",
        summary="Show which messages differ between two commits.",
        risk="read",
        function=_diff,
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
    Operation(
        name="search",
        summary="Find messages by text, also those that were summed up or are on other branches.",
        risk="read",
        function=_search,
        arguments=(
            Argument(name="text", type="text", help="any case", required=True),
            Argument(name="role", type="text", help="only this role"),
            Argument(name="tool", type="text", help="only calls of this tool"),
            Argument(name="limit", type="integer", help="default 20", least=1, most=100),
        ),
    ),
)
