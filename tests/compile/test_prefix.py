"""What a context costs a prompt cache that holds another."""

from __future__ import annotations

import pytest

from tests.making import Words
from tract import Priority, Tract


def make_tract() -> Tract:
    """Messages of 5, 6, 7 and 8 tokens."""
    t = Tract.open(":memory:", tokenizer=Words(), verify_cache=True)
    t.system("s")
    t.user("a a")
    t.assistant("b b b")
    t.user("c c c c")
    return t


def figures(change) -> tuple[int, int, int, str | None]:
    return change.common_messages, change.common_tokens, change.invalidated_tokens, change.reason


def test_appending_changes_nothing_that_is_cached():
    t = make_tract()
    before = t.compile()
    t.user("d")

    assert (4, 26, 0, None) == figures(t.prefix_change(before))
    assert (4, 26, 0, None) == figures(before.prefix_change(t.compile()))
    assert t.prefix_change("HEAD~1") == t.compile().prefix_change(before)


@pytest.mark.parametrize(("at", "reason", "common"), [(3, "system_changed", 0), (1, "messages_changed", 2)])
def test_an_edit_invalidates_what_follows_and_is_named(at, reason, common):
    t = make_tract()
    before = t.compile()
    target = t.get_commit(f"HEAD~{at}").commit_hash
    edit = t.edit(target, "other words")

    change = t.prefix_change(before)

    tokens = sum(before.token_counts[:common])
    assert (common, tokens, 26 - tokens, reason) == figures(change)
    assert (edit.commit_hash, target, 26) == (
        change.first_changed_commit,
        change.first_changed_message,
        change.previous_tokens,
    )


@pytest.mark.parametrize("steps", [[Priority.SKIP], [Priority.SKIP, Priority.NORMAL]])
def test_an_annotation_that_hides_or_shows_is_named_by_its_note(steps):
    t = make_tract()
    target = t.get_commit("HEAD~2").commit_hash
    for step in steps:
        before = t.compile()
        t.annotate(target, step)

    change = t.prefix_change(before)

    assert (1, 5, before.snapshot.columns.total(before.snapshot.length, t._space) - 5) == figures(change)[:3]
    note = t.get_commit(change.first_changed_commit)
    assert ("note", target, target) == (note.operation, note.response_to, change.first_changed_message)


def test_a_pin_costs_nothing():
    t = make_tract()
    before = t.compile()
    t.annotate("HEAD~2", Priority.PINNED)

    assert (4, 26, 0, None) == figures(t.prefix_change(before))


def test_another_order_breaks_the_prefix_where_it_begins():
    t = make_tract()

    change = t.compile(order=["HEAD~3", "HEAD"]).prefix_change(t.compile())

    assert (1, 5, 21, "messages_changed") == figures(change)


def test_a_revision_means_its_context_as_it_was():
    t = make_tract()
    t.annotate("HEAD~1", Priority.SKIP)

    assert (2, 11, 15, "messages_changed") == figures(t.prefix_change("HEAD"))


def test_a_hidden_half_of_a_tool_pair_is_to_blame():
    t = make_tract()
    tool = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    t.commit({"role": "assistant", "content": "x", "tool_calls": [tool]})
    t.tool_result("1", "r")
    t.user("d")
    before = t.compile()
    t.annotate("HEAD~1", Priority.SKIP)

    change = t.prefix_change(before)

    assert 4 == change.common_messages
    assert t.get_commit("HEAD~1").commit_hash == t.get_commit(change.first_changed_commit).response_to
