"""Hints: what could be typed next after an error. Errors themselves do not know that there is a command line."""

from __future__ import annotations

from tract import errors

_HINTS: tuple[tuple[type[errors.TractError], str], ...] = (
    (errors.NotARepositoryError, "'tract init' makes a store, 'tract import --as tract' a tract in it"),
    (errors.AmbiguousPrefixError, "give more digits of the id"),
    (errors.CommitNotFoundError, "'tract log --oneline' lists commits, 'tract branch' and 'tract tag' names"),
    (errors.BranchNotFoundError, "'tract branch' lists the branches, 'tract checkout' takes any revision"),
    (errors.BranchExistsError, "'tract branch' lists the branches, 'tract switch <branch>' goes to one"),
    (errors.UnmergedBranchError, "'tract branch -D <branch>' deletes it all the same, and 'tract undo' takes that back"),
    (errors.TagExistsError, "a tag does not move; 'tract tag -d <name>' deletes it"),
    (errors.NothingToMergeError, "'tract branch' lists the branches, 'tract log --oneline --graph --all' shows where they part"),
    (errors.MergeConflictError, "resolve the conflicts, then 'tract merge --continue'"),
    (errors.MergeError, "'tract status' shows a merge under way; 'tract merge --continue' or '--abort' ends it"),
    (errors.SemanticSafetyError, "'--dry-run' shows all of it, and '--force' does it all the same"),
    (errors.RebaseError, "'tract status' shows a rebase under way; 'tract rebase --continue' or '--abort' ends it"),
    (errors.CherryPickError, "'tract log --oneline' lists commits; '--continue' or '--abort' ends a cherry-pick or revert under way"),
    (errors.CompressionError, "'tract compress --dry-run' says what would go; 'tract compress --list' what waits for approval"),
    (errors.EditTargetError, "'tract log --oneline' lists the messages"),
    (errors.DetachedHeadError, "'tract switch -c <name>' makes a branch here, 'tract switch <branch>' goes to one"),
    (errors.BisectError, "'tract bisect start <bad> <good>' begins a search, 'tract bisect log' shows what was said in it"),
    (errors.RefMovedError, "somebody else committed meanwhile; see 'tract log' and try again"),
    (errors.BudgetExceededError, "'tract skip <message>' takes messages out of the context; 'tract status' shows the budget"),
    (errors.LockTimeoutError, "another process is writing to this store"),
    (errors.UnsafeRepositoryError, "a store must be yours (or listed in TRACT_SAFE_DIRECTORIES), and no part of it a link"),
    (errors.ImportFormatError, "'tract import --format <format> --key <key>' says what is in the file; see 'tract help import'"),
)


def hint_for(exc: errors.TractError) -> str | None:
    """What could be done about *exc*, or None."""
    return next((hint for kind, hint in _HINTS if isinstance(exc, kind)), None)
