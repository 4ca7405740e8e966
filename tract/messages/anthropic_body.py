"""A whole request of Anthropic's: the system prompt, and the messages.

    openai user "1"   anthropic user "2"   anthropic assistant   anthropic user "3"   anthropic user "4"
    └──────── one message ──────────┘      └─────────────── as they were committed ─────────────────┘

Neighbours of one role become one message, tool results first, when one of them at least was converted.
Where all of them are Anthropic's own they stay apart: the API joins them itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from tract.messages.anthropic import join_system, write_blocks
from tract.messages.caching import fit_anthropic_marks
from tract.messages.fit_anthropic import Said, fit_anthropic, fit_turn
from tract.messages.mending import Piece, Step
from tract.messages.parts import SYSTEM_ROLES, Notes
from tract.messages.writing import Writer, note_losses
from tract.objects.message_format import JSON


class AnthropicWriter(Writer):
    """Its items are what messages say."""

    def write_plain(self, values: Sequence[Mapping[str, JSON]], row: int) -> None:
        self.items += [
            Said(at, "system" if value["role"] == "developer" else value["role"], value["content"], None, True)
            for at, value in enumerate(values, row)
        ]

    def write(self, step: Step, notes: Notes, *, is_last: bool) -> None:
        self.items += fit_turn(self._said(step.answer, notes), notes, is_last=is_last)
        self.items += self._said(step.rest, notes)

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
        return write_request(self.items, notes)


def write_request(said: Sequence[Said], notes: Notes) -> dict[str, JSON]:
    """``messages`` and, where there is one, ``system``, of all that was *said*.

    Instructions go to ``system``, Anthropic's own too where the API does not take them between messages.
    Instructions alone are what the user says.
    """
    system: list[JSON] = []
    body: list[Said] = []
    for at, one in enumerate(said):
        if one.role != "system":
            body.append(one)
            continue
        if body and not one.converted and _may_stay(body[-1], said[at + 1] if at + 1 < len(said) else None):
            body.append(one)
            continue
        if body:
            notes.add(one.index, "system_moved", "system")
        system.append(one.content)
    messages = [message for _, group in groupby(body, key=lambda one: one.role) for message in _joined(list(group))]
    _trim_end(messages, body, notes)
    prompt = join_system(system)
    if prompt is not None and not messages:
        notes.add(said[0].index, "instructions_as_user", "system")
        return fit_anthropic_marks({"messages": [{"role": "user", "content": prompt}]}, notes)
    request = {"messages": messages} if prompt is None else {"system": prompt, "messages": messages}
    return fit_anthropic_marks(request, notes)


def _may_stay(before: Said, behind: Said | None) -> bool:
    """Whether instructions may stand there: behind a user, and before an answer or last."""
    return before.role == "user" and (behind is None or behind.role == "assistant")


def _joined(group: Sequence[Said]) -> Iterable[JSON]:
    if len(group) == 1 or not any(one.converted for one in group):
        return [one.message() for one in group]
    blocks = [block for one in group for block in one.blocks()]
    results = [block for block in blocks if _is_result(block)]
    return [{"role": group[0].role, "content": [*results, *(block for block in blocks if not _is_result(block))]}]


def _is_result(block: JSON) -> bool:
    return isinstance(block, Mapping) and block.get("type") == "tool_result"


def _trim_end(messages: list[JSON], body: Sequence[Said], notes: Notes) -> None:
    """Take white space from the end of what an assistant says last, and what is nothing else."""
    if messages and messages[-1]["role"] == "assistant":
        content = messages[-1]["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
        last = blocks[-1]
        text = last.get("text") if last.get("type") == "text" else None
        if not isinstance(text, str) or text == text.rstrip():
            return
        notes.add(body[-1].index, "white_space_left_out", "at the end of the answer")
        if isinstance(content, str):
            messages[-1] = {**messages[-1], "content": text.rstrip()}
        else:
            messages[-1] = {**messages[-1], "content": [*blocks[:-1], {**last, "text": text.rstrip()}]}
