"""Scenario X.5: a response that streams in, whole or cut short, as a user would write it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tract import Tract, TractConfig

USAGE = {"prompt_tokens": 31, "completion_tokens": 7}


def model(messages: list[dict[str, object]], *, fails_after: int | None = None) -> Iterator[str]:
    """What a model might stream as its answer to *messages*; the connection may break on the way."""
    answer = f"sorted({messages[-1]['content']}) does it."
    for number, start in enumerate(range(0, len(answer), 5)):
        if number == fails_after:
            raise ConnectionError("the stream broke")
        yield answer[start : start + 5]


def ask(t: Tract, **trouble: int) -> str:
    """One streamed turn; the commit of the answer, or the exception of the stream."""
    messages = t.compile().to_openai()
    with t.stream(generation_config={"model": "gpt-4o"}) as s:
        for chunk in model(messages, **trouble):
            s.write(chunk)
        s.usage = USAGE
    return s.commit.commit_hash


def test_x_5_a_stream_that_completes_is_one_commit_with_what_the_provider_counted(tmp_path):
    with Tract.open(tmp_path, config=TractConfig(token_budget=1000)) as t:
        t.system("You write Python.")
        t.user("xs")
        answer = ask(t)

    with Tract.open(tmp_path) as t:
        assert "sorted(xs) does it." == t.compile().messages[-1].content
        assert (38, "api:38+0") == (t.status().token_count, t.status().token_source)
        assert (t.head, "gpt-4o") == (answer, t.get_commit(answer).generation_config["model"])
        assert [("gpt-4o", 1, 31, 7)] == [(r.model, r.calls, r.input_tokens, r.output_tokens) for r in t.usage().rows]


def test_x_5_a_stream_that_breaks_is_kept_and_edited_by_the_retry(tmp_path):
    with Tract.open(tmp_path) as t:
        t.user("xs")
        question = t.head
        with pytest.raises(ConnectionError):
            ask(t, fails_after=2)

    with Tract.open(tmp_path) as t:
        partial = t.get_commit("HEAD")
        assert ("sorted(xs)", {"partial": True}) == (t.get_content("HEAD").text, partial.metadata)

        again = "".join(model(t.compile(at_commit=question).to_openai()))
        t.edit(partial.commit_hash, again, usage=USAGE)

        assert ["xs", "sorted(xs) does it."] == [message["content"] for message in t.compile().to_openai()]
        assert ["sorted(xs)", again] == [t.get_content(v.commit_hash).text for v in t.edit_history(partial.commit_hash)]


def test_x_5_a_stream_that_never_began_leaves_nothing(tmp_path):
    with Tract.open(tmp_path) as t:
        t.user("xs")
        with pytest.raises(ConnectionError):
            ask(t, fails_after=0)

        assert ["xs"] == [message["content"] for message in t.compile().to_openai()]
