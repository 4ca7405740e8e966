"""Claude Code's transcripts, read from the middle.

New records follow the last recorded step, or records behind it; a rewound turn follows an earlier record.
While a turn goes on, its last step may still get more of its answer: it is recorded when another follows, so that its records have the same order as in a reading of the whole transcript.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence

from tract.adapters.hooks.following import End, Records, Stamps
from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn
from tract.adapters.transcripts.readers.claude_code import read_claude_code
from tract.adapters.transcripts.readers.claude_code_agents import agent_calls, agent_files, agents_beside
from tract.annotations import TYPE_CHECKING
from tract.objects.message_format import JSON

if TYPE_CHECKING:
    from pathlib import Path

_SAID = ("user", "assistant")
_DONE = ("end_turn", "stop_sequence", "max_tokens", "refusal")


class ClaudeCode:
    """A tree of records, and the files of agents beside it."""

    has_head = False

    def leans_back(self, values: Sequence[JSON]) -> bool:
        known: set[str] = set()
        is_met = False  # the first message follows earlier records
        for record in values:
            if not isinstance(record, dict):
                continue
            named = record.get("parentUuid") or record.get("logicalParentUuid")
            is_said = record.get("type") in _SAID
            if record.get("isSidechain") is True or _keeps_what_is_above(record, known):
                return True
            if is_met and (named not in known if isinstance(named, str) else is_said and "parentUuid" in record):
                return True
            known.add(str(record.get("uuid")))
            is_met = is_met or is_said
        return False

    def ready(self, values: Sequence[JSON], *, is_over: bool) -> int:
        """All values up to the last message: text typed while the model works is pending until a message follows it."""
        if is_over:
            return len(values)
        last = (at for at in range(len(values) - 1, -1, -1) if _is_said(values[at]))
        return next(last, -1) + 1

    def read(self, name: str, found: Found, report: Report, *, waits: bool) -> Conversation | None:
        """The conversation, without its agents' files."""
        conversation = next(read_claude_code(name, found, report), None)
        return without_open_step(conversation) if waits and conversation is not None else conversation

    def with_agents(
        self, conversation: Conversation, path: str, values: Sequence[JSON], report: Report, known: Stamps, end: End
    ) -> tuple[Conversation, Stamps]:
        """An agent is recorded with its call, and waits if the call does; while an agent runs, a step that may be unfinished waits."""
        if not _may_have_agents(path):
            return conversation, known
        from pathlib import Path  # most sessions have no agents

        stamps: dict[str, Sequence[int]] = {str(file): _stamp(file) for file in agent_files(Path(path))}
        calls = agent_calls(list(values))
        wait = {call.id for call in calls.calls}.difference(*map(calls_in, conversation.branches[0].turns))
        answered = {id for turn in conversation.branches[0].turns for id in _ids(turn, "tool_result", "tool_use_id")}
        children = list(conversation.children)
        for name, stamp in [*stamps.items()]:
            if known.get(name) == stamp:
                continue
            for child in agents_beside(Path(path), conversation.id, calls, report, read_claude_code, {Path(name)}):
                is_over = end.is_over or child.call_id in answered
                done = child.conversation if is_over else without_open_step(child.conversation)
                if done is not child.conversation or child.call_id in wait:
                    stamps.pop(name)
                if done is not None and child.call_id not in wait:
                    children.append(child._replace(conversation=done))
        return conversation._replace(children=tuple(children)), stamps

    def restart(self, conversation: Conversation, records: Records) -> int:
        turns = conversation.branches[0].turns
        lines = [turn.line for turn in turns[_last_step(turns) :] if turn.line is not None]
        at = records.place(min(lines)) if lines else 0
        waiting = _first_that_waits(records.values)
        return at if waiting is None else min(at, waiting)

    def context(self, values: Sequence[JSON]) -> list[JSON]:
        return []


def without_open_step(conversation: Conversation) -> Conversation | None:
    """*conversation* without the last step of its main line, if that may still grow; None if nothing is left."""
    main = conversation.branches[0]
    start = _last_step(main.turns)
    if not _is_open(main.turns[start:]):
        return conversation
    if start == 0:
        return None
    if any(one.shared > start for one in conversation.branches[1:]):  # another line leaves this one within the step
        return conversation
    return conversation._replace(branches=(main._replace(turns=main.turns[:start]), *conversation.branches[1:]))


def calls_in(turn: Turn) -> set[str]:
    """The ids of the calls in *turn*."""
    return _ids(turn, "tool_use", "id")


def _ids(turn: Turn, kind: str, key: str) -> set[str]:
    content = turn.message.get("content")
    blocks = content if isinstance(content, list) else []
    return {str(block.get(key)) for block in blocks if isinstance(block, dict) and block.get("type") == kind}


def _is_open(step: Sequence[Turn]) -> bool:
    """Whether more of the answer in *step*, or a result of its tools, may come: its end was not reported."""
    about = step[-1].metadata.get("message")
    if _ids(step[-1], "tool_result", "tool_use_id"):
        return True
    is_done = isinstance(about, dict) and about.get("stop_reason") in _DONE
    return step[-1].message.get("role") == "assistant" and not is_done


def _may_have_agents(path: str) -> bool:
    folder, name = os.path.split(path)
    with os.scandir(folder) as files:
        is_beside = any(one.name.startswith("agent-") for one in files)
    return is_beside or os.path.isdir(os.path.join(folder, os.path.splitext(name)[0], "subagents"))


def _stamp(file: Path) -> Sequence[int]:
    found = file.stat()
    return [found.st_size, found.st_mtime_ns]


def _last_step(turns: Sequence[Turn]) -> int:
    """The place where the last answer begins, with its results behind it; the last turn itself, if it belongs to no answer."""
    at = len(turns) - 1
    while at > 0 and _ids(turns[at], "tool_result", "tool_use_id"):
        at -= 1
    id = _answer_id(turns[at]) if at >= 0 else None
    while at > 0 and id is not None and _answer_id(turns[at - 1]) == id:
        at -= 1
    return max(at, 0)


def _answer_id(turn: Turn) -> JSON:
    about = turn.metadata.get("message")
    return about.get("id") if isinstance(about, dict) and turn.message.get("role") == "assistant" else None


def _is_said(value: JSON) -> bool:
    return isinstance(value, dict) and value.get("type") in _SAID


def _keeps_what_is_above(record: Mapping[str, JSON], known: Collection[str]) -> bool:
    """Whether the record is a compaction that keeps messages which are not among the *known*."""
    about = record.get("compactMetadata")
    segment = about.get("preservedSegment") if isinstance(about, dict) else None
    return isinstance(segment, dict) and str(segment.get("headUuid")) not in known


def _first_that_waits(values: Sequence[JSON]) -> int | None:
    """The record that brought the first text typed while the model worked that still waits, or None."""
    waiting: list[tuple[int, JSON]] = []
    for at, record in enumerate(values):
        if not isinstance(record, dict) or record.get("type") != "queue-operation":
            continue
        operation, content = record.get("operation"), record.get("content")
        if operation == "enqueue":
            waiting.append((at, content))
        elif operation == "popAll":
            waiting.clear()
        elif operation in ("dequeue", "remove") and waiting:
            waiting.pop(next((n for n, (_, text) in enumerate(waiting) if text == content), 0))
    return waiting[0][0] if waiting else None
