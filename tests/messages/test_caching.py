"""Where cache marks go, and that they stay within what providers take."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tract.errors import ContentValidationError
from tract.messages import message_of, render
from tract.messages.message import Message
from tract.objects.content import MessageContent

EPHEMERAL = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def msgs(format: str, *raws: dict[str, Any]) -> list[Message]:
    return [message_of(MessageContent(raw, format)) for raw in raws]


def say(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def marked(content: Any, key: str = "cache_control") -> list[Any]:
    """What identifies each marked block: its text, or its type."""
    blocks: Iterable[Any] = content if isinstance(content, list) else []
    found = []
    for block in blocks:
        found += marked(block.get("content"), key)
        if block.get(key) is not None:
            found.append(block.get("text", block["type"]))
    return found


def anthropic_marks(*raws: dict[str, Any]) -> list[Any]:
    value = render(msgs("anthropic", *raws), "anthropic", "auto").value
    return [
        mark
        for content in (value.get("system"), *(m["content"] for m in value["messages"]))
        for mark in marked(content)
    ]


def chat_marks(*raws: dict[str, Any]) -> list[Any]:
    value = render(msgs("openai", *raws), "openai", "auto").value
    return [mark for message in value for mark in marked(message.get("content"), "prompt_cache_breakpoint")]


def item_marks(*raws: dict[str, Any]) -> list[Any]:
    value = render(msgs("responses", *raws), "responses", "auto").value
    return [
        mark for item in value for mark in marked(item.get("output", item.get("content")), "prompt_cache_breakpoint")
    ]


TALK = (
    say("system", "rules"),
    say("user", "a"),
    say("assistant", "b"),
    say("user", "c"),
    say("assistant", "d"),
    say("user", "e"),
)
LOOP = (
    say("user", "look"),
    say("assistant", [{"type": "tool_use", "id": "t", "name": "look", "input": {}}]),
    say("user", [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]),
)


def test_anthropic_gets_the_ends_of_the_system_prompt_and_of_the_last_two_turns():
    value = render(msgs("anthropic", *TALK), "anthropic", "auto").value

    assert [text("rules", cache_control=EPHEMERAL)] == value["system"]
    assert [text("c", cache_control=EPHEMERAL)] == value["messages"][2]["content"]
    assert [text("e", cache_control=EPHEMERAL)] == value["messages"][4]["content"]
    assert ["a", "b", "d"] == [value["messages"][at]["content"] for at in (0, 1, 3)]


def test_without_cache_nothing_changes():
    messages = msgs("anthropic", *TALK)

    assert render(messages, "anthropic").value == render(messages, "anthropic", None).value
    assert "rules" == render(messages, "anthropic").value["system"]


def test_messages_themselves_are_not_touched():
    raws = [say("user", [text("a")]), say("assistant", "b"), say("user", [text("c")])]
    before = copy.deepcopy(raws)

    render(msgs("anthropic", *raws), "anthropic", "auto")

    assert before == raws


def test_the_result_of_a_tool_is_a_turn_that_can_be_marked():
    assert ["look", "tool_result"] == anthropic_marks(*LOOP)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([text("a"), text("  ")], ["a"]),
        ([text("a"), {"type": "thinking", "thinking": "hm", "signature": "s"}], ["a"]),
        ([text("a"), {"type": "redacted_thinking", "data": "x"}], ["a"]),
        (" ", []),
        ([], []),
        ([{"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}], ["image"]),
    ],
)
def test_a_block_that_is_empty_or_a_thought_is_never_marked(content, expected):
    assert expected == anthropic_marks(say("user", content))


def test_a_turn_that_cannot_be_marked_is_passed_over():
    raws = [say("user", "a"), say("assistant", "b"), say("user", "c"), say("assistant", "d"), say("user", " ")]

    assert ["a", "c"] == anthropic_marks(*raws)


def test_users_own_marks_stay_and_count():
    own = [text(str(n), cache_control=EPHEMERAL) for n in range(3)]

    assert ["0", "1", "2", "e"] == anthropic_marks(TALK[0], say("user", own), *TALK[2:])
    assert ["0", "1", "2", "3"] == anthropic_marks(
        TALK[0], say("user", [*own, text("3", cache_control=EPHEMERAL)]), *TALK[2:]
    )


def test_marks_inside_a_tools_result_count():
    inner = [text(str(n), cache_control=EPHEMERAL) for n in range(3)]
    result = {"type": "tool_result", "tool_use_id": "t", "content": inner}

    assert ["0", "1", "2", "last"] == anthropic_marks(*LOOP[:2], say("user", [result, text("last")]))


def test_a_block_that_is_marked_already_is_not_marked_twice():
    raws = [say("user", [text("a", cache_control=HOUR)])]

    assert {"messages": raws} == render(msgs("anthropic", *raws), "anthropic", "auto").value


def test_our_mark_before_a_longer_one_lasts_as_long():
    raws = [TALK[0], say("user", [text("a", cache_control=HOUR)]), TALK[2], TALK[3]]

    value = render(msgs("anthropic", *raws), "anthropic", "auto").value

    assert HOUR == value["system"][0]["cache_control"]
    assert EPHEMERAL == value["messages"][2]["content"][0]["cache_control"]


def test_what_one_request_ends_with_is_marked_in_the_next():
    first = render(msgs("anthropic", *TALK[:4]), "anthropic", "auto").value["messages"][-1]
    second = render(msgs("anthropic", *TALK), "anthropic", "auto").value["messages"]

    assert first == second[2]


def test_chat_completions_gets_the_ends_of_the_instructions_and_of_the_last_two_turns():
    value = render(msgs("openai", *TALK), "openai", "auto").value
    mark = {"prompt_cache_breakpoint": {"mode": "explicit"}}

    assert [text("rules", **mark)] == value[0]["content"]
    assert [text("c", **mark)] == value[3]["content"]
    assert [text("e", **mark)] == value[5]["content"]
    assert ["a", "b", "d"] == [value[at]["content"] for at in (1, 2, 4)]
    assert ["rules", "a", "b", "c", "d", "e"] == [m["content"] for m in render(msgs("openai", *TALK), "openai").value]


def test_chat_completions_results_are_part_of_a_turn_and_late_instructions_are_not_the_instructions():
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}  # fmt: skip
    result = {"role": "tool", "tool_call_id": "t", "content": "found"}

    assert ["q", "found"] == chat_marks(say("user", "q"), call, result)
    assert ["q"] == chat_marks(say("user", "q"), say("assistant", "a"), say("system", "late"))


def test_chat_completions_own_marks_count():
    own = [text(str(n), prompt_cache_breakpoint={"mode": "explicit"}) for n in range(2)]

    assert ["0", "1", "e"] == chat_marks(TALK[0], say("user", own), *TALK[2:])


def test_a_file_at_the_end_of_a_chat_completions_turn_bears_the_mark():
    file = {"type": "file", "file": {"file_id": "f"}}

    assert ["file"] == chat_marks(say("user", [{"type": "text", "text": "read"}, file]))


def test_responses_gets_the_ends_of_the_instructions_and_of_the_last_two_turns():
    value = render(msgs("responses", *TALK), "responses", "auto").value
    part = {"type": "input_text", "prompt_cache_breakpoint": {"mode": "explicit"}}

    assert [[{**part, "text": words}] for words in ("rules", "c", "e")] == [value[at]["content"] for at in (0, 3, 5)]
    assert ["a", "b", "d"] == [value[at]["content"] for at in (1, 2, 4)]


def test_outputs_of_functions_are_part_of_a_responses_turn_and_other_items_are_not():
    call = {"type": "function_call", "call_id": "t", "name": "f", "arguments": "{}"}
    found = {"type": "function_call_output", "call_id": "t", "output": "found"}
    shell = {"type": "local_shell_call_output", "id": "s", "output": "x"}
    thought = {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "hm"}]}
    picture = [{"type": "input_image", "image_url": "https://example.org/a.png"}]

    assert ["q", "found"] == item_marks(say("user", "q"), thought, call, found)
    assert ["q", "found"] == item_marks(say("user", "q"), call, found, thought, call, shell)
    assert ["q", "input_image"] == item_marks(say("user", "q"), call, {**found, "output": picture})
    assert ["q"] == item_marks(say("user", "q"), say("assistant", [{"type": "output_text", "text": "a"}]))


def test_responses_own_marks_count():
    mark = {"prompt_cache_breakpoint": {"mode": "explicit"}}
    own = [{"type": "input_text", "text": str(n), **mark} for n in range(2)]

    assert ["0", "1", "e"] == item_marks(TALK[0], say("user", own), *TALK[2:])


def test_marks_in_responses_are_what_the_sdk_takes():
    pydantic = pytest.importorskip("pydantic")
    responses = pytest.importorskip("openai.types.responses")
    found = {"type": "function_call_output", "call_id": "t", "output": "found"}
    call = {"type": "function_call", "call_id": "t", "name": "look", "arguments": "{}"}
    value = render(msgs("responses", say("system", "rules"), call, found), "responses", "auto").value

    easy = pydantic.TypeAdapter(responses.EasyInputMessageParam)
    output = pydantic.TypeAdapter(responses.response_input_item_param.FunctionCallOutput)

    assert value[0] == easy.validate_python(value[0])
    assert value[2] == output.validate_python(value[2])


def test_marks_are_what_the_sdks_take():
    pydantic = pytest.importorskip("pydantic")
    chat = pytest.importorskip("openai.types.chat")
    value = render(msgs("openai", *TALK), "openai", "auto").value

    part = pydantic.TypeAdapter(chat.ChatCompletionContentPartTextParam)

    for at in (0, 3, 5):
        assert value[at]["content"][0] == part.validate_python(value[at]["content"][0])


def test_anthropics_sdk_takes_the_marks_too():
    pydantic = pytest.importorskip("pydantic")
    types = pytest.importorskip("anthropic.types")
    value = render(msgs("anthropic", *TALK), "anthropic", "auto").value

    block = pydantic.TypeAdapter(types.TextBlockParam)

    for content in (value["system"], *(value["messages"][at]["content"] for at in (2, 4))):
        assert content[0] == block.validate_python(content[0])


BLOCKS = st.sampled_from(
    [
        text("a"),
        text("a", cache_control=EPHEMERAL),
        text("a", cache_control=HOUR),
        text(" "),
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "tool_result", "tool_use_id": "t", "content": [text("x", cache_control=EPHEMERAL)]},
    ]
)
CONTENTS = st.one_of(st.sampled_from(["a", "", "long"]), st.lists(BLOCKS, max_size=4))
MESSAGES = st.lists(st.builds(say, st.sampled_from(["system", "user", "assistant"]), CONTENTS), max_size=8)


@settings(deadline=None)
@given(MESSAGES)
def test_whatever_the_context_four_marks_are_the_most_and_nobodys_own_is_lost(raws):
    messages = msgs("anthropic", *raws)
    plain, value = (render(messages, "anthropic", cache).value for cache in (None, "auto"))
    own, all_ = (
        [mark for content in (v.get("system"), *(m["content"] for m in v["messages"])) for mark in marked(content)]
        for v in (plain, value)
    )

    assert len(own) <= len(all_) <= max(4, len(own))
    assert [] == [mark for mark in all_ if mark in (" ", "thinking")]
    assert len(own) == len([mark for mark in own if mark in all_])


def test_another_cache_mode_is_refused():
    with pytest.raises(ContentValidationError, match="cache must be 'auto' or None, not 'all'"):
        render([], "anthropic", "all")  # type: ignore[arg-type]


def test_an_empty_context_has_nothing_to_mark():
    assert {"messages": []} == render([], "anthropic", "auto").value
    assert [] == render([], "openai", "auto").value
