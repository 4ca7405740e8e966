"""Planning a compression: which messages leave the context, which stay, and the effect on a prompt cache.

    asked for      ┌────────────────────────────┐
    context     S  a  b  P  call  result  x  y  z       P is pinned, x skipped
    sources        a  b     call  result     y          summed up: everything but pinned, preserved and hidden messages
    dropped                               x             hidden messages are removed unread

    CompressionRequest ─▸ plan ─▸ CompressionPlan ─▸ ask ─▸ PendingCompression ─▸ land ─▸ CompressResult
                                                                  store: it waits for its review, in any process

A tool's call and all its results are one unit, which is removed whole or stays whole.
Planning changes nothing. Nothing is locked while a model thinks, so everything is checked again when it lands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from tract.compile.workspace import Workspace
from tract.config import LEAST_WINDOW
from tract.curation.compress.result import CachePrices, CompressedPart, MustKeep, PrefixCost
from tract.curation.context_view import INSTRUCTIONS, ContextView
from tract.dataclass import dataclass, field
from tract.errors import CompressionError
from tract.history.compression import is_summary
from tract.messages import tool_ids
from tract.messages.message import CompileWarning, Message
from tract.messages.pairing import is_of_tool, is_reasoning
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation, Entry
from tract.refs.store import ANY, Expected
from tract.revision import Revision, resolve_revision, revision_text, revision_texts
from tract.transaction import check_branch, check_idle

if TYPE_CHECKING:
    from tract.curation.compress.summariser import Summariser

RECENT = 10
"""The most messages in the recent part if the request gives no number; fewer if the last exchange is shorter."""

ASSUMED_SHARE = 10
"""A summary without a target is assumed to have one token for each of this many."""

Progress = Callable[[int, int], object]
"""Called with the number of finished summaries and their total; the total may grow."""


class CompressionOptions(TypedDict, total=False):
    """The keywords of a compression besides ``auto_commit`` and ``dry_run``; ``CompressionRequest`` explains each, and has their defaults."""

    commits: Sequence[Revision] | None
    from_commit: Revision | None
    to_commit: Revision | None
    keep_recent: int | None
    preserve: Sequence[Revision] | None
    each_run: bool
    content: Any
    target_tokens: int | None
    must_keep: Sequence[MustKeep]
    instructions: str | None
    system_prompt: str | None
    role: str | None
    message: str | None
    summariser: Summariser | None
    model: str | None
    window: int | None
    progress: Progress | None
    prices: CachePrices | None
    force: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionRequest:
    """A request for a compression.

    The messages are those listed in *commits*, those from *from_commit* to *to_commit*, both included, or everything before the recent part.
    *keep_recent* is the number of shown messages in the recent part; *preserve* are messages that always stay.
    *each_run* makes one summary for each run of messages between those that stay.

    *content* is the summary itself, a text or any content. Without it, *summariser* is asked, or *model* of the configured client, with *instructions* and *system_prompt*; in pieces, if the messages have more tokens than *window*.
    *role* is the role of a summary that is a text; None means the assistant's, or the user's if the summary opens the conversation.
    *force* accepts a summary that would be refused because it is longer than the messages it replaces, or lacks a text it must keep.
    """

    commits: Sequence[Revision] | None = None
    from_commit: Revision | None = None
    to_commit: Revision | None = None
    keep_recent: int | None = None
    preserve: Sequence[Revision] | None = None
    each_run: bool = False
    content: Any = None
    target_tokens: int | None = None
    must_keep: Sequence[MustKeep] = ()
    instructions: str | None = None
    system_prompt: str | None = None
    role: str | None = None
    message: str | None = None
    summariser: Summariser | None = None
    model: str | None = None
    window: int | None = None
    progress: Progress | None = None
    prices: CachePrices | None = None
    auto_commit: bool = True
    force: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        self._check_range()
        check_must_keep(self.must_keep)
        if self.target_tokens is not None and (type(self.target_tokens) is not int or self.target_tokens < 1):
            raise CompressionError(f"target_tokens must be a positive whole number, not {self.target_tokens!r:.40}")
        for name in ("instructions", "system_prompt", "message"):
            if not isinstance(value := getattr(self, name), str | None):
                raise CompressionError(f"{name} must be text, not {type(value).__name__}")
        if not isinstance(self.prices, CachePrices | None):
            raise CompressionError(f"prices must be CachePrices, not {type(self.prices).__name__}")
        if isinstance(self.content, str) and not self.content.strip():
            raise CompressionError("the summary is empty")
        if self.window is not None and (type(self.window) is not int or self.window < LEAST_WINDOW):
            raise CompressionError(f"window must be a number of tokens from {LEAST_WINDOW} on, not {self.window!r:.40}")

    def _check_range(self) -> None:
        for name in ("commits", "preserve"):
            named = getattr(self, name)
            if isinstance(named, (str, bytes)):
                raise CompressionError("messages to compress or to preserve are a list of revisions")
            if named is not None:
                object.__setattr__(self, name, tuple(revision_texts(list(named))))
        for name in ("from_commit", "to_commit"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, revision_text(getattr(self, name)))
        if self.commits is not None and (self.from_commit or self.to_commit or self.keep_recent is not None):
            raise CompressionError("a compression takes a list of messages or a range, not both")
        if self.to_commit is not None and self.keep_recent is not None:
            raise CompressionError("a compression ends at a message or before the recent part, not both")
        if self.keep_recent is not None and (type(self.keep_recent) is not int or self.keep_recent < 0):
            raise CompressionError(f"keep_recent must be a number of messages, not {self.keep_recent!r:.40}")

    @property
    def spares_recent(self) -> bool:
        """Whether the range ends where the recent part begins."""
        is_open = self.commits is None and self.to_commit is None
        return is_open and (self.from_commit is None or self.keep_recent is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionPlan:
    """The messages that a compression removes from the context at *head*; *kept* are the messages of the range that stay.

    Each of *parts* is a summary still to be written. *view* is the present context.
    *common_tokens* are the tokens before the first message removed, *rest_tokens* those from there on.
    """

    request: CompressionRequest
    branch: str
    head: ObjectId
    parts: tuple[CompressedPart, ...]
    dropped: tuple[Entry, ...]
    kept: tuple[ObjectId, ...]
    warnings: tuple[CompileWarning, ...]
    common_tokens: int
    rest_tokens: int
    prices: CachePrices
    view: ContextView = field(repr=False, compare=False)

    @property
    def tokens(self) -> int:
        """The tokens that leave the context."""
        return sum(part.tokens_before for part in self.parts)

    @property
    def going(self) -> frozenset[int]:
        """The places of the messages to be removed."""
        removed = (*(entry for part in self.parts for entry in part.sources), *self.dropped)
        return frozenset(self.view.index[commit] for commit, _ in removed)

    def cost(self, summary_tokens: int | None) -> PrefixCost:
        """The cost for a prompt cache if the summaries have *summary_tokens* (None: not known yet), including the model call that reads all removed messages, uncached."""
        new = -(-self.tokens // ASSUMED_SHARE) if summary_tokens is None else summary_tokens
        summarising = self.tokens + self.prices.output * new if self.request.content is None else 0.0
        after = self.rest_tokens - self.tokens + new
        return PrefixCost.of(self.common_tokens, self.rest_tokens, after, summarising, self.prices)

    def role_of(self, part: CompressedPart) -> str:
        """The summary's role: the user's if only instructions come before it, because some providers require that first; else the assistant's."""
        if self.request.role is not None:
            return self.request.role
        view, going = self.view, self.going
        before = (at for at in range(view.index[part.sources[0][0]]) if at not in going and not view.is_hidden(at))
        return "user" if all(view.message(at).role in INSTRUCTIONS for at in before) else "assistant"

    def shown(self, part: CompressedPart) -> list[Message]:
        """The messages of a part as the model sees them."""
        return [self.view.message(self.view.index[commit]) for commit, _ in part.sources]


