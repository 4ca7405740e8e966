"""The answers that messages were part of when they were recorded, as their commits say it."""

from __future__ import annotations

from weakref import proxy

from tract.compile.snapshot import Columns
from tract.errors import TractError
from tract.messages.message import Message, message_in
from tract.messages.pairing import is_answer, is_reasoning
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.repo import Repository

_ADD_NOTHING = (CommitOperation.EDIT, CommitOperation.RECORD, CommitOperation.REVERT)
"""What may stand between two messages of one answer."""

_FURTHEST = 64
"""So many items of one answer are looked at."""


def recorded_before(repo: Repository, commit: ObjectId) -> ObjectId | None:
    """The message that was committed directly before; None where that is not known."""
    try:
        for _ in range(_FURTHEST):
            parents = repo.commit(commit).parents
            if not parents:
                return None
            commit = parents[0]
            operation = repo.commit(commit).operation
            if operation is CommitOperation.APPEND:
                return commit
            if operation not in _ADD_NOTHING:
                return None
    except TractError:
        pass  # it is not here any more
    return None


class RecordedAnswers:
    """What the commits of a snapshot's messages say of the answers these were part of: a commit's parent is what came before it.

    Where a commit is not here any more, nothing is known of its message.
    """

    def __init__(self, repo: Repository, columns: Columns) -> None:
        self._repo = repo
        # They have this in what is sent of them, and a cycle would keep all messages of a closed tract until Python looks for such.
        self._columns = proxy(columns)

    def follows(self, row: int, reasoning: int) -> bool:
        """Whether item *row* was recorded directly behind the reasoning item *reasoning*."""
        commits = self._columns.commits
        before = recorded_before(self._repo, commits[row])
        return before is None or before == commits[reasoning]

    def reasoning_of(self, row: int) -> int | None:
        """The reasoning item before item *row* in the answer that it was recorded in: its row, -1 where it is not in the context; None for none."""
        at = recorded_before(self._repo, self._columns.commits[row])
        for _ in range(_FURTHEST):
            message = None if at is None else self._message(at)
            if at is None or message is None or message.format != "responses" or not is_answer(message):
                return None
            if is_reasoning(message):
                place = self._columns.place(at)
                return -1 if place is None else place
            at = recorded_before(self._repo, at)
        return None

    def _message(self, commit: ObjectId) -> Message | None:
        try:
            content = self._repo.commit(commit).content
            return None if content is None else message_in(self._repo.blob(content))
        except TractError:
            return None
