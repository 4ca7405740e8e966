"""The parts of a tool's answer: messages and commits in a line, and texts cut at a size.

Texts of messages that another party hid are withheld, unless the caller may see them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tract.objects.model import CommitOperation
from tract.report.text import excerpt, short

if TYPE_CHECKING:
    from tract.curation.listing import MessageInfo
    from tract.report.info import CommitInfo

WORDS = 100
"""The characters of a message that a list shows."""

WITHHELD = "(somebody hid this)"
_USUAL = {"instruction": "system", "user": "user", "answer": "assistant", "tool_result": "tool"}

NONE: frozenset[str] = frozenset()


def is_withheld(one: CommitInfo, withheld: frozenset[str]) -> bool:
    """Whether a commit has a text that must not be shown: that of a withheld message, or of an edit of one."""
    return one.commit_hash in withheld or (one.operation is CommitOperation.EDIT and one.response_to in withheld)


def commit_line(one: CommitInfo, withheld: frozenset[str] = NONE) -> str:
    """A commit, as lists show it."""
    if is_withheld(one, withheld):
        return f"{short(one.commit_hash)} {one.operation.value} {one.role}: {WITHHELD}"
    note = f" ({excerpt(one.message)})" if one.message else ""
    return f"{short(one.commit_hash)} {one.operation.value} {one.role}: {excerpt(one.excerpt, WORDS)}{note}"


def message_line(one: MessageInfo, withheld: frozenset[str] = NONE) -> str:
    """A message, as lists show it."""
    words = WITHHELD if one.commit_hash in withheld else excerpt(one.text, WORDS)
    marks = "".join(f" [{mark}]" for mark in one.marks)
    return f"{one.number} {short(one.commit_hash)} {_label(one)} {one.token_count} tokens{marks}: {words}"


def _label(one: MessageInfo) -> str:
    """The role of a message, and its kind if the role does not tell it."""
    return one.role if _USUAL.get(one.kind) == one.role else f"{one.role} {one.kind}"


def message_data(one: MessageInfo) -> dict[str, Any]:
    """A message as JSON, without its text."""
    return {
        "number": one.number,
        "commit": one.commit_hash,
        "kind": one.kind,
        "role": one.role,
        "tokens": one.token_count,
        "priority": one.priority.value,
        "hidden": one.is_hidden,
    }


def cut(text: str, offset: int, length: int) -> str:
    """*length* characters of *text* from *offset* on; if that is not all, also how to get the rest."""
    part = text[offset : offset + length]
    end = offset + len(part)
    if not offset and end >= len(text):
        return part
    rest = f"; the rest is at offset={end}" if end < len(text) else ""
    return f"{part}\n[characters {min(offset, len(text))} to {end} of {len(text)}{rest}]"
