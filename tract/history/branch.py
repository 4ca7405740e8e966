"""Branches: names for commits that move with what is committed on them."""

from __future__ import annotations

from unicodedata import normalize

from tract.errors import BranchExistsError, BranchNotFoundError
from tract.objects.id import ObjectId
from tract.refs.names import HEAD, HEADS, branch_ref, name_problem
from tract.refs.store import RefEdit
from tract.repo import Repository

_LONGEST = 60
"""Bytes of a name made from another; a number may come after."""


def create_branch(repo: Repository, name: str, start: ObjectId) -> None:
    """Give *start* the name *name*; BranchExistsError when there is such a branch."""
    ref = branch_ref(name)
    with repo.objects.lock():
        repo.refs.refresh()
        if repo.ref(ref) is not None:
            raise BranchExistsError(f"branch '{name}' exists already")
        repo.refs.update([RefEdit(repo.prefix + ref, start, None)], reason="branch: created")


def list_branches(repo: Repository) -> dict[str, str]:
    """Every branch with a commit and the hexadecimal id of it, in order of name."""
    return {
        name.removeprefix(HEADS): value.hex() for name, value in repo.local_refs(HEADS) if isinstance(value, bytes)
    }


def switch_branch(repo: Repository, name: str) -> None:
    """Let HEAD be on branch *name*; BranchNotFoundError when there is none."""
    ref = branch_ref(name)
    with repo.objects.lock():
        repo.refs.refresh()
        head = repo.ref(HEAD)
        if head == ref:
            return
        if repo.ref(ref) is None:
            raise BranchNotFoundError(f"there is no branch '{name}'")
        repo.refs.update([RefEdit(repo.prefix + HEAD, ref, head)], reason=f"switch: to {name}")


def free_branch_name(repo: Repository, wanted: str) -> str:
    """A branch name made of *wanted* that a new branch can have: ``x``, else ``x-2`` and so on.

    What no name may have becomes a ``-``.
    """
    base = cleaned_name(wanted)
    taken = {name.removeprefix(HEADS).casefold() for name, _ in repo.local_refs(HEADS)}
    head = repo.ref(HEAD)
    if isinstance(head, str):
        taken.add(head.removeprefix(HEADS).casefold())
    number, name = 1, base
    while _is_taken(name.casefold(), taken):
        number += 1
        name = f"{base}-{number}"
    return name


def cleaned_name(wanted: str) -> str:
    """A name a branch or a tract can have, made of *wanted*."""
    kept = "".join(char if char.isalnum() or char in "-_." else "-" for char in normalize("NFC", wanted))
    name = kept.encode()[:_LONGEST].decode("utf-8", "ignore").strip("-.").replace("..", "-")
    return f"branch-{name.replace('.', '-')}".rstrip("-") if name_problem(name) else name


def _is_taken(name: str, taken: set[str]) -> bool:
    """Whether *name* cannot stand beside the others: it is one of them, or a folder in one's name."""
    return any(name == other or name.startswith(other + "/") or other.startswith(name + "/") for other in taken)
