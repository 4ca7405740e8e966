"""The log of the command llm since version 0.36: threads of messages, in a tree that they share.

    threads    id, name, tip_message_hash
    turns      thread_id, tip_message_hash: the answer; model, input_tokens, output_tokens, datetime_utc
    messages   hash, parent_hash, role
    parts      message_hash, position, type, text, payload: the other fields of the part, as JSON

    text, reasoning   text, or {"text_ref": [{"literal"} | {"fragment": id}, …]}
    tool_call         {"name", "arguments", "tool_call_id"}
    tool_result       {"name", "output", "tool_call_id", "exception", "attachments": [{"id"}]}
    attachment        {"attachment": {"id"}}

A thread's main line ends at its tip; a turn of it that is not an ancestor of the tip is a branch.
Source: llm 0.36, ``migrations.py`` and ``logs.py``; tried against databases that it wrote.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tract.adapters.transcripts.conversations import Conversation, Report, Turn
from tract.adapters.transcripts.readers import llm_tables as tables
from tract.adapters.transcripts.readers.building import (
    Node,
    answer,
    lines_of,
    model_config,
    numbered,
    result,
    tool_call,
)
from tract.adapters.transcripts.strictjson import parse
from tract.objects.message_format import JSON


def read_threads(name: str, number: int, database: sqlite3.Connection, report: Report) -> Iterator[Conversation]:
    """A conversation for each thread that has a message; they are counted from *number*."""
    turns_of = tables.by(database, "turns", "thread_id")
    reader = _Messages(database, report) if turns_of else None
    for thread in tables.rows(database, "threads"):
        if reader is None:
            return
        id, tip = thread["id"], tables.get(thread, "tip_message_hash")
        turns = {row["tip_message_hash"]: row for row in turns_of.get(id, [])}
        branches = lines_of(reader.nodes(str(id), [*turns, tip], turns), tip)
        if any(branch.turns for branch in branches):
            yield Conversation(numbered(name, number), branches, title=tables.get(thread, "name") or None, id=str(id))
            number += 1


class _Messages:
    """The messages of a database, read on demand."""

    def __init__(self, database: sqlite3.Connection, report: Report) -> None:
        self._rows = {row["hash"]: row for row in tables.rows(database, "messages")}
        self._parts = tables.by(database, "parts", "message_hash")
        self._fragments = tables.fragments(database)
        self._attachments = tables.attachments(database)
        self._report = report

    def nodes(self, thread: str, tips: list[Any], turns: dict[Any, sqlite3.Row]) -> list[Node]:
        """The messages that lead to *tips*, each behind the one it follows."""
        found: dict[Any, Node] = {}
        for tip in tips:
            path: list[sqlite3.Row] = []
            seen: set[Any] = set()
            at = tip
            while at in self._rows and at not in found and at not in seen:
                seen.add(at)
                path.append(self._rows[at])
                at = self._rows[at]["parent_hash"]
            if at is not None and at not in found:
                self._report(None, f"a message that is not there: {str(at)[:80]!a}")
            turn = turns.get(tip)
            time = None if turn is None else tables.time_of(tables.get(turn, "datetime_utc"))
            for row in reversed(path):
                made = self._turns(row, thread, turns.get(row["hash"]), time)
                found[row["hash"]] = Node(row["hash"], row["parent_hash"], made)
        return list(found.values())

    def _turns(
        self, row: sqlite3.Row, thread: str, turn: sqlite3.Row | None, time: datetime | None
    ) -> tuple[Turn, ...]:
        messages = self._messages(row)
        facts: dict[str, Any] = {}
        if turn is not None:
            model = tables.get(turn, "resolved_model") or tables.get(turn, "model")
            facts = {"usage": tables.usage_of(turn), "config": model_config(model)}
        return tuple(
            Turn(message, "openai", time=time, key=f"{thread}:{row['hash']}" + (f"/{nth}" if nth else ""), **(facts if message["role"] == "assistant" else {}))
            for nth, message in enumerate(messages)
        )  # fmt: skip

    def _messages(self, row: sqlite3.Row) -> list[dict[str, JSON]]:
        parts = [self._part(part) for part in sorted(self._parts.get(row["hash"], []), key=lambda one: one["position"])]
        said: list[dict[str, JSON]] = []
        results: list[dict[str, JSON]] = []
        for part in parts:
            if part["type"] == "tool_result":
                results.append(result(part.get("tool_call_id"), part.get("output") or part.get("exception") or "", part.get("name")))  # fmt: skip
                said += self._attached(part.get("attachments"))
            elif part["type"] == "attachment":
                said += self._attached([part.get("attachment")])
            elif part["type"] == "text":
                said.append({"type": "text", "text": str(part.get("text") or "")})
        is_text = all(one["type"] == "text" for one in said)
        text = "".join(str(one["text"]) for one in said) if is_text else ""
        if row["role"] == "assistant":
            thought = "".join(str(part.get("text") or "") for part in parts if part["type"] == "reasoning")
            calls = [tool_call(part.get("tool_call_id"), part.get("name"), part.get("arguments")) for part in parts if part["type"] == "tool_call"]  # fmt: skip
            return [answer(text, calls, thought) | ({} if is_text else {"content": said}), *results]
        role = row["role"] if row["role"] in ("system", "user") else "user"
        return [*results, *([{"role": role, "content": text if is_text else said}] if said or not results else [])]

    def _part(self, row: sqlite3.Row) -> dict[str, Any]:
        payload = parse(row["payload"].encode()) if isinstance(row["payload"], str) else None
        part: dict[str, Any] = payload if isinstance(payload, dict) else {}
        pieces = part.get("text_ref")
        if row["text"] is not None:
            part["text"] = row["text"]
        elif isinstance(pieces, list):
            part["text"] = "".join(map(self._piece, pieces))
        if row["type"] not in ("text", "reasoning", "tool_call", "tool_result", "attachment"):
            self._report.note_once(None, f"a part of type {str(row['type'])[:40]!a}, which tract does not know, is left out")  # fmt: skip
        return {**part, "type": row["type"]}

    def _piece(self, piece: Any) -> str:
        if not isinstance(piece, dict):
            return ""
        return str(piece["literal"]) if "literal" in piece else self._fragments.get(piece.get("fragment"), "")

    def _attached(self, references: Any) -> list[dict[str, JSON]]:
        ids = [one.get("id") for one in references if isinstance(one, dict)] if isinstance(references, list) else []
        return [self._attachments.get(id, {"type": "text", "text": f"[attachment: {id}]"}) for id in ids]
