"""Merges, and commits made again in another place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack, cast

from tract.api.handle import Handle
from tract.arguments import checks_arguments
from tract.revision import Revision, revision_text, revision_texts

# Most programs run without these, and to load them takes longer than many a command.
if TYPE_CHECKING:
    from pathlib import Path

    from tract.curation.merge.plan import MergeOptions
    from tract.curation.merge.result import MergeResult, Resolver
    from tract.curation.replay.plan import ReplayOptions
    from tract.curation.replay.result import CherryPickResult, RebaseResult, ReplayResult, RevertResult
    from tract.curation.under_way import CommandUnderWay
    from tract.llm.types import LLMClient


@checks_arguments
class Merging(Handle):
    """The methods of a tract that merge, rebase, cherry-pick and revert."""

    def configure_llm(
        self, client: LLMClient | Callable[..., Any] | None, *, prompts: str | Path | None = None
    ) -> None:
        """Use *client* wherever a model is needed: a client of tract's, or any function that takes messages; None means no model.

        *prompts* is a folder whose files replace tract's own prompts.
        """
        from tract.llm.callables import as_client

        self._client, self._prompts = None if client is None else as_client(client), prompts

    def merge(self, source_branch: Revision, **options: Unpack[MergeOptions]) -> MergeResult:
        """Merge *source_branch* (any revision) into the current branch; :class:`MergeOptions` describes the keywords.

        Without conflicts, the branch has moved when this returns: forward, or to a merge commit.
        With conflicts, nothing moves. They are in the result, for ``commit_merge``; with ``keep=True`` they are kept in the store, for :meth:`continue_command`.
        NothingToMergeError if the branch already has everything; MergeError if the resolver fails or gives up.
        """
        from tract.curation.merge.land import merge

        return merge(self._moving, revision_text(source_branch), self._client, self._prompts, **options)

    def commit_merge(self, result: MergeResult) -> MergeResult:
        """Commit a merge whose conflicts were resolved.

        MergeConflictError if a conflict is still open; RefMovedError if the branch, HEAD or the merged revision has moved since.
        """
        from tract.curation.merge.land import land_merge

        with self._moving("merge") as (space, _):
            return land_merge(space, result)

    def command_under_way(self) -> CommandUnderWay | None:
        """The merge, rebase, cherry-pick or revert whose conflicts are kept in the store; None if there is none."""
        from tract.curation.under_way import command_under_way

        with self._access() as space:
            return command_under_way(space)

    def continue_command(
        self, *, resolver: Resolver | None = None, command: str | None = None
    ) -> MergeResult | ReplayResult | CommandUnderWay:
        """Continue the command under way (which must be *command*, if given): each conflict is taken as it was resolved in its file, and *resolver* decides the others.

        A replay may meet new conflicts; these are then kept in the same way. If the command was already done when its process died, this only ends it.
        MergeConflictError if a conflict is still open; RefMovedError if the branch has moved since.
        """
        from tract.curation.under_way import continue_command

        return continue_command(self._moving, resolver, command)

    def abort_command(self, *, command: str | None = None) -> CommandUnderWay:
        """Give up the command under way (which must be *command*, if given); it has changed nothing."""
        from tract.curation.under_way import abort_command

        with self._access() as space:
            return abort_command(space, command)

    def rebase(
        self, target: Revision, *, onto: Revision | None = None, **options: Unpack[ReplayOptions]
    ) -> RebaseResult:
        """Make the commits that *target* does not have again on top of it, or of *onto*, and move the branch there; ``ORIG_HEAD`` names the old tip.

        Edits follow their messages to the new ids; priorities and generation configs go with the commits.
        ``warnings`` says where the meaning changes. If text would be lost (an edit without its message, two edits of one message, half a tool call) and *resolver* does not decide, nothing moves and SemanticSafetyError is raised; with ``keep=True`` the conflicts are kept in the store, for :meth:`continue_command`.
        *force* drops edits without their message and lets tool calls be separated from their results; *dry_run* only says what would be done, and asks no resolver.
        """
        from tract.curation.replay.land import replay
        from tract.curation.replay.plan import ReplayRequest

        request = ReplayRequest(
            "rebase",
            (revision_text(target),),
            onto=None if onto is None else revision_text(onto),
            force=options.get("force", False),
        )
        return cast("RebaseResult", replay(self._moving, request, **options))

    def cherry_pick(
        self, revision: Revision | Sequence[Revision], **options: Unpack[ReplayOptions]
    ) -> CherryPickResult:
        """Make one commit, several, or a range ``a..b`` again on the current branch; everything else is as for :meth:`rebase`.

        CherryPickError for a commit that the branch already has, and for a merge.
        """
        from tract.curation.replay.land import replay
        from tract.curation.replay.plan import ReplayRequest

        request = ReplayRequest("cherry-pick", tuple(revision_texts(revision)), force=options.get("force", False))
        return cast("CherryPickResult", replay(self._moving, request, **options))

    def revert(
        self, revision: Revision | Sequence[Revision], *, mainline: int | None = None, **options: Unpack[ReplayOptions]
    ) -> RevertResult:
        """Take back what commits did, with one new commit each: a message leaves the context, an edited message gets its earlier text back.

        *mainline* is the number of the parent, from 1, that a merge is reverted to; everything else is as for :meth:`rebase`.
        """
        from tract.curation.replay.land import replay
        from tract.curation.replay.plan import ReplayRequest

        force = options.get("force", False)
        request = ReplayRequest("revert", tuple(revision_texts(revision)), mainline=mainline, force=force)
        return cast("RevertResult", replay(self._moving, request, **options))
