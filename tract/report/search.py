"""Searching the messages of a store, whichever of its tracts they are in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import TypedDict, Unpack

from tract.arguments import check_keywords
from tract.dataclass import dataclass, replace
from tract.errors import ContentValidationError
from tract.escape import escaped
from tract.history.times import microseconds, moment
from tract.history.tracts import in_tract, tract_times
from tract.history.walk import at_most, outlines
from tract.messages import message_text
from tract.messages.message import Message, message_in
from tract.messages.parts import ToolCall
from tract.messages.turns import turn_of
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation, Object
from tract.objects.strict_reader import decode_blob
from tract.refs.names import HEADS, SPAWN_REF, tract_name
from tract.repo import Repository
from tract.report.search_words import test_for, test_for_pattern, words_of

_TOGETHER = 256
"""The number of messages read at once."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SearchHit:
    """A message that matched, as the commit *commit_hash* wrote it, in the first tract that has that commit.

    *matches* are the matching places in *text*, each as (first character, one behind the last); empty if you searched only for a role or a tool.
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
    """The options of :func:`search`; each narrows the result unless it is None or False, except the first two.

    With *regex* the text is a regular expression; with *case* capital and small letters differ.
    *tract* is the only one to search; *tool* selects messages that call that tool; *since*, a moment or words such as ``"2 hours ago"``, is included; *limit* is the most hits.
    """

    regex: bool
    case: bool
    tract: str | None
    role: str | None
    tool: str | None
    since: datetime | str | None
    limit: int | None


def search(repo: Repository, text: str, **options: Unpack[SearchOptions]) -> list[SearchHit]:
    """The messages that contain *text*: tract by tract, the root tract first, in each the newest first. Every message contains an empty text.

    All versions of a message in the history of a branch are searched, hidden ones too; messages replaced by compressions stay in the history. The initial context of a spawned tract is searched last, as it was then, and so is the context at a commit where gc cut history.
    """
    check_keywords("search", options, SearchOptions)
    regex, case = options.get("regex", False), options.get("case", False)
    tract, role, tool = options.get("tract"), options.get("role"), options.get("tool")
    since, limit = options.get("since"), options.get("limit")
    if limit is not None and (type(limit) is not int or limit < 0):
        raise ContentValidationError(f"limit must be a number of hits, not {limit!r:.40}")
    if not isinstance(text, str):
        raise ContentValidationError(f"what is searched for must be text, not {type(text).__name__}")
    for name, word in (("role", role), ("tool", tool)):
        if not isinstance(word, str | None):
            raise ContentValidationError(f"{name} must be a text, not {word!r:.40}")
    pattern = _pattern(text, regex=regex, case=case)
    words = words_of(text) if regex else re.findall(r"\w+", text)
    test = test_for(words, case=case) or test_for(re.findall(r"\w+", tool or ""), case=True)
    if regex and all(
        one is None for one in (tract, limit, since)
    ):  # all that is there would be read: to try each text first takes less
        test = test_for_pattern(pattern, test)
    holding = None if test is None else repo.objects.holding(test)
    if holding is not None and not holding:
        return []
    earliest = None if since is None else microseconds(since, "since")
    prefixes = list(tract_times(repo)) if tract is None else [in_tract(repo, tract).prefix]
    seen: set[ObjectId] = set()
    tracts = [_Looked(replace(repo, tract=tract_name(prefix), prefix=prefix), holding, seen, []) for prefix in prefixes]
    hits = (
        hit
        for found in (_said_in, _begun_with)
        for one in tracts
        for hit in _hits(one.repo, found(one), pattern, earliest)
        if (role is None or hit[1].role == role) and (tool is None or tool in _tools(hit[1]))
    )
    return [hit for hit, _ in at_most(hits, limit)]


def _pattern(text: str, *, regex: bool, case: bool) -> re.Pattern[str]:
    try:
        return re.compile(text if regex else re.escape(text), re.MULTILINE | (0 if case else re.IGNORECASE))
    except (re.error, TypeError) as exc:
        raise ContentValidationError(f"{text!r} is not a regular expression: {exc}") from None


def _hits(
    repo: Repository,
    said: Iterator[tuple[ObjectId, ObjectId]],
    pattern: re.Pattern[str],
    earliest: int | None,
) -> Iterator[tuple[SearchHit, Message]]:
    """The hits among commits and their contents."""
    messages = (one for one in said if earliest is None or repo.outline(one[0]).time >= earliest)
    while some := list(at_most(messages, _TOGETHER)):
        payloads = repo.objects.payloads([content for _, content in some], "blob")
        for (id, content), payload in zip(some, payloads, strict=True):
            value = decode_blob(content, Object("blob", payload))
            if isinstance(value, bytes) and repo.map_in(repo.commit(id)) is None:
                continue
            message = message_in(value)
            found = _hit(repo, id, message, pattern)
            if found is not None:
                yield found, message


class _Looked(NamedTuple):
    """A tract being searched for messages of *holding* (None: all); *seen* are the commits searched already, *cut* those at which gc cut its history."""

    repo: Repository
    holding: set[ObjectId] | None
    seen: set[ObjectId]
    cut: list[ObjectId]


def _said_in(tract: _Looked) -> Iterator[tuple[ObjectId, ObjectId]]:
    """The commits with a message that the tract's branches reach and that were not searched yet, and their contents."""
    repo, holding, seen, _ = tract
    cuts = repo.shallow.cuts
    tips = [value for _, value in repo.local_refs(HEADS) if isinstance(value, bytes)]
    tip = repo.head()[1]
    for id, commit in outlines(repo, [*tips, *([] if tip is None else [tip])]):
        if id in cuts and cuts[id].grade == "parents":
            tract.cut.append(id)
        if id in seen:
            continue
        seen.add(id)
        content = commit.content
        if content is None or (holding is not None and content not in holding):
            continue
        if commit.operation not in (CommitOperation.NOTE, CommitOperation.RECORD):
            yield id, content


def _begun_with(tract: _Looked) -> Iterator[tuple[ObjectId, ObjectId]]:
    """The messages that the tract's history begins with and its branches do not reach: those it was spawned with, and those of contexts where history was cut."""
    repo, holding, seen, cut = tract
    spawn = repo.ref(SPAWN_REF)
    begins = [repo.commit(id) for id in [*cut, *([spawn] if isinstance(spawn, bytes) else [])]]
    items = [commit.open for commit in begins]
    stack = [commit.tree for commit in begins if commit.tree is not None]
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
                if holding is None or content in holding:
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
