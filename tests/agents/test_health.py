"""Health: what a context is made of, what of it is of no more use, and advice that costs and saves what it says."""

from __future__ import annotations

import gc
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.making import Words, call, make_tract, texts
from tract import Action, Advice, Health, Tract
from tract.agents.health import HealthTable
from tract.agents.operation_table import execute
from tract.compile.messages import message_in_payload
from tract.config import TractConfig
from tract.errors import BranchNotFoundError
from tract.messages.kinds import kind_of
from tract.messages.message import Message
from tract.repo import Repository

OUTPUT = "line of code " * 10


def use(t: Tract, id: str, tool: str, output: str = OUTPUT, say: str | None = None, **arguments: Any) -> None:
    """A call of *tool* and its result, in OpenAI's format."""
    function = {"name": tool, "arguments": json.dumps(arguments)}
    t.commit(
        {"role": "assistant", "content": say, "tool_calls": [{"id": id, "type": "function", "function": function}]}
    )
    t.tool_result(id, output)


def use_anthropic(t: Tract, *calls: tuple[str, str, str], say: str = "let me see") -> None:
    """An answer with calls of ``read`` and a message with their results, in Anthropic's format; a call is an id, a path and an output."""
    uses = [{"type": "tool_use", "id": id, "name": "read", "input": {"path": path}} for id, path, _ in calls]
    results = [{"type": "tool_result", "tool_use_id": id, "content": output} for id, _, output in calls]
    t.extend(
        [
            {"role": "assistant", "content": [{"type": "text", "text": say}, *uses]},
            {"role": "user", "content": results},
        ],
        format="anthropic",
    )


def working(budget: int | None = None, reads: int = 30, files: int = 7) -> Tract:
    """A tract in which the same files were read again and again."""
    t = make_tract(config=TractConfig(author="tester", token_budget=budget))
    t.system("be terse")
    t.user("fix the bug")
    for number in range(reads):
        use(t, f"c{number}", "read", path=f"src/f{number % files}.py")
    return t


def later(t: Tract, days: float) -> Tract:
    """The tract as it is some days later."""
    clock = t.repository.clock
    return Tract(replace(t.repository, clock=lambda: clock() + round(days * 86_400_000_000)), tokenizer=Words())


def named(found: Health, name: str) -> Advice:
    return next(one for one in found.advice if one.action.name == name)


def test_an_empty_tract_is_healthy() -> None:
    found = make_tract().health()

    assert (0, 0, ()) == (found.message_count, found.token_count, found.advice)
    assert "0 messages, 0 tokens" in str(found)


def test_tokens_are_shared_out_by_kind_and_by_tool_and_the_largest_are_named() -> None:
    t = working(reads=3)
    t.assistant("a " * 500)

    found = t.health()

    assert found.token_count - 3 == sum(one.tokens for one in found.by_kind)
    assert {"answer", "tool_result", "tool_call", "user", "instruction"} == {one.name for one in found.by_kind}
    assert ("answer", 1) == found.by_kind[0][:2]
    assert [("read", 3)] == [one[:2] for one in found.by_tool]
    assert (9, "answer") == (found.largest[0].number, found.largest[0].kind)
    assert found.budget_share is None


def test_the_share_of_the_budget_is_told() -> None:
    assert 0.5 == pytest.approx(make_tract("a " * 43, config=TractConfig(token_budget=100)).health().budget_share)


def test_a_file_that_is_read_again_and_again_is_repeated_output() -> None:
    found = working(reads=5, files=1).health()

    (one,) = found.repeated
    assert ("read", 5) == (one.tool, one.times)
    assert "src/f0.py" in one.arguments
    advice = named(found, "annotate")
    assert 4 == len(advice.action.arguments["target"])
    assert "4 outputs of tools that a later call gave again" == advice.reason
    assert repr(advice).startswith("Advice(1. annotate: 4 outputs of tools")


