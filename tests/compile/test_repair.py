"""Tool pairs are one unit: half a pair is never sent because the other half was hidden."""

from __future__ import annotations

import pytest

from tests.making import Words, call
from tract import ContentValidationError, MessageContent, Priority, Tract


def make_tract(*messages: dict, format: str = "openai") -> Tract:
    t = Tract.open(":memory:", tokenizer=Words(), verify_cache=True)
    t.extend([MessageContent(message, format) for message in messages])
    return t


def result(id: str) -> dict:
    return {"role": "tool", "tool_call_id": id, "content": "r"}


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def skip(t: Tract, *rows: int) -> None:
    ids = list(t.compile().commit_hashes)
    for row in rows:
        t.annotate(ids[row], Priority.SKIP)


def kinds(context) -> list[str]:
    return [warning.kind for warning in context.warnings_for("openai")]


@pytest.mark.parametrize(
    ("messages", "skipped", "expected", "kinds_"),
    [
        ([user("a"), call("1"), result("1"), user("b")], [2], [user("a"), user("b")], ["tool_call_left_out"]),
        ([user("a"), call("1"), result("1"), user("b")], [1], [user("a"), user("b")], ["tool_result_left_out"]),
        ([user("a"), call("1"), result("1"), user("b")], [1, 2], [user("a"), user("b")], []),
        (
            [call("1", text="look"), result("1")],
            [1],
            [{"role": "assistant", "content": "look"}],
            ["tool_call_left_out"],
        ),
        ([call("1", "2"), result("1"), result("2")], [1], [call("2"), result("2")], ["tool_call_left_out"]),
        ([call("1", "2"), result("1"), result("2")], [0], [], ["tool_result_left_out"] * 2),
        ([call("1"), result("1"), call("1"), result("1")], [1], [call("1"), result("1")], ["tool_call_left_out"]),
        ([user("a"), call("1"), result("1")], [0], [call("1"), result("1")], []),
        ([call("1")], [0], [], []),
    ],
)
def test_what_lost_its_other_half_is_left_out_and_named(messages, skipped, expected, kinds_):
    t = make_tract(*messages)
    skip(t, *skipped)

    context = t.compile()

    assert expected == context.to_openai()
    assert kinds_ == kinds(context)
    assert len(context) == t.status().message_count
    assert len(messages) - len(context) == t.status().skipped_count


def test_anthropics_blocks_go_one_by_one():
    use = [{"type": "tool_use", "id": id, "name": "f", "input": {}} for id in "12"]
    results = [{"type": "tool_result", "tool_use_id": id, "content": "r"} for id in "12"]
    thinking = {"type": "thinking", "thinking": "t", "signature": "s"}
    t = make_tract(
        user("a"),
        {"role": "assistant", "content": [thinking, use[0]]},
        {"role": "assistant", "content": [{"type": "text", "text": "and"}, use[1]]},
        {"role": "user", "content": [*results, {"type": "text", "text": "go on"}]},
        format="anthropic",
    )
    skip(t, 1)
    assert [results[1], {"type": "text", "text": "go on"}] == t.compile().messages[-1].content

    t.annotate(t.get_commit("HEAD~2").commit_hash, Priority.NORMAL)
    skip(t, 3)

    assert [user("a"), {"role": "assistant", "content": [{"type": "text", "text": "and"}]}] == [
        message.raw for message in t.compile().messages
    ]


def test_a_result_that_comes_after_its_call_was_skipped_is_left_out_too():
    t = make_tract(user("a"), call("1"))
    skip(t, 1)
    t.compile()

    t.commit(result("1"))
    t.user("b")

    assert [user("a"), user("b")] == t.compile().to_openai()
    assert ["tool_result_left_out"] == kinds(t.compile())


def test_strict_refuses_what_was_mended():
    t = make_tract(call("1"), result("1"))
    skip(t, 1)

    with pytest.raises(ContentValidationError, match="'1' is left out"):
        t.compile(strict=True)


def test_a_mended_message_counts_as_it_is_sent():
    t = make_tract(call("1", text="look here"), result("1"))
    skip(t, 1)

    assert ([6], 9) == (list(t.compile().token_counts), t.compile().token_count)
    assert 9 == t.status().token_count
