"""The orchestrator manages the context by itself: when it is called, and when its triggers fire."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from tract.api.policing import _FIRING, Policing
from tract.dataclass import replace
from tract.errors import LockTimeoutError, OrchestratorError, PolicyWarning, TractError
from tract.history.moves import adds_no_word
from tract.named_tuple import NamedTuple
from tract.refs.store import ANY
from tract.transaction import check_idle

# Most programs run without these, and to load them takes longer than many a command.
if TYPE_CHECKING:
    from tract.agents.orchestrator import (
        OrchestratorConfig,
        OrchestratorResult,
        State,
        Status,
        StatusTable,
        TriggerConfig,
    )
    from tract.agents.rounds import Run
    from tract.agents.runs import RunInfo
    from tract.agents.schedule import Schedule
    from tract.agents.underway import RunTarget
    from tract.llm.types import LLMClient
    from tract.objects.model import RefValue


class Quiet(NamedTuple):
    """The conditions under which no trigger can fire: the orchestrator has that *status*, HEAD's generation is from *since* to below *until*, and the context has fewer than *tokens*."""

    status: RefValue | None
    since: int
    until: float
    tokens: float


class Orchestrating(Policing):
    """The methods of a tract that run the orchestrator, pause it and list its runs."""

    _config_of_runs: OrchestratorConfig | None = None
    _client_of_runs: LLMClient | None = None
    _statuses: StatusTable | None = None
    _run: Run | None = None
    _run_lock: threading.Lock | None = None
    _is_due: str | None = None
    _quiet = Quiet(None, 0, 0, 0)
    _quiet_at = -1
    """The number of moves of notes' refs when *_quiet* was computed; -1 if policies must be asked as well."""
    _silent_at = -1
    """The number of moves of notes' refs when the tract had neither policies nor an orchestrator."""
    _is_ending: Callable[[], bool] | None = None
    _watch_triggers: TriggerConfig | None = None
    _schedule: Schedule | None = None
    _watch_began: datetime

    def configure_orchestrator(self, config: OrchestratorConfig | None = None, llm_callable: Any = None) -> None:
        """Set how and when the orchestrator works. *config* None means the defaults; *llm_callable* is whatever ``configure_llm`` takes, and without it the configured model is used, or else the rule planner.

        Only the triggers are kept in the store. A process in which this was not called uses the defaults for the rest, and its own model, if it has one.
        """
        from tract.agents.orchestrator import OrchestratorConfig, change_status, check_config
        from tract.llm.callables import as_client

        self._config_of_runs = config = check_config(OrchestratorConfig() if config is None else config)
        self._client_of_runs = None if llm_callable is None else as_client(llm_callable)
        with self._access() as space:
            known, tip = self._status(), space.repo.head()[1]
            is_new = known.triggers != config.triggers
            if is_new:
                generation = 0 if tip is None else space.repo.commit(tip).generation
                where = None if tip is None else tip.hex()
                change_status(space.repo, triggers=config.triggers, looked_at=where, generation=generation)

    def orchestrate(
        self, *, config: OrchestratorConfig | None = None, llm_callable: Any = None, reason: str = "it was asked for"
    ) -> OrchestratorResult:
        """Run the orchestrator until nothing is left to do or a limit is reached, and return what it did.

        OrchestratorError if it is paused, or for a wrong *config*; LockTimeoutError if a run is under way in any process; MergeError and the like if a merge or replay is under way.
        """
        if not isinstance(reason, str):
            raise OrchestratorError(f"reason must be text, not {type(reason).__name__}")
        return self._orchestrate(reason, config, llm_callable)

    def _orchestrate(
        self, reason: str, config: OrchestratorConfig | None = None, llm_callable: Any = None, *, collects: bool = True
    ) -> OrchestratorResult:
        from tract.agents.rounds import Run, check_free
        from tract.llm.callables import as_client

        status = self._status()
        check_free(status.state, status.run)
        check_idle(self._repo)
        client = as_client(llm_callable) if llm_callable is not None else self._client_of_runs or self._client
        return self._work(
            Run(cast("RunTarget", self), self._config_here(config), client=client, reason=reason, collects=collects)
        )

    def pause_orchestrator(self) -> None:
        """Let the current run, in whatever process, end after its current call, and hold every trigger until the run is resumed or stopped."""
        self._set_state("paused")

    def resume_orchestrator(self, *, config: OrchestratorConfig | None = None) -> OrchestratorResult | None:
        """Continue the paused run on the context as it is now, with the rest of its limits; None if no run was paused."""
        from tract.agents.rounds import Run
        from tract.agents.underway import Used

        settings, status = self._config_here(config), self._status()
        if status.state != "paused":
            raise OrchestratorError(f"the orchestrator is not paused but {status.state}")
        if status.run is None:
            self._set_state("idle")
            return None
        client = self._client_of_runs or self._client
        run = Run(
            cast("RunTarget", self),
            settings,
            client=client,
            reason=status.reason,
            id=status.run,
            used=Used.of(status.used),
            goes_on=True,
        )
        return self._work(run)

    def stop_orchestrator(self) -> None:
        """Let the current run, in whatever process, end after its current call, and drop it, also if it is paused. Triggers keep working."""
        self._set_state("stopped")

    @property
    def orchestrator_state(self) -> State:
        """Whether it is ``idle``, ``running`` (in any process), ``paused`` or ``stopped``."""
        return self._status().state

    def orchestrator_runs(self, *, limit: int | None = 20) -> list[RunInfo]:
        """The runs and what they did, newest first; each is a record in the history, at its ``commit_hash``."""
        from tract.agents.runs import read_runs

        if limit is not None and (type(limit) is not int or limit < 0):
            raise OrchestratorError(f"limit must be a number of runs, not {limit!r:.40}")
        with self._access() as space:
            return read_runs(space.repo, limit)

    def orchestrate_if_due(
        self, trigger: Literal["commit", "compile", "watch"] = "watch", *, config: OrchestratorConfig | None = None
    ) -> OrchestratorResult | None:
        """Run the orchestrator if one of its triggers fires; None if none does, or if it is paused or a run is under way.

        After a failed run, the triggers wait half a minute, and twice as long after each further failure, up to one hour.
        """
        if trigger not in ("commit", "compile", "watch"):
            raise OrchestratorError(f"trigger must be commit, compile or watch, not {trigger!r:.40}")
        why = self._why_due(trigger)
        if why is None:
            return None
        try:
            return self._orchestrate(why, config)
        except LockTimeoutError:
            return None  # it is under way

    @contextmanager
    def watching(self, triggers: TriggerConfig | None = None, schedule: Schedule | None = None) -> Iterator[None]:
        """Inside the block, only this handle checks the triggers, when it calls :meth:`orchestrate_if_due`; LockTimeoutError while another process watches.

        *triggers* replace the stored ones for this handle only; *schedule* is checked in addition.
        If the tokens are above the threshold when this begins, that counts as new, because other limits may apply here.
        """
        from tract.agents.orchestrator import change_status, only_one
        from tract.history.times import moment

        with only_one(self._repo, "watch"):
            self._watch_triggers, self._schedule = triggers, schedule
            self._watch_began = moment(self._repo.clock()).astimezone()
            try:
                status = self._status()
                tip = self._repo.head()[1]
                if status.looked_at is None and tip is not None:
                    change_status(self._repo, looked_at=tip.hex(), generation=self._repo.commit(tip).generation)
                if status.is_above:
                    change_status(self._repo, is_above=False)
                yield
            finally:
                self._watch_triggers = self._schedule = None

    def triggers_in_force(self) -> TriggerConfig:
        """The triggers that this handle checks."""
        return self._status().triggers if self._watch_triggers is None else self._watch_triggers

    def end_runs_when(self, is_ending: Callable[[], bool]) -> None:
        """Let a run of this handle end after its current call as soon as *is_ending* returns true, as a service does that is told to end."""
        self._is_ending = is_ending

    # Inside

    def _fire(self, trigger: Literal["commit", "compile"], content: Mapping[str, Any] | None = None) -> None:
        """Ask the policies, then the triggers."""
        refs = self._repo.refs
        is_quiet = trigger == "commit" and refs.note_moves == self._quiet_at
        if (is_quiet and self._is_early(self._own.made)) or self._is_silent():
            return
        super()._fire(trigger, content)
        told = refs.read(self._orchestrator_ref)
        if told is None or (trigger == "commit" and told == self._quiet.status and self._is_early(self._generation())):
            return
        if not _FIRING.get() and not self._repo.read_only and self._open_batch() is None:
            self._trigger(trigger)
            self._quiet = self._quiet_until()
            self._quiet_at = -1 if refs.read(self._policies_ref) is not None else refs.note_moves

    def _is_silent(self) -> bool:
        refs = self._repo.refs
        moves = refs.note_moves
        if moves != self._silent_at:
            if refs.read(self._policies_ref) is not None or refs.read(self._orchestrator_ref) is not None:
                return False
            self._silent_at = moves
        return True

    def _is_early(self, generation: int | None) -> bool:
        """Whether no trigger can fire after a commit of that *generation*, told without reading the context."""
        _, since, until, tokens = self._quiet
        if generation is None or not since <= generation < until:
            return False
        used = self._own.budget_used
        return tokens == math.inf or (used is not None and used < tokens)

    def _generation(self) -> int | None:
        tip = self._repo.head()[1]
        return None if tip is None else self._repo.commit(tip).generation

    def _quiet_until(self) -> Quiet:
        status = self._status()
        triggers, budget = status.triggers, self._repo.config.budget
        count, share = triggers.on_commit_count, triggers.on_token_threshold
        tokens = math.inf if share is None or budget is None else share * budget.max_tokens
        until = 0 if status.is_above else math.inf if count is None else status.generation + count
        return Quiet(self._repo.refs.read(self._orchestrator_ref), status.generation, until, tokens)

    def _trigger(self, trigger: Literal["commit", "compile"]) -> None:
        why = self._is_due if trigger == "compile" and self._is_due is not None else self._why_due(trigger)
        if why is None or self._is_watched():
            return
        config, has_model = self._config_here(None), (self._client_of_runs or self._client) is not None
        if config.background:
            self.run_apart(lambda other: other._run_apart_as(self, why))
            return
        if has_model and trigger == "commit":
            self._is_due = why  # a model is never waited for inside a commit: the next compile does it
            return
        self._is_due = None
        token = _FIRING.set(True)
        try:
            with self._as_itself():
                result = self._orchestrate(why, collects=False)
        except Exception as exc:  # noqa: BLE001  # the user's own model
            what = str(exc) if isinstance(exc, TractError) else f"{type(exc).__name__}: {exc}"
            self._own.warn(PolicyWarning(f"the orchestrator failed: {what}"))
            return
        finally:
            _FIRING.reset(token)
        if result.stopped_because.startswith(("the model failed", "it failed")):
            self._own.warn(PolicyWarning(f"the orchestrator failed: {result.stopped_because}"))

    def _is_watched(self) -> bool:
        """Whether a process watches the triggers, which then only that process checks."""
        from tract.agents.orchestrator import is_done

        return is_done(self._repo, "watch")

    def _run_apart_as(self, other: Orchestrating, why: str) -> None:
        """Run with the settings of another handle."""
        self._config_of_runs, self._client_of_runs = other._config_of_runs, other._client_of_runs
        self.orchestrate(reason=why)

    def _why_due(self, trigger: str) -> str | None:
        """The trigger that fires, in words."""
        from tract.agents.due import why_due

        status = self._status()
        known, self._own.budget_used = self._own.budget_used, None
        used = self.token_total if known is None or trigger != "commit" else lambda: known
        watch = None if self._schedule is None else (self._schedule, self._watch_began)
        return why_due(self._repo, status, self.triggers_in_force(), trigger, used=used, watch=watch)

    def _work(self, run: Run) -> OrchestratorResult:
        with self._one_at_a_time():
            self._run = run
            if self._is_ending is not None:
                run.is_ending = self._is_ending
            token = _FIRING.set(True)
            try:
                return run.work()
            finally:
                _FIRING.reset(token)
                self._run = None
                self._look_after_run()

    def _look_after_run(self) -> None:
        """Note the branch's present tip, if the run added no message that this handle has not seen: its own record is no reason to refuse the next commit."""
        with self._access() as space:
            branch, tip = space.repo.head()
            seen = self._sight.tips.get(branch or "", ANY)
            if (seen is None or isinstance(seen, bytes)) and adds_no_word(space.repo, seen, tip):
                self._look()

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """The lock of the run: one run a tract in all processes; LockTimeoutError while another run has it."""
        from tract.agents.orchestrator import only_one

        with only_one(self._repo, "run"):
            yield

    def _status(self) -> Status:
        from tract.agents.orchestrator import StatusTable, is_done

        with self._access() as space:
            if self._statuses is None:
                self._statuses = StatusTable()
            found = self._statuses.read(space.repo)
            if found.state == "running" and self._run is None and not is_done(space.repo, "run"):
                return replace(found, state="idle", run=None)  # its process died
            return found

    def _set_state(self, state: State) -> None:
        from tract.agents.orchestrator import change_status, is_done

        def changed(found: Status) -> Status:
            is_under_way = found.state == "running" and is_done(self._repo, "run")
            keeps = is_under_way or (state == "paused" and found.state == "paused")
            return found if keeps else replace(found, run=None, used={}, reason="")

        with self._access() as space:
            change_status(space.repo, changed, state=state)

    def _config_here(self, config: OrchestratorConfig | None) -> OrchestratorConfig:
        from tract.agents.orchestrator import OrchestratorConfig, check_config

        return check_config((self._config_of_runs or OrchestratorConfig()) if config is None else config)
