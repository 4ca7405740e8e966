"""Every format that other programs write, from a small sample: what is said in it, and what is said of it."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tract import ImportFormatError
from tract.adapters.transcripts import FORMATS, Branch, Reading, Turn, read_transcript
from tract.messages import message_from_raw, pairing_warnings

JSON = Any
ASKED = ("user", "How hot is tea?")
HOT = ("assistant", "Hot.")
CALL = ("call", "thermo", {"cup": 1})
NINETY = ("result", "90")


def said(turns: tuple[Turn, ...]) -> list[Any]:
    """What is said, format by format the same: (role, text), ("call", name, arguments), ("result", text), ("thought", text)."""
    found: list[Any] = []
    for turn in turns:
        found += _of_openai(turn.message) if turn.format == "openai" else _of_blocks(turn.message)
    return found


def _of_openai(message: JSON) -> list[Any]:
    text = message.get("content")
    if isinstance(text, list):
        text = "".join(part.get("text") or "+" for part in text)
    found: list[Any] = [("thought", message["reasoning_content"])] if message.get("reasoning_content") else []
    if message["role"] == "tool":
        return [("result", text)]
    if text:
        found.append((message["role"], text))
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    return found + [("call", call["name"], json.loads(call["arguments"])) for call in calls]


def _of_blocks(message: JSON) -> list[Any]:
    if message.get("type") == "function_call":
        return [("call", message["name"], json.loads(message["arguments"]))]
    if message.get("type") == "function_call_output":
        return [("result", message["output"])]
    content = message["content"]
    found: list[Any] = []
    for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
        match block["type"]:
            case "tool_use":
                found.append(("call", block["name"], block["input"]))
            case "tool_result":
                found.append(("result", block["content"]))
            case "thinking":
                found.append(("thought", block["thinking"]))
            case _:
                found.append((message["role"], block["text"]))
    return found


@pytest.fixture
def read(tmp_path: Path):
    def read_value(value: JSON, name: str = "file.json") -> Reading:
        path = tmp_path / name
        if isinstance(value, str):
            path.write_text(value)
        elif name.endswith(".jsonl"):
            path.write_text("".join(json.dumps(line) + "\n" for line in value))
        else:
            path.write_text(json.dumps(value))
        return read_transcript(path)

    return read_value


def lines(reading: Reading) -> list[list[Any]]:
    return [said(branch.turns) for branch in reading.conversations[0].branches]


def main(reading: Reading) -> Branch:
    return reading.conversations[0].branches[0]


OPENAI_CALL = {"id": "c", "type": "function", "function": {"name": "thermo", "arguments": '{"cup": 1}'}}
COMPLETION = {
    "id": "r",
    "model": "gpt-x",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hot."}}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 2},
}
ASK = {"role": "user", "content": "How hot is tea?"}
SAY = {"role": "assistant", "content": "Hot."}


def node(id: str, parent: str | None, role: str | None, content: JSON = None, **more: Any) -> JSON:
    author = {"role": role, "name": more.pop("name", None)}
    message = None if role is None else {"id": id, "author": author, "content": content, "metadata": {}, **more}
    return {"id": id, "parent": parent, "message": message, "children": []}


def words(text: str) -> JSON:
    return {"content_type": "text", "parts": [text]}


CHATGPT = {
    "title": "Tea",
    "conversation_id": "q",
    "current_node": "e",
    "mapping": {
        "r": node("r", None, None),
        "s": node("s", "r", "system", words("")),
        "a": node("a", "s", "user", words("How hot is tea?"), create_time=1700000000.0),
        "x": node("x", "a", "assistant", words("Hot."), metadata={"model_slug": "gpt-4o"}),
        "b": node("b", "a", "assistant", {"content_type": "code", "text": '{"cup": 1}'}, recipient="thermo"),
        "c": node("c", "b", "tool", {"content_type": "execution_output", "text": "90"}, name="thermo"),
        "t": node("t", "c", "assistant", {"content_type": "thoughts", "thoughts": [{"content": "hm"}]}),
        "e": node("e", "t", "assistant", words("90 degrees.")),
    },
}

CLAUDE_AI = {
    "uuid": "c",
    "name": "Tea",
    "chat_messages": [
        {"uuid": "1", "sender": "human", "text": "How hot is tea?", "content": [], "attachments": [{"file_name": "n.txt", "extracted_content": "notes"}], "files": [{"file_name": "p.png"}]},
        {"uuid": "2", "sender": "assistant", "text": "", "content": [
            {"type": "tool_use", "id": "t", "name": "thermo", "input": {"cup": 1}, "message": "x"},
            {"type": "tool_result", "tool_use_id": "t", "content": "90", "name": "thermo"},
            {"type": "text", "text": "Hot.", "citations": []},
        ]},
    ],
}  # fmt: skip


def codex(kind: str, **payload: Any) -> JSON:
    return {"timestamp": "2026-01-01T00:00:00Z", "type": kind, "payload": payload}


def item(role: str, text: str) -> JSON:
    kind = "input_text" if role == "user" else "output_text"
    return codex("response_item", type="message", role=role, content=[{"type": kind, "text": text}])


CODEX = [
    codex("session_meta", id="s", cwd="/w", cli_version="1"),
    codex("turn_context", model="gpt-5-codex", effort="high"),
    item("user", "How hot is tea?"),
    codex("event_msg", type="user_message", message="How hot is tea?"),
    codex("response_item", type="function_call", name="thermo", arguments='{"cup": 1}', call_id="c"),
    codex("response_item", type="function_call_output", call_id="c", output="90"),
    item("assistant", "Hot."),
    codex("event_msg", type="token_count", info={"last_token_usage": {"input_tokens": 9, "cached_input_tokens": 4, "output_tokens": 2, "total_tokens": 11}}),
]  # fmt: skip

GEMINI_SESSION = {"sessionId": "s", "projectHash": "h", "startTime": "2026-01-01T00:00:00Z"}
GEMINI_MESSAGES = [
    {"id": "1", "type": "user", "content": "How hot is tea?", "timestamp": "2026-01-01T00:00:00Z"},
    {"id": "i", "type": "info", "content": "Request cancelled."},
    {"id": "2", "type": "gemini", "content": "Hot.", "model": "gemini-2.5-pro", "tokens": {"input": 10, "output": 3},
     "toolCalls": [{"id": "t", "name": "thermo", "args": {"cup": 1}, "result": [{"functionResponse": {"response": {"output": "90"}}}]}]},
]  # fmt: skip

LANGCHAIN = [
    {"type": "human", "content": "How hot is tea?", "additional_kwargs": {}},
    {"type": "ai", "content": "", "tool_calls": [{"name": "thermo", "args": {"cup": 1}, "id": "c"}], "usage_metadata": {"input_tokens": 5, "output_tokens": 1, "total_tokens": 6}, "response_metadata": {"model_name": "m"}},
    {"type": "tool", "content": "90", "tool_call_id": "c"},
    {"type": "ai", "content": [{"type": "text", "text": "Hot."}]},
]  # fmt: skip
CLASSES = {"human": "HumanMessage", "ai": "AIMessage", "tool": "ToolMessage"}

SHARED = [ASKED, CALL, NINETY, HOT]
SAMPLES: list[tuple[str, str, JSON, list[list[Any]]]] = [
    ("chatgpt", "a.json", [CHATGPT], [[ASKED, CALL, NINETY, ("thought", "hm"), ("assistant", "90 degrees.")], [ASKED, HOT]]),
    ("claude-ai", "a.json", [CLAUDE_AI], [[("user", "How hot is tea?"), ("user", "[attachment: n.txt]\nnotes"), ("user", "[file: p.png]"), CALL, NINETY, HOT]]),
    ("codex", "rollout.jsonl", CODEX, [SHARED]),
    ("gemini-cli", "session.json", {**GEMINI_SESSION, "messages": GEMINI_MESSAGES}, [SHARED]),
    ("gemini-cli", "session.jsonl", [GEMINI_SESSION, GEMINI_MESSAGES[0], {**GEMINI_MESSAGES[2], "content": "No"}, GEMINI_MESSAGES[2], {"$set": {"lastUpdated": "x"}}], [SHARED]),
    ("gemini-cli", "session.jsonl", [GEMINI_SESSION, GEMINI_MESSAGES[2], {"$set": {"messages": [GEMINI_MESSAGES[0]]}}], [[ASKED], [CALL, NINETY, HOT]]),
    ("gemini-cli", "session.jsonl", [GEMINI_SESSION, *GEMINI_MESSAGES, {"$rewindTo": "i"}], [[ASKED], SHARED]),
    ("langchain", "a.json", {"messages": LANGCHAIN}, [SHARED]),
    ("langchain", "a.json", [{"type": one["type"], "data": one} for one in LANGCHAIN], [SHARED]),
    ("langchain", "a.json", [{"lc": 1, "type": "constructor", "id": ["langchain", "schema", CLASSES[one["type"]]], "kwargs": one} for one in LANGCHAIN], [SHARED]),
    ("requests", "a.jsonl", [{"request": {"model": "gpt-x", "temperature": 0, "messages": [ASK]}, "response": COMPLETION}], [[ASKED, HOT]]),
    ("requests", "a.jsonl", [{"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": [ASK]}}], [[ASKED]]),
    ("requests", "a.jsonl", [{"id": "b", "custom_id": "1", "response": {"status_code": 200, "body": COMPLETION}, "error": None}], [[HOT]]),
    ("requests", "a.jsonl", [{"custom_id": "1", "params": {"max_tokens": 9, "messages": [ASK]}}], [[ASKED]]),
    ("requests", "a.jsonl", [{"custom_id": "1", "result": {"type": "succeeded", "message": {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hot."}], "stop_reason": "end_turn"}}}], [[HOT]]),
    ("requests", "a.json", COMPLETION, [[HOT]]),
    ("requests", "a.json", {"request": {"messages": [ASK]}, "response": {"choices": [{"message": SAY}, {"message": {"role": "assistant", "content": "Cold."}}]}}, [[ASKED, HOT], [ASKED, ("assistant", "Cold.")]]),
    ("preferences", "a.jsonl", [{"prompt": [ASK], "chosen": [SAY], "rejected": [{"role": "assistant", "content": "Cold."}]}], [[ASKED, HOT], [ASKED, ("assistant", "Cold.")]]),
    ("preferences", "a.jsonl", [{"prompt": "How hot is tea?", "chosen": "Hot.", "rejected": "Cold."}], [[ASKED, HOT], [ASKED, ("assistant", "Cold.")]]),
    ("preferences", "a.jsonl", [{"chosen": [ASK, SAY], "rejected": [ASK, {"role": "assistant", "content": "Cold."}]}], [[ASKED, HOT], [ASKED, ("assistant", "Cold.")]]),
    ("preferences", "a.jsonl", [{"input": {"messages": [ASK], "tools": []}, "preferred_output": [SAY], "non_preferred_output": [{"role": "assistant", "content": "Cold."}]}], [[ASKED, HOT], [ASKED, ("assistant", "Cold.")]]),
    ("preferences", "a.json", [{"conversations": [{"from": "human", "value": "How hot is tea?"}], "chosen": {"from": "gpt", "value": "Hot."}, "rejected": {"from": "gpt", "value": "Cold."}}], [[ASKED, HOT], [ASKED, ("assistant", "Cold.")]]),
    ("preferences", "a.json", [{"instruction": "How hot", "input": "is tea?", "output": "Hot.", "system": "Be brief.", "history": [["a", "b"]]}], [[("system", "Be brief."), ("user", "a"), ("assistant", "b"), ("user", "How hot\nis tea?"), HOT]]),
    ("preferences", "a.json", {"question_id": 81, "turns": ["One.", "Two."]}, [[("user", "One."), ("user", "Two.")]]),
    ("preferences", "a.jsonl", [{"question_id": 81, "answer_id": "x", "model_id": "m", "choices": [{"index": 0, "turns": ["One.", "Two."]}]}], [[("assistant", "One."), ("assistant", "Two.")]]),
    ("message-tree", "a.jsonl", [{"message_tree_id": "x", "prompt": {"message_id": "x", "text": "How hot is tea?", "role": "prompter", "replies": [{"message_id": "y", "text": "Hot.", "role": "assistant", "replies": []}, {"message_id": "z", "text": "90.", "role": "assistant", "replies": []}]}}], [[ASKED, HOT], [ASKED, ("assistant", "90.")]]),
    ("llama-factory", "a.jsonl", [{"messages": [{"role": "user", "content": [{"type": "text", "value": "How hot is tea?"}]}, {"role": "assistant", "content": [{"type": "reasoning", "value": "hm"}, {"type": "tool_call", "value": '{"name": "thermo", "arguments": {"cup": 1}}'}]}, {"role": "tool", "content": [{"type": "text", "value": "90"}]}, {"role": "assistant", "content": [{"type": "text", "value": "Hot."}]}]}], [[ASKED, ("thought", "hm"), CALL, NINETY, HOT]]),
    ("vercel-ai", "a.json", [{"id": "1", "role": "user", "parts": [{"type": "text", "text": "How hot is tea?"}]}, {"id": "2", "role": "assistant", "parts": [{"type": "step-start"}, {"type": "tool-thermo", "toolCallId": "c", "state": "output-available", "input": {"cup": 1}, "output": "90"}, {"type": "step-start"}, {"type": "text", "text": "Hot."}]}], [SHARED]),
    ("vercel-ai", "a.json", [{"role": "user", "content": "How hot is tea?"}, {"role": "assistant", "content": [{"type": "tool-call", "toolCallId": "c", "toolName": "thermo", "input": {"cup": 1}}]}, {"role": "tool", "content": [{"type": "tool-result", "toolCallId": "c", "toolName": "thermo", "output": {"type": "text", "value": "90"}}]}, {"role": "assistant", "content": [{"type": "text", "text": "Hot."}]}], [SHARED]),
    ("pydantic-ai", "a.json", [{"kind": "request", "instructions": "Be brief.", "parts": [{"part_kind": "user-prompt", "content": "How hot is tea?"}]}, {"kind": "response", "model_name": "m", "usage": {"input_tokens": 3, "output_tokens": 1}, "parts": [{"part_kind": "tool-call", "tool_name": "thermo", "args": {"cup": 1}, "tool_call_id": "c"}]}, {"kind": "request", "parts": [{"part_kind": "tool-return", "tool_name": "thermo", "content": "90", "tool_call_id": "c"}]}, {"kind": "response", "parts": [{"part_kind": "text", "content": "Hot."}]}], [[("system", "Be brief."), *SHARED]]),
    ("bedrock", "a.json", {"modelId": "m", "system": [{"text": "Be brief."}], "messages": [{"role": "user", "content": [{"text": "How hot is tea?"}]}, {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c", "name": "thermo", "input": {"cup": 1}}}]}, {"role": "user", "content": [{"toolResult": {"toolUseId": "c", "content": [{"text": "90"}]}}]}], "output": {"message": {"role": "assistant", "content": [{"text": "Hot."}]}}, "usage": {"inputTokens": 5, "outputTokens": 1}}, [[("system", "Be brief."), *SHARED]]),
    ("gemini", "a.json", {"systemInstruction": {"parts": [{"text": "Be brief."}]}, "contents": [{"role": "user", "parts": [{"text": "How hot is tea?"}]}, {"role": "model", "parts": [{"functionCall": {"name": "thermo", "args": {"cup": 1}}}]}, {"role": "user", "parts": [{"functionResponse": {"name": "thermo", "response": {"output": "90"}}}]}, {"role": "model", "parts": [{"text": "Hot."}]}]}, [[("system", "Be brief."), *SHARED]]),
    ("openhands", "a.json", [{"id": 0, "source": "user", "action": "message", "args": {"content": "How hot is tea?"}}, {"id": 1, "source": "agent", "action": "run", "args": {"cup": 1}, "tool_call_metadata": {"function_name": "thermo", "tool_call_id": "c", "model_response": {"model": "m"}}}, {"id": 2, "source": "agent", "observation": "run", "content": "90", "cause": 1}, {"id": 3, "source": "agent", "action": "message", "args": {"content": "Hot."}}], [SHARED]),
    ("otel", "a.json", {"name": "chat", "attributes": {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 1, "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "How hot is tea?"}]}, {"role": "assistant", "parts": [{"type": "tool_call", "id": "c", "name": "thermo", "arguments": {"cup": 1}}]}, {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "90"}]}]), "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "Hot."}]}]}}, [SHARED]),
    ("otel", "a.json", {"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": [{"key": "gen_ai.input.messages", "value": {"stringValue": '[{"role": "user", "parts": [{"type": "text", "content": "How hot is tea?"}]}]'}}]}]}]}]}, [[ASKED]]),
    ("otel", "a.json", {"attributes": {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 1, "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "How hot is tea?", "gen_ai.prompt.1.role": "assistant", "gen_ai.prompt.1.tool_calls.0.id": "c", "gen_ai.prompt.1.tool_calls.0.name": "thermo", "gen_ai.prompt.1.tool_calls.0.arguments": '{"cup": 1}', "gen_ai.prompt.2.role": "tool", "gen_ai.prompt.2.tool_call_id": "c", "gen_ai.prompt.2.content": "90", "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "Hot.", "gen_ai.completion.0.finish_reason": "stop"}}, [SHARED]),
    ("otel", "a.json", {"attributes": {"openinference.span.kind": "LLM", "llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.contents.0.message_content.type": "text", "llm.input_messages.0.message.contents.0.message_content.text": "How hot is tea?", "llm.input_messages.1.message.role": "assistant", "llm.input_messages.1.message.tool_calls.0.tool_call.id": "c", "llm.input_messages.1.message.tool_calls.0.tool_call.function.name": "thermo", "llm.input_messages.1.message.tool_calls.0.tool_call.function.arguments": '{"cup": 1}', "llm.input_messages.2.message.role": "tool", "llm.input_messages.2.message.tool_call_id": "c", "llm.input_messages.2.message.content": "90", "llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": "Hot."}}, [SHARED]),
    ("tau2-bench", "a.json", {"info": {}, "tasks": [], "simulations": [{"id": "s", "task_id": "1", "messages": [{"role": "user", "content": "How hot is tea?", "tool_calls": None}, {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "name": "thermo", "arguments": {"cup": 1}, "requestor": "assistant"}]}, {"role": "tool", "id": "c", "content": "90", "requestor": "assistant", "error": False}, {"role": "assistant", "content": "Hot.", "usage": {"prompt_tokens": 5, "completion_tokens": 1}, "raw_data": {"model": "m"}}]}]}, [SHARED]),
    ("requests", "a.json", [{"id": "g", "model": "m", "input": [{"role": "user", "content": "How hot is tea?"}], "output": {"role": "assistant", "content": "Hot."}}], [[ASKED, HOT]]),
    ("requests", "a.json", {"id": "g", "input": {"messages": [{"role": "user", "content": "How hot is tea?"}]}, "output": "Hot."}, [[ASKED, HOT]]),
    ("sharegpt", "a.json", [{"id": "toolbench", "conversations": [{"from": "user", "value": "How hot is tea?"}, {"from": "assistant", "value": "Hot."}, {"from": "function", "value": "90"}]}], [[ASKED, HOT, ("user", "90")]]),
    ("aider", ".aider.chat.history.md", "\n# aider chat started at 2026-01-01 00:00:00\n\n> Model: m  \n\n#### How hot  \n#### is tea?  \n\nHot.\n\n> Tokens: 1\n", [[("user", "How hot\nis tea?"), HOT]]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("format", "name", "value", "expected"), SAMPLES, ids=lambda one: one if isinstance(one, str) else ""
)
def test_a_sample_says_what_its_program_wrote(read, format, name, value, expected):
    reading = read(value, name)

    assert (reading.format, reading.problems) == (format, ())
    assert lines(reading) == expected


@pytest.mark.parametrize(
    ("format", "name", "value", "expected"), SAMPLES[:-1], ids=lambda one: one if isinstance(one, str) else ""
)
def test_a_sample_is_read_as_well_where_its_format_is_named(tmp_path, format, name, value, expected):
    path = tmp_path / name
    path.write_text("".join(json.dumps(line) + "\n" for line in value) if name.endswith("l") else json.dumps(value))

    assert lines(read_transcript(path, format=format)) == expected


def test_every_format_has_a_sample_or_tests_of_its_own():
    elsewhere = {"openai", "responses", "anthropic", "inspect-ai", "claude-code", "llm"}
    assert {sample[0] for sample in SAMPLES} | elsewhere == set(FORMATS)


def test_every_format_is_in_the_page():
    page = (Path(__file__).parents[2] / "docs" / "importing.md").read_text()
    assert [] == [name for name in FORMATS if f"| `{name}` |" not in page]


def test_usage_and_models_are_known(read):
    for value, name, usage, model in (
        (CODEX, "a.jsonl", {"input_tokens": 9, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 4}}, "gpt-5-codex"),
        ({**GEMINI_SESSION, "messages": GEMINI_MESSAGES}, "a.json", {"promptTokenCount": 10, "candidatesTokenCount": 3, "thoughtsTokenCount": 0, "cachedContentTokenCount": 0, "totalTokenCount": 0}, "gemini-2.5-pro"),
        ({"request": {"messages": [ASK]}, "response": COMPLETION}, "a.json", COMPLETION["usage"], "gpt-x"),
    ):  # fmt: skip
        last = main(read(value, name)).turns[-1]
        assert (last.usage, last.config["model"]) == (usage, model)


def test_titles_and_ids_are_known(read):
    chatgpt, claude = read([CHATGPT]).conversations[0], read([CLAUDE_AI]).conversations[0]

    assert ("Tea", "Tea", "q") == (chatgpt.name, chatgpt.title, chatgpt.id)
    assert ("Tea", "Tea", "c") == (claude.name, claude.title, claude.id)


def test_messages_of_two_conversations_never_have_one_key(read):
    two = [{**CLAUDE_AI, "uuid": "one"}, {**CLAUDE_AI, "uuid": "two"}]

    keys = [turn.key for one in read(two).conversations for turn in one.branches[0].turns]

    assert len(keys) == len(set(keys))


def test_a_compaction_of_codex_takes_the_place_of_what_came_before(read):
    kept = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]} for text in "ab"]
    reading = read(
        [*CODEX, codex("compacted", message="sum", replacement_history=kept), item("assistant", "on")], "a.jsonl"
    )

    turns = main(reading).turns
    assert [turn.summarises for turn in turns[-3:]] == [True, False, False]
    assert said(turns[-3:]) == [("user", "a"), ("user", "b"), ("assistant", "on")]


def test_what_is_for_the_user_alone_is_told(read):
    reading = read({**GEMINI_SESSION, "messages": GEMINI_MESSAGES})

    assert ["shown only to the user, and left out: info: 'Request cancelled.'"] == [
        note.detail for note in reading.notes
    ]


def test_the_database_of_llm_is_read(tmp_path):
    path = tmp_path / "logs.db"
    database = sqlite3.connect(path)
    database.execute("create table conversations (id text, name text, model text)")
    database.execute(
        "create table responses (id text, conversation_id text, prompt text, system text, response text, model text, datetime_utc text, input_tokens integer, output_tokens integer)"
    )
    database.execute("insert into conversations values ('k', 'Tea', 'm')")
    database.execute(
        "insert into responses values ('r', 'k', 'How hot is tea?', 'Be brief.', 'Hot.', 'm', '2026-01-01T00:00:00', 5, 1)"
    )
    database.commit()
    database.close()

    reading = read_transcript(path)

    assert ("llm", ()) == (reading.format, reading.problems)
    assert lines(reading) == [[("system", "Be brief."), ASKED, HOT]]
    assert main(reading).turns[-1].usage == {"input_tokens": 5, "output_tokens": 1}
    assert "Tea" == reading.conversations[0].title


def test_another_programs_database_is_a_problem(tmp_path):
    path = tmp_path / "other.db"
    database = sqlite3.connect(path)
    database.execute("create table t (a)")
    database.commit()
    database.close()

    reading = read_transcript(path)

    assert reading.conversations == ()
    assert reading.problems[0].detail.startswith("not a log of the command llm")


def test_an_export_is_read_from_the_archive_that_it_came_in(tmp_path):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("user.json", "{}")
        archive.writestr("data/conversations.json", json.dumps([CHATGPT]))

    assert "chatgpt" == read_transcript(path).format


def test_an_archive_without_conversations_is_refused(tmp_path):
    path = tmp_path / "two.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.json", "{}")
        archive.writestr("b.json", "{}")

    with pytest.raises(ImportFormatError, match="2 files of JSON in it"):
        read_transcript(path)


@pytest.mark.parametrize(
    ("format", "values", "broken"),
    [
        ("langchain", LANGCHAIN, {"type": "ai", "content": "x", "tool_calls": 5}),
        ("codex", CODEX, codex("compacted", message="x", replacement_history=[{"role": 5, "content": 3}])),
        ("gemini-cli", [GEMINI_SESSION, *GEMINI_MESSAGES], {"type": "gemini", "id": "9", "content": "", "toolCalls": 7}),
        ("pydantic-ai", next(value for format, _, value, _ in SAMPLES if format == "pydantic-ai"), {"kind": "response", "parts": [{"part_kind": "text", "content": 7}, {"part_kind": "tool-call", "args": {1: 2}}]}),
    ],
)  # fmt: skip
def test_a_broken_value_among_good_ones_costs_itself_only(read, format, values, broken):
    whole, torn = read(values, "a.jsonl"), read([*values[:1], broken, *values[1:]], "a.jsonl")

    assert format == torn.format == whole.format
    kept = lines(torn)[0]
    assert [one for one in lines(whole)[0] if one not in kept] == []


def test_lines_of_gemini_s_program_that_were_taken_back_begin_where_they_left_the_first_that_has_it(read):
    def said(id: str) -> dict[str, Any]:
        return {"id": id, "type": "user", "content": id}

    back = [said("a"), said("b"), said("c"), {"$rewindTo": "c"}, said("d"), {"$rewindTo": "b"}, said("e"), {"$rewindTo": "e"}]  # fmt: skip
    branches = read([GEMINI_SESSION, *back, said("f")], "session.jsonl").conversations[0].branches

    assert [(one.shared, one.parent, "".join(turn.message["content"] for turn in one.turns)) for one in branches] == [
        (0, None, "af"), (1, 0, "abc"), (2, 1, "abd"), (1, 0, "ae")
    ]  # fmt: skip


def test_of_a_session_of_gemini_s_program_that_was_rewound_to_nothing_what_was_taken_back_last_is_the_main_line(read):
    def said(id: str) -> dict[str, Any]:
        return {"id": id, "type": "user", "content": id}

    back = [said("a"), said("b"), {"$rewindTo": "b"}, said("c"), {"$rewindTo": "a"}]
    reading = read([GEMINI_SESSION, *back, {"id": "i", "type": "info", "content": "Cleared."}], "session.jsonl")
    branches = reading.conversations[0].branches

    assert [(one.name, one.shared, one.parent, "".join(turn.message["content"] for turn in one.turns)) for one in branches] == [
        ("main", 0, None, "ac"), ("main-2", 1, 0, "ab")
    ]  # fmt: skip
    assert "everything was taken back; the main line is what was taken back last" in [
        note.detail for note in reading.notes
    ]


def test_a_rewind_of_gemini_s_program_to_a_message_that_is_not_there_is_told(read):
    reading = read([GEMINI_SESSION, *GEMINI_MESSAGES, {"$rewindTo": "nine"}], "session.jsonl")

    assert lines(reading) == [SHARED]
    assert "rewound to message 'nine', which is not in the file: nothing is taken back" in [
        one.detail for one in reading.notes
    ]


def test_what_a_message_of_gemini_s_program_says_no_more_when_it_is_there_again_is_told(read):
    answer = GEMINI_MESSAGES[2]
    less = {**answer, "content": "Cold.", "toolCalls": []}

    assert [note.detail for note in read([GEMINI_SESSION, answer, less], "session.jsonl").notes] == [
        "message '2' occurs again, without the text 'Hot.'",
        "message '2' occurs again, without the call 't'",
    ]


def test_a_value_of_another_kind_than_the_format_has_is_a_problem(read):
    reading = read(
        [
            {
                **CHATGPT,
                "mapping": {
                    "a": {**node("a", None, "user"), "parent": [], "message": {"author": 3, "content": {"parts": [{}]}}}
                },
            },
            CHATGPT,
        ]
    )

    assert reading.problems[0].line == 1 or reading.problems[0].detail.startswith("a message of role")
    assert len(reading.conversations) == 1


def rolled_back(turns: int) -> JSON:
    return codex("event_msg", type="thread_rolled_back", num_turns=turns)


def test_turns_that_codex_took_back_are_branches_where_they_were_left(read):
    context = item("user", "<environment_context>x</environment_context>")
    reading = read(
        [
            CODEX[0], context, item("user", "a"), item("assistant", "b"), context, item("user", "c"), rolled_back(1),
            item("user", "d"), item("assistant", "e"), rolled_back(2), item("user", "f"),
        ],
        "a.jsonl",
    )  # fmt: skip

    start = ("user", "<environment_context>x</environment_context>")
    assert lines(reading) == [
        [start, ("user", "f")],
        [start, ("user", "a"), ("assistant", "b"), ("user", "d"), ("assistant", "e")],
        [start, ("user", "a"), ("assistant", "b"), start, ("user", "c")],
    ]
    assert [(0, None), (1, 0), (3, 1)] == [(one.shared, one.parent) for one in reading.conversations[0].branches]
    assert ((), ()) == (reading.problems, reading.notes)


def test_a_rollout_that_was_taken_back_to_nothing_is_what_was_taken_back_last(read):
    reading = read(
        [CODEX[0], item("user", "a"), rolled_back(1), item("user", "b"), item("assistant", "c"), rolled_back(5)],
        "a.jsonl",
    )

    assert lines(reading) == [[("user", "b"), ("assistant", "c")], [("user", "a")]]
    assert ["everything was taken back; the main line is what was taken back last"] == [
        one.detail for one in reading.notes
    ]


def test_codex_takes_back_nothing_from_before_a_compaction_and_says_so_where_nothing_is_there(read):
    kept = codex("compacted", message="sum", replacement_history=[item("user", "sum")["payload"]])

    reading = read([CODEX[0], rolled_back(1), item("user", "a"), kept, item("user", "b"), rolled_back(2)], "a.jsonl")

    assert lines(reading) == [[("user", "a")], [("user", "a"), ("user", "sum"), ("user", "b")]]
    assert ["1 turns were taken back, but none of them is in the file"] == [one.detail for one in reading.notes]


def test_a_call_of_the_local_shell_of_codex_is_answered_by_the_output_with_its_id(read):
    action = {"type": "exec", "command": ["ls"], "env": {}}
    call = {"type": "local_shell_call", "id": "lsh_1", "call_id": "s", "status": "completed", "action": action}
    output = {"type": "function_call_output", "call_id": "s", "output": "tea.txt"}
    reading = read(
        [CODEX[0], item("user", "a"), codex("response_item", **call), codex("response_item", **output),
         codex("compacted", message="sum", replacement_history=[item("user", "sum")["payload"], call, output])],
        "a.jsonl",
    )  # fmt: skip

    turns = main(reading).turns
    for asked, answer in (turns[1:3], turns[4:6]):
        assert {"codex": call} == asked.metadata
        assert ("local_shell", action) == (asked.message["name"], json.loads(asked.message["arguments"]))
        pairing = pairing_warnings([message_from_raw(one.message, "responses") for one in (turns[0], asked, answer)])
        assert () == pairing
        assert output == answer.message
    assert ["a local_shell_call is a call of the function local_shell"] == [one.detail for one in reading.notes]
    assert () == reading.problems


def test_what_agents_of_codex_say_to_each_other_and_tools_that_came_later_are_items_and_a_name_is_the_title(read):
    reading = read(
        [
            CODEX[0], item("user", "a"),
            codex("inter_agent_communication", author="/root/x", recipient="/root", content="done", trigger_turn=True),
            codex("response_item", type="additional_tools", role="developer", tools=[{"name": "thermo"}]),
            codex("event_msg", type="thread_name_updated", thread_id="s", thread_name="Tea"),
        ],
        "a.jsonl",
    )  # fmt: skip

    agent, tools = (turn.message for turn in main(reading).turns[-2:])
    assert ("agent_message", [{"type": "input_text", "text": "done"}]) == (agent["type"], agent["content"])
    assert [{"name": "thermo"}] == tools["tools"]
    assert "Tea" == reading.conversations[0].title
    assert () == reading.problems
