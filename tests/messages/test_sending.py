"""Whatever was recorded, what is sent is what the provider takes; and what it takes stays as it was recorded."""

from __future__ import annotations

import base64
import json
import random
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.making import call
from tests.messages.validators import anthropic_faults, chat_faults, gemini_faults, responses_faults
from tests.tokens.test_media import png
from tract.messages import message_from_raw, render
from tract.messages.form import Form
from tract.messages.message import Message
from tract.messages.sent_history import MessageRows, Sendings
from tract.messages.to_provider import rendered_for
from tract.messages.tool_names import TARGETS, Target

Raw = dict[str, Any]
FAULTS: dict[str, Callable[..., list[str]]] = {
    "openai": chat_faults,
    "responses": responses_faults,
    "anthropic": anthropic_faults,
    "gemini": gemini_faults,
}
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# --- messages of every format, whole and torn ---

IDS = st.sampled_from(["a", "b", "c", "", "call.1", "x" * 50, "x" * 70])
NAMES = st.sampled_from(["look", "find", "a.b", "", "n" * 80])
TEXTS = st.sampled_from(["hi", "two words", "", " \n", "end \n"])
KEYS = st.dictionaries(
    st.sampled_from(["id", "usage", "parsed", "annotations", "refusal", "stop_reason", "reasoning_content", "odd"]),
    st.sampled_from([None, "msg_k"]),
    max_size=2,
)
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def chat_content(parts: list[Raw]) -> st.SearchStrategy[Any]:
    text = TEXTS.map(lambda one: {"type": "text", "text": one})
    return TEXTS | st.none() | st.lists(text | st.sampled_from(parts) if parts else text, max_size=3)


CHAT_CALL = st.builds(
    lambda id, name, arguments: {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}},
    IDS,
    NAMES,
    st.sampled_from(["{}", '{"q":1}', "", "{", "[1]"]) | st.just({"q": 1}) | st.none(),
)
CUSTOM_CALL = st.builds(
    lambda id, name: {"id": id, "type": "custom", "custom": {"name": name, "input": "select"}}, IDS, NAMES
)
CHAT = st.one_of(
    st.builds(
        lambda role, content, name, more: {"role": role, "content": content, **name, **more},
        st.sampled_from(["user", "system", "developer", "assistant", "ipython", "model"]),
        chat_content([IMAGE, {"type": "refusal", "refusal": "no"}]),
        st.sampled_from([{}, {"name": "bo"}, {"name": "b o"}, {"name": None}]),
        KEYS,
    ),
    st.builds(
        lambda content, calls, more: {"role": "assistant", "content": content, "tool_calls": calls, **more},
        chat_content([]),
        st.lists(CHAT_CALL | CUSTOM_CALL, max_size=3),
        KEYS,
    ),
    st.builds(lambda id, content: {"role": "tool", "tool_call_id": id, "content": content}, IDS, chat_content([IMAGE])),
    st.builds(lambda name, content: {"role": "tool", "name": name, "content": content}, NAMES, TEXTS),
    st.builds(
        lambda name: {"role": "assistant", "content": None, "function_call": {"name": name, "arguments": "{}"}}, NAMES
    ),
    st.builds(lambda name: {"role": "function", "name": name, "content": "found"}, NAMES),
)

