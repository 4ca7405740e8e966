"""What a rebase, a cherry-pick or a revert did, or would do."""

from __future__ import annotations

from tract.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ReplayWarning:
    """What a replay does to meaning: *commit_hash* is the commit replayed, *message_hash* the message it is about.

    kind: ``reply_target_missing``, ``edited_below_answers``, ``left_out_returns``, ``edit_target_missing``, ``conflict`` or ``tool_pair_torn``.
    """

    kind: str
    commit_hash: str
    message_hash: str
    detail: str


@dataclass(frozen=True, slots=True)
class ReplayedCommit:
    """A commit, and the commit that it was made again as; None as long as that is not made."""

    source_hash: str
    commit_hash: str | None


@dataclass(frozen=True, slots=True)
class DroppedCommit:
    """A commit that was left out, and why."""

    source_hash: str
    reason: str


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class ReplayResult:
    """What a replay did, or would do where *is_done* is False; ids are hexadecimal.

    *branch* goes from *old_head* to *new_head*; *onto_hash* is the commit that the replayed ones stand on.
    *losses* are the warnings of what must be decided first; *file* is where conflicts lie for an editor, where the replay waits for its user (``keep=True``).
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
        """The last commit that was made, None where none was made."""
        return self.replayed[-1].commit_hash if self.replayed else None

    @property
    def commit_hashes(self) -> tuple[str, ...]:
        """The commits that were made, first to last."""
        return tuple(one.commit_hash for one in self.replayed if one.commit_hash is not None)


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class RebaseResult(ReplayResult):
    """What a rebase did; where *is_fast_forward*, the branch only moved on to *new_head*."""

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
