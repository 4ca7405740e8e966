"""Policies: kept in the store, run after a commit and before a compile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self, cast

from tract.api.acting import Acting
from tract.api.handle import _Access
from tract.dataclass import replace
from tract.errors import PolicyConfigError, PolicyWarning
from tract.history.branch import on_branch
from tract.opening import open_repository
from tract.refs.names import HEADS
from tract.refs.store import ANY

# Most programs run without these, and to load them takes longer than many a command.
if TYPE_CHECKING:
    from tract.agents.actions import Autonomy
    from tract.agents.firing import PolicyEngine, PolicyTarget
    from tract.agents.policies import Policy, PolicyInfo
    from tract.agents.policy_log import PolicyLogEntry, Trigger
    from tract.agents.policy_settings import AgentSettings, PolicySetting
    from tract.agents.proposals import OnProposal, Proposal
    from tract.curation.listing import MessageInfo
    from tract.objects.id import ObjectId
    from tract.repo import Repository
    from tract.revision import Revision
    from tract.transaction import Transaction

_FIRING: ContextVar[bool] = ContextVar("tract firing", default=False)
"""Whether this is inside a firing, in which no other begins."""


class Policing(Acting):
    """The methods of a tract that set its policies, and say what they did."""

    _engine: PolicyEngine | None = None
    _apart: threading.Thread | None = None
    _new: tuple[tuple[object, ...], list[MessageInfo]] | None = None
    """The messages new for a policy, with the commit since when and the state."""

    _used: tuple[tuple[ObjectId | None, int], int] | None = None
    """The tokens of the context by the budget's check, and the state then."""

    _watched: Self | None = None
    """This handle in the form that policies get."""

    def configure_policies(
        self,
        policies: Iterable[Policy] | None = None,
        *,
        autonomy: Autonomy | None = None,
        on_proposal: OnProposal | None = None,
        cooldown_seconds: float | None = None,
        background: bool | None = None,
        required: bool | None = None,
        max_seconds: float | None = None,
    ) -> None:
        """Set the policies of the tract, and how they act; None leaves a setting as it is.

        All settings but *on_proposal* are kept in the store, and hold in every process. *on_proposal* is called by this handle for each proposal of a policy or of the orchestrator.
        *autonomy*: ``manual`` proposes every action, ``collaborative`` only those of high risk, ``autonomous`` none.
        *cooldown_seconds* is how long a policy pauses after it did something; *max_seconds* is how long an ``evaluate`` or a model may take.
        *background* runs work that needs a model in a thread instead of in the next ``compile``. *required* refuses every commit and compile in a process that does not know the class of a policy.
        PolicyConfigError for an object that is not a policy, for two policies of one name, and for a parameter that cannot be stored.
        """
        from tract.agents.policy_settings import checked_changes

        changes = checked_changes(
            autonomy=autonomy,
            cooldown_seconds=cooldown_seconds,
            max_seconds=max_seconds,
            background=background,
            required=required,
        )
        if policies is not None:
            changes["policies"] = self._given(policies)
        if on_proposal is not None:
            if not callable(on_proposal):
                raise PolicyConfigError(f"on_proposal must be callable, not {type(on_proposal).__name__}")
            self._engine_here().on_proposal = on_proposal
        if changes:
            self._change_settings(**changes)

    def _given(self, policies: Iterable[Policy]) -> tuple[PolicySetting, ...]:
        """The settings of *policies*, which this handle asks from now on."""
        from tract.agents.policies import check_names, check_policy, setting_of

        if not isinstance(policies, Iterable):
            raise PolicyConfigError(f"policies must be a list of them, not a {type(policies).__name__}")
        given = [check_policy(one) for one in policies]
        check_names(given)
        settings = tuple(setting_of(one) for one in given)
        for setting, one in zip(settings, given, strict=True):
            self._engine_here().roster.give(setting, one)
        return settings

    def register_policy(self, policy: Policy) -> None:
        """Add a policy to the tract; PolicyConfigError if it has one of that name."""
        from tract.agents.policies import check_policy, setting_of

        one = check_policy(policy)
        known = self._settings().policies
        if any(other.name == one.name for other in known):
            raise PolicyConfigError(f"there is a policy named '{one.name}' already")
        setting = setting_of(one)
        self._engine_here().roster.give(setting, one)
        self._change_settings(policies=(*known, setting))

    def unregister_policy(self, name: str) -> None:
        """Remove a policy; PolicyConfigError if none has that name."""
        known = self._settings().policies
        left = tuple(one for one in known if one.name != name)
        if len(left) == len(known):
            raise PolicyConfigError(f"there is no policy named {name!r:.60}")
        self._change_settings(policies=left)

    def policies(self) -> list[PolicyInfo]:
        """The policies of the tract in the order in which they run; if one does nothing, its ``problem`` says why."""
        from tract.agents.policy_settings import is_foreign

        with self._access() as space:
            engine = self._engine_here()
            settings = engine.load(space.repo)
            foreign = is_foreign(space.repo, settings)
        engine.take_warnings()
        return engine.roster.described(settings, foreign=foreign)

    def pause_policies(self) -> None:
        """Stop all policies, in every process, until :meth:`resume_policies`."""
        self._change_settings(is_paused=True)

    def resume_policies(self) -> None:
        """Let paused policies run again."""
        self._change_settings(is_paused=False)

    def trust_policies(self) -> None:
        """Enable policies that came with a clone or an import."""
        self._change_settings()

    def policy_log(self, *, limit: int | None = 50) -> list[PolicyLogEntry]:
        """What policies did, and how their proposals were decided; newest first."""
        from tract.agents.policy_log import PolicyLog

        with self._access() as space:
            found = PolicyLog().read(space.repo, limit)
        if all(one.proposal_id is None for one in found):
            return found
        status = {one.id: one.status for one in self.proposals("all")}
        return [replace(one, proposal_status=status.get(one.proposal_id or "")) for one in found]

    def last_firing(self) -> list[PolicyLogEntry]:
        """What policies did when this handle last ran them, in order."""
        return [] if self._engine is None else list(self._engine.telling.last)

    def new_messages(self) -> list[MessageInfo]:
        """The messages added or edited since the calling policy was last run. A policy that looks only at these costs as much as the new messages, whatever the length of the context."""
        since = None if self._engine is None else self._engine.before
        state = (since, *self._state())
        if self._new is None or self._new[0] != state:
            from tract.curation.listing import new_messages

            with _Access(self, self._check_open if _FIRING.get() else self._refresh) as space:  # a firing has looked
                self._new = (since, *self._state()), new_messages(space, since)
        return list(self._new[1])

    def test_policy(
        self, policy: Policy, *, at: Revision = "HEAD", since: Revision | None = None
    ) -> list[PolicyLogEntry]:
        """What *policy* would have done, commit by commit: at *at* alone, or after *since* up to *at*.

        Nothing is changed. A skip or pin that it wants counts as set for the later commits, so that it is not reported again.
        """
        from tract.agents.policies import check_policy
        from tract.agents.trial import try_policy

        one = check_policy(policy)
        with self._access() as space:
            return try_policy(space, one, at, since, self._trial_handle)

    # For other packages

    @property
    def has_model(self) -> bool:
        """Whether a model is configured."""
        return self._client is not None

    def token_total(self) -> int:
        """The tokens of the context at HEAD; after one more message, only that message is counted."""
        if self._used is not None and self._used[0] == self._state():
            return self._used[1]
        from tract.compile.totals import token_total

        with self._access() as space:
            return token_total(space, space.compiler.compile(space.repo.head()[1])).total

    def _state(self) -> tuple[ObjectId | None, int]:
        """The refs on which the context at HEAD, and the notes about its messages, depend."""
        return self._repo.head()[1], self._repo.refs.note_moves

    def autonomy_in_force(self) -> Autonomy:
        """The lower of the tract's autonomy and the session's."""
        from tract.agents.actions import least_autonomy
        from tract.agents.policy_settings import DEFAULT_AUTONOMY, is_foreign

        settings = self._settings()
        own = (
            least_autonomy(settings.autonomy, DEFAULT_AUTONOMY)
            if is_foreign(self._repo, settings)
            else settings.autonomy
        )
        return least_autonomy(own, getattr(self, "_autonomy", None))

    def decide_proposal(self, proposal: Proposal, callback: OnProposal) -> Proposal:
        """Ask *callback* about a proposal, and do what it decides; if it returns None, the proposal stays pending."""
        from tract.agents.proposals import check_decision

        decision = callback(proposal)
        if decision is None:
            return proposal
        check_decision(decision)
        if decision.action == "reject":
            return self.reject_proposal(proposal.id, decision.reason)
        arguments = decision.arguments if decision.action == "modify" else None
        return self.approve_proposal(proposal.id, arguments=arguments, reason=decision.reason)

    def only_looking(self, watch: Callable[[Transaction], None]) -> Self:
        """A read-only handle for a policy. It shares what this handle has read and counted, and works in any thread, now or later. *watch* is told what the policy tries to change, and may say why that is refused."""
        known = self._watched
        if known is None or known.is_closed or known._repo.riders != [watch]:
            known = object.__new__(type(self))
            known.__dict__.update(self.__dict__, _watched=None, _sync=None, _is_owner=False, _batches=set())
            known._repo = replace(self._repo, read_only=True, riders=[watch])
            known._own = self._own.on(known._repo)
            self._watched = known
        known._seen, known._client = self._seen.copy(), self._client
        return known

    def run_apart(self, job: Callable[[Any], None]) -> bool:
        """Run *job* in a thread, with a handle of its own on this branch; returns false, and runs nothing, while another job runs.

        Nothing waits for the job; an exception goes to the log ``tract.policies``.
        """
        if self._apart is not None and self._apart.is_alive():
            return False
        self._apart = threading.Thread(target=self._work_apart, args=(job,), name="tract apart", daemon=True)
        self._apart.start()
        return True

    def _work_apart(self, job: Callable[[Any], None]) -> None:
        token = _FIRING.set(True)
        try:
            with self._handle_apart() as other:
                job(other)
        except Exception:
            import logging  # where something failed, which few see

            logging.getLogger("tract.policies").exception("a background task failed")
        finally:
            _FIRING.reset(token)

    def _handle_apart(self) -> Self:
        """A handle with a store of its own if it is on disk; else one that shares this one's."""
        repo, counter = self._repo, self._own.blobs.counter
        if repo.path is None:
            other = type(self)(repo, tokenizer=counter, on_moved="append", lock=self._lock)
        else:
            name = None if repo.branch is None else repo.branch.removeprefix(HEADS)
            opened = open_repository(repo.path, tract=repo.tract, author=repo.author, create_tract=False)
            opened = opened if name is None else on_branch(opened, name)
            other = type(self)(opened, tokenizer=counter, on_moved="append")
        other._client, other._prompts = self._client, self._prompts
        return other

    def _fire(self, trigger: Trigger, content: Mapping[str, Any] | None = None) -> None:
        """Ask the policies, if there are any, and warn of failures; the caller has read other processes' changes."""
        tip = self._repo.refs.read(self._policies_ref)
        engine = self._engine
        if tip is None or _FIRING.get():
            return
        if engine is None or engine.roster.tip != tip:
            with self._access() as space:
                engine = self._engine_here()
                engine.load(space.repo)
        if engine.is_quiet or self._open_batch() is not None:
            return
        used = self._own.budget_used if trigger == "commit" else None
        if content is not None and engine.rest.goes_on(self._repo, content, used):
            return
        token = _FIRING.set(True)
        try:
            if not engine.roster.is_off:
                self._used = None if used is None else (self._state(), used)
                with self._as_itself():
                    engine.fire(cast("PolicyTarget", self), trigger)
        finally:
            _FIRING.reset(token)
        for text in engine.take_warnings():
            self._own.warn(PolicyWarning(text))

    def _check_required(self) -> None:
        """PolicyConfigError if a required policy's class is not known here."""
        tip = self._repo.refs.read(self._policies_ref)
        if tip is None or _FIRING.get():
            return
        engine = self._engine
        if engine is None or engine.roster.tip != tip:
            with self._access() as space:
                engine = self._engine_here()
                engine.load(space.repo)
        if engine.roster.required is not None:
            raise PolicyConfigError(f"{engine.roster.required}, and it is required")

    def _as_itself(self) -> AbstractContextManager[None]:
        """Inside, reads and actions on the user's behalf leave this handle's view of the branch unchanged, if other processes have moved it meanwhile."""
        return _AsItself(self)

    def close(self) -> None:
        """Close the handle; afterwards every call but another ``close`` raises ClosedError. This waits for no policy and no model."""
        if self._engine is not None and not self._closed and not self._lock.is_lost:
            self._engine.save_look(self._repo)
        super().close()

    def _beside(self, repo: Repository) -> Self:
        """A handle on another tract of the store, with the policies and the callback that were given to this one, because a child's settings name them."""
        other = super()._beside(repo)
        if self._engine is not None:
            other._engine_here().take_over(self._engine)
        return other

    def _engine_here(self) -> PolicyEngine:
        from tract.agents.firing import PolicyEngine

        if self._engine is None:
            self._engine = PolicyEngine()
            self._engine.read_look(self._repo)
        return self._engine

    def _settings(self) -> AgentSettings:
        with self._access() as space:
            return self._engine_here().roster.settings.read(space.repo)

    def _change_settings(self, **changes: Any) -> None:
        from tract.agents.policy_settings import write_settings

        with self._access() as space:
            engine = self._engine_here()
            write_settings(space.repo, replace(engine.roster.settings.read(space.repo), **changes))
            engine.load(space.repo)
        for text in engine.take_warnings():
            self._own.warn(PolicyWarning(text))

    def _trial_handle(self, repo: Any) -> Any:
        """A handle on a repository for a trial."""
        other = type(self)(repo, tokenizer=self._own.blobs.counter, on_moved="append", lock=self._lock)
        other._client = self._client
        return other


class _AsItself(AbstractContextManager[None]):
    """Keeps a handle's view of the branch if it is behind; every commit with policies passes through here."""

    __slots__ = ("_handle", "_seen")

    def __init__(self, handle: Policing) -> None:
        self._handle = handle

    def __enter__(self) -> None:
        handle = self._handle
        with handle._lock:
            branch, tip = handle._repo.head()
            seen = handle._seen.tips.get(branch or "", ANY)
            self._seen = None if seen is ANY or seen == tip else handle._seen.copy()

    def __exit__(self, *_: object) -> None:
        if self._seen is not None:
            self._handle._seen = self._seen
