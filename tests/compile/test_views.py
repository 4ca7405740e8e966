"""Contexts in another order, marked, and as they were."""

from __future__ import annotations

import pytest

from tests.making import Words, make_tract, texts
from tract import (
    CommitNotFoundError,
    ContentValidationError,
    DialogueContent,
    FreeformContent,
    InstructionContent,
    MessageContent,
    Priority,
    ToolIOContent,
    Tract,
    TractError,
)


def call(t: Tract, id: str = "1") -> str:
    tool = {"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return t.commit({"role": "assistant", "content": None, "tool_calls": [tool]}).commit_hash


# order


def test_what_order_names_comes_first_and_the_rest_as_it_was():
    t = make_tract("a", "b b", "c", "d")

    context = t.compile(order=["HEAD", "HEAD~2"])

    assert ["d", "b b", "a", "c"] == texts(context)
    assert [5, 6, 5, 5] == context.token_counts
    assert [t.get_commit(r).commit_hash for r in ("HEAD", "HEAD~2", "HEAD~3", "HEAD~1")] == context.commit_hashes
    assert ((), t.compile().token_count) == (context.warnings, context.token_count)
    assert ["a", "b b", "c", "d"] == texts(t.compile())


def test_order_takes_an_edits_id_for_the_message_it_edits():
    t = make_tract("a", "b")
    edit = t.edit("HEAD", "B")

    assert ["B", "a"] == texts(t.compile(order=[edit.commit_hash]))


def test_order_refuses_what_is_not_there_and_what_is_there_twice():
    t = make_tract("a", "b")
    hidden = t.head
    t.annotate(hidden, Priority.SKIP)
    with pytest.raises(CommitNotFoundError, match="not a message of the compiled context"):
        t.compile(order=[hidden])
    with pytest.raises(CommitNotFoundError):
        t.compile(order=["nope"])
    with pytest.raises(ContentValidationError, match="twice"):
        t.compile(order=["HEAD~1", "HEAD~1"])
    with pytest.raises(ContentValidationError, match="list of revisions"):
        t.compile(order="HEAD")


def test_a_reply_before_what_it_replies_to_is_a_warning_and_strict_refuses_it():
    t = make_tract("a", "b")
    reply = t.commit(DialogueContent("assistant", "r"), response_to="HEAD~1").commit_hash

    (warning,) = t.compile(order=[reply]).warnings

    assert ("reply_before_target", 0, reply) == (warning.kind, warning.index, warning.commit)
    assert () == t.compile(order=["HEAD~2", reply]).warnings
    with pytest.raises(ContentValidationError, match="replies to"):
        t.compile(order=[reply], strict=True)


def test_order_moves_a_call_and_its_result_together():
    t = make_tract("a")
    called = call(t)
    answer = t.tool_result("1", "r").commit_hash
    t.user("b")

    for order in ([answer], [called], [answer, called], [called, "HEAD", answer]):
        context = t.compile(order=order)
        assert [called, answer] == list(context.commit_hashes)[:2]
        assert {"tool_pair_kept"} == {warning.kind for warning in context.warnings_for("openai")}
    assert () == t.compile(order=[called, answer]).warnings_for("openai")


# include_edit_annotations


def test_edited_texts_are_marked_when_asked_for():
    t = make_tract("a", "b")
    t.commit(
        {"role": "user", "content": [{"type": "text", "text": "c"}, {"type": "image_url", "image_url": {"url": "u"}}]}
    )
    t.edit("HEAD~1", "B")
    parts = [{"type": "text", "text": "C"}, {"type": "image_url", "image_url": {"url": "u"}}]
    t.edit("HEAD~1", {"role": "user", "content": parts})

    context = t.compile(include_edit_annotations=True)

    assert ["a", "B [edited]", [{"type": "text", "text": "C [edited]"}, parts[1]]] == texts(context)
    assert ["a", "B", parts] == texts(t.compile())
    assert [5, 6] == list(context.token_counts)[:2]


# notes, sent


def test_then_has_the_skips_and_configs_of_when_the_commit_was_made():
    t = make_tract("a", "b")
    b = t.head
    t.annotate("HEAD~1", Priority.SKIP)
    c = t.commit(DialogueContent("assistant", "c"), generation_config={"t": 1}).commit_hash
    t.annotate(b, Priority.SKIP)
    t.annotate("HEAD~2", Priority.NORMAL)

    assert ["a", "b"] == texts(t.compile(at_commit=b, notes="then"))
    assert ["b", "c"] == texts(t.compile(at_commit=c, notes="then"))
    assert [None, {"t": 1}] == t.compile(notes="then").generation_configs
    assert ["a", "c"] == texts(t.compile(at_commit=c, notes="now"))


def test_sent_is_the_parents_context_as_it_was():
    t = make_tract("q")
    first = t.assistant("wrong")
    t.user("q2")
    t.annotate(first.commit_hash, Priority.SKIP)
    second = t.assistant("right").commit_hash
    t.annotate(first.commit_hash, Priority.NORMAL)

    assert ["q"] == texts(t.sent(first.commit_hash))
    assert ["q", "q2"] == texts(t.sent(second))
    assert [] == texts(t.sent("HEAD~3"))
    assert ["q", "wrong", "q2", "right"] == texts(t.compile())


def test_what_was_sent_is_known_after_gc_and_in_another_process(tmp_path):
    with Tract.open(tmp_path, tokenizer=Words()) as t:
        t.extend({"role": "user", "content": text} for text in "ab")
        t.annotate("HEAD~1", Priority.SKIP)
        t.assistant("c")
        t.annotate("HEAD~2", Priority.NORMAL)
        t.gc()

    with Tract.open(tmp_path, tokenizer=Words(), verify_cache=True) as t:
        assert ["b"] == texts(t.sent("HEAD"))
        assert ["a"] == texts(t.sent("HEAD~1"))
        t.user("d")
        assert ["a", "b", "c"] == texts(t.sent("HEAD"))


def test_inside_a_batch_then_is_now():
    t = make_tract("a")
    with t.batch():
        t.user("b")
        assert ["a"] == texts(t.sent("HEAD"))
    assert ["a"] == texts(t.sent("HEAD"))


def test_notes_are_of_now_or_then():
    with pytest.raises(ContentValidationError, match="'later'"):
        make_tract("a").compile(notes="later")


def test_a_tool_that_failed_stays_an_error_in_every_view_of_it():
    t = Tract.open(":memory:", verify_cache=True)
    t.commit(ToolIOContent("look", "call", {}, call_id="c"))
    result = t.commit(ToolIOContent("look", "result", "fine", status="ok", call_id="c"))
    t.edit(result.commit_hash, ToolIOContent("look", "result", "no", status="error", call_id="c"))

    for context in (t.compile(), t.compile(include_edit_annotations=True), t.compile(order=[result.commit_hash])):
        block = context.to_anthropic()["messages"][1]["content"][0]
        assert (True, True) == (block["is_error"], context.messages[1].is_error)


@pytest.mark.parametrize(
    ("content", "priority"),
    [
        (InstructionContent("be kind"), "pinned"),
        (DialogueContent("system", "be kind"), "pinned"),
        ({"role": "system", "content": "be kind"}, "pinned"),
        ({"role": "developer", "content": [{"type": "text", "text": "be kind"}]}, "pinned"),
        (MessageContent({"type": "message", "role": "developer", "content": "be kind"}, "responses"), "pinned"),
        (MessageContent({"role": "system", "content": "be kind"}, "anthropic"), "pinned"),
        (DialogueContent("user", "be kind"), "normal"),
        ({"role": "user", "content": "be kind"}, "normal"),
        (FreeformContent({"role": "system"}), "normal"),
    ],
)
def test_instructions_are_pinned_by_default_in_whichever_format(content, priority):
    t = Tract.open(":memory:")

    info = t.commit(content)

    assert priority == info.priority == t.get_commit("HEAD").priority == t.log()[0].priority
    assert ([info] if priority == "pinned" else []) == t.pinned()
    t.annotate("HEAD", Priority.NORMAL)
    assert ("normal", []) == (t.get_commit("HEAD").priority, t.pinned())


@pytest.mark.parametrize("format", ["openai", "responses", "anthropic", "gemini"])
def test_a_message_of_a_rendering_that_somebody_changed_is_found(format):
    t = make_tract("one", "two")
    name = "to_openai_responses" if format == "responses" else f"to_{format}"

    def rendered(**options):
        value = getattr(t.compile(), name)(**options)
        return value if isinstance(value, list) else value.get("messages", value.get("contents"))

    rendered(copy=True)[0]["role"] = "mine"
    rendered().clear()
    before = rendered()
    before[0]["role"] = "spoiled"

    with pytest.raises(TractError, match=f"what is sent to {format} was changed"):
        rendered()


def test_what_is_known_of_a_context_can_be_read_after_its_tract_was_closed(tmp_path):
    with make_tract("one", "two", path=tmp_path) as t:
        t.assistant("three", usage={"input_tokens": 9, "output_tokens": 2})
        head, context = t.head, t.compile()

    assert (head, 3, 11, "api:11+0") == (
        context.commit_hash,
        context.commit_count,
        context.token_count,
        context.token_source,
    )
    assert [5, 5, 5] == context.token_counts
    assert head == context.commit_hashes[-1]
    assert (1, 2, 3) == context.numbers
    assert () == context.warnings
    assert context.request_tokens({"tools": []}).total == 11
    assert make_tract().compile().commit_hash is None
