"""Checking out: HEAD goes to a branch, or is detached at a commit, on which nothing can be committed."""

from __future__ import annotations

from tract.errors import BranchNotFoundError
from tract.history.branch import create_branch, moving_reason, switch_branch
from tract.history.moves import check_target
from tract.objects.id import ObjectId
from tract.objects.model import Operation, RefValue
from tract.reflog import is_renaming, renamed_from
from tract.refs.names import HEAD, HEADS, REMOTES, name_problem
from tract.repo import Repository
from tract.revision import resolve_revision
from tract.transaction import transaction

PREVIOUS = "-"
"""Stands for the place where HEAD was before its last switch."""


def checkout(repo: Repository, target: str) -> None:
    """Switch to the branch *target*, or detach HEAD at the commit that another revision names; ``-`` is the place where HEAD was before.

    HEAD as *target* changes nothing. CommitNotFoundError or AmbiguousPrefixError if *target* does not name exactly one commit.
    """
    place = previous_place(repo) if target == PREVIOUS else target
    if isinstance(place, bytes):
        detach_head(repo, place, named=place.hex())
    elif target == PREVIOUS or is_branch(repo, place):
        switch_branch(repo, place)
    elif place not in (HEAD, "@"):
        detach_head(repo, resolve_revision(repo, place), named=place)
    else:
        resolve_revision(repo, HEAD)


def switch(repo: Repository, name: str) -> None:
    """Put HEAD on branch *name*; ``-`` is the place where it was before, a branch or not.

    A branch that exactly one remote is known to have is created at the remote's commit. BranchNotFoundError if there is no such branch.
    """
    if name == PREVIOUS:
        checkout(repo, PREVIOUS)
        return
    there = None if is_branch(repo, name) else branch_of_remote(repo, name)
    if there is None:
        switch_branch(repo, name)
    else:
        create_branch(repo, name, there, switch=True)


def branch_of_remote(repo: Repository, name: str) -> ObjectId | None:
    """The commit of branch *name* on the only remote that is known to have it; None if no remote has it, or several."""
    if not isinstance(name, str) or name_problem(name) is not None:
        return None
    found = [
        value
        for ref, value in repo.local_refs(REMOTES)
        if ref.removeprefix(REMOTES).partition("/")[2] == name and isinstance(value, bytes)
    ]
    return found[0] if len(found) == 1 else None


def detach_head(repo: Repository, target: ObjectId, *, named: str) -> None:
    """Put HEAD on the commit *target*, off its branch; *named* is the user's text for it."""
    check_target(repo, HEAD, target)
    repo.check_whole(target)
    with transaction(repo, "checkout", moves="head") as tx:
        tx.reason = moving_reason(repo, named[:100])
        tx.move(HEAD, target)


def is_branch(repo: Repository, name: object) -> bool:
    """True if branch *name* exists."""
    return isinstance(name, str) and name_problem(name) is None and isinstance(repo.ref(HEADS + name), bytes)


def previous_place(repo: Repository) -> str | ObjectId:
    """The branch, or the commit of a detached HEAD, where HEAD was before its last switch.

    It is read from the operations; a branch that was renamed since is returned under its new name.
    BranchNotFoundError if HEAD was nowhere else, or that branch is gone.
    """
    name = repo.prefix + HEAD
    head = repo.ref(HEAD)
    renamed: dict[str, str] = {}
    for _, operation in repo.refs.history():
        for change in operation.changes:
            if change.new is not None:
                before = renamed_from(operation, change.name)
                if before is not None:
                    renamed[before] = renamed.get(change.name, change.name)
        for change in operation.changes:
            if change.name != name or change.old is None:
                continue
            if change.new != head:
                raise BranchNotFoundError("the previous branch is not known inside a batch in which HEAD moved")
            if _is_switch(operation, change.old, change.new):
                return _place(repo, change.old, renamed)
            head = change.old
    raise BranchNotFoundError("there is no previous branch: HEAD was nowhere else yet")


def _is_switch(operation: Operation, old: RefValue, new: RefValue | None) -> bool:
    """True if a change of HEAD is a switch: not a rename of its branch, nor a reset of a detached HEAD."""
    if isinstance(old, bytes) and isinstance(new, bytes):
        return operation.reason.startswith("checkout: ")
    return not is_renaming(operation)


def _place(repo: Repository, value: RefValue, renamed: dict[str, str]) -> str | ObjectId:
    if isinstance(value, bytes):
        return value
    ref = renamed.get(repo.prefix + value, repo.prefix + value).removeprefix(repo.prefix)
    if repo.ref(ref) is None:
        raise BranchNotFoundError(f"the previous branch '{ref.removeprefix(HEADS)}' is gone")
    return ref.removeprefix(HEADS)
