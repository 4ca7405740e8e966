"""What makes no sense is refused with an error of tract's that says what was given, and nothing is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.making import make_tract
from tract import (
    Action,
    ArchivePolicy,
    BranchPolicy,
    CompressPolicy,
    GCPolicy,
    PinPolicy,
    ToolExecutor,
    Tract,
    operations,
    register_policy_class,
)
from tract.errors import ActionError, PolicyConfigError, ProposalError, TractError

TAG: Any = Action("tag", {"name": "x"})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda t: t.configure_policies(background="x"),
            PolicyConfigError,
            "background must be True or False, not 'x'",
        ),
        (lambda t: t.configure_policies(required=1), PolicyConfigError, "required must be True or False, not 1"),
        (lambda t: t.configure_policies(autonomy=3), PolicyConfigError, "autonomy must be manual, collaborative or"),
        (lambda t: t.configure_policies(cooldown_seconds="x"), PolicyConfigError, "cooldown_seconds must be a number"),
        (lambda t: t.configure_policies(max_seconds=0), PolicyConfigError, "max_seconds must be a number of seconds"),
        (lambda t: t.configure_policies(on_proposal="x"), PolicyConfigError, "on_proposal must be callable, not str"),
        (lambda t: t.configure_policies("CompressPolicy"), PolicyConfigError, "a policy needs a name"),
        (lambda t: t.register_policy(None), PolicyConfigError, "a policy needs a name"),
        (lambda t: t.configure_policies([PinPolicy]), PolicyConfigError, "an object of its class: PinPolicy()"),
        (lambda t: t.unregister_policy([]), PolicyConfigError, "there is no policy named"),
        (lambda t: t.policy_log(limit="x"), PolicyConfigError, "limit must be a number of entries, not 'x'"),
        (lambda t: t.test_policy("x"), PolicyConfigError, "a policy needs a name"),
        (lambda t: t.test_policy(PinPolicy(), since="nowhere"), TractError, "nowhere"),
        (lambda t: t.proposals(3), ProposalError, "unknown status 3"),
        (lambda t: t.propose("x"), ActionError, "it gave a str, not an Action"),
        (lambda t: t.propose(Action("tag", 3)), ActionError, "are a int, not a map"),
        (lambda t: t.propose(Action("commit", {"content": object()})), ActionError, "are not JSON"),
        (lambda t: t.propose(Action("tag", {"name": "x"}, autonomy="x")), ActionError, "unknown autonomy 'x'"),
        (lambda t: t.propose(TAG, origin=3), ProposalError, "origin of a proposal must be text, not 3"),
        (lambda t: t.propose(TAG, reasoning=3), ProposalError, "reasoning of a proposal must be text, not 3"),
        (lambda t: t.propose(TAG, alternatives=3), ProposalError, "alternatives of a proposal must be text, not 3"),
        (lambda t: t.propose(TAG, expires_in=3), ProposalError, "expires_in must be a timedelta, not 3"),
        (lambda t: t.approve_proposal(3), ProposalError, "a proposal is named by its id, not 3"),
        (lambda t: t.approve_proposal(reason=3), ProposalError, "a reason is a text, not 3"),
        (lambda t: t.reject_proposal(reason=3), ProposalError, "a reason is a text, not 3"),
        (lambda t: t.as_tools(overrides=3), ActionError, "overrides must be a map"),
        (lambda t: t.as_tools(overrides={"log": 3}), ActionError, "the description of 'log' must be text"),
        (lambda t: t.as_tools(format="x"), ActionError, "unknown tool format 'x'"),
        (lambda t: ToolExecutor(t, profile=3), ActionError, "unknown profile 3"),  # type: ignore[arg-type]
        (lambda t: ToolExecutor(t, autonomy="x"), ActionError, "unknown autonomy 'x'"),  # type: ignore[arg-type]
        (lambda _: operations("x"), ActionError, "unknown profile 'x'"),  # type: ignore[arg-type]
        (lambda _: register_policy_class("X", 3), PolicyConfigError, "int is not a class"),  # type: ignore[arg-type]
    ],
)
def test_of_a_method(call: Callable[[Any], object], error: type[TractError], message: str) -> None:
    t: Tract = make_tract("a")
    before = [reason for _, reason in ((id, op.reason) for id, op in t.repository.refs.history())]

    with pytest.raises(error, match=message):
        call(t)

    assert [op.reason for _, op in t.repository.refs.history()] == before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CompressPolicy("x"), "threshold must be a share of the budget"),
        (lambda: CompressPolicy(float("nan")), "threshold must be a share of the budget"),
        (lambda: CompressPolicy(summary=3), "the summary must be a text that is not empty, not 3"),
        (lambda: PinPolicy(3), "unknown kind of message 3"),
        (lambda: PinPolicy(patterns=3), "a pattern is a map of some of role, tool, text, metadata, not 3"),
        (lambda: PinPolicy(patterns={"text": "x"}), "patterns must be a list of them"),
        (lambda: ArchivePolicy(float("nan")), "stale_days must be a number of days, not nan"),
        (lambda: ArchivePolicy(timedelta(days=1)), "stale_days must be a number of days"),
        (lambda: ArchivePolicy(prefix=3), "prefix must be 'archive/'"),
        (lambda: BranchPolicy(prefix=3), "prefix must be a text that ends in a slash, not 3"),
        (lambda: BranchPolicy(prefix=""), "prefix must be a text that ends in a slash"),
        (lambda: GCPolicy(float("nan")), "after must be 'compress' or a timedelta"),
        (lambda: GCPolicy(min_garbage=[]), "min_garbage"),
    ],
)
def test_of_a_policy(make: Callable[[], object], message: str) -> None:
    with pytest.raises(PolicyConfigError, match=message):
        make()