def test_a_model_is_told_which_messages_an_advice_is_about_and_can_do_it() -> None:
    t = working(budget=2000, reads=40, files=36)

    said = execute(t, Action("health")).text

    assert "the target of advice 1: [4, 6, 8, 10]" in said
    assert "from_commit=3 to_commit=" in said
    assert execute(t, Action("annotate", {"target": [4, 6, 8, 10], "priority": "skip"})).error is None


def test_outputs_of_the_same_tool_for_other_files_are_not_repeated() -> None:
    assert () == working(reads=5, files=5).health().repeated


@pytest.mark.parametrize("format", ["openai", "anthropic"])
def test_an_advice_saves_and_costs_what_it_says_and_no_words_of_the_model_are_lost(format: str) -> None:
    t = make_tract()
    t.system("be terse")
    t.user("fix the bug")
    for number in range(12):
        if format == "openai":
            use(t, f"c{number}", "read", say=f"step {number}", path=f"src/f{number % 3}.py")
        else:
            use_anthropic(t, (f"c{number}", f"src/f{number % 3}.py", OUTPUT), say=f"step {number}")
    before = t.compile()
    advice = named(t.health(), "annotate")

    assert execute(t, advice.action).success

    after = t.compile()
    change = after.prefix_change(before)
    assert advice.prefix is not None
    assert before.token_count - after.token_count == advice.saves_tokens
    assert (change.common_tokens, change.invalidated_tokens) == (
        advice.prefix.common_tokens,
        advice.prefix.invalidated_tokens,
    )
    assert all(f"step {number}" in str(after.to_dicts()) for number in range(12))
    assert () == t.health().repeated


def test_of_parallel_results_in_one_message_all_must_be_repeated() -> None:
    t = make_tract()
    t.user("go")
    use_anthropic(t, ("a1", "a.py", OUTPUT), ("b1", "b.py", OUTPUT))
    use_anthropic(t, ("a2", "a.py", OUTPUT))
    assert () == t.health().advice

    use_anthropic(t, ("b2", "b.py", OUTPUT))

    assert [t.get_commit("HEAD:3").commit_hash] == named(t.health(), "annotate").action.arguments["target"]


def test_pinned_outputs_and_outputs_of_pinned_calls_are_left() -> None:
    t = working(reads=6, files=1)
    t.annotate("HEAD:4", "pinned")  # a result
    t.annotate("HEAD:5", "pinned")  # the call of the next

    targets = named(t.health(), "annotate").action.arguments["target"]

    places = [t.messages(only=[target])[0].number for target in targets]
    assert [8, 10, 12] == places


def test_old_outputs_are_advised_away_unless_their_file_is_in_use() -> None:
    t = working(reads=20, files=20)
    for number in range(25):
        use(t, f"d{number}", "note", output="ok", say="src/f3.py" if number == 24 else None, number=number)

    found = t.health()

    assert 25 == found.old_outputs.messages
    advice = named(found, "annotate")
    assert "older than 20 turns" in advice.reason
    assert t.get_commit("HEAD:10").commit_hash not in advice.action.arguments["target"]  # src/f3.py
    assert t.get_commit("HEAD:8").commit_hash in advice.action.arguments["target"]
    before = t.compile()
    execute(t, advice.action)
    assert before.token_count - t.compile().token_count == advice.saves_tokens


def test_near_the_budget_the_oldest_messages_are_summed_up_by_rule() -> None:
    t = working(budget=2000, reads=40, files=40)
    t.annotate("HEAD:6", "pinned")
    found = t.health()
    advice = named(found, "compress")
    before = t.compile()

    assert "the context is at " in advice.reason
    result = execute(t, advice.action)

    assert result.error is None
    after = t.compile()
    assert advice.prefix is not None
    assert before.token_count - after.token_count == advice.saves_tokens
    assert advice.prefix.common_tokens == after.prefix_change(before).common_tokens
    assert after.token_count <= 1000
    kept = texts(t)
    assert "be terse" == kept[0]
    assert "fix the bug" in kept
    summary = next(one for one in t.messages() if one.kind == "summary")
    assert "summed up by rule" in summary.text
    assert "read ×" in summary.text
    assert () == tuple(warning for warning in after.warnings if "unpaired" in warning.kind)


