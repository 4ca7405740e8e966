"""A message that arrives in pieces is committed once, whole or marked as partial."""

from __future__ import annotations

import pytest

from tests.making import texts
from tract import (
    BudgetAction,
    ClosedError,
    ContentValidationError,
    MessageStream,
    RefMovedError,
    TokenBudgetConfig,
    Tract,
    TractConfig,
)

USAGE = {"prompt_tokens": 12, "completion_tokens": 5}


def make_tract(**options: object) -> Tract:
    t = Tract.open(":memory:", **options)  # type: ignore[arg-type]
    t.user("Tell me a story.")
    return t


def fill(
    s: MessageStream, *chunks: str, usage: dict[str, int] | None = None, then: type[BaseException] | None = None
) -> None:
    with s:
        for chunk in chunks:
            s.write(chunk)
        if usage is not None:
            s.usage = usage
        if then is not None:
            raise then


def interrupted(t: Tract, *chunks: str, by: type[BaseException] = ConnectionError) -> MessageStream:
    s = t.stream(generation_config={"model": "m"}, metadata={"try": 1})
    with pytest.raises(by):
        fill(s, *chunks, then=by)
    return s


def fill_in_a_batch(t: Tract, s: MessageStream) -> None:
    with t.batch():
        fill(s, "lost with its batch", then=ConnectionError)


def test_a_stream_is_one_commit_with_its_usage():
    t = make_tract()

    with t.stream(generation_config={"model": "m"}, message="first draft") as s:
        for chunk in ("Once ", "upon ", "a time"):
            s.write(chunk)
        assert 1 == len(t.compile())
        assert "Once upon a time" == s.text
        s.usage = USAGE

    assert ["Tell me a story.", "Once upon a time"] == texts(t)
    assert t.head == s.commit.commit_hash
    assert ("first draft", {"model": "m"}, None) == (s.commit.message, s.commit.generation_config, s.commit.metadata)
    assert 12 == s.commit.usage.input_tokens
    assert "api:17+0" == t.compile().token_source


