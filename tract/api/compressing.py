"""Curating a context: summaries in the place of messages, and another order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tract.api.handle import Handle

# Most programs run without these, and to load them takes longer than many a command.
if TYPE_CHECKING:
    from tract.curation.compress.prefix_cost import CachePrices
    from tract.curation.compress.result import CompressResult, PendingCompression
    from tract.curation.compress.summarise import MustKeep, Summariser
    from tract.curation.expand import ExpandResult
    from tract.curation.reorder import ReorderResult


class Compressing(Handle):
    """The methods of a tract that compress, expand and reorder its context."""

    def compress(
        self,
        *,
        commits: Sequence[str] | None = None,
        from_commit: str | None = None,
        to_commit: str | None = None,
        target_tokens: int | None = None,
        preserve: Sequence[str] | None = None,
        auto_commit: bool = True,
        content: Any = None,
        instructions: str | None = None,
        system_prompt: str | None = None,
        keep_recent: int | None = None,
        each_run: bool = False,
        must_keep: Sequence[MustKeep] = (),
        summariser: Summariser | None = None,
        model: str | None = None,
        window: int | None = None,
        role: str | None = None,
        message: str | None = None,
        prices: CachePrices | None = None,
        progress: Callable[[int, int], object] | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> CompressResult | PendingCompression:
        """Put a summary in the place of messages: of *commits*, of those from *from_commit* to *to_commit*, both included, or of everything before the recent part.

        The recent part is the last exchange, but at most ten messages, or *keep_recent* messages.
        Pinned messages and those in *preserve* stay where they are, skipped ones leave, a tool's call and its results go together or stay together; the originals come back with :meth:`expand`.
        *content* is the summary; without it *summariser* or the configured model writes one, of about *target_tokens*, with *must_keep* in it, in pieces where the messages are more than *window* tokens, and *progress* is told how many summaries are done, of how many.
        One summary stands for all, in the place of the first: the assistant's message, or where it opens the conversation the user's, or that of *role*; *each_run* makes one for each run of messages that nothing divides.
        CompressionError when there is nothing to compress, or a summary lacks what it must keep or is longer than what it stands for, unless *force*; one that a model wrote then waits in :meth:`pending_compressions`. A missed target is in ``warnings``.
        With ``auto_commit=False`` the compression waits for :meth:`approve_compression`; *dry_run* only says what would be done, and asks nobody.
        """
        from tract.curation.compress.ask import dry_run_of, summed_up
        from tract.curation.compress.pieces import Asking
        from tract.curation.compress.plan import CompressionRange, plan_compression
        from tract.curation.compress.prefix_cost import CachePrices
        from tract.curation.compress.result import CompressionOptions
        from tract.curation.compress.store import finish_compression
        from tract.curation.compress.summarise import choose_summariser

        asked = CompressionRange(commits, from_commit, to_commit, keep_recent, preserve or (), each_run)
        options = CompressionOptions(
            content,
            target_tokens,
            must_keep,
            instructions,
            system_prompt,
            role,
            message,
            force,
            prices or CachePrices.of(self.config),
        )
        asking = None
        if content is None and not dry_run:
            who = choose_summariser(summariser, self._client, model=model, prompts=self._prompts)
            asking = Asking(who, self.config.summary_window if window is None else window, progress)
        with self._moving("compress") as (space, expected):
            plan = plan_compression(space, asked, expected=expected)
            if dry_run:
                return dry_run_of(space, plan, options)
        pending = summed_up(space, plan, options, asking)  # with nothing locked: a model takes its time
        with self._moving("compress") as (space, _):
            return finish_compression(space, pending, auto_commit=auto_commit, force=force)

    def approve_compression(self, pending: PendingCompression | str, *, force: bool = False) -> CompressResult:
        """Commit a compression that was reviewed, or the one that waits under an id.

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

    def expand(self, summary: str, *, branch: str | None = None) -> ExpandResult:
        """Put the messages back that a summary stands for, on this branch, or on a new *branch* beside it.

        They come back under their own ids, each in its place; the summary goes. CompressionError when it is not in the context, or its originals are not kept any more.
        """
        from tract.curation.expand import expand

        with self._moving("expand") as (space, expected):
            return expand(space, summary, branch=branch, expected=expected)

    def reorder(
        self,
        messages: Sequence[str],
        *,
        before: str | None = None,
        after: str | None = None,
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
                messages,
                before=before,
                after=after,
                strict=strict,
                dry_run=dry_run,
                message=message,
                expected=expected,
            )
