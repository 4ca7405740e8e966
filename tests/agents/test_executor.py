"""What a model calls, whatever it sends: run, or refused with an answer that it can act on."""

from __future__ import annotations

import json
import logging
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.making import call, conversation, make_tract, texts
from tract import ToolExecutor, ToolResult, Tract, operations
from tract.agents.operation import Argument, Operation
from tract.agents.policy_settings import set_autonomy
from tract.errors import ActionError, CherryPickError, ClosedError


def executor(t: Tract, profile: Any = "self", autonomy: Any = None) -> ToolExecutor:
    set_autonomy(t.repository, "autonomous")
    return ToolExecutor(t, profile=profile, autonomy=autonomy)


def test_a_tool_is_run_and_answers_with_text_data_and_its_commit() -> None:
    t = conversation()

    result = executor(t).execute("commit", {"content": "noted"})

    assert result == ToolResult(
        tool_name="commit", success=True, output=f"committed {str(t.head)[:10]}", commit_hash=t.head
    )


@pytest.mark.parametrize("arguments", ['{"content": "noted"}', {"content": "noted", "role": None, "message": None}])
def test_arguments_come_as_a_map_or_as_json_text_with_nulls(arguments: Any) -> None:
    assert executor(conversation()).execute("commit", arguments).success


def test_a_tool_without_arguments_may_get_none() -> None:
    assert executor(conversation()).execute("status").success
    assert executor(conversation()).execute("status", "").success


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("fly", {}, "there is no operation 'fly'; there are status, health, log"),
        (None, {}, "there is no operation None"),
        ("commit", "{", "commit: the arguments are not JSON"),
        ("commit", "[1]", "commit: the arguments must be an object, not list"),
        ("commit", 3, "commit: the arguments must be an object, not int"),
        ("commit", {}, "commit: argument 'content' is missing: its text"),
        ("commit", {"content": {"role": "system"}}, "argument 'content' must be a text, not {'role': 'system'}"),
        (
            "commit",
            {"content": "x", "role": "system"},
            "argument 'role' must be one of 'assistant', 'user', not 'system'",
        ),
        ("show", {"target": "HEAD:99"}, "no commit named 'HEAD:99': that context has 3 messages"),
        ("log", {"limit": 10**9}, "argument 'limit' must be a whole number from 1 to 200, not 1000000000"),
        ("log", {"limit": True}, "argument 'limit' must be a whole number from 1 to 200, not True"),
        ("switch", {"name": "gone"}, "gone"),
        ("gc", {}, "operation 'gc' is not in profile 'self', but in 'full'"),
        ("reset", {"target": "HEAD", "mode": "hard"}, "operation 'reset' is not in profile 'self'"),
    ],
)
def test_what_a_model_does_wrong_is_an_answer_that_says_what_is_allowed(name: Any, arguments: Any, said: str) -> None:
    t = conversation()
    head = t.head

    result = executor(t).execute(name, arguments)

    assert not result.success
    assert said in str(result.error)
    assert result.output == result.error
    assert head == t.head


def test_the_profile_is_enforced_also_for_single_arguments() -> None:
    t = conversation()

    refused = executor(t, "supervisor").execute("reset", {"target": "HEAD~1", "mode": "hard"})

    assert "there is no argument 'mode'" in str(refused.error)
    assert executor(t, "full").execute("reset", {"target": "HEAD~1", "mode": "hard"}).success


def test_below_supervisor_nothing_touches_instructions_or_pins() -> None:
    t = conversation()
    t.annotate("HEAD:3", "pinned")
    run = executor(t)

    for name, arguments in (
        ("edit", {"target": 1, "content": "be verbose"}),
        ("edit", {"target": 3, "content": "five"}),
        ("annotate", {"target": [1], "priority": "skip"}),
        ("annotate", {"target": [2, 1], "priority": "normal"}),
        ("annotate", {"target": [3], "priority": "normal"}),
    ):
        assert "which profile 'self' leaves as they are" in str(run.execute(name, arguments).error), name
    assert ["be terse", "one two three", "four"] == texts(t)
    assert executor(t, "supervisor").execute("edit", {"target": 1, "content": "be brief"}).success


