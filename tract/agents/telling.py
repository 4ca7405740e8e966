"""Reports of the outcomes of policies' actions: entries of the policy log, and warnings.

The same failure is reported once, and a policy whose actions fail is not asked for a while.
"""

from __future__ import annotations

import logging
import re
import threading
from typing import Any

from tract.agents.actions import ActionResult
from tract.agents.policies import Policy, PolicySkip
from tract.agents.policy_log import Outcome, PolicyLog, PolicyLogEntry, Want, write_log_entry
from tract.agents.roster import Member
from tract.errors import TractError
from tract.history.notes import PRIORITY, note_tip
from tract.objects.id import ObjectId
from tract.repo import Repository

_MOST_HELD = 64
_NOBODY = None, None
"""A policy whose actions fail is asked again after 1, 2, 4 and so on firings; at most after this many."""

_log = logging.getLogger("tract.policies")


def state_of(repo: Repository) -> tuple[ObjectId | None, ObjectId | None]:
    """HEAD's commit, and the tip of the priority notes."""
    return repo.head()[1], note_tip(repo, PRIORITY)


def state_wanted(repo: Repository, want: Want) -> tuple[Any, ...]:
    """The branch and state of *repo*, and the action wanted of it."""
    assert want.action is not None
    return (repo.head()[0], *state_of(repo), want.action.name, repr(sorted(want.action.arguments.items(), key=str)))


class Telling:
    """The reports of one handle's firings."""

    def __init__(self) -> None:
        self.log = PolicyLog()
        self.last: list[PolicyLogEntry] = []
        """The entries of the last firing."""

        self.warnings: list[str] = []
        self.at_work: dict[str, tuple[Policy, threading.Thread]] = {}
        """Policies that did not end in time, by name; they are not asked again while their threads run."""

        self._told: dict[str, str] = {}
        self._held: dict[str, tuple[int, int]] = {}
        self._met: dict[str, Policy] = {}

    def meet(self, members: tuple[Member, ...]) -> None:
        """Register the present *members*: a policy is not held for failures of another one of its name."""
        now = {one.name: one.policy for one in members}
        for name in [name for name in self._held if now.get(name) is not self._met.get(name)]:
            del self._held[name]
            self._told.pop(name, None)
        self._met = now

    def not_held(self, members: tuple[Member, ...]) -> tuple[Member, ...]:
        """The policies of *members* to be asked this time: one that failed is held for a while."""
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
        """Report that the wanted action is done or proposed; its entry was written with it, or is written now."""
        if is_written:
            self.last += self.log.read(repo, 1)
        else:
            self._write(repo, want, "executed")
        self._told.pop(want.policy, None)
        self._held.pop(want.policy, None)

    def waits(self, repo: Repository, want: Want, result: ActionResult) -> None:
        """Report that a model's text for the action waits for a review, as *result* says."""
        self._write(repo, want, "proposed", result.text, proposal=result.proposal_id)
        self._told.pop(want.policy, None)

    def failed(self, repo: Repository, want: Want, error: str | PolicySkip) -> None:
        """Report a failure, once as long as it is the same; the policy is held for a while."""
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
            self._write(repo, want, "skipped", text)
            return
        self._write(repo, want, "error", error=text)
        self.warnings.append(f"policy '{want.policy}': {text}")

    def _write(self, repo: Repository, want: Want, outcome: Outcome, reason: str = "", **told: str | None) -> None:
        try:
            write_log_entry(repo, want, outcome, reason, **told)
        except TractError as exc:
            self.warnings.append(f"the policy log cannot be written: {exc}")
            _log.warning("policy %s: the log cannot be written: %s", want.policy, exc)
            return
        self.last += self.log.read(repo, 1)
