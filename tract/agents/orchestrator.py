"""The orchestrator: its settings, its results, and its stored state.

refs/notes/orchestrator    about the tract: idle, running, paused or stopped; the triggers, and where they last fired

The records of runs are in runs.py beside this.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias, get_args

from blake3 import blake3

from tract.agents.actions import Action, ActionResult, Autonomy, without_name
from tract.agents.health import Health
from tract.agents.ledger import TRACT, TractNote
from tract.agents.operation import Profile
from tract.agents.operation_table import check_profile
from tract.agents.policy_settings import SettingsTable, check_autonomy, is_foreign
from tract.agents.proposals import OnProposal, Proposal
from tract.dataclass import asdict, dataclass, field, replace
from tract.errors import LockTimeoutError, ObjectCorruptError, OrchestratorError
from tract.history.notes import ORCHESTRATOR
from tract.named_tuple import NamedTuple
from tract.repo import Repository
from tract.report.text import Shown, count_of
from tract.storage import files
from tract.storage.locks import FileLock, is_locked
from tract.transaction import transaction

State: TypeAlias = Literal["idle", "running", "paused", "stopped"]
STATES: tuple[State, ...] = get_args(State)

DONE = "nothing is left to do"

_MOST = 1 << 62


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _check_whole(name: str, value: object, *, or_none: bool) -> None:
    if not (value is None and or_none) and (type(value) is not int or not 1 <= value < _MOST):
        raise OrchestratorError(f"{name} must be a whole number from 1 on, not {value!r:.40}")


def _check_bool(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise OrchestratorError(f"{name} must be True or False, not {value!r:.40}")


@dataclass(frozen=True, slots=True)
class TriggerConfig:
    """When the orchestrator runs by itself: after so many messages; when the given share of the token budget is used (once, until it is below again); before every compile."""

    on_commit_count: int | None = 20
    on_token_threshold: float | None = 0.7
    on_compile: bool = False

    def __post_init__(self) -> None:
        _check_whole("on_commit_count", self.on_commit_count, or_none=True)
        share = self.on_token_threshold
        if share is not None and not (_is_number(share) and 0 < share <= 1):
            raise OrchestratorError(f"on_token_threshold must be a share of the budget, not {share!r:.40}")
        _check_bool("on_compile", self.on_compile)


NO_TRIGGERS = TriggerConfig(None, None)


@dataclass(frozen=True, slots=True)
class OrchestratorCallbacks:
    """Functions that the orchestrator calls: *on_proposal* is asked about each proposal, *on_step* is given each step."""

    on_proposal: OnProposal | None = None
    on_step: Callable[[StepResult], object] | None = None

    def __post_init__(self) -> None:
        for name in ("on_proposal", "on_step"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise OrchestratorError(f"{name} must be callable, not {type(value).__name__}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestratorConfig:
    """How the orchestrator works, and its limits.

    *callbacks* may be one function that is asked about proposals. *autonomy_ceiling* can only lower the tract's autonomy; *profile* says which operations a model has.
    A run ends after *max_steps* questions to the model (or steps of the rule planner), *max_tool_calls*, *max_tokens* (input and output), *max_seconds* or *max_cost* (in uncached input tokens, by the tract's prices).
    *task_context* is told to the model; *system_prompt* replaces tract's own.
    *background*: a run that a trigger starts works in a thread, with a handle of its own.
    """

    triggers: TriggerConfig = field(default_factory=TriggerConfig)
    callbacks: OrchestratorCallbacks | OnProposal | None = None
    autonomy_ceiling: Autonomy = "collaborative"
    profile: Profile = "self"
    max_steps: int = 10
    max_tool_calls: int = 30
    max_tokens: int | None = None
    max_seconds: float | None = None
    max_cost: float | None = None
    model: str | None = None
    temperature: float = 0.0
    system_prompt: str | None = None
    task_context: str | None = None
    background: bool = False

    def __post_init__(self) -> None:
        check_autonomy(self.autonomy_ceiling)
        check_profile(self.profile)
        for name in ("max_steps", "max_tool_calls", "max_tokens"):
            _check_whole(name, getattr(self, name), or_none=name == "max_tokens")
        for name in ("max_seconds", "max_cost"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and value > 0):
                raise OrchestratorError(f"{name} must be a number over 0, not {value!r:.40}")
        if not (_is_number(self.temperature) and self.temperature >= 0):
            raise OrchestratorError(f"temperature must be a number from 0 on, not {self.temperature!r:.40}")
        for name in ("model", "system_prompt", "task_context"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise OrchestratorError(f"{name} must be text, not {type(value).__name__}")
        _check_bool("background", self.background)
        if not isinstance(self.triggers, TriggerConfig):
            raise OrchestratorError(f"triggers must be a TriggerConfig, not {type(self.triggers).__name__}")
        if self.callbacks is not None and not isinstance(self.callbacks, OrchestratorCallbacks):
            if not callable(self.callbacks):
                raise OrchestratorError(f"callbacks must be callable, not {type(self.callbacks).__name__}")
            object.__setattr__(self, "callbacks", OrchestratorCallbacks(self.callbacks))

    @property
    def told(self) -> OrchestratorCallbacks:
        """The callbacks in their long form."""
        return self.callbacks if isinstance(self.callbacks, OrchestratorCallbacks) else OrchestratorCallbacks()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StepResult(Shown):
    """One action of a run: the action, its reason and its *result*; if it needed approval, the *proposal* with its decision."""

    step: int
    action: Action
    reasoning: str
    result: ActionResult
    proposal: Proposal | None = None

    def __repr__(self) -> str:
        return f"StepResult({self})"

    def __str__(self) -> str:
        outcome = without_name(self.action, self.result.error or self.result.text.partition("\n")[0])
        return f"{self.step}. {self.action.name}: {outcome}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OrchestratorResult(Shown):
    """A run: its *steps*, and why it ended; *assessment* is the state of the context at its start, *cost* is in uncached input tokens."""

    run_id: str
    state: State
    assessment: Health | None
    steps: tuple[StepResult, ...]
    total_tool_calls: int
    tokens_used: int
    stopped_because: str
    reason: str = ""
    cost: float = 0.0

    def __repr__(self) -> str:
        return f"OrchestratorResult({self.run_id} {self.state}: {count_of(len(self.steps), 'step')}, {self.stopped_because})"

    def __str__(self) -> str:
        return "\n".join([*map(str, self.steps), self.stopped_because])


# The stored state


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of the orchestrator that every process sees.

    *run* is the id of the run that is under way or paused, *used* what it has used so far.
    *looked_at* and *generation* are HEAD's commit after the last run, *is_above* whether the token threshold was passed then.
    *ran_at* is when the last run ended, in microseconds; *failed* is the number of runs on end that failed, and *retry_at* the time from which the triggers may begin another.
    *held* is the number of waiting archives that the last gc of a run had to leave, because something else needs them.
    """

    state: State = "idle"
    triggers: TriggerConfig = NO_TRIGGERS
    run: str | None = None
    reason: str = ""
    used: Mapping[str, float] = field(default_factory=dict)
    looked_at: str | None = None
    generation: int = 0
    is_above: bool = False
    held: int = 0
    ran_at: int = 0
    failed: int = 0
    retry_at: int = 0


_ADDED = ("held", "ran_at", "failed", "retry_at")

FIRST_RETRY = 30.0
"""The seconds that the triggers wait after a failed run; twice as long after each further one."""

LAST_RETRY = 3600.0


def retry_after(failed: int) -> float:
    """The seconds that the triggers wait after *failed* failures on end."""
    return min(LAST_RETRY, FIRST_RETRY * 2.0 ** (min(failed, 20) - 1))


class StatusTable(TractNote[Status]):
    """The present status; idle and without triggers if none is stored."""

    def __init__(self) -> None:
        super().__init__(ORCHESTRATOR, Status(), _read)


class AgentStates(NamedTuple):
    """The parts that work on a tract by themselves: the orchestrator's state, and whether the policies do anything."""

    orchestrator: State = "idle"
    policies: Literal["none", "on", "paused", "untrusted"] = "none"


def agent_states(repo: Repository) -> AgentStates:
    """The state of the tract's orchestrator and policies."""
    settings = SettingsTable().read(repo)
    policies: Literal["none", "on", "paused", "untrusted"] = "on" if settings.policies else "none"
    if settings.policies and settings.is_paused:
        policies = "paused"
    if settings.policies and is_foreign(repo, settings):
        policies = "untrusted"
    return AgentStates(StatusTable().read(repo).state, policies)


def check_config(value: object) -> OrchestratorConfig:
    """*value*; OrchestratorError if it is not an OrchestratorConfig."""
    if not isinstance(value, OrchestratorConfig):
        raise OrchestratorError(f"config must be an OrchestratorConfig, not {type(value).__name__}")
    return value


def change_status(repo: Repository, change: Callable[[Status], Status] | None = None, **changes: Any) -> Status:
    """Store the newest status with *changes*; *change* is applied first, and an exception of it prevents everything."""
    with transaction(repo, f"orchestrator: {changes.get('state', 'configured')}", moves="refs") as tx:
        found = StatusTable().read(tx.repo)
        found = replace(found if change is None else change(found), **changes)
        tx.note(ORCHESTRATOR, TRACT, {**asdict(found), "used": dict(found.used)})
    return found


def _read(body: Mapping[str, Any]) -> Status:
    try:
        triggers = TriggerConfig(**body["triggers"])
        rest = {name: body[name] for name in ("run", "reason", "used", "looked_at", "generation", "is_above")}
        if body["state"] not in STATES:
            raise ValueError(f"{body['state']!r:.40} is not a state")
        rest |= {name: body.get(name, 0) for name in _ADDED}
        return Status(state=body["state"], triggers=triggers, **rest)
    except (KeyError, TypeError, ValueError, OrchestratorError) as exc:
        raise ObjectCorruptError("refs/notes/orchestrator", f"it holds no status of an orchestrator: {exc}") from exc


_held: set[tuple[int, str]] = set()
_HOLDING = threading.Lock()


Work: TypeAlias = Literal["run", "watch"]
"""Work on a tract that one process does at a time: a run, and watching the triggers."""

_TAKEN = {"run": "the orchestrator is at work", "watch": "the triggers are being watched"}


@contextmanager
def only_one(repo: Repository, work: Work) -> Iterator[None]:
    """Inside, no other handle or process does the same *work* on this tract; LockTimeoutError if one does.

    The lock ends with the process, so a killed process blocks no other.
    """
    key = _key(repo, work)
    with _HOLDING:
        if key in _held:
            raise LockTimeoutError(f"{_TAKEN[work]} in this process already")
        _held.add(key)
    lock = None
    try:
        path = _lock_path(repo, work)
        if path is not None:
            if not files.exists(path):
                files.write_file(path, b"", sync=False)
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0.01)
            except LockTimeoutError:
                raise LockTimeoutError(f"{_TAKEN[work]} in another process") from None
        yield
    finally:
        if lock is not None:
            lock.release()
            lock.close()
        with _HOLDING:
            _held.discard(key)


def is_done(repo: Repository, work: Work) -> bool:
    """Whether this process or another is doing that *work*."""
    path = _lock_path(repo, work)
    if _key(repo, work) in _held:
        return True
    try:
        return path is not None and is_locked(path)
    except FileNotFoundError:
        return False


def _key(repo: Repository, work: Work) -> tuple[int, str]:
    return id(repo.objects) if repo.path is None else 0, f"{work} {repo.path} {repo.prefix}"


def _lock_path(repo: Repository, work: Work) -> str | None:
    if repo.path is None:
        return None
    return os.path.join(repo.path, "locks", f"{work}-{blake3(repo.prefix.encode()).hexdigest()[:8]}")
