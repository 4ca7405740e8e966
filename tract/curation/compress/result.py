"""A compression as a value: while it waits for review, when it is done, and its cost for a prompt cache.

The cost of a compression, with P the tokens before the first message removed, and S those from there on:

    now          P │ S_old
    compressed   P │ S_new

A provider sells cached tokens for *r* of the usual price, and charges *w* of it to put tokens into the cache.
With everything cached now, n further calls cost ``n·r·(P + S_old)`` without a compression.
Compressed they cost ``C + r·P + w·S_new + (n-1)·r·(P + S_new)``, *C* being the call that sums up.
The second is no more than the first from

    n = (C + (w - r) · S_new) / (r · (S_old - S_new))

on. Messages appended later cost the same either way, so they are left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tract.config import TractConfig, check_price
from tract.curation.compress.facts import Fact
from tract.curation.editable import value_with_text
from tract.dataclass import dataclass, field, replace
from tract.errors import CompressionError, ConfigError
from tract.messages.message import CompileWarning, readable_content
from tract.objects.model import Entry

UNFIT = "the summary is unfit: "
SUMMARY_KINDS = frozenset({"summary_unfit", "target_missed"})
"""The kinds of warnings about a summary."""


MustKeep = str | re.Pattern[str]
"""A text, or a pattern, that a summary has to contain."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """The requirements for a summary: it may have *limit* tokens, should have at most *target_tokens*, and must contain the texts *must_keep*.

    *count* counts the tokens of a text.
    """

    count: Callable[[str], int]
    target_tokens: int | None = None
    limit: int | None = None
    must_keep: tuple[MustKeep, ...] = ()

    def errors(self, text: str) -> tuple[str, ...]:
        """The reasons why *text* cannot be the summary; empty if it can."""
        found = []
        missing = missing_in(text, self.must_keep)
        if missing:
            found.append(f"it does not contain {', '.join(missing)}")
        if self.limit is not None:
            tokens = self.count(text)
            if tokens > self.limit:
                found.append(f"it has {tokens} tokens, more than the {self.limit} of the messages it replaces")
        return tuple(found)

    def misses(self, text: str) -> tuple[str, ...]:
        """The wishes that *text* does not meet; a miss alone refuses no summary."""
        if self.target_tokens is None:
            return ()
        tokens = self.count(text)
        if tokens <= self.target_tokens:
            return ()
        return (f"it has {tokens} tokens, and {self.target_tokens} were asked for",)


def missing_in(text: str, must_keep: Iterable[MustKeep]) -> tuple[str, ...]:
    """The texts and patterns of *must_keep* that *text* does not contain, as texts."""
    return tuple(
        repr(one) if isinstance(one, str) else f"/{one.pattern}/"
        for one in must_keep
        if not (one in text if isinstance(one, str) else one.search(text))
    )


def summary_warnings(errors: Sequence[str], misses: Sequence[str]) -> list[CompileWarning]:
    """The warnings about a summary that is accepted, or waits, in spite of these *errors* and *misses*."""
    return [
        *(CompileWarning("summary_unfit", f"{UNFIT}{error}") for error in errors),
        *(CompileWarning("target_missed", f"the summary is too long: {miss}") for miss in misses),
    ]


@dataclass(frozen=True, slots=True)
class CachePrices:
    """Prices of a token, in uncached input tokens.

    The defaults are those of Anthropic, and of OpenAI from GPT-5.6 on, for their five-minute caches, and the usual price of output.
    For a provider that charges nothing for writing to its cache, *cache_write* is 1.
    """

    cached_read: float = 0.1
    cache_write: float = 1.25
    output: float = 5.0

    @classmethod
    def of(cls, config: TractConfig) -> CachePrices:
        """The prices in the settings."""
        return cls(config.cache_read_price, config.cache_write_price, config.output_price)

    def __post_init__(self) -> None:
        for name in ("cached_read", "cache_write", "output"):
            try:
                check_price(name, getattr(self, name))
            except ConfigError as exc:
                raise CompressionError(str(exc)) from exc


@dataclass(frozen=True, slots=True)
class PrefixCost:
    """The effect of a compression on a prompt cache that holds the present context; all figures are in tokens.

    The first *common_tokens* stay cached; *invalidated_tokens* follow them now, *new_tokens* will follow them afterwards.
    *summarising_cost* is in uncached input tokens.
    *break_even_calls* is the number of further calls after which the compression has saved more than it cost; None if that never happens.
    """

    common_tokens: int
    invalidated_tokens: int
    new_tokens: int
    summarising_cost: int
    break_even_calls: int | None

    @classmethod
    def of(cls, common: int, old: int, new: int, summarising: float, prices: CachePrices) -> PrefixCost:
        """The cost if *old* tokens after the first *common* become *new*; the formula stands at the head of this file."""
        calls = None
        if new < old:
            paid = summarising + (prices.cache_write - prices.cached_read) * new
            # Rounded to nine digits, so that a hair above a whole number does not count as one call more.
            calls = max(0, math.ceil(round(paid / (prices.cached_read * (old - new)), 9)))
        return cls(common, old, new, math.ceil(summarising), calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressedPart:
    """One summary and the messages that it replaces: from *first* to *last*, by the commits that introduced them.

    *hidden* counts the skipped messages that are removed with them, unread. Tokens are those of messages, with framing.
    Until the summary is written, *text* is empty and *tokens_after* an estimate; until it is committed, *summary_hash* is None.
    *generation_config*, *usage* (of all attempts) and *prompt* say how a model wrote it.
    """

    sources: tuple[Entry, ...] = field(repr=False)
    tokens_before: int
    tokens_after: int = 0
    hidden: int = 0
    text: str = ""
    value: Mapping[str, Any] = field(default_factory=dict, repr=False)
    generation_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    usage: Mapping[str, Any] = field(default_factory=dict, repr=False)
    prompt: str | None = field(default=None, repr=False)
    summary_hash: str | None = None

    @property
    def messages(self) -> int:
        """The number of messages it replaces."""
        return len(self.sources)

    @property
    def first(self) -> str:
        """The first message it replaces."""
        return self.sources[0][0].hex()

    @property
    def last(self) -> str:
        """The last message it replaces."""
        return self.sources[-1][0].hex()

    @property
    def content(self) -> Any:
        """The summary's content."""
        return readable_content(self.value)


