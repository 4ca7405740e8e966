"""Batches: all of it lands, or none."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.making import make_tract, texts
from tract import (
    BudgetExceededError,
    ClosedError,
    CommitNotFoundError,
    ContentValidationError,
    Priority,
    RecordContent,
    RefMovedError,
    TokenBudgetConfig,
    TractConfig,
)
from tract.maintenance.fsck.check import check_repository


def test_a_batch_lands_as_one_operation():
    t = make_tract("a")
    before = len(list(t.repository.refs.history()))

    with t.batch():
        t.user("b")
        t.commit({"role": "assistant", "content": "c"}, generation_config={"model": "m"}, usage={"input_tokens": 9})
        t.annotate("HEAD~2", Priority.SKIP)
        t.tag("v1")

    assert ["b", "c"] == texts(t)
    assert ({"model": "m"}, 9) == (t.get_commit("v1").generation_config, t.get_commit("v1").usage.input_tokens)
    assert before + 1 == len(list(t.repository.refs.history()))


def test_inside_a_batch_everything_is_seen():
    t = make_tract("a")

    with t.batch():
        t.user("b")
        t.edit("HEAD~1", "A")

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


def in_thread(act) -> None:
    """Run *act* in a thread of its own, to its end."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(act).result()


def test_what_another_thread_commits_while_a_batch_fails_is_kept(tmp_path):
    t = make_tract("a", path=tmp_path)

    with pytest.raises(ZeroDivisionError), t.batch():  # noqa: PT012  # the batch is what fails
        t.user("b")
        in_thread(lambda: t.user("c"))
        assert ["a", "b"] == texts(t)
        raise ZeroDivisionError

    assert ["a", "c"] == texts(t) == texts(make_tract(path=tmp_path))


def test_another_thread_sees_nothing_of_a_batch_before_it_landed():
    t = make_tract("a")
    seen = []

    with t.batch():
        t.user("b")
        t.annotate("HEAD~1", Priority.SKIP)
        in_thread(lambda: seen.append(texts(t)))
    in_thread(lambda: seen.append(texts(t)))

    assert [["a"], ["b"]] == seen


def test_what_another_task_commits_while_a_batch_is_open_lands_by_itself():
    t = make_tract("a")

    async def search(fails: bool) -> None:
        with t.batch():
            t.user("a document")
            await asyncio.sleep(0.01)
            if fails:
                raise ZeroDivisionError

    async def chat() -> str:
        await asyncio.sleep(0.005)
        return t.user("unrelated").commit_hash

    async def both(fails: bool) -> list[object]:
        return await asyncio.gather(search(fails), chat(), return_exceptions=True)

    failed, kept = asyncio.run(both(fails=True))
    assert (ZeroDivisionError, ["a", "unrelated"]) == (type(failed), texts(t))
    assert kept == t.head

    refused, kept = asyncio.run(both(fails=False))
    assert (RefMovedError, ["a", "unrelated", "unrelated"]) == (type(refused), texts(t))
    assert kept == t.head


def test_a_task_that_a_batch_starts_is_not_part_of_it():
    t = make_tract("a")

    async def say(text: str) -> None:
        t.user(text)

    async def outer() -> None:
        with t.batch():
            t.user("b")
            await asyncio.gather(say("c"), asyncio.to_thread(t.user, "d"))
            await say("e")  # awaited, not started: the same task
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(outer())

    assert ["a", "c", "d"] == ["a", *sorted(texts(t)[1:])]


def test_two_tasks_can_have_a_batch_each():
    t = make_tract("a", on_moved="append")

    async def say(*texts: str) -> None:
        with t.batch():
            for text in texts:
                t.user(text)
                await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(say("b", "c"), say("d", "e"))

    asyncio.run(both())

    assert ["a", "b", "c", "d", "e"] == texts(t)


def test_two_handles_can_have_a_batch_each_in_one_thread(tmp_path):
    t, other = (make_tract(path=tmp_path, tract_id=name) for name in ("one", "two"))

    with t.batch():
        t.user("a")
        with other.batch():
            other.user("b")
        assert ["b"] == texts(other)
        t.user("c")

    assert (["a", "c"], ["b"]) == (texts(t), texts(other))


def test_a_batch_in_a_generator_that_is_left_alone_lands_nothing():
    t = make_tract("a")

    def steps():
        with t.batch():
            t.user("b")
            yield
            t.user("c")

    left, ended = steps(), steps()
    next(left)
    left.close()
    in_thread(lambda: list(ended))

    assert ["a", "b", "c"] == texts(t)
    t.user("d")
    assert ["a", "b", "c", "d"] == texts(t)


