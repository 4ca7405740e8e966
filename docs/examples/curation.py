"""Tier 2, curation: a wrong answer is corrected, instructions stay, noise is hidden, and a bad answer is traced to what the model saw.

Prints:
    the model sees: 30 days.
    the history has: 60 days.
    pinned: You are the support agent of a shop.
    122 tokens, and 57 without the carrier's feed
    to say 'Refused.' the model was shown: system, user, assistant, user
    since then: 1 changed, 2 added
"""

from __future__ import annotations

import tempfile

from tract import Priority, Tract


def main(folder: str) -> None:
    with Tract.open(folder) as t:
        rules = t.system("You are the support agent of a shop.")
        t.user("How long can I return a jacket?")
        answer = t.assistant("60 days.")
        t.user("It is day 45. Will you take it?")
        bad = t.assistant("Refused.")

        # The policy is 30 days. An edit replaces the message; nobody has to read a correction of it.
        t.edit(answer, "30 days.")
        print(f"the model sees: {t.compile()[2].content}")
        print(f"the history has: {t.get_content(answer).text}")

        # Compression never takes what is pinned; instructions are pinned by themselves, and it can be said of any message.
        t.annotate(rules, Priority.PINNED, reason="formatting rules")
        print(f"pinned: {t.get_content(t.pinned()[0]).text}")

        # What only fills the window is hidden from the model; a call and its result are hidden together.
        call = {"id": "c1", "type": "function", "function": {"name": "track", "arguments": "{}"}}
        t.commit({"role": "assistant", "content": None, "tool_calls": [call]})
        feed = t.tool_result("c1", "scan hub=LEJ belt=1; " * 6)
        before = t.compile().token_count
        t.annotate(feed, Priority.SKIP, reason="carrier noise")
        print(f"{before} tokens, and {t.compile().token_count} without the carrier's feed")

        # Why did it refuse? What it was shown is one call away, as it was then.
        seen = t.sent(bad)
        print(f"to say 'Refused.' the model was shown: {', '.join(message.role for message in seen)}")
        stat = t.diff(bad, "HEAD").stat
        print(f"since then: {stat.changed} changed, {stat.added} added")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        main(empty)
