"""Branches: names for commits, which move when a commit is made on them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from unicodedata import normalize

from tract.dataclass import dataclass, replace
from tract.errors import (
    BranchExistsError,
    BranchNotFoundError,
    CommitNotFoundError,
    TractError,
    UnmergedBranchError,
)
from tract.history.walk import is_ancestor
from tract.objects.id import ObjectId
from tract.reflog import RENAMED
from tract.refs.names import HEAD, HEADS, branch_ref, name_problem
from tract.repo import Repository
from tract.transaction import check_branch, check_idle, transaction

_LONGEST = 60
"""The longest name that is made from another, in bytes; a number may follow."""


@dataclass(frozen=True, slots=True, repr=False)
class BranchInfo:
    """A branch and the commit it is at, None before its first; *is_current* says whether HEAD is on it."""

    name: str
    commit_hash: str | None
    is_current: bool

    def __repr__(self) -> str:
        return f"BranchInfo({'* ' if self.is_current else ''}{self.name} {(self.commit_hash or 'no commit yet')[:16]})"


def create_branch(repo: Repository, name: str, start: ObjectId | None, *, switch: bool = False) -> None:
    """Create branch *name* at *start*, and with *switch* put HEAD on it, in one operation.

    BranchExistsError if the branch exists.
    *start* is None for a branch without commits, which its first commit will create; it needs *switch*.
    """
    ref = branch_ref(name)
    if start is not None:
        from tract.history.moves import check_target  # most branches are made by who knows the commit

        check_target(repo, ref, start)
        repo.check_whole(start)
    elif not switch:
        raise CommitNotFoundError(HEAD, "there is no commit yet")
    with transaction(repo, "branch: created", moves="head" if switch else "refs") as tx:
        if tx.ref(ref) is not None:
            raise BranchExistsError(f"branch '{name}' exists already")
        if start is not None:
            tx.move(ref, start, None)
        if switch:
            tx.reason = moving_reason(repo, name)
            tx.move(HEAD, ref)


def on_branch(repo: Repository, name: str, *, create: bool = False) -> Repository:
    """Return *repo* on branch *name*, wherever HEAD is or goes; with *create*, a missing branch is made at HEAD.

    BranchNotFoundError if the branch is missing. If HEAD is on it, or nothing is committed yet, its first commit will create it.
    """
    ref = branch_ref(name)
    if repo.ref(ref) is None and repo.ref(HEAD) != ref:
        if not create:
            raise BranchNotFoundError(f"there is no branch '{name}'")
        start = repo.head()[1]
        if start is not None:
            with suppress(BranchExistsError):  # another process made it just now
                create_branch(repo, name, start)
    return replace(repo, branch=ref)


def list_branches(repo: Repository) -> dict[str, str]:
    """Every branch with a commit, with its commit's hexadecimal id, in order of name."""
    return {name.removeprefix(HEADS): value.hex() for name, value in repo.local_refs(HEADS) if isinstance(value, bytes)}


def describe_branches(repo: Repository) -> list[BranchInfo]:
    """Every branch with a commit, in order of name."""
    current = repo.head()[0]
    return [BranchInfo(name, commit, HEADS + name == current) for name, commit in list_branches(repo).items()]


def describe_branch(repo: Repository, name: str) -> BranchInfo:
    """Describe one branch, with or without a commit."""
    ref = branch_ref(name)
    at = repo.ref(ref)
    return BranchInfo(name, at.hex() if isinstance(at, bytes) else None, ref == repo.head()[0])


def switch_branch(repo: Repository, name: str) -> None:
    """Put HEAD on branch *name*; BranchNotFoundError if it does not exist."""
    ref = branch_ref(name)
    with transaction(repo, "checkout", moves="refs") as tx:
        if tx.branch == ref:
            return
        check_idle(repo)
        if tx.ref(ref) is None:
            raise BranchNotFoundError(f"there is no branch '{name}'")
        tx.reason = moving_reason(repo, name)
        tx.move(HEAD, ref)


