"""Operations: an action by name and JSON arguments, checked and run."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.making import call, conversation, make_tract, texts
from tract import Action, ActionResult, Tract, operations
from tract.agents.operation_table import checked, execute, risk_of, settled
from tract.errors import ActionError, ClosedError, CommitNotFoundError


def run(t: Tract, name: str, /, **arguments: Any) -> ActionResult:
    return execute(t, Action(name, arguments))


def risk(t: Tract, name: str, /, **arguments: Any) -> str:
    return risk_of(t, checked(Action(name, arguments)))


def test_an_action_is_run_by_name_with_json_arguments() -> None:
    t = conversation()

    result = run(t, "commit", content="noted")

    assert result.success
    assert result.commit_hash == t.head
    assert ["be terse", "one two three", "four", "noted"] == texts(t)


@pytest.mark.parametrize("named", [2, "2", "HEAD:2", " 2 ", "id"])
def test_a_message_is_named_by_number_address_or_id(named: Any) -> None:
    t = conversation()
    target = t.get_commit("HEAD:2").commit_hash[:10] if named == "id" else named

    assert "one two three" in run(t, "show", target=target).text


def test_all_that_is_wrong_with_arguments_is_said_at_once_with_what_is_allowed() -> None:
    result = run(conversation(), "annotate", targets=[1], priority="pin")

    assert result.error is not None
    assert (
        "there is no argument 'targets'; 'target' may be meant; there are 'target', 'priority', 'reason'"
        in result.error
    )
    assert "argument 'target' is missing" in result.error
    assert "argument 'priority' must be one of 'skip', 'normal', 'pinned', not 'pin'" in result.error


def test_what_a_model_gets_nearly_right_is_taken() -> None:
    t = conversation()

    assert run(t, "log", limit="1", start=None).success
    assert run(t, "log", limit=1.0).success
    assert run(t, "annotate", target=2, priority="skip").success
    assert run(t, "branch", name="b", switch="true").success
    assert t.current_branch == "b"


def test_an_operation_that_is_not_there_is_an_error_that_names_those_that_are() -> None:
    result = run(conversation(), "delete_everything")

    assert result.error is not None
    assert result.error.startswith("there is no operation 'delete_everything'; there are status, health, log")


def test_nothing_reaches_another_tract() -> None:
    assert "cannot name another tract" in str(run(conversation(), "show", target="other::HEAD").error)


def test_an_error_of_the_operation_is_a_value_and_nothing_happened() -> None:
    t = conversation()
    head = t.head

    assert "there is no branch 'nowhere'" in str(run(t, "switch", name="nowhere").error)
    assert head == t.head


def test_a_closed_handle_raises() -> None:
    t = conversation()
    t.close()

    with pytest.raises(ClosedError):
        run(t, "status")


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("status", {}, "read"),
        ("commit", {"content": "a"}, "low"),
        ("commit", {"content": "a", "role": "user"}, "high"),
        ("annotate", {"target": 1, "priority": "pinned"}, "low"),
        ("annotate", {"target": 2, "priority": "skip"}, "low"),
        ("annotate", {"target": 1, "priority": "skip"}, "high"),
        ("annotate", {"target": [2, 1], "priority": "normal"}, "high"),
        ("annotate", {"target": 4, "priority": "normal"}, "high"),
        ("tag", {"name": "a"}, "low"),
        ("edit", {"target": 2, "content": "b"}, "high"),
        ("branch", {"name": "b"}, "high"),
        ("compress", {}, "high"),
    ],
)
def test_the_risk_depends_on_arguments_and_what_they_touch(name: str, arguments: dict[str, Any], expected: str) -> None:
    t = conversation()
    t.user("five")
    t.annotate("HEAD:4", "skip")

    assert expected == risk(t, name, **arguments)


def test_a_settled_action_means_the_same_messages_when_others_came_before_them() -> None:
    t = conversation()
    action = settled(t, Action("annotate", {"target": ["3"], "priority": "skip"}))
    t.compress(commits=["HEAD:2"], content="s")
    t.reorder(["HEAD:3"], before="HEAD:1")

    execute(t, action)

    assert ["four"] == [one.text for one in t.messages() if one.is_hidden]


def test_a_settled_action_must_name_what_is_there() -> None:
    with pytest.raises(CommitNotFoundError):
        settled(conversation(), Action("show", {"target": 9}))


def test_profiles_grow_and_an_unknown_one_is_an_error() -> None:
    names = [{one.name for one in operations(profile)} for profile in ("read", "self", "supervisor", "full")]

    assert all(less <= more for less, more in pairwise(names))
    with pytest.raises(ActionError, match="unknown profile 'all'"):
        operations("all")  # type: ignore[arg-type]


def test_every_operation_is_whole() -> None:
    for one in operations():
        assert one.summary.endswith("."), one.name
        assert one.parameters["additionalProperties"] is False
        assert repr(one).startswith(f"Operation({one.name}("), one.name
        assert (one.risk_of is None) == (one.riskier == ""), one.name


def test_messages_say_what_each_is() -> None:
    t = conversation()
    t.commit(call("c1"))
    t.tool_result("c1", "done")
    t.annotate("HEAD:2", "skip")

    found = t.messages()

    assert ["instruction", "user", "answer", "tool_call", "tool_result"] == [one.kind for one in found]
    assert [1, 2, 3, 4, 5] == [one.number for one in found]
    assert [("pinned",), ("skip",), (), (), ()] == [one.marks for one in found]
    assert ("f",) == found[3].tools
    assert found[2:4] == t.messages(start=3, count=2)
    assert found[4:5] == t.messages(only=["HEAD:5"])
    assert [] == make_tract().messages()