def test_a_batch_that_a_generator_began_in_another_thread_ends_there():
    t = make_tract("a")

    def steps():
        with t.batch():
            t.user("b")
            yield

    begun = steps()
    in_thread(lambda: next(begun))
    t.user("c")

    with pytest.raises(RefMovedError):
        next(begun)
    t.user("d")
    assert ["a", "c", "d"] == texts(t)


def test_a_batch_of_a_handle_that_appends_is_made_again_on_what_came_meanwhile(tmp_path):
    t = make_tract("a", path=tmp_path, on_moved="append")
    other = make_tract(path=tmp_path)

    with t.batch() as batch:
        b = t.user("b")
        c = t.commit({"role": "user", "content": "c"}, response_to=b.commit_hash, generation_config={"model": "m"})
        t.edit(b.commit_hash, "B")
        t.annotate(c.commit_hash, Priority.PINNED)
        t.tag("v1", b.commit_hash)
        other.user("x")
        other.annotate("HEAD", Priority.PINNED)

    assert ["a", "x", "B", "c"] == texts(t) == texts(make_tract(path=tmp_path))
    assert 3 == len(batch.commits)
    assert batch.commits == tuple(info.commit_hash for info in t.log(3))[::-1]
    assert b.commit_hash not in batch.commits
    assert batch.commits[0] == t.get_commit(b.commit_hash).commit_hash == t.get_commit(b.commit_hash[:12]).commit_hash
    assert batch.commits[0] == t.get_commit("v1").commit_hash == t.get_commit(batch.commits[1]).response_to
    assert [batch.commits[1]] == [info.commit_hash for info in t.query_by_config("model", "=", "m")]
    assert ["x", "c"] == [message.content for message in t.compile().messages if message.content in ("x", "c")]
    assert {batch.commits[1], t.log(4)[3].commit_hash} == {info.commit_hash for info in t.pinned()}
    t.close()
    other.close()
    assert () == check_repository(str(tmp_path / ".tract")).problems


def test_the_commits_of_a_batch_that_nobody_crossed_are_those_it_gave_out():
    t = make_tract("a")

    with t.batch() as batch:
        b = t.user("b")
        t.annotate("HEAD", Priority.SKIP)
        c = t.user("c")
        assert () == batch.commits

    assert (b.commit_hash, c.commit_hash) == batch.commits


def test_an_edit_of_what_is_gone_meanwhile_takes_the_batch_with_it(tmp_path):
    t = make_tract("a", "b", path=tmp_path, on_moved="append")
    other = make_tract(path=tmp_path)

    with pytest.raises(RefMovedError), t.batch():  # noqa: PT012  # the batch is what fails
        t.user("c")
        t.edit("HEAD~1", "B")
        other.reset("HEAD~1")

    assert ["a"] == texts(t)


def test_what_names_commits_of_a_batch_that_is_made_again_names_them_as_they_landed(tmp_path):
    one, other = (make_tract(path=tmp_path, on_moved="append") for _ in range(2))
    one.user("a")
    with one.batch() as batch:
        first = one.user("b")
        hidden = one.user("hidden")
        one.annotate(hidden, Priority.SKIP)
        one.compile()
        one.assistant("c", request={"model": "m"})
        one.assistant("d", request={"model": "m"})
        one.commit(RecordContent("state", 1, [first.commit_hash]))
        other.user("meanwhile")

    b, hidden_now, c, d, record = batch.commits
    assert b != first.commit_hash
    assert (b,) == one.get_content(record).refs
    assert (b,) == one.get_content(one.commit(RecordContent("state", 2, [first.commit_hash]))).refs
    assert [["a", "b"]] * 2 == [[message.content for message in one.sent(at).messages] for at in (c, d)]
    assert [hidden_now] == [info.commit_hash for info in one.skipped()]
    assert check_repository(str(tmp_path / ".tract")).is_clean

    one.gc(orphan_retention_days=0, archive_retention_days=0)
    assert ["a", "b", "c", "d", "meanwhile"] == sorted(texts(make_tract(path=tmp_path)))
    for at in (c, d):  # the notes keep what the model saw, though no branch has it
        assert ["a", "b"] == texts(make_tract(path=tmp_path).sent(at))
    assert check_repository(str(tmp_path / ".tract")).is_clean


def test_ids_that_a_batch_gave_out_mean_what_landed_on_every_handle_of_the_process(tmp_path):
    t, other = make_tract("a", path=tmp_path, on_moved="append"), make_tract(path=tmp_path)
    third = make_tract(path=tmp_path)
    with t.batch() as batch:
        given = t.user("b").commit_hash
        other.user("c")

    landed = batch.commits[0]
    assert given != landed
    for handle in (t, other, third, make_tract(path=tmp_path)):
        assert landed == handle.get_commit(given).commit_hash == handle.get_commit(given[:12]).commit_hash
    with pytest.raises(CommitNotFoundError):
        make_tract("x").get_commit(given)
