"""The results of a rebase, a cherry-pick or a revert, done or planned."""

from __future__ import annotations

from tract.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ReplayWarning:
    """A place where a replay changes the meaning: *commit_hash* is the replayed commit, *message_hash* the message concerned.

    kind: ``reply_target_missing``, ``edited_below_answers``, ``left_out_returns``, ``edit_target_missing``, ``conflict`` or ``tool_pair_torn``.
    """

    kind: str
    commit_hash: str
    message_hash: str
    detail: str


@dataclass(frozen=True, slots=True)
class ReplayedCommit:
    """A commit, and the new commit made from it; None until that is made."""

    source_hash: str
    commit_hash: str | None


@dataclass(frozen=True, slots=True)
class DroppedCommit:
    """A commit that was left out, and why."""

    source_hash: str
    reason: str


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class ReplayResult:
    """What a replay did, or would do if *is_done* is false; ids are hexadecimal.

    *branch* goes from *old_head* to *new_head*; *onto_hash* is the commit on which the new commits stand.
    *losses* are the warnings that need a decision first. *file* has the conflicts for an editor, if the replay is kept in the store (``keep=True``).
    """

    branch: str
    old_head: str | None
    new_head: str | None
    onto_hash: str | None
    replayed: tuple[ReplayedCommit, ...] = ()
    dropped: tuple[DroppedCommit, ...] = ()
    warnings: tuple[ReplayWarning, ...] = ()
    is_done: bool = True
    losses: tuple[ReplayWarning, ...] = ()
    file: str | None = None

    def __repr__(self) -> str:
        at = (self.new_head or "nothing")[:16]
        moved = (
            f"{self.branch} {(self.old_head or 'nothing')[:16]} -> {at}"
            if self.is_done
            else f"{self.branch} at {at}, not done"
        )
        counts = ((len(self.replayed), "replayed"), (len(self.dropped), "dropped"), (len(self.warnings), "warned of"))
        return f"{type(self).__name__}({', '.join([moved, *(f'{count} {what}' for count, what in counts if count)])})"

    @property
    def commit_hash(self) -> str | None:
        """The last commit that was made, or None."""
        return self.replayed[-1].commit_hash if self.replayed else None

    @property
    def commit_hashes(self) -> tuple[str, ...]:
        """The commits that were made, first to last."""
        return tuple(one.commit_hash for one in self.replayed if one.commit_hash is not None)


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class RebaseResult(ReplayResult):
    """What a rebase did; with *is_fast_forward*, the branch only moved forward to *new_head*."""

    is_fast_forward: bool = False

    @property
    def is_up_to_date(self) -> bool:
        """Whether there was nothing to do."""
        return self.is_done and self.old_head == self.new_head


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class CherryPickResult(ReplayResult):
    """What a cherry-pick did."""


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class RevertResult(ReplayResult):
    """What a revert did."""