@pytest.mark.parametrize("by", [ConnectionError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_stream_is_committed_as_partial_and_the_exception_goes_on(by):
    t = make_tract()

    s = interrupted(t, "Once ", "up", by=by)

    assert ["Tell me a story.", "Once up"] == texts(t)
    assert {"try": 1, "partial": True} == s.commit.metadata
    assert {"model": "m"} == s.commit.generation_config


def test_a_retry_edits_the_partial_message():
    t = make_tract()
    s = interrupted(t, "Once up")

    whole = t.edit(s.commit.commit_hash, "Once upon a time", usage=USAGE)

    assert ["Tell me a story.", "Once upon a time"] == texts(t)
    assert "Once up" == t.get_content(s.commit.commit_hash).text
    assert whole.metadata is None


@pytest.mark.parametrize("chunks", [(), ("", "")])
def test_nothing_written_is_nothing_committed(chunks):
    t = make_tract()
    with t.stream() as s:
        for chunk in chunks:
            s.write(chunk)
    empty = interrupted(t, *chunks)

    assert (None, None) == (s.commit, empty.commit)
    assert 1 == len(t.log())


def test_after_the_end_nothing_goes_in_any_more():
    t = make_tract()
    with t.stream() as s:
        s.write("a")

    with pytest.raises(ClosedError, match="cannot be written to"):
        s.write("b")
    with pytest.raises(ClosedError, match="cannot be given usage"):
        s.usage = USAGE
    with pytest.raises(ClosedError, match="cannot be closed"):
        s.close()
    with pytest.raises(ClosedError, match="cannot be entered"), s:
        pass
    assert 2 == len(t.log())


def test_a_stream_may_be_closed_before_its_block_ends():
    t = make_tract()
    with t.stream() as s:
        s.write("a")
        s.close()
        assert ["Tell me a story.", "a"] == texts(t)

    assert 2 == len(t.log())


@pytest.mark.parametrize("chunk", [None, b"a", 1])
def test_only_text_goes_in_and_what_went_in_before_is_kept(chunk):
    t = make_tract()

    s = t.stream()
    with pytest.raises(ContentValidationError, match="takes text"):
        fill(s, "a", chunk)

    assert {"partial": True} == s.commit.metadata


def test_usage_that_makes_no_sense_costs_no_text():
    t = make_tract()

    with pytest.raises(ContentValidationError, match="prompt_tokens"):
        fill(t.stream(), "a", usage={"prompt_tokens": -1})

    assert ["Tell me a story.", "a"] == texts(t)


@pytest.mark.parametrize(
    "options", [{"role": 5}, {"metadata": [1]}, {"generation_config": {"api_key": "k"}}, {"message": 1}]
)
def test_what_could_not_be_committed_is_refused_before_the_first_chunk(options):
    with pytest.raises(ContentValidationError):
        make_tract().stream(**options)


@pytest.mark.parametrize("option", ["usage", "operation", "nope"])
def test_what_a_stream_does_not_take_is_refused_before_the_first_chunk(option):
    with pytest.raises(TypeError, match=rf"stream\(\) got an unexpected keyword argument '{option}'"):
        make_tract().stream(**{option: {"prompt_tokens": 3}})


def test_a_stream_takes_a_key_a_time_and_a_request():
    t = make_tract()
    t.user("a")

    with t.stream(key="k", timestamp="2026-01-31T12:00Z", request={"model": "m"}) as s:
        s.write("b")

    assert s.commit == t.commit_for_key("k")
    assert 2026 == s.commit.created_at.year
    assert "m" == t.sent(s.commit).request("openai")["model"]


def test_a_character_cut_in_half_between_chunks_is_put_together():
    t = make_tract()

    with t.stream() as s:
        for chunk in ("a\ud83d", "\ude00b", "\ud83d"):
            s.write(chunk)

    assert "a\U0001f600b\ufffd" == t.get_content("HEAD").text


def test_the_stream_of_a_batch_lands_with_the_batch():
    t = make_tract()

    with t.batch():
        with t.stream() as s:
            s.write("a")
        t.user("b")

    assert ["Tell me a story.", "a", "b"] == texts(t)
    with pytest.raises(ConnectionError):
        fill_in_a_batch(t, t.stream())
    assert 3 == len(t.log())


def test_an_interruption_caught_inside_a_batch_keeps_the_partial_message():
    t = make_tract()

    with t.batch():
        interrupted(t, "par")

    assert ["Tell me a story.", "par"] == texts(t)


def test_a_partial_message_that_cannot_be_committed_does_not_hide_what_interrupted_it():
    t = make_tract(config=TractConfig(token_budget=TokenBudgetConfig(12, BudgetAction.REJECT)))

    s = t.stream()
    with pytest.raises(ConnectionError) as caught:
        fill(s, "word " * 50, then=ConnectionError)

    assert s.commit is None
    assert ["tract: the partial message was not committed: "] == [note[:46] for note in caught.value.__notes__]


def test_a_stream_answers_what_its_handle_has_seen(tmp_path):
    with Tract.open(tmp_path) as ours, Tract.open(tmp_path) as theirs:
        ours.user("a")
        s = ours.stream()
        s.write("answer")
        theirs.user("b")
        with pytest.raises(RefMovedError):
            s.close()

    assert "answer" == s.text


def test_another_role_may_stream():
    t = make_tract()

    with t.stream("user") as s:
        s.write("dictated")

    assert "user" == t.compile().messages[-1].role


CALLS = {
    "role": "assistant",
    "content": "Let me look.",
    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
}


def test_an_answer_that_is_more_than_text_is_committed_as_the_message_it_is():
    t = make_tract()

    with t.stream(generation_config={"model": "m"}) as s:
        s.write("Let me ")
        s.write("look.")
        s.content = CALLS
        s.usage = USAGE

    assert [CALLS] == t.compile().to_openai()[1:]
    assert ({"model": "m"}, 5, None) == (s.commit.generation_config, s.commit.usage.output_tokens, s.commit.metadata)


def test_content_may_come_without_any_text_and_be_taken_back():
    t = make_tract()

    with t.stream() as s:
        s.content = {**CALLS, "content": None}
    with t.stream() as other:
        other.content = CALLS
        other.content = None

    assert ("message", None) == (s.commit.content_type, other.commit)
    assert 2 == len(t.compile())


def test_content_of_an_interrupted_stream_is_kept_and_marked():
    t = make_tract()
    s = t.stream()

    s.content = CALLS
    with pytest.raises(ConnectionError):
        fill(s, then=ConnectionError)

    assert {"partial": True} == s.commit.metadata
    assert [CALLS] == t.compile().to_openai()[1:]


@pytest.mark.parametrize("content", ["text", 3, {"no": "role"}, [CALLS]])
def test_content_that_makes_no_sense_costs_no_text(content):
    t = make_tract()

    with t.stream() as s:
        s.write("kept")
        with pytest.raises(ContentValidationError):
            s.content = content

    assert ["Tell me a story.", "kept"] == texts(t)
    with pytest.raises(ClosedError, match="a stream that has ended cannot be given content"):
        s.content = CALLS
