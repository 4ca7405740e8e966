"""What a turn costs may not grow with the length of the conversation."""

from __future__ import annotations

from statistics import median
from time import perf_counter

from tests.making import Words
from tract import Tract


def turn_seconds(t: Tract, turns: int) -> float:
    """The median time of committing a message and compiling, tokens included."""
    times = []
    for n in range(turns):
        start = perf_counter()
        t.user(f"message {n}")
        t.compile().token_count  # noqa: B018
        times.append(perf_counter() - start)
    return median(times)


def test_a_turn_after_two_thousand_messages_costs_about_what_it_costs_after_a_hundred():
    t = Tract.open(":memory:", tokenizer=Words())
    t.extend({"role": "user", "content": str(n)} for n in range(100))
    early = turn_seconds(t, 60)
    t.extend({"role": "user", "content": str(n)} for n in range(2000))

    late = turn_seconds(t, 60)

    assert late < 4 * early + 0.001
