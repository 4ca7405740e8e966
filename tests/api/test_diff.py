"""What differs between two contexts."""

from __future__ import annotations

import pytest

from tests.making import make_tract
from tract import CommitNotFoundError, ContentValidationError, DialogueContent, Priority, Tract
from tract.refs.store import RefEdit
from tract.report.diff import DiffResult


def told(result: DiffResult) -> list[tuple[str, str | None, str | None]]:
    return [(d.kind, d.before and d.before.text, d.after and d.after.text) for d in result.message_diffs]


def test_alone_it_is_what_the_last_commit_changed():
    t = make_tract("a", "b")
    assert [("added", None, "b")] == told(t.diff())
    t.edit("HEAD~1", "A")
    assert [("changed", "a", "A")] == told(t.diff())
    assert (
        told(t.diff())
        == told(t.diff(b="HEAD"))
        == told(t.diff("HEAD~1"))
        == told(t.diff("HEAD~1.."))
        == told(t.diff("HEAD~1", "HEAD"))
    )


def test_a_root_brought_all_that_is_there():
    result = make_tract("a").diff()

    assert (None, [("added", None, "a")]) == (result.before_hash, told(result))


def test_backwards_what_was_added_is_removed():
    t = make_tract("a", "b c")

    result = t.diff("HEAD", "HEAD~1")

    assert [("removed", "b c", None)] == told(result)
    assert -t.diff().stat.token_delta == result.stat.token_delta < 0


def test_a_context_differs_from_itself_in_nothing():
    t = make_tract("a")

    assert not t.diff("HEAD", "HEAD")
    assert (0, 0, 0, 0, 0, 0) == tuple(getattr(t.diff("HEAD", "HEAD").stat, n) for n in ("added", "removed", "changed", "moved", "tokens_before", "tokens_after"))  # fmt: skip


def test_the_token_deltas_are_what_compile_counts():
    t = make_tract("a b c", "d", "e f")
    before = t.compile()
    t.edit("HEAD~2", "a b c d e f g")
    t.user("new words")

    stat = t.diff("HEAD~2").stat

    assert t.compile().token_count - before.token_count == stat.token_delta
    assert (1, 0, 1, 0) == (stat.added, stat.removed, stat.changed, stat.moved)


def test_a_message_says_what_changed_in_it():
    t = make_tract("You have 60 days.", "ok")
    t.commit(
        DialogueContent("assistant", "You have 30 days."),
        "edit",
        response_to="HEAD~1",
        generation_config={"model": "m2"},
    )

    (diff,) = t.diff().message_diffs

    assert (1, 1, "user", "assistant") == (diff.before.number, diff.after.number, diff.before.role, diff.after.role)
    assert ["@@ -1 +1 @@"] == [hunk.header for hunk in diff.hunks()]
    assert "You have -60+30 days." == "".join(p.mark.strip() + p.text for p in diff.words())
    assert ("content", "role") == diff.changed_keys
    assert [("model", None, "m2")] == [(c.field, c.before, c.after) for c in t.diff().generation_config_changes]


def test_tool_calls_are_told_apart_as_text():
    t = make_tract("q")
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
    first = t.commit({"role": "assistant", "content": None, "tool_calls": [call]})
    other = {**call, "function": {"name": "f", "arguments": '{"x":2}'}}
    t.edit(first.commit_hash, {"role": "assistant", "content": None, "tool_calls": [other]})

    (diff,) = t.diff().message_diffs

    assert ('f({"x":1})', 'f({"x":2})') == (diff.before.text, diff.after.text)
    assert ("tool_calls",) == diff.changed_keys


def test_what_a_model_sees_differs_where_messages_are_hidden_since():
    t = make_tract("a", "b", "c")
    then = t.compile()
    t.annotate("HEAD~1", Priority.SKIP)

    assert [("removed", "b", None)] == told(t.diff(then, t.compile()))
    assert not t.diff("HEAD", "HEAD", compiled=True)
    t.user("d")
    assert [("removed", "b", None), ("added", None, "d")] == told(t.diff("HEAD~1", "HEAD", compiled=True, notes="then"))
    assert [("added", None, "d")] == told(t.diff("HEAD~1", "HEAD", compiled=True)) == told(t.diff("HEAD~1"))


def test_configs_are_compared_between_messages_that_stand_for_each_other(tmp_path):
    with Tract.open(tmp_path) as t:
        t.user("q")
        base = t.head
        t.commit({"role": "assistant", "content": "x"}, generation_config={"model": "a", "t": 0.3, "n": 1})
        one = t.head
        t.repository.refs.update([RefEdit("refs/heads/main", bytes.fromhex(base))], reason="test")
        assert base == t.head  # has looked
        t.commit({"role": "assistant", "content": "y"}, generation_config={"model": "b", "t": 0.7, "n": 1})

        changes = t.diff(one, "HEAD").generation_config_changes

        assert [("model", "a", "b"), ("t", 0.3, 0.7)] == [(c.field, c.before, c.after) for c in changes]
        assert {(one, t.head)} == {(c.commit_before, c.commit_after) for c in changes}
        assert base == t.diff(f"{one}...HEAD").before_hash


@pytest.mark.parametrize(
    ("argv", "options", "error"),
    [
        (("nope",), {}, CommitNotFoundError),
        (("HEAD", "HEAD~9"), {}, CommitNotFoundError),
        (("",), {}, CommitNotFoundError),
        (("HEAD",), {"notes": "never"}, ContentValidationError),
    ],
)
def test_a_diff_that_makes_no_sense_is_refused(argv, options, error):
    with pytest.raises(error):
        make_tract("a").diff(*argv, **options)


def test_without_a_commit_there_is_no_diff():
    with pytest.raises(CommitNotFoundError, match="there is no commit yet"):
        make_tract().diff()


def test_show_says_what_a_commit_changed():
    t = make_tract("a", "b")
    t.edit("HEAD~1", "A")

    assert [("changed", "a", "A")] == told(t.show().changes)
    assert [("added", None, "a")] == told(t.show("HEAD~2").changes)


def test_results_say_what_they_are():
    t = make_tract("a", "b")
    result = t.diff()
    ends = [hash[:16] for hash in (result.before_hash, result.after_hash)]

    assert f"DiffResult(1 message between {ends[0]} and {ends[1]})" == repr(result)
    assert f"MessageDiff(added {ends[1]} user: 'b')" == repr(result.message_diffs[0])
    assert f"BlameEntry(2 {ends[1]} user: 'b')" == repr(t.blame()[1])
