"""Counts are those of what is sent."""

from __future__ import annotations

from base64 import b64encode
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.counting import MADE_UP
from tests.making import Words, call, make_tract
from tests.tokens.test_media import png
from tract import CompiledContext, MessageContent, Priority, Tract
from tract.cli.workspace import looking_workspace
from tract.compile.totals import context_totals
from tract.messages import message_from_raw
from tract.messages.pairing import Pairing
from tract.opening import open_repository
from tract.tokens.counted import REPLY_PRIMING, count_message

Raw = dict[str, Any]
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
IDS = st.sampled_from(["a", "b", "c"])
TEXTS = st.sampled_from(["hi", "two words", "and three words"])

PLAIN = st.builds(lambda role, text: {"role": role, "content": text}, st.sampled_from(["user", "assistant"]), TEXTS)
CHAT = st.one_of(
    PLAIN,
    IDS.map(call),
    st.builds(lambda id, text: {"role": "tool", "tool_call_id": id, "content": text}, IDS, TEXTS),
    st.just({"role": "assistant", "content": None}),
)
ITEMS = st.one_of(
    st.builds(
        lambda role, text: {"type": "message", "role": role, "content": text}, st.sampled_from(["user", "assistant"]), TEXTS
    ),
    st.builds(
        lambda id, text: {"type": "reasoning", "id": f"rs_{id}", "summary": [{"type": "summary_text", "text": text}]},
        IDS,
        TEXTS,
    ),
    IDS.map(lambda id: {"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"}),
    IDS.map(lambda id: {"type": "computer_call", "id": f"cu_{id}", "call_id": id, "action": {"type": "wait"}}),
    st.builds(lambda id, text: {"type": "function_call_output", "call_id": id, "output": text}, IDS, TEXTS),
)  # fmt: skip
USE = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
BLOCKS = {
    "assistant": st.one_of(
        TEXTS.map(lambda text: {"type": "text", "text": text}),
        TEXTS.map(lambda text: {"type": "thinking", "thinking": text, "signature": "s"}),
        IDS.map(lambda id: {"type": "tool_use", "id": id, "name": "f", "input": {}}),
    ),
    "user": st.one_of(
        TEXTS.map(lambda text: {"type": "text", "text": text}),
        st.builds(lambda id, text: {"type": "tool_result", "tool_use_id": id, "content": text}, IDS, TEXTS),
    ),
}
TURNS = st.sampled_from(["assistant", "user"]).flatmap(
    lambda role: st.builds(
        lambda blocks: {"role": role, "content": blocks}, st.lists(BLOCKS[role], min_size=1, max_size=3)
    )
)
# A call without a result, a result for each call of a batch but one, a thought that an answer ends with.
HISTORIES: dict[str, st.SearchStrategy[list[Raw]]] = {
    "openai": st.lists(CHAT, min_size=1, max_size=9),
    "responses": st.lists(ITEMS, min_size=1, max_size=9),
    "anthropic": st.lists(TURNS, min_size=1, max_size=7),
}
_LEFT_OUT = {
    *("open_tool_call", "tool_result_moved", "repeated_tool_result", "unpaired_tool_result", "tool_id_changed"),
    *("reasoning_left_out", "item_id_left_out", "thinking_left_out", "message_left_out"),
}
SAME_WORDS = {
    "openai": _LEFT_OUT | {"unpaired_tool_call"},
    "responses": _LEFT_OUT | {"unpaired_tool_call"},
    "anthropic": _LEFT_OUT - {"tool_result_moved"},  # which may part a message, as may a result that is made up
}
"""Mends that leave out or add whole messages and blocks, and change no other word nor what stands in one message."""


def sent_tokens(context: CompiledContext, format: str) -> int:
    """The tokens of what is rendered."""
    if format == "anthropic":
        sent = context.to_anthropic()["messages"]
    else:
        sent = context.to_openai() if format == "openai" else context.to_openai_responses()
    return sum(count_message(Words(), message_from_raw(raw, format)) for raw in sent) + REPLY_PRIMING


