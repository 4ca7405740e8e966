"""Moving between branches and commits, through the API."""

from __future__ import annotations

import pytest

from tests.making import make_tract, texts
from tract import (
    BranchExistsError,
    BranchInfo,
    BranchNotFoundError,
    CommitNotFoundError,
    ConfigError,
    DetachedHeadError,
    InvalidBranchNameError,
    MergeError,
    Priority,
    RefMovedError,
    Tract,
    TractError,
    UnmergedBranchError,
)
from tract.history.state import write_state
from tract.storage.database import Database

# Branches


def test_each_branch_has_a_history_of_its_own():
    t = make_tract("a", "b")

    made = t.branch("draft", source="HEAD~1", switch=True)
    t.user("c")
    assert (["a", "c"], "draft", True) == (texts(t), t.current_branch, made.is_current)
    assert t.switch("main").commit_hash == t.head
    t.user("d")

    assert ["a", "b", "d"] == texts(t)
    t.switch("-")
    assert ["a", "c"] == texts(t)


def test_a_branch_can_be_made_without_going_there():
    t = make_tract("a")

    info = t.branch("draft")

    assert BranchInfo("draft", t.head, False) == info
    assert [BranchInfo("draft", t.head, False), BranchInfo("main", t.head, True)] == t.list_branches()


def test_a_branch_before_the_first_commit_gets_it():
    t = make_tract()

    assert BranchInfo("draft", None, True) == t.branch("draft", switch=True)
    assert [] == t.list_branches()
    t.user("a")

    assert [BranchInfo("draft", t.head, True)] == t.list_branches()


def test_a_branch_without_commits_is_renamed():
    t = make_tract()

    assert BranchInfo("trunk", None, True) == t.rename_branch("main", "trunk")
    assert (None, "trunk") == (t.head, t.current_branch)


def test_a_branch_is_renamed_and_deleted():
    t = make_tract("a")
    t.branch("draft", switch=True)
    tip = t.user("b").commit_hash

    assert BranchInfo("try", tip, True) == t.rename_branch("draft", "try")
    t.user("still mine")
    t.switch("main")
    with pytest.raises(UnmergedBranchError):
        t.delete_branch("try")
    assert t.get_commit("try").commit_hash == t.delete_branch("try", force=True)

    assert ["main"] == [info.name for info in t.list_branches()]


def test_what_a_branch_cannot_be_is_an_error_that_moves_nothing():
    t = make_tract("a")
    t.branch("draft")
    before = (t.head, t.current_branch, t.list_branches(), t.tags())

    for error, move in (
        (BranchExistsError, lambda: t.branch("main", switch=True)),
        (InvalidBranchNameError, lambda: t.branch("a..b", switch=True)),
        (CommitNotFoundError, lambda: t.branch("x", source="nope", switch=True)),
        (BranchNotFoundError, lambda: t.switch("nope")),
        (BranchNotFoundError, lambda: t.switch("-")),
        (BranchNotFoundError, lambda: t.delete_branch("nope")),
        (TractError, lambda: t.delete_branch("main", force=True)),
        (BranchExistsError, lambda: t.rename_branch("draft", "main")),
        (CommitNotFoundError, lambda: t.checkout("nope")),
        (CommitNotFoundError, lambda: t.reset("nope")),
        (ConfigError, lambda: t.reset("HEAD", mode="mixed")),
        (CommitNotFoundError, lambda: t.delete_tag("nope")),
        (CommitNotFoundError, lambda: t.reflog("nope")),
    ):
        with pytest.raises(error):
            move()

    assert before == (t.head, t.current_branch, t.list_branches(), t.tags())


def test_while_a_merge_is_under_way_nothing_goes_elsewhere():
    t = make_tract("a", "b")
    t.branch("draft")
    write_state(t.repository, "merge", {"branch": "main"})

    for move in (
        lambda: t.switch("draft"),
        lambda: t.checkout("HEAD~1"),
        lambda: t.branch("x", switch=True),
        lambda: t.reset("HEAD~1"),
        t.undo,
    ):
        with pytest.raises(MergeError, match="a merge is under way"):
            move()

    assert (["a", "b"], "main") == (texts(t), t.current_branch)


# Looking back