def moving_reason(repo: Repository, to: str) -> str:
    """The reflog's text for a switch of HEAD to another branch, or to a commit."""
    branch, tip = repo.head()
    here = branch.removeprefix(HEADS) if branch is not None else tip.hex()[:16] if tip is not None else HEAD
    return f"checkout: moving from {here} to {to}"


def delete_branches(repo: Repository, names: Sequence[str], *, force: bool = False) -> dict[str, ObjectId]:
    """Delete branches, all or none; return their commits.

    UnmergedBranchError if HEAD does not reach one of them, unless *force*.
    """
    refs = {name: branch_ref(name) for name in names}
    with transaction(repo, f"branch: deleted {', '.join(refs)}", moves="refs") as tx:
        found: dict[str, ObjectId] = {}
        for name, ref in refs.items():
            if tx.branch == ref or repo.ref(HEAD) == ref:
                raise TractError(f"branch '{name}' cannot be deleted: HEAD is on it")
            at = tx.ref(ref)
            if not isinstance(at, bytes):
                raise BranchNotFoundError(f"there is no branch '{name}'")
            if not force and (tx.tip is None or not is_ancestor(repo, at, tx.tip)):
                raise UnmergedBranchError(f"branch '{name}' is not merged into HEAD")
            found[name] = at
        for name, at in found.items():
            tx.move(HEADS + name, None, at)
        return found


def rename_branch(repo: Repository, old: str | None, new: str, *, force: bool = False) -> str:
    """Rename branch *old* (None for the one HEAD is on) to *new*; return the old name. HEAD and the reflog follow.

    BranchExistsError if branch *new* exists. With *force* it is replaced, unless HEAD is on it.
    """
    with transaction(repo, RENAMED, moves="refs") as tx:
        ref = branch_ref(old) if old is not None else check_branch(repo, "rename the branch")[0]
        wanted = branch_ref(new)
        name, at, there = ref.removeprefix(HEADS), tx.ref(ref), tx.ref(wanted)
        if at is None and ref != repo.ref(HEAD):
            raise BranchNotFoundError(f"there is no branch '{name}'")
        if ref == wanted:
            return name
        if there is not None and (not force or wanted in (tx.branch, repo.ref(HEAD))):
            raise BranchExistsError(f"branch '{new}' exists already" + (", and HEAD is on it" if force else ""))
        if ref == repo.branch:
            raise TractError(f"branch '{name}' cannot be renamed: it was opened by this name")
        tx.reason = f"{RENAMED}{name} to {new}"
        if at is not None:
            tx.move(ref, None, at)
            tx.move(wanted, at, there)
        if ref == repo.ref(HEAD):
            tx.move(HEAD, wanted, ref)
        return name


def taken_branch_names(repo: Repository) -> set[str]:
    """The names that ``free_branch_name`` must not return: the branches up to their first ``/``, in lower case, and the one HEAD is on."""
    names = [name for name, _ in repo.local_refs(HEADS)]
    head = repo.ref(HEAD)
    if isinstance(head, str):
        names.append(head)
    return {name.removeprefix(HEADS).partition("/")[0].casefold() for name in names}


def free_branch_name(wanted: str, taken: set[str]) -> str:
    """Make *wanted* into a name for a new branch, ``x`` or ``x-2`` and so on, and add it to *taken*.

    Every character that a name cannot have becomes ``-``, also ``/``.
    """
    base = cleaned_name(wanted)
    number, name = 1, base
    while name.casefold() in taken:
        number += 1
        name = f"{base}-{number}"
    taken.add(name.casefold())
    return name


def cleaned_name(wanted: str) -> str:
    """Make *wanted* into a name that a branch or a tract can have."""
    kept = "".join(char if char.isalnum() or char in "-_." else "-" for char in normalize("NFC", wanted))
    name = kept.encode()[:_LONGEST].decode("utf-8", "ignore").strip("-.").replace("..", "-")
    return f"branch-{name.replace('.', '-')}".rstrip("-") if name_problem(name) else name
