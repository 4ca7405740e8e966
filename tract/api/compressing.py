"""Changing the context: summaries in the place of messages, and another order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Unpack, overload

from tract.api.handle import Handle
from tract.arguments import checks_arguments
from tract.revision import Revision, resolve_revision, revision_text, revision_texts

# Most programs run without these, and to load them takes longer than many a command.
if TYPE_CHECKING:
    from tract.curation.compress.facts import Fact
    from tract.curation.compress.plan import CompressionOptions
    from tract.curation.compress.result import CompressResult, PendingCompression
    from tract.curation.expand import ExpandResult
    from tract.curation.reorder import ReorderResult


@checks_arguments
class Compressing(Handle):
    """The methods of a tract that compress, expand and reorder its context."""

    @overload
    def compress(
        self, *, auto_commit: Literal[True] = True, dry_run: bool = False, **options: Unpack[CompressionOptions]
    ) -> CompressResult: ...
    @overload
    def compress(
        self, *, auto_commit: Literal[False], dry_run: Literal[False] = False, **options: Unpack[CompressionOptions]
    ) -> PendingCompression: ...
    @overload
    def compress(
        self, *, auto_commit: bool, dry_run: bool = False, **options: Unpack[CompressionOptions]
    ) -> CompressResult | PendingCompression: ...
    def compress(
        self, *, auto_commit: bool = True, dry_run: bool = False, **options: Unpack[CompressionOptions]
    ) -> CompressResult | PendingCompression:
        """Put a summary in the place of messages; :class:`CompressionRequest` describes the keywords.

        Pinned messages and those in *preserve* stay, skipped ones are removed, and a tool call is compressed together with its results or not at all; :meth:`expand` brings the originals back.
        *content* is the summary; None lets *summariser* or the configured model write one of about *target_tokens*, with *must_keep* in it.
        CompressionError if there is nothing to compress, or if a summary lacks what it must keep or is longer than the messages it replaces, unless *force*. A refused summary that a model wrote is kept in :meth:`pending_compressions`. A summary that misses *target_tokens* is only a warning.
        ``auto_commit=False`` keeps the compression for :meth:`approve_compression`; *dry_run* only says what would be done, and asks no model.
        """
        from tract.curation.compress.store import compress

        return compress(self._moving, self._client, self._prompts, auto_commit=auto_commit, dry_run=dry_run, **options)

    def approve_compression(
        self, pending: PendingCompression | str | None = None, *, force: bool = False
    ) -> CompressResult:
        """Commit a compression that was reviewed: the given one, the one with this id, or the only pending one.

        CompressionError if one of its messages was edited, pinned, hidden or removed meanwhile, or if the summary is refused, unless *force*.
        """
        from tract.curation.compress.store import approve

        with self._moving("compress") as (space, expected):
            return approve(space, pending, expected=expected, force=force)

    def reject_compression(self, pending: PendingCompression | str) -> None:
        """Discard a pending compression; it has changed nothing."""
        from tract.curation.compress.store import reject

        with self._access() as space:
            reject(space, pending)

    def save_compression(self, pending: PendingCompression) -> PendingCompression:
        """Store a pending compression with your edits, so that other processes see them; its tokens are counted."""
        from tract.curation.compress.store import keep_compression

        with self._access() as space:
            return keep_compression(space, pending, again=True)

    def pending_compressions(self) -> list[PendingCompression]:
        """The compressions that wait for approval."""
        from tract.curation.compress.store import kept_compressions

        with self._looking() as space:
            return kept_compressions(space.repo)

    def dropped_facts(self, compression: PendingCompression | Revision) -> tuple[Fact, ...]:
        """The numbers, names, paths, ids and decisions that are in the compressed messages but not in the summaries: of a pending compression, or of a compress commit."""
        return self._facts(compression)[0]

    def invented_facts(self, compression: PendingCompression | Revision) -> tuple[Fact, ...]:
        """The numbers, names, paths and ids that are in the summaries but in none of the compressed messages: of a pending compression, or of a compress commit."""
        return self._facts(compression)[1]

    def _facts(self, compression: PendingCompression | Revision) -> tuple[tuple[Fact, ...], tuple[Fact, ...]]:
        from tract.curation.compress.land import noted_facts
        from tract.curation.compress.pending import facts_of
        from tract.curation.compress.result import PendingCompression

        with self._access() as space:
            if isinstance(compression, PendingCompression):
                return facts_of(space, compression)
            return noted_facts(space.repo, resolve_revision(space.repo, compression))

    def expand(self, summary: Revision, *, branch: str | None = None) -> ExpandResult:
        """Replace a summary by its original messages, on this branch or on a new *branch*.

        The messages come back in their places, with their own ids. CompressionError if the summary is not in the context, or gc has dropped its originals.
        """
        from tract.curation.expand import expand

        with self._moving("expand") as (space, expected):
            return expand(space, revision_text(summary), branch=branch, expected=expected)

    def reorder(
        self,
        messages: Sequence[Revision],
        *,
        before: Revision | None = None,
        after: Revision | None = None,
        strict: bool = False,
        dry_run: bool = False,
        message: str | None = None,
    ) -> ReorderResult:
        """Move *messages*, in this order, in front of *before*, behind *after*, or to the beginning of the context, with one commit.

        Messages keep their ids, and tool calls keep their results. ``warnings`` says where the meaning changes; with *strict* that raises SemanticSafetyError.
        """
        from tract.curation.reorder import reorder

        with self._moving("reorder") as (space, expected):
            return reorder(
                space,
                messages if isinstance(messages, str) else revision_texts(list(messages)),
                before=None if before is None else revision_text(before),
                after=None if after is None else revision_text(after),
                strict=strict,
                dry_run=dry_run,
                message=message,
                expected=expected,
            )
