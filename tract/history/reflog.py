"""The reflog: where a ref has been, when, and why."""

from __future__ import annotations

from datetime import datetime

from tract.dataclass import dataclass
from tract.errors import CommitNotFoundError, ContentValidationError
from tract.history.times import moment
from tract.history.walk import at_most
from tract.reflog import ref_entries
from tract.refs.names import HEAD
from tract.repo import Repository
from tract.revision import find_ref


@dataclass(frozen=True, slots=True, repr=False)
class ReflogEntry:
    """The commit that *ref* was at *index* moves ago: when it came there, why, and who moved it."""

    ref: str
    index: int
    commit_hash: str
    reason: str
    actor: str
    time: datetime

    @property
    def selector(self) -> str:
        """The entry as a revision: ``main@{1}``."""
        return f"{self.ref}@{{{self.index}}}"

    def __repr__(self) -> str:
        return f"ReflogEntry({self.commit_hash[:16]} {self.selector}: {self.reason} {self.time:%F %T})"


def reflog(repo: Repository, ref: str = HEAD, limit: int | None = None) -> list[ReflogEntry]:
    """The entries of *ref*, a branch, a tag, HEAD or a whole name, newest first, at most *limit* of them.

    CommitNotFoundError if there is no such ref.
    """
    if limit is not None and (type(limit) is not int or limit < 0):
        raise ContentValidationError(f"limit must be a number of entries, not {limit!r}")
    name = repo.branch or HEAD if ref in ("@", HEAD) else find_ref(repo, ref)
    if name is None:
        raise CommitNotFoundError(str(ref), "there is no ref of that name")
    shown = HEAD if ref == "@" else ref
    return [
        ReflogEntry(shown, index, value.hex(), operation.reason, operation.actor, moment(operation.time))
        for index, (value, operation) in enumerate(at_most(ref_entries(repo, name), limit))
        if operation is not None
    ]
