"""The tables of the command llm's database, for readers: an older database lacks some tables and columns."""

from __future__ import annotations

import base64
import sqlite3
from datetime import UTC, datetime
from typing import Any

from tract.objects.message_format import JSON


def rows(database: sqlite3.Connection, table: str) -> list[sqlite3.Row]:
    """The rows of *table*, which is one of llm's; empty if the database lacks it."""
    known = database.execute("select 1 from sqlite_master where type = 'table' and name = ?", (table,)).fetchone()
    return database.execute(f'select * from "{table}"').fetchall() if known else []


def get(row: sqlite3.Row, name: str) -> Any:
    """The value of *row* in column *name*; None if there is no such column."""
    return row[name] if name in row.keys() else None  # noqa: SIM118  # a row is searched by its values else


def by(database: sqlite3.Connection, table: str, key: str) -> dict[Any, list[sqlite3.Row]]:
    """The rows of *table* by their value in column *key*, in their ``order`` if they have one."""
    found: dict[Any, list[sqlite3.Row]] = {}
    for row in sorted(rows(database, table), key=lambda row: get(row, "order") or 0):
        found.setdefault(get(row, key), []).append(row)
    return found


def time_of(text: Any) -> datetime | None:
    """A moment as llm writes it, in UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def usage_of(row: sqlite3.Row) -> dict[str, JSON] | None:
    """The tokens of a call, if both counts are known."""
    usage: dict[str, JSON] = {"input_tokens": get(row, "input_tokens"), "output_tokens": get(row, "output_tokens")}
    return usage if all(isinstance(one, int) for one in usage.values()) else None


def fragments(database: sqlite3.Connection) -> dict[Any, str]:
    """The texts of the fragments by their ids."""
    return {row["id"]: str(row["content"]) for row in rows(database, "fragments")}


def attachments(database: sqlite3.Connection) -> dict[Any, dict[str, JSON]]:
    """Each attachment by its id as a part of a message: a picture, or a text that names it."""
    return {row["id"]: _part(row) for row in rows(database, "attachments")}


def _part(row: sqlite3.Row) -> dict[str, JSON]:
    kind, content, url = str(get(row, "type")), get(row, "content"), get(row, "url")
    if kind.startswith("image/") and isinstance(content, bytes):
        url = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    if kind.startswith("image/") and url:
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "text", "text": f"[attachment: {url or get(row, 'path') or kind}]"}
