"""The sub-agents of a Claude Code session: sidechains in its file, or files of their own beside it.

    <session>.jsonl                            records with ``isSidechain``: each root is an agent (older versions)
    agent-<id>.jsonl                           an agent's file, with the ``sessionId`` of the session
    <session>/subagents/agent-<id>.jsonl       the same in a folder (newer versions)

The call that began an agent is the one whose result has its id (``toolUseResult.agentId``), else the one whose prompt is the agent's first message.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from tract.adapters.transcripts.conversations import Branch, Child, Conversation, Found, Report
from tract.adapters.transcripts.strictjson import Parser
from tract.annotations import TYPE_CHECKING, TypeAlias
from tract.named_tuple import NamedTuple
from tract.objects.message_format import JSON

if TYPE_CHECKING:
    from pathlib import Path

Read: TypeAlias = Callable[[str, Found, Report], Iterator[Conversation]]


class AgentCall(NamedTuple):
    """A call that began an agent."""

    id: str
    prompt: str
    purpose: str


class AgentCalls(NamedTuple):
    """The calls that may have begun agents, and the agents' ids by the calls whose results name them."""

    calls: tuple[AgentCall, ...]
    agents: dict[str, str]

    def of(self, agent: str | None, first: str | None) -> AgentCall | None:
        """The call of the agent with that id, else of the agent whose first message is *first*."""
        for call in self.calls:
            if agent is not None and self.agents.get(call.id) == agent:
                return call
        return next((call for call in self.calls if call.prompt == first and call.id not in self.agents), None)


def agent_calls(records: list[JSON]) -> AgentCalls:
    """The calls with a prompt in *records*, and the agents that their results name."""
    calls: list[AgentCall] = []
    agents: dict[str, str] = {}
    for record in records:
        message = record.get("message") if isinstance(record, dict) else None
        content = message.get("content") if isinstance(message, dict) else None
        for block in content if isinstance(content, list) else ():
            if not isinstance(block, dict):
                continue
            given, result = block.get("input"), record.get("toolUseResult")
            if block.get("type") == "tool_use" and isinstance(given, dict) and isinstance(given.get("prompt"), str):
                purpose = given.get("description")
                words = purpose if isinstance(purpose, str) and purpose.strip() else given["prompt"][:80]
                calls.append(AgentCall(str(block.get("id")), given["prompt"], words))
            elif block.get("type") == "tool_result" and isinstance(result, dict):
                agent = result.get("agentId")
                agents |= {str(block.get("tool_use_id")): agent} if isinstance(agent, str) else {}
    return AgentCalls(tuple(calls), agents)


def inline_child(branch: Branch, calls: AgentCalls) -> Child:
    """A sidechain of the session's own file as a child."""
    agent = next((turn.metadata["agentId"] for turn in branch.turns if isinstance(turn.metadata.get("agentId"), str)), None)  # fmt: skip
    conversation = Conversation(agent or branch.name, (Branch("main", branch.turns),), id=agent)
    return _child(conversation, calls)


def agent_files(path: Path) -> list[Path]:
    """The files beside *path* that may belong to its agents: all those in its folder, and some of the others."""
    folder = path.parent / path.stem / "subagents"
    found = [*sorted(folder.glob("agent-*.jsonl")), *sorted(path.parent.glob("agent-*.jsonl"))]
    return [file for file in found if file != path]


def agents_beside(
    path: Path, session: str | None, calls: AgentCalls, report: Report, read: Read, only: Collection[Path] | None = None
) -> list[Child]:
    """The agents of the session that have files of their own beside *path*; if *only* is given, only those files are read."""
    found: list[Child] = []
    folder = path.parent / path.stem / "subagents"
    for file in agent_files(path):
        if only is not None and file not in only:
            continue
        told = Report(str(file))
        records = _records(file, told)
        of_session = any(isinstance(one, dict) and one.get("sessionId") == session for _, one in records)
        if file.parent != folder and not (session is not None and of_session):
            continue
        report.problems += told.problems
        report.notes += told.notes
        values = [value for _, value in records]
        for conversation in read(file.stem, Found("", values, lines=[line for line, _ in records]), report):
            agent = file.stem.removeprefix("agent-")
            found.append(_child(Conversation(agent, conversation.branches, id=agent), calls))
    return found


def _child(conversation: Conversation, calls: AgentCalls) -> Child:
    turns = conversation.branches[0].turns
    content = turns[0].message.get("content") if turns else None
    call = calls.of(conversation.id, content if isinstance(content, str) else None)
    words = content if isinstance(content, str) and content.strip() else f"agent {conversation.name}"
    return Child(conversation, words[:80] if call is None else call.purpose, None if call is None else call.id)


def _records(file: Path, report: Report) -> list[tuple[int, JSON]]:
    parser = Parser()
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as exc:
        report(None, f"cannot be read: {(exc.strerror or str(exc)).lower()}")
        return []
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            found.append((number, parser.parse(line.rstrip(b"\r"), lambda place, what, number=number: report(number, f"{place}: {what}"))))  # type: ignore[misc]  # a lambda's default has no type  # fmt: skip
    return found
