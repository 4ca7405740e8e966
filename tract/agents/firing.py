"""Firing: policies are asked in order, and what they want is run, proposed, or told why not.

    for each policy, the lowest priority first:
        evaluate ──▸ Action ──▸ act ──▸ executed, and it is asked again
                                   └──▸ proposed
                 ──▸ None
                 ──▸ an exception ──▸ error: a warning, an entry of the log, and the commit stands

A firing never begins inside another. What it writes about itself lands with what it does.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

from blake3 import blake3

from tract.agents.acting import Acted, Wish, act, pinned_down
from tract.agents.actions import Action, Autonomy
from tract.agents.asking import Asking, ask_one, needs_model, only_looking, runs_apart, told, wrong_with
from tract.agents.limits import OverTimeError, run_within
from tract.agents.policies import Policy, PolicySkip, build_policy, is_builtin
from tract.agents.policy_log import NewLogEntry, Outcome, PolicyLog, PolicyLogEntry, Trigger, add_log_entry
from tract.agents.preview import concerned
from tract.agents.proposals import OnProposal, Proposal, ProposalTable, Verdict, decide, first_difference
from tract.agents.settings import AgentSettings, PolicySetting, SettingsTable, is_foreign
from tract.agents.target import TractLike
from tract.errors import PolicyConfigError, PolicyExecutionError, TractError
from tract.history.notes import POLICIES, PRIORITY, note_tip
from tract.history.times import moment
from tract.objects.id import ObjectId, parse_id
from tract.objects.model import RefValue
from tract.refs.names import HEADS
from tract.repo import Repository
from tract.storage import files
from tract.transaction import Transaction, is_idle, transaction

MOST_ACTIONS = 100
"""The most actions of one policy in one firing."""

_MOST_ROUNDS = 3
_LONGEST_LOOK = 200
_MOST_HELD = 64
"""A policy whose actions fail is asked again after 1, 2, 4 and so on firings, and at most so many."""

_log = logging.getLogger("tract.policies")


class Target(TractLike, Protocol):
    """The tract that policies look at: beside what operations need, who answers for it."""

    @property
    def has_model(self) -> bool: ...
    def autonomy_in_force(self) -> Autonomy: ...
    def decide_proposal(self, proposal: Proposal, callback: OnProposal) -> object: ...
    def run_apart(self, job: Callable[[Target], None]) -> None: ...


class PolicyEngine:
    """The policies of one handle: made from what the store says, with what this process gave it."""

    def __init__(self) -> None:
        self.settings = SettingsTable()
        self.log = PolicyLog()
        self.proposals = ProposalTable()
        self.on_proposal: OnProposal | None = None
        self._known: dict[str, tuple[PolicySetting, Policy]] = {}
        """The policies by name, each with what the store says of it; those that were given to this handle are the objects themselves."""

        self.policies: tuple[Policy, ...] = ()
        self.problems: dict[str, str] = {}
        self.tip: ObjectId | None = None
        self.is_off = True
        self.required: str | None = None
        """Why nothing may be committed: a required policy is missing."""

        self.looked_at: ObjectId | None = None
        """The commit about which all policies were asked last."""

        self._others: tuple[tuple[str, RefValue], ...] = ()
        """Where the other branches were before the last compile."""

        self.before: ObjectId | None = None
        """The same before the firing under way."""

        self.last: list[PolicyLogEntry] = []
        self.warnings: list[str] = []
        self._busy = threading.Lock()
        self._again = False
        self._handled: dict[str, tuple[Any, ...]] = {}
        self._told: dict[str, str] = {}
        self._held: dict[str, tuple[int, int]] = {}

    def load(self, repo: Repository) -> AgentSettings:
        """Be as the store says now; policies that did not change stay the objects that they are."""
        settings = self.settings.read(repo)
        self.tip = note_tip(repo, POLICIES)
        made: list[Policy] = []
        self.problems = {}
        known, self._known = self._known, {}
        for one in settings.policies:
            try:
                policy = known[one.name][1] if one.name in known and known[one.name][0] == one else build_policy(one)
            except PolicyConfigError as exc:
                self.problems[one.name] = str(exc)
                continue
            self._known[one.name] = one, policy
            made.append(policy)
        order = {one.name: at for at, one in enumerate(settings.policies)}
        self.policies = tuple(sorted(made, key=lambda policy: (policy.priority, order[policy.name])))
        foreign = is_foreign(repo, settings)
        self.is_off = foreign or settings.is_paused or not self.policies
        self.required = next(iter(self.problems.values()), None) if settings.required and not foreign else None
        self.warnings += [] if foreign else list(self.problems.values())
        return settings

    def give(self, setting: PolicySetting, policy: Policy) -> None:
        """Let *policy* be what *setting* means in this handle."""
        self._known[setting.name] = setting, policy

    def take_over(self, other: PolicyEngine) -> None:
        """Know the callback of *other*, and the policies of a user's that were given to it; tract's own remember a context each."""
        self.on_proposal = other.on_proposal
        self._known = {name: pair for name, pair in other._known.items() if not is_builtin(pair[1])}

    def read_look(self, repo: Repository) -> None:
        """Know at which commit a handle before this one asked, as long as the settings are those of then."""
        path = _look_path(repo)
        if path is None:
            return
        with suppress(OSError, ValueError):  # without it, policies see the whole context as new
            look, settings = files.read_file(path, _LONGEST_LOOK).decode().split()
            if settings == (note_tip(repo, POLICIES) or b"").hex():
                self.looked_at = parse_id(look)

    def save_look(self, repo: Repository) -> None:
        """Keep the commit about which all were asked, for the next handle."""
        path = _look_path(repo)
        if path is None or repo.read_only or self.looked_at is None or self.tip is None:
            return
        with suppress(OSError, TractError):
            files.write_file(path, f"{self.looked_at.hex()} {self.tip.hex()}\n".encode(), sync=False)

    def fire(self, tract: Target, trigger: Trigger) -> None:
        """Ask the policies of *trigger*, and before a compile those of commits that were not asked yet about what is there."""
        if not self._busy.acquire(blocking=False):
            self._again = True  # who fires looks once more
            return
        try:
            self.last = []
            for _ in range(_MOST_ROUNDS):
                self._again = False
                if not _can_fire(tract.repository):
                    return
                self._round(tract, trigger)
                if not self._again:
                    return
        finally:
            self._busy.release()

    def _round(self, tract: Target, trigger: Trigger) -> None:
        repo = tract.repository
        asked = [policy for policy in self.policies if policy.trigger == trigger]
        others = _other_heads(repo) if trigger == "compile" else self._others
        if trigger == "compile" and (_tip(repo) != self.looked_at or others != self._others):
            late = [policy for policy in self.policies if policy.trigger == "commit"]
            asked = sorted([*late, *asked], key=lambda policy: policy.priority)
        self._others = others
        settings = self.settings.read(repo)
        ready = [one for one in asked if not self._is_held(one) and not self._is_cooling(repo, settings, one)]
        self.before = self.looked_at
        if ready == asked:
            self.looked_at = _tip(repo)
        asked = ready
        wanted = 0
        while asked:
            found = self._ask(tract, asked, settings.max_seconds)
            if found is None:
                return
            at, value, error = found
            policy, asked = asked[at], asked[at:]
            wanted = wanted + 1 if at == 0 else 1
            goes_on = error is None and wanted <= MOST_ACTIONS and self._want(tract, policy, trigger, value, settings)
            if error is not None:
                self._failed(tract, policy, trigger, None, error)
            elif wanted > MOST_ACTIONS:
                self._failed(tract, policy, trigger, value, f"it wanted more than {MOST_ACTIONS} actions in one firing")
            if not goes_on:
                asked, wanted = asked[1:], 0

    # Asking

    def _ask(
        self, tract: Target, asked: Sequence[Policy], seconds: float
    ) -> tuple[int, Action | None, str | PolicySkip | None] | None:
        """The first of *asked* that wants something, or fails, with its action or error; None where none does."""
        state = Asking()

        def job() -> Any:
            with only_looking(tract.repository, state):
                for at, policy in enumerate(asked):
                    state.at, state.name = at, policy.name
                    wanted = ask_one(policy, tract)
                    if wanted is not None:
                        return wanted
            return None

        try:
            value = job() if all(map(is_builtin, asked)) else run_within(seconds, job)
        except OverTimeError as exc:
            return state.at, None, str(exc)
        except PolicySkip as exc:
            return state.at, None, exc
        except Exception as exc:  # noqa: BLE001  # a policy's error is told, and harms nobody
            return state.at, None, str(exc) if isinstance(exc, TractError) else told(exc)
        if value is None:
            return None
        wrong = wrong_with(value)
        return (state.at, value, None) if wrong is None else (state.at, None, wrong)

    def _is_held(self, policy: Policy) -> bool:
        left, size = self._held.get(policy.name, (0, 0))
        if left > 0:
            self._held[policy.name] = left - 1, size
        return left > 0

    def _is_cooling(self, repo: Repository, settings: AgentSettings, policy: Policy) -> bool:
        if not settings.cooldown_seconds:
            return False
        last = self.log.last_of(repo, policy.name)
        if last is None or last.outcome not in ("executed", "proposed"):
            return False
        return moment(repo.clock()) - last.created_at < timedelta(seconds=settings.cooldown_seconds)

    # Acting

    def _want(
        self, tract: Target, policy: Policy, trigger: Trigger, action: Action | None, settings: AgentSettings
    ) -> bool:
        """Do what *policy* wants, or propose it; whether it is to be asked again."""
        assert action is not None
        repo = tract.repository
        state = _state(repo)
        wish = (*state, action.name, repr(sorted(action.arguments.items(), key=str)))
        if self._handled.get(policy.name) == wish:
            return False  # never twice for one state
        self._handled[policy.name] = wish
        if runs_apart(action, settings) and not self._is_proposed(tract, action):
            tract.run_apart(lambda other: self._act_apart(other, policy, trigger, action))
            return False
        if needs_model(action) and trigger == "commit" and not self._is_proposed(tract, action):
            self.looked_at = self.before  # a model is never waited for inside a commit: the next compile asks again
            self._handled.pop(policy.name)
            return False
        if self._was_proposed(tract, policy, action):
            return False
        reason = action.reason

        is_late = threading.Event()

        def rider(tx: Transaction, proposal: str | None) -> None:
            if is_late.is_set():
                raise PolicyExecutionError(f"policy '{policy.name}': its model answered too late")
            outcome: Outcome = "executed" if proposal is None else "proposed"
            made = next((e.new.hex() for e in tx.edits if isinstance(e.new, bytes) and "refs/heads/" in e.name), None)
            new = NewLogEntry(
                policy=policy.name,
                trigger=trigger,
                action=action,
                outcome=outcome,
                reason=reason,
                commit=made,
                proposal=proposal,
            )
            add_log_entry(tx, new)

        def job() -> Acted:
            return act(tract, Wish(action, policy.name, reason), tract.autonomy_in_force(), rider=rider)

        try:
            acted = run_within(settings.max_seconds, job) if needs_model(action) else job()
        except OverTimeError as exc:
            is_late.set()
            self._failed(tract, policy, trigger, action, str(exc))
            return False
        if acted.result.error is not None:
            self._failed(tract, policy, trigger, action, acted.result.error)
            return False
        if acted.proposal is None and not acted.landed:
            new = NewLogEntry(policy=policy.name, trigger=trigger, action=action, outcome="executed", reason=reason)
            self._write(repo, new)
        self._told.pop(policy.name, None)
        self._held.pop(policy.name, None)
        self._remember(repo)
        if acted.proposal is not None:
            self._told_of(tract, policy, trigger, acted.proposal)
        return True

    def _act_apart(self, tract: Target, policy: Policy, trigger: Trigger, action: Action) -> None:
        """Do what *policy* wants in a thread, on a handle of its own; what fails is in the log."""
        acted = act(tract, Wish(action, policy.name, action.reason), tract.autonomy_in_force())
        error = acted.result.error
        new = NewLogEntry(
            policy=policy.name,
            trigger=trigger,
            action=action,
            outcome="executed" if error is None else "error",
            reason=action.reason,
            error=error,
            commit=acted.result.commit_hash,
        )
        with transaction(tract.repository, f"policy: {policy.name} {new.outcome}", moves="refs") as tx:
            add_log_entry(tx, new)

    def _is_proposed(self, tract: Target, action: Action) -> bool:
        """Whether *action*, which is of high risk, would wait for approval."""
        return "autonomous" not in (tract.autonomy_in_force(),) or action.autonomy not in (None, "autonomous")

    def _told_of(self, tract: Target, policy: Policy, trigger: Trigger, proposal: Proposal) -> None:
        """Let the callback decide; what it raises is told, and the proposal waits."""
        if self.on_proposal is None:
            return
        try:
            tract.decide_proposal(proposal, self.on_proposal)
        except Exception as exc:  # noqa: BLE001  # the user's own code
            self._failed(tract, policy, trigger, proposal.action, f"on_proposal: {told(exc)}")

    def _was_proposed(self, tract: Target, policy: Policy, action: Action) -> bool:
        """Whether this policy's proposal of the same waits already, or was rejected; one that is stale is told so first."""
        repo = tract.repository
        known = [
            one
            for one in self.proposals.read(repo).values()
            if one.origin == policy.name and one.action.name == action.name and one.status in ("pending", "rejected")
        ]
        if not known:
            return False
        try:
            settled = pinned_down(tract, action)
            about = set(concerned(settled))
        except TractError:
            return False  # what is wrong with it is told when it is tried
        for one in known:
            was = {subject.commit for subject in one.about}
            same = (
                settled.arguments == one.action.arguments if not was or not about else len(was & about) * 2 > len(about)
            )
            if not same:
                continue
            if one.status == "pending" and (problem := first_difference(repo, one)) is not None:
                decide(repo, one.id, Verdict("stale", problem, policy.name))
                continue
            return True
        return False

    # Telling

    def _failed(
        self, tract: Target, policy: Policy, trigger: Trigger, action: Action | None, error: str | PolicySkip
    ) -> None:
        """Tell what went wrong, once as long as it is the same; the policy is left alone for a while."""
        is_skip = isinstance(error, PolicySkip)
        text = str(error)
        if not is_skip:
            size = min(_MOST_HELD, 2 * self._held.get(policy.name, (0, 0))[1] or 1)
            self._held[policy.name] = size, size
        same = re.sub(r"[0-9a-f]*[0-9][0-9a-f]*", "#", text)  # ids and counts differ each time
        if self._told.get(policy.name) == same:
            return
        self._told[policy.name] = same
        new = NewLogEntry(
            policy=policy.name,
            trigger=trigger,
            action=action,
            outcome="skipped" if is_skip else "error",
            reason=text if is_skip else "" if action is None else action.reason,
            error=None if is_skip else text,
        )
        self._write(tract.repository, new)
        if not is_skip:
            self.warnings.append(f"policy '{policy.name}': {text}")

    def _write(self, repo: Repository, new: NewLogEntry) -> None:
        try:
            with transaction(repo, f"policy: {new.policy} {new.outcome}", moves="refs") as tx:
                add_log_entry(tx, new)
        except TractError as exc:
            self.warnings.append(f"the policy log cannot be written: {exc}")
            _log.warning("policy %s: the log cannot be written: %s", new.policy, exc)
            return
        self._remember(repo)

    def _remember(self, repo: Repository) -> None:
        self.last += self.log.read(repo, 1)


def _look_path(repo: Repository) -> str | None:
    if repo.path is None:
        return None
    name = blake3(f"{repo.prefix} {repo.branch or ''}".encode()).hexdigest()[:8]
    return os.path.join(repo.path, "cache", f"policies-{name}")


class _State(NamedTuple):
    tip: ObjectId | None
    priorities: ObjectId | None


def _state(repo: Repository) -> _State:
    return _State(_tip(repo), note_tip(repo, PRIORITY))


def _tip(repo: Repository) -> ObjectId | None:
    return repo.head()[1]


def _other_heads(repo: Repository) -> tuple[tuple[str, RefValue], ...]:
    """The branches that HEAD is not on, and where they are."""
    own = repo.head()[0]
    return tuple(one for one in repo.local_refs(HEADS) if one[0] != own)


def _can_fire(repo: Repository) -> bool:
    """Whether HEAD is on a branch with a commit, nothing is under way and the store may be written."""
    branch, tip = repo.head()
    return branch is not None and tip is not None and not repo.read_only and is_idle(repo)
