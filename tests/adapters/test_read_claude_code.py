"""Claude Code's tree of records becomes the lines of history a user remembers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tract.adapters.transcripts import Conversation, Reading, read_transcript
from tract.adapters.transcripts.conversations import Found, Report
from tract.adapters.transcripts.readers.claude_code import read_claude_code

SAMPLE = Path(__file__).parents[2] / "docs" / "samples" / "claude-code.jsonl"

Record = dict[str, Any]


def record(kind: str, uuid: str, parent: str | None, **fields: Any) -> Record:
    return {"type": kind, "uuid": uuid, "parentUuid": parent, **fields}


def user(uuid: str, parent: str | None, text: str = "hi", **fields: Any) -> Record:
    return record("user", uuid, parent, message={"role": "user", "content": text}, **fields)


def answer(uuid: str, parent: str | None, message_id: str, *uses: str, **fields: Any) -> Record:
    """A record of the API message *message_id*: one tool_use for each of *uses*, or a text."""
    blocks = [{"type": "tool_use", "id": use, "name": "f", "input": {}} for use in uses]
    message = {"id": message_id, "role": "assistant", "content": blocks or [{"type": "text", "text": "ok"}]}
    return record("assistant", uuid, parent, message={**message, "usage": {"output_tokens": 1}}, **fields)


def result(uuid: str, parent: str | None, *uses: str, **fields: Any) -> Record:
    blocks = [{"type": "tool_result", "tool_use_id": use, "content": "done"} for use in uses]
    return record("user", uuid, parent, message={"role": "user", "content": blocks}, **fields)


def read(tmp_path: Path, *records: Record) -> Reading:
    path = tmp_path / "session.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    return read_transcript(path)


def lines(conversation: Conversation) -> dict[str, str]:
    return {b.name: " ".join(t.metadata["uuid"] for t in b.turns) for b in conversation.branches}


def lines_of(tmp_path: Path, *records: Record) -> dict[str, str]:
    reading = read(tmp_path, *records)
    assert reading.problems == ()
    assert reading.format == "claude-code"
    return lines(reading.conversations[0])


def test_records_without_a_message_are_passed_through(tmp_path):
    assert lines_of(
        tmp_path,
        {"type": "file-history-snapshot", "messageId": "m"},
        record("progress", "p1", None),
        user("u1", "p1"),
        answer("a1", "u1", "m1"),
        record("system", "s1", "a1"),
        user("u2", "s1"),
        record("progress", "p2", "u2"),
    ) == {"main": "u1 a1 u2"}


def test_parallel_results_are_no_branches(tmp_path):
    assert lines_of(
        tmp_path,
        user("u1", None),
        answer("a1", "u1", "m1", "x"),
        answer("a2", "a1", "m1", "y"),
        answer("a3", "a2", "m1", "z"),
        result("r2", "a2", "y"),
        result("r3", "a3", "z"),
        result("r1", "a1", "x"),
        answer("b1", "r1", "m2"),
    ) == {"main": "u1 a1 a2 a3 r2 r3 r1 b1"}


def test_a_result_between_the_records_of_its_answer_follows_the_answer(tmp_path):
    assert lines_of(
        tmp_path,
        user("u1", None),
        answer("a1", "u1", "m1", "x"),
        result("r1", "a1", "x"),
        answer("a2", "r1", "m1", "y"),
        result("r2", "a2", "y"),
        user("u2", "r2"),
    ) == {"main": "u1 a1 a2 r1 r2 u2"}


def test_records_of_one_answer_side_by_side_are_one_line(tmp_path):
    assert lines_of(
        tmp_path,
        user("u1", None),
        answer("a1", "u1", "m1", "x"),
        answer("a2", "u1", "m1", "y"),
        result("r1", "a1", "x"),
        result("r2", "a2", "y"),
    ) == {"main": "u1 a1 a2 r1 r2"}


def test_a_rewound_turn_is_a_branch_that_shares_what_came_before(tmp_path):
    (conversation,) = read(
        tmp_path,
        user("u1", None),
        answer("a1", "u1", "m1"),
        user("u2", "a1"),
        answer("a2", "u2", "m2"),
        user("u3", "a1"),
        answer("a3", "u3", "m3"),
    ).conversations

    main, other = conversation.branches
    assert lines(conversation) == {"main": "u1 a1 u3 a3", "main-2": "u1 a1 u2 a2"}
    assert (main.shared, main.parent) == (0, None)
    assert (other.shared, other.parent) == (2, 0)
    assert all(ours is theirs for ours, theirs in zip(main.turns[:2], other.turns[:2], strict=True))


def test_a_branch_of_a_branch_names_the_nearer_one(tmp_path):
    (conversation,) = read(
        tmp_path,
        user("u1", None),
        user("u2", "u1"),
        user("u3", "u2"),
        user("u4", "u2"),
        user("u5", "u1"),
    ).conversations

    assert lines(conversation) == {"main": "u1 u5", "main-2": "u1 u2 u3", "main-3": "u1 u2 u4"}
    assert [(b.shared, b.parent) for b in conversation.branches] == [(0, None), (1, 0), (2, 1)]


def test_a_rewound_first_turn_is_a_branch_with_a_root_of_its_own(tmp_path):
    (conversation,) = read(tmp_path, user("u1", None), user("u2", None)).conversations

    assert lines(conversation) == {"main": "u2", "main-2": "u1"}
    assert [(b.shared, b.parent) for b in conversation.branches] == [(0, None), (0, None)]


def test_the_line_goes_on_through_a_compaction(tmp_path):
    (conversation,) = read(
        tmp_path,
        user("u1", None),
        answer("a1", "u1", "m1"),
        record(
            "system",
            "c1",
            None,
            subtype="compact_boundary",
            logicalParentUuid="a1",
            compactMetadata={"trigger": "auto"},
        ),
        user("u2", "c1", "a summary", isCompactSummary=True),
    ).conversations

    assert lines(conversation) == {"main": "u1 a1 u2"}
    summary = conversation.branches[0].turns[-1]
    assert summary.metadata["isCompactSummary"] is True
    assert summary.metadata["compactMetadata"] == {"trigger": "auto"}


def test_a_sidechain_is_a_child(tmp_path):
    (conversation,) = read(
        tmp_path,
        user("u1", None),
        answer("a1", "u1", "m1", "x"),
        user("s1", "a1", isSidechain=True),
        answer("s2", "s1", "m2", isSidechain=True),
        result("r1", "a1", "x"),
    ).conversations

    assert lines(conversation) == {"main": "u1 a1 r1"}
    (child,) = conversation.children
    assert lines(child.conversation) == {"main": "s1 s2"}
    assert child.call_id is None


def test_a_file_of_only_a_sidechain_has_it_as_main_line(tmp_path):
    assert lines_of(tmp_path, user("s1", None, isSidechain=True)) == {"main": "s1"}


def test_a_missing_parent_is_a_problem_and_the_message_follows_the_one_before(tmp_path):
    reading = read(tmp_path, user("u1", None), answer("a1", "u1", "m1"), user("u2", "gone"))

    assert lines(reading.conversations[0]) == {"main": "u1 a1 u2"}
    assert [(p.line, p.detail) for p in reading.problems] == [
        (3, "its parent 'gone' is not on a line above; the message was put after line 2")
    ]


def test_a_segment_may_begin_below_a_parent_it_does_not_have(tmp_path):
    assert lines_of(tmp_path, record("system", "s1", "gone"), user("u1", "s1")) == {"main": "u1"}


def test_a_parent_below_its_child_cannot_make_a_circle(tmp_path):
    reading = read(tmp_path, user("u1", None), user("u2", "u3"), user("u3", "u2"))

    assert lines(reading.conversations[0]) == {"main": "u1 u2 u3"}
    assert [p.line for p in reading.problems] == [2]


def test_a_repeated_record_is_reported_and_left_out(tmp_path):
    reading = read(tmp_path, user("u1", None), user("u1", None), user("u1", None, "other"))

    assert [p.detail for p in reading.problems] == ["the uuid of line 1 again"] * 2
    assert sorted(t.message["content"] for b in reading.conversations[0].branches for t in b.turns) == ["hi", "other"]


def test_records_without_uuids_follow_each_other(tmp_path):
    path = tmp_path / "stream.jsonl"
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    path.write_text("".join(json.dumps({"type": m["role"], "message": m, "session_id": "s"}) + "\n" for m in messages))

    (conversation,) = read_transcript(path).conversations

    assert [t.message for t in conversation.branches[0].turns] == messages


def test_a_broken_record_is_reported_and_what_hangs_off_it_is_read(tmp_path):
    broken = record("user", "u2", "u1", message={"role": 7, "content": "?"})

    reading = read(tmp_path, user("u1", None), broken, user("u3", "u2"))

    assert lines(reading.conversations[0]) == {"main": "u1 u3"}
    assert [(p.line, p.detail) for p in reading.problems] == [(2, "message: 'role' must be a text, found a number")]


def test_a_turn_has_role_and_content_and_the_rest_beside_it():
    (conversation,) = read_transcript(SAMPLE).conversations

    turn = conversation.branches[0].turns[4]

    assert turn.message.keys() == {"role", "content"}
    assert turn.format == "anthropic"
    assert turn.time == datetime(2026, 3, 9, 8, 0, 42, tzinfo=UTC)
    assert turn.line == 7
    assert turn.metadata["message"] == {"model": "claude-opus-4-5", "id": "msg_01", "stop_reason": "tool_use"}
    assert turn.metadata["requestId"] == "req_msg_01"


def test_usage_is_counted_once_an_answer():
    (conversation,) = read_transcript(SAMPLE).conversations

    outputs = [t.usage["output_tokens"] if t.usage else None for t in conversation.branches[0].turns]

    assert outputs == [None, None, None, None, 98, None, None, 41, None, 81, None, 19]


def test_the_sample_has_a_rewound_turn_and_no_false_fork():
    reading = read_transcript(SAMPLE)

    assert reading.problems == ()
    assert [(b.name, len(b.turns), b.shared, b.parent) for b in reading.conversations[0].branches] == [
        ("main", 12, 0, None),
        ("main-2", 12, 8, 0),
    ]


@st.composite
def transcripts(draw: st.DrawFn) -> list[Record]:
    """Records whose parents, ids and kinds are all over the place."""
    records = []
    for index in range(draw(st.integers(1, 25))):
        parent = draw(st.one_of(st.none(), st.just("gone"), st.integers(0, index).map(lambda n: f"n{n}")))
        name, side = f"n{index}", draw(st.booleans())
        kind = draw(st.sampled_from(["user", "answer", "result", "progress"]))
        use = draw(st.sampled_from("xyz"))
        made = {
            "user": user(name, parent),
            "answer": answer(name, parent, f"m{draw(st.integers(0, 3))}", use),
            "result": result(name, parent, use),
            "progress": record("progress", name, parent),
        }[kind]
        records.append({**made, "isSidechain": side})
    return records


@given(transcripts())
def test_every_message_is_on_some_line_and_shared_turns_are_the_parents(records):
    conversation = next(read_claude_code("any", Found("", records), Report()), None)

    expected = {r["uuid"] for r in records if "message" in r}
    branches = conversation.branches if conversation else ()
    children = conversation.children if conversation else ()
    of_children = {t.metadata["uuid"] for c in children for t in c.conversation.branches[0].turns}
    assert {t.metadata["uuid"] for b in branches for t in b.turns} | of_children == expected
    of_branches = {t.metadata["uuid"] for b in branches for t in b.turns}
    assert sum(len(b.turns) - b.shared for b in branches) == len(of_branches)
    for index, branch in enumerate(branches):
        assert branch.shared == 0 or (branch.parent is not None and branch.parent < index)
        if branch.parent is not None:
            assert branch.turns[: branch.shared] == branches[branch.parent].turns[: branch.shared]


def boundary(uuid: str, parent: str | None, **fields: Any) -> Record:
    return record("system", uuid, None, subtype="compact_boundary", logicalParentUuid=parent, **fields)


def queued(operation: str, **fields: Any) -> Record:
    return {"type": "queue-operation", "operation": operation, "sessionId": "s", **fields}


def said(reading: Reading) -> list[Any]:
    return [turn.message["content"] for turn in reading.conversations[0].branches[0].turns]


def test_a_compaction_summarises_what_came_before_it(tmp_path):
    reading = read(tmp_path, user("u1", None), boundary("c1", "u1"), user("u2", "c1", "sum", isCompactSummary=True))

    assert [turn.summarises for turn in reading.conversations[0].branches[0].turns] == [False, True]


def test_what_a_compaction_preserves_is_kept(tmp_path):
    segment = {"headUuid": "u2", "anchorUuid": "s", "tailUuid": "a2"}
    reading = read(
        tmp_path,
        user("u1", None),
        user("u2", "u1"),
        answer("a2", "u2", "m"),
        boundary("c1", "a2", compactMetadata={"preservedSegment": segment}),
        user("s", "c1", "sum", isCompactSummary=True),
    )

    assert reading.conversations[0].branches[0].turns[-1].keeps == {"u2", "a2"}


def test_a_microcompaction_clears_results(tmp_path):
    about = {"compactedToolIds": ["x"], "trigger": "auto"}
    reading = read(
        tmp_path,
        user("u1", None),
        answer("a1", "u1", "m", "x"),
        result("r1", "a1", "x"),
        record("system", "b", "r1", subtype="microcompact_boundary", microcompactMetadata=about),
        user("u2", "b"),
    )

    assert [turn.clears for turn in reading.conversations[0].branches[0].turns][-1] == {"x"}


def test_records_of_an_unknown_type_are_left_out_with_a_note_for_each_type(tmp_path):
    known = [record(kind, f"k-{kind}", "u1") for kind in ("progress", "attachment", "mode", "summary")]
    others = [record("hologram", f"h{n}", "u1", message={"text": "x"} if n else "x") for n in range(3)]

    reading = read(tmp_path, user("u1", None), *known, *others, {"type": "seance", "sessionId": "s"}, user("u2", "h2"))

    assert reading.problems == ()
    assert [(note.line, note.detail) for note in reading.notes] == [
        (6, "3 records of unknown type 'hologram' left out"),
        (9, "1 record of unknown type 'seance' left out"),
    ]
    assert lines(reading.conversations[0]) == {"main": "u1 u2"}


def test_the_requests_that_the_program_keeps_beside_its_messages_are_left_out_with_a_note(tmp_path):
    said = {"role": "user", "content": [{"type": "text", "text": "<system-reminder>\nBe brief.\n</system-reminder>"}]}
    blobs = [{"type": "api-request-blob", "sessionId": "s", "hash": str(n), "message": said} for n in range(2)]
    request = {"type": "api-request", "sessionId": "s", "params": {"model": "m"}, "tail": ["0", "1"]}

    reading = read(tmp_path, user("u1", None), *blobs, request, answer("a1", "u1", "m"))

    assert reading.problems == ()
    assert [(note.line, note.detail) for note in reading.notes] == [
        (2, "2 records of type 'api-request-blob', of a request as it was sent, left out"),
        (4, "1 record of type 'api-request', of a request as it was sent, left out"),
    ]
    assert lines(reading.conversations[0]) == {"main": "u1 a1"}


def test_a_boundary_whose_parent_is_in_another_file_is_a_note(tmp_path):
    reading = read(
        tmp_path, user("u1", None), boundary("c", "elsewhere"), user("u2", "c", "sum", isCompactSummary=True)
    )

    assert reading.problems == ()
    assert [note.line for note in reading.notes] == [2]
    assert lines(reading.conversations[0]) == {"main": "u1 u2"}


def test_queued_words_are_a_message_where_no_record_says_them(tmp_path):
    reading = read(
        tmp_path,
        user("u1", None),
        answer("a1", "u1", "m1", "x"),
        queued("enqueue", content="green"),
        queued("enqueue", content="later"),
        result("r1", "a1", "x"),
        queued("remove"),
        answer("a2", "r1", "m2"),
        queued("dequeue"),
        user("u2", "a2", "later"),
    )

    assert reading.problems == ()
    texts = [one if isinstance(one, str) else one[0]["type"] for one in said(reading)]
    assert texts == ["hi", "tool_use", "tool_result", "green", "text", "later"]


def test_words_that_went_as_an_attachment_are_a_message_once(tmp_path):
    attachment = {"type": "queued_command", "prompt": "green"}
    reading = read(
        tmp_path,
        user("u1", None),
        queued("enqueue", content="green"),
        queued("remove"),
        record("attachment", "t1", "u1", attachment=attachment),
        answer("a1", "t1", "m"),
    )

    assert said(reading)[:2] == ["hi", "green"]
    assert lines(reading.conversations[0]) == {"main": "u1 t1 a1"}


def test_words_that_were_never_handed_on_are_told(tmp_path):
    reading = read(tmp_path, user("u1", None), queued("enqueue", content="one"), queued("popAll"), queued("enqueue", content="two"))  # fmt: skip

    assert [(note.line, note.detail.split(":")[0]) for note in reading.notes] == [
        (2, "typed while the model worked, and taken back"),
        (4, "typed while the model worked, and never sent to it"),
    ]


def test_a_line_of_local_commands_alone_is_no_branch(tmp_path):
    reading = read(
        tmp_path,
        user("u1", None),
        answer("a1", "u1", "m1"),
        user("c1", "a1", "<command-name>/exit</command-name>"),
        user("c2", "c1", "<local-command-stdout>Bye!</local-command-stdout>"),
        user("u2", "a1"),
    )

    assert lines(reading.conversations[0]) == {"main": "u1 a1 u2"}
    assert [note.line for note in reading.notes] == [3]


def test_usage_of_zeros_is_none_and_a_synthetic_model_is_none(tmp_path):
    message = {"id": "m", "role": "assistant", "model": "<synthetic>", "content": [{"type": "text", "text": "no"}]}
    made = record("assistant", "a1", "u1", message={**message, "usage": {"input_tokens": 0, "output_tokens": 0}})
    reading = read(tmp_path, user("u1", None), made)

    turn = reading.conversations[0].branches[0].turns[-1]
    assert (turn.usage, turn.config) == (None, None)


def test_a_session_has_its_id_and_its_title(tmp_path):
    reading = read(
        tmp_path,
        {"type": "summary", "summary": "of another file", "leafUuid": "elsewhere"},
        {"type": "summary", "summary": "Tea", "leafUuid": "u1"},
        user("u1", None, sessionId="s-1"),
    )

    assert (reading.conversations[0].title, reading.conversations[0].id) == ("Tea", "s-1")


def test_agents_have_their_calls_and_purposes(tmp_path):
    task = answer("a1", "u1", "m1", sessionId="s")
    task["message"]["content"] = [
        {"type": "tool_use", "id": use, "name": "Task", "input": {"prompt": f"do {use}", "description": f"Doing {use}"}}
        for use in "xy"
    ]
    done = result("r1", "a1", "x", sessionId="s", toolUseResult={"agentId": "77"})
    folder = tmp_path / "session" / "subagents"
    folder.mkdir(parents=True)
    own = [user("g1", None, "whatever", isSidechain=True, agentId="77", sessionId="s")]
    (folder / "agent-77.jsonl").write_text("".join(json.dumps(one) + "\n" for one in own))
    side = user("s1", None, "do y", isSidechain=True, sessionId="s")

    reading = read(tmp_path, user("u1", None, sessionId="s"), task, side, done)

    children = reading.conversations[0].children
    assert [(child.call_id, child.purpose) for child in children] == [("y", "Doing y"), ("x", "Doing x")]
    assert [lines(child.conversation) for child in children] == [{"main": "s1"}, {"main": "g1"}]


def test_what_the_model_was_told_in_attachments_and_what_it_was_given_shorter_is_told_once_for_each_kind(tmp_path):
    file = {"type": "file", "filename": "/f", "content": {"type": "text", "file": {"content": "leaves"}}}
    reading = read(
        tmp_path,
        user("u1", None),
        record("attachment", "t1", "u1", attachment=file),
        record("attachment", "t2", "t1", attachment=file),
        record("attachment", "t3", "t2", attachment={"type": "hook_additional_context", "content": ["more"]}),
        answer("a1", "t3", "m", "x"),
        result("r1", "a1", "x"),
        {"type": "content-replacement", "sessionId": "s", "replacements": [{"toolUseId": "x", "replacement": "short"}]},
    )

    assert [(note.line, note.detail) for note in reading.notes] == [
        (2, "an attachment of type 'file', which the program sent to the model, is left out"),
        (4, "an attachment of type 'hook_additional_context', which the program sent to the model, is left out"),
        (7, "tool results that the program sends shortened are kept in full"),
    ]
    assert lines(reading.conversations[0]) == {"main": "u1 a1 r1"}
