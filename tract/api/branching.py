"""Branches and HEAD, and where they have been."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tract.api.handle import Handle
from tract.arguments import checks_arguments
from tract.errors import ContentValidationError
from tract.history.branch import (
    BranchInfo,
    create_branch,
    delete_branches,
    describe_branch,
    describe_branches,
    rename_branch,
)
from tract.history.checkout import checkout, switch
from tract.history.commit import message_named
from tract.report.info import describe
from tract.revision import Revision, resolve_or_before, resolve_revision, revision_text

# Most programs run without these, and to load them takes longer than many a command.
if TYPE_CHECKING:
    from tract.history.archive import ArchivedBranch
    from tract.history.reflog import ReflogEntry
    from tract.history.reset import ResetMode
    from tract.history.undo import UndoPlan
    from tract.report.info import CommitInfo


@checks_arguments
class Branching(Handle):
    """The methods of a tract that make and move branches."""

    def branch(self, name: str, *, source: Revision | None = None, switch: bool = False) -> BranchInfo:
        """Make a branch at *source* (None: HEAD); *switch* also puts HEAD on it. BranchExistsError if there is one of that name."""
        with self._access() as space:
            start = space.repo.head()[1] if source is None else resolve_revision(space.repo, source)
            create_branch(space.repo, name, start, switch=switch)
            self._look()
            return BranchInfo(name, None if start is None else start.hex(), switch)

    def archive_branch(self, name: str) -> ArchivedBranch:
        """Move a branch to ``refs/archive/``: it is no longer listed, and nothing of it is lost. TractError for the branch that HEAD is on."""
        from tract.history.archive import archive_branch

        with self._access() as space:
            return archive_branch(space.repo, name)

    def unarchive_branch(self, name: str) -> BranchInfo:
        """Bring an archived branch back."""
        from tract.history.archive import unarchive_branch

        with self._access() as space:
            return BranchInfo(name, unarchive_branch(space.repo, name).hex(), False)

    def archived_branches(self) -> list[ArchivedBranch]:
        """The archived branches, sorted by name."""
        from tract.history.archive import archived_branches

        with self._access() as space:
            return archived_branches(space.repo)

    def divert(self, name: str, start: Revision) -> BranchInfo:
        """Move the messages from *start* on to the new branch *name*, and HEAD with them; the old branch ends before them.

        A compression made since *start* moves along; TractError if other commits than messages and edits were made since.
        """
        from tract.history.archive import divert

        with self._moving("divert") as (space, _):
            divert(space.repo, name, message_named(space.repo, start))
            at = space.repo.head()[1]
            return BranchInfo(name, None if at is None else at.hex(), True)

    def list_branches(self) -> list[BranchInfo]:
        """Every branch that has a commit, sorted by name."""
        with self._looking() as space:
            return describe_branches(space.repo)

    def switch(self, name: str, *, create: bool | Literal["orphan"] = False) -> CommitInfo | None:
        """Put HEAD on branch *name*; ``-`` is the branch it was on before. Returns the commit there, or None if the branch has none yet.

        *create* makes the branch at HEAD's commit; *create* ``"orphan"`` makes it without any commit, with an empty context and a new history.
        """
        if type(create) is not bool and create != "orphan":
            raise ContentValidationError(f"create must be True, False or 'orphan', not {create!r:.40}")
        with self._access() as space:
            if create:
                start = None if create == "orphan" else space.repo.head()[1]
                create_branch(space.repo, name, start, switch=True)
            else:
                switch(space.repo, name)
            return self._here()

    def checkout(self, target: Revision) -> CommitInfo | None:
        """Put HEAD on a branch, or look at any other commit: HEAD is then detached, and commit raises DetachedHeadError.

        ``-`` is where HEAD was before. Returns the commit.
        """
        with self._access() as space:
            checkout(space.repo, revision_text(target))
            return self._here()

    def rename_branch(self, old: str, new: str, *, force: bool = False) -> BranchInfo:
        """Rename a branch; HEAD and the reflog follow. BranchExistsError if the new name is taken, unless *force*."""
        with self._access() as space:
            rename_branch(space.repo, old, new, force=force)
            self._look()
            return describe_branch(space.repo, new)

    def delete_branch(self, name: str, *, force: bool = False) -> str:
        """Delete a branch, and return the id of its last commit; UnmergedBranchError if HEAD does not reach that commit, unless *force*."""
        with self._access() as space:
            return delete_branches(space.repo, [name], force=force)[name].hex()

    def reset(self, target: Revision, mode: ResetMode = "soft") -> CommitInfo | None:
        """Move the branch to another commit, and return that; on a branch of three commits, ``HEAD~3`` is the place before the first, and None is returned.

        ``soft``: later commits are kept for the retention period; ``ORIG_HEAD`` and the reflog name them.
        ``hard``: ``ORIG_HEAD`` and the reflog do not name them, and the next gc may drop them; until then ``undo`` brings them back.
        """
        from tract.history.reset import reset

        with self._moving("reset") as (space, expected):
            id = resolve_or_before(space.repo, target)
            reset(space.repo, id, mode=mode, named=revision_text(target), expected=expected)
            return None if id is None else describe(space, id)

    def clear(self) -> None:
        """Remove all commits from the branch, as if none had been made. ``undo`` brings them back, and ``ORIG_HEAD`` names the last one."""
        from tract.history.reset import reset

        with self._moving("clear") as (space, expected):
            reset(space.repo, None, mode="soft", named="before the first commit", expected=expected)

    def reflog(self, ref: str = "HEAD", *, limit: int | None = None) -> list[ReflogEntry]:
        """Where *ref* (HEAD, a branch or a tag) has been, newest first."""
        from tract.history.reflog import reflog

        with self._looking() as space:
            return reflog(space.repo, ref, limit)

    def undo(self, steps: int = 1, *, dry_run: bool = False) -> UndoPlan:
        """Take back the last *steps* operations that changed what the model sees, or which branches and tags exist, with everything else they did.

        Another undo goes further back; :meth:`redo` returns. *dry_run* only says what would move.
        """
        from tract.history.undo import undo

        with self._moving("undo") as (space, expected):
            return undo(space.repo, steps, dry_run=dry_run, expected=expected)

    def redo(self, steps: int = 1) -> UndoPlan:
        """Do the operations again that were undone last; this works until another operation is made."""
        from tract.history.undo import redo

        with self._moving("redo") as (space, expected):
            return redo(space.repo, steps, expected=expected)

    def _here(self) -> CommitInfo | None:
        """Read the store, and say where HEAD is."""
        self._look()
        tip = self._space.repo.head()[1]
        return None if tip is None else describe(self._space, tip)
