"""What is counted of chat messages, worked out all at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.making import Words
from tract.messages import Pairing, message_from_raw
from tract.messages.message import Message
from tract.messages.pairing import Ref, tools_in
from tract.messages.tool_edits import INTERRUPTED
from tract.tokens.counted import count_message

MADE_UP = count_message(Words(), message_from_raw({"role": "tool", "content": INTERRUPTED}, "openai"))
"""The tokens of the result of a call that nobody answered."""


def sent_counts(messages: Sequence[Message], counter: Any = None) -> list[int]:
    """The tokens of each of OpenAI's chat messages, results that answer nothing left out and missing ones made up."""
    pairing = Pairing()
    for row, message in enumerate(messages):
        pairing.add(row, message)
    counts = []
    for row, message in enumerate(messages):
        calls, results = tools_in(message)
        is_lost = bool(results) and Ref(row, 0) not in pairing.calls
        refs = [Ref(row, at) for at in range(len(calls))]
        missing = [ref for ref in refs if ref not in pairing.answers and ref not in pairing.open]
        counts.append(0 if is_lost else count_message(counter or Words(), message) + MADE_UP * len(missing))
    return counts
