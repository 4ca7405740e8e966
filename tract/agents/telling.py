"""Telling what became of what policies wanted: entries of the policy log, and warnings.

The same failure is told once, and a policy whose actions fail is left alone for a while.
"""

from __future__ import annotations

import logging
import re
import threading
from typing import Any, NamedTuple

from tract.agents.actions import Action, ActionResult
from tract.agents.policies import Policy, PolicySkip
from tract.agents.policy_log import NewLogEntry, Outcome, PolicyLog, PolicyLogEntry, Trigger, write_log_entry
from tract.agents.roster import Member
from tract.errors import TractError
from tract.history.notes import PRIORITY, note_tip
from tract.objects.id import ObjectId
from tract.repo import Repository

_MOST_HELD = 64
_NOBODY = None, None
"""A policy whose actions fail is asked again after 1, 2, 4 and so on firings, and at most so many."""

_log = logging.getLogger("tract.policies")


class Want(NamedTuple):
    """What the policy of that name wants, and when it was asked; no *action* where it failed before it had one."""

    policy: str
    trigger: Trigger
    action: Action | None

    def of_state(self, repo: Repository) -> tuple[Any, ...]:
        """What is wanted of the state that *repo* is in."""
        assert self.action is not None
        return (*state_of(repo), self.action.name, repr(sorted(self.action.arguments.items(), key=str)))

    def entry(
        self,
        outcome: Outcome,
        reason: str = "",
        *,
        error: str | None = None,
        commit: str | None = None,
        proposal: str | None = None,
    ) -> NewLogEntry:
        """The entry of the log that says what came of it."""
        return NewLogEntry(
            policy=self.policy,
            trigger=self.trigger,
            action=self.action,
            outcome=outcome,
            reason=reason or ("" if self.action is None else self.action.reason),
            error=error,
            commit=commit,
            proposal=proposal,
        )


def state_of(repo: Repository) -> tuple[ObjectId | None, ObjectId | None]:
    """The context at HEAD, and what is said of its messages."""
    return repo.head()[1], note_tip(repo, PRIORITY)


class Telling:
    """What one handle told of its firings."""

    def __init__(self) -> None:
        self.log = PolicyLog()
        self.last: list[PolicyLogEntry] = []
        """The entries of the last firing."""

        self.warnings: list[str] = []
        self.at_work: dict[str, tuple[Policy, threading.Thread]] = {}
        """Policies that did not end in time, by name, which are not asked again as long as their threads work."""

        self._told: dict[str, str] = {}
        self._held: dict[str, tuple[int, int]] = {}
        self._met: dict[str, Policy] = {}

    def meet(self, members: tuple[Member, ...]) -> None:
        """Know that *members* are there now: none is left alone for what another one of its name did."""
        now = {one.name: one.policy for one in members}
        for name in [name for name in self._held if now.get(name) is not self._met.get(name)]:
            del self._held[name]
            self._told.pop(name, None)
        self._met = now

    def not_held(self, members: tuple[Member, ...]) -> tuple[Member, ...]:
        """Those of *members* that are asked this time: one that failed is left alone for a while."""
        if self.at_work:
            self.at_work = {
                name: (policy, thread) for name, (policy, thread) in self.at_work.items() if thread.is_alive()
            }
            members = tuple(one for one in members if self.at_work.get(one.name, _NOBODY)[0] is not one.policy)
        return tuple(one for one in members if not self._is_held(one.name)) if self._held else members

    def _is_held(self, name: str) -> bool:
        left, size = self._held.get(name, (0, 0))
        if left > 0:
            self._held[name] = left - 1, size
        return left > 0

    def done(self, repo: Repository, want: Want, *, is_written: bool) -> None:
        """Tell that what was wanted is done or proposed; the entry was written with it, or is written now."""
        if is_written:
            self.last += self.log.read(repo, 1)
        else:
            self._write(repo, want.entry("executed"))
        self._told.pop(want.policy, None)
        self._held.pop(want.policy, None)

    def waits(self, repo: Repository, want: Want, result: ActionResult) -> None:
        """Tell that what a model wrote for it waits for somebody, as *result* says."""
        self._write(repo, want.entry("proposed", result.text, proposal=result.proposal_id))
        self._told.pop(want.policy, None)

    def failed(self, repo: Repository, want: Want, error: str | PolicySkip) -> None:
        """Tell what went wrong, once as long as it is the same; the policy is left alone for a while."""
        is_skip = isinstance(error, PolicySkip)
        text = str(error)
        if not is_skip:
            size = min(_MOST_HELD, 2 * self._held.get(want.policy, (0, 0))[1] or 1)
            self._held[want.policy] = size, size
        # Ids and counts differ each time.
        same = re.sub(r"[0-9a-f]*[0-9][0-9a-f]*", "#", text).replace("messages", "message")
        if self._told.get(want.policy) == same:
            return
        self._told[want.policy] = same
        if is_skip:
            self._write(repo, want.entry("skipped", text))
            return
        self._write(repo, want.entry("error", error=text))
        self.warnings.append(f"policy '{want.policy}': {text}")

    def _write(self, repo: Repository, new: NewLogEntry) -> None:
        try:
            write_log_entry(repo, new)
        except TractError as exc:
            self.warnings.append(f"the policy log cannot be written: {exc}")
            _log.warning("policy %s: the log cannot be written: %s", new.policy, exc)
            return
        self.last += self.log.read(repo, 1)
