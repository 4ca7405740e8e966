"""What messages of every format become for Gemini."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tract.errors import ContentValidationError
from tract.messages import message_of, render, render_anthropic, render_gemini, render_responses
from tract.messages.gemini import BEGINNING, FOREIGN
from tract.messages.message import Message
from tract.objects.content import DialogueContent, InstructionContent, MessageContent, ToolIOContent

PNG = "iVBORw0KGgo="
AIRLINE = Path(__file__).resolve().parents[3] / "shared/corpus/sierra-research+tau-bench/historical_trajectories/gpt-4o-airline.json"  # fmt: skip


def msgs(format: str, *raws: dict[str, Any]) -> list[Message]:
    return [message_of(MessageContent(raw, format)) for raw in raws]


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def model(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def contents(format: str, *raws: dict[str, Any]) -> list[dict[str, Any]]:
    return render_gemini(msgs(format, *raws)).value["contents"]


def facts(format: str, *raws: dict[str, Any]) -> list[tuple[int | None, str]]:
    return [(warning.index, warning.kind) for warning in render_gemini(msgs(format, *raws)).warnings]


def chat_call(id: str, arguments: str = '{"q":1}', **more: Any) -> dict[str, Any]:
    call = {"id": id, "type": "function", "function": {"name": f"look_{id}", "arguments": arguments}, **more}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


USER = {"role": "user", "content": "go"}


def use(*ids: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "look", "input": {}} for id in ids]}


def chat_result(id: str, content: Any = "found") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content}


def test_a_conversation_is_contents_and_a_system_instruction():
    talk = [InstructionContent("be kind"), DialogueContent("user", "hi"), DialogueContent("assistant", "hello")]

    rendered = render_gemini([message_of(one) for one in talk])

    assert {
        "system_instruction": {"parts": [{"text": "be kind"}]},
        "contents": [user({"text": "hi"}), model({"text": "hello"})],
    } == rendered.value
    assert () == rendered.warnings


def test_an_empty_context_has_no_contents():
    assert {"contents": []} == render_gemini([]).value


def test_neighbours_of_one_role_are_one_content():
    raws = [
        {"role": role, "content": text}
        for role, text in (("user", "a"), ("user", "b"), ("assistant", "c"), ("assistant", "d"))
    ]

    assert [user({"text": "a"}, {"text": "b"}), model({"text": "c"}, {"text": "d"})] == contents("openai", *raws)


@pytest.mark.parametrize("format", ["openai", "anthropic"])
def test_a_late_system_message_moves_to_the_instruction_with_a_warning(format):
    raws = [
        {"role": "user", "content": "hi"},
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "so?"},
    ]

    rendered = render_gemini(msgs(format, *raws))

    assert {"parts": [{"text": "be brief"}]} == rendered.value["system_instruction"]
    assert [user({"text": "hi"}, {"text": "so?"})] == rendered.value["contents"]
    assert [(1, "system_moved")] == facts(format, *raws)


def test_a_tool_result_has_the_name_of_the_call_it_answers():
    call, result = (
        ToolIOContent("look", "call", {"q": 1}, call_id="c"),
        ToolIOContent("look", "result", {"n": 2}, call_id="c"),
    )

    assert [
        user({"text": BEGINNING}),
        model({"function_call": {"id": "c", "name": "look", "args": {"q": 1}}, "thought_signature": FOREIGN}),
        user({"function_response": {"id": "c", "name": "look", "response": {"output": '{"n":2}'}}}),
    ] == render_gemini([message_of(call), message_of(result)]).value["contents"]


def test_results_come_before_what_the_user_says():
    raws = [chat_call("a"), {"role": "user", "content": "well?"}, chat_result("a")]

    names = [next(iter(part)) for part in contents("openai", *raws)[2]["parts"]]

    assert ["function_response", "text"] == names
    assert (2, "tool_result_moved") in facts("openai", *raws)


def test_a_failed_tool_says_so():
    block = {"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": "no such file"}

    content = contents("anthropic", use("t"), {"role": "user", "content": [block]})[-1]

    assert {"id": "t", "name": "look", "response": {"error": "no such file"}} == content["parts"][0][
        "function_response"
    ]


def test_a_picture_in_a_result_follows_the_results():
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    blocks = [
        {"type": "tool_result", "tool_use_id": "s", "content": [{"type": "text", "text": "shot"}, picture]},
        {"type": "tool_result", "tool_use_id": "t", "content": "x"},
    ]

    first, second, third = contents("anthropic", use("s", "t"), {"role": "user", "content": blocks})[-1]["parts"]

    assert {"output": "shot\n[image image/png 8 B]"} == first["function_response"]["response"]
    assert "t" == second["function_response"]["id"]
    assert {"inline_data": {"mime_type": "image/png", "data": PNG}} == third


@pytest.mark.parametrize(
    ("arguments", "expected", "warned"),
    [("", {}, []), ('{"a":[1,null]}', {"a": [1, None]}, []), ("[1]", {"arguments": "[1]"}, [(1, "invalid_arguments")])],
)
def test_arguments_are_an_object_in_any_case(arguments, expected, warned):
    raws = [USER, chat_call("a", arguments), chat_result("a")]

    assert expected == contents("openai", *raws)[1]["parts"][0]["function_call"]["args"]
    assert warned == facts("openai", *raws)


def test_geminis_own_signature_comes_back_from_chat_completions():
    raws = [USER, chat_call("a", extra_content={"google": {"thought_signature": "Eqab"}}), chat_result("a")]

    assert "Eqab" == contents("openai", *raws)[1]["parts"][0]["thought_signature"]
    assert [] == facts("openai", *raws)
    for render_other in (render_anthropic, render_responses):
        assert ["no_counterpart"] == [warning.kind for warning in render_other(msgs("openai", *raws)).warnings]


def test_a_call_of_another_model_has_the_signature_for_those_and_only_the_first_of_an_answer():
    calls = chat_call("a")["tool_calls"] + chat_call("b")["tool_calls"]
    raws = [USER, {"role": "assistant", "content": "so", "tool_calls": calls}, chat_result("b"), chat_result("a")]

    assert [None, FOREIGN, None] == [part.get("thought_signature") for part in contents("openai", *raws)[1]["parts"]]


def test_a_thought_stays_a_thought():
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "yes"}]

    assert [model({"text": "hm", "thought": True}, {"text": "yes"})] == contents(
        "anthropic", {"role": "assistant", "content": blocks}
    )


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}, {"inline_data": {"mime_type": "image/png", "data": PNG}}),
        ({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}, {"file_data": {"file_uri": "https://example.org/a.png"}}),
        (
            {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PNG}", "filename": "a.pdf"}},
            {"inline_data": {"mime_type": "application/pdf", "data": PNG}},
        ),
    ],
)  # fmt: skip
def test_pictures_and_files_are_data_or_addresses(part, expected):
    assert [user(expected)] == contents("openai", {"role": "user", "content": [part]})


@pytest.mark.parametrize(
    "raw",
    [
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}}]},
        {"role": "user", "content": "  "},
        {"role": "user", "content": "hi", "name": "bo"},
        {"role": "system", "content": " "},
    ],
)
def test_what_has_no_counterpart_is_a_warning(raw):
    assert [(0, "no_counterpart")] == facts("openai", raw)


def test_no_message_is_kept_in_geminis_format():
    assert {"contents": []} == render([], "gemini").value
    with pytest.raises(ContentValidationError, match="unknown message format 'gemini'"):
        message_of(MessageContent({"role": "user", "content": "hi"}, "gemini"))


# Against the SDK's own types, where it is installed, and on real conversations.


def conversations() -> Iterator[list[Message]]:
    if not AIRLINE.exists():
        pytest.skip("the corpus is not here")
    for task in json.loads(AIRLINE.read_text()):
        yield msgs("openai", *task["traj"])


def test_real_conversations_alternate_and_answer_every_call():
    for messages in conversations():
        value = render_gemini(messages).value["contents"]
        for before, after in pairwise(value):
            assert before["role"] != after["role"]
            calls = [part["function_call"] for part in before["parts"] if "function_call" in part]
            answers = [part["function_response"] for part in after["parts"] if "function_response" in part]
            assert [(call["id"], call["name"]) for call in calls] == [
                (answer["id"], answer["name"]) for answer in answers
            ]


def test_the_sdk_takes_what_is_rendered():
    types = pytest.importorskip("google.genai.types")
    raws = [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]},
        chat_call("a", extra_content={"google": {"thought_signature": "Eqab"}}),
        chat_result("a"),
    ]

    value = json.loads(json.dumps(render_gemini(msgs("openai", *raws)).value))
    read = [types.Content.model_validate(content) for content in value["contents"]]

    types.GenerateContentConfig.model_validate({"system_instruction": value["system_instruction"]})
    assert b"\x89PNG\r\n\x1a\n" == read[0].parts[0].inline_data.data
    assert value["contents"] == [json.loads(content.model_dump_json(exclude_none=True)) for content in read]