class _Summaries:
    """Sums over a compression's summaries, whether it is committed or not."""

    __slots__ = ()
    parts: tuple[CompressedPart, ...]

    @property
    def text(self) -> str:
        """The summary; several stand one below the other."""
        return "\n\n".join(part.text for part in self.parts)

    @property
    def messages(self) -> int:
        """The number of messages summed up."""
        return sum(part.messages for part in self.parts)

    @property
    def tokens_before(self) -> int:
        """The tokens of the messages summed up."""
        return sum(part.tokens_before for part in self.parts)

    @property
    def tokens_after(self) -> int:
        """The tokens of the summaries."""
        return sum(part.tokens_after for part in self.parts)

    @property
    def gist(self) -> str:
        """The compression in a few words."""
        return f"{self.messages} messages, {self.tokens_before} tokens to {self.tokens_after}"


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class PendingCompression(_Summaries):
    """A compression that waits for approval: nothing has been changed, and nothing is lost if it is never approved.

    *id* names it in the store, also for other processes. *head* is the commit for which it was planned.
    *refused*: a model wrote the summary, it was refused for the reason in ``warnings``, and it has not been edited since.
    ``edit_summary`` returns a new one; ``approve_compression`` commits it, ``reject_compression`` discards it.
    """

    id: str
    branch: str
    head: str
    parts: tuple[CompressedPart, ...]
    kept: tuple[str, ...]
    warnings: tuple[CompileWarning, ...]
    prefix: PrefixCost
    dropped: tuple[Entry, ...] = field(default=(), repr=False)
    target_tokens: int | None = None
    must_keep: tuple[MustKeep, ...] = ()
    message: str | None = None
    by_model: bool = False
    prices: CachePrices = field(default_factory=CachePrices, repr=False)
    refused: bool = False

    @property
    def skipped_left(self) -> int:
        """The number of hidden messages to be removed."""
        return len(self.dropped)

    def edit_summary(self, text: str, part: int = 0) -> PendingCompression:
        """The same compression with another text for one of its summaries; the tokens are counted when it is approved or saved."""
        if not isinstance(text, str) or not text.strip():
            raise CompressionError("the summary is empty")
        if not 0 <= part < len(self.parts):
            raise CompressionError(f"the compression has no summary number {part}; there are {len(self.parts)}")
        one = self.parts[part]
        edited = replace(one, text=text, value=value_with_text(one.value, text, "text"))
        return replace(self, parts=(*self.parts[:part], edited, *self.parts[part + 1 :]), refused=False)

    def __repr__(self) -> str:
        return f"PendingCompression({self.id} on {self.branch!r}: {self.gist})"


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class CompressResult(_Summaries):
    """What a compression did. With ``dry_run``, what it would do; then *commit_hash* is None and its parts have no text.

    *kept* are the pinned and preserved messages of the range, which stayed; *skipped_left* counts the skipped ones that were removed.
    *warnings* say where tool calls were kept together with their results, and what is wrong with the summaries.
    *prefix* is the cost for a provider's prompt cache.
    *dropped* are numbers, names, paths, ids and decisions that are in the messages but not in the summaries.
    *invented* are those that are in the summaries but in no message, including sums and rates that the model computed. A dry run knows both only if a content is given.
    """

    commit_hash: str | None
    branch: str
    parts: tuple[CompressedPart, ...]
    kept: tuple[str, ...]
    skipped_left: int
    warnings: tuple[CompileWarning, ...]
    prefix: PrefixCost
    dropped: tuple[Fact, ...] = field(default=(), repr=False)
    invented: tuple[Fact, ...] = field(default=(), repr=False)

    @property
    def is_committed(self) -> bool:
        """Whether it was committed; false for a dry run."""
        return self.commit_hash is not None

    @property
    def summary_hashes(self) -> tuple[str, ...]:
        """The commits of the summaries."""
        return tuple(part.summary_hash for part in self.parts if part.summary_hash is not None)

    def __repr__(self) -> str:
        at = f"at {self.commit_hash[:16]}" if self.commit_hash else "not committed"
        return f"CompressResult({self.gist}, {at})"