def check_must_keep(must_keep: Sequence[MustKeep]) -> None:
    """CompressionError if *must_keep* is not a list of texts and patterns."""
    if not isinstance(must_keep, Sequence) or isinstance(must_keep, str):
        raise CompressionError("must_keep is a list of texts and patterns")
    for one in must_keep:
        is_pattern = isinstance(one, re.Pattern) and isinstance(one.pattern, str)
        if not is_pattern and not (isinstance(one, str) and one):
            raise CompressionError(f"must_keep takes texts and patterns of text, not {one!r:.60}")


def plan_compression(space: Workspace, request: CompressionRequest, *, expected: Expected = ANY) -> CompressionPlan:
    """The plan for *request* at HEAD; nothing is written.

    CompressionError if there is nothing to sum up; RefMovedError if the branch is not at *expected*, DetachedHeadError if HEAD is on no branch.
    """
    repo = space.repo
    branch, head = check_branch(repo, "compress", expected)
    check_idle(repo)
    if head is None:
        raise CompressionError("nothing to compress: there is no commit yet")
    view = ContextView(space, head)
    chosen = _chosen(view, request)
    fixed = {at for at in chosen if view.is_pinned(at)} | _named(view, request.preserve or ())
    warnings = list(_whole_units(view, request, chosen, fixed))
    kept = tuple(view.items[at][0] for at in sorted(chosen & fixed))
    going = sorted(chosen - fixed)
    summed = [at for at in going if not view.is_hidden(at)]
    _check_worth(view, request, summed, len(kept))
    groups = _groups(summed, set(going)) if request.each_run else [summed]
    dropped = [at for at in going if view.is_hidden(at)]
    common, rest = view.tokens_around(summed[0])
    return CompressionPlan(
        request=request,
        branch=branch,
        head=head,
        parts=tuple(_parts(view, groups, dropped)),
        dropped=tuple(view.items[at] for at in dropped),
        kept=kept,
        warnings=tuple(warnings),
        common_tokens=common,
        rest_tokens=rest,
        prices=request.prices or CachePrices.of(repo.config),
        view=view,
    )