def test_an_instruction_that_somebody_unpinned_is_still_not_compressed_away() -> None:
    t = conversation()
    t.annotate("HEAD:1", "normal")
    run = executor(t)

    refused = run.execute("compress", {"keep_recent": 0, "content": "gist"})

    assert "message 1 is an instruction or pinned" in str(refused.error)
    assert run.execute("compress", {"keep_recent": 0, "content": "gist", "preserve": [1]}).success
    assert ["be terse", "gist"] == texts(t)


def test_a_model_leaves_no_pin_by_going_to_a_branch_without_it_and_comes_back_to_the_default_one() -> None:
    t = make_tract("Plan a journey.", "Never by plane.")
    run = executor(t)
    assert run.execute("branch", {"name": "before", "source": "HEAD:1"}).success
    t.annotate("HEAD:2", "pinned")

    assert "message 2 is an instruction or pinned" in str(run.execute("switch", {"name": "before"}).error)
    away = run.execute("branch", {"name": "away", "source": "HEAD:1", "switch": True})
    assert "which profile 'self' leaves" in str(away.error)
    assert run.execute("branch", {"name": "aside", "switch": True}).success
    assert run.execute("commit", {"content": "By train, then."}).success
    assert run.execute("annotate", {"target": [3], "priority": "pinned"}).success
    assert run.execute("switch", {"name": "main"}).success
    assert run.execute("merge", {"source_branch": "aside"}).success
    assert texts(t) == ["Plan a journey.", "Never by plane.", "By train, then."]


def test_a_model_does_not_leave_its_instructions_by_switching() -> None:
    t = make_tract("hello")
    t.branch("free")
    t.system("be terse")
    run = executor(t)

    assert "which profile 'self' leaves" in str(run.execute("switch", {"name": "free"}).error)
    assert run.execute("branch", {"name": "aside", "switch": True}).success
    assert run.execute("switch", {"name": "main"}).success
    away = run.execute("branch", {"name": "away", "source": "HEAD:1", "switch": True})
    assert "which profile 'self' leaves" in str(away.error)


@pytest.mark.parametrize("wrong", [{"profile": "all"}, {"autonomy": "free"}])
def test_an_executor_of_no_such_profile_or_autonomy_is_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ActionError):
        ToolExecutor(conversation(), **wrong)


def test_a_closed_handle_raises_for_it_is_no_models_mistake() -> None:
    t = conversation()
    run = executor(t)
    t.close()

    with pytest.raises(ClosedError):
        run.execute("status")


def test_a_mistake_of_tracts_own_is_an_answer_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    t = conversation()
    monkeypatch.setattr(Tract, "status", lambda _: 1 / 0)

    with caplog.at_level(logging.ERROR, "tract.agents"):
        result = executor(t).execute("status")

    assert "status: it failed inside tract with ZeroDivisionError" == result.error
    assert "tool 'status' failed" in caplog.text


def test_what_no_model_means_is_refused_before_anything_is_looked_for() -> None:
    t = conversation()
    deep: Any = []
    for _ in range(5000):
        deep = [deep]

    assert "1001 messages; 1000 are the most" in str(
        executor(t).execute("annotate", {"target": [1] * 1001, "priority": "skip"}).error
    )
    said = str(executor(t).execute("commit", {"content": deep}).error)
    assert "must be a text, not a list of many levels" in said or "must be a text, not [[[" in said  # since Python 3.13
    assert "must be a text, not" in str(executor(t).execute("commit", {"content": [["x"] * 10**5]}).error)


def test_the_calls_of_one_answer_may_be_run_in_threads() -> None:
    t = conversation()
    t.annotate("HEAD:2", "skip")
    run = executor(t)
    calls = [
        ("compile", {}),
        ("commit", {"content": "x"}),
        ("annotate", {"target": 3, "priority": "skip"}),
        ("status", {}),
    ] * 10

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda call: run.execute(*call), calls))

    assert [] == [one.error for one in results if not one.success]
    assert 10 == sum(one.text == "x" for one in t.messages())


