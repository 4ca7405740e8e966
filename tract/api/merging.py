"""Bringing commits together: merges, and commits made again elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from tract.api.handle import Handle

# Most programs run without these, and to load them takes longer than many a command.
if TYPE_CHECKING:
    from pathlib import Path

    from tract.curation.merge.land import Strategy
    from tract.curation.merge.resolve import Resolver
    from tract.curation.merge.result import MergeResult
    from tract.curation.replay.result import CherryPickResult, RebaseResult, ReplayResult, RevertResult
    from tract.curation.replay.run import Replay
    from tract.llm.types import LLMClient


class Merging(Handle):
    """The methods of a tract that merge, rebase, cherry-pick and revert."""

    def configure_llm(
        self, client: LLMClient | Callable[..., Any] | None, *, prompts: str | Path | None = None
    ) -> None:
        """Ask *client* wherever a model is needed: one of tract's own, or any function of messages; None for nobody.

        *prompts* is a folder whose files take the place of tract's own prompts.
        """
        from tract.llm.callables import as_client

        self._client, self._prompts = None if client is None else as_client(client), prompts

    def merge(
        self,
        source_branch: str,
        *,
        resolver: Resolver | None = None,
        strategy: Strategy = "auto",
        no_ff: bool = False,
        auto_commit: bool = False,
        delete_branch: bool = False,
        message: str | None = None,
        allow_unrelated: bool = False,
    ) -> MergeResult:
        """Bring what *source_branch* (any revision) has into the current branch.

        Without conflicts it is done when this returns: the branch moves forward, or gets a merge commit.
        Conflicts stay in the result, and nothing moves, until ``commit_merge``; ``ours`` and ``theirs`` resolve them that way, a *resolver* (with ``semantic`` the configured model) each by itself, and with *auto_commit* nobody reviews that.
        NothingToMergeError when the branch has it all; MergeError when the resolver fails or gives up.
        """
        from tract.curation.merge.land import lands_at_once, prepare_merge
        from tract.curation.merge.resolve import choose_resolver, resolve_conflicts

        asked = choose_resolver(resolver, self._client, strategy, self._prompts)
        with self._moving("merge") as (space, expected):
            result = prepare_merge(
                space,
                source_branch,
                strategy=strategy,
                no_ff=no_ff,
                allow_unrelated=allow_unrelated,
                delete_branch=delete_branch,
                message=message,
                expected=expected,
            )
        result = resolve_conflicts(result, asked)  # with nothing locked: a model takes its time
        return self.commit_merge(result) if lands_at_once(result, auto_commit=auto_commit) else result

    def commit_merge(self, result: MergeResult) -> MergeResult:
        """Commit a merge that was reviewed.

        MergeConflictError when a conflict is open; RefMovedError when the branch, HEAD or what is merged moved since.
        """
        from tract.curation.merge.land import land_merge

        with self._moving("merge") as (space, _):
            return land_merge(space, result)

    def rebase(
        self,
        target: str,
        *,
        onto: str | None = None,
        resolver: Resolver | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> RebaseResult:
        """Make the commits that *target* has not again on top of it, or of *onto*, and move the branch there; ``ORIG_HEAD`` is where it was.

        Edits find the messages they edit under their new ids; priorities and generation configs go with the commits.
        What it does to meaning is in ``warnings``; SemanticSafetyError, and nothing moves, where words would be lost and *resolver* does not decide: an edit without its message, two edits of one, half a tool call.
        *force* drops edits without their message and lets tool calls be torn; *dry_run* only says what would be done, and asks nobody.
        """
        from tract.curation.replay.result import RebaseResult
        from tract.curation.replay.run import Request, land_fast_forward, prepare

        with self._moving("rebase") as (space, expected):
            replay = prepare(space, Request("rebase", (target,), onto=onto, force=force), expected=expected)
            if isinstance(replay, RebaseResult):
                return replay if dry_run else land_fast_forward(space, replay)
        return cast("RebaseResult", self._replay("rebase", replay, resolver, dry_run))

    def cherry_pick(
        self,
        revision: str | Sequence[str],
        *,
        resolver: Resolver | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> CherryPickResult:
        """Make one commit, several, or a range ``a..b`` again on the current branch; what goes with them and the rest as for :meth:`rebase`.

        CherryPickError for what is there already, and for a merge.
        """
        from tract.curation.replay.run import Request, as_revisions, prepare

        request = Request("cherry-pick", as_revisions(revision), force=force)
        with self._moving("cherry-pick") as (space, expected):
            replay = cast("Replay", prepare(space, request, expected=expected))
        return cast("CherryPickResult", self._replay("cherry-pick", replay, resolver, dry_run))

    def revert(
        self,
        revision: str | Sequence[str],
        *,
        mainline: int | None = None,
        resolver: Resolver | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> RevertResult:
        """Take back what commits did, in a commit each: a message leaves the context, an edit gives back what it replaced.

        *mainline* is the parent, from 1, that a merge is taken back to; the rest as for :meth:`rebase`.
        """
        from tract.curation.replay.run import Request, as_revisions, prepare

        request = Request("revert", as_revisions(revision), mainline=mainline, force=force)
        with self._moving("revert") as (space, expected):
            replay = cast("Replay", prepare(space, request, expected=expected))
        return cast("RevertResult", self._replay("revert", replay, resolver, dry_run))

    def _replay(self, what: str, replay: Replay, resolver: Resolver | None, dry_run: bool) -> ReplayResult:
        from tract.curation.merge.resolve import choose_resolver
        from tract.curation.replay.run import land_replay, resolve_replay

        asked = choose_resolver(resolver, None, "auto")
        if not dry_run:
            replay = resolve_replay(self._space, replay, asked)  # with nothing locked: a model takes its time
        with self._moving(what) as (space, _):
            return land_replay(space, replay, dry_run=dry_run)
