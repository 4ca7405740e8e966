"""A whole Anthropic request: the system prompt and the messages.

    openai user "1"   anthropic user "2"   anthropic assistant   anthropic user "3"   anthropic user "4"
    └──────── one message ──────────┘      └─────────────── as they were committed ─────────────────┘

Neighbours of one role become one message, tool results first, if at least one of them was converted.
If all of them are Anthropic's own, they stay apart: the API joins them itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from tract.messages.anthropic import join_system, write_blocks
from tract.messages.assembly import Assembly
from tract.messages.caching import fit_anthropic_marks, has_mark
from tract.messages.fit_anthropic import Said, fit_anthropic, fit_turn
from tract.messages.fit_pictures import Pictures
from tract.messages.form import Form
from tract.messages.mending import Piece, Step
from tract.messages.parts import SYSTEM_ROLES, Notes
from tract.messages.writing import Writer, note_losses
from tract.objects.message_format import JSON


class AnthropicWriter(Writer):
    """The writer for Anthropic; its items are :class:`Said` values."""

    def __init__(self, form: Form) -> None:
        super().__init__(form)
        self._pictures = Pictures()
        self._assembly: Assembly[Said] = Assembly(
            self.items, attrgetter("role"), _joined, stays=may_stay, is_marked=has_mark
        )

    def take_back(self, items: int, state: Any) -> None:
        self._assembly.take_back(items)
        self._pictures.take_back(items)
        super().take_back(items, state)

    def write_plain(self, values: Sequence[Mapping[str, JSON]], row: int) -> None:
        self.items += [
            Said(at, "system" if value["role"] == "developer" else value["role"], value["content"], None, True)
            for at, value in enumerate(values, row)
        ]

    def write(self, step: Step, notes: Notes, *, is_last: bool) -> None:
        start = len(self.items)
        # Results behind an answer end its turn: what the provider's own tools still owed is lost then.
        is_last = is_last and (self.form.rules < 3 or not step.rest)
        self.items += fit_turn(self._said(step.answer, notes), notes, is_last=is_last)
        self.items += self._said(step.rest, notes)
        for at in range(start, len(self.items)):
            if not isinstance(self.items[at].content, str):
                self._assembly.may_have_marks.add(at)
                if self.form.rules > 1:
                    self._pictures.add(at, self.items[at])

    def _said(self, pieces: Sequence[Piece], notes: Notes) -> list[Said]:
        said: list[Said] = []
        for piece in pieces:
            if piece.message.format == "anthropic":
                raw = self.own(piece, notes)
                own = None if raw is None else fit_anthropic(raw, piece.row, notes)
                said += [] if own is None else [own]
                continue
            turns = self.turns(piece, notes)
            for turn in turns:
                blocks = write_blocks(turn, notes)
                is_plain = len(blocks) == 1 and blocks[0]["type"] == "text" and not turn.listed
                content = blocks[0]["text"] if is_plain else blocks
                role = "system" if turn.role in SYSTEM_ROLES else turn.role
                said += [Said(turn.index, role, content, None, True)] if blocks else []
            note_losses(turns, notes)
        return said

    def request(self, notes: Notes) -> Any:
        """The request: ``messages``, and ``system`` if there are instructions.

        Instructions go to ``system``, and so do Anthropic's own system messages where the API does not take them between messages.
        If there are only instructions, they are sent as a user message.
        """
        found = self._assembly.assembled()
        for one in found.moved:
            notes.add(one.index, "system_moved", "system")
        messages, self.marked = self._pictures.fitting(found.messages, notes), found.marked
        _trim_end(messages, self.items, notes)
        prompt = join_system([one.content for one in found.system])
        if prompt is not None and not messages:
            notes.add(self.items[0].index, "instructions_as_user", "system")
            messages, prompt = [{"role": "user", "content": prompt}], None
            self.marked = [0] if has_mark(messages[0]) else []
        request = {"messages": messages} if prompt is None else {"system": prompt, "messages": messages}
        return fit_anthropic_marks(request, notes, self.marked)


def may_stay(one: Said, before: str, behind: Said | None) -> bool:
    """Whether an instruction may stay between the messages: it must be Anthropic's own, behind a user message, and last or before an answer."""
    return not one.converted and before == "user" and (behind is None or behind.role == "assistant")


def _joined(group: Sequence[Said]) -> Sequence[JSON]:
    if len(group) == 1:
        return [group[0].message()]
    if not any(one.converted for one in group):
        return [one.message() for one in group]
    blocks = [block for one in group for block in one.blocks()]
    results = [block for block in blocks if _is_result(block)]
    return [{"role": group[0].role, "content": [*results, *(block for block in blocks if not _is_result(block))]}]


def _is_result(block: JSON) -> bool:
    return isinstance(block, Mapping) and block.get("type") == "tool_result"


def _trim_end(messages: list[JSON], said: Sequence[Said], notes: Notes) -> None:
    """Take white space from the end of the last message if it is the assistant's."""
    if messages and messages[-1]["role"] == "assistant":
        content = messages[-1]["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
        last = blocks[-1]
        text = last.get("text") if last.get("type") == "text" else None
        if not isinstance(text, str) or text == text.rstrip():
            return
        at = next(one.index for one in reversed(said) if one.role == "assistant")
        notes.add(at, "white_space_left_out", "at the end of the answer")
        if isinstance(content, str):
            messages[-1] = {**messages[-1], "content": text.rstrip()}
        else:
            messages[-1] = {**messages[-1], "content": [*blocks[:-1], {**last, "text": text.rstrip()}]}