def test_where_nothing_can_be_committed_the_model_is_told_so() -> None:
    t = conversation()
    run = executor(t, "full")
    t.checkout("HEAD~1")

    for name, arguments in (
        ("commit", {"content": "x"}),
        ("edit", {"target": 2, "content": "x"}),
        ("compress", {"content": "x", "keep_recent": 0}),
    ):
        assert "HEAD" in str(run.execute(name, arguments).error), name
    assert run.execute("show", {"target": 2}).success
    assert run.execute("switch", {"name": "main"}).success
    with t.batch():
        assert "inside a batch" in str(run.execute("reset", {"target": "HEAD~1"}).error)
        assert run.execute("commit", {"content": "y"}).success
    assert "y" in texts(t)


def test_a_branch_that_another_handle_moved_is_told_of_once(tmp_path: Any) -> None:
    t = make_tract("a", path=tmp_path)
    run = executor(t)
    with make_tract(path=tmp_path) as other:
        other.user("meanwhile")

        assert "meanwhile" not in str(run.execute("commit", {"content": "b"}).output)
        assert run.execute("commit", {"content": "b"}).success

    assert ["a", "meanwhile", "b"] == texts(t)
    t.close()


def test_a_store_that_is_only_read_is_not_written_to(tmp_path: Any) -> None:
    make_tract("a", path=tmp_path).close()
    with make_tract(path=tmp_path, read_only=True, config=None) as t:
        run = ToolExecutor(t)

        assert run.execute("compile").success
        assert not run.execute("commit", {"content": "b"}).success
        assert not run.execute("edit", {"target": 1, "content": "b"}).success


def test_where_the_answer_cannot_go_along_that_is_told_and_what_was_asked_for_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    t = conversation()
    t.branch("aside")
    t.commit(call("c1"))

    def refuse(*_: Any) -> None:
        raise CherryPickError("it cannot be")

    monkeypatch.setattr(t, "cherry_pick", refuse)
    result = executor(t).execute("switch", {"name": "aside"})

    assert result.success
    assert "warning: the answer under way did not come along: it cannot be" in result.output
    assert "aside" == t.current_branch


# Autonomy


def test_a_new_tract_runs_what_has_a_low_risk_and_proposes_the_rest() -> None:
    t = conversation()
    run = ToolExecutor(t)

    assert run.execute("annotate", {"target": [2], "priority": "skip"}).success
    result = run.execute("compress", {"keep_recent": 0, "content": "gist"}, reason="the greeting is done")

    assert result.success
    assert result.commit_hash is None
    assert (
        f"compress needs approval: it waits as proposal '{result.proposal_id}', and nothing has changed"
        == result.output
    )
    (waiting,) = t.proposals()
    assert (waiting.id, waiting.origin, waiting.reasoning) == (result.proposal_id, "tool", "the greeting is done")
    assert "executed" == t.approve_proposal(result.proposal_id).status
    assert ["be terse", "gist"] == texts(t)


def test_a_summary_that_has_nothing_of_what_it_stands_for_is_proposed_even_where_all_else_runs() -> None:
    t = make_tract()
    for number in range(20):
        t.user(f"Mia Wilson flies with LX{number}40 from Zurich, and file src/mod{number}.py says so")
    before = texts(t)
    run = executor(t)

    result = run.execute(
        "compress", {"content": "I'm happy to answer any question", "keep_recent": 2}, reason="too long"
    )

    (waiting,) = t.proposals()
    assert (result.commit_hash, result.proposal_id, texts(t)) == (None, waiting.id, before)
    assert result.output.startswith("the summary has nothing of the messages it replaces; compress needs approval")
    assert waiting.reasoning == "too long; the summary has nothing of the messages it replaces"
    other = run.execute("compress", {"content": "Mia Wilson flies at 21:15 for $650 with QX77Z", "keep_recent": 2})
    assert (
        "the summary states 3 numbers, paths and ids, and 3 of them are in no message: QX77Z, 21:15, $650"
        in other.output
    )
    assert t.proposals()[-1].context_summary.endswith("; in no message, 3: QX77Z, 21:15, $650")
    assert run.execute(
        "compress", {"content": "Mia Wilson flies from Zurich eighteen times", "keep_recent": 2}
    ).commit_hash


