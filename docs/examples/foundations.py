"""Tier 1, foundations: a conversation that survives a restart, within a budget; an exchange that lands whole or not at all.

Prints:
    before the call: 39 of 128000 tokens
    after it: 44 tokens (api:44+0)
    tomorrow: system, user, assistant
    the failed exchange left nothing: 3 messages
    the second one landed: 6 messages, answered by gpt-4o
"""

from __future__ import annotations

import tempfile
from typing import Any

from tract import ArtifactContent, Tract, TractConfig


def ask(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Where a program of yours calls ``client.chat.completions.create(model=…, messages=messages)``."""
    text = "Use a generator." if len(messages) == 2 else "In 3.12, type parameters have a syntax of their own."
    return {
        "model": "gpt-4o",
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 4},
    }


def main(folder: str) -> None:
    with Tract.open(folder, config=TractConfig(token_budget=128_000)) as t:
        t.system("You are a coding assistant. Answer in one sentence.")
        t.user("How do I read a file of 10 GB in Python, line by line?")

        status = t.status()
        print(f"before the call: {status.token_count} of {status.token_budget_max} tokens")
        t.commit(ask(t.compile().to_openai()))  # the SDK's answer as it is: its message, its usage, its model
        print(f"after it: {t.status().token_count} tokens ({t.compile().token_source})")

    with Tract.open(folder) as t:  # another process, tomorrow
        print(f"tomorrow: {', '.join(message.role for message in t.compile())}")
        try:
            exchange(t, found=None)
        except LookupError:
            print(f"the failed exchange left nothing: {len(t.compile())} messages")

        exchange(t, found="What's new in 3.12: PEP 695, type parameter syntax")
        config = t.get_commit("HEAD").generation_config or {}
        print(f"the second one landed: {len(t.compile())} messages, answered by {config['model']}")


def exchange(t: Tract, found: str | None) -> None:
    """What was retrieved, the question and the answer: all of it is kept, or none."""
    with t.batch():
        question = t.user("And what is new for generics in 3.12?")
        if found is None:
            raise LookupError("the search is down")
        t.commit(ArtifactContent("document", found), response_to=question)
        t.commit(ask(t.compile().to_openai()), generation_config={"temperature": 0.7})


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        main(empty)
