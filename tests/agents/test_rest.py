"""Policies of tract's own are not asked while they want nothing, and nobody can tell."""

from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass
from typing import Any

import pytest

from tests.making import make_tract
from tract import (
    Action,
    ArchivePolicy,
    BranchPolicy,
    Calm,
    CompressPolicy,
    DialogueContent,
    InstructionContent,
    PinPolicy,
    SessionContent,
    Tract,
    TractConfig,
)
from tract.errors import PolicyWarning

SUBJECTS = [[f"{number}{letter}{other}about" for letter in "abcd" for other in "xyz"] for number in "pqr"]
"""Words of three subjects, none in common."""


@dataclass
class SeesNew:
    """Pins what says so, of what came since it was asked."""

    name: str = "sees new"
    priority: int = 50
    trigger: str = "commit"

    def evaluate(self, tract: Tract) -> Action | None:
        found = [one.commit_hash for one in tract.new_messages() if "pin me" in one.text and one.priority == "normal"]
        return Action("annotate", {"target": found, "priority": "pinned"}, "it says so") if found else None


def script(seed: int, length: int) -> list[tuple[str, Any]]:
    """What somebody does, one after the other."""
    chance = random.Random(seed)
    subject, steps = 0, [("say", (0, "hello"))]
    for number in range(1, length):
        if chance.random() < 0.03:
            subject = chance.randrange(len(SUBJECTS))
        text = " ".join(chance.choices(SUBJECTS[subject], k=chance.randint(3, 20)))
        what = chance.choices(
            ["say", "instruct", "session", "extend", "skip", "edit", "call", "pin me", "merge"],
            [30, 1, 1, 2, 1, 1, 2, 1, 1],
        )[0]
        steps.append((what, (number, text)))
    return steps


