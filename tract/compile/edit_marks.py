"""A context whose edited texts are marked."""

from __future__ import annotations

from tract.compile.snapshot import Snapshot
from tract.dataclass import replace
from tract.messages import message_from_raw
from tract.messages.message import Message
from tract.objects.message_format import JSON
from tract.repo import Repository

EDITED = " [edited]"
"""What ``include_edit_annotations`` puts behind the text of an edited message."""


def with_marks(repo: Repository, snapshot: Snapshot) -> Snapshot:
    """*snapshot* with a mark behind the text of each message that was edited."""
    columns = snapshot.columns.copy(snapshot.length)
    for at in range(snapshot.length):
        if repo.commit(columns.commits[at]).content != columns.blobs[at]:
            marked = _marked(columns.messages[at])
            if marked is not None:
                columns.replace(at, columns.blobs[at], marked, made=True)
    return snapshot._replace(columns=columns)


def _marked(message: Message) -> Message | None:
    """*message* with the mark behind its text; None if it has no text."""
    key = "output" if "output" in message.raw and "content" not in message.raw else "content"
    content = message.raw.get(key)
    if isinstance(content, str):
        return _with(message, key, content + EDITED)
    if not isinstance(content, (list, tuple)):
        return None
    for at in range(len(content) - 1, -1, -1):
        part = content[at]
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            parts = [*content[:at], {**part, "text": part["text"] + EDITED}, *content[at + 1 :]]
            return _with(message, key, parts)
    return None


def _with(message: Message, key: str, value: JSON) -> Message:
    made = message_from_raw({**message.raw, key: value}, message.format)
    return replace(made, is_error=True) if message.is_error else made
