"""Compressions as values: how they are asked for, as they wait for their review, and when they are done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tract.curation.compress.prefix_cost import CachePrices, PrefixCost
from tract.curation.compress.summarise import MustKeep, check_must_keep
from tract.curation.texts import value_with_text
from tract.errors import CompressionError
from tract.messages.message import CompileWarning
from tract.objects.model import Entry
from tract.tokens.counts import readable_content


@dataclass(frozen=True, slots=True)
class CompressionOptions:
    """What a compression's summaries shall be.

    *content* is the summary itself, a text or any content; without it a summariser is asked, which is given *instructions* and *system_prompt*.
    *role* is whose message a text becomes; None is the assistant's, and where it comes first in the conversation the user's. *force* takes what would be refused: a summary that is longer than what it stands for, or lacks what it must keep.
    """

    content: Any = None
    target_tokens: int | None = None
    must_keep: Sequence[MustKeep] = ()
    instructions: str | None = None
    system_prompt: str | None = None
    role: str | None = None
    message: str | None = None
    force: bool = False
    prices: CachePrices = field(default_factory=CachePrices)

    def __post_init__(self) -> None:
        check_must_keep(self.must_keep)
        if self.target_tokens is not None and (type(self.target_tokens) is not int or self.target_tokens < 1):
            raise CompressionError(f"target_tokens must be a positive whole number, not {self.target_tokens!r:.40}")
        for name in ("instructions", "system_prompt", "message"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise CompressionError(f"{name} must be text, not {type(value).__name__}")
        if not isinstance(self.prices, CachePrices):
            raise CompressionError(f"prices must be CachePrices, not {type(self.prices).__name__}")
        if isinstance(self.content, str) and not self.content.strip():
            raise CompressionError("the summary is empty")


@dataclass(frozen=True, slots=True)
class CompressedPart:
    """One summary and what it stands for: *messages* of them, from *first* to *last*, by the commits that introduced them, and *hidden* ones that it does not sum up.

    Tokens are those of messages, framing included. *summary_hash* is the commit of the summary, None before it is committed.
    *generation_config*, *usage* (of all attempts) and *prompt* are what a model's summary came about with.
    """

    text: str
    messages: int
    first: str
    last: str
    tokens_before: int
    tokens_after: int
    summary_hash: str | None = None
    generation_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    usage: Mapping[str, Any] = field(default_factory=dict, repr=False)
    prompt: str | None = field(default=None, repr=False)
    value: Mapping[str, Any] = field(default_factory=dict, repr=False)
    sources: tuple[Entry, ...] = field(default=(), repr=False)
    hidden: int = 0

    @property
    def content(self) -> Any:
        """The summary's content."""
        return readable_content(self.value)


class _Summaries:
    """What a compression's summaries come to, whether it is committed or not."""

    __slots__ = ()
    parts: tuple[CompressedPart, ...]

    @property
    def text(self) -> str:
        """The summary; of several, one below the other."""
        return "\n\n".join(part.text for part in self.parts)

    @property
    def messages(self) -> int:
        """How many messages are summed up."""
        return sum(part.messages for part in self.parts)

    @property
    def tokens_before(self) -> int:
        return sum(part.tokens_before for part in self.parts)

    @property
    def tokens_after(self) -> int:
        return sum(part.tokens_after for part in self.parts)

    @property
    def gist(self) -> str:
        """The compression in a few words."""
        return f"{self.messages} messages, {self.tokens_before} tokens to {self.tokens_after}"


@dataclass(frozen=True, slots=True, repr=False)
class PendingCompression(_Summaries):
    """A compression that waits to be approved: nothing moved yet, and nothing is lost if it never is.

    *id* names it in the store, also for other processes. *head* is the commit it was planned at.
    *refused* says that a model wrote it and it was not taken, for what ``warnings`` says of it, and nobody has edited it since.
    ``edit_summary`` gives a new one; ``approve_compression`` commits, ``reject_compression`` forgets it.
    """

    id: str
    branch: str
    head: str
    parts: tuple[CompressedPart, ...]
    kept: tuple[str, ...]
    skipped_left: int
    warnings: tuple[CompileWarning, ...]
    prefix: PrefixCost
    target_tokens: int | None = None
    must_keep: tuple[MustKeep, ...] = ()
    message: str | None = None
    by_model: bool = False
    dropped: tuple[Entry, ...] = field(default=(), repr=False)
    prices: CachePrices = field(default_factory=CachePrices, repr=False)
    refused: bool = False

    def edit_summary(self, text: str, part: int = 0) -> PendingCompression:
        """The same compression with another text for one of its summaries; the tokens are counted when it is approved, or saved."""
        if not isinstance(text, str) or not text.strip():
            raise CompressionError("the summary is empty")
        if not 0 <= part < len(self.parts):
            raise CompressionError(f"the compression has no summary number {part}; there are {len(self.parts)}")
        one = self.parts[part]
        edited = replace(one, text=text, value=value_with_text(one.value, text, "text"))
        return replace(self, parts=(*self.parts[:part], edited, *self.parts[part + 1 :]), refused=False)

    def __repr__(self) -> str:
        return f"PendingCompression({self.id} on {self.branch!r}: {self.gist})"


@dataclass(frozen=True, slots=True, repr=False)
class CompressResult(_Summaries):
    """What a compression did, or with ``dry_run`` would do; then *commit_hash* is None and its parts are without text.

    *kept* are the pinned and preserved messages of the range, which stayed; *skipped_left* counts the hidden ones that left.
    *warnings* say where tool calls were kept together, and what the summaries are not though they should be.
    *prefix* is what it costs a provider's prompt cache.
    """

    commit_hash: str | None
    branch: str
    parts: tuple[CompressedPart, ...]
    kept: tuple[str, ...]
    skipped_left: int
    warnings: tuple[CompileWarning, ...]
    prefix: PrefixCost

    @property
    def is_committed(self) -> bool:
        return self.commit_hash is not None

    @property
    def summary_hashes(self) -> tuple[str, ...]:
        """The commits of the summaries."""
        return tuple(part.summary_hash for part in self.parts if part.summary_hash is not None)

    def __repr__(self) -> str:
        at = f"at {self.commit_hash[:16]}" if self.commit_hash else "not committed"
        return f"CompressResult({self.gist}, {at})"