NUMBERS = st.sampled_from(["1", "2", "3", ""])
ITEM_KEYS = st.sampled_from([{}, {"status": "completed"}, {"status": None}, {"parsed_arguments": None}, {"odd": 1}])
PARTS = st.sampled_from(["input_text", "output_text", "refusal", "input_image"]).map(
    lambda kind: {
        "input_text": {"type": kind, "text": "in"},
        "output_text": {"type": kind, "text": "out", "annotations": [], "parsed": None},
        "refusal": {"type": kind, "refusal": "no"},
        "input_image": {"type": kind, "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
    }[kind]
)
ITEM = st.one_of(
    st.builds(
        lambda role, content, id, more: {"type": "message", "role": role, "content": content, **id, **more},
        st.sampled_from(["user", "assistant", "assistant", "system", "model"]),
        TEXTS | st.none() | st.lists(PARTS, max_size=2),
        st.sampled_from([{}, {"id": "msg_1"}, {"id": "msg_2"}, {"id": "x"}, {"id": None}]),
        ITEM_KEYS,
    ),
    st.builds(
        lambda number, more: {
            "type": "reasoning",
            "id": f"rs_{number}",
            "summary": [],
            "encrypted_content": "zz",
            **more,
        },
        NUMBERS,
        ITEM_KEYS,
    ),
    st.builds(
        lambda id, call_id, name, more: {
            "type": "function_call",
            "call_id": call_id,
            "name": name,
            "arguments": "{}",
            **id,
            **more,
        },
        st.sampled_from([{}, {"id": "fc_1"}, {"id": "fc_2"}, {"id": "call_1"}]),
        IDS,
        NAMES,
        ITEM_KEYS,
    ),
    st.builds(lambda id, name: {"type": "custom_tool_call", "call_id": id, "name": name, "input": "x"}, IDS, NAMES),
    st.builds(
        lambda id, output: {"type": "function_call_output", "call_id": id, "output": output},
        IDS,
        TEXTS | st.none() | st.lists(PARTS, max_size=2),
    ),
    st.builds(lambda id: {"type": "custom_tool_call_output", "call_id": id, "output": "y"}, IDS),
    st.builds(
        lambda id: {
            "type": "computer_call",
            "id": "cu_1",
            "call_id": id,
            "status": "completed",
            "pending_safety_checks": [],
            "action": {"type": "wait"},
        },
        IDS,
    ),
    st.builds(
        lambda id: {
            "type": "computer_call_output",
            "call_id": id,
            "output": {"type": "computer_screenshot", "image_url": "https://example.org/a.png"},
        },
        IDS,
    ),
    st.just(
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}
    ),
    st.just({"type": "compaction", "id": "cmp_1", "encrypted_content": "zz"}),
)

BLOCK = st.one_of(
    TEXTS.map(lambda text: {"type": "text", "text": text, "citations": None}),
    st.sampled_from([{"cache_control": {"type": "ephemeral"}}, {"cache_control": {"type": "ephemeral", "ttl": "1h"}}]).map(
        lambda mark: {"type": "text", "text": "marked", **mark}
    ),
    st.just({"type": "thinking", "thinking": "hm", "signature": "s"}),
    st.just({"type": "thinking", "thinking": "hm"}),
    st.builds(lambda id, name, input: {"type": "tool_use", "id": id, "name": name, "input": input}, IDS, NAMES, st.sampled_from([{}, {"q": 1}, "{", None])),
    st.builds(
        lambda id, content, more: {"type": "tool_result", "tool_use_id": id, "content": content, **more},
        IDS,
        TEXTS | st.none() | st.lists(TEXTS.map(lambda text: {"type": "text", "text": text}), max_size=2)
        | st.just([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]),
        st.sampled_from([{}, {"is_error": True}, {"is_error": False}]),
    ),
    st.sampled_from(
        [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": "AAAA"}},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
            {"type": "compaction", "content": "so far"},
            {"type": "compaction", "content": None},
        ]
    ),
)  # fmt: skip
ANTHROPIC = st.builds(
    lambda role, content, more: {"role": role, "content": content, **more},
    st.sampled_from(["user", "assistant", "system", "model"]),
    TEXTS | st.none() | st.lists(BLOCK, max_size=4),
    st.sampled_from([{}, {"id": "msg_1", "type": "message", "usage": {}, "stop_reason": None}]),
)

# A call and what answers it, with other words before and behind: what random messages seldom come to.
ANSWERED = st.builds(
    lambda ids, before, behind: [
        {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "f", "input": {}} for id in ids]},
        {
            "role": "user",
            "content": [*before, *({"type": "tool_result", "tool_use_id": id, "content": "4"} for id in ids), *behind],
        },
    ],
    st.lists(IDS, min_size=1, max_size=3),
    st.lists(BLOCK, max_size=1),
    st.lists(BLOCK, max_size=1),
)

ANY = st.one_of(
    CHAT.map(lambda raw: message_from_raw(raw, "openai")),
    ITEM.map(lambda raw: message_from_raw(raw, "responses")),
    ANTHROPIC.map(lambda raw: message_from_raw(raw, "anthropic")),
)
HISTORIES = st.one_of(
    st.lists(CHAT.map(lambda raw: message_from_raw(raw, "openai")), max_size=10),
    st.lists(ITEM.map(lambda raw: message_from_raw(raw, "responses")), max_size=10),
    st.lists(ANTHROPIC.map(lambda raw: message_from_raw(raw, "anthropic")), max_size=8),
    st.lists(ANY, max_size=10),
    st.lists(ANSWERED | ANTHROPIC.map(lambda raw: [raw]), max_size=5).map(
        lambda turns: [message_from_raw(raw, "anthropic") for turn in turns for raw in turn]
    ),
)