@pytest.mark.parametrize(
    ("own", "ceiling", "expected"),
    [
        ("autonomous", None, "run"),
        ("autonomous", "collaborative", "proposed"),
        ("collaborative", "autonomous", "proposed"),
        ("manual", "autonomous", "proposed"),
    ],
)
def test_the_least_autonomy_is_in_force(own: Any, ceiling: Any, expected: str) -> None:
    t = conversation()
    set_autonomy(t.repository, own)

    result = ToolExecutor(t, autonomy=ceiling).execute("edit", {"target": 2, "content": "x"})

    assert expected == ("proposed" if result.proposal_id else "run")
    assert ("x" in texts(t)) is (expected == "run")


def test_manual_proposes_what_has_a_low_risk_too_but_anyone_may_look() -> None:
    t = conversation()
    run = ToolExecutor(t, autonomy="manual")

    assert run.execute("status").proposal_id is None
    assert run.execute("commit", {"content": "x"}).proposal_id is not None


def test_what_a_model_asks_for_twice_is_one_proposal() -> None:
    t = conversation()
    run = ToolExecutor(t)

    first, second = (run.execute("edit", {"target": 2, "content": "x"}) for _ in range(2))

    assert first.proposal_id == second.proposal_id
    assert 1 == len(t.proposals())
    assert "waits already" in second.output


def test_a_low_profile_cannot_even_propose_to_touch_a_pin() -> None:
    t = conversation()

    assert not ToolExecutor(t).execute("edit", {"target": 1, "content": "x"}).success
    assert [] == t.proposals()
    assert ToolExecutor(t, profile="supervisor").execute("edit", {"target": 1, "content": "x"}).proposal_id


@pytest.mark.parametrize("shown", ["normal", "pinned"])
def test_a_model_shows_again_what_it_hid_itself_but_not_what_somebody_else_hid(shown: str) -> None:
    t = conversation()
    run = ToolExecutor(t)
    run.execute("annotate", {"target": [2], "priority": "skip"})
    t.annotate("HEAD:3", "skip", reason="a number of a credit card")

    assert run.execute("annotate", {"target": [2], "priority": shown}).proposal_id is None
    assert run.execute("annotate", {"target": [3], "priority": shown}).proposal_id is not None
    assert "four" not in texts(t)
    assert [None, "tool"] == [t.get_annotations(f"HEAD:{number}")[-1].origin for number in (3, 2)]


def test_the_words_of_what_somebody_else_hid_are_not_shown_below_supervisor() -> None:
    t = conversation()
    t.branch("before")
    t.user("my card is IV-XI")
    t.edit("HEAD:4", "my card is IV-XI II")
    secret = t.get_commit("HEAD:4").commit_hash
    t.annotate(secret, "skip", reason="a number of a credit card", origin="pii")
    t.user("and now?")

    for name, arguments in (
        ("compile", {}),
        ("log", {}),
        ("show", {"target": 4}),
        ("show", {"target": 4, "version": 0}),
        ("show", {"target": secret}),
        ("show", {"target": "HEAD~1"}),
        ("diff", {"a": "before"}),
        ("search", {"text": "IV-XI"}),
        ("search", {"text": "card"}),
        ("blame", {}),
        ("status", {}),
        ("health", {}),
    ):
        hidden = ToolExecutor(t).execute(name, arguments)
        assert "IV-XI" not in f"{hidden.output} {hidden.data}", name
        if name in ("compile", "show", "search", "diff"):
            shown = ToolExecutor(t, profile="supervisor").execute(name, arguments)
            assert "IV-XI" in shown.output, name
    t.annotate(secret, "normal")
    assert "IV-XI" in ToolExecutor(t).execute("show", {"target": 4}).output


@pytest.mark.parametrize("origin", ["tool", "health", "orchestrator"])
def test_what_was_hidden_for_its_tokens_a_model_may_read_and_show_again(origin: str) -> None:
    t = conversation()
    t.annotate("HEAD:2", "skip", origin=origin)
    run = ToolExecutor(t)

    assert "one two three" in run.execute("show", {"target": 2}).output
    assert run.execute("annotate", {"target": [2], "priority": "normal"}).proposal_id is None
    assert "one two three" in texts(t)


