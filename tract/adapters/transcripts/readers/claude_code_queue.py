"""What a user of Claude Code typed while the model worked.

    {"type": "queue-operation", "operation": "enqueue", "content": text}     it waits
    {"type": "queue-operation", "operation": "dequeue"}                      the first goes on its way
    {"type": "queue-operation", "operation": "remove"}                       the first, or the one that is named, goes to the model in between
    {"type": "queue-operation", "operation": "popAll"}                       all go back to where they were typed
    {"type": "attachment", "attachment": {"type": "queued_command", "prompt": text}}   the words as they went to the model

Where a record of the user behind it says the same words, that record is the message; where none does, the words are one where they went.
"""

from __future__ import annotations

import re

from tract.adapters.transcripts.conversations import Found, Report
from tract.objects.message_format import JSON

_COMMAND = r"(?s)/[a-z][\w:-]*(\s.*)?\Z"
"""What a command for the program itself looks like; a path goes on with another stroke."""


_OPERATIONS = ("enqueue", "popAll", "dequeue", "remove")


class Queue:
    """The words that wait, while the records are read."""

    def __init__(self, found: Found, report: Report) -> None:
        self._found = found
        self._report = report
        self._waiting: list[tuple[int, str]] = []
        self._said: dict[str, list[int]] | None = None

    def handed_on(self, at: int, record: dict[str, JSON]) -> str | None:
        """The words that record number *at* hands to the model, and that no other record says; None for none."""
        kind = record.get("type")
        if kind == "attachment":
            return _attached(record)
        if kind != "queue-operation":
            return None
        operation, content = record.get("operation"), record.get("content")
        if operation == "enqueue" and isinstance(content, str) and content:
            self._waiting.append((at, content))
        elif operation == "popAll":
            for since, text in self._waiting:
                self._report.note(
                    self._found.line(since), f"typed while the model worked, and taken back: {text[:80]!a}"
                )
            self._waiting.clear()
        elif operation in ("dequeue", "remove") and self._waiting:
            which = next((n for n, (_, text) in enumerate(self._waiting) if text == content), 0)
            since, text = self._waiting.pop(which)
            if self._is_said(text, since):
                return None
            if re.match(_COMMAND, text):
                self._report.note(self._found.line(at), f"a command for the program, and left out: {text[:80]!a}")
                return None
            return text
        elif operation not in _OPERATIONS and content:
            self._report(self._found.line(at), f"typed while the model worked, in an operation that tract does not know: {str(content)[:80]!a}")  # fmt: skip
        return None

    def end(self) -> None:
        """Say what still waits."""
        for since, text in self._waiting:
            if not self._is_said(text, since):
                detail = f"typed while the model worked, and never handed to it: {text[:80]!a}"
                self._report.note(self._found.line(since), detail)

    def _is_said(self, text: str, since: int) -> bool:
        """Whether a record behind number *since* says *text*, and says it for no other."""
        if self._said is None:  # in most sessions nobody asks
            self._said = {}
            for at, record in enumerate(self._found.values):
                for said in _texts(record):
                    self._said.setdefault(said, []).append(at)
        places = self._said.get(text, [])
        which = next((n for n, at in enumerate(places) if at > since), None)
        if which is not None:
            del places[which]
        return which is not None


def _attached(record: dict[str, JSON]) -> str | None:
    attachment = record.get("attachment")
    if not isinstance(attachment, dict) or attachment.get("type") != "queued_command":
        return None
    prompt = attachment.get("prompt")
    if isinstance(prompt, list):
        prompt = "\n".join(block["text"] for block in prompt if isinstance(block, dict) and isinstance(block.get("text"), str))  # fmt: skip
    return prompt if isinstance(prompt, str) and prompt else None


def _texts(record: JSON) -> list[str]:
    """What a record of the user says, or one of what it was handed."""
    if not isinstance(record, dict):
        return []
    if record.get("type") == "attachment":
        text = _attached(record)
        return [] if text is None else [text]
    message = record.get("message")
    if record.get("type") != "user" or not isinstance(message, dict):
        return []
    content = message.get("content")
    blocks = [{"text": content}] if isinstance(content, str) else content if isinstance(content, list) else []
    return [block["text"] for block in blocks if isinstance(block, dict) and isinstance(block.get("text"), str)]
