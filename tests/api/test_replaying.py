"""Rebase, cherry-pick and revert through the API: what the model sees afterwards, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.making import Words, texts
from tract import BudgetAction, Resolution, ResolveRequest, TokenBudgetConfig, Tract, TractConfig
from tract.errors import (
    BudgetExceededError,
    CherryPickError,
    CommitNotFoundError,
    DetachedHeadError,
    MergeError,
    RebaseError,
    RefMovedError,
    SemanticSafetyError,
    TractError,
)
from tract.maintenance.fsck.check import check_repository

CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}


def make_tract(*said: str, path: Any = ":memory:") -> Tract:
    """A tract with a message for each text on main, and a branch side at the last of them."""
    t = Tract.open(path, tokenizer=Words(), durability="process")
    for text in said:
        t.user(text)
    t.branch("side")
    return t


def state(t: Tract) -> tuple[Any, ...]:
    return t.head, t.current_branch, t.reflog(), texts(t)


def test_a_rebased_branch_says_what_it_did() -> None:
    t = make_tract("a")
    x = t.user("x")
    t.switch("side")
    b = t.user("b")

    done = t.rebase("main")

    assert ["a", "x", "b"] == texts(t)
    assert ("side", b.commit_hash, t.head, x.commit_hash) == (done.branch, done.old_head, done.new_head, done.onto_hash)
    assert [(b.commit_hash, t.head)] == [(one.source_hash, one.commit_hash) for one in done.replayed]
    assert done.is_done
    assert b.commit_hash == t.get_commit("ORIG_HEAD").commit_hash


def test_a_branch_that_has_it_all_is_left_alone_and_one_behind_moves_on() -> None:
    t = make_tract("a")
    x = t.user("x")
    assert t.rebase("side").is_up_to_date

    t.switch("side")
    assert t.rebase("main", dry_run=True).is_fast_forward
    assert ["a"] == texts(t)
    done = t.rebase("main")
    assert (True, x.commit_hash) == (done.is_fast_forward, done.new_head)
    assert ["a", "x"] == texts(t)


def test_onto_puts_only_what_upstream_has_not_on_another_base() -> None:
    t = make_tract("a")
    t.user("main only")
    t.switch("side")
    t.user("side only")
    t.branch("topic", switch=True)
    t.user("topic")

    t.rebase("side", onto="main")

    assert ["a", "main only", "topic"] == texts(t)


def test_a_dry_run_moves_nothing_and_says_the_same() -> None:
    t = make_tract("a")
    t.user("x")
    t.switch("side")
    t.user("b")
    before = state(t)

    planned = t.rebase("main", dry_run=True)

    assert before == state(t)
    assert not planned.is_done
    assert [None] == [one.commit_hash for one in planned.replayed]
    assert planned.replayed[0].source_hash == t.rebase("main").replayed[0].source_hash


def test_a_dry_run_asks_nobody() -> None:
    t = make_tract("a")
    first = str(t.head)
    t.edit(first, "main")
    t.switch("side")
    t.edit(first, "side")
    asked: list[ResolveRequest] = []

    planned = t.rebase("main", dry_run=True, resolver=asked.append)

    assert [] == asked
    assert ["conflict"] == [warning.kind for warning in planned.warnings]


def test_a_result_says_what_it_is() -> None:
    t = make_tract("a")
    t.user("b")
    old = str(t.head)
    t.switch("side")
    side = t.user("s").commit_hash

    planned, done = t.rebase("main", dry_run=True), t.rebase("main")

    assert f"RebaseResult(side at {side[:16]}, not done, 1 replayed)" == repr(planned)
    assert f"RebaseResult(side {side[:16]} -> {str(t.head)[:16]}, 1 replayed)" == repr(done)
    assert f"RebaseResult(side {str(t.head)[:16]} -> {str(t.head)[:16]})" == repr(t.rebase(old))


def test_skips_pins_and_configs_follow_a_rebase() -> None:
    t = make_tract("a")
    t.user("x")
    t.switch("side")
    noise = t.user("noise")
    answer = t.commit({"role": "assistant", "content": "b"}, generation_config={"model": "m"})
    t.annotate(noise.commit_hash, "skip", reason="noise")
    t.annotate(answer.commit_hash, "pinned")

    done = t.rebase("main")

    assert ["a", "x", "b"] == texts(t)
    assert done.commit_hash is not None
    info = t.get_commit(done.commit_hash)
    assert ("pinned", {"model": "m"}) == (info.priority, info.generation_config)
    assert "noise" == t.get_annotations(done.replayed[0].commit_hash or "")[0].reason


def test_what_both_edited_is_refused_without_a_resolver_and_decided_by_one() -> None:
    t = make_tract("the fee is 5")
    t.edit("HEAD", "the fee is 6")
    t.switch("side")
    t.edit("HEAD", "the fee is 7")
    before = state(t)

    with pytest.raises(SemanticSafetyError, match="was edited there as well"):
        t.rebase("main")
    assert before == state(t)

    asked: list[ResolveRequest] = []

    def resolver(request: ResolveRequest) -> Resolution:
        asked.append(request)
        config = {"model": "m", "temperature": 0}
        return Resolution("resolved", "the fee is 8", generation_config=config, usage={"total_tokens": 9}, prompt="p@1")

    done = t.rebase("main", resolver=resolver)

    assert ["the fee is 8"] == texts(t)
    sides = (asked[0].base, asked[0].ours, asked[0].theirs)
    assert ["the fee is 5", "the fee is 6", "the fee is 7"] == [side and side["content"] for side in sides]
    info = t.get_commit(done.commit_hash or "")
    assert {"model": "m", "prompt": "p", "prompt_version": "1", "usage": {"total_tokens": 9}} == (info.metadata or {})[
        "resolved_by"
    ]
    assert {"model": "m", "temperature": 0} == info.generation_config


@pytest.mark.parametrize(
    ("resolver", "problem"),
    [
        (lambda _: Resolution("abort", reasoning="no idea"), "gave up on message .*: no idea"),
        (lambda _: 1 / 0, "ZeroDivisionError"),
        (lambda _: 7, "is not valid"),
        (lambda _: "", "is empty"),
    ],
)
def test_a_resolver_that_fails_leaves_everything_as_it_was(resolver: Any, problem: str) -> None:
    t = make_tract("a")
    t.edit("HEAD", "b")
    t.switch("side")
    t.edit("HEAD", "c")
    before = state(t)

    with pytest.raises(MergeError, match=problem):
        t.rebase("main", resolver=resolver)
    assert before == state(t)


def test_an_edit_without_its_message_is_refused_dropped_by_force_or_made_a_message() -> None:
    t = make_tract("a")
    t.switch("side")
    t.user("b")
    change = t.edit("HEAD", "b2")
    t.switch("main")
    before = state(t)

    with pytest.raises(SemanticSafetyError, match="which is not there"):
        t.cherry_pick(change.commit_hash)
    assert before == state(t)
    with pytest.raises(CherryPickError, match=r"nothing to pick from .* which it edits, is not there"):
        t.cherry_pick(change.commit_hash, force=True)
    t.cherry_pick(change.commit_hash, resolver=lambda _: "b3")
    assert ["a", "b3"] == texts(t)


def test_half_a_tool_call_is_not_picked_unless_forced() -> None:
    t = make_tract("a")
    t.switch("side")
    call = t.commit(CALL)
    result = t.tool_result("c1", "42")
    t.switch("main")

    with pytest.raises(SemanticSafetyError, match=r"no call comes before the tool result 'c1'"):
        t.cherry_pick(result.commit_hash)
    with pytest.raises(SemanticSafetyError, match=r"no call comes before the tool result 'c1'"):
        t.cherry_pick("side")
    assert ["tool_pair_torn"] == [w.kind for w in t.cherry_pick("side", force=True, dry_run=True).warnings]
    done = t.cherry_pick([call.commit_hash, result.commit_hash])
    assert ((), 2) == (done.warnings, len(done.commit_hashes))
    with pytest.raises(SemanticSafetyError, match="cannot be replayed"):
        t.revert(done.commit_hashes[0])


def test_a_range_is_picked_in_order_and_what_is_there_is_refused() -> None:
    t = make_tract("a")
    t.switch("side")
    for text in "bcd":
        t.user(text)
    t.switch("main")
    t.user("x")

    t.cherry_pick("main..side~1")
    assert ["a", "x", "b", "c"] == texts(t)
    with pytest.raises(CherryPickError, match="the message is there already"):
        t.cherry_pick("side~1")
    done = t.cherry_pick("main..side")
    assert (["a", "x", "b", "c", "d"], 2) == (texts(t), len(done.dropped))


def test_a_reverted_message_is_gone_from_the_context_and_not_from_the_history() -> None:
    t = make_tract("a", "wrong", "c")

    done = t.revert("HEAD~1")

    assert ["a", "c"] == texts(t)
    assert ["revert", "append", "append", "append"] == [info.operation for info in t.log()]
    assert "wrong" == t.get_content("HEAD~2").text
    t.revert(done.commit_hash or "")
    assert ["a", "wrong", "c"] == texts(t)


def test_several_are_reverted_newest_first() -> None:
    t = make_tract("a", "b")
    change = t.edit("HEAD", "b2")

    t.revert(["HEAD~1", change.commit_hash])
    assert ["a"] == texts(t)


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda t: t.rebase("nowhere"), CommitNotFoundError),
        (lambda t: t.cherry_pick("nowhere"), CommitNotFoundError),
        (lambda t: t.cherry_pick([]), CherryPickError),
        (lambda t: t.cherry_pick("HEAD..HEAD"), CherryPickError),
        (lambda t: t.cherry_pick("^HEAD"), CherryPickError),
        (lambda t: t.revert("nowhere"), CommitNotFoundError),
        (lambda t: t.revert("HEAD", mainline=2), CherryPickError),
        (lambda t: t.cherry_pick("HEAD", resolver=7), TractError),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_moves(act: Any, error: type[Exception]) -> None:
    t = make_tract("a", "b")
    before = state(t)

    with pytest.raises(error):
        act(t)
    assert before == state(t)


def test_a_detached_head_an_empty_branch_and_a_batch_are_refused() -> None:
    with pytest.raises(RebaseError, match="has no commit to rebase"):
        Tract.open(":memory:").rebase("main")
    with pytest.raises(CherryPickError, match="has no commit to revert"):
        Tract.open(":memory:").revert("main")
    t = make_tract("a", "b")
    with t.batch(), pytest.raises(TractError, match="cannot rebase inside a batch"):
        t.rebase("side")
    t.checkout("HEAD~1")
    for act in (lambda: t.rebase("main"), lambda: t.cherry_pick("main"), lambda: t.revert("HEAD")):
        with pytest.raises(DetachedHeadError):
            act()


def test_another_handle_that_moved_the_branch_is_not_overrun(tmp_path: Any) -> None:
    t = make_tract("a", path=tmp_path)
    t.switch("side")
    t.user("b")
    t.log()
    with Tract.open(tmp_path, tokenizer=Words()) as other:
        other.user("c")

    with pytest.raises(RefMovedError):
        t.revert("HEAD")
    assert ["a", "b", "c"] == texts(t)


def test_the_store_is_sound_after_replays_and_gc(tmp_path: Any) -> None:
    t = make_tract(*"abcdefghijklmnop", path=tmp_path)
    for n in range(40):
        t.user(f"main {n}")
    t.switch("side")
    ids = [t.user(f"side {n}").commit_hash for n in range(40)]
    t.edit(ids[3], "edited")
    t.revert(ids[5])
    expected = [text for text in texts(t) if text not in "abcdefghijklmnop"]
    t.rebase("main")
    assert expected == [text for text in texts(t) if text.startswith(("side", "edited"))]

    before = texts(t)
    t.gc(orphan_retention_days=0)
    t.close()

    with Tract.open(tmp_path, tokenizer=Words(), verify_cache=True) as again:
        assert before == texts(again)
    assert () == check_repository(str(tmp_path / ".tract")).problems


def over_budget(path: Path) -> Tract:
    """A tract whose side branch has more words than the budget allows; HEAD is on main, before them."""
    with Tract.open(path, tokenizer=Words()) as t:
        t.user("a")
        t.branch("side", switch=True)
        t.user("words " * 80)
        t.switch("main")
    budget = TokenBudgetConfig(60, BudgetAction.REJECT)
    return Tract.open(path, tokenizer=Words(), config=TractConfig(token_budget=budget))


@pytest.mark.parametrize("command", ["cherry_pick", "rebase"])
def test_a_replay_over_the_budget_is_refused_and_nothing_moves(command: str, tmp_path: Path) -> None:
    with over_budget(tmp_path) as t:
        t.user("more")
        before = state(t)

        with pytest.raises(BudgetExceededError):
            getattr(t, command)("side")

        assert before == state(t)


def test_moving_on_over_the_budget_is_refused_and_taking_back_never(tmp_path: Path) -> None:
    with over_budget(tmp_path) as t:
        before = state(t)
        with pytest.raises(BudgetExceededError):
            t.rebase("side")
        assert before == state(t)

        t.reset("side")
        t.revert("HEAD")

        assert ["a"] == texts(t)


@pytest.mark.parametrize("revision", [5, None, [5], ["HEAD", None]])
def test_a_revision_that_is_no_text_names_no_commit(revision: Any) -> None:
    t = make_tract("a")

    for command in (t.cherry_pick, t.revert, t.rebase):
        with pytest.raises(CommitNotFoundError):
            command(revision)
    with pytest.raises(CommitNotFoundError):
        t.reflog(revision)


def test_a_parent_that_is_no_number_is_refused() -> None:
    mainline: Any = "first"

    with pytest.raises(CherryPickError, match="int"):
        make_tract("a").revert("HEAD", mainline=mainline)
