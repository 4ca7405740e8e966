"""The rule planner: what it says is what comes of it, and nothing is lost that must stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agents.test_health import OUTPUT, use, working
from tests.making import call, make_tract, texts
from tract import CompressPolicy, Plan, Tract
from tract.adapters.importing import import_conversation
from tract.adapters.transcripts import read_transcript
from tract.agents.operation_table import execute
from tract.config import TractConfig
from tract.errors import ActionError

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
SESSIONS = [
    "SWE-agent+SWE-agent/trajectories/demonstrations/ctf/crypto/katy.traj",
    "entireio+cli/d3/7d736cbc10/0/full.jsonl",
    "entireio+cli/0b/0195f27fed/0/full.jsonl",
    "sierra-research+tau-bench/historical_trajectories/gpt-4o-airline.json",
]
LONG = 6000
"""Tokens of a session from which on it is a long one."""


def carry_out(t: Tract, plan: Plan) -> None:
    for step in plan.steps:
        result = execute(t, step.action)
        assert result.error is None, result.error


def torn(t: Tract) -> set[tuple[str, str | None]]:
    return {(one.kind, one.commit) for one in t.compile().warnings if one.kind.startswith(("unpaired", "misplaced"))}


def check(t: Tract, share: float = 0.5) -> float:
    """Plan, carry it out, and see that it came as it was said; how much less the messages have now."""
    before, own, was_torn = t.compile(), sum(t.compile().token_counts), torn(t)
    listed = [one for one in t.messages() if not one.is_hidden]
    users = [one.commit_hash for one in listed if one.kind == "user"]
    staying = {one.commit_hash for one in listed if one.is_protected} | set(users[-1:])
    staying |= {one.commit_hash for one in t.status().open_calls}

    plan = t.plan(round(before.token_count - own * (1 - share)))
    assert plan == t.plan(plan.target)
    carry_out(t, plan)

    after = t.compile()
    assert plan.tokens_before - plan.tokens_after == own - sum(after.token_counts)
    if plan.prefix is not None:
        change = after.prefix_change(before)
        assert plan.prefix.common_tokens == change.common_tokens
        assert plan.prefix.invalidated_tokens == change.invalidated_tokens
    assert staying <= {one.commit_hash for one in t.messages() if not one.is_hidden}
    assert torn(t) <= was_torn
    return 1 - sum(after.token_counts) / own


def test_there_is_nothing_to_do_about_a_healthy_context() -> None:
    plan = make_tract("a", "b").plan()

    assert ((), None) == (plan.steps, plan.prefix)
    assert plan.tokens_before == plan.tokens_after
    assert "nothing to do" == str(plan)


def test_without_a_target_only_what_was_given_again_is_hidden() -> None:
    t = working(reads=60, files=50)

    plan = t.plan()

    assert ["annotate"] == [step.action.name for step in plan.steps]
    assert "10 outputs of tools that a later call gave again" == plan.steps[0].reason


def test_a_plan_goes_no_further_than_its_target() -> None:
    t = working(reads=60, files=60)
    total = t.compile().token_count

    plan = t.plan(total - 200)

    assert ["annotate"] == [step.action.name for step in plan.steps]
    assert total - 300 < plan.tokens_after <= total - 200
    assert [1, 2] == [step.number for step in t.plan(total // 4).steps]


def test_near_the_budget_half_of_it_is_the_target() -> None:
    t = working(budget=2200, reads=40, files=40)
    assert t.compile().token_count > 0.7 * 2200

    carry_out(t, t.plan())

    assert t.compile().token_count <= 1100


def test_a_plan_of_many_outputs_has_several_steps_and_comes_as_it_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tract.agents.advice._MOST_TARGETS", 20)
    t = working(reads=50, files=3)

    plan = t.plan()

    assert [20, 20, 7] == [len(step.action.arguments["target"]) for step in plan.steps]
    assert check(t) > 0.4


def test_pins_instructions_sessions_open_calls_and_the_last_request_stay() -> None:
    t = make_tract(config=TractConfig(author="tester"))
    t.system("be terse")
    t.user("first request")
    for number in range(40):
        use(t, f"a{number}", "read", path=f"src/f{number}.py")
    t.annotate("HEAD:20", "pinned")
    t.commit(
        {
            "content_type": "session",
            "session_type": "checkpoint",
            "summary": "we decided on blue",
            "decisions": ["blue"],
        }
    )
    t.user("the last request")
    for number in range(40):
        use(t, f"b{number}", "read", path=f"src/g{number}.py")

    assert check(t, 0.2) > 0.6
    assert "the last request" in texts(t)
    assert any("we decided on blue" in str(text) for text in texts(t))
    assert t.messages()[0].text == "be terse"


def by_the_policy(t: Tract) -> None:
    t.configure_policies([CompressPolicy(0.8, target=0.25)], autonomy="autonomous")
    t.compile()


def by_the_planner(t: Tract) -> None:
    carry_out(t, t.plan(t.compile().token_count // 4))


@pytest.mark.parametrize("way", [by_the_policy, by_the_planner])
def test_whoever_chooses_what_goes_the_rule_is_the_same(way: Callable[[Tract], None], tmp_path: Path) -> None:
    with make_tract(path=tmp_path) as t:
        t.system("be terse")
        t.user("the first request")
        t.commit({"content_type": "session", "session_type": "checkpoint", "summary": "we decided on blue"})
        for number in range(10):
            use(t, f"a{number}", "read", path=f"old/f{number}.py")
        t.user("the last request")
        for number in range(25):
            t.assistant(f"I looked at src/part{number}.py, and what it says is this: {'word ' * 40}")
            t.user("go on")
        t.user("the last request of all")
        t.commit(call("open"))
        tokens = t.compile().token_count

    with make_tract(path=tmp_path, config=TractConfig(token_budget=round(tokens * 1.2))) as t:
        way(t)
        said = "\n".join(str(one.content) for one in t.compile(policies=False))
        waiting = [one.call_id for one in t.status().open_calls]

    assert [number for number in range(6, 25) if f"src/part{number}.py" not in said] == []
    assert OUTPUT not in said
    assert "we decided on blue" in said
    assert "the last request of all" in said
    assert waiting == ["open"]
    assert "left out here" in said


def thinking(t: Tract, number: int, *outputs: int) -> None:
    """A thought, and calls that *outputs* answer, the last of two never; a message each, as a stream of Anthropic's is recorded."""
    thought = {"type": "thinking", "thinking": "this needs some more thought " * 3, "signature": "s"}
    uses = [
        {"type": "tool_use", "id": f"{number}.{at}", "name": "read", "input": {"path": f"src/f{number}.{at}.py"}}
        for at in range(2)
    ]
    results = [
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"{number}.{at}", "content": OUTPUT}]}
        for at in outputs
    ]
    t.extend([{"role": "assistant", "content": [one]} for one in (thought, *uses)] + results, format="anthropic")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("late", [False, True])
