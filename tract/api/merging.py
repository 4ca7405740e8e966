"""Bringing commits together: merges, and commits made again elsewhere."""

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
        """Use *client* wherever a model is needed: one of tract's clients, or any function of messages; with None there is no model.

        *prompts* is a folder whose files take the place of tract's own prompts.
        """
        from tract.llm.callables import as_client

        self._client, self._prompts = None if client is None else as_client(client), prompts

    def merge(self, source_branch: Revision, **options: Unpack[MergeOptions]) -> MergeResult:
        """Bring what *source_branch* (any revision) has into the current branch; :class:`MergeOptions` has the keywords.

        Without conflicts it is done when this returns: the branch moves forward, or gets a merge commit.
        Conflicts stay in the result, and nothing moves, until ``commit_merge``; with ``keep=True`` they wait in the store, until :meth:`continue_command`.
        NothingToMergeError when the branch has it all; MergeError when the resolver fails or gives up.
        """
        from tract.curation.merge.land import merge

        return merge(self._moving, revision_text(source_branch), self._client, self._prompts, **options)

    def commit_merge(self, result: MergeResult) -> MergeResult:
        """Commit a merge that was reviewed.

        MergeConflictError when a conflict is open; RefMovedError when the branch, HEAD or what is merged moved since.
        """
        from tract.curation.merge.land import land_merge

        with self._moving("merge") as (space, _):
            return land_merge(space, result)

    def command_under_way(self) -> CommandUnderWay | None:
        """The merge, rebase, cherry-pick or revert that waits for its conflicts to be resolved; None where there is none."""
        from tract.curation.under_way import command_under_way

        with self._access() as space:
            return command_under_way(space)

    def continue_command(
        self, *, resolver: Resolver | None = None, command: str | None = None
    ) -> MergeResult | ReplayResult | CommandUnderWay:
        """Go on with the command under way, which must be *command* where that is given: its conflicts are as they were resolved in its file, and the others as *resolver* decides.

        A replay may meet new conflicts, and then waits again. What landed before its process died is only ended.
        MergeConflictError where a conflict is left; RefMovedError where the branch moved since.
        """
        from tract.curation.under_way import continue_command

        return continue_command(self._moving, resolver, command)

    def abort_command(self, *, command: str | None = None) -> CommandUnderWay:
        """Give the command under way up, which must be *command* where that is given: nothing was changed by it."""
        from tract.curation.under_way import abort_command

        with self._access() as space:
            return abort_command(space, command)

    def rebase(
        self, target: Revision, *, onto: Revision | None = None, **options: Unpack[ReplayOptions]
    ) -> RebaseResult:
        """Make the commits that *target* has not again on top of it, or of *onto*, and move the branch there; ``ORIG_HEAD`` is where it was.

        Edits find the messages they edit under their new ids; priorities and generation configs go with the commits.
        What it does to meaning is in ``warnings``; SemanticSafetyError, and nothing moves, where words would be lost and *resolver* does not decide: an edit without its message, two edits of one, half a tool call. With ``keep=True`` conflicts wait in the store, until :meth:`continue_command`.
        *force* drops edits without their message and lets tool calls be torn; *dry_run* only says what would be done, and asks nobody.
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
        """Make one commit, several, or a range ``a..b`` again on the current branch; what goes with them and the rest as for :meth:`rebase`.

        CherryPickError for what is there already, and for a merge.
        """
        from tract.curation.replay.land import replay
        from tract.curation.replay.plan import ReplayRequest

        request = ReplayRequest("cherry-pick", tuple(revision_texts(revision)), force=options.get("force", False))
        return cast("CherryPickResult", replay(self._moving, request, **options))

    def revert(
        self, revision: Revision | Sequence[Revision], *, mainline: int | None = None, **options: Unpack[ReplayOptions]
    ) -> RevertResult:
        """Take back what commits did, in a commit each: a message leaves the context, an edit gives back what it replaced.

        *mainline* is the parent, from 1, that a merge is taken back to; the rest as for :meth:`rebase`.
        """
        from tract.curation.replay.land import replay
        from tract.curation.replay.plan import ReplayRequest

        force = options.get("force", False)
        request = ReplayRequest("revert", tuple(revision_texts(revision)), mainline=mainline, force=force)
        return cast("RevertResult", replay(self._moving, request, **options))
