"""Proposals: actions that wait for approval, and the decisions about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, cast

from tract.api.compressing import Compressing
from tract.errors import ProposalError
from tract.events import began
from tract.history.branch import on_branch
from tract.transaction import check_idle

# Most programs run without these, and to load them takes longer than many a command.
if TYPE_CHECKING:
    from datetime import timedelta

    from tract.agents.actions import Action
    from tract.agents.proposals import Proposal
    from tract.agents.target import TractLike


class Acting(Compressing):
    """The methods of a tract that list proposals and decide about them."""

    def proposals(self, status: str = "pending") -> list[Proposal]:
        """The proposals of one *status*, or of ``all``, newest first.

        A compression or collapse that waits for review is listed, too.
        """
        from tract.agents.proposals import STATUSES, ProposalTable, with_undo
        from tract.agents.reviews import reviews

        if status not in (*STATUSES, "all"):
            raise ProposalError(f"unknown status {status!r:.40}; known are all, {', '.join(STATUSES)}")
        with self._access() as space:
            found = [*ProposalTable().read(space.repo).values(), *reviews(space.repo)]
            chosen = [with_undo(space.repo, one) for one in found if status in ("all", one.status)]
        return sorted(chosen, key=lambda one: one.created_at, reverse=True)

    def propose(
        self,
        action: Action,
        *,
        origin: str = "user",
        reasoning: str = "",
        alternatives: tuple[str, ...] = (),
        expires_in: timedelta | None = None,
    ) -> Proposal:
        """Keep *action* as a proposal about the messages it concerns, as they are now; a TractError if it cannot be one."""
        from tract.agents.acting import check_wish, propose
        from tract.agents.proposals import Wish

        wish = Wish(action, origin, reasoning, alternatives, expires_in)
        check_wish(wish)
        return propose(self._as_target(), wish)

    def preview_proposal(self, id: str | None = None, *, arguments: Mapping[str, Any] | None = None) -> Proposal:
        """A pending proposal with what it would do now as its ``context_summary``; nothing is decided. *arguments* replace its own."""
        from tract.agents.acting import preview_now, waiting
        from tract.agents.reviews import review_named

        with self._looking() as space:
            review = review_named(space.repo, id)
            one = waiting(space.repo, id) if review is None else review
        return one if review is not None else preview_now(self._for_branch(one.branch)._as_target(), one, arguments)

    def approve_proposal(
        self, id: str | None = None, *, arguments: Mapping[str, Any] | None = None, reason: str = ""
    ) -> Proposal:
        """Carry out a proposal, named by a prefix of its id, or the only pending one; *arguments* replace its own.

        It acts on the branch it is about, wherever HEAD is. With its own arguments it does not touch later messages; if the messages it is about have changed, it becomes ``stale``, and the reason names the first difference.
        The outcome is in the proposal's ``status``; ProposalError if it was decided before.
        """
        from tract.agents.acting import approve, waiting
        from tract.agents.reviews import approve_review, review_named

        _check_reason(reason)
        if self._open_batch() is not None:
            raise ProposalError("a proposal cannot be approved inside a batch")
        with self._looking() as space:
            review = review_named(space.repo, id)
            one = waiting(space.repo, id) if review is None else review
        target = self._for_branch(one.branch)
        if review is None:
            check_idle(target._repo)  # it waits on, and is no failure
        since = began()
        if review is not None:
            return self._decided(approve_review(cast("Any", target), review, arguments, reason), since)
        return self._decided(approve(target._as_target(), one.id, arguments, reason), since)

    def reject_proposal(self, id: str | None = None, reason: str = "") -> Proposal:
        """Reject a proposal, named by a prefix of its id, or the only pending one; *reason* is kept. ProposalError if it was decided before."""
        from tract.agents.acting import reject, waiting
        from tract.agents.reviews import reject_review, review_named

        _check_reason(reason)
        since = began()
        with self._access() as space:
            review = review_named(space.repo, id)
            if review is not None:
                done = reject_review(space, review, reason)
            else:
                done = reject(space.repo, waiting(space.repo, id).id, reason)
        return self._decided(done, since)

    def _decided(self, one: Proposal, since: float) -> Proposal:
        """*one*, after telling listeners of its decision, which began at *since*."""
        from tract.agents.stale import tell_of

        tell_of(self._repo, one, one.status, since)
        return one

    def _as_target(self) -> TractLike:
        return cast("TractLike", self)

    def _for_branch(self, name: str | None) -> Self:
        """This handle if it is on branch *name*, else one that is."""
        if name is None or name == self.current_branch:
            return self
        other = type(self)(
            on_branch(self._repo, name), tokenizer=self._own.blobs.counter, on_moved="append", lock=self._lock
        )
        other._client, other._prompts = self._client, self._prompts
        return other


def _check_reason(reason: object) -> None:
    """ProposalError for a reason that is not a text."""
    if not isinstance(reason, str):
        raise ProposalError(f"a reason is a text, not {reason!r:.40}")
