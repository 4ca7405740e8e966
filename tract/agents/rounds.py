"""A run of the orchestrator: assess, plan, act, and again, until nothing is left to do or a limit is reached.

    health ──▸ model, with the profile's tools ──▸ a call ──▸ autonomy × risk ──▸ executed, or proposed and decided
           ──▸ or the rule planner                 ▲                                        │
                                                   └────────────── the result ◂─────────────┘

This module begins and ends a run; by_rule.py and by_model.py beside this have the steps in between, underway.py their common part.
Between two calls a run checks whether it was paused or stopped, in any process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tract.agents.by_model import Talk
from tract.agents.by_rule import work_by_rule
from tract.agents.health import Health
from tract.agents.orchestrator import DONE, OrchestratorResult, State, Status, change_status, retry_after
from tract.agents.runs import steps_in_history, write_run
from tract.agents.underway import EndError, Underway
from tract.dataclass import dataclass, replace
from tract.errors import LLMError, OrchestratorError, TractError
from tract.llm.types import LLMClient
from tract.reflog import of_run
from tract.repo import Repository
from tract.report.status import StatusInfo
from tract.transaction import Transaction


@dataclass(slots=True)
class Run(Underway):
    """One run, from its beginning to its end; with a *client*, a model plans."""

    client: LLMClient | None = None
    _died: Status | None = None
    """The run before, if its process died in it."""

    def work(self) -> OrchestratorResult:
        """Do the run, store its record, and return its result; a failure of the model ends the run, and is reported in it."""
        repo = self.tract.repository
        change_status(repo, self._beginning, state="running", run=self.id, reason=self.reason, used=self.used.as_map())
        assessment = self.tract.health()
        if self._died is not None:
            self._write_died(self._died, assessment)
        state: State = "idle"
        has_failed = False
        try:
            with _tagging(repo, self.id):
                if self.client is None:
                    work_by_rule(self)
                else:
                    Talk(self).work(self.client, assessment)
            why = DONE
        except EndError as exc:
            why, state = str(exc), exc.state
        except LLMError as exc:
            why, has_failed = f"the model failed: {exc}", True
        except TractError as exc:
            why, has_failed = f"it failed: {exc}", True
        except BaseException as exc:
            is_person = isinstance(exc, KeyboardInterrupt)
            why = "it was interrupted" if is_person else f"it failed: {type(exc).__name__}: {exc}"
            self._end(assessment, "idle", why, has_failed=True)
            raise
        return self._end(assessment, state, why, has_failed=has_failed)

    def _write_died(self, died: Status, found: Health) -> None:
        """Record that the run before has died, and its steps."""
        steps = steps_in_history(self.tract.repository, died.run or "")
        result = OrchestratorResult(
            run_id=died.run or "",
            state="idle",
            assessment=found,
            steps=steps,
            total_tool_calls=len(steps),
            tokens_used=0,
            stopped_because="its process died; the steps are those that landed",
            reason=died.reason,
        )
        write_run(self.tract.repository, result, branch=found.branch, after=found.token_count, seconds=0)

    def _end(self, assessment: Health, state: State, why: str, *, has_failed: bool) -> OrchestratorResult:
        repo = self.tract.repository
        self.used.seconds += time.monotonic() - self.begun
        result = OrchestratorResult(
            run_id=self.id,
            state=state,
            assessment=assessment,
            steps=tuple(self.steps),
            total_tool_calls=self.used.calls,
            tokens_used=self.used.tokens,
            stopped_because=why,
            reason=self.reason,
            cost=self.used.cost,
        )
        now = self.tract.status()
        write_run(
            repo,
            result,
            branch=now.branch_name,
            after=now.token_count,
            seconds=self.used.seconds,
        )
        is_kept = state == "paused"
        where = {} if has_failed or self.is_ending() else self._where(now)
        run = self.id if is_kept else None
        used = self.used.as_map() if is_kept else {}

        def ended(found: Status) -> Status:
            # If the run was paused during its last call, nothing is left to resume; the pause then holds the triggers.
            now = "paused" if found.state == "paused" else state
            failed, time = (found.failed + 1 if has_failed else 0), repo.clock()
            retry_at = time + round(retry_after(failed) * 1_000_000) if failed else 0
            reason = self.reason if is_kept else ""
            found = replace(found, state=now, run=run, used=used, reason=reason)
            return replace(found, ran_at=time, failed=failed, retry_at=retry_at)

        change_status(repo, ended, **where)
        return result

    def _where(self, now: StatusInfo) -> dict[str, Any]:
        """The position from which the triggers count next time."""
        repo = self.tract.repository
        tip, share = repo.head()[1], self.tract.triggers_in_force().on_token_threshold
        least = now.token_count if self.least is None else min(now.token_count, self.least)
        return {
            "looked_at": None if tip is None else tip.hex(),
            "generation": 0 if tip is None else repo.commit(tip).generation,
            "is_above": _is_above(share, least, now.token_budget_max),
        }

    def _beginning(self, found: Status) -> Status:
        """The status of the new run, if one may begin from *found*."""
        if not self.goes_on:
            check_free(found.state, found.run)
            self._died = found if found.state == "running" else None  # this process holds the lock, so no run is alive
        elif found.state != "paused":
            raise OrchestratorError(f"the orchestrator is not paused but {found.state}")
        return found


def _is_above(threshold: float | None, tokens: int, budget: int | None) -> bool:
    return threshold is not None and budget is not None and tokens >= threshold * budget


@contextmanager
def _tagging(repo: Repository, run: str) -> Iterator[None]:
    """Inside, operations of this thread are marked as the run's, so that one undo takes all of them back."""
    thread = threading.get_ident()

    def tag(tx: Transaction) -> None:
        is_own = threading.get_ident() == thread and tx.repo.prefix == repo.prefix
        if is_own and not tx.reason.startswith(("gc", "undo", "redo")):
            tx.reason = of_run(tx.reason, run)

    repo.riders.append(tag)
    try:
        yield
    finally:
        repo.riders.remove(tag)


def check_free(state: State, run: str | None) -> None:
    """OrchestratorError if a run is paused: it must be resumed or stopped first."""
    if state == "paused":
        raise OrchestratorError(f"the orchestrator is paused{f' in run {run}' if run else ''}: resume or stop it")
