"""Curating a context: summaries in the place of messages, and another order."""

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
        """Put a summary in the place of messages; :class:`CompressionRequest` says what each keyword means.

        Pinned messages and those in *preserve* stay where they are, skipped ones leave, a tool's call and its results go together or stay together; the originals come back with :meth:`expand`.
        *content* is the summary; without it *summariser* or the configured model writes one, of about *target_tokens*, with *must_keep* in it.
        CompressionError when there is nothing to compress, or a summary lacks what it must keep or is longer than what it stands for, unless *force*; one that a model wrote then waits in :meth:`pending_compressions`. A missed target is in ``warnings``.
        With ``auto_commit=False`` the compression waits for :meth:`approve_compression`; *dry_run* only says what would be done, and asks nobody.
        """
        from tract.curation.compress.store import compress

        return compress(self._moving, self._client, self._prompts, auto_commit=auto_commit, dry_run=dry_run, **options)

    def approve_compression(
        self, pending: PendingCompression | str | None = None, *, force: bool = False
    ) -> CompressResult:
        """Commit a compression that was reviewed, or the one that waits under an id, or where only one waits that one.

        CompressionError when a message that would go was edited, pinned or hidden meanwhile, or is gone, and for a summary that is refused, unless *force*.
        """
        from tract.curation.compress.store import approve

        with self._moving("compress") as (space, expected):
            return approve(space, pending, expected=expected, force=force)

    def reject_compression(self, pending: PendingCompression | str) -> None:
        """Forget a compression that waits; nothing was changed by it."""
        from tract.curation.compress.store import reject

        with self._access() as space:
            reject(space, pending)

    def save_compression(self, pending: PendingCompression) -> PendingCompression:
        """Keep a waiting compression as it was edited, so that other processes see it so; its tokens are counted."""
        from tract.curation.compress.store import keep_compression

        with self._access() as space:
            return keep_compression(space, pending, again=True)

    def pending_compressions(self) -> list[PendingCompression]:
        """The compressions that wait to be approved."""
        from tract.curation.compress.store import kept_compressions

        with self._looking() as space:
            return kept_compressions(space.repo)

    def dropped_facts(self, compression: PendingCompression | Revision) -> tuple[Fact, ...]:
        """The numbers, names, paths, ids and decisions that the messages of a compression stated and its summaries do not have: of one that waits, or of a compress commit."""
        return self._facts(compression)[0]

    def invented_facts(self, compression: PendingCompression | Revision) -> tuple[Fact, ...]:
        """The numbers, names, paths and ids in the summaries of a compression that none of its messages has; of one that waits, or of a compress commit."""
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
        """Put the messages back that a summary stands for, on this branch, or on a new *branch* beside it.

        They come back under their own ids, each in its place; the summary goes. CompressionError when it is not in the context, or its originals are not kept any more.
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
        """Put *messages*, in this order, in front of *before*, behind *after*, or at the beginning of the context, as a commit.

        Messages keep their ids, and tool calls their results; what that does to the meaning is in ``warnings``, or with *strict* a SemanticSafetyError.
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
