"""Resetting: HEAD's branch goes back, or anywhere else, and what followed is kept for a while or dropped for good.

soft   ORIG_HEAD names where the branch was, and its reflog tells; gc keeps it for the retention period
hard   neither ORIG_HEAD nor the reflog lead there any more, so the next gc may take it
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from tract.errors import ConfigError, RefMovedError
from tract.history.moves import check_target
from tract.history.state import check_idle, end_state, states
from tract.objects.id import ObjectId
from tract.reflog import HARD_RESET, dropped_by
from tract.refs.names import HEAD, ORIG_HEAD
from tract.refs.operations import shown
from tract.refs.store import ANY, Expected, RefEdit
from tract.repo import Repository

ResetMode: TypeAlias = Literal["soft", "hard"]

# As in git, a hard reset is also a way out of these, with the texts they left for their user; a rebase has its own.
_ENDED = ("cherry-pick", "merge", "revert")


def reset(repo: Repository, target: ObjectId, *, mode: ResetMode, named: str, expected: Expected = ANY) -> None:
    """Put HEAD's branch, or HEAD where it is detached, on *target*, in one operation; *named* is what the user called it.

    RefMovedError when it is not at *expected*. A merge, cherry-pick or revert under way is given up by a hard reset, and refuses a soft one.
    """
    if mode not in get_args(ResetMode):
        raise ConfigError(f"mode must be 'soft' or 'hard', not {mode!r}")
    with repo.objects.lock():
        repo.refs.refresh()
        repo.check_whole(target)
        under_way = states(repo)
        if mode == "soft" or "rebase" in under_way:
            check_idle(repo)
        branch, tip = repo.head()
        ref = branch or HEAD
        if expected is not ANY and tip != expected:
            raise RefMovedError(ref, shown(expected), shown(tip))
        check_target(repo, ref, target)
        edits = [RefEdit(repo.prefix + ref, target, tip)]
        if tip is not None:
            edits += [orig_head(repo, tip)] if mode == "soft" else _without_orig_head(repo, tip, target)
        lead = HARD_RESET if mode == "hard" else "reset: "
        repo.refs.update(edits, reason=f"{lead}moving to {named[:100]}")
        for name in under_way:
            if name in _ENDED:
                end_state(repo, name)


def orig_head(repo: Repository, tip: ObjectId) -> RefEdit:
    """The edit that lets ORIG_HEAD name *tip*, for the operation of a reset, merge or rebase that moves a branch away from it."""
    return RefEdit(repo.prefix + ORIG_HEAD, tip, repo.ref(ORIG_HEAD))


def _without_orig_head(repo: Repository, tip: ObjectId, target: ObjectId) -> list[RefEdit]:
    """The edit that deletes ORIG_HEAD where it names a commit that going from *tip* to *target* drops."""
    name = repo.ref(ORIG_HEAD)
    return [RefEdit(repo.prefix + ORIG_HEAD, None, name)] if name in dropped_by(repo, tip, target) else []
