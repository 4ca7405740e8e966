"""Blame and bisect, as programs call them."""

from __future__ import annotations

import threading

import pytest

from tests.making import make_tract
from tract import BisectError, CommitNotFoundError, Priority


def test_blame_names_the_commits_the_author_and_the_config_of_the_present_words():
    t = make_tract("a")
    answer = t.commit({"role": "assistant", "content": "b"}, generation_config={"model": "m1"})
    edit = t.edit(answer.commit_hash, "c d", generation_config={"model": "m2", "t": 1})
    t.annotate("HEAD~2", Priority.SKIP)

    first, second = t.blame()

    assert (1, "user", "a", first.commit_hash, None, Priority.SKIP) == (first.number, first.role, first.text, first.changed_hash, first.model, first.priority)  # fmt: skip
    assert (answer.commit_hash, edit.commit_hash, "m2", True) == (second.commit_hash, second.changed_hash, second.model, second.is_changed)  # fmt: skip
    assert ({"model": "m2", "t": 1}, edit.author, "c d") == (second.generation_config, second.author, second.text)
    assert t.compile().token_counts[0] == second.token_count
    assert "m1" == t.blame("HEAD~1")[1].model


def test_nobody_is_to_blame_in_an_empty_tract():
    assert [] == make_tract().blame()
    with pytest.raises(CommitNotFoundError):
        make_tract("a").blame("nope")


def test_bisect_finds_what_poisoned_the_context_with_few_compilations():
    t = make_tract(*(f"m{n}" for n in range(64)))
    seen = []

    def test(context):
        seen.append(len(context))
        return all(m.content != "m41" for m in context.messages)

    found = t.bisect("HEAD~63", "HEAD", test)

    assert "m41" == t.get_content(found.commit_hash).text
    assert 6 == len(seen)


def test_a_test_may_not_know_and_may_use_the_tract_from_another_thread():
    t = make_tract(*(f"m{n}" for n in range(10)))

    def test(context):
        heads: list[str | None] = []
        other = threading.Thread(target=lambda: heads.append(t.head))
        other.start()
        other.join(10)
        assert [t.head] == heads
        return None if len(context) == 5 else len(context) < 7

    assert "m6" == t.get_content(t.bisect(["HEAD~9"], "HEAD", test).commit_hash).text


def test_a_test_that_never_knows_leaves_candidates():
    t = make_tract("a", "b", "c", "d")

    with pytest.raises(BisectError, match="only skipped commits are left") as caught:
        t.bisect("HEAD~3", "HEAD", lambda _: None)

    assert 3 == len(caught.value.candidates)


def test_a_judge_that_answers_in_words_is_no_judge() -> None:
    t = make_tract("a", "b", "c", "d")
    with pytest.raises(BisectError, match="True, False or None, not with 'bad'"):
        t.bisect("HEAD~3", "HEAD", lambda _: "bad")  # type: ignore[arg-type, return-value]


def test_with_the_notes_of_then_what_was_hidden_later_still_counts():
    t = make_tract("a", "b", "poison", "c", "d")
    poison = t.log()[2]
    t.annotate(poison.commit_hash, Priority.SKIP)

    found = t.bisect("HEAD~4", "HEAD", lambda c: all(m.content != "poison" for m in c.messages), notes="then")

    assert poison.commit_hash == found.commit_hash


@pytest.mark.parametrize(("good", "bad"), [("HEAD", "HEAD~1"), ("HEAD", "HEAD"), ((), "HEAD")])
def test_a_search_that_makes_no_sense_is_refused(good, bad):
    with pytest.raises(BisectError):
        make_tract("a", "b").bisect(good, bad, lambda _: True)
