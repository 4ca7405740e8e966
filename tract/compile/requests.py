"""The requests in which a snapshot can be sent, and their warnings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from tract.compile.recorded_answers import RecordedAnswers
from tract.compile.snapshot import Snapshot
from tract.compile.workspace import Workspace
from tract.errors import ContentValidationError, TractError
from tract.messages import CacheMode, Rendered
from tract.messages.form import Form, checked_form
from tract.messages.message import CompileWarning
from tract.messages.sent_history import Sendings, refuse_nothing
from tract.messages.sentences import is_refused, united
from tract.messages.to_provider import rendered_for, target_format
from tract.messages.tool_names import TARGETS, Target

__all__ = [
    "all_warnings",
    "check_request",
    "checked_form",
    "common_warnings",
    "is_refused",
    "request_for",
    "target_format",
]

Sent: TypeAlias = Callable[[Form, CacheMode], Rendered]
"""Returns the request in a given form."""


def request_for(space: Workspace, snapshot: Snapshot, form: Form, cache: CacheMode) -> Rendered:
    """The request for a provider; TractError if ``verify_cache`` finds that its cached part was changed."""
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
    """Raise ContentValidationError if ``strict`` refuses one of *warnings*, or if none of *length* messages is sent."""
    refused = next(filter(is_refused, warnings), None)
    if refused is not None:
        raise ContentValidationError(f"the context is not complete: {refused}")
    refuse_nothing(rendered, target, length)


def all_warnings(sent: Sent, rules: int) -> tuple[CompileWarning, ...]:
    """The warnings for the requests to all providers, each with the providers it concerns."""
    return united(warning for target in TARGETS for warning in sent(checked_form(target, rules=rules), None).warnings)


def common_warnings(sent: Sent, rules: int) -> tuple[CompileWarning, ...]:
    """The warnings that hold for every provider."""
    if not sent(checked_form(TARGETS[0], rules=rules), None).warnings:
        return ()
    return tuple(warning for warning in all_warnings(sent, rules) if len(warning.formats) == len(TARGETS))
