"""Sessions: the tracts of one store, by any name."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.making import Words, texts
from tract import (
    ClosedError,
    CommitNotFoundError,
    ConfigError,
    ContentValidationError,
    Session,
    SessionContent,
    SessionError,
    Tract,
    TractConfig,
)
from tract.maintenance.fsck.check import check_repository

NAMES = (
    "user/42:thread 7",
    "..",
    "Alice",
    "alice",
    "caf\u00e9",
    "cafe\u0301",
    "\U0001f9d1\u200d\U0001f680",
    "con",
    "\u00e9" * 127,
    "a\nb",
)


@pytest.fixture(params=["memory", "disk"])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    place = ":memory:" if request.param == "memory" else tmp_path
    with Session.open(place, durability="process", tokenizer=Words()) as found:
        yield found


def names(session: Session) -> list[str]:
    return [info.tract_id for info in session.list_tracts()]


def test_tracts_of_any_names_are_apart(session: Session) -> None:
    for name in NAMES:
        session.create_tract(name).user(f"in {name}")

    assert ["root", *sorted(NAMES)] == names(session)
    assert [[f"in {name}"] for name in NAMES] == [texts(session.get_tract(name)) for name in NAMES]
    assert [] == texts(session.get_tract("root"))


def test_every_name_is_found_again_by_another_process(tmp_path: Path) -> None:
    with Session.open(tmp_path, durability="process") as session:
        for name in NAMES:
            session.create_tract(name).user(f"in {name}")

    with Session.open(tmp_path) as session:
        assert ["root", *sorted(NAMES)] == names(session)
    for name in NAMES:
        with Tract.open(tmp_path, tract_id=name) as t:
            assert (name, [f"in {name}"]) == (t.tract_id, texts(t))
    report = check_repository(str(tmp_path / ".tract"))
    assert () == tuple(report.problems)
    assert all(name.isascii() and name == name.lower() for name in os.listdir(tmp_path / ".tract" / "tracts"))


def test_the_tracts_of_a_session_share_what_is_in_the_store(session: Session) -> None:
    made = session.create_tract("a").user("hello")

    assert made.commit_hash == session.get_tract("root").get_commit(made.commit_hash).commit_hash
    assert made.commit_hash == session.get_tract("root").get_commit("a::HEAD").commit_hash


def test_a_revision_may_be_another_tract_s(session: Session) -> None:
    a, b = session.create_tract("a::b"), session.create_tract("other")
    first = a.user("one")
    a.user("two")
    b.cherry_pick("a::b::HEAD~1")

    assert ["one"] == texts(b)
    assert first.commit_hash == b.get_commit("a::b::main~1").commit_hash
    assert 1 == len(b.diff("HEAD", "a::b::HEAD").message_diffs)
    with pytest.raises(CommitNotFoundError, match="there is no tract named 'c'"):
        b.get_commit("c::HEAD")


def test_the_list_says_when_a_tract_was_made_and_changed_and_what_it_has(session: Session) -> None:
    before = datetime.now(UTC)
    t = session.create_tract("a", display_name="The first")
    t.user("three words here")
    t.assistant("two words")

    info = session.list_tracts(counts=True)[1]

    assert ("a", "The first", t.head, "main", True) == (
        info.tract_id, info.display_name, info.head_hash, info.current_branch, info.is_active,
    )  # fmt: skip
    assert (2, 2, t.compile().token_count) == (info.commit_count, info.message_count, info.token_count)
    assert info.created_at is not None
    assert info.last_changed is not None
    assert before - timedelta(seconds=1) <= info.created_at <= info.last_changed <= datetime.now(UTC)
    assert session.list_tracts()[1].message_count is None


def test_a_deleted_tract_comes_back_as_it_was(session: Session) -> None:
    t = session.create_tract("a", config=TractConfig(default_branch="trunk"))
    t.user("one")
    t.branch("side")
    t.tag("v1")
    t.annotate("HEAD", "pinned")
    head = t.head

    session.delete_tract("a")
    assert ["root"] == names(session)
    with pytest.raises(ClosedError):
        t.user("two")
    with pytest.raises(SessionError, match="there is no tract named 'a'"):
        session.get_tract("a")
    t = session.restore_tract("a")

    assert (head, "trunk", ["side", "trunk"]) == (t.head, t.current_branch, [one.name for one in t.list_branches()])
    assert ({"v1": head}, 1) == (t.tags(), len(t.pinned()))


def test_a_new_tract_has_nothing_of_a_deleted_one_of_its_name(session: Session) -> None:
    session.create_tract("a", config=TractConfig(default_branch="trunk")).user("one")
    session.delete_tract("a")

    t = session.create_tract("a")

    assert (None, "main") == (t.head, t.current_branch)


def test_a_renamed_tract_is_the_same_under_another_name(session: Session) -> None:
    t = session.create_tract("a", config=TractConfig(author="somebody"))
    t.user("one")
    head = t.head

    t = session.rename_tract("a", "b/c")

    assert (head, "somebody") == (t.head, t.config.author)
    assert ["root", "b/c"] == names(session)
    t.user("two")
    session.create_tract("a")
    assert ["one", "two"] == texts(session.get_tract("b/c"))


def test_a_copy_goes_its_own_way(session: Session) -> None:
    t = session.create_tract("a")
    t.user("one")
    t.branch("side")

    copy = session.copy_tract("a", "b")
    copy.user("two")

    assert (["one"], ["one", "two"]) == (texts(t), texts(copy))
    assert ["main", "side"] == [one.name for one in copy.list_branches()]
    root = session.copy_tract("a", "c")
    assert ["one"] == texts(root)


def test_a_copy_writes_no_object_but_its_operation(tmp_path: Path) -> None:
    with Session.open(tmp_path, durability="process") as session:
        t = session.create_tract("a")
        t.extend([{"role": "user", "content": f"message {at}"} for at in range(300)])
        journal = tmp_path / ".tract" / "objects" / "journal"
        before = journal.stat().st_size

        session.copy_tract("a", "b")

        assert journal.stat().st_size - before < 1000


def test_the_root_tract_can_be_copied_but_neither_renamed_nor_deleted(session: Session) -> None:
    session.get_tract("root").user("one")
    session.create_tract("x").user("two")

    assert ["one"] == texts(session.copy_tract("root", "b"))
    for act in (lambda: session.delete_tract("root"), lambda: session.rename_tract("root", "c")):
        with pytest.raises(SessionError, match="the root tract cannot be"):
            act()


@pytest.mark.parametrize("name", ["", "x" * 256, "\ud800"])
def test_what_is_no_name_is_refused_and_leaves_nothing(session: Session, name: str) -> None:
    for act in (session.create_tract, session.get_tract, session.delete_tract, session.restore_tract):
        with pytest.raises(SessionError):
            act(name)
    assert ["root"] == names(session)


def test_what_is_there_already_and_what_is_not_are_told(session: Session) -> None:
    session.create_tract("a")
    session.create_tract("b")

    for act, words in (
        (lambda: session.create_tract("a"), "exists already"),
        (lambda: session.create_tract("root"), "exists already"),
        (lambda: session.copy_tract("a", "b"), "exists already"),
        (lambda: session.rename_tract("a", "b"), "exists already"),
        (lambda: session.restore_tract("a"), "exists already"),
        (lambda: session.restore_tract("c"), "is kept"),
        (lambda: session.copy_tract("c", "d"), "there is no tract"),
        (lambda: session.rename_tract("c", "d"), "there is no tract"),
        (lambda: session.delete_tract("c"), "there is no tract"),
        (lambda: session.release_tract("c"), "is not open"),
    ):
        with pytest.raises(SessionError, match=words):
            act()
    assert ["root", "a", "b"] == names(session)


def test_a_tract_with_a_command_under_way_keeps_its_name(session: Session) -> None:
    t = session.create_tract("a")
    first = t.user("one")
    t.branch("side")
    t.edit(first.commit_hash, "mine")
    t.switch("side")
    t.edit(first.commit_hash, "theirs")
    t.merge("main", keep=True)

    with pytest.raises(SessionError, match="'merge' waits in it"):
        session.rename_tract("a", "b")


def test_handles_are_the_session_s_and_close_with_it(session: Session) -> None:
    t = session.create_tract("a")
    assert t is session.get_tract("a")
    session.release_tract("a")
    again = session.get_tract("a")
    assert t is not again
    again.close()
    assert session.get_tract("a").user("one").tract_id == "a"
    last = session.get_tract("a")

    session.close()

    for act in (lambda: session.get_tract("a"), session.list_tracts):
        with pytest.raises(SessionError, match="was closed"):
            act()
    with pytest.raises(ClosedError):
        last.user("two")


def test_threads_work_in_tracts_of_their_own(session: Session) -> None:
    def work(name: str) -> None:
        t = session.create_tract(name)
        for at in range(30):
            t.user(f"{name} {at}")

    threads = [threading.Thread(target=work, args=(f"t{at}",)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [[f"t{one} {at}" for at in range(30)] for one in range(4)] == [
        texts(session.get_tract(f"t{one}")) for one in range(4)
    ]


def test_a_setting_of_the_session_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="autonomy must be"):
        Session.open(tmp_path, autonomy="full")  # type: ignore[arg-type]
    assert not (tmp_path / ".tract").exists()


def test_a_thousand_handles_are_open_in_one_process(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with Session.open(tmp_path, durability="process", tokenizer=Words()) as session:
        made = [session.create_tract(f"t{at}") for at in range(1000)]
        for t in made[::100]:
            t.user("hello")
        assert 1001 == len(session.list_tracts())
        assert len(os.listdir("/proc/self/fd")) < before + 100


def test_a_handle_of_its_own_has_two_descriptors_at_most(tmp_path: Path) -> None:
    with Session.open(tmp_path, durability="process") as session:
        for at in range(3):
            session.get_tract("root").user(f"{at}", key=f"{at}")
            session.get_tract("root").gc()
    before = len(os.listdir("/proc/self/fd"))
    handles = [Tract.open(tmp_path, durability="process", on_moved="append", tokenizer=Words()) for _ in range(60)]
    for at, t in enumerate(handles):
        t.compile()
        t.user("hello", key=f"new {at}", usage={"input_tokens": 1})
    after = len(os.listdir("/proc/self/fd"))
    for t in handles:
        t.close()

    assert after - before <= 2 * len(handles) + 48
    assert len(os.listdir("/proc/self/fd")) <= before + 48


def test_what_a_tract_knew_at_a_moment_and_what_all_did_in_order(session: Session) -> None:
    a, b = session.create_tract("a"), session.create_tract("b")
    first = a.user("one")
    second = b.user("two")
    third = a.user("three")

    assert ["one"] == [message.content for message in session.compile_at("a", at_time=second.created_at).messages]
    assert [one.commit_hash for one in (first, second, third)] == [one.commit_hash for one in session.timeline()]
    assert ["a", "b", "a"] == [one.tract_id for one in session.timeline()]
    assert [third.commit_hash] == [one.commit_hash for one in session.timeline(limit=1)]


def test_the_newest_tract_that_was_not_ended_is_resumed(session: Session) -> None:
    assert session.resume() is None
    a, b = session.create_tract("a"), session.create_tract("b")
    a.user("one")
    b.user("two")
    b.spawn("help", name="c", message="later")
    assert session.resume() is b

    b.commit(SessionContent("end", "all done"))
    assert session.resume() is a
    b.user("once more")
    assert session.resume() is b


def test_a_handle_on_a_branch_of_a_tract_leaves_head_alone(session: Session) -> None:
    t = session.create_tract("a")
    t.user("one")
    t.branch("side")

    side = session.get_tract("a", branch="side")
    side.user("two")

    assert (["one"], ["one", "two"]) == (texts(t), texts(side))


def test_a_tract_with_an_open_batch_is_neither_renamed_nor_deleted(session: Session) -> None:
    t = session.create_tract("work")
    with t.batch():
        t.user("a")
        with pytest.raises(SessionError, match="tract 'work' cannot be renamed: a batch of it is open"):
            session.rename_tract("work", "done")
        with pytest.raises(SessionError, match="tract 'work' cannot be deleted: a batch of it is open"):
            session.delete_tract("work")

    assert ["a"] == texts(session.rename_tract("work", "done"))


def test_a_tract_without_a_commit_is_listed_and_opened_again(tmp_path: Path) -> None:
    with Session.open(tmp_path) as session:
        session.create_tract("empty")
    with Session.open(tmp_path) as session:
        assert ["root", "empty"] == [info.tract_id for info in session.list_tracts()]
        empty = session.get_tract("empty")
        assert (None, 0) == (empty.head, len(empty.compile()))


def test_what_is_searched_for_is_text(session: Session) -> None:
    with pytest.raises(ContentValidationError, match="what is searched for must be text, not int"):
        session.search(5)  # type: ignore[arg-type]


def test_a_search_is_of_what_was_said_not_of_how_it_is_kept(session: Session) -> None:
    session.create_tract("a").user("hello")
    assert [] == session.search("content_type")
    assert [] == session.search("dialogue")


def test_a_new_tract_has_the_settings_that_it_is_given_and_else_the_root_tracts(tmp_path):
    with Session.open(tmp_path, config=TractConfig(token_budget=50_000, author="ann")) as session:
        helper = session.create_tract("helper", config=TractConfig(author="bob"))

        assert ("bob", 50_000) == (helper.config.author, helper.config.budget.max_tokens)