# Hostile arguments

WORDS = [
    "",
    " ",
    "HEAD",
    "HEAD:1",
    "HEAD:0",
    "HEAD~9",
    "main",
    "main@{1}",
    "..",
    "a..b",
    "^HEAD",
    "-",
    "@",
    "other::HEAD",
]
WORDS += [
    "refs/heads/main",
    "ORIG_HEAD",
    "x" * 5000,
    "\ud800",
    "\x00\x1b[2J",
    "skip",
    "pinned",
    "normal",
    "user",
    "true",
]
WORDS += ["1", "007", "9" * 40, "-1", "1e9", "system", "../../etc/passwd", "full_clone", "theirs", "hard", "ours", "{}"]


def junk(rng: random.Random, depth: int = 0) -> Any:
    match rng.randrange(12 if depth < 3 else 8):
        case 0:
            return None
        case 1:
            return rng.choice([True, False])
        case 2:
            return rng.choice([0, 1, 2, 3, 4, -1, 10**30, 2**63])
        case 3:
            return rng.choice([0.5, 1.0, float("inf"), float("nan"), 1e300])
        case 4 | 5 | 6 | 7:
            return rng.choice(WORDS)
        case 8 | 9:
            return [junk(rng, depth + 1) for _ in range(rng.randrange(4))]
        case _:
            return {rng.choice(WORDS)[:40]: junk(rng, depth + 1) for _ in range(rng.randrange(3))}


def plausible(rng: random.Random, one: Argument) -> Any:
    """A value that may do."""
    if one.choices:
        return rng.choice(one.choices)
    sample: dict[str, Any] = {"integer": rng.randrange(5), "boolean": rng.random() < 0.5}
    address = rng.choice([1, 2, "3", "HEAD:4", "HEAD", "HEAD~1", "main", "aside"])
    sample |= {"message": address, "revision": address, "messages": [address, rng.randrange(1, 6)]}
    return sample.get(one.type, rng.choice(["aside", "main", "words", "b"]))


def hostile(rng: random.Random, operation: Operation) -> Any:
    """Arguments that are nearly right, or not at all."""
    if rng.random() < 0.1:
        return junk(rng)
    arguments: dict[str, Any] = {}
    for one in operation.arguments:
        if one.required or rng.random() < 0.4:
            arguments[one.name] = plausible(rng, one) if rng.random() < 0.7 else junk(rng)
    if rng.random() < 0.1:
        arguments[rng.choice(WORDS)[:30]] = junk(rng)
    return arguments if rng.random() < 0.9 else json.dumps(arguments)


@pytest.mark.parametrize("profile", ["self", "full"])
def test_no_arguments_raise_loop_or_cost_a_model_its_instructions(profile: Any) -> None:
    rng = random.Random(17)
    done = 0
    for round in range(12):
        t = conversation()
        t.annotate("HEAD:2", "pinned")
        t.commit(call("c1"))
        t.tool_result("c1", "done")
        run = executor(t, profile)
        for operation in operations():
            for _ in range(3):
                result = run.execute(operation.name, hostile(rng, operation))
                assert result.success is (result.error is None), (round, operation.name)
                assert "failed inside tract" not in str(result.error), (round, operation.name, result.error)
                json.dumps(result.data)
                done += result.success
        if profile == "self":
            kept = [one for one in t.messages() if one.is_protected and not one.is_hidden]
            assert "be terse" == kept[0].text
            assert t.current_branch != "main" or "one two three" in [one.text for one in kept]
    assert done > 150


def test_every_operation_can_be_called_with_what_its_schema_says() -> None:
    for operation in operations():
        schema = operation.parameters["properties"]
        for name, shape in schema.items():
            sample = {"string": "x", "integer": 1, "boolean": True, "array": ["1"]}[shape["type"]]
            argument = next(one for one in operation.arguments if one.name == name)
            argument.read(shape["enum"][0] if "enum" in shape else sample)
