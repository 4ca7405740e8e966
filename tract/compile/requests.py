"""The requests that a snapshot is sent as, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from tract.compile.snapshot import Columns, Snapshot
from tract.compile.workspace import Workspace
from tract.errors import ContentValidationError, TractError
from tract.messages import CacheMode, Rendered
from tract.messages.form import Form, checked_form
from tract.messages.message import CompileWarning, Message, message_in
from tract.messages.pairing import is_answer, is_reasoning
from tract.messages.sent_history import Sendings, refuse_nothing
from tract.messages.sentences import is_refused, united
from tract.messages.to_provider import rendered_for, target_format
from tract.messages.tool_names import TARGETS, Target
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.repo import Repository

__all__ = [
    "all_warnings",
    "check_request",
    "checked_form",
    "common_warnings",
    "is_refused",
    "request_for",
    "target_format",
]

_ADD_NOTHING = (CommitOperation.EDIT, CommitOperation.RECORD, CommitOperation.REVERT)
"""What may stand between two messages of one answer."""

_FURTHEST = 64
"""So many items of one answer are looked at."""


Sent: TypeAlias = Callable[[Form, CacheMode], Rendered]
"""Gives the request in a form."""


def request_for(space: Workspace, snapshot: Snapshot, form: Form, cache: CacheMode) -> Rendered:
    """What a provider is sent; TractError where ``verify_cache`` finds what was kept of it changed."""
    with space.lock:
        columns, length = snapshot.columns, snapshot.length
        answers = RecordedAnswers(space.repo, columns)
        sending = columns.sending(form, length, answers)
        if space.compiler.verifies:
            fresh = Sendings(answers).to(form, columns.messages.afresh(), length)
            if fresh.request() != sending.request():
                raise TractError(f"verify_cache: what is sent to {form.target} was changed since it was rendered")
        return rendered_for(form, sending, cache)


def check_request(rendered: Rendered, target: Target, warnings: Sequence[CompileWarning], length: int) -> None:
    """ContentValidationError where ``strict`` refuses one of *warnings*, and where nothing of *length* messages is sent."""
    refused = next(filter(is_refused, warnings), None)
    if refused is not None:
        raise ContentValidationError(f"the context is not whole: {refused}")
    refuse_nothing(rendered, target, length)


def all_warnings(sent: Sent, rules: int) -> tuple[CompileWarning, ...]:
    """What is to be said of the requests for all providers, each with those that it concerns."""
    return united(warning for target in TARGETS for warning in sent(checked_form(target, rules=rules), None).warnings)


def common_warnings(sent: Sent, rules: int) -> tuple[CompileWarning, ...]:
    """What is to be said whoever is sent it."""
    if not sent(checked_form(TARGETS[0], rules=rules), None).warnings:
        return ()
    return tuple(warning for warning in all_warnings(sent, rules) if len(warning.formats) == len(TARGETS))


class RecordedAnswers:
    """What the commits of a snapshot's messages say of the answers these were part of: a commit's parent is what came before it.

    Where a commit is not here any more, nothing is known of its message.
    """

    def __init__(self, repo: Repository, columns: Columns) -> None:
        self._repo = repo
        self._columns = columns

    def follows(self, row: int, reasoning: int) -> bool:
        """Whether item *row* was recorded directly behind the reasoning item *reasoning*."""
        commits = self._columns.commits
        before = self._before(commits[row])
        return before is None or before == commits[reasoning]

    def reasoning_of(self, row: int) -> int | None:
        """The reasoning item before item *row* in the answer that it was recorded in: its row, -1 where it is not in the context; None for none."""
        at = self._before(self._columns.commits[row])
        for _ in range(_FURTHEST):
            message = None if at is None else self._message(at)
            if at is None or message is None or message.format != "responses" or not is_answer(message):
                return None
            if is_reasoning(message):
                place = self._columns.place(at)
                return -1 if place is None else place
            at = self._before(at)
        return None

    def _before(self, commit: ObjectId) -> ObjectId | None:
        """The message that was committed before; None where that is not known."""
        try:
            for _ in range(_FURTHEST):
                parents = self._repo.commit(commit).parents
                if not parents:
                    return None
                commit = parents[0]
                operation = self._repo.commit(commit).operation
                if operation is CommitOperation.APPEND:
                    return commit
                if operation not in _ADD_NOTHING:
                    return None
        except TractError:
            pass  # it is not here any more
        return None

    def _message(self, commit: ObjectId) -> Message | None:
        try:
            content = self._repo.commit(commit).content
            return None if content is None else message_in(self._repo.blob(content))
        except TractError:
            return None