@pytest.mark.parametrize("format", HISTORIES)
@settings(CALM, max_examples=30)
@given(st.data())
def test_the_tokens_of_a_context_are_those_of_what_is_rendered(format: str, data: st.DataObject) -> None:
    raws = data.draw(HISTORIES[format])
    t = Tract.open(":memory:", tokenizer=Words())
    seen: list[tuple[CompiledContext, int]] = []
    for raw in raws:
        t.commit(MessageContent(raw, format=format))
        context = t.compile()
        seen.append((context, context.token_count))
        kinds = {warning.kind for warning in context.warnings_for(format)}
        if kinds <= SAME_WORDS[format] and any(context.token_counts):
            assert sent_tokens(context, format) == context.token_count
        assert sum(context.token_counts) + REPLY_PRIMING == context.token_count
        assert t.status().token_count == context.token_count
    for context, tokens in seen:  # what grew since does not change what was seen
        assert context.token_count == tokens == sum(context.token_counts) + REPLY_PRIMING


@pytest.mark.parametrize("format", HISTORIES)
@settings(CALM, max_examples=10)
@given(st.data())
def test_other_ways_to_the_same_context_count_the_same(format: str, data: st.DataObject) -> None:
    grown = 0
    with TemporaryDirectory() as folder:
        for raw in data.draw(HISTORIES[format]):
            with Tract.open(folder, tokenizer=Words(), durability="process") as t:
                t.commit(MessageContent(raw, format=format))
                grown = t.status().token_count  # from the totals that were remembered
            with Tract.open(folder, tokenizer=Words(), durability="process", verify_cache=True) as t:
                assert grown == t.compile().token_count
        Path(folder, ".tract", "cache", "totals").unlink(missing_ok=True)
        with Tract.open(folder, tokenizer=Words(), durability="process") as t:
            assert grown == t.status().token_count  # from the counts alone, without a compilation


def test_a_second_result_and_one_without_a_call_count_nothing():
    t = make_tract("hi")
    t.commit(call("a"))
    t.tool_result("a", "it is four")
    before = t.compile().token_count

    t.tool_result("a", "it is four again")
    t.tool_result("z", "nobody asked")

    context = t.compile()
    assert before == context.token_count
    assert [0, 0] == list(context.token_counts[-2:])
    assert before == t.status().token_count


def batch(*ids: str) -> Raw:
    """An answer with a call for each of *ids*."""
    return {"role": "assistant", "content": None, "tool_calls": [call(id)["tool_calls"][0] for id in ids]}


def result(id: str) -> Raw:
    return {"role": "tool", "tool_call_id": id, "content": f"result of {id}"}


def committed(raws: list[Raw]) -> CompiledContext:
    """The context of *raws*, none of which was counted with others yet."""
    t = Tract.open(":memory:", tokenizer=Words())
    with t.batch():
        t.extend(raws)
    return t.compile()


def test_calls_that_were_answered_in_place_are_not_paired(monkeypatch):
    user = {"role": "user", "content": "on"}
    raws = [batch("a", "b"), result("b"), result("a"), user, call("c"), result("c")]
    fine, doubled = committed(raws), committed([*raws, result("c"), user])
    paired: list[int] = []
    add = Pairing.add_tools
    monkeypatch.setattr(Pairing, "add_tools", lambda self, row, *rest: [paired.append(row), add(self, row, *rest)][1])

    assert fine.token_count > 0
    assert [] == paired
    assert fine.token_count + 5 == doubled.token_count  # the user's message
    assert [6] == paired


@pytest.mark.parametrize(
    "answered", [["a", "a"], ["a", "z", "b"], ["b"], ["", "a"], ["a", "b", "a", "b"]], ids=" ".join
)
@pytest.mark.parametrize("calls", [["a", "b"], ["a", "a"], ["", "b"]], ids=" ".join)
def test_batches_that_were_answered_otherwise_count_what_is_rendered(calls, answered):
    raws = [batch(*calls), *map(result, answered), batch("a", "b"), result("a"), {"role": "user", "content": "on"}]

    context = committed(raws)

    assert sent_tokens(context, "openai") == context.token_count


def test_a_call_that_nobody_answered_counts_the_result_that_is_made_up_until_its_own_comes():
    t = make_tract("hi")
    t.commit(call("a"))
    open_call = t.compile()
    t.user("never mind")
    went_on = t.compile()
    t.tool_result("a", "it came after all")
    late = t.compile()

    assert went_on.token_count == open_call.token_count + 6 + MADE_UP
    assert late.token_count == open_call.token_count + 6 + 8
    assert open_call.token_counts[1] + MADE_UP == went_on.token_counts[1]


