"""Planning a compression: which messages leave the context, which stay, and what that does to a prompt cache.

    asked for      ┌────────────────────────────┐
    context     S  a  b  P  call  result  x  y  z       P is pinned, x skipped
    sources        a  b     call  result     y          what is summed up: everything but pins, preserved and hidden messages
    dropped                               x             hidden messages leave unread

A tool's call and all its results are one unit, which goes as a whole or stays as a whole.
A plan looks and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tract.compile.compiler import is_of_tool
from tract.compile.workspace import Workspace
from tract.curation.compress.prefix_cost import ASSUMED_SHARE, CachePrices, PrefixCost, prefix_cost
from tract.curation.compress.transcript import Block, chat_messages
from tract.curation.context_view import Places
from tract.errors import CompressionError, DetachedHeadError, RefMovedError
from tract.history.compression import is_summary
from tract.messages import tool_ids
from tract.messages.message import CompileWarning, Message
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation, Entry
from tract.refs.operations import shown
from tract.refs.store import ANY, Expected
from tract.revision import resolve_revision
from tract.transaction import check_idle

RECENT = 10
"""How many messages at most are the recent part that stays where nobody says what goes: less where the last exchange is shorter."""

INSTRUCTIONS = ("system", "developer")
"""The roles of messages that tell a model what to do, and that providers take apart from the rest."""

_AROUND = 3
"""How many messages before and after a summariser is shown."""


@dataclass(frozen=True, slots=True)
class CompressionRange:
    """Which messages are asked for: those listed in *commits*, those from *from_commit* to *to_commit*, both included, or everything but the recent part.

    *keep_recent* is how many of the newest shown messages stay, where *to_commit* does not say; *preserve* are messages that stay wherever they are.
    *each_run* makes a summary of its own for each run of messages that nothing which stays divides.
    """

    commits: Sequence[str] | None = None
    from_commit: str | None = None
    to_commit: str | None = None
    keep_recent: int | None = None
    preserve: Sequence[str] = ()
    each_run: bool = False

    def __post_init__(self) -> None:
        for named in (self.commits or (), self.preserve):
            if isinstance(named, (str, bytes)) or not all(isinstance(one, str) for one in named):
                raise CompressionError("messages to compress or to preserve are a list of revisions")
        if self.commits is not None and (self.from_commit or self.to_commit or self.keep_recent is not None):
            raise CompressionError("a compression takes a list of messages or a range, not both")
        if self.to_commit is not None and self.keep_recent is not None:
            raise CompressionError("a compression ends at a message or before the recent part, not both")
        if self.keep_recent is not None and (type(self.keep_recent) is not int or self.keep_recent < 0):
            raise CompressionError(f"keep_recent must be a number of messages, not {self.keep_recent!r:.40}")

    @property
    def is_default(self) -> bool:
        """Whether nobody said what goes."""
        return self.commits is None and self.from_commit is None and self.to_commit is None

    @property
    def spares_recent(self) -> bool:
        """Whether what goes ends where the recent part begins."""
        is_open = self.commits is None and self.to_commit is None
        return is_open and (self.from_commit is None or self.keep_recent is not None)


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """Messages that one summary will stand for, and what it is made from.

    *shown* are the messages as the model sees them, and *tokens* theirs, framing included; *before* and *after* stay, and are there to be understood.
    *is_first* says that nothing but instructions is in front of it; *hidden* is how many hidden messages leave with them, unread.
    """

    sources: tuple[Entry, ...]
    tokens: int
    shown: tuple[Message, ...] = field(repr=False)
    before: Block = field(default=(), repr=False)
    after: Block = field(default=(), repr=False)
    is_first: bool = False
    hidden: int = 0

    @property
    def role(self) -> str:
        """Whose message the summary is where nobody says: the user's at the beginning, where some providers take no other, else the assistant's."""
        return "user" if self.is_first else "assistant"


@dataclass(frozen=True, slots=True)
class CompressionPlan:
    """What a compression of the context at *head* takes away; *kept* are the messages of the range that stay.

    The first *common_tokens* of the context are in front of all that goes, *rest_tokens* come from there on.
    """

    branch: str
    head: ObjectId
    parts: tuple[PlannedPart, ...]
    dropped: tuple[Entry, ...]
    kept: tuple[ObjectId, ...]
    warnings: tuple[CompileWarning, ...]
    common_tokens: int
    rest_tokens: int

    @property
    def tokens(self) -> int:
        """The tokens that leave the context."""
        return sum(part.tokens for part in self.parts)

    def cost(self, summary_tokens: int | None, prices: CachePrices, *, by_model: bool) -> PrefixCost:
        """What it costs a prompt cache when the summaries have so many tokens; None where nobody knows yet.

        *by_model* counts the call that sums up as well: it reads all that goes, uncached.
        """
        new = -(-self.tokens // ASSUMED_SHARE) if summary_tokens is None else summary_tokens
        summarising = self.tokens + prices.output * new if by_model else 0.0
        return prefix_cost(
            self.common_tokens, self.rest_tokens, self.rest_tokens - self.tokens + new, summarising, prices
        )


def plan_compression(space: Workspace, asked: CompressionRange, *, expected: Expected = ANY) -> CompressionPlan:
    """What compressing *asked* at HEAD takes away; nothing is written.

    CompressionError when there is nothing to sum up; RefMovedError when the branch is not at *expected*, DetachedHeadError when HEAD is on none.
    """
    repo = space.repo
    branch, head = repo.head()
    if branch is None:
        raise DetachedHeadError(
            f"cannot compress: HEAD is at commit {head.hex()[:16] if head else '?'}, not on a branch"
        )
    if expected is not ANY and head != expected:
        raise RefMovedError(branch, shown(expected), shown(head))
    check_idle(repo)
    if head is None:
        raise CompressionError("nothing to compress: there is no commit yet")
    places = Places(space, head)
    chosen = _chosen(places, asked)
    fixed = {at for at in chosen if places.is_pinned(at)} | _named(places, asked.preserve)
    warnings = list(_whole_units(places, asked, chosen, fixed))
    kept = tuple(places.items[at][0] for at in sorted(chosen & fixed))
    going = sorted(chosen - fixed)
    summed = [at for at in going if not places.is_hidden(at)]
    _check_worth(places, asked, summed, len(kept))
    groups = _groups(summed, set(going)) if asked.each_run else [summed]
    dropped = [at for at in going if places.is_hidden(at)]
    common, rest = places.tokens_around(summed[0])
    return CompressionPlan(
        branch,
        head,
        tuple(_part(places, group, set(going), hidden) for group, hidden in _with_hidden(groups, dropped)),
        tuple(places.items[at] for at in dropped),
        kept,
        tuple(warnings),
        common,
        rest,
    )


def _chosen(places: Places, asked: CompressionRange) -> set[int]:
    """The places of the messages that are asked for."""
    if asked.commits is not None:
        return _named(places, asked.commits)
    start = 0 if asked.from_commit is None else places.place_of(asked.from_commit, CompressionError)
    if asked.to_commit is not None:
        stop = _stop(places, asked.to_commit)
        if stop <= start:
            raise CompressionError(f"message '{asked.to_commit}' comes before '{asked.from_commit}'")
    else:
        stop = _recent_start(places, asked.keep_recent) if asked.spares_recent else len(places)
    return set(range(start, stop))


def _stop(places: Places, revision: str) -> int:
    """One past the message that *revision* names; the end where it is the commit that HEAD is at and that is no message."""
    repo = places.space.repo
    id = resolve_revision(repo, revision)
    is_message = repo.commit(id).operation in (CommitOperation.APPEND, CommitOperation.EDIT)
    return len(places) if id == repo.head()[1] and not is_message else places.place_of(revision, CompressionError) + 1


def _named(places: Places, revisions: Sequence[str]) -> set[int]:
    return {places.place_of(revision, CompressionError) for revision in revisions}


def _recent_start(places: Places, keep: int | None) -> int:
    """Where the recent part begins: with the last thing a user said, but no more than RECENT messages before the end; or *keep* shown messages before the end."""
    visible = [at for at in range(len(places)) if not places.is_hidden(at)]
    if not visible or keep == 0:
        return len(places)
    if keep is not None:
        return visible[-keep] if keep <= len(visible) else 0
    prompt = next((at for at in reversed(visible) if _is_prompt(places.message(at))), visible[-1])
    return max(prompt, visible[-RECENT:][0])


def _is_prompt(message: Message) -> bool:
    """Whether a user says something, not just a tool."""
    return message.role == "user" and not tool_ids(message)[1]


def _whole_units(
    places: Places, asked: CompressionRange, chosen: set[int], fixed: set[int]
) -> Iterator[CompileWarning]:
    """Let tool units be in *chosen* as wholes or not at all, and say where that was not so.

    A unit with a pinned or preserved half stays; one that still waits for a result stays; one that reaches over the border of the recent part stays, and over any other border goes.
    """
    if not any(is_of_tool(places.raw_message(at)) for at in chosen):
        return
    units = places.units()
    waiting = set(units.waiting)
    wholes = {units.of.get(at, (at,)) for at in chosen if at in units.of or at in waiting}
    for unit in sorted(wholes):
        inside = chosen.intersection(unit)
        held = [at for at in unit if at in fixed or places.is_pinned(at)]
        first = places.items[unit[0]][0].hex()
        if held or waiting.intersection(unit):
            why = "a part of it is pinned or preserved" if held else "a call of it waits for its result"
            if inside - fixed:
                yield CompileWarning("tool_pair_kept", f"the tool call and its results stay: {why}", None, first)
            fixed.update(inside)
        elif len(inside) < len(unit):
            if asked.spares_recent:
                chosen -= inside
                yield CompileWarning(
                    "tool_pair_kept", "the tool call and its results stay: they reach into the recent part", None, first
                )
            else:
                chosen.update(unit)
                yield CompileWarning(
                    "tool_pair_extended", "all of the tool call and its results go, as a part of them does", None, first
                )


def _check_worth(places: Places, asked: CompressionRange, summed: Sequence[int], kept: int) -> None:
    """CompressionError when there is nothing that a summary could stand for."""
    if not summed:
        if kept:
            raise CompressionError("nothing to compress: every message there is pinned, preserved or hidden")
        what = "before the recent part" if asked.spares_recent else "there"
        raise CompressionError(f"nothing to compress: no message {what} is shown")
    repo = places.space.repo
    if asked.is_default and len(summed) == 1 and is_summary(repo, places.items[summed[0]][0]):
        raise CompressionError("nothing to compress: what is before the recent part is a summary already")


def _groups(summed: Sequence[int], going: set[int]) -> list[list[int]]:
    """The places in runs, divided by any that stays."""
    groups: list[list[int]] = []
    for at in summed:
        if groups and all(between in going for between in range(groups[-1][-1] + 1, at)):
            groups[-1].append(at)
        else:
            groups.append([at])
    return groups


def _with_hidden(groups: Sequence[list[int]], dropped: Sequence[int]) -> Iterator[tuple[list[int], int]]:
    """Each group, and how many of the hidden messages leave with it: those behind its first, and those before any with the first group."""
    for number, group in enumerate(groups):
        start = group[0] if number else -1
        end = groups[number + 1][0] if number + 1 < len(groups) else float("inf")
        yield group, sum(start < at < end for at in dropped)


def _part(places: Places, group: Sequence[int], going: set[int], hidden: int) -> PlannedPart:
    return PlannedPart(
        tuple(places.items[at] for at in group),
        sum(places.tokens(at) for at in group),
        tuple(places.message(at) for at in group),
        _around(places, range(group[0] - 1, -1, -1), going)[::-1],
        _around(places, range(group[0] + 1, len(places)), going),
        all(_is_instruction(places, at) for at in range(group[0]) if at not in going),
        hidden,
    )


def _is_instruction(places: Places, at: int) -> bool:
    """Whether the message is an instruction, or not shown at all."""
    return places.is_hidden(at) or places.message(at).role in INSTRUCTIONS


def _around(places: Places, way: Sequence[int], going: set[int]) -> Block:
    """The first few messages on the *way* that stay and are shown."""
    found: list[Message] = []
    for at in way:
        if len(found) == _AROUND:
            break
        if at not in going and not places.is_hidden(at):
            found.append(places.message(at))
    return tuple(message for one in found for message in chat_messages([one]))