def test_a_plan_counts_what_it_changes_of_the_messages_beside_those_that_go(share: float, late: bool) -> None:
    t = make_tract("begin")
    for number in range(45):
        thinking(t, number, *((0, 1) if number % 3 else (0,)))
        if number % 5 == 0:
            t.user("go on")
    if late:
        t.tool_result("3.1", OUTPUT)
        t.user("it was late")

    check(t, share)


def test_two_steps_may_hide_the_calls_of_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tract.agents.advice._MOST_TARGETS", 5)
    t = make_tract("begin")
    for number in range(30):
        uses = [
            {"id": f"{number}.{at}", "type": "function", "function": {"name": "read", "arguments": f'{{"at": {at}}}'}}
            for at in range(2)
        ]
        t.commit({"role": "assistant", "content": None, "tool_calls": uses})
        for at in range(2):
            t.tool_result(f"{number}.{at}", OUTPUT)

    assert check(t) > 0.4


@pytest.mark.parametrize("wrong", [-1, "10", 1.5, True])
def test_a_target_is_a_number_of_tokens(wrong: object) -> None:
    with pytest.raises(ActionError, match="target must be a number of tokens"):
        make_tract("a").plan(wrong)  # type: ignore[arg-type]


@pytest.mark.skipif(not CORPUS.exists(), reason="there is no ../shared/corpus")
@pytest.mark.parametrize("session", SESSIONS)
def test_a_long_session_comes_down_to_half_and_loses_nothing_that_must_stay(session: str) -> None:
    for conversation in read_transcript(str(CORPUS / session)).conversations[:30]:
        with Tract.open(":memory:", durability="process") as t:
            import_conversation(t.repository, conversation, place="here")
            if sum(t.compile().token_counts) >= LONG:
                assert check(t) >= 0.4
