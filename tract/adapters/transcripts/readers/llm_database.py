"""The log of the command ``llm``: an SQLite database, ``logs.db``.

    conversations   id, name, model
    responses       conversation_id, prompt, system, response, reasoning, model, datetime_utc, input_tokens, output_tokens
    prompt_fragments, system_fragments, prompt_attachments    sent before the prompt and the system prompt, and with it
    tool_calls, tool_results   of a response, if the database has them

Each conversation's responses are read in order: the system prompt if it changes, the prompt, the tool results that came with it, the answer with its calls.
Since version 0.36 threads are logged (readers/llm_threads.py), beside older conversations.
Source: llm (versions up to 0.36), ``migrations.py`` and ``models.py``.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, linear
from tract.adapters.transcripts.readers import llm_tables as tables
from tract.adapters.transcripts.readers.building import answer, model_config, numbered, result, tool_call
from tract.adapters.transcripts.readers.llm_threads import read_threads
from tract.objects.message_format import JSON

_MAGIC = b"SQLite format 3\x00"


def is_sqlite(head: bytes) -> bool:
    """Whether a file that begins with *head* is a database of SQLite's."""
    return head.startswith(_MAGIC)


def read_llm_database(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """A conversation for each in the database; a problem if the database is another program's."""
    with _plain(found) as path:
        yield from _read(name, path, report)


@contextmanager
def _plain(found: Found) -> Iterator[Path]:
    """The database as a file that can be opened: itself, beside which its latest changes may be, or a copy of what was packed or came through a pipe."""
    assert found.path is not None
    if found.path.is_file():
        with found.path.open("rb") as file:
            head = file.read(len(_MAGIC))
        if is_sqlite(head):
            yield found.path
            return
    with NamedTemporaryFile(suffix=".db") as copy:
        shutil.copyfileobj(found.values[0], copy)
        copy.flush()
        yield Path(copy.name)


def _read(name: str, path: Path, report: Report) -> Iterator[Conversation]:
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        database.row_factory = sqlite3.Row
        try:
            number = 0
            for conversation in _conversations(name, database):
                yield conversation
                number += 1
            for conversation in read_threads(name, number, database, report):
                yield conversation
                number += 1
            if not number:
                report(None, "no response in it")
        finally:
            database.close()
    except sqlite3.Error as exc:
        report(None, f"not a log of the command llm: {exc}")


def _conversations(name: str, database: sqlite3.Connection) -> Iterator[Conversation]:
    number = 0
    called = {row["id"]: row for row in tables.rows(database, "conversations")}
    by_conversation: dict[Any, list[sqlite3.Row]] = {}
    for row in database.execute("select * from responses order by datetime_utc, id"):
        by_conversation.setdefault(tables.get(row, "conversation_id") or row["id"], []).append(row)
    reader = _Responses(database)
    for id, rows in by_conversation.items():
        turns = reader.turns(rows)
        about = called.get(id)
        title = None if about is None else about["name"]
        if turns:
            yield linear(numbered(name, number), turns, {}, title=title or None, id=str(id))
            number += 1


class _Responses:
    """The responses of a database, with the rows of other tables about each."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._calls = tables.by(database, "tool_calls", "response_id")
        self._results = tables.by(database, "tool_results", "response_id")
        self._before = {kind: tables.by(database, f"{kind}_fragments", "response_id") for kind in ("prompt", "system")}
        self._attached = tables.by(database, "prompt_attachments", "response_id")
        self._fragments = tables.fragments(database)
        self._attachments = tables.attachments(database)

    def turns(self, rows: list[sqlite3.Row]) -> list[Turn]:
        turns: list[Turn] = []
        system = None
        for row in rows:
            said = self._text(row, "system")
            if said and said != system:
                system = said
                turns.append(Turn({"role": "system", "content": said}, "openai"))
            turns += self._turns(row)
        return turns

    def _text(self, row: sqlite3.Row, kind: str) -> str:
        """The prompt, or the system prompt, behind its fragments."""
        ids = [one["fragment_id"] for one in self._before[kind].get(row["id"], [])]
        return "\n".join(filter(None, [*(self._fragments.get(id) for id in ids), tables.get(row, kind)]))

    def _turns(self, row: sqlite3.Row) -> Iterator[Turn]:
        time = tables.time_of(tables.get(row, "datetime_utc"))
        for given in self._results.get(row["id"], []):
            said = tables.get(given, "output") or tables.get(given, "exception") or ""
            yield Turn(result(tables.get(given, "tool_call_id"), said, tables.get(given, "name")), "openai", time=time)
        text = self._text(row, "prompt")
        files = [self._attachments[one["attachment_id"]] for one in self._attached.get(row["id"], []) if one["attachment_id"] in self._attachments]  # fmt: skip
        content: JSON = [*([{"type": "text", "text": text}] if text else []), *files] if files else text
        if content:
            yield Turn({"role": "user", "content": content}, "openai", time=time, key=f"{row['id']}:prompt")
        made = [tool_call(tables.get(one, "tool_call_id"), tables.get(one, "name"), tables.get(one, "arguments") or "{}") for one in self._calls.get(row["id"], [])]  # fmt: skip
        yield Turn(
            answer(row["response"] or "", made, tables.get(row, "reasoning")),
            "openai",
            time=time,
            usage=tables.usage_of(row),
            config=model_config(tables.get(row, "model")),
            key=str(row["id"]),
        )
