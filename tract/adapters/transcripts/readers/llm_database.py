"""The log of the command ``llm``: an SQLite database, ``logs.db``.

    conversations   id, name, model
    responses       conversation_id, prompt, system, response, model, datetime_utc, input_tokens, output_tokens, options_json
    tool_calls, tool_results   of a response, where the database has them

Each conversation's responses in their order: the system prompt where it changes, the prompt, the results of tools that came with it, the answer with its calls.
Source: llm (versions up to 0.36), ``migrations.py`` and ``models.py``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, linear
from tract.adapters.transcripts.readers.building import answer, model_config, numbered, result, tool_call
from tract.objects.message_format import JSON

_MAGIC = b"SQLite format 3\x00"


def is_sqlite(head: bytes) -> bool:
    """Whether a file that begins with *head* is a database of SQLite's."""
    return head.startswith(_MAGIC)


def read_llm_database(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """A conversation for each that the database has; a problem where it is another program's."""
    assert found.path is not None
    try:
        database = sqlite3.connect(f"{found.path.absolute().as_uri()}?mode=ro", uri=True)
        database.row_factory = sqlite3.Row
        try:
            yield from _conversations(name, database, report)
        finally:
            database.close()
    except sqlite3.Error as exc:
        report(None, f"no log of the command llm: {exc}")


def _conversations(name: str, database: sqlite3.Connection, report: Report) -> Iterator[Conversation]:
    number = 0
    called = {row["id"]: row for row in _rows(database, "conversations")}
    by_conversation: dict[Any, list[sqlite3.Row]] = {}
    for row in database.execute("select * from responses order by datetime_utc, id"):
        by_conversation.setdefault(_get(row, "conversation_id") or row["id"], []).append(row)
    calls = _of_responses(database, "tool_calls")
    results = _of_responses(database, "tool_results")
    for id, rows in by_conversation.items():
        turns: list[Turn] = []
        system = None
        for row in rows:
            said = _get(row, "system")
            if said and said != system:
                system = said
                turns.append(Turn({"role": "system", "content": said}, "openai"))
            turns += _turns(row, calls.get(row["id"], []), results.get(row["id"], []))
        about = called.get(id)
        title = None if about is None else about["name"]
        if turns:
            yield linear(numbered(name, number), turns, {}, title=title or None, id=str(id))
            number += 1
    if not number:
        report(None, "no response in it")


def _turns(row: sqlite3.Row, calls: list[sqlite3.Row], results: list[sqlite3.Row]) -> Iterator[Turn]:
    time = _time(_get(row, "datetime_utc"))
    for given in results:
        yield Turn(result(_get(given, "tool_call_id"), _get(given, "output") or "", _get(given, "name")), "openai", time=time)  # fmt: skip
    if row["prompt"]:
        yield Turn({"role": "user", "content": row["prompt"]}, "openai", time=time, key=f"{row['id']}:prompt")
    made = [tool_call(_get(one, "tool_call_id"), _get(one, "name"), _get(one, "arguments") or "{}") for one in calls]
    usage: dict[str, JSON] = {"input_tokens": _get(row, "input_tokens"), "output_tokens": _get(row, "output_tokens")}
    yield Turn(
        answer(row["response"] or "", made),
        "openai",
        time=time,
        usage=usage if all(isinstance(one, int) for one in usage.values()) else None,
        config=model_config(_get(row, "model")),
        key=str(row["id"]),
    )


def _of_responses(database: sqlite3.Connection, table: str) -> dict[Any, list[sqlite3.Row]]:
    found: dict[Any, list[sqlite3.Row]] = {}
    for row in _rows(database, table):
        found.setdefault(_get(row, "response_id"), []).append(row)
    return found


def _rows(database: sqlite3.Connection, table: str) -> list[sqlite3.Row]:
    """The rows of a table that older databases have not got."""
    known = database.execute("select 1 from sqlite_master where type = 'table' and name = ?", (table,)).fetchone()
    return database.execute(f"select * from {table}").fetchall() if known else []  # one of three names


def _get(row: sqlite3.Row, name: str) -> Any:
    return row[name] if name in row.keys() else None  # noqa: SIM118  # a row is searched by its values else


def _time(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
