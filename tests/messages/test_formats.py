"""What each format's messages become in the others, and that they stay what they are in their own."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tract.errors import ContentValidationError
from tract.messages import (
    copy_json,
    message_of,
    message_text,
    pairing_warnings,
    render,
    render_anthropic,
    render_gemini,
    render_openai,
    render_responses,
    render_text,
)
from tract.messages.message import CompileWarning, Message
from tract.objects.content import (
    ArtifactContent,
    DialogueContent,
    FreeformContent,
    InstructionContent,
    MessageContent,
    OutputContent,
    SessionContent,
    ToolIOContent,
)
from tract.objects.message_format import MESSAGE_FORMATS, detect_format

PNG = "iVBORw0KGgo="
# A busy machine says nothing about the code.
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def msgs(format: str, *raws: dict[str, Any]) -> list[Message]:
    return [message_of(MessageContent(raw, format)) for raw in raws]


def chat_call(id: str, name: str = "look", arguments: str = '{"q":1}') -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def chat_calls(*ids: str, content: str | None = None) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": [chat_call(id) for id in ids]}


def chat_result(id: str, content: Any = "found") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content}


def tool_use(id: str, name: str = "look", input: Any = None) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "input": {"q": 1} if input is None else input}


def tool_result(id: str, content: Any = "found", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": content, **more}


def item_call(id: str, arguments: str = '{"q":1}') -> dict[str, Any]:
    return {"type": "function_call", "call_id": id, "name": "look", "arguments": arguments}


def item_result(id: str, output: Any = "found") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": id, "output": output}


def user(content: Any = "hi") -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any = "ok") -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def system(content: Any = "be kind") -> dict[str, Any]:
    return {"role": "system", "content": content}


def facts(warnings: tuple[CompileWarning, ...]) -> list[tuple[int | None, str]]:
    return [(warning.index, warning.kind) for warning in warnings]


# --- the message of each kind of content ---


@pytest.mark.parametrize(
    ("content", "raw"),
    [
        (InstructionContent("be kind"), {"role": "system", "content": "be kind"}),
        (DialogueContent("user", "hi"), {"role": "user", "content": "hi"}),
        (DialogueContent("user", "hi", "bo"), {"role": "user", "content": "hi", "name": "bo"}),
        (
            ToolIOContent("look", "call", {"b": "é", "a": [1]}, call_id="c1"),
            {"role": "assistant", "content": None, "tool_calls": [chat_call("c1", arguments='{"b":"é","a":[1]}')]},
        ),
        (ToolIOContent("look", "result", "as is", "ok", "c1"), chat_result("c1", "as is")),
        (ToolIOContent("look", "result", {"b": 1, "a": None}, call_id="c1"), chat_result("c1", '{"b":1,"a":null}')),
        (ArtifactContent("file", "x = 1"), {"role": "assistant", "content": "x = 1"}),
        (ArtifactContent("file", "x = 1", "py"), {"role": "assistant", "content": "```py\nx = 1\n```"}),
        (ArtifactContent("file", "```\na\n```", "md"), {"role": "assistant", "content": "````md\n```\na\n```\n````"}),
        (OutputContent("done"), {"role": "assistant", "content": "done"}),
        (FreeformContent({"b": 1, "a": "ü"}), {"role": "assistant", "content": '{"b":1,"a":"ü"}'}),
        (
            SessionContent("handoff", "half done", ["use sqlite"], [], ["test it", "ship it"]),
            {
                "role": "system",
                "content": "Session (handoff): half done\n\nDecisions:\n- use sqlite\n\n"
                "Next steps:\n- test it\n- ship it",
            },
        ),
    ],
)
def test_a_built_in_kind_becomes_a_chat_message(content, raw):
    message = message_of(content)

    assert ("openai", raw) == (message.format, dict(message.raw))
    assert (raw["role"], raw["content"], raw.get("name")) == (message.role, message.content, message.name)


def test_a_call_and_a_result_without_ids_find_each_other():
    messages = [message_of(ToolIOContent("look", "call", {})), message_of(ToolIOContent("look", "result", "x"))]

    assert () == pairing_warnings([*messages, message_of(DialogueContent("user", "thanks"))])
    assert "call_look" == messages[1].raw["tool_call_id"]


def test_a_tools_result_that_failed_is_an_error_wherever_there_is_a_word_for_it():
    calls = [message_of(ToolIOContent("look", "call", {}, call_id=id)) for id in "ab"]
    fine, failed = (ToolIOContent("look", "result", "x", status, id) for status, id in (("ok", "a"), ("error", "b")))
    messages = [*calls, message_of(fine), message_of(failed)]

    results = render_anthropic(messages).value["messages"][1]["content"]
    chat = render_openai(messages)

    assert [None, True] == [block.get("is_error") for block in results]
    assert {"error": "x"} == render_gemini(messages).value["contents"][2]["parts"][1]["function_response"]["response"]
    assert render_text(messages).endswith("[error] x\n")
    assert chat_result("b", "x") == chat.value[-1]
    assert [(0, "messages_joined"), (3, "no_counterpart")] == facts(chat.warnings)
    assert [(3, "no_counterpart")] == facts(render_responses(messages).warnings)


def test_a_kind_of_a_program_becomes_the_json_of_its_fields():
    @dataclass
    class Vote:
        motion: str
        ayes: int

    assert {"role": "assistant", "content": '{"motion":"tea","ayes":3}'} == message_of(Vote("tea", 3)).raw


@pytest.mark.parametrize(
    ("item", "role", "content"),
    [
        (item_call("c"), "assistant", '{"q":1}'),
        (item_result("c"), "tool", "found"),
        ({"type": "reasoning", "id": "r", "summary": []}, "assistant", []),
        ({"type": "web_search_call", "id": "w"}, "assistant", None),
        ({"type": "mcp_approval_response", "approval_request_id": "a", "approve": True}, "user", None),
        ({"type": "message", "role": "developer", "content": "x"}, "developer", "x"),
    ],
)
def test_a_responses_item_has_the_role_it_plays(item, role, content):
    [message] = msgs("responses", item)

    assert (role, content) == (message.role, message.content)


# --- the same format: verbatim ---

VERBATIM = {
    "openai": [
        system(),
        {"role": "user", "content": [{"type": "text", "text": "", "x": None}], "weird": {"k": [1, None]}},
        {**chat_calls("a", "b"), "reasoning_content": "hm"},
        chat_result("b"),
        chat_result("a", ""),
    ],
    "responses": [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        {**item_call("a"), "id": "fc_1", "status": "completed"},
        item_result("a", [{"type": "input_text", "text": "x"}]),
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "phase": "commentary"}
        | {"content": [{"type": "output_text", "text": "", "annotations": [], "odd": 1}]},
    ],
    "anthropic": [
        user([{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]),
        user("hi again"),
        assistant([{"type": "thinking", "thinking": " \n", "signature": "Eq+/=="}, tool_use("t")]),
        user([tool_result("t", []), {"type": "text", "text": "and?"}]),
        system("only now"),
    ],
}


@pytest.mark.parametrize("format", MESSAGE_FORMATS)
def test_its_own_format_gives_back_exactly_what_was_given(format):
    given = VERBATIM[format]
    messages = msgs(format, *copy.deepcopy(given))

    rendered = render(messages, format)

    assert () == rendered.warnings
    assert (given if format != "anthropic" else {"messages": given}) == rendered.value


@pytest.mark.parametrize("format", MESSAGE_FORMATS)
def test_changing_what_was_rendered_changes_no_message(format):
    messages = msgs(format, *copy.deepcopy(VERBATIM[format]))
    value = render(messages, format).value
    for raw in value["messages"] if format == "anthropic" else value:
        for part in raw["content"] if isinstance(raw.get("content"), list) else ():
            part["changed"] = True
        raw["changed"] = True

    assert VERBATIM[format] == [message.raw for message in messages]


@pytest.mark.parametrize("source", MESSAGE_FORMATS)
@pytest.mark.parametrize("target", MESSAGE_FORMATS)
def test_rendering_twice_gives_the_same_bytes(source, target):
    messages = msgs(source, *VERBATIM[source])

    assert json.dumps(render(messages, target).value) == json.dumps(render(messages, target).value)


def test_a_format_goes_by_its_aliases_and_an_unknown_one_is_refused():
    messages = msgs("openai", user())

    assert [user()] == render(messages, "openai-chat").value == render(messages, "openai_responses").value
    with pytest.raises(ContentValidationError):
        render(messages, "smoke signals")


# --- Anthropic's system prompt ---


@pytest.mark.parametrize("content", ["be kind", [{"type": "text", "text": "a", "cache_control": {"type": "e"}}]])
def test_a_single_anthropic_system_message_is_the_system_prompt_as_it_is(content):
    rendered = render_anthropic(msgs("anthropic", system(content), user()))

    assert {"system": content, "messages": [user()]} == rendered.value


def test_without_a_system_message_there_is_no_system_prompt():
    assert {"messages": []} == render_anthropic([]).value


def test_several_system_messages_become_one_list_of_blocks():
    cached = {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}
    messages = [*msgs("openai", system("a")), *msgs("anthropic", system([cached])), *msgs("openai", system(" "))]

    rendered = render_anthropic([*messages, *msgs("openai", user())])

    assert {"system": [{"type": "text", "text": "a"}, cached], "messages": [user()]} == rendered.value
    assert [(2, "no_counterpart")] == facts(rendered.warnings)


def test_a_system_message_inside_the_conversation_moves_with_a_warning():
    messages = msgs("openai", user("a"), {"role": "developer", "content": "be brief"}, user("b"))

    rendered = render_anthropic(messages)

    blocks = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert {"system": "be brief", "messages": [user(blocks)]} == rendered.value
    assert [(1, "system_moved")] == facts(rendered.warnings)


# --- chat completions to Anthropic ---


def test_parallel_results_and_the_next_words_become_one_user_message():
    messages = msgs("openai", chat_calls("a", "b", content="let me"), chat_result("a"), chat_result("b", ""), user())

    rendered = render_anthropic(messages)

    assert () == rendered.warnings
    assert [
        assistant([{"type": "text", "text": "let me"}, tool_use("a"), tool_use("b")]),
        user([tool_result("a"), tool_result("b", ""), {"type": "text", "text": "hi"}]),
    ] == rendered.value["messages"]


def test_results_overtake_words_that_came_between_them_and_their_calls():
    rendered = render_anthropic(msgs("openai", chat_calls("a"), user("wait"), chat_result("a")))

    assert user([tool_result("a"), {"type": "text", "text": "wait"}]) == rendered.value["messages"][1]
    assert [(2, "tool_result_moved")] == facts(rendered.warnings)


@pytest.mark.parametrize(
    ("arguments", "input", "kinds"),
    [
        ("", {}, []),
        ('{"a": {"b": [1, null]}}', {"a": {"b": [1, None]}}, []),
        ('{"a":', {"arguments": '{"a":'}, ["invalid_arguments"]),
        ("[1]", {"arguments": "[1]"}, ["invalid_arguments"]),
        ('{"a":NaN}', {"arguments": '{"a":NaN}'}, ["invalid_arguments"]),
        ("[" * 100_000, {"arguments": "[" * 100_000}, ["invalid_arguments"]),
    ],
)
def test_arguments_become_an_object_whatever_they_are(arguments, input, kinds):
    call = {"role": "assistant", "content": None, "tool_calls": [chat_call("a", arguments=arguments)]}

    rendered = render_anthropic(msgs("openai", call, chat_result("a")))

    assert assistant([tool_use("a", input=input)]) == rendered.value["messages"][0]
    assert kinds == [warning.kind for warning in rendered.warnings]


def test_ids_that_anthropic_refuses_are_replaced_on_both_halves():
    messages = msgs(
        "openai", chat_calls("f.x:0"), chat_result("f.x:0", "1"), chat_calls("f.x:0"), chat_result("f.x:0", "2")
    )

    value = render_anthropic(messages).value["messages"]

    assert ["f_x_0", "f_x_0_2"] == [value[0]["content"][0]["id"], value[2]["content"][0]["id"]]
    assert ["f_x_0", "f_x_0_2"] == [value[1]["content"][0]["tool_use_id"], value[3]["content"][0]["tool_use_id"]]


@pytest.mark.parametrize(
    ("url", "source"),
    [
        (f"data:image/png;base64,{PNG}", {"type": "base64", "media_type": "image/png", "data": PNG}),
        (f"data:image/jpg;base64,{PNG}", {"type": "base64", "media_type": "image/jpeg", "data": PNG}),
        ("https://example.org/a.png", {"type": "url", "url": "https://example.org/a.png"}),
    ],
)
def test_a_picture_goes_from_chat_to_anthropic(url, source):
    part = {"type": "image_url", "image_url": {"url": url}}

    rendered = render_anthropic(msgs("openai", user([{"type": "text", "text": "see"}, part])))

    assert [user([{"type": "text", "text": "see"}, {"type": "image", "source": source}])] == rendered.value["messages"]
    assert () == rendered.warnings


@pytest.mark.parametrize(
    ("raw", "lost"),
    [
        ({"role": "user", "content": "hi", "name": "bo"}, "name 'bo'"),
        (user([{"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}}]), "[input_audio]"),
        (user([{"type": "image_url", "image_url": {"url": "data:image/svg+xml,%3Csvg/%3E"}}]), "[image data URL]"),
        (
            user([{"type": "image_url", "image_url": {"url": f"data:image/bmp;base64,{PNG}"}}]),
            "[image image/bmp 8 B]",
        ),
        (user([{"type": "file", "file": {"file_id": "file-1"}}]), "[file file-1]"),
        ({"role": "assistant", "content": "x", "audio": {"id": "a"}}, "audio"),
        ({"role": "assistant", "content": "x", "reasoning_content": "hm"}, "[thinking]"),
        (user(""), "a message without visible text"),
        (assistant(None), "a message without visible text"),
    ],
)
def test_what_anthropic_has_no_counterpart_for_is_named(raw, lost):
    rendered = render_anthropic(msgs("openai", raw))

    [warning] = rendered.warnings
    assert ("no_counterpart", f"not carried over to anthropic: {lost}") == (warning.kind, warning.detail)
    assert (0, ("anthropic",)) == (warning.index, warning.formats)


def test_a_refusal_becomes_text_where_there_are_no_refusals():
    refusal = {"role": "assistant", "content": None, "refusal": "I will not"}

    assert [assistant("I will not")] == render_anthropic(msgs("openai", refusal)).value["messages"]


def test_the_deprecated_function_call_becomes_a_tool_call():
    call = {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": "{}"}}
    result = {"role": "function", "name": "look", "content": "found"}
    messages = msgs("openai", call, result, call, result)

    value = render_anthropic(messages).value["messages"]

    assert assistant([tool_use("call_look", input={})]) == value[0]
    assert user([tool_result("call_look")]) == value[1]
    assert user([tool_result("call_look_2")]) == value[3]
    assert () == pairing_warnings(messages)


def test_roles_no_provider_knows_are_named_and_become_ones_they_know():
    raws = {"role": "ipython", "content": "x"}, {**chat_calls("a"), "role": "critic"}, chat_result("a")
    messages = msgs("openai", *raws)

    chat, there = render_openai(messages), render_anthropic(messages)

    assert [user("x"), chat_calls("a"), chat_result("a")] == chat.value
    assert [user("x"), assistant([tool_use("a")])] == there.value["messages"][:2]
    assert [(0, "unknown_role"), (1, "unknown_role")] == facts(chat.warnings) == facts(there.warnings)
    assert "message 1: no provider knows the role 'ipython', sent as 'user'" == str(there.warnings[0])


@pytest.mark.parametrize("role", ["system", "user", "assistant"])
@pytest.mark.parametrize("content", ["x", [{"type": "text", "text": "x"}], [{"type": "text", "text": t} for t in "xy"]])
def test_a_shape_that_chat_and_anthropic_share_stays_what_it_is(role, content):
    raw = {"role": role, "content": content}

    there = render_anthropic(msgs("openai", raw, user())).value

    assert content == (
        there["system"] if role == "system" else there["messages"][0]["content"] if role == "assistant" else content
    )
    assert [raw] == render_openai(msgs("anthropic", raw)).value


@pytest.mark.parametrize(
    ("raw", "kind"), [(system(None), "message_left_out"), ({**system("x"), "name": "bo"}, "keys_left_out")]
)
def test_what_an_anthropic_system_message_loses_is_named(raw, kind):
    assert [(0, kind)] == facts(render_anthropic(msgs("anthropic", raw, user())).warnings)


def test_results_of_parallel_calls_with_one_id_go_to_them_in_order():
    messages = msgs("openai", chat_calls("c", "c"), chat_result("c", "1"), chat_result("c", "2"))

    value = render_anthropic(messages).value["messages"]

    assert [assistant([tool_use("c"), tool_use("c_2")]), user([tool_result("c", "1"), tool_result("c_2", "2")])] == (
        value
    )


def test_a_call_without_a_result_does_not_take_that_of_a_later_call():
    messages = msgs("openai", chat_calls("c"), user(), chat_calls("c"), chat_result("c"))

    assert user([tool_result("c_2")]) == render_anthropic(messages).value["messages"][3]


# --- histories of several formats to Anthropic ---


def words(*texts: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text} for text in texts]


def test_roles_alternate_where_formats_meet():
    messages = [
        *msgs("openai", user("go")),
        *msgs("anthropic", user("again"), assistant("a"), assistant("b"), user("1")),
        *msgs("openai", user("2")),
        *msgs("anthropic", user(words("3"))),
    ]

    assert [user(words("go", "again")), assistant("a"), assistant("b"), user(words("1", "2", "3"))] == (
        render_anthropic(messages).value["messages"]
    )


def test_roles_alternate_around_a_message_that_is_left_out():
    messages = msgs("openai", user("a"), assistant(""), user("b"))

    assert [user(words("a", "b"))] == render_anthropic(messages).value["messages"]


def test_results_in_two_formats_come_in_one_message_before_all_words():
    calls = assistant([{"type": "thinking", "thinking": "hm", "signature": "s"}, tool_use("a"), tool_use("b")])
    messages = [
        *msgs("anthropic", calls, user([tool_result("a", "1"), *words("and")])),
        *msgs("openai", chat_result("b", "2"), user("so")),
    ]

    rendered = render_anthropic(messages)

    assert [calls, user([tool_result("a", "1"), tool_result("b", "2"), *words("and", "so")])] == (
        rendered.value["messages"]
    )
    assert [(2, "tool_result_moved")] == facts(rendered.warnings)


def test_a_joined_message_says_what_it_had_beside_its_content():
    rendered = render_anthropic([*msgs("anthropic", {**user("a"), "k": 1}, user(" ")), *msgs("openai", user("b"))])

    assert [user(words("a", "b"))] == rendered.value["messages"]
    assert [(0, "keys_left_out"), (1, "message_left_out")] == facts(rendered.warnings)


@pytest.mark.parametrize("own_first", [True, False])
def test_a_later_call_with_an_id_that_is_there_already_gets_another(own_first):
    own = msgs("anthropic", assistant([tool_use("c")]), user([tool_result("c", "own")]))
    other = msgs("openai", chat_calls("c"), chat_result("c", "other"))

    value = render_anthropic([*own, *other] if own_first else [*other, *own]).value["messages"]

    texts = ["own", "other"] if own_first else ["other", "own"]
    pairs = [
        [assistant([tool_use(id)]), user([tool_result(id, text)])] for id, text in zip(("c", "c_2"), texts, strict=True)
    ]
    assert [message for pair in pairs for message in pair] == value


def test_an_anthropic_result_names_its_converted_call_as_it_is_called_now():
    given = user([tool_result("call.1:x")])
    messages = [*msgs("openai", chat_calls("call.1:x")), *msgs("anthropic", given)]

    rendered = render_anthropic(messages)

    assert [assistant([tool_use("call_1_x")]), user([tool_result("call_1_x")])] == rendered.value["messages"]
    assert [(0, "tool_id_changed")] == facts(rendered.warnings)
    assert user([tool_result("call.1:x")]) == given


def test_an_id_of_anthropics_own_that_it_refuses_is_replaced_too():
    messages = [*msgs("anthropic", assistant([tool_use("a.b")])), *msgs("openai", chat_result("a.b"))]

    assert [assistant([tool_use("a_b")]), user([tool_result("a_b")])] == render_anthropic(messages).value["messages"]


# --- Anthropic to chat completions ---


def test_tool_use_becomes_tool_calls_and_results_become_tool_messages():
    messages = msgs(
        "anthropic",
        assistant([{"type": "text", "text": "let me"}, tool_use("a", input={"z": "é", "b": 1}), tool_use("b")]),
        user([tool_result("a"), tool_result("b", [{"type": "text", "text": "x"}]), {"type": "text", "text": "thanks"}]),
    )

    rendered = render_openai(messages)

    calls = [chat_call("a", arguments='{"z":"é","b":1}'), chat_call("b")]
    assert [
        {"role": "assistant", "content": "let me", "tool_calls": calls},
        chat_result("a"),
        chat_result("b", "x"),
        user("thanks"),
    ] == rendered.value
    assert () == rendered.warnings


def test_an_answer_spread_over_several_messages_becomes_one_with_all_its_calls():
    messages = msgs(
        "anthropic",
        assistant([{"type": "thinking", "thinking": "hm", "signature": "s"}]),
        assistant([{"type": "text", "text": "let me"}]),
        assistant([tool_use("a")]),
        assistant([tool_use("b")]),
        user([tool_result("a")]),
        user([tool_result("b")]),
    )

    rendered = render_openai(messages)

    assert [chat_calls("a", "b", content="let me"), chat_result("a"), chat_result("b")] == rendered.value
    assert [(0, "no_counterpart")] == facts(rendered.warnings)


def test_neighbouring_answers_without_calls_stay_apart():
    messages = msgs("anthropic", user("a"), user("b"), assistant("c"), assistant("d"))

    assert [user("a"), user("b"), assistant("c"), assistant("d")] == render_openai(messages).value


def test_what_chat_has_no_counterpart_for_is_named_once_a_message():
    cached = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    searched = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}

    rendered = render_openai(
        msgs("anthropic", user([cached, cached]), assistant([{**cached, "type": "text"}, searched, found]))
    )

    assert [
        "not carried over to openai: cache_control",
        "not carried over to openai: [server_tool_use], [web_search_tool_result], cache_control",
    ] == [warning.detail for warning in rendered.warnings]


def test_a_picture_in_a_result_leaves_a_placeholder_and_an_error_flag_a_warning():
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    messages = msgs("anthropic", assistant([tool_use("a")]), user([tool_result("a", [image], is_error=True)]))

    rendered = render_openai(messages)

    assert chat_result("a", "[image image/png 8 B]") == rendered.value[1]
    assert [(1, "no_counterpart")] == facts(rendered.warnings)
    assert "is_error" in rendered.warnings[0].detail


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ({"type": "base64", "media_type": "image/png", "data": PNG}, f"data:image/png;base64,{PNG}"),
        ({"type": "url", "url": "https://example.org/a.png"}, "https://example.org/a.png"),
    ],
)
def test_a_picture_goes_from_anthropic_to_chat_and_responses(source, url):
    messages = msgs("anthropic", user([{"type": "image", "source": source}]))

    assert [user([{"type": "image_url", "image_url": {"url": url}}])] == render_openai(messages).value
    assert [user([{"type": "input_image", "detail": "auto", "image_url": url}])] == render_responses(messages).value


def test_documents_go_from_anthropic_to_chat():
    pdf = {"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf"}}
    pdf["source"]["data"] = PNG
    text = {"type": "document", "title": "notes", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}

    rendered = render_openai(msgs("anthropic", user([pdf, text])))

    file = {"file_data": f"data:application/pdf;base64,{PNG}", "filename": "a.pdf"}
    assert [user([{"type": "file", "file": file}, {"type": "text", "text": "notes\n\nx"}])] == rendered.value
    assert [user([pdf, {"type": "text", "text": "notes\n\nx"}])] == (
        render_anthropic(msgs("openai", *rendered.value)).value["messages"]
    )


# --- Responses ---


def test_calls_in_a_row_become_one_message():
    messages = msgs(
        "responses",
        user("go"),
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "plan"}]},
        item_call("a"),
        item_call("b"),
        item_result("a"),
        item_result("b", [{"type": "input_text", "text": "x"}]),
        {"type": "message", "id": "m", "role": "assistant", "status": "completed"}
        | {"content": [{"type": "output_text", "text": "done", "annotations": []}]},
    )

    chat, anthropic = render_openai(messages), render_anthropic(messages)

    assert [
        user("go"),
        chat_calls("a", "b"),
        chat_result("a"),
        chat_result("b", "x"),
        assistant("done"),
    ] == chat.value
    assert [
        user("go"),
        assistant([tool_use("a"), tool_use("b")]),
        user([tool_result("a"), tool_result("b", "x")]),
        assistant("done"),
    ] == anthropic.value["messages"]
    assert [(1, "no_counterpart")] == facts(chat.warnings) == facts(anthropic.warnings)


def test_reasoning_without_a_summary_is_left_out_with_a_warning():
    item = {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "gAAA"}

    rendered = render_openai(msgs("responses", item, assistant()))

    assert [assistant()] == rendered.value
    assert "not carried over to openai: reasoning item, encrypted_content" == rendered.warnings[0].detail


def test_a_tool_conversation_becomes_responses_items():
    messages = msgs("openai", system(), chat_calls("a", "b", content="let me"), chat_result("a"), chat_result("b"))

    rendered = render_responses(messages)

    assert [system(), assistant("let me"), item_call("a"), item_call("b"), item_result("a"), item_result("b")] == (
        rendered.value
    )
    assert () == rendered.warnings


def test_anthropic_results_keep_their_pictures_in_responses():
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    messages = msgs("anthropic", assistant([tool_use("a")]), user([tool_result("a", [image])]))

    output = [{"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{PNG}"}]
    assert [item_call("a"), item_result("a", output)] == render_responses(messages).value


def test_custom_tools_go_both_ways_between_the_formats_of_openai():
    call = {"id": "c", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}
    messages = msgs("openai", {"role": "assistant", "content": None, "tool_calls": [call]}, chat_result("c", "1"))

    items = render_responses(messages).value

    assert [
        {"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "select 1"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "1"},
    ] == items
    assert [message.raw for message in messages] == render_openai(msgs("responses", *items)).value
    assert {"input": "select 1"} == render_anthropic(messages).value["messages"][0]["content"][0]["input"]


@pytest.mark.parametrize("kind", ["web_search_call", "mcp_list_tools", "image_generation_call", "of_tomorrow"])
@pytest.mark.parametrize("render_other", [render_openai, render_anthropic])
def test_an_item_of_responses_alone_is_left_out_with_a_warning(kind, render_other):
    rendered = render_other(msgs("responses", user(), {"type": kind, "id": "x"}))

    value = rendered.value
    assert [user()] == (value["messages"] if isinstance(value, dict) else value)
    assert [(1, "no_counterpart")] == facts(rendered.warnings)


# --- no shape is too odd ---

ODD_TYPES = ["tool_use", "tool_result", "text", "image", "document", "search_result", "base64", "url", "content"]
ODD_TYPES += ["message", "reasoning", "function_call", "custom_tool_call_output", "image_url", "file", "input_file"]
ODD_KEYS = ["role", "text", "id", "output", "function", "custom", "data", "media_type", "title", "url", "image_url"]
ODD_KEYS += ["file", "file_data", "filename", "name", "arguments", "input", "call_id", "tool_use_id", "detail"]
ODD_TOP = [
    "role",
    "content",
    "type",
    "tool_calls",
    "function_call",
    "output",
    "summary",
    "call_id",
    "arguments",
    "name",
]
ODD = st.recursive(
    st.sampled_from([None, True, 3, 0.5, "", "assistant", "user", "system", *ODD_TYPES]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*ODD_KEYS, *("type", "content", "source") * 3]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@CALM
@given(raw=st.dictionaries(st.sampled_from(ODD_TOP), ODD))
def test_every_message_can_be_rendered_read_and_checked(raw):
    for source in MESSAGE_FORMATS:
        messages = msgs(source, raw)
        for target in MESSAGE_FORMATS:
            json.dumps(render(messages, target).value)
        render_text(messages)
        pairing_warnings(messages)
    detect_format(raw)


# --- round trips ---

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@CALM
@given(raws=st.lists(st.dictionaries(st.text(), JSON_VALUES, max_size=4), max_size=4))
def test_unknown_keys_survive_in_their_own_format(raws):
    raws = [{**{f"x{key}": item for key, item in raw.items()}, **user("x")} for raw in raws]

    for format in ("openai", "responses"):
        kept = render(msgs(format, *raws), format).value
        assert [{key: item for key, item in raw.items() if item is not None} for raw in raws] == kept
    assert [user("x") for _ in raws] == render(msgs("anthropic", *raws), "anthropic").value["messages"]


@CALM
@given(value=JSON_VALUES)
def test_a_copy_is_equal_and_shares_nothing_that_can_change(value):
    copied = copy_json(value)

    assert value == copied
    assert not (isinstance(value, dict | list) and copied is value)


WORDS = st.text(min_size=1).filter(lambda text: bool(text.strip()))


@st.composite
def tool_conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    raws = [user(draw(WORDS))]
    for step in range(draw(st.integers(0, 4))):
        ids = [f"call_{step}_{n}" for n in range(draw(st.integers(1, 3)))]
        inputs = [draw(st.dictionaries(st.text(), JSON_VALUES, max_size=2)) for _ in ids]
        arguments = [json.dumps(i, sort_keys=True, separators=(",", ":"), ensure_ascii=False) for i in inputs]
        calls = [chat_call(id, arguments=text) for id, text in zip(ids, arguments, strict=True)]
        raws.append({"role": "assistant", "content": draw(st.none() | WORDS), "tool_calls": calls})
        raws += [chat_result(id, draw(st.text())) for id in ids]
        if draw(st.booleans()):
            raws += [assistant(draw(WORDS)), user(draw(WORDS))]
    return raws


@CALM
@given(raws=tool_conversations())
def test_a_tool_conversation_survives_the_way_to_the_other_formats_and_back(raws):
    messages = msgs("openai", *raws)
    there = render_anthropic(messages)
    items = render_responses(messages)

    assert () == there.warnings == items.warnings
    assert raws == render_openai(msgs("anthropic", *there.value["messages"])).value
    assert raws == render_openai(msgs("responses", *items.value)).value


# --- detection ---


@pytest.mark.parametrize(
    ("raw", "format"),
    [
        (user(), "openai"),
        (user([{"type": "text", "text": "x"}]), "openai"),
        (user([{"type": "image_url", "image_url": {"url": "u"}}, {"type": "text", "cache_control": {}}]), "openai"),
        (chat_calls("a"), "openai"),
        (chat_result("a"), "openai"),
        (chat_result("a", [{"type": "text", "text": "x", "cache_control": {}}]), "openai"),
        (assistant([tool_use("a")]), "anthropic"),
        (user([tool_result("a")]), "anthropic"),
        (assistant([{"type": "thinking", "thinking": "", "signature": ""}]), "anthropic"),
        (assistant([{"type": "redacted_thinking", "data": ""}]), "anthropic"),
        (assistant([{"type": "web_search_tool_result"}]), "anthropic"),
        (user([{"type": "image", "source": {"type": "base64"}}]), "anthropic"),
        (user([{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]), "anthropic"),
        (assistant([{"type": "text", "text": "x", "citations": None}]), "anthropic"),
        ({"type": "message", "role": "assistant", "content": [], "stop_reason": "end_turn"}, "anthropic"),
        ({"type": "message", "role": "assistant", "content": []}, "responses"),
        (user([{"type": "input_text", "text": "x"}]), "responses"),
        (assistant([{"type": "output_text", "text": "x"}]), "responses"),
        (item_call("a"), "responses"),
        (item_result("a"), "responses"),
        ({"type": "reasoning", "summary": []}, "responses"),
        ({"type": "text"}, None),
        ({"role": None, "content": "x"}, None),
        ({}, None),
    ],
)
def test_the_format_is_told_by_the_shape(raw, format):
    assert format == detect_format(raw)


# --- pairing ---

PAIRS = {
    "openai": (lambda *ids: [chat_calls(*ids)], lambda id: chat_result(id)),
    "responses": (lambda *ids: [item_call(id) for id in ids], lambda id: item_result(id)),
    "anthropic": (
        lambda *ids: [assistant([tool_use(id) for id in ids])],
        lambda id: user([tool_result(id)]),
    ),
}


@pytest.mark.parametrize("format", MESSAGE_FORMATS)
def test_whole_pairs_are_fine_and_torn_ones_are_named(format):
    calls, result = PAIRS[format]
    whole = msgs(format, *calls("a", "b"), result("b"), result("a"), user(), *calls("a"), result("a"))
    torn = msgs(format, result("z"), *calls("a"), user("next"))

    assert () == pairing_warnings(whole)
    assert [(0, "unpaired_tool_result"), (1, "unpaired_tool_call")] == facts(pairing_warnings(torn))


@pytest.mark.parametrize("format", MESSAGE_FORMATS)
def test_calls_at_the_end_still_wait(format):
    calls, result = PAIRS[format]

    assert () == pairing_warnings(msgs(format, user(), *calls("a", "b"), result("b")))


def test_two_torn_calls_of_one_message_are_one_warning():
    [warning] = pairing_warnings(msgs("openai", chat_calls("a", "b"), user()))

    assert "message 1: no result follows the tool call 'a', 'b'" == str(warning)


def test_a_result_that_comes_too_late_is_misplaced_except_in_responses():
    late = msgs("openai", chat_calls("a"), user(), chat_result("a"))
    fine = msgs("responses", item_call("a"), user(), item_result("a"))

    assert [(2, "misplaced_tool_result")] == facts(pairing_warnings(late))
    assert () == pairing_warnings(fine)


def test_a_second_result_for_one_call_has_no_call():
    messages = msgs("openai", chat_calls("a"), chat_result("a"), chat_result("a"))

    assert [(2, "unpaired_tool_result")] == facts(pairing_warnings(messages))


def test_pairs_may_be_in_two_formats():
    messages = [*msgs("anthropic", assistant([tool_use("a")])), *msgs("openai", chat_result("a"), user())]

    assert () == pairing_warnings(messages)


# --- text ---


def test_text_shows_calls_results_and_pictures_compactly():
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 16400}}
    messages = [
        *msgs("openai", {"role": "user", "content": "look\x1b[31m", "name": "bo"}, chat_calls("a", content="let me")),
        *msgs("anthropic", user([tool_result("a", ["x", image], is_error=True)]), assistant([{"type": "thinking"}])),
        *msgs("responses", {"type": "web_search_call"}),
    ]

    assert (
        "--- 1 user (bo)\nlook\x1b[31m\n\n"
        '--- 2 assistant\nlet me\nlook({"q":1})\n\n'
        '--- 3 user\n[error] [content block "x"]\n[image image/png 12.3 kB]\n\n'
        "--- 4 assistant\n[thinking] \n\n"
        "--- 5 assistant\n[web_search_call]\n"
    ) == render_text(messages)


def test_the_text_of_a_message_with_none_is_empty():
    assert "" == message_text(msgs("openai", assistant(None))[0])
    assert "" == render_text([])
