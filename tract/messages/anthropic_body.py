"""A whole request of Anthropic's: the system prompt, and the messages.

    openai user "1"   anthropic user "2"   anthropic assistant   anthropic user "3"   anthropic user "4"
    └──────── one message ──────────┘      └─────────────── as they were committed ─────────────────┘

Neighbours of one role become one message, tool results first, when one of them at least was converted.
Where all of them are Anthropic's own they stay apart: the API joins them itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from tract.messages.anthropic import join_system
from tract.messages.caching import fit_anthropic_marks
from tract.messages.fit_anthropic import Said
from tract.messages.parts import Notes
from tract.objects.message_format import JSON


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
