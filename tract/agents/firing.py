"""Firing: policies are asked in order, and each action they want is run, proposed, or logged with the reason against it.

    for each policy, the lowest priority first:
        evaluate ──▸ Action ──▸ act ──▸ executed, and it is asked again
                                   └──▸ proposed
                 ──▸ None
                 ──▸ an exception ──▸ error: a warning, an entry of the log, and the commit stands

A firing never begins inside another. Its records land with its actions.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from operator import attrgetter
from typing import Any, Protocol

from tract.agents.acting import Acted, Rider, act, branch_commit
from tract.agents.actions import Action, Autonomy
from tract.agents.asking import Asking, Watch, needs_model, only_looking, runs_apart, told
from tract.agents.limits import OverTimeError, run_within
from tract.agents.policies import PolicySkip
from tract.agents.policy_log import Outcome, Trigger, Want, add_log_entry, write_log_entry
from tract.agents.policy_settings import AgentSettings
from tract.agents.proposals import OnProposal, Proposal, ProposalTable, Wish
from tract.agents.rest import Rest
from tract.agents.roster import Member, Roster, read_looks, save_looks
from tract.agents.stale import tell_stale
from tract.agents.standing import is_standing
from tract.agents.target import TractLike
from tract.agents.telling import Telling, state_of, state_wanted
from tract.errors import PolicyExecutionError
from tract.events import began, emit
from tract.history.times import moment
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import RefValue
from tract.refs.names import HEADS
from tract.repo import Repository
from tract.transaction import Transaction, is_idle

MOST_ACTIONS = 100
"""The most actions of one policy in one firing."""

_MOST_ROUNDS = 3


class PolicyTarget(TractLike, Protocol):
    """The tract that policies look at: besides what operations need, it has its user's part: autonomy, callback, model."""

    @property
    def has_model(self) -> bool: ...
    def autonomy_in_force(self) -> Autonomy: ...
    def decide_proposal(self, proposal: Proposal, callback: OnProposal) -> object: ...
    def run_apart(self, job: Callable[[PolicyTarget], None]) -> bool: ...
    def only_looking(self, watch: Callable[[Transaction], None]) -> TractLike: ...


