"""Batches: all of it lands, or none."""

from __future__ import annotations

import pytest

from tests.making import make_tract, texts
from tract import (
    BudgetExceededError,
    ClosedError,
    ContentValidationError,
    Priority,
    RefMovedError,
    TokenBudgetConfig,
    TractConfig,
)


def test_a_batch_lands_as_one_operation():
    t = make_tract("a")
    before = len(list(t._base.refs.history()))

    with t.batch():
        t.user("b")
        t.commit({"role": "assistant", "content": "c"}, generation_config={"model": "m"}, usage={"input_tokens": 9})
        t.annotate("HEAD~2", Priority.SKIP)
        t.tag("v1")

    assert ["b", "c"] == texts(t)
    assert ({"model": "m"}, 9) == (t.get_commit("v1").generation_config, t.get_commit("v1").usage.input_tokens)
    assert before + 1 == len(list(t._base.refs.history()))


def test_inside_a_batch_everything_is_seen():
    t = make_tract("a")

    with t.batch() as same:
        t.user("b")
        t.edit("HEAD~1", "A")

        assert same is t
        assert (["A", "b"], 3) == (texts(t), t.status().commit_count)
        assert "b" == t.get_content("HEAD~1").text


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_failed_batch_leaves_no_trace(error, tmp_path):
    t = make_tract("a", path=tmp_path)
    before = (t.head, t.status(), t.tags(), t.pinned())
    journal = tmp_path / ".tract" / "objects" / "journal"
    written = journal.read_bytes()

    with pytest.raises(error), t.batch():  # noqa: PT012  # the batch is what fails
        t.user("b")
        t.commit({"role": "user", "content": "c"}, generation_config={"model": "m"}, usage={"input_tokens": 9})
        t.edit("HEAD~2", "A")
        t.annotate("HEAD~2", Priority.PINNED)
        t.tag("v1")
        texts(t)
        raise error

    assert before == (t.head, t.status(), t.tags(), t.pinned())
    assert written == journal.read_bytes()
    assert [] == t.query_by_config("model", "=", "m")
    t.user("d")
    assert ["a", "d"] == texts(t)
    t.close()


def test_a_refusal_caught_inside_a_batch_leaves_the_rest_to_land():
    t = make_tract("a")

    with t.batch():
        t.user("b")
        with pytest.raises(ContentValidationError):
            t.commit({"no": "role"})
        t.user("c")

    assert ["a", "b", "c"] == texts(t)


def test_a_batch_in_a_batch_is_part_of_it():
    t = make_tract("a")

    with pytest.raises(ZeroDivisionError), t.batch():  # noqa: PT012  # the batch is what fails
        with t.batch():
            t.user("b")
        raise ZeroDivisionError

    assert ["a"] == texts(t)


def test_an_empty_batch_writes_nothing():
    t = make_tract("a")
    head = t.head

    with t.batch():
        pass

    assert head == t.head


def test_a_batch_on_a_branch_that_moved_meanwhile_is_refused_whole(tmp_path):
    t = make_tract("a", path=tmp_path)
    other = make_tract(path=tmp_path)

    with pytest.raises(RefMovedError, match="refs/heads/main"), t.batch():  # noqa: PT012  # the batch is what fails
        t.user("b")
        t.annotate("HEAD~1", Priority.SKIP)
        other.user("c")

    assert ["a", "c"] == texts(t) == texts(other)
    t.user("d")
    assert ["a", "c", "d"] == texts(t)


def test_notes_that_others_wrote_meanwhile_stay(tmp_path):
    t = make_tract("a", "b", path=tmp_path)
    other = make_tract(path=tmp_path)

    with t.batch():
        t.annotate("HEAD", Priority.SKIP)
        other.annotate("HEAD~1", Priority.PINNED)

    assert (["a"], 1) == (texts(t), len(t.pinned()))
    assert (["a"], 1) == (texts(other), len(other.pinned()))


def test_a_commit_over_the_budget_inside_a_batch_takes_the_batch_with_it():
    config = TractConfig(token_budget=TokenBudgetConfig(14, "reject"))
    t = make_tract("a", config=config)

    with pytest.raises(BudgetExceededError), t.batch():  # noqa: PT012  # the batch is what fails
        t.user("b")
        t.user("c d e f")

    assert ["a"] == texts(t)
    t.user("g")
    assert ["a", "g"] == texts(t)


def test_closing_inside_a_batch_lands_nothing(tmp_path):
    t = make_tract("a", path=tmp_path)

    with pytest.raises(ClosedError), t.batch():  # noqa: PT012  # the batch is what fails
        t.user("b")
        t.close()

    assert ["a"] == texts(make_tract(path=tmp_path))


def test_a_batch_survives_reopening(tmp_path):
    with make_tract(path=tmp_path) as t, t.batch():
        for n in range(100):
            t.user(str(n))
        t.annotate("HEAD~50", Priority.SKIP)

    with make_tract(path=tmp_path) as t:
        assert [str(n) for n in range(100) if n != 49] == texts(t)