def test_without_pressure_nothing_is_summed_up() -> None:
    assert "compress" not in [one.action.name for one in working(budget=100_000).health().advice]
    assert "compress" not in [one.action.name for one in working().health().advice]


def test_open_and_torn_calls_are_told_apart() -> None:
    t = make_tract("go")
    t.commit(call("lost"))
    t.user("and?")
    t.commit(call("waits"))

    found = t.health()

    assert ["waits"] == [one.call_id for one in found.open_calls]
    assert ["unpaired_tool_call"] == [one.kind for one in found.torn]


def test_summaries_and_hidden_messages_are_counted() -> None:
    t = make_tract("a b", "c d", "e f", "g h", "i j")
    t.compress(commits=["HEAD:1"], content="x")
    t.compress(commits=["HEAD:2"], content="y")
    t.annotate("HEAD:4", "skip")

    assert (2, 1, 1) == t.health().fragmentation
    assert "summary" in [one.name for one in t.health().by_kind]


def test_branches_are_merged_or_lack_what_is_counted_and_stale_after_a_week() -> None:
    t = make_tract("a")
    t.branch("done")
    t.switch("aside", create=True)
    t.user("b")
    t.assistant("c")
    t.switch("main")
    t = later(t, days=8)
    t.user("d")

    found = {one.name: one for one in t.health().branches}

    assert ("merged", 0, True) == (found["done"].state, found["done"].missing, found["done"].is_stale)
    assert ("unmerged", 2, True) == (found["aside"].state, found["aside"].missing, found["aside"].is_stale)
    assert ("current", False) == (found["main"].state, found["main"].is_stale)
    t.user("e")
    t.merge("aside")
    assert "merged" == {one.name: one for one in t.health().branches}["aside"].state


def test_a_branch_that_was_made_lately_is_not_stale_however_old_its_last_message_is() -> None:
    t = make_tract()
    t.user("a", timestamp=datetime.now(UTC) - timedelta(days=9))
    t.branch("new")
    t.user("b")

    assert [False, False] == [one.is_stale for one in t.health().branches]


def test_a_stale_branch_of_which_nothing_would_be_missed_is_advised_to_be_put_aside() -> None:
    t = make_tract("a")
    t.branch("done")
    t.user("b")
    assert () == t.health().advice
    t = later(t, days=8)

    (advice,) = t.health().advice

    assert Action("archive", {"name": "done"}, "branch 'done' is merged and stale") == advice.action
    assert execute(t, advice.action).error is None
    assert () == t.health().advice


def test_a_branch_that_is_not_current_can_be_looked_at() -> None:
    t = make_tract("a")
    t.switch("aside", create=True)
    t.user("b")
    t.switch("main")

    assert (2, "aside") == (t.health("aside").message_count, t.health("aside").branch)
    assert 1 == t.health().message_count
    with pytest.raises(BranchNotFoundError):
        t.health("nowhere")


def test_the_prompt_cache_is_warm_for_a_while_after_a_recorded_call() -> None:
    t = make_tract("a b c")
    assert (None, None, None) == t.health().cache
    t.record_usage({"prompt_tokens": 7, "completion_tokens": 0})

    cache = t.health().cache

    assert cache.is_warm is True
    assert 7 == cache.tokens


def test_archives_that_are_older_than_they_are_kept_wait_for_gc() -> None:
    t = make_tract("a b", "c d", config=TractConfig(archive_retention_days=0))
    t.compress(commits=["HEAD:1"], content="x")

    found = t.health()

    assert 1 == found.archives_waiting
    assert Action("gc", {}, "originals of 1 compression are older than they are kept") == named(found, "gc").action