class PolicyEngine:
    """The working policies of one handle."""

    def __init__(self) -> None:
        self.roster = Roster()
        self.proposals = ProposalTable()
        self.on_proposal: OnProposal | None = None
        self.looks: dict[str, ObjectId] = {}
        """For each policy: the commit about which it was asked last."""

        self._read: dict[str, ObjectId] = {}
        """The same, as an earlier handle stored it."""

        self._others: tuple[tuple[str, RefValue], ...] = ()
        """The tips of the other branches before the last compile."""

        self._looks_before = dict(self.looks)
        self.rest = Rest()
        self.telling = Telling()
        self._asking = Asking()
        self._watch = Watch()
        self._asked_at: tuple[ObjectId | None, ObjectId | None] = None, None
        self._busy = threading.Lock()
        self._again = False
        self._handled: dict[str, tuple[Any, ...]] = {}

    def load(self, repo: Repository) -> AgentSettings:
        """Load the policies as stored, and warn about those that cannot be made here."""
        settings = self.roster.load(repo)
        self.rest.end()
        self.telling.meet(self.roster.members)
        self.telling.warnings += [] if self.roster.is_foreign else list(self.roster.problems.values())
        return settings

    @property
    def is_quiet(self) -> bool:
        """Whether there is no policy to ask, and no warning."""
        return self.roster.is_off and not self.telling.warnings

    @property
    def before(self) -> ObjectId | None:
        """The commit about which the policy being asked was asked last; None if it never was."""
        return self._asking.before

    def take_warnings(self) -> list[str]:
        """The new warnings, each once; they are not returned again."""
        if not self.telling.warnings:
            return []
        told, self.telling.warnings = self.telling.warnings, []
        return list(dict.fromkeys(told))

    def take_over(self, other: PolicyEngine) -> None:
        """Take the callback of *other*, and the policies given to it."""
        self.on_proposal = other.on_proposal
        self.roster.take_over(other.roster)

    def read_look(self, repo: Repository) -> None:
        """Read about which commits an earlier handle asked."""
        self._read = read_looks(repo)
        self.looks.update(self._read)

    def save_look(self, repo: Repository) -> None:
        """Store about which commits the policies were asked, for the next handle."""
        save_looks(repo, self.looks, self._read, self.roster.tip)

    def fire(self, tract: PolicyTarget, trigger: Trigger) -> None:
        """Ask the policies of *trigger*; before a compile, also the commit policies not yet asked about the present context."""
        if not self._busy.acquire(blocking=False):
            self._again = True  # the firing under way makes one more round
            return
        since = began()
        try:
            self.telling.last = []
            for _ in range(_MOST_ROUNDS):
                self._again = False
                tip = _fires_at(tract.repository)
                if tip is None:
                    return
                self._round(tract, trigger, tip)
                if not self._again:
                    return
        finally:
            self._busy.release()
            if self.telling.last:
                counts = dict(Counter[str](one.outcome for one in self.telling.last))
                names = sorted({one.policy for one in self.telling.last})
                emit("firing", tract.repository.place, since, trigger=trigger, policies=names, **counts)

    def _round(self, tract: PolicyTarget, trigger: Trigger, tip: ObjectId) -> None:
        repo, settings = tract.repository, self.roster.now
        due = asked = self._due(repo, trigger, settings, tip)
        wanted = 0
        while asked:
            found = self._ask(tract, asked, settings.max_seconds)
            if found is None:
                break
            asked = asked[found.at :]
            wanted = wanted + 1 if found.at == 0 else 1
            want = Want(asked[0].name, trigger, found.action)
            goes_on = found.error is None and wanted <= MOST_ACTIONS and self._want(tract, want, settings)
            if found.error is not None:
                self._failed(repo, want, found.error)
            elif wanted > MOST_ACTIONS:
                self._failed(repo, want, f"it wanted more than {MOST_ACTIONS} actions in one firing")
            if not goes_on:
                asked, wanted = asked[1:], 0
        if trigger == "commit" and asked is due and self.roster.may_rest:
            self.rest.begin(repo, tip, self.roster.at["commit"], self._asking.calms)

    def _failed(self, repo: Repository, want: Want, error: str | PolicySkip) -> None:
        """Report that a policy could not act; the messages new to it stay new until it can."""
        self._put_off(want.policy)
        self.telling.failed(repo, want, error)

    def _due(self, repo: Repository, trigger: Trigger, settings: AgentSettings, tip: ObjectId) -> tuple[Member, ...]:
        """The policies to be asked now; the context at *tip* becomes the one they were asked about last."""
        asked = self.roster.at[trigger]
        if trigger == "commit":
            asked = self.rest.wakes(repo, tip, asked)
        else:
            others = _other_heads(repo)
            late = self.roster.at["commit"]
            if others == self._others:
                late = self.rest.wakes(repo, tip, tuple(one for one in late if self.looks.get(one.name) != tip))
            self._others = others
            asked = self.roster.in_order(late + asked)
        ready = self.telling.not_held(asked)
        if settings.cooldown_seconds:
            ready = tuple(one for one in ready if not self._is_cooling(repo, settings, one))
        self._looks_before = dict(self.looks)
        self.looks |= dict.fromkeys(map(_NAME, ready), tip)
        return ready

    def _is_cooling(self, repo: Repository, settings: AgentSettings, one: Member) -> bool:
        last = self.telling.log.last_of(repo, one.name)
        if last is None or last.outcome not in ("executed", "proposed"):
            return False
        return moment(repo.clock()) - last.created_at < timedelta(seconds=settings.cooldown_seconds)

    # Asking

    def _ask(self, tract: PolicyTarget, asked: Sequence[Member], seconds: float) -> _Found | None:
        """The first of *asked* that wants an action or fails, with its action or error; None if there is none."""
        repo = tract.repository
        state = self._asking = self._watch.asking = Asking(asked, self._looks_before)
        self._asked_at = state_of(repo)
        are_own = all(map(_IS_OWN, asked))
        watched = tract if are_own else tract.only_looking(self._watch)

        def job() -> Any:
            return only_looking(repo, state, lambda: state.ask_each(tract, watched))

        try:
            value = job() if are_own else run_within(seconds, job)
        except OverTimeError as exc:
            state.is_over = True
            self.telling.at_work[asked[state.at].name] = asked[state.at].policy, exc.thread
            self._watch = Watch()  # attempts of the late thread stay with its own watch
            return _Found(state.at, None, str(exc))
        except PolicySkip as exc:
            return _Found(state.at, None, exc)
        except Exception as exc:  # noqa: BLE001  # a policy's error is reported, and does no harm
            return _Found(state.at, None, state.changed or told(exc))
        if state.changed is not None:
            return _Found(state.at, None, state.changed)
        return None if value is None else _Found(state.at, value, None)

    # Acting

    def _want(self, tract: PolicyTarget, want: Want, settings: AgentSettings) -> bool:
        """Run or propose the action that a policy wants; return whether to ask the policy again."""
        action, repo = want.action, tract.repository
        assert action is not None
        wish = state_wanted(repo, want)
        if self._handled.get(want.policy) == wish:
            return False  # not twice for one state
        self._handled[want.policy] = wish
        is_free = tract.autonomy_in_force() == "autonomous" and action.autonomy in (None, "autonomous")
        if is_free and runs_apart(action, settings):
            if not tract.run_apart(lambda other: _act_apart(other, want)):
                self._put_off(want.policy)
            return False
        if is_free and needs_model(action) and want.trigger == "commit":
            self._put_off(want.policy)  # a model is never waited for inside a commit: the next compile asks
            return False
        if is_standing(tract, self.proposals, want.policy, action):
            return False
        return self._act(tract, want, settings)

    def _put_off(self, name: str) -> None:
        """Ask the policy *name* again at the next firing, even if nothing changes."""
        self._ask_again(name)
        self._handled.pop(name, None)

    def _ask_again(self, name: str) -> None:
        """Treat the policy *name* as not asked this time."""
        before = self._looks_before.get(name)
        if before is None:
            self.looks.pop(name, None)
        else:
            self.looks[name] = before

    def _act(self, tract: PolicyTarget, want: Want, settings: AgentSettings) -> bool:
        """Run or propose the wanted action; return whether to ask the policy again."""
        action, repo = want.action, tract.repository
        assert action is not None
        is_late = threading.Event()
        wish = Wish(action, want.policy, action.reason)

        def job() -> Acted:
            return act(tract, wish, tract.autonomy_in_force(), rider=_entry_of(want, is_late))

        try:
            acted = run_within(settings.max_seconds, job) if needs_model(action) else job()
        except OverTimeError as exc:
            is_late.set()
            self._failed(repo, want, str(exc))
            return False
        if acted.result.error is not None:
            # If another process was first, the policy is asked again about the new context.
            if state_of(repo) != self._asked_at:
                self.telling.failed(repo, want, PolicySkip(f"another was first: {acted.result.error}"))
                return True
            self._failed(repo, want, acted.result.error)
            return False
        if acted.proposal is None and acted.result.proposal_id is not None:
            self.telling.waits(repo, want, acted.result)
            return False
        self.telling.done(repo, want, is_written=acted.proposal is not None or acted.landed)
        self._handled[want.policy] = state_wanted(repo, want)  # or wanting the same again would never end
        if acted.proposal is None:
            tell_stale(repo, self.proposals, tract.current_branch, want.policy)
        if acted.proposal is not None and self.on_proposal is not None:
            self._decide(tract, want, acted.proposal, self.on_proposal)
        return True

    def _decide(self, tract: PolicyTarget, want: Want, proposal: Proposal, callback: OnProposal) -> None:
        """Let the callback decide; if it raises, that is reported, and the proposal waits."""
        try:
            tract.decide_proposal(proposal, callback)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001  # the user's own code
            self.telling.failed(tract.repository, want, f"on_proposal: {told(exc)}")


