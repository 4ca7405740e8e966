"""Searching the messages of a store, whichever of its tracts they are in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import TypedDict, Unpack

from tract.config import check_keywords
from tract.errors import ContentValidationError
from tract.escape import escaped
from tract.history.times import microseconds, moment
from tract.history.tracts import in_tract, tract_times
from tract.history.walk import outlines
from tract.messages import message_text
from tract.messages.message import Message, message_in
from tract.messages.parts import ToolCall
from tract.messages.turns import turn_of
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation, Object
from tract.objects.strict_reader import decode_blob
from tract.refs.names import HEADS, SPAWN_REF, tract_name
from tract.repo import Repository

_TOGETHER = 256
"""How many messages are read at once."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SearchHit:
    """A message in which something was found, as the commit *commit_hash* wrote it, in the first tract that has that commit.

    *matches* are the places in *text* that match, each from a first character to one behind the last; none where only a role or a tool was asked for.
    """

    tract_id: str
    commit_hash: str
    operation: CommitOperation | str
    role: str
    text: str
    matches: tuple[tuple[int, int], ...]
    author: str
    created_at: datetime

    def __repr__(self) -> str:
        start = max(0, self.matches[0][0] - 20) if self.matches else 0
        return f"SearchHit({escaped(self.tract_id)}::{self.commit_hash[:16]} {self.role}: {self.text[start : start + 60]!r})"


class SearchOptions(TypedDict, total=False):
    """The options of :func:`search`; each narrows what is found, and None, or False, does not, but for the first two.

    With *regex* the text is a regular expression; with *case* capital and small letters differ.
    *tract* is the only one to look in; *tool* leaves messages that call that tool; *since*, a moment or words such as ``"2 hours ago"``, is included; *limit* is the most hits.
    """

    regex: bool
    case: bool
    tract: str | None
    role: str | None
    tool: str | None
    since: datetime | str | None
    limit: int | None


def search(repo: Repository, text: str, **options: Unpack[SearchOptions]) -> list[SearchHit]:
    """The messages that have *text* in them: tract by tract, the root tract first, in each the newest first. An empty text is in every message.

    All versions of a message in the history of a branch are looked at, hidden ones too; what compressions replaced stays in the history. What a tract that was spawned began with is looked at last, as it was then.
    """
    check_keywords("search", options, SearchOptions)
    regex, case = options.get("regex", False), options.get("case", False)
    tract, role, tool = options.get("tract"), options.get("role"), options.get("tool")
    since, limit = options.get("since"), options.get("limit")
    if limit is not None and (type(limit) is not int or limit < 0):
        raise ContentValidationError(f"limit must be a number of hits, not {limit!r}")
    if not isinstance(text, str):
        raise ContentValidationError(f"what is searched for must be text, not {type(text).__name__}")
    pattern = _pattern(text, regex=regex, case=case)
    test = _prefilter(_words_of(text) if regex else re.findall(r"\w+", text), case=case)
    holding = None if test is None else repo.objects.holding(test)
    if holding is not None and not holding:
        return []
    earliest = None if since is None else microseconds(since, "since")
    prefixes = list(tract_times(repo)) if tract is None else [in_tract(repo, tract).prefix]
    seen: set[ObjectId] = set()
    tracts = [replace(repo, tract=tract_name(prefix), prefix=prefix) for prefix in prefixes]
    hits = (
        hit
        for found in (_said_in, _begun_with)
        for one in tracts
        for hit in _hits(one, found(one, seen), pattern, holding, earliest)
        if (role is None or hit[1].role == role) and (tool is None or tool in _tools(hit[1]))
    )
    return [hit for hit, _ in islice(hits, limit)]


def _pattern(text: str, *, regex: bool, case: bool) -> re.Pattern[str]:
    try:
        return re.compile(text if regex else re.escape(text), re.MULTILINE | (0 if case else re.IGNORECASE))
    except (re.error, TypeError) as exc:
        raise ContentValidationError(f"{text!r} is no regular expression: {exc}") from None


_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\w?\{[^}]*\}|\w[*?]|.", re.DOTALL)
"""What a regular expression is made of, as far as it matters here: escapes, sets, and single characters with what may make them optional."""


