"""The calls of the orchestrator's model: read from an answer in any format, and run or proposed in the model's words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tract.agents.acting import propose
from tract.agents.actions import Action, ActionResult, Autonomy, Risk
from tract.agents.executor import ToolExecutor
from tract.agents.operation import Profile
from tract.agents.operation_table import execute
from tract.agents.proposals import Proposal, ProposalTable, Wish
from tract.agents.schemas import ToolFormat
from tract.agents.target import TractLike
from tract.dataclass import replace
from tract.llm.types import LLMClient, LLMResponse
from tract.messages.message import message_from_raw
from tract.messages.parts import ToolCall
from tract.messages.turns import turn_of

ORIGIN = "orchestrator"


class Hands(ToolExecutor):
    """Runs a model's calls; an action that needs approval is proposed in the model's own words, and the callback is asked."""

    def __init__(
        self,
        tract: TractLike,
        profile: Profile,
        autonomy: Autonomy,
        *,
        decide: Callable[[Proposal], Proposal],
        reasoning: str,
        others: tuple[str, ...],
    ) -> None:
        super().__init__(tract, profile=profile, autonomy=autonomy)
        self._decide = decide
        self._reasoning = reasoning
        self._others = others
        self.action: Action | None = None
        self.proposal: Proposal | None = None
        self.is_change = False

    def _carry_out(self, action: Action, risk: Risk) -> ActionResult:
        self.action, self.is_change = action, risk != "read"
        return execute(self._tract, action, origin="tool", withheld=self._withheld())

    def _propose(self, action: Action) -> ActionResult:
        self.action, self.is_change = action, True
        known = ProposalTable().read(self._tract.repository)
        made = propose(self._tract, Wish(action, ORIGIN, self._reasoning or action.reason, self._others))
        same = [one for one in known.values() if one.status == "pending" and one.action == made.action]
        if same:
            return ActionResult(text=f"it waits already as proposal '{same[0].id}'", proposal_id=same[0].id)
        self.proposal = self._decide(made)
        return replace(outcome_of(self.proposal), proposal_id=made.id)


def outcome_of(one: Proposal) -> ActionResult:
    """The result that the model gets for its proposal."""
    why = f": {one.decision_reason}" if one.decision_reason else ""
    match one.status:
        case "pending":
            return ActionResult(
                text=f"it needs approval, waits as proposal '{one.id}', and nothing has changed", proposal_id=one.id
            )
        case "executed":
            is_changed = one.executed_action is not None and one.executed_action.arguments != one.action.arguments
            how = f"approved with other arguments, {_arguments(one.executed_action)}," if is_changed else "approved"
            return ActionResult(text=f"it was {how} and done{why}", commit_hash=one.result_commit, proposal_id=one.id)
        case "rejected":
            return ActionResult(text=f"it was rejected, and nothing has changed{why}", proposal_id=one.id)
    return ActionResult(error=f"it is {one.status}{why}", proposal_id=one.id)


def _arguments(action: Action | None) -> str:
    if action is None:
        return ""
    return ", ".join(f"{name}={str(value)[:80]}" for name, value in action.arguments.items())


def tool_format(client: LLMClient) -> ToolFormat:
    """The format of tool definitions that the client takes: Anthropic's, or chat completions'."""
    return "anthropic" if "anthropic" in type(client).__name__.casefold() else "openai"


def calls_in(answer: LLMResponse) -> list[tuple[str, str, str]]:
    """The id, the name and the arguments, as JSON text, of each call in an answer."""
    parts = turn_of(message_from_raw(answer.message, answer.format)).parts
    return [(part.id, part.name, part.arguments) for part in parts if isinstance(part, ToolCall)]


def as_openai(answer: LLMResponse, calls: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    """The answer as a chat message, for the next question; another provider's client converts it."""
    said = {
        "role": "assistant",
        "content": answer.text,
    }  # "" if there is no text: some servers refuse null, and some require the key
    if not calls:
        return said
    made = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for id, name, arguments in calls
    ]
    return {**said, "tool_calls": made}
