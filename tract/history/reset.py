"""Resetting: HEAD's branch moves back, or anywhere else, and the commits after it are kept for a while or dropped for good.

soft   ORIG_HEAD and the reflog lead to the old tip; gc keeps it for the retention period
hard   neither ORIG_HEAD nor the reflog lead there any more, so the next gc may remove it
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from tract.errors import ConfigError
from tract.history.moves import check_target
from tract.history.state import end_state, states
from tract.objects.id import ObjectId
from tract.reflog import HARD_RESET, dropped_by
from tract.refs.names import HEAD, ORIG_HEAD
from tract.refs.store import ANY, Expected
from tract.repo import Repository
from tract.transaction import check_branch, check_idle, transaction

ResetMode: TypeAlias = Literal["soft", "hard"]

# As in git, a hard reset also ends these, and removes the text that they left for their user; a rebase has its own way out.
_ENDED = ("cherry-pick", "merge", "revert")


def reset(repo: Repository, target: ObjectId | None, *, mode: ResetMode, named: str, expected: Expected = ANY) -> None:
    """Put HEAD's branch, or a detached HEAD, on *target*, in one operation; *named* is the user's text for *target*.

    None as *target* is the state before a branch's first commit.
    RefMovedError if the branch is not at *expected*. A hard reset ends a merge, cherry-pick or revert under way; a soft one is refused.
    """
    if mode not in get_args(ResetMode):
        raise ConfigError(f"mode must be 'soft' or 'hard', not {mode!r}")
    lead = HARD_RESET if mode == "hard" else "reset: "
    with transaction(repo, f"{lead}moving to {named[:100]}", moves="refs", expected=expected) as tx:
        under_way = states(repo)
        if mode == "soft" or "rebase" in under_way:
            check_idle(repo)
        if target is not None:
            repo.check_whole(target)
            check_target(repo, tx.branch or HEAD, target)
        else:
            check_branch(repo, "reset")
        tx.move_branch(target, orig_head=mode == "soft")
        if mode == "hard" and tx.tip is not None and tx.ref(ORIG_HEAD) in dropped_by(repo, tx.tip, target):
            tx.move(ORIG_HEAD, None)
    for name in under_way:
        if name in _ENDED:
            end_state(repo, name)