def act(t: Tract, what: str, number: int, text: str, *, alone: bool) -> None:
    """One step; *alone*: each message in a batch of its own, for which every policy is asked."""
    role = "user" if number % 2 else "assistant"
    contents: dict[str, Any] = {
        "say": DialogueContent(role, text),  # type: ignore[arg-type]
        "pin me": {"role": role, "content": f"pin me {text}"},
        "instruct": InstructionContent(text),
        "session": SessionContent("start", summary=text),
        "call": {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": f"c{number}", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
    }
    if what in contents and alone:
        with t.batch():
            t.commit(contents[what])
    elif what in contents:
        t.commit(contents[what])
    elif what == "extend":
        t.extend([{"role": "user", "content": f"{text} {at}"} for at in range(3)])
    elif what == "skip":
        t.annotate(t.messages()[-1].commit_hash, "skip")
    elif what == "edit":
        t.edit(t.messages()[0].commit_hash, f"edited {text}")
    elif t.current_branch is not None and t.current_branch.startswith("tangent/"):
        tangent = t.current_branch
        t.switch("main")
        t.merge(tangent)


def told(t: Tract, limit: int | None) -> list[Any]:
    log = [
        (one.policy, one.outcome, one.reason, one.branch, one.action and one.action.name)
        for one in t.policy_log(limit=limit)
    ]
    return [[None if one is None else re.sub("[0-9a-f]{10}", "…", one) for one in entry] for entry in log]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("own", [False, True])
def test_what_policies_do_is_the_same_as_if_all_were_asked_about_every_message(seed: int, own: bool) -> None:
    made = []
    for _ in range(2):
        policies: list[Any] = [CompressPolicy(0.8, target=0.4), PinPolicy(), BranchPolicy(), ArchivePolicy()]
        t = make_tract(verify_cache=False, config=TractConfig(token_budget=1500))
        t.configure_policies([*policies, *([SeesNew()] if own else [])], autonomy="autonomous")
        made.append(t)
    rested, asked = made
    for what, (number, text) in script(seed, 120):
        act(rested, what, number, text, alone=False)
        act(asked, what, number, text, alone=True)

        assert told(rested, 3) == told(asked, 3), (number, what)
        assert [(one.kind, one.text, one.priority) for one in rested.messages()] == [
            (one.kind, one.text, one.priority) for one in asked.messages()
        ]
    assert told(rested, None) == told(asked, None)
    assert "compress" in {one.action.name for one in rested.policy_log(limit=None) if one.action}


def test_a_policy_before_a_compile_sees_what_policies_after_commits_have_seen_already() -> None:
    t = make_tract()
    t.configure_policies([PinPolicy(), SeesNew(trigger="compile")], autonomy="autonomous")
    t.user("pin me")
    t.user("another")

    t.compile()

    assert [one.excerpt for one in t.pinned()] == ["pin me"]


def test_a_policy_that_came_later_sees_the_whole_context_once() -> None:
    t = make_tract()
    t.configure_policies([PinPolicy()], autonomy="autonomous")
    t.user("pin me")

    t.register_policy(SeesNew())
    t.user("another")

    assert [one.excerpt for one in t.pinned()] == ["pin me"]


def test_a_message_of_another_handle_is_asked_about(tmp_path: Any) -> None:
    with Tract.open(tmp_path / "s") as t, Tract.open(tmp_path / "s") as other:
        t.configure_policies([PinPolicy(), SeesNew()], autonomy="autonomous")
        t.user("first")
        other.pause_policies()
        other.user("pin me")
        t.resume_policies()
        t.switch("main")
        t.user("last")

        assert [one.excerpt for one in t.pinned()] == ["pin me"]


# Policies of one's own


@dataclass
class Patient:
    """Wants nothing, and gives what *calm* has for how long."""

    calms: Any = None
    name: str = "patient"
    priority: int = 50
    trigger: str = "commit"

    def __post_init__(self) -> None:
        self.seen: list[list[str]] = []
        self.parameters: dict[str, Any] = {}

    def evaluate(self, tract: Tract) -> Action | None:
        self.seen.append([one.text for one in tract.new_messages()])
        return None

    def calm(self) -> Any:
        return self.calms() if callable(self.calms) else self.calms


def test_a_policy_of_one_s_own_is_asked_when_it_said_and_sees_all_that_came() -> None:
    t, policy = make_tract("begin"), Patient(Calm(messages=3))
    t.configure_policies([policy])

    for number in range(8):
        t.user(str(number))

    assert policy.seen == [["begin", "0"], ["1", "2", "3"], ["4", "5", "6"]]


def test_a_policy_of_one_s_own_that_is_calm_is_asked_about_what_is_no_plain_message() -> None:
    t, policy = make_tract(), Patient(Calm())
    t.configure_policies([policy])
    t.user("a")

    t.user("b")
    t.extend([{"role": "user", "content": "c"}])
    t.system("d")

    assert policy.seen == [["a"], ["b", "c"], ["d"]]


def test_a_calm_policy_does_not_keep_others_from_being_asked() -> None:
    t, policy, other = make_tract(), Patient(Calm()), Patient(None, "other")
    t.configure_policies([policy, other])

    for text in "abc":
        t.user(text)

    assert policy.seen == [["a"]]
    assert other.seen == [["a"], ["b"], ["c"]]


def raises() -> None:
    raise ZeroDivisionError("inside")


@pytest.mark.parametrize(
    ("calm", "error"),
    [
        (5, "its calm() gave a int, not a Calm"),
        (Calm(messages="many"), "not numbers"),  # type: ignore[arg-type]
        (Calm(tokens=float("nan")), "not numbers"),
        (raises, "ZeroDivisionError: inside"),
        (lambda: threading.Event().wait(5), "did not end within 0.05 s"),
    ],
)
def test_a_calm_that_says_nothing_is_told_and_the_commit_stands(calm: Any, error: str) -> None:
    t = make_tract()
    t.configure_policies([Patient(calm)], max_seconds=0.05)

    with pytest.warns(PolicyWarning):
        t.user("a")

    assert [one.text for one in t.messages()] == ["a"]
    assert error in str(t.policy_log()[0].error)
