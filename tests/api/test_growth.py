"""What a turn costs may not grow with the length of the conversation."""

from __future__ import annotations

from collections.abc import Callable
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


def median_seconds(act: Callable[[], object], times: int) -> float:
    found = []
    for _ in range(times):
        start = perf_counter()
        act()
        found.append(perf_counter() - start)
    return median(found)


def test_an_answer_with_its_request_costs_the_same_however_long_ago_the_context_was_compiled():
    t = Tract.open(":memory:", tokenizer=Words())
    t.user("a question")
    t.compile()

    def answer() -> None:
        t.assistant("an answer", request={"model": "m"})

    early = median_seconds(answer, 40)
    median_seconds(answer, 2000)

    assert median_seconds(answer, 40) < 3 * early + 0.0003


def test_a_child_more_costs_the_same_however_many_there_are():
    t = Tract.open(":memory:", tokenizer=Words())
    t.user("a task")

    def delegate() -> None:
        child = t.spawn("a part of it")
        child.user("done")
        t.collapse(child, content="done")

    early = median_seconds(delegate, 15)
    median_seconds(delegate, 100)

    assert median_seconds(delegate, 15) < 3 * early + 0.001
