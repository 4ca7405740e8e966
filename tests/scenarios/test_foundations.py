"""The scenarios of tier 1, as a user would write them."""

from __future__ import annotations

import pytest

from tract import DialogueContent, InstructionContent, Tract, TractConfig


def answer_of(messages: list[dict[str, object]]) -> tuple[str, dict[str, int]]:
    """What a model might answer, and what its provider says it cost."""
    return f"answer to {messages[-1]['content']}", {"prompt_tokens": 40 * len(messages), "completion_tokens": 8}


def test_1_1_a_first_conversation_goes_on_tomorrow(tmp_path):
    t = Tract.open(path=tmp_path)
    t.commit(InstructionContent(text="You are a coding assistant."))
    t.commit(DialogueContent(role="user", text="How do I sort?"))
    answer, _ = answer_of(t.compile().to_openai())
    t.commit(DialogueContent(role="assistant", text=answer))
    t.close()

    with Tract.open(path=tmp_path) as t:
        t.user("And in reverse?")
        expected = [
            {"role": "system", "content": "You are a coding assistant."},
            {"role": "user", "content": "How do I sort?"},
            {"role": "assistant", "content": "answer to How do I sort?"},
            {"role": "user", "content": "And in reverse?"},
        ]
        assert expected == t.compile().to_openai()
        assert {"system": "You are a coding assistant.", "messages": expected[1:]} == t.compile().to_anthropic()


def test_1_2_a_token_budget_is_watched_with_what_the_provider_counted(tmp_path):
    with Tract.open(tmp_path, config=TractConfig(token_budget=128000)) as t:
        t.system("You are a chatbot.")
        t.user("Hello")
        status = t.status()
        assert (128000, "tiktoken:o200k_base") == (status.token_budget_max, status.token_source)
        assert 0 < status.token_count < 30
        answer, usage = answer_of(t.compile().to_openai())
        t.record_usage(usage)
        t.assistant(answer)

    with Tract.open(tmp_path) as t:
        status = t.status()
        assert 128000 == status.token_budget_max
        assert status.token_source.startswith("api:80+")
        assert status.token_count > 80


def exchange(t: Tract, *, fails: bool) -> None:
    with t.batch():
        t.commit({"content_type": "artifact", "artifact_type": "document", "content": "Returns: 30 days."})
        t.user("Which product?")
        if fails:
            raise ConnectionError("the model is away")
        t.commit(
            DialogueContent(role="assistant", text="30 days."),
            generation_config={"model": "gpt-4o", "temperature": 0.7},
        )


def test_1_3_an_exchange_of_several_turns_lands_whole_or_not_at_all(tmp_path):
    with Tract.open(tmp_path) as t:
        t.system("Answer from the documents.")
        with pytest.raises(ConnectionError):
            exchange(t, fails=True)
        assert 1 == t.status().commit_count

        exchange(t, fails=False)

        assert 4 == t.status().commit_count
        (found,) = t.query_by_config("model", "=", "gpt-4o")
        assert (t.head, 0.7) == (found.commit_hash, found.generation_config["temperature"])