def is_nothing(value: Any) -> bool:
    return not (value.get("messages", value.get("contents")) if isinstance(value, dict) else value)


@pytest.mark.parametrize("target", TARGETS)
@settings(CALM, max_examples=400)
@given(HISTORIES)
def test_no_provider_refuses_what_it_is_sent(target: Target, messages: list[Message]) -> None:
    rendered = render(messages, target)

    if not is_nothing(rendered.value):  # which a compiled context refuses
        assert [] == FAULTS[target](rendered.value, may_be_open=True)


@pytest.mark.parametrize("target", ["openai", "responses", "anthropic"])
@settings(CALM, max_examples=300)
@given(HISTORIES)
def test_what_a_provider_takes_is_sent_as_it_was_recorded(target: Any, messages: list[Message]) -> None:
    value = render(messages, target).value
    raws = value if isinstance(value, list) else value["messages"]

    again = render([message_from_raw(raw, target) for raw in raws], target)

    assert raws == (again.value if isinstance(again.value, list) else again.value["messages"])
    assert {"open_tool_call"} >= {warning.kind for warning in again.warnings}


@pytest.mark.parametrize("target", TARGETS)
@settings(CALM, max_examples=200)
@given(HISTORIES, st.lists(st.integers(1, 3), max_size=10))
def test_a_history_that_grows_is_sent_as_one_that_was_always_so_long(
    target: Target, messages: list[Message], steps: Sequence[int]
) -> None:
    grown = Sendings()
    rows = MessageRows(messages)
    length = 0
    for step in [*steps, len(messages)]:
        length = min(length + step, len(messages))

        sent = grown.to(Form(target), rows, length).request()

        assert Sendings().to(Form(target), rows, length).request() == sent


@settings(CALM, max_examples=200)
@given(HISTORIES)
def test_rendering_changes_no_message(messages: list[Message]) -> None:
    before = json.dumps([message.raw for message in messages])

    for target in TARGETS:
        render(messages, target, "auto")

    assert before == json.dumps([message.raw for message in messages])