def test_a_commit_that_is_checked_out_is_for_looking_only():
    t = make_tract("a", "b", "c")
    t.tag("v1", "HEAD~1")

    info = t.checkout("v1")

    assert (["a", "b"], info.commit_hash, True, None) == (texts(t), t.head, t.is_detached, t.current_branch)
    with pytest.raises(DetachedHeadError):
        t.user("d")
    t.annotate("HEAD", Priority.PINNED)
    t.branch("from-here", switch=True)
    t.user("d")
    assert ["a", "b", "d"] == texts(t)


def test_a_reset_goes_back_and_forth():
    t = make_tract("a", "b", "c")
    last = t.head

    assert t.reset("HEAD~2").commit_hash == t.head
    assert ["a"] == texts(t)
    t.user("d")
    assert ["a", "d"] == texts(t)
    t.reset("ORIG_HEAD")

    assert (last, ["a", "b", "c"]) == (t.head, texts(t))


def test_the_reflog_tells_what_a_hard_reset_does_not_hide():
    t = make_tract("a", "b")
    t.reset("HEAD~1", mode="hard")

    assert ["reset --hard: moving to HEAD~1", "commit"] == [entry.reason for entry in t.reflog()]
    assert t.reflog()[:1] == t.reflog("HEAD", limit=1)
    with pytest.raises(CommitNotFoundError):
        t.checkout("ORIG_HEAD")


def test_an_undo_takes_back_notes_and_what_is_compiled_follows():
    t = make_tract("a", "b")
    t.annotate("HEAD", Priority.SKIP)
    assert ["a"] == texts(t)

    t.undo()
    assert ["a", "b"] == texts(t)
    t.undo()
    assert ["a"] == texts(t)


@pytest.mark.parametrize("no_ff", [False, True])
def test_a_merge_is_taken_back_with_the_branch_it_deleted(no_ff):
    t = make_tract("a")
    t.branch("draft", switch=True)
    t.user("b")
    t.switch("main")
    before = t.list_branches()
    t.merge("draft", no_ff=no_ff, delete_branch=True, auto_commit=True)
    assert (["a", "b"], 1) == (texts(t), len(t.list_branches()))

    t.undo()
    assert (["a"], before) == (texts(t), t.list_branches())
    t.redo()
    assert (["a", "b"], 1) == (texts(t), len(t.list_branches()))


def test_many_undos_and_new_commits_compile_as_if_nothing_had_been():
    t = make_tract("a")
    for n in range(20):
        t.commit({"role": "user", "content": f"{n}"}, generation_config={"n": n})
        if n % 3:
            t.undo()

    assert ["a", *(str(n) for n in range(0, 20, 3))] == texts(t)
    assert [None, *range(0, 20, 3)] == [(info.generation_config or {}).get("n") for info in reversed(t.log())]


def test_a_dry_run_tells_what_an_undo_moves():
    t = make_tract("a", "b")
    head = t.head

    plan = t.undo(dry_run=True)

    assert (head, [("refs/heads/main", head)]) == (t.head, [(move.ref, move.now) for move in plan.moves])
    assert plan == t.undo()
    assert ["a"] == texts(t)


# Two handles


@pytest.mark.parametrize(
    "move", [lambda t: t.reset("HEAD~1"), lambda t: t.reset("HEAD~1", mode="hard"), lambda t: t.undo()]
)
def test_a_branch_that_another_moved_is_not_moved_unseen(tmp_path, move):
    with make_tract("a", "b", path=tmp_path) as t, make_tract(path=tmp_path) as other:
        assert other.head == t.head
        t.user("c")
        before = t.head

        with pytest.raises(RefMovedError):
            move(other)

        assert before == t.head
        assert other.head == before
        move(other)
        assert ["a", "b"] == texts(other)


def test_who_appends_to_what_is_there_also_resets_that(tmp_path):
    with make_tract("a", "b", path=tmp_path) as t, make_tract(path=tmp_path, on_moved="append") as other:
        assert other.head == t.head
        t.user("c")

        other.reset("HEAD~1")

        assert ["a", "b"] == texts(other)


