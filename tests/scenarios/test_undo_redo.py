"""Scenario X.6: an answer is taken back, another is tried, and the first comes back after all."""

from __future__ import annotations

import pytest

from tests.making import texts
from tract import CommitNotFoundError, Tract

ASKED = "Which boat for two?"
FIRST = "The dinghy."
SECOND = "The yacht."


def test_x_6_the_answer_that_was_taken_back_returns(tmp_path):
    with Tract.open(tmp_path) as t:
        t.user(ASKED)
        first = t.assistant(FIRST)

        t.reset("HEAD~1")
        assert [ASKED] == texts(t)
        t.assistant(SECOND)
        assert [ASKED, SECOND] == texts(t)

    with Tract.open(tmp_path) as t:
        assert "HEAD@{2}" == next(entry.selector for entry in t.reflog() if entry.commit_hash == first.commit_hash)
        t.reset("HEAD~1")
        t.reset("HEAD@{3}")
        assert [ASKED, FIRST] == texts(t)
        assert first.commit_hash == t.head


def test_x_6_the_answer_that_was_taken_back_outlives_gc(tmp_path):
    with Tract.open(tmp_path) as t:
        t.user(ASKED)
        first = t.assistant(FIRST)
        t.reset("HEAD~1")
        t.assistant(SECOND)

        t.gc()

        t.reset(first.commit_hash)
        assert [ASKED, FIRST] == texts(t)


def test_x_6_the_answer_that_was_taken_back_is_picked_beside_the_new_one(tmp_path):
    with Tract.open(tmp_path, verify_cache=True) as t:
        t.user(ASKED)
        first = t.assistant(FIRST, usage={"prompt_tokens": 8, "completion_tokens": 4, "total_tokens": 12})
        t.reset("HEAD~1")
        t.assistant(SECOND)
        t.gc()  # nobody reaches the first any more, and it is kept all the same

        picked = t.cherry_pick(first.commit_hash)

        assert [ASKED, SECOND, FIRST] == texts(t)
        assert first.commit_hash != picked.commit_hash == t.head
        assert first.created_at == t.get_commit("HEAD").created_at
        t.undo()
        assert [ASKED, SECOND] == texts(t)

        t.reset("HEAD~1")
        t.cherry_pick(first.commit_hash)
        assert [ASKED, FIRST] == texts(t)
        assert first.commit_hash == t.head  # on its own parent it is the very same commit


def test_x_6_undo_and_redo_without_a_name(tmp_path):
    with Tract.open(tmp_path) as t:
        t.user(ASKED)
        t.assistant(FIRST)

        t.undo()
        assert [ASKED] == texts(t)
        t.redo()
        assert [ASKED, FIRST] == texts(t)


def test_x_6_everything_after_a_checkpoint_is_discarded(tmp_path):
    with Tract.open(tmp_path) as t:
        t.user(ASKED)
        t.tag("checkpoint")
        t.assistant(FIRST)
        t.user("Sure?")

        t.reset("checkpoint", mode="hard")

        assert [ASKED] == texts(t)
        for name in ("ORIG_HEAD", "HEAD@{2}", "main@{2}"):
            with pytest.raises(CommitNotFoundError):
                t.get_commit(name)


def contents(tract, *options: str) -> list[str]:
    return [message["content"] for message in tract("compile", "--format", "openai", *options).json]


def test_x_6_on_the_command_line(tract):
    tract("init")
    tract("commit", ASKED)
    tract("commit", "--role", "assistant", FIRST)

    assert 0 == tract("reset", "--soft", "HEAD~1").status
    assert [ASKED] == contents(tract)
    assert [ASKED, FIRST] == contents(tract, "--at", "ORIG_HEAD")
    tract("commit", "--role", "assistant", SECOND)

    lines = tract("reflog").out.splitlines()
    selector = next(line for line in lines if FIRST in line).split()[1].rstrip(":")
    assert 0 == tract("reset", selector).status
    assert [ASKED, FIRST] == contents(tract)

    assert 0 == tract("undo").status
    assert [ASKED, SECOND] == contents(tract)
    assert 0 == tract("cherry-pick", "ORIG_HEAD").status
    assert [ASKED, SECOND, FIRST] == contents(tract)
    assert 0 == tract("undo").status
    assert 0 == tract("reset", "--hard", "HEAD~1").status
    assert [ASKED] == contents(tract)
    assert SECOND not in tract("reflog").out
    assert 128 == tract("rev-parse", "HEAD@{9}").status
