from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.making import call, make_tract, texts
from tract import CompressPolicy, SessionContent, Tract, TractConfig
from tract.errors import PolicyConfigError, PolicyWarning

pytestmark = pytest.mark.filterwarnings("ignore::tract.errors.BudgetWarning")


def make(budget: int = 200, *, autonomy: Any = "autonomous", path: Any = ":memory:", **options: Any) -> Tract:
    t = make_tract(path=path, config=TractConfig(author="tester", token_budget=budget))
    t.configure_policies([CompressPolicy(**options)], autonomy=autonomy)
    return t


def fill(t: Tract, count: int, words: int = 6) -> None:
    for number in range(count):
        t.user(f"question {number} " + "word " * (words - 2))
        t.assistant(f"answer {number} " + "word " * (words - 2))


def test_at_the_threshold_the_oldest_go_and_a_note_says_what_went() -> None:
    t = make()
    t.system("be brief")

    fill(t, 10)

    assert t.status().token_count < 160
    assert texts(t, policies=False)[0] == "be brief"
    assert "messages left out here, summed up by rule" in texts(t, policies=False)[1]
    assert texts(t, policies=False)[-1].startswith("answer 9")
    assert [one.outcome for one in t.policy_log()] == ["executed"]
    assert "the context has 16" in t.policy_log()[0].reason


def test_tool_outputs_go_first_pins_sessions_open_calls_and_the_last_request_stay() -> None:
    t = make(1000, keep_recent=4)
    t.pause_policies()
    t.user("pinned words " * 5)
    t.annotate("HEAD", "pinned")
    t.user("an early question")
    for number in range(8):
        t.commit(call(f"c{number}"))
        t.tool_result(f"c{number}", "output " * 100)
    t.commit(SessionContent("checkpoint", "so far", ["use S3"]))
    t.user("the last request")
    for number in range(8, 11):
        t.commit(call(f"c{number}"))
        t.tool_result(f"c{number}", "output " * 100)
    t.commit(call("open"))
    t.resume_policies()

    seen = texts(t)

    assert t.status().token_count < 550
    assert {"an early question", "the last request", "pinned words " * 5} <= {str(text) for text in seen}
    assert any("use S3" in str(text) for text in seen)
    assert t.status().open_calls[0].call_id == "open"
    assert "8 tool calls with their results go" in t.policy_log()[0].reason


def test_it_is_done_again_and_again_and_the_budget_is_never_passed_after_it() -> None:
    t = make(200)
    t.system("be brief")

    for number in range(40):
        t.user(f"question {number} word word word")
        t.assistant(f"answer {number} word word word")
        assert t.status().token_count <= 200

    assert len([one for one in t.policy_log(limit=None) if one.outcome == "executed"]) > 3


def test_a_given_summary_is_taken() -> None:
    t = make(summary="what was said", keep_recent=4)
    fill(t, 10)
    assert "what was said" in texts(t, policies=False)


def test_a_model_is_asked_by_the_next_compile() -> None:
    t = make()
    asked: list[Any] = []

    def model(messages: Any, **_: Any) -> str:
        asked.append(messages)
        return "question and answer word"

    t.configure_llm(model)
    fill(t, 9)
    assert asked == []
    seen = texts(t)
    assert len(asked) == 1
    assert "question and answer word" in seen
    assert t.status().token_count < 160


def test_a_model_s_summary_that_has_nothing_of_its_source_waits_and_they_do_not_pile_up() -> None:
    t = make_tract(config=TractConfig(author="tester", token_budget=300))
    asked: list[Any] = []

    def model(messages: Any, **_: Any) -> str:
        asked.append(messages)
        return "I'm happy to answer any question."

    t.configure_llm(model)
    t.configure_policies([CompressPolicy(0.8)], autonomy="autonomous")

    for number in range(30, 80):
        t.user(f"flight {number} to Lisbon leaves at {number}:30 from gate B{number} as AB{number}99")
        t.compile()

    assert len(t.messages()) == 50
    (one,) = t.proposals()
    assert (one.origin, one.reasoning) == (
        "compress",
        "the summary is unfit: it has nothing of the messages it replaces",
    )
    newest, before = t.policy_log()  # half of what is older now waited already, and took no new summary
    assert (newest.outcome, newest.proposal_id, newest.proposal_status) == ("proposed", one.id, "pending")
    assert "it waits as compression" in newest.reason
    assert (before.outcome, before.proposal_status) == ("proposed", None)
    assert len(asked) == 2