def test_where_a_handle_went_it_has_seen(tmp_path):
    with make_tract("a", path=tmp_path) as t, make_tract(path=tmp_path) as other:
        t.branch("draft", switch=True)
        other.branch("else", switch=True)
        other.user("b")
        t.switch("else")
        t.user("c")

        assert ["a", "b", "c"] == texts(t)


# Batches


def test_a_batch_may_make_a_branch_and_say_something_there():
    t = make_tract("a")

    def make_and_fail() -> None:
        with t.batch():
            t.branch("draft", switch=True)
            t.user("b")
            1 / 0  # noqa: B018

    with pytest.raises(ZeroDivisionError):
        make_and_fail()
    assert ("main", ["a"]) == (t.current_branch, texts(t))

    with t.batch():
        t.branch("draft", switch=True)
        t.user("b")
    assert ("draft", ["a", "b"]) == (t.current_branch, texts(t))
    t.undo()
    assert ("main", ["a"], 1) == (t.current_branch, texts(t), len(t.list_branches()))


@pytest.mark.parametrize(("name", "move"), [("reset", lambda t: t.reset("HEAD~1")), ("undo", lambda t: t.undo())])
def test_a_batch_goes_forward_only(name, move):
    t = make_tract("a", "b")

    with t.batch(), pytest.raises(TractError, match=f"cannot {name} inside a batch"):
        move(t)

    assert ["a", "b"] == texts(t)


# Growth


def reads_of(monkeypatch: pytest.MonkeyPatch, t: Tract) -> dict[str, int]:
    """How many objects each of these commands reads, in a store just opened."""
    count = 0
    read = Database.read

    def counting(self: Database, id: bytes) -> object:
        nonlocal count
        count += 1
        return read(self, id)

    counts = {}
    with monkeypatch.context() as patch:
        patch.setattr(Database, "read", counting)
        for name, command in (
            ("branch", lambda: t.branch("new", switch=True)),
            ("switch", lambda: t.switch("main")),
            ("list", t.list_branches),
            ("status", t.status),
            ("log", lambda: t.log(20)),
        ):
            before = count
            command()
            counts[name] = count - before
    return counts


def test_branching_and_looking_read_no_more_after_5000_commits_than_after_100(tmp_path, monkeypatch):
    counts = {}
    for size in (100, 5000):
        with make_tract(path=tmp_path / str(size), verify_cache=False) as t:
            for start in range(0, size, 20):
                t.extend({"role": "user", "content": f"{n}"} for n in range(start, start + 20))
            t.status()
        with make_tract(path=tmp_path / str(size), verify_cache=False) as t:
            counts[size] = reads_of(monkeypatch, t)

    assert counts[5000]["branch"] <= counts[100]["branch"] <= 3
    assert counts[5000]["switch"] <= counts[100]["switch"] <= 3
    assert 0 == counts[5000]["list"]
    assert counts[5000]["log"] <= counts[100]["log"] + 20
    assert counts[5000]["status"] <= counts[100]["status"] + 20


def test_a_branch_that_another_process_went_to_is_not_committed_on_unseen(tmp_path):
    with Tract.open(tmp_path) as agent, Tract.open(tmp_path) as human, Tract.open(tmp_path, on_moved="append") as pool:
        agent.user("a")
        human.branch("q", switch=True)

        for act in (lambda: agent.user("for main"), lambda: agent.revert("HEAD"), lambda: agent.extend([])):
            human.switch("main")
            assert "main" == agent.current_branch
            human.switch("q")
            with pytest.raises(RefMovedError, match=r"'HEAD' moved: expected refs/heads/main, found refs/heads/q"):
                act()
        agent.user("for q")  # it was told where HEAD is
        human.log()
        human.switch("main")
        pool.user("wherever HEAD is")
        assert ["a", "wherever HEAD is"] == [message.content for message in human.compile().messages]


def test_a_branch_is_made_and_its_maker_stays() -> None:
    t = make_tract("a")

    made = t.branch("draft")

    assert ("draft", False, "main") == (made.name, made.is_current, t.current_branch)


def test_a_branch_may_be_made_by_going_there() -> None:
    t = make_tract("a")

    info = t.switch("draft", create=True)

    assert "draft" == t.current_branch
    assert info == t.log()[0]
    with pytest.raises(BranchExistsError):
        t.switch("main", create=True)