def test_a_torn_reasoning_item_counts_nothing():
    t = make_tract("hi")
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "long thoughts"}]}
    t.commit(MessageContent(reasoning, format="responses"))
    assert 8 == t.compile().token_count

    answer = {"type": "message", "role": "assistant", "id": "msg_1", "content": "yes"}
    t.commit(MessageContent(answer, format="responses"))
    whole = t.compile()
    assert [5, 6, 5] == list(whole.token_counts)

    t.edit("HEAD", "a user's text", message="not an answer any more")
    assert sent_tokens(t.compile(), "responses") == t.compile().token_count


def test_usage_recorded_with_an_answer_stays_exact_where_the_answer_completes_its_reasoning():
    t = make_tract("hi")
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "long thoughts"}]}
    t.commit(MessageContent(reasoning, format="responses"))
    answer = {"type": "message", "role": "assistant", "id": "msg_1", "content": "yes"}

    t.commit(MessageContent(answer, format="responses"), usage={"input_tokens": 90, "output_tokens": 10})

    assert ("api:100+0", 100) == (t.compile().token_source, t.status().token_count)


def test_a_message_without_content_and_a_picture_that_is_not_sent_count_nothing():
    picture = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    t = make_tract("hi")
    t.commit({"role": "assistant", "content": [{"type": "text", "text": "look"}, picture]})
    t.commit({"role": "assistant", "content": None, "refusal": None})

    context = t.compile()
    assert [5, 5, 0] == list(context.token_counts)
    assert "words" == context.token_source


@pytest.mark.parametrize("inside", ["a message", "a result"])
def test_a_picture_that_is_too_large_counts_the_words_that_are_sent_for_it(inside):
    def said(side: int) -> Raw:
        source = {"type": "base64", "media_type": "image/png", "data": b64encode(png(side, 10)).decode()}
        picture = {"type": "image", "source": source}
        inner = picture if inside == "a message" else {"type": "tool_result", "tool_use_id": "a", "content": [picture]}
        return {"role": "user", "content": [inner]}

    counts = []
    for side in (8000, 8001):
        t = make_tract("hi")
        asked = "show me" if inside == "a message" else [USE]
        t.commit(MessageContent({"role": "assistant", "content": asked}, format="anthropic"))
        t.commit(MessageContent(said(side), format="anthropic"))
        context = t.compile()
        assert sent_tokens(context, "anthropic") == context.token_count == t.status().token_count
        counts.append((context.token_counts[2], context.token_source))

    words = 4 + len(["[image", "8001x10,", "too", "large", "to", "be", "sent]"])
    assert [(4 + 5, "words, 1 picture or file estimated"), (words, "words")] == counts


def test_an_edited_a_hidden_and_a_shown_message_are_counted_as_a_new_compilation_does(tmp_path):
    t = make_tract("hi", path=tmp_path)
    t.commit(call("a"))
    t.tool_result("a", "four")
    t.tool_result("a", "four again")
    for change in (
        lambda: t.edit("HEAD:3", {"role": "tool", "tool_call_id": "z", "content": "of another"}),
        lambda: t.annotate("HEAD:2", Priority.SKIP),
        lambda: t.user("more"),
        lambda: t.annotate("HEAD:2", Priority.NORMAL),
        lambda: t.edit("HEAD:1", "other words"),
    ):
        change()
        with make_tract(path=tmp_path) as other:
            fresh = other.compile()
            assert list(fresh.token_counts) == list(t.compile().token_counts)
            assert fresh.token_count == t.compile().token_count == t.status().token_count == other.status().token_count


def test_the_command_line_estimates_only_what_is_sent(tmp_path):
    def estimated() -> int:
        with closing(open_repository(str(tmp_path / ".tract"))) as repo:
            return context_totals(looking_workspace(repo, print), repo.head()[1]).counted

    with Tract.open(tmp_path, durability="process") as t:
        t.commit(call("a"))
        t.tool_result("a", "four")
    before = estimated()
    with Tract.open(tmp_path, durability="process") as t:
        t.tool_result("a", "four again")

    assert before == estimated()
