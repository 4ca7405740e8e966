"""The operations that read messages; their answers have the form that a model needs.

Text of messages is cut at a size that the answer names, and the answer says how to get the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tract.agents.actions import ActionResult
from tract.agents.excerpts import NONE, WORDS, commit_line, cut, is_withheld, message_data, message_line
from tract.agents.looking import LISTED
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

MESSAGE = "message number or id"

_LENGTH = 8000
"""The default number of characters of an answer."""

_LONGEST = 50_000
_FEW = 20
_VERSIONS = 10
"""A search passes over at most this many edits of a withheld message."""


def _compile(tract: TractLike, start: int = 1, count: int = LISTED, withheld: frozenset[str] = NONE) -> ActionResult:
    status = tract.status()
    found = tract.messages(start=start, count=count)
    total = status.message_count + status.skipped_count
    lines = [f"{count_of(total, 'message')}, {status.token_count} tokens"]
    lines += [message_line(one, withheld) for one in found]
    if found and found[-1].number < total:
        lines.append(f"{total - found[-1].number} more from start={found[-1].number + 1} on")
    if not found and total:
        lines.append(f"none from number {start} on")
    return ActionResult(text="\n".join(lines), data=[message_data(one) for one in found])


def _show(
    tract: TractLike,
    target: str,
    version: int | None = None,
    offset: int = 0,
    length: int = _LENGTH,
    withheld: frozenset[str] = NONE,
) -> ActionResult:
    try:
        (one,) = tract.messages(only=[target])
    except EditTargetError:
        commit = tract.get_commit(target)
        if is_withheld(commit, withheld):
            raise ActionError(f"somebody hid message {short(commit.commit_hash)}; it is not to be shown") from None
        return _show_commit(tract, commit, offset, length)
    if one.commit_hash in withheld:
        raise ActionError(f"somebody hid message {one.number}; it is not to be shown")
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
    """The messages that a summary replaced; "" for any other message."""
    if one.kind != "summary":
        return ""
    sources = next(iter(sources_by_summary(tract.repository, [bytes.fromhex(one.commit_hash)]).values()), ())
    if not sources:
        return ", whose originals are not kept"
    shown = ", ".join(short(commit.hex()) for commit, _ in sources[:_FEW])
    more = f" and {len(sources) - _FEW} more" if len(sources) > _FEW else ""
    return f", in the place of {shown}{more}"


def _text_of(tract: TractLike, one: CommitInfo) -> str:
    """The text of a commit's message; "" if it has none."""
    if one.content_hash is None or one.operation is CommitOperation.RECORD:
        return ""
    return message_text(message_in(tract.repository.blob(bytes.fromhex(one.content_hash))))


def _show_commit(tract: TractLike, one: CommitInfo, offset: int, length: int) -> ActionResult:
    """A commit that is not a message of the context: a merge, a compression, a removed message."""
    text = _text_of(tract, one)
    data = {"commit": one.commit_hash, "operation": one.operation.value, "text": text[offset : offset + length]}
    return ActionResult(
        text=f"{commit_line(one)}; not in the context at HEAD\n{cut(text, offset, length)}".rstrip(),
        data={**data, "characters": len(text)},
    )


def _search(
    tract: TractLike,
    text: str,
    role: str | None = None,
    tool: str | None = None,
    limit: int = 20,
    withheld: frozenset[str] = NONE,
) -> ActionResult:
    repo = tract.repository
    # The answer must not even tell whether a withheld message, in any version, contains a text.
    most = limit + _VERSIONS * len(withheld)
    found = search(repo, text, tract=tract.tract_id, role=role, tool=tool, limit=most)
    hits = [hit for hit in found if not withheld or not is_withheld(tract.get_commit(hit.commit_hash), withheld)][
        :limit
    ]
    places = {commit: at for at, (commit, _) in enumerate(entries(repo, context_at(repo, repo.head()[1])), 1)}
    lines, data = [], []
    for hit in hits:
        number = places.get(bytes.fromhex(hit.commit_hash))
        where = f"{number} " if number else "(not in the context) "
        start = max(0, (hit.matches[0][0] if hit.matches else 0) - WORDS // 3)
        lines.append(
            f"{where}{short(hit.commit_hash)} {hit.role}: {'…' if start else ''}{excerpt(hit.text[start:], WORDS)}"
        )
        data.append({"number": number, "commit": hit.commit_hash, "role": hit.role})
    return ActionResult(text="\n".join(lines) or "nothing found", data=data)


READING: Sequence[Operation] = (
    Operation(
        name="compile",
        summary="List the messages of the context: number, id, kind, tokens, pinned or hidden, first words.",
        risk="read",
        function=_compile,
        shows_words=True,
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
        shows_words=True,
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
        name="search",
        summary="Find messages by text, also those that were summed up or are on other branches.",
        risk="read",
        function=_search,
        shows_words=True,
        arguments=(
            Argument(name="text", type="text", help="any case", required=True),
            Argument(name="role", type="text", help="only this role"),
            Argument(name="tool", type="text", help="only calls of this tool"),
            Argument(name="limit", type="integer", help="default 20", least=1, most=100),
        ),
    ),
)
