"""The exports of ChatGPT and Claude.ai, in the shapes that real ones have; the texts are made up."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from tract.adapters.transcripts import Reading, Turn, read_transcript

ROOT = "00000000-0000-4000-8000-000000000000"


def read(tmp_path: Path, *conversations: dict[str, Any]) -> Reading:
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps(list(conversations)), encoding="utf-8")
    return read_transcript(path)


def turns(reading: Reading) -> tuple[Turn, ...]:
    return reading.conversations[0].branches[0].turns


def chatgpt(*messages: dict[str, Any]) -> dict[str, Any]:
    """A conversation of one line, under a root without a message."""
    mapping: dict[str, Any] = {"root": {"id": "root", "message": None, "parent": None, "children": ["n0"]}}
    for at, message in enumerate(messages):
        parent = f"n{at - 1}" if at else "root"
        mapping[f"n{at}"] = {"id": f"n{at}", "message": {"id": f"n{at}", **message}, "parent": parent, "children": []}
    return {
        "title": "Floods", "create_time": 1706276738.2, "update_time": 1706276790.4, "mapping": mapping,
        "moderation_results": [], "current_node": f"n{len(messages) - 1}", "plugin_ids": None, "conversation_id": "c1",
        "gizmo_id": None, "is_archived": True, "safe_urls": [], "id": "c1",
    }  # fmt: skip


def said(role: str, content: dict[str, Any], name: str | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "author": {"role": role, "name": name, "metadata": {}}, "create_time": 1706276738.2, "update_time": None,
        "content": content, "status": "finished_successfully", "end_turn": None, "weight": 1.0, "metadata": metadata,
        "recipient": "all",
    }  # fmt: skip


def text(*parts: Any) -> dict[str, Any]:
    return {"content_type": "text", "parts": list(parts)}


def test_what_a_user_told_chatgpt_of_himself_is_an_instruction_though_its_text_is_empty(tmp_path: Path):
    about = {"about_user_message": "I study floods.", "about_model_message": "Explain simply."}
    reading = read(
        tmp_path,
        chatgpt(
            said("system", text(""), is_visually_hidden=True),
            said("system", text(""), is_user_system_message=True, user_context_message_data=about),
            said("user", text("Which models?")),
            said("assistant", text("Ten of them."), model_slug="gpt-4", finish_details={"type": "stop"}),
        ),
    )

    assert ((), ()) == (reading.problems, reading.notes)
    assert [
        {"role": "system", "content": "I study floods.\n\nExplain simply."},
        {"role": "user", "content": "Which models?"},
        {"role": "assistant", "content": "Ten of them."},
    ] == [turn.message for turn in turns(reading)]
    assert [None, None, {"model": "gpt-4"}] == [turn.config for turn in turns(reading)]


def test_files_that_came_with_a_message_to_chatgpt_are_named_once(tmp_path: Path):
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-1", "width": 9}
    files = [{"name": "a.png", "id": "file-1"}, {"name": "notes.txt", "id": "file-2"}]
    asked = said("user", {"content_type": "multimodal_text", "parts": [picture, "What is it?"]}, attachments=files)

    (turn,) = turns(read(tmp_path, chatgpt(asked)))

    assert "[image_asset_pointer: file-service://file-1]\nWhat is it?\n[file: notes.txt]" == turn.message["content"]


def test_what_chatgpt_has_no_words_for_is_told_and_its_recap_of_a_thought_is_no_answer(tmp_path: Path):
    reading = read(
        tmp_path,
        chatgpt(
            said("user", text("Why?")),
            said("assistant", {"content_type": "thoughts", "thoughts": [{"summary": "Thinking", "content": "Hm."}]}),
            said("assistant", {"content_type": "reasoning_recap", "content": "Thought for 5 seconds"}),
            said("tool", {"content_type": "computer_output", "screenshot": {"width": 9}}, "computer"),
            said("assistant", text("So.")),
        ),
    )

    assert ["Why?", None, "So."] == [turn.message["content"] for turn in turns(reading)]
    assert "Hm." == turns(reading)[1].message["reasoning_content"]
    told = [note.detail for note in reading.notes]
    assert ["'reasoning_recap'" in told[0], "'computer_output'" in told[1]] == [True, True]


def claude(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "uuid": "34bd", "name": "Calendar", "summary": "", "created_at": "2026-03-29T07:06:34.084721Z",
        "updated_at": "2026-03-29T12:59:41.658730Z", "account": {"uuid": "a1"}, "chat_messages": list(messages), **more,
    }  # fmt: skip


def message(uuid: str, sender: str, parent: str, *content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "uuid": uuid, "text": "", "content": list(content), "sender": sender, "created_at": "2026-03-29T07:06:35.552627Z",
        "updated_at": "2026-03-29T07:06:35.552627Z", "attachments": [], "files": [], "parent_message_uuid": parent, **more,
    }  # fmt: skip


def block(kind: str, **fields: Any) -> dict[str, Any]:
    return {"start_timestamp": None, "stop_timestamp": None, "flags": None, "type": kind, **fields}


def test_blocks_of_claude_ai_keep_what_the_api_has_and_results_are_the_users(tmp_path: Path):
    shown = {"message": "Search", "integration_name": "Calendar", "icon_name": None, "approval_key": None, "mcp_server_url": None}  # fmt: skip
    answer = message(
        "m2",
        "assistant",
        "m1",
        block("thinking", thinking="I look.", summaries=[], cut_off=False),
        block("tool_use", id="toolu_1", name="calendar:list", input={"max": 9}, **shown),
        block(
            "tool_result",
            tool_use_id="toolu_1",
            name="calendar:list",
            content=[{"type": "text", "text": "none", "uuid": "u"}],
            is_error=False,
            structured_content=None,
            **shown,
        ),
        block("text", text="It is empty.", citations=[]),
    )
    reading = read(
        tmp_path, claude(message("m1", "human", ROOT, block("text", text="What is on?", citations=[])), answer)
    )

    assert ((), ()) == (reading.problems, reading.notes)
    assert [
        {"role": "user", "content": "What is on?"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "I look."},
                {"type": "tool_use", "id": "toolu_1", "name": "calendar:list", "input": {"max": 9}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "none"}], "is_error": False}
            ],
        },
        {"role": "assistant", "content": "It is empty."},
    ] == [turn.message for turn in turns(reading)]  # fmt: skip


def test_a_question_of_claude_ai_that_was_edited_is_a_branch_from_the_root_of_zeros(tmp_path: Path):
    first = message("m1", "human", ROOT, block("text", text="first"))
    other = message("m2", "human", ROOT, block("text", text="other"))
    pasted = message("m3", "assistant", "m2", block("text", text="yes"))
    reading = read(tmp_path, claude(first, other, pasted))

    (conversation,) = reading.conversations
    assert [["other", "yes"], ["first"]] == [
        [turn.message["content"] for turn in line.turns] for line in conversation.branches
    ]


def test_a_long_paste_into_claude_ai_is_an_attachment_without_a_name_and_is_kept(tmp_path: Path):
    pasted = {"file_name": "", "file_type": "txt", "file_size": 9, "extracted_content": "a long text"}
    (turn,) = turns(read(tmp_path, claude(message("m1", "human", ROOT, attachments=[pasted]))))

    assert turn.message["content"].endswith("a long text")


def test_the_order_of_claude_ai_s_messages_in_the_file_says_nothing(tmp_path: Path):
    asked, answered, on = (
        message("1", "human", ROOT, block("text", text="How hot?")),
        message("2", "assistant", "1", block("text", text="90.")),
        message("3", "human", "2", block("text", text="Thanks.")),
    )

    reading = read(tmp_path, claude(on, answered, asked))

    assert (1, ()) == (len(reading.conversations[0].branches), reading.problems)
    assert ["How hot?", "90.", "Thanks."] == [turn.message["content"] for turn in turns(reading)]


def test_what_only_the_text_of_claude_ai_s_message_says_is_said_before_its_calls(tmp_path: Path):
    thought, call = block("thinking", thinking="look"), block("tool_use", id="t", name="thermo", input={})
    in_place = "\n```\nThis block is not supported on your current device yet.\n```\n"
    both = message("1", "assistant", ROOT, thought, call, text="I look." + in_place)
    alone = message("2", "assistant", "1", call, text=in_place)
    strings = {"uuid": "3", "sender": "human", "content": ["warm", "hot"], "text": ""}

    reading = read(tmp_path, claude(both, alone, strings, {"uuid": "4", "sender": "human", "content": "Thanks."}))

    assert () == reading.problems
    kinds = [[part["type"] for part in turn.message["content"]] for turn in turns(reading)[:3]]
    assert [["thinking", "text", "tool_use"], ["tool_use"], ["text", "text"]] == kinds
    assert "I look." == turns(reading)[0].message["content"][1]["text"].strip()
    assert "Thanks." == turns(reading)[3].message["content"]


def test_a_content_of_chatgpt_s_may_be_a_text_or_a_list_and_a_node_may_lack_its_message(tmp_path: Path):
    conversation = chatgpt(
        said("user", "How hot?"),  # type: ignore[arg-type]  # an export that others made
        said("assistant", ["90", ["or", "80"]]),  # type: ignore[arg-type]  # the same
    )
    conversation["mapping"]["root"] = {"id": "root", "parent": None, "children": []}

    reading = read(tmp_path, conversation)

    assert () == reading.problems
    assert ["How hot?", "90\nor\n80"] == [turn.message["content"] for turn in turns(reading)]


def test_an_export_that_is_in_several_numbered_files_of_its_archive_is_read_whole(tmp_path: Path):
    lists = [
        [],
        [chatgpt(said("user", text("a")))],
        [chatgpt(said("user", text("b"))), chatgpt(said("user", text("[c]")))],
    ]
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for number, each in enumerate(lists):
            archive.writestr(f"export/conversations-00{number}.json", f" {json.dumps(each, indent=number)}\n")
        archive.writestr("export/user.json", "{}")
        archive.writestr("__MACOSX/export/._conversations-000.json", "junk")

    reading = read_transcript(tmp_path / "export.zip")

    assert ("chatgpt", ()) == (reading.format, reading.problems)
    assert ["a", "b", "[c]"] == [one.branches[0].turns[0].message["content"] for one in reading.conversations]
