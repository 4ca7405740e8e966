"""Shapes that programs write of late, or wrote long ago: each sample says something that was once left out without a word."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tract import ImportFormatError
from tract.adapters.transcripts import Reading, read_transcript

JSON = Any


@pytest.fixture
def read(tmp_path: Path):
    def read_value(value: JSON) -> Reading:
        path = tmp_path / "file.json"
        path.write_text(json.dumps(value))
        return read_transcript(path)

    return read_value


def messages(reading: Reading) -> list[JSON]:
    """The messages of the first line; calls are (name, arguments)."""
    assert () == reading.problems
    found = []
    for turn in reading.conversations[0].branches[0].turns:
        calls = [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in turn.message.get("tool_calls", ())]  # fmt: skip
        found.append({**turn.message, "tool_calls": calls} if calls else turn.message)
    return found


def notes(reading: Reading) -> list[str]:
    return [note.detail for note in reading.notes]


def tool(id: str, content: str, name: str) -> JSON:
    return {"role": "tool", "tool_call_id": id, "content": content, "name": name}


# Vercel's AI SDK


def test_calls_of_the_first_ai_sdk_stand_beside_the_text_and_come_before_it(read):
    invocations = [
        {"state": "result", "toolCallId": "c", "toolName": "thermo", "args": {"cup": 1}, "result": {"t": 90}},
        {"state": "result", "toolCallId": "d", "toolName": "thermo", "args": {"cup": 2}, "result": "80"},
    ]
    hot = {"id": "2", "role": "assistant", "content": "Hot.", "toolInvocations": invocations}

    reading = read([{"id": "1", "role": "user", "content": "How hot?"}, hot])

    assert messages(reading) == [
        {"role": "user", "content": "How hot?"},
        {"role": "assistant", "content": None, "tool_calls": [("thermo", {"cup": 1}), ("thermo", {"cup": 2})]},
        tool("c", '{"t":90}', "thermo"),
        tool("d", "80", "thermo"),
        {"role": "assistant", "content": "Hot."},
    ]


def test_what_the_ai_sdk_s_user_was_told_in_data_is_told_and_a_denied_call_has_its_reason(read):
    denied = {"type": "dynamic-tool", "toolName": "rm", "toolCallId": "c", "state": "output-denied", "input": {"f": 1}, "approval": {"id": "a", "approved": False, "reason": "too risky"}}  # fmt: skip
    broken = {"type": "tool-ls", "toolCallId": "d", "state": "output-error", "input": None, "rawInput": {"d": "."}, "errorText": "no"}  # fmt: skip
    reading = read(
        [
            {
                "id": "1",
                "role": "user",
                "parts": [{"type": "text", "text": "a"}, {"type": "data-mood", "data": "blue"}],
            },
            {"id": "2", "role": "assistant", "parts": [denied, broken]},
        ]
    )

    assert messages(reading)[1:] == [
        {"role": "assistant", "content": None, "tool_calls": [("rm", {"f": 1}), ("ls", {"d": "."})]},
        tool("c", "denied: too risky", "rm"),
        tool("d", "no", "ls"),
    ]
    assert ["[0]: a part of type 'data-mood' is only in the metadata"] == notes(reading)


# LangChain


def test_the_summary_of_a_reasoning_is_thought_and_a_call_that_cannot_be_parsed_is_told(read):
    content = [
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "Look."}, {"text": "Then say."}]},
        {"type": "text", "text": "Hot."},
    ]
    reading = read([{"type": "ai", "content": content, "invalid_tool_calls": [{"name": "thermo", "args": "{"}]}])

    assert messages(reading) == [{"role": "assistant", "content": "Hot.", "reasoning_content": "Look.\nThen say."}]
    assert ["[0]: a call that could not be parsed is only in the metadata: 'thermo'"] == notes(reading)


# Gemini


def test_a_picture_that_gemini_drew_is_told(read):
    drawn = [{"text": "here"}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}}]
    reading = read({"contents": [{"role": "user", "parts": [{"text": "draw"}]}, {"role": "model", "parts": drawn}]})

    assert messages(reading)[1] == {"role": "assistant", "content": "here"}
    assert ["contents[1]: a part with 'inlineData' is only in the metadata"] == notes(reading)


# Logged requests


def test_a_request_whose_input_is_a_text_is_read_with_its_instructions(read):
    responses = {"custom_id": "1", "method": "POST", "url": "/v1/responses", "body": {"model": "m", "input": "How hot?", "instructions": "Be brief."}}  # fmt: skip
    completion = {"custom_id": "2", "method": "POST", "url": "/v1/completions", "body": {"model": "m", "prompt": "Tea is"}}  # fmt: skip

    reading = read([responses, completion])

    assert messages(reading) == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How hot?"}]
    assert {"role": "user", "content": "Tea is"} == reading.conversations[1].branches[0].turns[0].message
    assert "requests" == reading.format


GEMINI_ANSWER = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hot."}]}}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1},
    "modelVersion": "gemini-x",
}


def test_a_request_to_gemini_is_read_with_its_answer_and_a_batch_s_output_by_itself(read):
    request = {"contents": [{"parts": [{"text": "How hot?"}]}], "system_instruction": {"parts": [{"text": "Be brief."}]}}  # fmt: skip

    reading = read([{"key": "1", "request": request, "response": GEMINI_ANSWER}, {"key": "2", "response": GEMINI_ANSWER}])  # fmt: skip

    assert [one["content"] for one in messages(reading)] == ["Be brief.", "How hot?", "Hot."]
    last = reading.conversations[0].branches[0].turns[-1]
    assert ({"model": "gemini-x"}, GEMINI_ANSWER["usageMetadata"]) == (last.config, last.usage)
    assert ["Hot."] == [turn.message["content"] for turn in reading.conversations[1].branches[0].turns]


def test_candidates_of_gemini_beside_the_first_are_told(read):
    two = {**GEMINI_ANSWER, "candidates": GEMINI_ANSWER["candidates"] * 2}

    assert ["[0]: 1 more candidates beside the first are left out"] == notes(read([{"key": "2", "response": two}]))


def test_an_invocation_that_bedrock_logged_is_read_with_its_answer(read):
    asked = {"messages": [{"role": "user", "content": [{"text": "How hot?"}]}], "system": [{"text": "Be brief."}]}
    answered = {"output": {"message": {"role": "assistant", "content": [{"text": "Hot."}]}}, "usage": {"inputTokens": 3, "outputTokens": 1}}  # fmt: skip
    log = {"schemaType": "ModelInvocationLog", "operation": "Converse", "modelId": "m", "input": {"inputBodyJson": asked}, "output": {"outputBodyJson": answered}}  # fmt: skip

    reading = read(log)

    assert [one["content"] for one in messages(reading)] == ["Be brief.", "How hot?", "Hot."]
    last = reading.conversations[0].branches[0].turns[-1]
    assert (3, {"model": "m"}) == ((last.usage or {})["input_tokens"], last.config)


@pytest.mark.parametrize("answer", [{"role": "assistant", "content": "Hot."}, "Hot."])
def test_a_row_of_messages_and_one_answer_has_the_answer_with_its_model_and_usage(read, answer):
    asked = {"role": "user", "content": "How hot?"}

    reading = read([{"id": "g", "model": "m", "input": [asked], "output": answer, "usage": {"prompt_tokens": 5}}])

    assert messages(reading) == [asked, {"role": "assistant", "content": "Hot."}]
    turn = reading.conversations[0].branches[0].turns[-1]
    assert (turn.config, turn.usage) == ({"model": "m"}, {"prompt_tokens": 5})
    assert "output" not in reading.conversations[0].metadata


# tau2-bench


def test_what_the_simulated_user_of_tau2_bench_calls_is_a_text_and_the_agents_results_name_their_call(read):
    call = {"name": "thermo", "arguments": {"cup": 1}}
    result = {"role": "tool", "content": "90", "error": False}

    reading = read({"simulations": [{"id": "s", "messages": [
        {"role": "user", "content": None, "tool_calls": [{"id": "u", **call, "requestor": "user"}]},
        {"id": "u", **result, "requestor": "user"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", **call, "requestor": "assistant"}]},
        {"role": "tool", "tool_messages": [{"id": "c", **result, "requestor": "assistant"}]},
    ]}]})  # fmt: skip

    assert messages(reading) == [
        {"role": "user", "content": '{"name":"thermo","arguments":{"cup":1}}'},
        {"role": "user", "content": "90"},
        {"role": "assistant", "content": None, "tool_calls": [("thermo", {"cup": 1})]},
        {"role": "tool", "tool_call_id": "c", "content": "90"},
    ]
    assert notes(reading) == ["simulations[0].messages[0]: calls of the simulated user and their results are texts"]


def test_what_tau2_bench_says_of_its_tasks_and_of_the_run_is_told_to_be_left_out(read):
    simulation = {"id": "s", "messages": [{"role": "tool", "id": "c", "content": "90", "requestor": "assistant"}]}

    reading = read({"info": {"seed": 1}, "tasks": [{"id": "1"}], "timestamp": None, "simulations": [simulation]})

    assert notes(reading) == ["what stands beside 'simulations' is left out: 'info', 'tasks'"]


# Bedrock


def test_cited_guarded_found_and_attached_words_of_bedrock_are_said_and_what_is_none_is_told(read):
    asked = [
        {"document": {"name": "notes", "format": "txt", "source": {"text": "Tea is hot."}}},
        {"guardContent": {"text": {"text": "How hot?"}}},
        {"searchResult": {"title": "Tea", "source": "https://t", "content": [{"text": "90 degrees"}]}},
        {"video": {"format": "mp4", "source": {"bytes": "aGk="}}},
        {"hologram": {}},
    ]
    answered = [
        {"reasoningContent": {"redactedContent": "UkVE"}},
        {"citationsContent": {"content": [{"text": "90."}], "citations": [{"title": "Tea"}]}},
    ]
    reading = read({"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]})

    question, answer = (one["content"] for one in messages(reading))
    texts = ["[document]\nnotes\nTea is hot.", "How hot?", "[searchResult]\nTea\nhttps://t\n90 degrees", "[video]", "[hologram]"]  # fmt: skip
    assert texts == [block["text"] for block in question]
    assert answer == [{"type": "redacted_thinking", "data": "UkVE"}, {"type": "text", "text": "90."}]
    assert [f"messages[0]: a block with '{key}' is only in the metadata" for key in ("video", "hologram")] == notes(reading)  # fmt: skip


# Pydantic AI


def test_what_a_provider_s_own_tool_answered_is_a_result_and_a_file_is_told(read):
    parts = [
        {"part_kind": "builtin-tool-call", "tool_name": "search", "tool_call_id": "b", "args": {"q": "tea"}},
        {"part_kind": "builtin-tool-return", "tool_name": "search", "tool_call_id": "b", "content": {"r": "hot"}},
        {"part_kind": "file", "content": {"data": "aGk=", "media_type": "image/png", "kind": "binary"}},
        {"part_kind": "text", "content": "Hot."},
    ]
    reading = read([{"kind": "response", "parts": parts}])

    assert messages(reading) == [
        {"role": "assistant", "content": "Hot.", "tool_calls": [("search", {"q": "tea"})]},
        tool("b", '{"r":"hot"}', "search"),
    ]
    assert ["[0]: a part of kind 'file' is only in the metadata"] == notes(reading)


# Inspect AI


def zip_with_zstd(path: Path, files: dict[str, JSON]) -> None:
    """An archive as Inspect AI writes it: each file of it is packed with zstd, which zipfile cannot write."""
    out = io.BytesIO()
    plain = {name: json.dumps(value).encode() for name, value in files.items()}
    packed = {name: zstandard.ZstdCompressor().compress(data) for name, data in plain.items()}
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in packed.items():
            archive.writestr(name, data)
        infos = archive.infolist()
    raw = bytearray(out.getvalue())
    central = raw.index(b"PK\x01\x02")
    for info in infos:
        about = struct.pack("<III", zlib.crc32(plain[info.filename]), len(packed[info.filename]), len(plain[info.filename]))  # fmt: skip
        raw[info.header_offset + 8 : info.header_offset + 10] = b"\x5d\0"
        raw[info.header_offset + 14 : info.header_offset + 26] = about
        raw[central + 10 : central + 12] = b"\x5d\0"
        raw[central + 16 : central + 28] = about
        central += 46 + len(info.filename)
    path.write_bytes(raw)


SAMPLE = {
    "id": "a",
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "How hot?"}, {"type": "image", "image": "attachment://1a"}]},
        {"role": "assistant", "content": "Hot.", "source": "generate", "model": "m"},
    ],
    "attachments": {"1a": "data:image/png;base64,aGk="},
}  # fmt: skip


def test_the_samples_of_an_inspect_log_are_read_from_its_archive_with_their_pictures(tmp_path: Path):
    path = tmp_path / "log.eval"
    asked = {"id": "b", "messages": [{"role": "user", "content": "And this?"}], "output": {"model": "", "choices": []}}
    zip_with_zstd(path, {"_journal/start.json": {}, "samples/a_epoch_1.json": SAMPLE, "samples/b_epoch_1.json": asked, "summaries.json": [], "header.json": {"eval": {}}})  # fmt: skip

    reading = read_transcript(path)

    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    assert messages(reading) == [
        {"role": "user", "content": [{"type": "text", "text": "How hot?"}, picture]},
        {"role": "assistant", "content": "Hot."},
    ]
    assert ["And this?"] == [turn.message["content"] for turn in reading.conversations[1].branches[0].turns]


def test_an_archive_whose_bytes_were_changed_is_damaged(tmp_path: Path):
    path = tmp_path / "log.eval"
    zip_with_zstd(path, {"samples/a.json": SAMPLE, "header.json": {}})
    raw = path.read_bytes()
    at = raw.index(b"PK\x01\x02") + 16
    path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])

    with pytest.raises(ImportFormatError, match="compressed and damaged: bad CRC-32"):
        read_transcript(path)


# OpenHands since its version 1


def event(id: str, kind: str, source: str = "agent", **fields: Any) -> JSON:
    return {"id": id, "kind": kind, "source": source, "timestamp": "2026-01-01T00:00:00Z", **fields}


def words(text: str) -> JSON:
    return [{"type": "text", "text": text}]


def action(id: str, call: str, response: str, **fields: Any) -> JSON:
    made = {"id": call, "name": "ls", "arguments": '{"d": "."}', "origin": "completion"}
    return event(id, "ActionEvent", tool_call=made, tool_call_id=call, tool_name="ls", llm_response_id=response, **{"thought": [], **fields})  # fmt: skip


def observation(id: str, call: str, text: str) -> JSON:
    seen = {"kind": "LsObservation", "content": words(text)}
    return event(id, "ObservationEvent", "environment", tool_call_id=call, tool_name="ls", observation=seen)


OPENHANDS = [
    event("s", "SystemPromptEvent", system_prompt={"type": "text", "text": "Be brief."}, tools=[], dynamic_context={"type": "text", "text": "Here."}),
    event("u", "MessageEvent", "user", llm_message={"role": "user", "content": [*words("Look."), {"type": "image", "image_urls": ["https://p"]}]}, extended_content=words("A skill.")),
    action("a", "c", "r", thought=words("I look."), reasoning_content="Where?"),
    action("b", "d", "r"),
    observation("o", "c", "x"),
    event("x", "UserRejectObservation", "environment", tool_call_id="d", tool_name="ls", rejection_reason="No."),
    event("st", "ConversationStateUpdateEvent", "environment", key="k", value="v"),
    event("m", "MessageEvent", llm_message={"role": "assistant", "content": words("Only x.")}),
]  # fmt: skip


def test_events_of_openhands_sdk_are_the_messages_that_it_sends(read):
    reading = read([*OPENHANDS, event("e", "AgentErrorEvent", tool_call_id="z", tool_name="ls", error="Broken.")])

    picture = {"type": "image_url", "image_url": {"url": "https://p"}}
    assert messages(reading) == [
        {"role": "system", "content": "Be brief.\nHere."},
        {"role": "user", "content": [*words("Look."), picture, *words("A skill.")]},
        {"role": "assistant", "content": "I look.", "reasoning_content": "Where?", "tool_calls": [("ls", {"d": "."})] * 2},
        tool("c", "x", "ls"),
        tool("d", "No.", "ls"),
        {"role": "assistant", "content": "Only x."},
        tool("z", "Broken.", "ls"),
    ]  # fmt: skip
    assert ("openhands", []) == (reading.format, notes(reading))


def test_a_condensation_of_openhands_stands_for_what_it_forgets(read):
    made = event("k", "Condensation", "environment", forgotten_event_ids=["a", "b", "o", "x"], summary="Looked.", summary_offset=2)  # fmt: skip
    bare = event("l", "Condensation", "environment", forgotten_event_ids=["u"], summary=None)

    reading = read([*OPENHANDS, made, bare])

    last = reading.conversations[0].branches[0].turns[-1]
    assert ("Looked.", True) == (last.message["content"], last.summarises)
    assert {"s", "u", "st", "m"} == last.keeps
    assert ["1 events that were taken out of the context without a summary stay in it"] == notes(reading)


def test_siblings_of_openhands_are_branches_and_an_event_of_a_new_kind_is_told(read):
    again = event("n", "MessageEvent", llm_message={"role": "assistant", "content": words("Nothing.")}, parent_id="x")

    reading = read([*OPENHANDS, {**again, "id": "q", "kind": "DreamEvent"}, again])

    main, other = reading.conversations[0].branches
    assert ["Nothing.", "Only x."] == [line.turns[-1].message["content"] for line in (main, other)]
    assert (5, 0) == (other.shared, other.parent)
    assert ["an event of kind 'DreamEvent', which tract does not know, is left out"] == notes(reading)


# OpenTelemetry


def spoken(role: str, *parts: JSON) -> JSON:
    return [{"role": role, "parts": [{"type": "text", "content": part} if isinstance(part, str) else part for part in parts]}]  # fmt: skip


SAID = {
    "gen_ai.input.messages": spoken("user", "How hot?", {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "aGk="}, {"type": "uri", "modality": "image", "uri": "https://p"}),
    "gen_ai.output.messages": json.dumps(spoken("assistant", "Hot.")),
}  # fmt: skip


def otlp(value: JSON) -> JSON:
    """A value as OTLP writes it."""
    if isinstance(value, list):
        return {"arrayValue": {"values": [otlp(one) for one in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": [{"key": key, "value": otlp(one)} for key, one in value.items()]}}
    return {"stringValue": value}


LOG_RECORD = {"eventName": "gen_ai.client.inference.operation.details", "attributes": [{"key": key, "value": otlp(one)} for key, one in SAID.items()]}  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"attributes": []}, LOG_RECORD]}]}]},
        {"name": "chat", "attributes": {"gen_ai.request.model": "m"}, "events": [{"name": "x"}, {"attributes": SAID}]},
    ],
)
def test_messages_that_are_logged_as_an_event_are_read_and_pictures_are_pictures(read, value):
    urls = ("data:image/png;base64,aGk=", "https://p")
    pictures = [{"type": "image_url", "image_url": {"url": url}} for url in urls]

    assert messages(read(value)) == [
        {"role": "user", "content": [*words("How hot?"), *pictures]},
        {"role": "assistant", "content": "Hot."},
    ]


def logged(span: str, name: str, body: JSON) -> JSON:
    named = {"attributes": [{"key": "event.name", "value": {"stringValue": name}}]} if span == "a" else {"eventName": name}  # fmt: skip
    return {"traceId": "t", "spanId": span, "body": otlp(body), **named}


def test_messages_that_are_an_event_each_are_one_conversation_for_each_span(read):
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": "Hot."}}
    said = [("system.message", {"content": "Be brief."}), ("user.message", {"content": "Tea?"}), ("assistant.message", {"tool_calls": [call]}), ("tool.message", {"content": "80", "id": "c"}), ("choice", choice)]  # fmt: skip
    records = [logged(span, f"gen_ai.{name}", body) for name, body in said for span in ("a", "b")]
    expected = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Tea?"},
        {"role": "assistant", "content": None, "tool_calls": [("look", {})]},
        {"role": "tool", "tool_call_id": "c", "content": "80"},
        {"role": "assistant", "content": "Hot."},
    ]

    reading = read({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]})
    span = read({"name": "chat", "attributes": {}, "events": [{"name": f"gen_ai.{name}", "attributes": body} for name, body in said]})  # fmt: skip
    silent = read({"resourceLogs": [{"scopeLogs": [{"logRecords": [logged("b", "gen_ai.user.message", {}), *records[-2:]]}]}]})  # fmt: skip

    assert 2 == len(reading.conversations)
    assert expected == messages(reading) == messages(reading._replace(conversations=reading.conversations[1:]))
    assert expected == messages(span)
    assert ["message 1 has no parts"] == [problem.detail for problem in silent.problems]


def test_results_without_an_id_in_a_flat_span_answer_the_calls_in_order_and_pictures_stay(read):
    at = "llm.input_messages."
    contents = {"0.message_content.text": "How hot?", "1.message_content.image.image.url": "https://x/y.png"}
    calls = {f"{at}1.message.tool_calls.{nth}.tool_call.function.name": name for nth, name in enumerate(("a", "b"))}
    results = {f"{at}{nth}.message.{key}": value for nth in (2, 10) for key, value in (("role", "tool"), ("content", str(nth)))}  # fmt: skip
    asked = {f"{at}0.message.contents.{key}": value for key, value in contents.items()}
    attributes = {**results, **calls, f"{at}1.message.role": "assistant", **asked, "llm.model_name": "m"}

    reading = read({"attributes": {**attributes, "llm.output_messages.0.message.content": "Hot."}})

    picture = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
    assert messages(reading) == [
        {"role": "user", "content": [{"type": "text", "text": "How hot?"}, picture]},
        {"role": "assistant", "content": None, "tool_calls": [("a", {}), ("b", {})]},
        {"role": "tool", "tool_call_id": "call_1_0", "content": "2"},
        {"role": "tool", "tool_call_id": "call_1_1", "content": "10"},
        {"role": "assistant", "content": "Hot."},
    ]
    assert reading.conversations[0].branches[0].turns[-1].config == {"model": "m"}


# Open-Assistant


def test_messages_of_trees_that_stand_by_themselves_are_a_conversation_for_each_tree(read):
    def one(id: str, parent: str | None, tree: str, text: str, role: str) -> JSON:
        return {"message_id": id, "parent_id": parent, "message_tree_id": tree, "text": text, "role": role, "lang": "en"}  # fmt: skip

    reading = read(
        [
            one("a", None, "a", "How hot?", "prompter"), one("x", None, "x", "Which tree?", "prompter"),
            one("b", "a", "a", "Hot.", "assistant"), one("c", "a", "a", "90.", "assistant"), {"message_id": "d"},
        ]
    )  # fmt: skip

    found = [[turn.message["content"] for turn in line.turns] for each in reading.conversations for line in each.branches]  # fmt: skip
    assert found == [["How hot?", "Hot."], ["How hot?", "90."], ["Which tree?"]]
    assert ["[4]: not a message of a tree: an object with the keys 'message_id'"] == [
        one.detail for one in reading.problems
    ]


# Sources


def test_that_answers_name_sources_is_told_once_for_all_conversations(read):
    said = {"author": {"role": "assistant"}, "content": {"content_type": "text", "parts": ["Hot."]}, "metadata": {"content_references": [{"url": "https://t"}]}}  # fmt: skip
    chat = {"mapping": {"a": {"id": "a", "parent": None, "message": said}}}
    told = "the sources that answers name (content_references) are left out"

    assert [told] == notes(read([chat, {**chat, "title": "again"}]))


def test_that_answers_of_claude_ai_name_sources_is_told(read):
    block = {"type": "text", "text": "Hot.", "citations": [{"uuid": "c"}]}

    reading = read([{"uuid": "u", "chat_messages": [{"uuid": "m", "sender": "assistant", "text": "Hot.", "content": [block]}]}])  # fmt: skip

    assert ["the sources that answers name (citations) are left out"] == notes(reading)