def _chosen(view: ContextView, request: CompressionRequest) -> set[int]:
    """The places of the requested messages."""
    if request.commits is not None:
        return _named(view, request.commits)
    start = 0 if request.from_commit is None else view.place_of(request.from_commit, CompressionError)
    if request.to_commit is not None:
        stop = _stop(view, request.to_commit)
        if stop <= start:
            raise CompressionError(f"message '{request.to_commit}' comes before '{request.from_commit}'")
    else:
        stop = _recent_start(view, request.keep_recent) if request.spares_recent else len(view)
    return set(range(start, stop))


def _stop(view: ContextView, revision: Revision) -> int:
    """One past the message that *revision* names; the end of the context if it is HEAD's commit and not a message."""
    repo = view.space.repo
    id = resolve_revision(repo, revision)
    is_message = repo.commit(id).operation in (CommitOperation.APPEND, CommitOperation.EDIT)
    return len(view) if id == repo.head()[1] and not is_message else view.place_of(revision, CompressionError) + 1


def _named(view: ContextView, revisions: Sequence[Revision]) -> set[int]:
    return {view.place_of(revision, CompressionError) for revision in revisions}


def _recent_start(view: ContextView, keep: int | None) -> int:
    """The start of the recent part: *keep* shown messages before the end; by default the user's last message, but at most RECENT messages before the end."""
    visible = [at for at in range(len(view)) if not view.is_hidden(at)]
    if not visible or keep == 0:
        return len(view)
    if keep is not None:
        return visible[-keep] if keep <= len(visible) else 0
    prompt = next((at for at in reversed(visible) if _is_prompt(view.message(at))), visible[-1])
    return max(prompt, visible[-RECENT:][0])


def _is_prompt(message: Message) -> bool:
    """Whether the message is a user's words, and not a tool's result."""
    return message.role == "user" and not tool_ids(message)[1]


def _whole_units(
    view: ContextView, request: CompressionRequest, chosen: set[int], fixed: set[int]
) -> Iterator[CompileWarning]:
    """Make *chosen* contain each tool unit whole or not at all, and warn about the changes.

    A unit with a pinned or preserved half stays; so does one that waits for a result, and one across the border of the recent part. One across any other border is removed.
    """
    if not any(is_of_tool(one) or is_reasoning(one) for one in map(view.raw_message, chosen)):
        return
    units = view.units()
    waiting = set(units.waiting)
    wholes = {units.of.get(at, (at,)) for at in chosen if at in units.of or at in waiting}
    for unit in sorted(wholes):
        inside = chosen.intersection(unit)
        held = [at for at in unit if at in fixed or view.is_pinned(at)]
        kind, told = "tool_pair_kept", ""
        if held or waiting.intersection(unit):
            why = "a part of it is pinned or preserved" if held else "a call of it waits for its result"
            told = f"the tool call and its results stay: {why}" if inside - fixed else ""
            fixed.update(inside)
        elif len(inside) < len(unit) and request.spares_recent:
            chosen -= inside
            told = "the tool call and its results stay: they reach into the recent part"
        elif len(inside) < len(unit):
            chosen.update(unit)
            kind, told = (
                "tool_pair_extended",
                "the whole tool call and its results are compressed, because a part of them is",
            )
        if told:
            yield CompileWarning(kind, told, index=None, commit=view.items[unit[0]][0].hex())


def _check_worth(view: ContextView, request: CompressionRequest, summed: Sequence[int], kept: int) -> None:
    """CompressionError if there is no message for a summary to replace."""
    if not summed:
        if kept:
            raise CompressionError("nothing to compress: every message there is pinned, preserved or hidden")
        what = "before the recent part" if request.spares_recent else "there"
        raise CompressionError(f"nothing to compress: no message {what} is shown")
    repo = view.space.repo
    is_default = request.commits is None and request.from_commit is None and request.to_commit is None
    if is_default and len(summed) == 1 and is_summary(repo, view.items[summed[0]][0]):
        raise CompressionError("nothing to compress: what is before the recent part is a summary already")


def _groups(summed: Sequence[int], going: set[int]) -> list[list[int]]:
    """The places in runs, divided by every message that stays."""
    groups: list[list[int]] = []
    for at in summed:
        if groups and all(between in going for between in range(groups[-1][-1] + 1, at)):
            groups[-1].append(at)
        else:
            groups.append([at])
    return groups


def _parts(view: ContextView, groups: Sequence[list[int]], dropped: Sequence[int]) -> Iterator[CompressedPart]:
    """A part for each group; hidden messages are removed with the group whose first message precedes them, those before any group with the first."""
    for number, group in enumerate(groups):
        start = group[0] if number else -1
        end = groups[number + 1][0] if number + 1 < len(groups) else float("inf")
        yield CompressedPart(
            sources=tuple(view.items[at] for at in group),
            tokens_before=sum(view.tokens(at) for at in group),
            hidden=sum(start < at < end for at in dropped),
        )
