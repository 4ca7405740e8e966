"""What is supposed to be sent is what is sent once it is so."""

from __future__ import annotations

from typing import Any

from tests.making import make_tract
from tract import Tract
from tract.compile.supposed import Supposed, supposed_tokens


def answered(id: str) -> list[dict[str, Any]]:
    """A thought, a call and its result, as a provider's stream is recorded: a message each."""
    return [
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "a thought of five words", "signature": "s"}],
        },
        {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "what came of it"}]},
    ]


def conversation() -> Tract:
    t = make_tract("begin")
    t.extend([*answered("a"), *answered("b"), {"role": "user", "content": "thanks"}], format="anthropic")
    return t


def without(t: Tract, *gone: int) -> list[int]:
    space = t._space
    snapshot = space.compiler.compile(t.repository.head()[1])
    columns = snapshot.columns
    columns.total(snapshot.length, space)
    rows = [row for row in range(snapshot.length) if row not in gone]
    return supposed_tokens(space, columns, [Supposed(row, columns.messages[row], columns.counts[row]) for row in rows])


def test_a_thought_is_not_sent_where_nothing_of_its_answer_is_left() -> None:
    t = conversation()
    supposed = without(t, 5, 6)

    t.annotate("HEAD:7", "skip")

    assert supposed == list(t.compile().token_counts)
    assert 0 == supposed[4]


def test_a_thought_is_sent_with_the_next_answer_where_only_its_own_is_gone() -> None:
    t = conversation()
    supposed = without(t, 2, 3)

    t.annotate("HEAD:4", "skip")

    assert supposed == list(t.compile().token_counts)
    assert supposed[1] > 0