_NAME = attrgetter("name")
_IS_OWN = attrgetter("is_own")


class _Found(NamedTuple):
    """The place of the policy that wants an action, with the action; or that failed, with its error."""

    at: int
    action: Action | None
    error: str | PolicySkip | None


def _entry_of(want: Want, is_late: threading.Event) -> Rider:
    """Writes the log entry about *want* into the transaction that carries it out or proposes it; if it is too late, it prevents the transaction."""

    def rider(tx: Transaction, proposal: str | None) -> None:
        if is_late.is_set():
            raise PolicyExecutionError(f"policy '{want.policy}': its model answered too late")
        outcome: Outcome = "executed" if proposal is None else "proposed"
        add_log_entry(tx, want, outcome, commit=branch_commit(tx), proposal=proposal)

    return rider


def _act_apart(tract: PolicyTarget, want: Want) -> None:
    """Carry out a policy's action in a thread, on a handle of its own; a failure goes to the log."""
    assert want.action is not None
    acted = act(tract, Wish(want.action, want.policy, want.action.reason), tract.autonomy_in_force())
    result = acted.result
    outcome: Outcome = "error" if result.error is not None else "executed" if result.proposal_id is None else "proposed"
    made = result.commit_hash
    write_log_entry(tract.repository, want, outcome, error=result.error, commit=made, proposal=result.proposal_id)


def _other_heads(repo: Repository) -> tuple[tuple[str, RefValue], ...]:
    """The branches other than HEAD's, and their tips."""
    own = repo.head()[0]
    return tuple(one for one in repo.local_refs(HEADS) if one[0] != own)


def _fires_at(repo: Repository) -> ObjectId | None:
    """HEAD's commit; None if HEAD is on no branch, a command is under way, or the store is read-only."""
    branch, tip = repo.head()
    return None if branch is None or repo.read_only or not is_idle(repo) else tip
