"""Text that a user of Claude Code typed while the model worked.

    {"type": "queue-operation", "operation": "enqueue", "content": text}     it waits
    {"type": "queue-operation", "operation": "dequeue"}                      the first leaves the queue
    {"type": "queue-operation", "operation": "remove"}                       the first, or the named one, goes to the model in between
    {"type": "queue-operation", "operation": "popAll"}                       all go back to the input line
    {"type": "attachment", "attachment": {"type": "queued_command", "prompt": text}}   the text as it went to the model

If a later user record has the same text, that record is the message; if none does, the text is a message at the place where it went to the model.
"""

from __future__ import annotations

import re

from tract.adapters.transcripts.conversations import Found, Report
from tract.objects.message_format import JSON

_COMMAND = r"(?s)/[a-z][\w:-]*(\s.*)?\Z"
"""The form of a command for the program itself; a path has another slash."""


_OPERATIONS = ("enqueue", "popAll", "dequeue", "remove")


class Queue:
    """The waiting texts, while the records are read."""

    def __init__(self, found: Found, report: Report) -> None:
        self._found = found
        self._report = report
        self._waiting: list[tuple[int, JSON]] = []
        self._said: dict[str, list[int]] | None = None

    def handed_on(self, at: int, record: dict[str, JSON]) -> JSON:
        """The text that record number *at* hands to the model, and that no other record has; None if there is none."""
        kind = record.get("type")
        if kind == "attachment":
            return _attached(record) or None
        if kind != "queue-operation":
            return None
        operation, content = record.get("operation"), record.get("content")
        if operation == "enqueue" and (said := _said(content)):
            self._waiting.append((at, said))
        elif operation == "popAll":
            for since, text in self._waiting:
                self._report.note(
                    self._found.line(since), f"typed while the model worked, and taken back: {_text(text)[:80]!a}"
                )
            self._waiting.clear()
        elif operation in ("dequeue", "remove") and self._waiting:
            which = next((n for n, (_, text) in enumerate(self._waiting) if text == _said(content)), 0)
            since, text = self._waiting.pop(which)
            if self._is_said(text, since):
                return None
            if re.match(_COMMAND, _text(text)):
                self._report.note(self._found.line(at), f"a command for the program is left out: {_text(text)[:80]!a}")
                return None
            return text
        elif (operation not in _OPERATIONS or operation == "enqueue") and content:
            self._report(self._found.line(at), f"typed while the model worked, in an operation that tract does not know: {str(content)[:80]!a}")  # fmt: skip
        return None

    def end(self) -> None:
        """Report the texts that still wait."""
        for since, text in self._waiting:
            if not self._is_said(text, since):
                detail = f"typed while the model worked, and never sent to it: {_text(text)[:80]!a}"
                self._report.note(self._found.line(since), detail)

    def _is_said(self, words: JSON, since: int) -> bool:
        """Whether a record behind number *since* has the texts of *words*, and does not stand for an earlier one."""
        if self._said is None:  # most sessions do not need it
            self._said = {}
            for at, record in enumerate(self._found.values):
                for said in _texts(record):
                    self._said.setdefault(said, []).append(at)
        places = self._said.get(_text(words), [])
        which = next((n for n, at in enumerate(places) if at > since), None)
        if which is not None:
            del places[which]
        return which is not None


def _attached(record: dict[str, JSON]) -> JSON:
    attachment = record.get("attachment")
    if not isinstance(attachment, dict) or attachment.get("type") != "queued_command":
        return None
    return _said(attachment.get("prompt"))


def _said(prompt: JSON) -> JSON:
    """What was typed: a text, or with pictures a list of blocks; nothing where it is neither."""
    if isinstance(prompt, list):
        blocks = [block for block in prompt if isinstance(block, dict) and isinstance(block.get("type"), str)]
        return _text(blocks) if all(isinstance(block.get("text"), str) for block in blocks) else blocks
    return prompt if isinstance(prompt, str) else ""


def _text(words: JSON) -> str:
    """The texts of what was typed."""
    if isinstance(words, list):
        return "\n".join(block["text"] for block in words if isinstance(block.get("text"), str))
    return words if isinstance(words, str) else ""


def _texts(record: JSON) -> list[str]:
    """The texts of a user record, or of a record of text handed to the model."""
    if not isinstance(record, dict):
        return []
    if record.get("type") == "attachment":
        words = _attached(record)
        return [_text(words)] if words else []
    message = record.get("message")
    if record.get("type") != "user" or not isinstance(message, dict):
        return []
    content = message.get("content")
    blocks = [{"text": content}] if isinstance(content, str) else content if isinstance(content, list) else []
    return [block["text"] for block in blocks if isinstance(block, dict) and isinstance(block.get("text"), str)]
