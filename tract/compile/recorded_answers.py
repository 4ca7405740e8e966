"""The answers that messages were part of when they were recorded, found by their commits."""

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
"""The operations of commits that may stand between two messages of one answer."""

_FURTHEST = 64
"""At most this many items of one answer are looked at."""


def recorded_before(repo: Repository, commit: ObjectId) -> ObjectId | None:
    """The message that was committed directly before; None if that is not known."""
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
        pass  # gc dropped it
    return None


class RecordedAnswers:
    """The answers that a snapshot's messages were part of: a commit's parent came directly before it.

    If gc dropped a commit, nothing is known about its message.
    """

    def __init__(self, repo: Repository, columns: Columns) -> None:
        self._repo = repo
        # The columns refer to this object through their sendings, and a cycle would keep all messages of a closed tract until Python collects cycles.
        self._columns = proxy(columns)

    def follows(self, row: int, reasoning: int) -> bool:
        """Whether item *row* was recorded directly behind the reasoning item *reasoning*."""
        commits = self._columns.commits
        before = recorded_before(self._repo, commits[row])
        return before is None or before == commits[reasoning]

    def reasoning_of(self, row: int) -> int | None:
        """The row of the reasoning item before item *row* in its recorded answer: -1 if that item is not in the context, None if there was none."""
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