def test_a_summary_that_waits_stands_beside_a_pin_and_no_longer_once_its_source_is_edited() -> None:
    t = make_tract(config=TractConfig(author="tester", token_budget=300))
    said: list[str] = []

    def model(*_: Any, **__: Any) -> str:
        said.append("I'm happy to answer any question.")
        return said[-1]

    t.configure_llm(model)
    t.configure_policies([CompressPolicy(0.8)], autonomy="autonomous")

    def fly(number: int) -> None:
        t.user(f"flight {number} to Lisbon leaves at {number}:30 from gate B{number} as AB{number}99")
        if number == 31:
            t.annotate("HEAD", "pinned")
        t.compile()

    numbers = iter(range(30, 60))
    while not said:
        fly(next(numbers))
    (one,) = t.proposals()
    fly(next(numbers))
    assert len(said) == 1

    t.edit(one.about[0].commit, "flight 30 is cancelled")
    fly(next(numbers))

    assert len(said) == 2
    assert [entry.outcome for entry in t.policy_log()] == ["proposed", "proposed"]


def test_where_it_cannot_get_under_it_says_so_once_and_changes_nothing() -> None:
    t = make(60)
    t.system("word " * 60)
    for _ in range(4):
        t.user("word")

    assert len(t.messages()) == 5
    assert [one.outcome for one in t.policy_log()] == ["skipped"]
    assert "at most 0 tokens can be removed" in t.policy_log()[0].reason


def test_a_threshold_without_a_budget_is_an_error_that_is_told_once() -> None:
    t = make_tract()
    t.configure_policies([CompressPolicy()])
    with pytest.warns(PolicyWarning, match="a threshold needs a token budget, and the tract has none"):
        t.user("a")
    t.user("b")
    assert [one.outcome for one in t.policy_log()] == ["error"]


def test_collaboratively_it_waits_and_manually_too() -> None:
    t = make(autonomy="collaborative")
    fill(t, 11)
    (one,) = t.proposals()
    assert one.origin == "compress"
    t.approve_proposal()
    assert t.status().token_count < 160


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"threshold": 0}, "threshold must be a share of the budget"),
        ({"threshold": 0.4}, "target 0.5 must be under the threshold 0.4"),
        ({"keep_recent": 0}, "keep_recent must be a whole number from 1 on"),
        ({"summary": " "}, "the summary must be a text that is not empty"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], error: str) -> None:
    with pytest.raises(PolicyConfigError, match=error):
        CompressPolicy(**options)


def test_the_parameters_are_kept(tmp_path: Path) -> None:
    make(path=tmp_path, target=0.3, keep_recent=4).close()
    with make_tract(path=tmp_path) as t:
        (one,) = t.policies()
        assert one.problem is None
        assert (one.parameters["target"], one.parameters["keep_recent"]) == (0.3, 4)


def test_a_note_by_rule_tells_of_the_messages_of_the_range_that_was_approved() -> None:
    t = Tract.open(":memory:", config=TractConfig(token_budget=1000))
    t.configure_policies([CompressPolicy(0.8)])
    for at in range(10):
        t.user(f"question {at} " + "word " * 60)
        t.assistant(f"answer {at} " + "blah " * 60)
    proposal = t.proposals()[-1]

    t.approve_proposal(proposal.id, arguments={"to_commit": "HEAD:3"})

    note = t.messages()[0].text
    assert note.startswith("[3 messages left out here")
    assert "question 1" in note
    assert "question 2" not in note