WORDS = [
    {"role": "user", "content": "hi"},
    {"role": "user", "content": "ho"},
    {"role": "assistant", "content": "yes"},
    {"role": "system", "content": "be kind"},
    {"role": "assistant", "content": [{"type": "text", "text": "so", "cache_control": {"type": "ephemeral"}}]},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "1"}]},
    {"role": "user", "content": [{"type": "text", "text": "oh", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("target", TARGETS)
def test_a_long_history_that_grows_is_sent_as_one_that_was_always_so_long(target: Target, seed: int) -> None:
    chance = random.Random(seed)
    formats = chance.choice([["openai"], ["anthropic"], ["anthropic", "openai"]])
    rows = MessageRows(message_from_raw(raw, chance.choice(formats)) for raw in chance.choices(WORDS, k=160))
    grown, length = Sendings(), 0
    while length < len(rows):
        length = min(length + chance.randrange(1, 9), len(rows))
        for cache in (None, "auto"):
            form = Form(target)
            sent = rendered_for(form, grown.to(form, rows, length), cache)
            assert rendered_for(form, Sendings().to(form, rows, length), cache) == sent


@pytest.mark.parametrize("cache", [None, "auto"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("format", ["openai", "anthropic"])
def test_a_message_more_costs_the_same_whatever_the_length(target: Target, format: Any, cache: Any) -> None:
    def calls(length: int) -> int:
        turns = [message_from_raw(WORDS[at], format) for at in (0, 2, 1, 5, 6, 2)]
        rows, form, sendings, count = MessageRows(turns * (length // 6)), Form(target), Sendings(), 0
        for at in (len(rows) - 1, len(rows)):

            def counted(*_: Any) -> None:
                nonlocal count
                count += 1

            count = 0
            sys.setprofile(counted)
            rendered_for(form, sendings.to(form, rows, at), cache)
            sys.setprofile(None)
        return count

    assert calls(3000) <= calls(300) + 1500  # so much may be put together anew, at any length


def test_a_result_that_came_late_behind_one_of_no_call_moves_to_its_call():
    result = {"type": "tool_result", "content": "hi"}
    raws = [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "b", "name": "f", "input": {}}]},
        {"role": "user", "content": "never mind"},
        {"role": "user", "content": [{**result, "tool_use_id": "a"}, {**result, "tool_use_id": "b"}]},
    ]
    for target in TARGETS:
        rendered = render([message_from_raw(raw, "anthropic") for raw in raws], target)
        assert [] == FAULTS[target](rendered.value)
        assert {"tool_result_moved", "unpaired_tool_result"} <= {warning.kind for warning in rendered.warnings}


def picture(width: int, height: int) -> Raw:
    data = base64.b64encode(png(width, height)).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def test_a_picture_that_is_too_large_is_said_in_words():
    raws = [
        {"role": "user", "content": [picture(9000, 10), {"type": "text", "text": "look"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "a", "content": [picture(10, 8001), picture(2001, 9)]}],
        },
    ]
    messages = [message_from_raw(raw, "anthropic") for raw in raws]

    rendered = render(messages, "anthropic")

    words = {"type": "text", "text": "[image 9000x10, too large to be sent]"}
    assert words == rendered.value["messages"][0]["content"][0]
    result = rendered.value["messages"][2]["content"][0]["content"]
    assert [{"type": "text", "text": "[image 10x8001, too large to be sent]"}, picture(2001, 9)] == result
    assert [0, 2] == [warning.index for warning in rendered.warnings if warning.kind == "part_left_out"]
    assert raws == render(messages, "anthropic", rules=1).value["messages"]


def test_of_more_than_twenty_pictures_none_is_larger_than_2000_pixels():
    raws = [{"role": "user", "content": [picture(100, 100) if n else picture(2001, 10)]} for n in range(21)]
    rows = MessageRows(message_from_raw(raw, "anthropic") for raw in raws)
    form, sendings = Form("anthropic"), Sendings()

    assert raws[:20] == sendings.to(form, rows, 20).request().value["messages"]
    many = sendings.to(form, rows, 21).request()

    assert "[image 2001x10, too large to be sent]" == many.value["messages"][0]["content"][0]["text"]
    assert raws[1:] == many.value["messages"][1:]
    assert Sendings().to(form, rows, 21).request() == many


def test_more_calls_than_a_message_takes_become_several_each_with_its_results():
    ids = [str(n) for n in range(300)]
    raws = [call(*ids, text="look"), *({"role": "tool", "tool_call_id": id, "content": id} for id in ids)]
    messages = [message_from_raw(raw, "openai") for raw in (raws[0], *reversed(raws[1:]))]

    rendered = render(messages, "openai")

    assert not chat_faults(rendered.value)
    calls = [message for message in rendered.value if message["role"] == "assistant"]
    assert [128, 128, 44] == [len(message["tool_calls"]) for message in calls]
    assert ["look", None, None] == [message["content"] for message in calls]
    assert ["calls_parted"] == [warning.kind for warning in rendered.warnings]
    assert 300 == len(render(messages, "openai", rules=1).value[0]["tool_calls"])


SERVER_USE = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
SERVER_RESULT = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
SAID = {"type": "text", "text": "so"}


@pytest.mark.parametrize(
    ("blocks", "sent"),
    [
        ([SERVER_USE, SERVER_RESULT, SAID], [SERVER_USE, SERVER_RESULT, SAID]),
        ([SERVER_RESULT, SERVER_USE, SAID], [SAID]),
        ([SERVER_USE, SAID], [SAID]),
        ([SERVER_RESULT, SAID], [SAID]),
        ([SERVER_USE, SERVER_RESULT, SERVER_RESULT, SAID], [SERVER_USE, SERVER_RESULT, SAID]),
        ([SERVER_USE, SERVER_USE, SERVER_RESULT, SAID], [SERVER_USE, SERVER_RESULT, SAID]),
    ],
)
def test_a_providers_own_call_keeps_the_result_behind_it(blocks, sent):
    raws = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": blocks},
        {"role": "user", "content": "?"},
    ]
    assert (
        sent
        == render([message_from_raw(raw, "anthropic") for raw in raws], "anthropic").value["messages"][1]["content"]
    )