def test_looking_changes_nothing() -> None:
    t = working(budget=1400)
    before = t.head, t.repository.refs.list("")

    t.health()

    assert before == (t.head, t.repository.refs.list(""))


@pytest.mark.filterwarnings("ignore::tract.BudgetWarning")
@pytest.mark.parametrize("seed", range(6))
def test_a_handle_that_looked_before_says_what_one_that_looks_first_says(seed: int) -> None:
    rng = random.Random(seed)
    t = working(reads=2, budget=600)
    for number in range(40):
        match rng.randrange(9):
            case 0:
                t.user(f"go on {number}")
            case 1:
                t.annotate(f"HEAD:{rng.randrange(1, len(t.messages()) + 1)}", rng.choice(["skip", "normal", "pinned"]))  # type: ignore[arg-type]
            case 2:
                use_anthropic(t, (f"x{number}", f"f{rng.randrange(3)}.py", OUTPUT), (f"y{number}", "g.py", "ok"))
            case 3:
                t.edit(f"HEAD:{rng.choice([1, 2])}", f"edited {number}")
            case 4 if rng.random() < 0.5:
                t.branch(f"b{number}")
            case 5 if rng.random() < 0.3:
                t.undo()
            case _:
                use(t, f"r{number}", "read", path=f"src/f{rng.randrange(4)}.py")
        if rng.random() < 0.5:
            grown = t.health()
            t._health = HealthTable()
            assert t.health() == grown


def test_one_more_message_costs_that_message(monkeypatch: pytest.MonkeyPatch) -> None:
    t = working(reads=200)
    t.health()
    counted: list[str] = []
    monkeypatch.setattr(Words, "count", lambda _, text: counted.append(text) or len(text.split()))
    measured = t._health.measures if t._health else None

    use(t, "new", "read", path="src/new.py")
    t.health()

    assert t._health is not None
    assert measured is t._health.measures
    assert len(counted) < 20


def test_a_first_look_decodes_every_message_once_and_reads_none_of_them_alone(tmp_path, monkeypatch):
    with Tract.open(tmp_path, config=TractConfig(tokenizer_encoding="estimate")) as t:
        t.system("be terse")
        for number in range(40):
            use(t, f"c{number}", "read", path=f"src/f{number % 7}.py")
        t.compress(from_commit="HEAD:60", to_commit="HEAD:70", content="read on")
        expected = t.health()
    decoded: list[bytes] = []

    def decode(payload: bytes) -> Message:
        decoded.append(payload)
        return message_in_payload(payload)

    monkeypatch.setattr("tract.compile.messages.message_in_payload", decode)
    monkeypatch.setattr(Repository, "blob", lambda _, id: pytest.fail(f"blob {id.hex()} was read alone"))

    with Tract.open(tmp_path, read_only=True) as t:
        found = t.health()

    assert expected.by_kind == found.by_kind
    assert expected.token_count == found.token_count
    assert found.message_count - 1 <= len(decoded) == len(set(decoded))  # the summary's was counted as it was made


@pytest.mark.parametrize("is_enabled", [True, False])
def test_a_long_context_is_measured_without_a_look_for_cycles_and_then_all_is_as_it_was(monkeypatch, is_enabled):
    monkeypatch.setattr("tract.agents.measures._TOGETHER", 8)
    t = working()
    looks: list[bool] = []
    monkeypatch.setattr("tract.agents.measures.kind_of", lambda *given: looks.append(gc.isenabled()) or kind_of(*given))
    was_enabled = gc.isenabled()
    try:
        (gc.enable if is_enabled else gc.disable)()
        t.health()
        assert is_enabled == gc.isenabled()
    finally:
        (gc.enable if was_enabled else gc.disable)()

    assert {False} == set(looks)
