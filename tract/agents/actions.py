"""Actions: the common form of everything that acts on a context.

a model's tool call, a policy, the orchestrator, a person  ──▸  Action  ──▸  execute  ──▸  ActionResult
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

from tract.dataclass import dataclass, field
from tract.errors import ActionError

Risk: TypeAlias = Literal["read", "low", "high"]
"""``read`` changes nothing; ``low`` is undone with one command; ``high`` is everything else that changes the model's context, or drops history."""

Autonomy: TypeAlias = Literal["manual", "collaborative", "autonomous"]
"""The actions that run without approval: only reading ones, those of low risk, all."""

AUTONOMIES: tuple[Autonomy, ...] = get_args(Autonomy)

FOR_ROOM = frozenset({"tool", "health", "orchestrator"})
"""The origins that hide messages to save tokens, not to keep them from a model: a model may read and show those."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Action:
    """The call of one of tract's operations: its name, and its arguments as JSON.

    *reason* is in the words of the person, policy or model that wants the action; *autonomy* can only lower the autonomy in force.
    *content_by* is ``rule`` if the argument ``content`` is a note that a rule wrote about exactly the messages that the action names.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    reason: str = ""
    autonomy: Autonomy | None = None
    content_by: Literal["rule"] | None = None

    def __reduce__(self) -> tuple[Any, ...]:  # the mapping of no arguments cannot be pickled
        return Action, (self.name, dict(self.arguments), self.reason, self.autonomy, self.content_by)


PolicyAction = Action


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionResult:
    """The result of an action: *text* for a reader, *data* the same as JSON.

    *commit_hash* is the commit that it made or went to; *proposal_id* is set if the action waits for approval instead.
    If there is an *error*, nothing was changed.
    """

    text: str = ""
    data: Any = None
    commit_hash: str | None = None
    proposal_id: str | None = None
    error: str | None = None

    @property
    def success(self) -> bool:
        """Whether there was no error."""
        return self.error is None


def without_name(action: Action, text: str) -> str:
    """*text* without the *action*'s name at its start, for a caller that already shows the name."""
    return text.removeprefix(f"{action.name}: ")


def check_autonomy(autonomy: Autonomy | None) -> Autonomy | None:
    """*autonomy*; ActionError for an invalid one."""
    if autonomy is not None and autonomy not in AUTONOMIES:
        raise ActionError(f"unknown autonomy {autonomy!r:.40}; known are {', '.join(AUTONOMIES)}")
    return autonomy


def least_autonomy(*given: Autonomy | None) -> Autonomy:
    """The lowest of the *given* ones; ``autonomous`` if none is given."""
    return AUTONOMIES[min((AUTONOMIES.index(one) for one in given if one is not None), default=len(AUTONOMIES) - 1)]


def needs_approval(risk: Risk, autonomy: Autonomy) -> bool:
    """Whether an action of that *risk* is proposed instead of run."""
    if risk == "read" or autonomy == "autonomous":
        return False
    return autonomy == "manual" or risk == "high"
