"""A run of the orchestrator under way: its tract, its limits, what it has used and done, and whether it may go on."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tract.agents.actions import Autonomy, least_autonomy
from tract.agents.asking import told
from tract.agents.health import Health
from tract.agents.orchestrator import OrchestratorConfig, State, StatusTable, StepResult, TriggerConfig
from tract.agents.planner import Plan
from tract.agents.proposals import OnProposal, Proposal, ProposalTable
from tract.agents.target import TractLike
from tract.dataclass import KW_ONLY, dataclass, field

_log = logging.getLogger("tract.orchestrator")


class RunTarget(TractLike, Protocol):
    """The tract of a run, with the callbacks of its user."""

    def autonomy_in_force(self) -> Autonomy: ...
    def triggers_in_force(self) -> TriggerConfig: ...
    def decide_proposal(self, proposal: Proposal, callback: OnProposal) -> Proposal: ...
    def health(self, branch: str | None = None) -> Health: ...
    def plan(self, target: int | None = None) -> Plan: ...


@dataclass(slots=True)
class Used:
    """The resources that a run has used so far."""

    steps: int = 0
    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0
    cost: float = 0.0

    def as_map(self) -> dict[str, float]:
        """The stored form."""
        return {
            "steps": self.steps,
            "calls": self.calls,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "cost": self.cost,
        }

    @classmethod
    def of(cls, kept: Mapping[str, float]) -> Used:
        """The value of a stored form."""
        return cls(
            int(kept.get("steps", 0)),
            int(kept.get("calls", 0)),
            int(kept.get("tokens", 0)),
            float(kept.get("seconds", 0)),
            float(kept.get("cost", 0)),
        )


class EndError(Exception):
    """Ends the run; the message is the reason, *state* the state afterwards."""

    def __init__(self, why: str, state: State = "idle") -> None:
        super().__init__(why)
        self.state = state


@dataclass(slots=True)
class Underway:
    """One run, as far as it has come."""

    tract: RunTarget
    config: OrchestratorConfig
    _: KW_ONLY
    reason: str
    id: str = field(default_factory=lambda: os.urandom(5).hex())
    used: Used = field(default_factory=Used)
    steps: list[StepResult] = field(default_factory=list)
    status: StatusTable = field(default_factory=StatusTable)
    goes_on: bool = False
    """Whether the run was paused, and goes on."""

    collects: bool = True
    """Whether the rule planner may run gc: not in a run that a caller waits for."""

    is_ending: Callable[[], bool] = lambda: False
    """Whether the process is to end: the call under way is finished, and the triggers stay as they were."""

    begun: float = field(default_factory=time.monotonic)
    least: int | None = None
    """The fewest tokens that the context had between two steps."""

    def check(self) -> None:
        """End the run if it was paused or stopped, or has reached a limit."""
        repo = self.tract.repository
        repo.refs.refresh()
        state = self.status.read(repo).state
        if state == "paused":
            raise EndError("it was paused", "paused")
        if self.is_ending():
            raise EndError("its process was told to end")
        if state == "stopped":
            raise EndError("it was stopped", "stopped")
        seconds = self.used.seconds + time.monotonic() - self.begun
        limits: Sequence[tuple[str, float, float | None]] = (
            ("max_steps", self.used.steps, self.config.max_steps),
            ("max_tool_calls", self.used.calls, self.config.max_tool_calls),
            ("max_tokens", self.used.tokens, self.config.max_tokens),
            ("max_seconds", seconds, self.config.max_seconds),
            ("max_cost", self.used.cost, self.config.max_cost),
        )
        for name, used, most in limits:
            if most is not None and used >= most:
                raise EndError(f"{name} of {most:g} is reached")

    def autonomy(self) -> Autonomy:
        """The lower of the tract's and the config's."""
        return least_autonomy(self.tract.autonomy_in_force(), self.config.autonomy_ceiling)

    def add(self, step: StepResult) -> None:
        """Remember a step, and call ``on_step``."""
        self.steps.append(step)
        if step.result.error is None:  # agents commit meanwhile: the least count is the result
            tokens = self.tract.status().token_count
            self.least = tokens if self.least is None else min(self.least, tokens)
        on_step = self.config.told.on_step
        if on_step is not None:
            try:
                on_step(step)
            except KeyboardInterrupt:
                raise
            except BaseException:  # noqa: BLE001  # the user's own code
                _log.exception("on_step failed")

    def decided(self, proposal: Proposal) -> Proposal:
        """The proposal after the callback was asked. It is unchanged if there is no callback, the callback fails, or the process is to end and must not wait."""
        callback = self.config.told.on_proposal
        if callback is None or self.is_ending():
            return proposal
        try:
            return self.tract.decide_proposal(proposal, callback)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001  # the user's own code
            _log.warning("on_proposal failed: %s", told(exc))
            return ProposalTable().read(self.tract.repository).get(proposal.id, proposal)
