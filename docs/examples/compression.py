"""Tier 4, compression: a summary by hand, by a model, and by a model with a person who looks at it; what is pinned stays; old bytes go.

Prints:
    by hand: 41 messages became 4
    by a model: 4 messages, one of which sums up 8
    reviewed: They talked about sleep, and about his brother.
    pinned, word for word: Case 4471, by the way.
    expanded again: 27 messages
    gc would drop 0 objects: none is that old
"""

from __future__ import annotations

import tempfile

from tract import Priority, Tract


def model(messages: list[dict[str, str]]) -> str:
    """Where a program of yours has ``OpenAIClient()``, or calls a model itself: any function of messages will do."""
    assert "sleep" in messages[-1]["content"]
    return "They talked about sleep."


def talk(t: Tract, turns: int) -> None:
    t.system("You listen.")
    for turn in range(turns):
        t.user(f"In week {turn + 1} I hardly slept, and when I did sleep I dreamt of nothing but work again.")
        t.assistant("That sounds exhausting. What was on your mind when you lay awake so long?")


def main(folder: str) -> None:
    with Tract.open(f"{folder}/by-hand") as t:
        talk(t, 20)
        before = len(t.compile())
        t.compress(content="Twenty weeks of bad sleep; the cause is work.", keep_recent=2)
        print(f"by hand: {before} messages became {len(t.compile())}")

    with Tract.open(f"{folder}/by-a-model") as t:
        t.configure_llm(model)
        talk(t, 5)
        done = t.compress(target_tokens=2000, keep_recent=2)
        print(f"by a model: {len(t.compile())} messages, one of which sums up {done.messages}")

    with Tract.open(f"{folder}/reviewed") as t:
        t.configure_llm(model)
        talk(t, 10)
        case = t.user("Case 4471, by the way.")
        t.annotate(case, Priority.PINNED, reason="the number must never be paraphrased")
        talk(t, 2)

        first = t.log(limit=None)[-1]
        waiting = t.compress(from_commit=first, to_commit="HEAD~2", auto_commit=False)  # nothing is changed yet
        done = t.approve_compression(waiting.edit_summary("They talked about sleep, and about his brother."))
        context = t.compile()
        print(f"reviewed: {context[1].content}")
        print(f"pinned, word for word: {t.get_content(case).text}")

        t.expand(done.summary_hashes[0])
        print(f"expanded again: {len(t.compile())} messages")

        plan = t.gc(orphan_retention_days=7, archive_retention_days=30, dry_run=True)  # without dry_run it does it
        print(f"gc would drop {plan.dropped} objects: none is that old")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        main(empty)