def _words_of(pattern: str) -> list[str]:
    """Words that are in whatever matches the regular expression, as far as that is plain to see."""
    if re.search(r"\\[xuUN0-9]|\(\?[a-zA-Z]*[ix]", pattern):
        return []  # characters by their codes, or blanks and comments that mean nothing
    words, depth = [""], 0
    for token in _TOKEN.findall(pattern):
        if token == "|" and depth == 0:
            return []
        depth += (token == "(") - (token == ")")
        if depth == 0 and len(token) == 1 and (token.isalnum() or token == "_"):
            words[-1] += token
        else:
            words.append("")
    return words


def _prefilter(words: Sequence[str], *, case: bool) -> Callable[[bytes], object] | None:
    """A test that a message's bytes must pass: they have the longest of *words* in them, for nothing changes a word on its way to what is read."""
    longest = max(words, key=len, default="")
    if not longest or not (case or longest.isascii()):
        return None
    needle = longest.encode()
    if case:
        return lambda payload: needle in payload
    lowered = needle.lower()
    return lambda payload: lowered in payload.lower()


def _hits(
    repo: Repository,
    said: Iterator[tuple[ObjectId, ObjectId]],
    pattern: re.Pattern[str],
    holding: set[ObjectId] | None,
    earliest: int | None,
) -> Iterator[tuple[SearchHit, Message]]:
    """The hits among commits and their contents."""
    messages = (
        one
        for one in said
        if (holding is None or one[1] in holding) and (earliest is None or repo.outline(one[0]).time >= earliest)
    )
    while some := list(islice(messages, _TOGETHER)):
        payloads = repo.objects.payloads([content for _, content in some], "blob")
        for (id, content), payload in zip(some, payloads, strict=True):
            value = decode_blob(content, Object("blob", payload))
            if isinstance(value, bytes) and repo.map_in(repo.commit(id)) is None:
                continue
            message = message_in(value)
            found = _hit(repo, id, message, pattern)
            if found is not None:
                yield found, message


def _said_in(repo: Repository, seen: set[ObjectId]) -> Iterator[tuple[ObjectId, ObjectId]]:
    """The commits with a message that the tract's branches lead to and nobody looked at yet, and their contents."""
    tips = [value for _, value in repo.local_refs(HEADS) if isinstance(value, bytes)]
    tip = repo.head()[1]
    for id, commit in outlines(repo, [*tips, *([] if tip is None else [tip])]):
        if id not in seen:
            seen.add(id)
            if commit.content is not None and commit.operation not in (CommitOperation.NOTE, CommitOperation.RECORD):
                yield id, commit.content


def _begun_with(repo: Repository, seen: set[ObjectId]) -> Iterator[tuple[ObjectId, ObjectId]]:
    """The messages that a tract that was spawned began with, where nobody looked at their commits or their chunk yet."""
    spawn = repo.ref(SPAWN_REF)
    if not isinstance(spawn, bytes):
        return
    commit = repo.commit(spawn)
    stack = [] if commit.tree is None else [commit.tree]
    items = [commit.open]
    while stack:
        id = stack.pop()
        if id not in seen:
            seen.add(id)
            node = repo.node(id)
            items += [node.items] if node.level == 0 else []
            stack += node.items[::2] if node.level else ()
    for some in items:
        for message, content in zip(some[::2], some[1::2], strict=True):
            if message not in seen:
                seen.add(message)
                yield message, content


def _hit(repo: Repository, id: ObjectId, message: Message, pattern: re.Pattern[str]) -> SearchHit | None:
    text = message_text(message)
    matches = tuple(match.span() for match in pattern.finditer(text))
    if not matches:
        return None
    commit = repo.commit(id)
    return SearchHit(
        tract_id=repo.tract,
        commit_hash=id.hex(),
        operation=commit.operation,
        role=message.role,
        text=text,
        matches=tuple(span for span in matches if span[0] < span[1]),
        author=commit.author,
        created_at=moment(commit.time),
    )


def _tools(message: Message) -> set[str]:
    """The tools that a message calls."""
    return {part.name for part in turn_of(message).parts if isinstance(part, ToolCall)}
