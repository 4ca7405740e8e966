"""What is done without a model: which messages may be summed up, and the note that takes their place.

Stays: instructions, pins, session contents, the last request of the user, calls that wait for their results, and the model's last turns.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tract.messages.kinds import MessageKind
from tract.messages.message import Message
from tract.messages.parts import Text, ToolCall
from tract.messages.reading import turn_of
from tract.report.text import count_of, excerpt

KEPT_TURNS = 20
"""The model's last turns, whose outputs, and files, are in use."""

_ASKED = 8
_SHOWN = 160
_LAST_WORDS = 400
_PATH = re.compile(r"[\w.@~+-]*/[\w./@~+-]+|\b[\w-]+\.[A-Za-z]\w{0,5}\b")
_FEW = 12


def paths_in(text: str) -> set[str]:
    """What looks like the names of files in *text*."""
    return {found.strip("./") for found in _PATH.findall(text)}


def note_of(messages: Sequence[tuple[Message, MessageKind]]) -> str:
    """A note in the place of *messages*: what was asked, which tools were called on what, and what was said last."""
    asked: list[str] = []
    tools: Counter[str] = Counter()
    paths: dict[str, None] = {}
    notes: list[str] = []
    last = ""
    for message, kind in messages:
        for part in turn_of(message).parts:
            if isinstance(part, ToolCall):
                tools[part.name] += 1
                paths |= dict.fromkeys(sorted(paths_in(part.arguments)))
            elif isinstance(part, Text) and part.text.strip():
                if kind == "user":
                    asked.append(part.text)
                elif kind == "summary":
                    notes.append(part.text)
                elif kind in ("answer", "tool_call"):
                    last = part.text
    lines = [f"[{count_of(len(messages), 'message')} left out here, summed up by rule; expand brings them back]"]
    lines += [excerpt(text, _LAST_WORDS) for text in notes]
    lines += [f"asked: {excerpt(text, _SHOWN)}" for text in asked[:_ASKED]]
    lines += [f"and {len(asked) - _ASKED} more times"] if len(asked) > _ASKED else []
    lines += [f"tools: {', '.join(f'{name} ×{count}' for name, count in tools.most_common(_FEW))}"] if tools else []
    lines += [f"files: {', '.join(list(paths)[-_FEW:])}"] if paths else []
    lines += [f"last said: {excerpt(last, _LAST_WORDS)}"] if last else []
    return "\n".join(lines)
