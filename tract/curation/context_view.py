"""A context place by place: its messages, whether each is hidden or pinned, and its tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from tract.compile.workspace import Workspace
from tract.errors import EditTargetError, TractError
from tract.history.commit import message_named
from tract.history.context import context_at, count_entries, entries, entry_at, index_of
from tract.history.priority import Priority, priority_of
from tract.messages import ToolUnits, tool_units
from tract.messages.message import Message
from tract.objects.id import HEX_SIZE, ObjectId, parse_id
from tract.objects.model import Entry
from tract.revision import Revision, revision_text

INSTRUCTIONS = ("system", "developer")
"""The roles of instructions, which providers take apart from the other messages."""


_ROW = 200
"""The number of entries in a row that can be read in the time of one look-up."""


class ContextView:
    """The context at a commit, place by place, with the present priority of each message.

    The whole context is read if all or much of it is asked for; single messages are looked up.
    """

    def __init__(self, space: Workspace, head: ObjectId) -> None:
        self.space = space
        self._context = context_at(space.repo, head)
        self._snapshot = space.compiler.compile(head)
        self._notes = space.compiler.advance_notes()
        self._looks = 0

    @cached_property
    def items(self) -> list[Entry]:
        """Every entry, in order."""
        return entries(self.space.repo, self._context)

    @cached_property
    def index(self) -> dict[ObjectId, int]:
        """The place of each message by its commit."""
        return {commit: at for at, (commit, _) in enumerate(self.items)}

    def __len__(self) -> int:
        return count_entries(self.space.repo, self._context)

    def entry(self, at: int) -> Entry:
        """The entry at a place."""
        return self.items[at] if self._is_read() else entry_at(self.space.repo, self._context, at)

    def _is_read(self) -> bool:
        """Whether all entries are read, or should be: one look-up takes as long as reading some hundred in a row."""
        self._looks += 1
        return "items" in self.__dict__ or self._looks * _ROW > len(self)

    def place_of(self, revision: Revision, error: type[TractError]) -> int:
        """The place of the message that *revision* names; an edit's id stands for the message it edits. *error* if the context does not have it."""
        repo = self.space.repo
        text = revision_text(revision)
        if (
            len(text) == HEX_SIZE and "index" in self.__dict__
        ):  # thousands of messages named by their ids need no look-up
            known = self.index.get(parse_id(text) or b"")
            if known is not None:
                return known
        try:
            commit = message_named(repo, revision)
        except EditTargetError as exc:
            raise error(f"'{text}' is not a message: {exc}") from exc
        at = self.index.get(commit) if self._is_read() else index_of(repo, self._context, commit)
        if at is None:
            raise error(f"message {commit.hex()[:16]} is not in the context at HEAD")
        return at

    def is_hidden(self, at: int) -> bool:
        """Whether the model does not receive the message, because it or the other half of its tool pair is skipped."""
        commit = self.entry(at)[0]
        if self._notes.is_skipped(self.space.repo, commit):
            return True
        return commit in self._snapshot.hidden.blobs and not self.space.compiler.is_custom

    def priority(self, at: int, content: Mapping[str, Any] | None = None) -> Priority:
        """The message's priority; a caller that has read its *content* already passes it."""
        commit, blob = self.entry(at)
        note = self._notes.priorities.get(self.space.repo, commit)
        return priority_of(note, self.space.repo.blob(blob) if content is None else content)

    def is_pinned(self, at: int) -> bool:
        """Whether the message is pinned."""
        note = self._notes.priorities.get(self.space.repo, self.entry(at)[0])
        if note is None and self.message(at).role not in INSTRUCTIONS:
            return False  # decides most messages without reading their contents
        return self.priority(at) is Priority.PINNED

    def raw_message(self, at: int) -> Message:
        """The message as its content has it."""
        return self.space.blobs.message(self.entry(at)[1])

    def message(self, at: int) -> Message:
        """The message as the model receives it."""
        commit = self.entry(at)[0]
        row = self._snapshot.columns.place(commit)
        if row is None or not self._snapshot.shows(commit):
            return self.raw_message(at)
        return self._snapshot.columns.messages[row]

    def tokens(self, at: int) -> int:
        """The tokens sent for the message, framing included; for a hidden one, those of the message by itself."""
        columns, commit = self._snapshot.columns, self.entry(at)[0]
        row = columns.place(commit)
        if row is None or not self._snapshot.shows(commit):
            return self.space.message_tokens(self.entry(at)[1])
        return self._sent[row]

    @cached_property
    def _sent(self) -> Sequence[int]:
        return self._snapshot.columns.counts_sent(self._snapshot.length, self.space)

    def tokens_around(self, at: int) -> tuple[int, int]:
        """The shown tokens before the message at *at*, and those from it on."""
        columns, length = self._snapshot.columns, self._snapshot.length
        row = columns.place(self.entry(at)[0])
        total = columns.total(length, self.space)
        before = total if row is None or row >= length else columns.total(row, self.space)
        return before, total - before

    def units(self) -> ToolUnits:
        """The units of tool calls and results, hidden ones included."""
        return tool_units([self.raw_message(at) for at in range(len(self))])
