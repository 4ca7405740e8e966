"""Compiling: which messages, in which order, at which point, and what is remembered."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.making import Words, texts
from tract import (
    ArtifactContent,
    CommitNotFoundError,
    ContentValidationError,
    DialogueContent,
    FreeformContent,
    InstructionContent,
    Message,
    MessageContent,
    OutputContent,
    Priority,
    ReasoningContent,
    SessionContent,
    ToolIOContent,
    Tract,
    TractConfig,
    TractError,
)

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def make_tract(*texts: str, **options) -> Tract:
    """A tract with one user message a minute from noon on."""
    t = Tract.open(":memory:", **{"tokenizer": Words(), "verify_cache": True, **options})
    for minute, text in enumerate(texts):
        t.commit(DialogueContent("user", text), timestamp=NOON + timedelta(minutes=minute))
    return t


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
CONTENTS = [
    (InstructionContent("t"), {"role": "system", "content": "t"}),
    (DialogueContent("user", "t"), {"role": "user", "content": "t"}),
    (DialogueContent("assistant", "t", "n"), {"role": "assistant", "content": "t", "name": "n"}),
    (ToolIOContent("f", "call", {"x": 1}, call_id="c1"), {"role": "assistant", "content": None, "tool_calls": [CALL]}),
    (ToolIOContent("f", "result", {"y": 2}, "ok", "c1"), {"role": "tool", "tool_call_id": "c1", "content": '{"y":2}'}),
    (ToolIOContent("f", "result", None, call_id="c1"), {"role": "tool", "tool_call_id": "c1", "content": "null"}),
    (ReasoningContent("t"), {"role": "assistant", "content": [{"type": "thinking", "thinking": "t"}]}),
    (ArtifactContent("file", "x = 1", "python"), {"role": "assistant", "content": "```python\nx = 1\n```"}),
    (ArtifactContent("file", "x"), {"role": "assistant", "content": "x"}),
    (OutputContent("t", "markdown"), {"role": "assistant", "content": "t"}),
    (FreeformContent({"b": 1, "a": [None]}), {"role": "assistant", "content": '{"b":1,"a":[null]}'}),
    (
        SessionContent("code", "did it", ["d"]),
        {"role": "system", "content": "Session (code): did it\n\nDecisions:\n- d"},
    ),
    (
        MessageContent({"role": "user", "content": "t", "odd": {"k": 1}}),
        {"role": "user", "content": "t", "odd": {"k": 1}},
    ),
]


@pytest.mark.parametrize(("content", "message"), CONTENTS)
def test_every_kind_of_content_goes_in_and_comes_out(content, message, tmp_path):
    with Tract.open(tmp_path, tokenizer=Words()) as t:
        t.commit(content)
        assert content == t.get_content("HEAD")

    with Tract.open(tmp_path, tokenizer=Words(), verify_cache=True) as t:
        assert content == t.get_content("HEAD") == t.show().content
        assert [message] == [one.raw for one in t.compile().messages]
        assert t.compile().token_count > (
            2 if isinstance(content, ReasoningContent) or message["role"] == "tool" else 6
        )


def test_no_skipped_message_is_shown_and_a_pinned_one_is():
    t = make_tract("a", "b", "c")

    t.annotate("HEAD~1", Priority.SKIP)
    t.annotate("HEAD", Priority.PINNED)

    assert ["a", "c"] == texts(t.compile())
    t.annotate("HEAD~1", Priority.NORMAL)
    assert ["a", "b", "c"] == texts(t.compile())


def test_an_edit_of_a_skipped_message_stays_hidden_until_it_is_shown_again():
    t = make_tract("a", "b")
    target = t.get_commit("HEAD~1").commit_hash
    t.annotate(target, Priority.SKIP)
    t.edit(target, "A")

    hidden = texts(t.compile())
    t.annotate(target, Priority.NORMAL)

    assert (["b"], ["A", "b"]) == (hidden, texts(t.compile()))


def test_an_older_commit_has_its_older_text_and_todays_notes():
    t = make_tract("a", "b")
    t.edit("HEAD~1", "A")
    t.annotate("HEAD~1", Priority.SKIP)

    assert (["a"], ["A"]) == (texts(t.compile(at_commit="HEAD~1")), texts(t.compile()))


def test_appending_after_compiling_an_older_commit_forks_from_nothing_that_others_see():
    t = make_tract("a", "b", "c", config=TractConfig(compile_cache_maxsize=1))
    old = t.compile(at_commit="HEAD~1")
    whole = t.compile()

    t.compile(at_commit="HEAD~2")
    t.user("d")

    assert ["a", "b", "c", "d"] == texts(t.compile())
    assert (["a", "b"], ["a", "b", "c"]) == (texts(old), texts(whole))


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(-1, []), (0, ["a"]), (0.5, ["a"]), (1, ["a", "b"]), (99, ["a", "b", "c"])],
)
def test_a_moment_means_what_was_committed_by_then(minutes, expected):
    t = make_tract("a", "b", "c")

    assert expected == texts(t.compile(at_time=NOON + timedelta(minutes=minutes)))


def test_a_commit_and_a_moment_exclude_each_other():
    with pytest.raises(ContentValidationError, match="exclude"):
        make_tract("a").compile(at_commit="HEAD", at_time=NOON)


@pytest.mark.parametrize("revision", ["nope", "0123456789ab", "HEAD~5", ""])
def test_a_commit_that_is_not_there_is_never_head_instead(revision):
    with pytest.raises(CommitNotFoundError):
        make_tract("a").compile(at_commit=revision)


def test_a_note_has_no_context():
    t = make_tract("a")
    t.annotate("HEAD", Priority.PINNED)

    with pytest.raises(CommitNotFoundError):
        t.compile(at_commit="refs/notes/priority")


def test_the_sequences_are_parallel():
    t = make_tract("a")
    info = t.commit(DialogueContent("assistant", "b"), generation_config={"model": "m"})

    context = t.compile()

    assert 2 == len(context) == len(context.messages) == context.commit_count
    assert [info.parent_hash, info.commit_hash] == context.commit_hashes
    assert [None, {"model": "m"}] == context.generation_configs
    assert ("b", ["b"]) == (context.messages[-1].content, [m.content for m in context.messages[1:]])
    with pytest.raises(IndexError):
        context.messages[2]


def test_contexts_of_the_same_messages_are_equal_and_hash_alike():
    t = make_tract("a", "b")
    before = t.compile()
    t.annotate("HEAD", Priority.PINNED)

    after = t.compile()

    assert before == after
    assert 1 == len({before, after})
    assert before != t.compile(at_commit="HEAD~1")


def test_the_same_commit_renders_to_the_same_bytes_in_every_store():
    one, two = (make_tract("a", "b", config=TractConfig(author="x")) for _ in range(2))
    two.compile(at_commit="HEAD~1")

    assert one.head == two.head
    assert repr(one.compile().to_anthropic()) == repr(two.compile().to_anthropic())


def test_a_call_recorded_without_its_result_is_a_warning_and_strict_refuses_it():
    t = make_tract()
    torn = t.commit(ToolIOContent("f", "call", {}, call_id="c1"))
    for kind in ("open_tool_call", "unpaired_tool_call"):
        (warning,) = t.compile().warnings_for("openai")
        assert (kind, torn.commit_hash) == (warning.kind, warning.commit)
        assert kind in [problem.kind for problem in t.compile().problems]
        with pytest.raises(TractError, match="c1"):
            t.compile(strict=True)
        t.user("a")


class Shouting:
    """Leaves out what is pinned, and shouts the rest."""

    def compile(self, entries):
        return [None if entry.priority == "pinned" else message(entry.content.text.upper() + " !") for entry in entries]


def message(text: str) -> Message:
    raw = {"role": "user", "content": text}
    return Message("user", text, None, format="openai", raw=raw)


def test_a_compiler_of_the_users_decides_what_the_messages_are():
    t = make_tract("a", "b", "c", compiler=Shouting())
    t.annotate("HEAD", Priority.SKIP)
    t.annotate("HEAD~1", Priority.PINNED)

    context = t.compile()

    assert (["A !"], [6], 9) == (texts(context), list(context.token_counts), context.token_count)
    assert (9, 1, 2) == (t.status().token_count, t.status().message_count, t.status().skipped_count)


@pytest.mark.parametrize("answer", [None, [], ["text"], [message("a"), message("b")], {}])
def test_a_compiler_that_answers_nonsense_is_refused(answer):
    class Nonsense:
        def compile(self, entries):
            return answer

    with pytest.raises(ContentValidationError, match="context compiler"):
        make_tract("a", compiler=Nonsense()).compile()


KEYS = [
    "role",
    "content",
    "tool_calls",
    "function_call",
    "name",
    "type",
    "id",
    "call_id",
    "tool_call_id",
    "refusal",
    "audio",
    "function",
    "arguments",
    "input",
    "output",
    "text",
    "thinking",
    "source",
    "data",
    "url",
    "image_url",
    "summary",
    "reasoning_content",
    "tool_use_id",
    "title",
    "transcript",
    "file",
    "custom",
]
WORDS = [
    "user",
    "assistant",
    "tool",
    "system",
    "text",
    "tool_use",
    "tool_result",
    "image",
    "image_url",
    "function",
    "function_call",
    "reasoning",
    "document",
    "function_call_output",
    "thinking",
    "message",
    "input_text",
    "refusal",
    "file",
    "input_image",
    "custom_tool_call",
    "x",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-1, 1) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=10,
)
ODD = st.tuples(
    st.fixed_dictionaries({"role": st.sampled_from(WORDS)}, optional=dict.fromkeys(KEYS[1:], JSON)),
    st.sampled_from(["openai", "responses", "anthropic"]),
)


@pytest.mark.filterwarnings("ignore::tract.errors.RoleWarning")
@settings(deadline=None, max_examples=100)
@given(st.lists(ODD, min_size=1, max_size=3))
def test_whatever_was_accepted_can_be_compiled_counted_and_rendered(odd):
    t = make_tract()
    for raw, format in odd:
        try:
            t.commit(MessageContent(raw, format))
        except ContentValidationError:
            assume(False)

    context = t.compile()

    assert [raw for raw, _ in odd] == [m.raw for m in context.messages]
    for render in (
        context.to_openai,
        context.to_openai_responses,
        context.to_anthropic,
        context.to_dicts,
        context.to_text,
    ):
        with suppress(ContentValidationError):  # where nothing of it can be sent
            assert render() == render()
    assert context.token_count == t.status().token_count
    assert isinstance(context.warnings, tuple)
