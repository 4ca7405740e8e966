"""Merges of branches with tool calls: nothing merges into a context that cannot be sent."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.making import call, make_tract, texts
from tests.messages.test_sending import FAULTS, is_nothing
from tract import MergeConflictError, Tract, TractError


def parted(*ids: str) -> Tract:
    """A tract with open calls, on main and on side; HEAD is on main."""
    t = make_tract("q")
    t.commit(call(*ids))
    t.branch("side")
    return t


def on_side(t: Tract, *results: tuple[str, str], then: str | None = None) -> None:
    t.switch("side")
    for id, text in results:
        t.tool_result(id, text)
    if then:
        t.user(then)
    t.switch("main")


def test_one_call_answered_on_both_sides_is_a_conflict():
    t = parted("a")
    ours = t.tool_result("a", "4")
    on_side(t, ("a", "5"), then="thanks")

    result = t.merge("side")

    assert ["both-answered"] == [conflict.kind for conflict in result.conflicts]
    [conflict] = result.conflicts
    assert (ours.commit_hash, "4", "5", "tool") == (
        conflict.commit_hash,
        conflict.ours,
        conflict.theirs,
        conflict.role,
    )
    with pytest.raises(MergeConflictError, match="both-answered"):
        t.commit_merge(result)
    for side, expected in (("ours", "4"), ("theirs", "5")):
        assert ["q", None, expected, "thanks"] == merged(t, result.take(conflict, side))
    assert ["q", None, "4 or 5", "thanks"] == merged(t, result.edit_resolution(conflict, "4 or 5"))


def merged(t: Tract, result: Any) -> list[Any]:
    t.commit_merge(result)
    found = texts(t.compile())
    assert () == t.compile().warnings
    t.reset("HEAD~1")
    return found


@pytest.mark.parametrize(("strategy", "expected"), [("ours", "4"), ("theirs", "5")])
def test_a_strategy_decides_it(strategy, expected):
    t = parted("a")
    t.tool_result("a", "4")
    on_side(t, ("a", "5"))

    assert t.merge("side", strategy=strategy).is_committed
    assert ["q", None, expected] == texts(t.compile())


def test_of_two_results_that_say_the_same_ours_stays_and_the_merge_says_so():
    t = parted("a")
    t.tool_result("a", "4")
    on_side(t, ("a", "4"))

    result = t.merge("side")

    assert result.is_committed
    assert [("ours", "rule")] == [(one.taken, one.resolved_by) for one in result.resolutions]
    assert ["q", None, "4"] == texts(t.compile())
    said = t.get_commit("HEAD").metadata["conflicts"]
    assert ("both-answered", "rule") == (said[0]["kind"], said[0]["by"])


def test_different_calls_of_one_answer_merge():
    t = parted("a", "b")
    t.tool_result("a", "4")
    on_side(t, ("b", "5"))

    assert t.merge("side").is_committed
    assert ["q", None, "4", "5"] == texts(t.compile(strict=True))


def test_results_of_several_calls_in_one_message_are_one_conflict():
    t = make_tract()
    uses = [{"type": "tool_use", "id": id, "name": "f", "input": {}} for id in ("a", "b")]
    t.extend([{"role": "user", "content": "q"}, {"role": "assistant", "content": uses}], format="anthropic")
    t.branch("side")

    def answer(text: str) -> None:
        blocks = [{"type": "tool_result", "tool_use_id": id, "content": text} for id in ("a", "b")]
        t.extend([{"role": "user", "content": blocks}], format="anthropic")

    answer("ours")
    t.switch("side")
    answer("theirs")
    t.switch("main")

    assert 1 == len(t.merge("side").conflicts)


def test_a_call_that_a_merge_interrupts_is_named():
    t = make_tract("q")
    t.branch("side", switch=True)
    t.user("theirs")
    t.switch("main")
    id = t.commit(call("a")).commit_hash

    result = t.merge("side")

    assert [("unpaired_tool_call", id, 1)] == [(one.kind, one.commit, one.rule) for one in result.warnings]
    assert "interrupted: no result was recorded" == t.compile().to_openai()[2]["content"]


def test_the_command_line_names_both(tmp_path, capsys):
    from tract.cli.main import main

    with make_tract("q", path=tmp_path) as t:
        t.commit(call("a"))
        t.branch("side", switch=True)
        t.tool_result("a", "4")
        t.switch("main")
        t.tool_result("a", "5")
    assert 1 == main(["-C", str(tmp_path), "merge", "side"])
    assert "CONFLICT (both-answered)" in capsys.readouterr().out
    assert 0 == main(["-C", str(tmp_path), "merge", "--abort"])
    assert 0 == main(["-C", str(tmp_path), "merge", "side", "-X", "ours"])


@pytest.mark.parametrize("seed", range(25))
def test_whatever_is_merged_can_be_sent(seed):
    chance = random.Random(seed)
    t = make_tract("q")

    def go_on() -> None:
        for _ in range(chance.randrange(1, 5)):
            match chance.randrange(5):
                case 0:
                    t.user(f"more {chance.random()}")
                case 1:
                    t.commit(call(*chance.sample("abcd", chance.randrange(1, 3))))
                case 2:
                    t.tool_result(chance.choice("abcd"), f"result {chance.randrange(3)}")
                case 3:
                    t.assistant("so")
                case _:
                    hashes = [*t.compile().commit_hashes]
                    if hashes:
                        t.annotate(chance.choice(hashes), "skip")

    t.commit(call("a", "b"))
    t.branch("side")
    for _ in range(3):
        for branch in ("main", "side"):
            t.switch(branch)
            t.user("on")
            go_on()
        result = t.merge("main", strategy=chance.choice(["auto", "ours", "theirs"]))
        if result.unresolved:
            for conflict in result.unresolved:
                result = result.take(conflict, chance.choice(["ours", "theirs", "both"]))
            t.commit_merge(result)
        context = t.compile()
        for target, name in (("openai", "to_openai"), ("responses", "to_openai_responses"), ("anthropic", "to_anthropic"), ("gemini", "to_gemini")):  # fmt: skip
            try:
                value = getattr(context, name)()
            except TractError:
                continue  # nothing is left to be sent
            assert is_nothing(value) or not FAULTS[target](value, may_be_open=True)
