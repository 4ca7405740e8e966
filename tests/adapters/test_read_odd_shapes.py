"""Files as programs write them that differ in one respect from the usual: what they say is read, or told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tract import ImportFormatError
from tract.adapters.transcripts import Reading, read_transcript

JSON = Any


@pytest.fixture
def read(tmp_path: Path):
    """Reads a value, or several as lines."""

    def read_values(*values: JSON, format: str | None = None) -> Reading:
        path = tmp_path / "file.json"
        path.write_text("".join(f"{json.dumps(value)}\n" for value in values))
        return read_transcript(path, format=format)

    return read_values


def messages(reading: Reading) -> list[JSON]:
    """Roles and contents of the first line."""
    said = [turn.message for turn in reading.conversations[0].branches[0].turns]
    return [(message.get("role"), message.get("content")) for message in said]


def told(reading: Reading) -> list[tuple[int | None, str]]:
    return [(problem.line, problem.detail) for problem in reading.problems]


def notes(reading: Reading) -> list[str]:
    return [note.detail for note in reading.notes]


def picture(url: str) -> JSON:
    return {"type": "image_url", "image_url": {"url": url}}


# Claude Code


def record(uuid: str, parent: str | None, role: str, content: JSON) -> JSON:
    return {"uuid": uuid, "parentUuid": parent, "type": role, "message": {"role": role, "content": content}, "sessionId": "s"}  # fmt: skip


def test_pictures_that_were_pasted_while_claude_code_worked_are_said(read):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
    words = {"type": "text", "text": "Like this?"}
    shown = [
        {"uuid": uuid, "parentUuid": parent, "type": "attachment", "attachment": {"type": "queued_command", "prompt": prompt}, "sessionId": "s", "timestamp": time}
        for uuid, parent, prompt, time in (("q", "b", [words, image], "2026-01-01T00:00:01Z"), ("r", "q", [image], "2026-01-01T00:00:02Z"))
    ]  # fmt: skip

    reading = read(
        record("a", None, "user", "Draw tea."), record("b", "a", "assistant", "A cup."), *shown,
        {"type": "queue-operation", "operation": "enqueue", "content": [words], "sessionId": "s"},
        {"type": "queue-operation", "operation": "enqueue", "content": {"a": 1}, "sessionId": "s"},
        record("c", "r", "assistant", "Yes."),
    )  # fmt: skip

    assert [("user", "Draw tea."), ("assistant", "A cup."), ("user", [words, image]), ("user", [image]), ("assistant", "Yes.")] == messages(reading)  # fmt: skip
    assert ["typed while the model worked, and never sent to it: 'Like this?'"] == notes(reading)
    assert [6] == [line for line, _ in told(reading)]


# Codex

BEGINNING = {"timestamp": "2026-01-01T00:00:00Z", "type": "session_meta", "payload": {"id": "u", "cwd": "/"}}


def said(text: str, role: str = "user") -> JSON:
    kind = "input_text" if role == "user" else "output_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def of_type(type: str, payload: JSON) -> JSON:
    return {"timestamp": "2026-01-01T00:00:00Z", "type": type, "payload": payload}


def test_messages_of_another_program_in_a_rollout_are_each_told(read):
    reading = read(BEGINNING, of_type("response_item", said("Tea?")), {"role": "user", "content": "a"}, {"messages": [{"role": "user", "content": "b"}]})  # fmt: skip

    assert 1 == len(messages(reading))
    assert [(3, "no record of a rollout: an object with the keys 'role', 'content'"), (4, "no record of a rollout: an object with the keys 'messages'")] == told(reading)  # fmt: skip


def test_the_first_line_of_an_old_rollout_says_what_it_is_and_its_instructions_are_read(read):
    first = {"id": "u", "timestamp": "2025-06-01T00:00:00Z", "instructions": "Be brief."}

    reading = read(first, said("Tea?"), {"record_type": "state"}, said("Hot.", "assistant"))

    assert ("codex", [], ["system", "user", "assistant"]) == (reading.format, told(reading), [role for role, _ in messages(reading)])  # fmt: skip


def test_what_a_rollout_showed_or_summed_up_and_has_in_no_item_is_told(read):
    compacted = {"message": "It was hot.", "replacement_history": [said("Tea?"), "lost"]}
    thought, error = ({"type": "agent_reasoning_raw_content", "text": "Boil."}, {"type": "error", "message": "No quota."})  # fmt: skip

    reading = read(BEGINNING, of_type("response_item", said("Tea?")), of_type("compacted", compacted), of_type("event_msg", thought), of_type("event_msg", error))  # fmt: skip

    assert [(3, "payload.replacement_history: 1 of it are no objects")] == told(reading)
    assert ["It was hot.", "Boil.", "No quota."] == [note.rpartition(": ")[2].strip("'") for note in notes(reading)]


# The Gemini command line


def test_thoughts_of_a_gemini_session_are_whole_and_a_picture_that_a_tool_gave_is_told(read):
    response = {"functionResponse": {"id": "c", "name": "look", "response": {"output": "a cup"}}}
    image = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    call = {"id": "c", "name": "look", "args": {}, "status": "success", "result": [response, image]}
    nested = {"functionResponse": {**response["functionResponse"], "parts": [image]}}
    session = {"sessionId": "s", "projectHash": "h", "messages": [
        {"id": "1", "type": "user", "content": "Tea?"},
        {"id": "2", "type": "gemini", "content": "Hot.", "thoughts": "boil it"},
        {"id": "3", "type": "gemini", "content": "Yes.", "thoughts": [{"text": "surely"}]},
        {"id": "4", "type": "gemini", "content": "", "toolCalls": [call]},
    ]}  # fmt: skip

    reading = read(session)
    other = read({**session, "messages": [{"id": "4", "type": "gemini", "content": "", "toolCalls": [{**call, "result": [nested]}]}]})  # fmt: skip

    turns = reading.conversations[0].branches[0].turns
    assert ["boil it", "surely"] == [turn.message["reasoning_content"] for turn in turns[1:3]]
    for each in (reading, other):
        assert ["message '4': what a tool gave beside its text is only in the metadata"] == notes(each)


# OpenHands


def test_pictures_of_openhands_are_said_a_rejection_is_a_result_and_what_was_recalled_is_told(read):
    events = [
        {"id": 0, "source": "user", "action": "message", "args": {"content": "Tea?", "image_urls": ["data:,a"]}},
        {"id": 1, "source": "environment", "observation": "recall", "content": "added", "extras": {}},
        {"id": 2, "source": "agent", "action": "run", "args": {"command": "boil", "thought": ""}},
        {"id": 3, "source": "user", "observation": "user_rejected", "content": "No.", "cause": 2},
    ]

    reading = read(events)

    assert [("user", [{"type": "text", "text": "Tea?"}, picture("data:,a")]), ("assistant", None), ("tool", "No.")] == messages(reading)  # fmt: skip
    assert ["what the program recalled for the model is left out"] == notes(reading)


# aider


def test_a_byte_order_mark_does_not_hide_the_first_chat_of_aiders(tmp_path: Path):
    path = tmp_path / ".aider.chat.history.md"
    chat = "# aider chat started at 2026-01-01 00:00:00\n\n#### Tea?  \n\nHot.\n"
    path.write_bytes(b"\xef\xbb\xbf" + chat.encode() + chat.replace("Hot", "Cold").encode())

    reading = read_transcript(path)

    assert ["Hot.", "Cold."] == [one.branches[0].turns[1].message["content"] for one in reading.conversations]


# LangChain


def calls(reading: Reading) -> list[JSON]:
    turns = reading.conversations[0].branches[0].turns
    return [(call["id"], call["function"]["name"], call["function"]["arguments"]) for turn in turns for call in turn.message.get("tool_calls", ())]  # fmt: skip


def test_calls_of_langchain_s_that_stand_elsewhere_are_calls(read):
    first, second = ({"type": "ai", "content": "", "additional_kwargs": {"function_call": {"name": "thermo", "arguments": text}}} for text in ("{}", '{"a":1}'))  # fmt: skip
    results = [{"type": "function", "name": "thermo", "content": text} for text in ("90", "80")]
    block = {"type": "tool_use", "id": "c", "name": "thermo", "input": {"cup": 1}}
    block_alone = {"type": "ai", "content": [{"type": "text", "text": "I look."}, block], "tool_calls": []}

    reading = read([{"type": "human", "content": "Tea?"}, first, results[0], second, results[1], block_alone])

    assert [("call_1", "thermo", "{}"), ("call_3", "thermo", '{"a":1}'), ("c", "thermo", '{"cup":1}')] == calls(reading)
    turns = reading.conversations[0].branches[0].turns
    assert ["call_1", "call_3"] == [turn.message["tool_call_id"] for turn in turns if turn.message["role"] == "tool"]
    assert block_alone["content"] == turns[-1].metadata["langchain"]["content"]


def test_a_reasoning_of_langchain_s_beside_the_content_is_thought(read):
    summary = {"summary": [{"type": "summary_text", "text": "boil"}]}

    reading = read([{"type": "ai", "content": "Hot.", "additional_kwargs": {"reasoning": summary}}])

    assert "boil" == reading.conversations[0].branches[0].turns[0].message["reasoning_content"]


# Bedrock


def test_guarded_words_of_bedrock_s_system_are_said_and_what_is_no_text_is_told(read):
    guarded = {"guardContent": {"text": {"text": "No milk."}}}
    system = [{"text": "Be brief."}, guarded, {"cachePoint": {"type": "default"}}, {"newer": 1}]
    asked = [{"role": "user", "content": [{"text": "Tea?"}]}, {"role": "assistant", "content": [{"text": "Hot."}]}]

    reading = read({"system": system, "messages": asked})
    text = read({"system": "Be brief.", "messages": asked})

    assert ("system", "Be brief.\n\nNo milk.") == messages(reading)[0]
    assert [(None, "'system' beside the messages: a block without a text: an object with the keys 'newer'")] == told(reading)  # fmt: skip
    assert ("system", "Be brief.") == messages(text)[0]


# Vercel's AI SDK


def test_attachments_of_the_first_ai_sdks_are_pictures_and_texts_in_a_list_are_said(read):
    attached = [{"name": "a.png", "contentType": "image/png", "url": "data:image/png;base64,AA=="}]
    asked = {"id": "1", "role": "user", "content": "Like this?", "experimental_attachments": attached}

    alone = read([asked])
    reading = read([asked, {"id": "2", "role": "assistant", "content": "", "parts": [{"type": "step-start"}]}, {"role": "user", "content": ["Tea?"]}])  # fmt: skip

    for each in (alone, reading):
        assert "vercel-ai" == each.format
        assert ("user", [{"type": "text", "text": "Like this?"}, picture(attached[0]["url"])]) == messages(each)[0]
    assert ("user", "Tea?") == messages(reading)[-1]


# Gemini


def test_a_part_of_gemini_s_that_is_not_known_costs_itself_and_pictures_of_a_response_are_told(read):
    image = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    response = {"functionResponse": {"name": "look", "response": {"result": "a cup"}, "parts": [image]}}
    contents = [
        {"role": "user", "parts": [{"text": "Tea?"}]},
        {"role": "model", "parts": [{"text": "I look."}, {"newer": {"a": 1}}]},
        {"role": "user", "parts": [response]},
    ]

    reading = read({"contents": contents})

    assert [("user", "Tea?"), ("assistant", "I look."), ("tool", "a cup")] == messages(reading)
    assert [(1, "contents[1].parts[1]: no part that tract knows: an object with the keys 'newer'")] == told(reading)
    assert ["contents[2]: a part with 'functionResponse.parts' is only in the metadata"] == notes(reading)
    assert contents[1] == reading.conversations[0].branches[0].turns[1].metadata["gemini"]


# Questions with one answer, and logs of requests


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Tea?", "completion": "Hot.", "label": True},
        {"prompt": [{"role": "user", "content": "Tea?"}], "completion": [{"role": "assistant", "content": "Hot."}]},
        {"prompt": "Tea?", "response": "Hot."},
        {"instruction": "Tea?", "context": "", "response": "Hot.", "category": "qa"},
        {"model": "m", "prompt": "Tea?", "response": {"choices": [{"text": "Hot."}]}},
    ],
)
def test_a_question_beside_its_one_answer_is_said(read, row):
    reading = read([row])

    assert ([("user", "Tea?"), ("assistant", "Hot.")], []) == (messages(reading), told(reading))


def test_what_of_an_instruction_is_no_text_is_told_and_kept(read):
    row = {"instruction": "Tea?", "input": {"cup": 1}, "output": "Hot.", "history": [["a", "b"], ["c"]], "system": ["d"]}  # fmt: skip

    reading = read([row])

    assert [("user", "a"), ("assistant", "b"), ("user", "Tea?"), ("assistant", "Hot.")] == messages(reading)
    assert ["'system'", "'history'", "'input'"] == [detail.split()[1] for _, detail in told(reading)]
    assert {key: row[key] for key in ("input", "history", "system")} == reading.conversations[0].metadata


def test_a_question_that_stands_elsewhere_than_a_request_is_told(read):
    reading = read({"question": "Tea?", "response": "Hot."})

    assert [True] == ["'question', which is in the metadata" in detail for _, detail in told(reading)]


def test_a_request_and_a_response_that_a_log_has_as_texts_are_read(read):
    request = {"model": "m", "messages": [{"role": "user", "content": "Tea?"}]}
    response = {"model": "m-1", "choices": [{"message": {"role": "assistant", "content": "Hot."}}]}

    for given in (request, json.dumps(request)):
        reading = read({"request": given, "response": json.dumps(response)})

        assert ([("user", "Tea?"), ("assistant", "Hot.")], []) == (messages(reading), told(reading))
        assert {"model": "m-1"} == reading.conversations[0].branches[0].turns[1].config


def test_an_answer_of_json_is_an_answer_and_a_stream_as_a_text_is_none(read):
    request = {"model": "m", "messages": [{"role": "user", "content": "Tea?"}]}
    stream = 'data: {"id":"c","choices":[{"delta":{"content":"Hot"}}]}\n\ndata: [DONE]\n\n'

    answered = read({"request": request, "response": '{"tea": "hot"}'})
    streamed = read({"request": request, "response": stream})

    assert ("assistant", '{"tea": "hot"}') == messages(answered)[1]
    assert [("user", "Tea?")] == messages(streamed)
    assert [True] == ["its response is no" in detail for _, detail in told(streamed)]
    assert {"response": stream} == {key: streamed.conversations[0].metadata.get(key) for key in ("response",)}


# Formats that are mixed, or asked for wrongly


def test_a_message_that_only_another_provider_s_format_has_is_of_that(read):
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    used, result = (
        {"role": "assistant", "content": [{"type": "tool_use", "id": "d", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "d", "content": "b"}]},
    )
    chat = [{"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": "a"}]  # fmt: skip

    for asked in (
        {"role": "user", "content": "Tea?"},
        {"role": "user", "content": [{"type": "input_text", "text": "Tea?"}]},
    ):
        turns = read([asked, *chat, used, result]).conversations[0].branches[0].turns

        assert ["openai", "openai", "anthropic", "anthropic"] == [turn.format for turn in turns[1:]]


def test_a_key_is_said_only_where_it_helps_the_format_that_was_asked_for(read):
    messages = [{"role": "user", "content": "Tea?"}]

    for value, format, key in (({"messages": messages}, "chatgpt", None), ({"run": messages}, "openai", "run")):
        with pytest.raises(ImportFormatError) as caught:
            read(value, format=format)

        assert key == caught.value.likely_key


# OpenTelemetry


def test_thoughts_pictures_and_plain_contents_of_pydantic_s_spans_are_said(read):
    asked = [
        {"role": "user", "content": "Tea?"},
        {"role": "user", "parts": [{"type": "text", "content": "Like this?"}, {"type": "image-url", "url": "http://a/b.png"}, {"type": "binary", "media_type": "image/jpeg", "content": "AA=="}, {"type": "newer", "a": 1}]},
    ]  # fmt: skip
    answered = [{"role": "assistant", "parts": [{"type": "thinking", "content": "boil"}, {"type": "text", "content": "Hot."}]}]  # fmt: skip

    reading = read({"attributes": {"gen_ai.system_instructions": "Be brief.", "gen_ai.input.messages": asked, "gen_ai.output.messages": json.dumps(answered)}})  # fmt: skip

    pictures = [picture("http://a/b.png"), picture("data:image/jpeg;base64,AA==")]
    assert [
        ("system", "Be brief."), ("user", "Tea?"),
        ("user", [{"type": "text", "text": 'Like this?\n{"type":"newer","a":1}'}, *pictures]), ("assistant", "Hot."),
    ] == messages(reading)  # fmt: skip
    assert "boil" == reading.conversations[0].branches[0].turns[-1].message["reasoning_content"]
    assert (["message 2: a part of type 'newer' is kept as its JSON"], []) == (notes(reading), told(reading))


# Order, and ids that are not there


def test_records_of_claude_code_before_their_parents_are_one_line(read):
    records = [record("c", "b", "user", "Sure?"), record("b", "a", "assistant", "Hot."), record("a", None, "user", "Tea?"), record("d", "c", "assistant", "Yes.")]  # fmt: skip

    reading = read(*records)

    assert [("user", "Tea?"), ("assistant", "Hot."), ("user", "Sure?"), ("assistant", "Yes.")] == messages(reading)
    assert (1, [], ["a record stands before its parent, and is read behind it"]) == (len(reading.conversations[0].branches), told(reading), notes(reading))  # fmt: skip


def test_records_of_claude_code_in_a_circle_are_read(read):
    reading = read(record("a", "b", "user", "Tea?"), record("b", "a", "assistant", "Hot."))

    assert ["Hot.", "Tea?"] == sorted(content for _, content in messages(reading))


def test_a_compaction_that_does_not_say_what_came_before_goes_on_from_there(read):
    boundary = {"type": "system", "subtype": "compact_boundary", "uuid": "x", "parentUuid": None, "sessionId": "s"}
    summary = {**record("c", "x", "user", "It was tea."), "isCompactSummary": True}

    reading = read(record("a", None, "user", "Tea?"), record("b", "a", "assistant", "Hot."), boundary, summary)

    (line,) = reading.conversations[0].branches
    assert [False, False, True] == [turn.summarises for turn in line.turns]


@pytest.mark.parametrize("program", ["otel", "langchain"])
def test_calls_without_an_id_get_one_each_and_results_answer_them_in_order(read, program):
    if program == "otel":
        called = [{"type": "tool_call", "name": "thermo", "arguments": {}}] * 2
        answers = [{"role": "tool", "parts": [{"type": "tool_call_response", "response": text}]} for text in ("90", "80")]  # fmt: skip
        value: JSON = {"gen_ai.input.messages": [{"role": "assistant", "parts": called}, *answers]}
    else:
        ai = {"type": "ai", "content": "", "tool_calls": [{"id": None, "name": "thermo", "args": {}}] * 2}
        value = [ai, *({"type": "tool", "content": text, "tool_call_id": None} for text in ("90", "80"))]

    reading = read(value)

    turns = reading.conversations[0].branches[0].turns
    assert ["call_0_0", "call_0_1"] == [id for id, _, _ in calls(reading)]
    assert [("call_0_0", "90"), ("call_0_1", "80")] == [(turn.message["tool_call_id"], turn.message["content"]) for turn in turns[1:]]  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [
        {"type": "ai", "content": "Hot."},
        {"role": "assistant", "content": [{"text": "Hot."}]},
        {"role": "assistant", "content": [{"type": "text", "value": "Hot."}]},
    ],
    ids=["langchain", "bedrock", "llama-factory"],
)
def test_a_plain_message_among_those_of_a_program_is_read(read, other):
    reading = read([{"role": "user", "content": "Tea?"}, other])

    assert ([("user", "Tea?"), ("assistant", "Hot.")], []) == (messages(reading), told(reading))


def test_a_refusal_of_langchain_s_is_said_and_an_error_beside_what_a_tool_of_inspect_s_said_is_told(read):
    refused = read([{"type": "ai", "content": "", "additional_kwargs": {"refusal": "Never."}}])
    call = {"id": "c", "function": "thermo", "arguments": {}}
    failed = read({"samples": [{"messages": [
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "function": "thermo", "content": "90", "error": {"type": "timeout", "message": "too slow"}},
    ]}]})  # fmt: skip

    assert "Never." == refused.conversations[0].branches[0].turns[0].message["refusal"]
    assert ["samples[0].messages[1]: an error beside a tool's content is only in the metadata"] == notes(failed)


def test_instructions_of_a_response_that_are_items_are_said(read):
    items = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": [{"type": "input_text", "text": 7}]}]  # fmt: skip

    reading = read({"instructions": items, "input": "Tea?", "output": [said("Hot.", "assistant")]})

    assert ["developer", "user", "assistant"] == [role for role, _ in messages(reading)]
    assert [True] == ["'instructions' beside the messages" in detail for _, detail in told(reading)]


PDF, WAV, PNG = ("application/pdf", "data:application/pdf;base64,AA=="), ("audio/wav", "data:audio/wav;base64,AA=="), ("image/png", "data:image/png;base64,AA==")  # fmt: skip


def file(**fields: str) -> JSON:
    return {"type": "file", "file": fields}


def test_sounds_and_documents_are_no_pictures(read):
    sound = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}
    pdf = file(filename="file.pdf", file_data=PDF[1])
    inline = [{"inlineData": {"mimeType": kind, "data": "AA=="}} for kind, _ in (PDF, WAV, PNG)]
    binary = [{"kind": "binary", "media_type": kind, "data": "AA=="} for kind, _ in (PDF, WAV, PNG)]
    attached = [{"type": "file", "mediaType": kind, "url": url} for kind, url in (PDF, WAV, PNG)]
    pydantic = [*binary, {"kind": "document-url", "url": "https://x/d"}, {"kind": "image-url", "url": "https://x/i"}]

    gemini = read({"contents": [{"role": "user", "parts": [*inline, {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://v"}}]}]})  # fmt: skip
    other = read([{"kind": "request", "parts": [{"part_kind": "user-prompt", "content": pydantic}]}])
    vercel = read([{"id": "1", "role": "user", "parts": attached}])

    wav_file = file(filename="file.wav", file_data=WAV[1])
    assert [[pdf, wav_file, picture(PNG[1]), file(file_url="gs://v")]] == [content for _, content in messages(gemini)]
    assert [[pdf, sound, picture(PNG[1]), file(file_url="https://x/d"), picture("https://x/i")]] == [content for _, content in messages(other)]  # fmt: skip
    assert [[pdf, sound, picture(PNG[1])]] == [content for _, content in messages(vercel)]
    kept = "a file with '{}' is kept, but chat completions refuses it"
    assert [[kept.format("audio/wav"), kept.format("an address")], [kept.format("an address")], []] == [notes(one) for one in (gemini, other, vercel)]  # fmt: skip


def test_a_developer_s_message_in_chatgpt_is_said(read):
    def node(id: str, parent: str | None, role: str, text: str) -> JSON:
        message = {"id": id, "author": {"role": role}, "content": {"content_type": "text", "parts": [text]}}
        return {"id": id, "parent": parent, "children": [], "message": message}

    nodes = (node("a", None, "developer", "Be brief."), node("b", "a", "user", "Tea?"), node("c", "b", "assistant", "Hot."))  # fmt: skip

    reading = read({"mapping": {one["id"]: one for one in nodes}, "current_node": "c"})

    assert [("developer", "Be brief."), ("user", "Tea?"), ("assistant", "Hot.")] == messages(reading)
    assert [] == told(reading)
