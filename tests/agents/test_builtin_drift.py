from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.making import make_tract, texts
from tract import BranchPolicy, Tract
from tract.errors import PolicyConfigError

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
AIRLINE = "sierra-research+tau-bench/historical_trajectories/gpt-4o-airline.json"

FLIGHTS = [
    "flight",
    "reservation",
    "passenger",
    "economy",
    "ticket",
    "cabin",
    "baggage",
    "airport",
    "departure",
    "arrival",
    "refund",
    "certificate",
    "insurance",
    "membership",
    "gold",
    "silver",
    "upgrade",
    "airline",
    "seat",
    "boarding",
    "connection",
    "layover",
]
NAMING = [
    "variable",
    "naming",
    "camel",
    "snake",
    "convention",
    "identifier",
    "function",
    "module",
    "prefix",
    "suffix",
    "abbreviation",
    "readability",
    "linter",
    "style",
    "guide",
    "plural",
    "singular",
    "acronym",
    "uppercase",
    "lowercase",
    "constant",
]


def say(t: Tract, vocabulary: list[str], count: int, seed: int = 1) -> None:
    chance = random.Random(seed)
    for number in range(count):
        text = " ".join(chance.choices(vocabulary, k=14))
        (t.user if number % 2 == 0 else t.assistant)(text)


def make(**options: Any) -> Tract:
    t = make_tract(verify_cache=False)
    t.configure_policies([BranchPolicy(**options)], autonomy="autonomous")
    return t


def test_a_tangent_gets_a_branch_of_its_own_and_main_is_as_before() -> None:
    t = make()
    say(t, FLIGHTS, 20)
    before = texts(t, policies=False)
    say(t, NAMING, 10)

    assert str(t.current_branch).startswith("tangent/")
    assert len(texts(t, policies=False)) == 30
    (entry,) = t.policy_log()
    assert (entry.outcome, entry.action and entry.action.name) == ("executed", "divert")
    t.switch("main")
    assert texts(t, policies=False) == before


def test_there_is_one_tangent_at_a_time_and_head_is_back_when_it_was_merged() -> None:
    t = make()
    say(t, FLIGHTS, 20)
    say(t, NAMING, 10)
    tangent = t.current_branch
    say(t, FLIGHTS, 12)
    assert t.current_branch == tangent

    other = Tract(t._for_branch("main")._repo, tokenizer=t._own.blobs.counter, lock=t._lock)
    other.merge(str(tangent))
    t.assistant("on the tangent") if t.current_branch != tangent else t.compile()

    assert t.current_branch == "main"
    assert t.policy_log()[0].reason == f"'{tangent}' was merged into 'main'"


def test_collaboratively_a_tangent_is_proposed_once() -> None:
    t = make()
    t.configure_policies(autonomy="collaborative")
    say(t, FLIGHTS, 20)
    say(t, NAMING, 12)

    (one,) = t.proposals()
    assert (t.current_branch, one.action.name) == ("main", "divert")
    t.approve_proposal()
    assert str(t.current_branch).startswith("tangent/")


def test_a_measure_of_one_s_own_takes_the_place_of_the_words() -> None:
    t = make(measure=lambda before, _: float(len(before) > 12))
    say(t, FLIGHTS, 24)
    assert str(t.current_branch).startswith("tangent/")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"window": 1}, "window must be a whole number from 2 on"),
        ({"ignore": ("noise",)}, "unknown kind of message 'noise'"),
        ({"prefix": "..x/"}, "cannot begin the name of a branch"),
        ({"measure": 3}, "measure must be callable"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], error: str) -> None:
    with pytest.raises(PolicyConfigError, match=error):
        BranchPolicy(**options)


@pytest.mark.skipif(not (CORPUS / AIRLINE).exists(), reason="needs the corpus")
def test_real_conversations_that_keep_to_their_subject_stay_on_their_branch() -> None:
    talks = [one["traj"] for one in json.loads((CORPUS / AIRLINE).read_text()) if len(one["traj"]) >= 24]

    branched = 0
    for talk in talks[:6]:
        t = make()
        t.extend(talk[:30])
        branched += t.current_branch != "main"

    assert branched == 0


def test_a_drift_is_found_behind_a_compression_too() -> None:
    t = make()
    say(t, FLIGHTS, 40)
    t.compress(content="Flights were talked about.", keep_recent=14)
    say(t, NAMING, 10)

    assert str(t.current_branch).startswith("tangent/")


def test_head_goes_back_to_the_branch_that_the_tangent_left() -> None:
    t = make()
    say(t, FLIGHTS, 4)
    t.switch("feature", create=True)
    say(t, FLIGHTS, 16)
    say(t, NAMING, 10)
    tangent = str(t.current_branch)

    t.switch("feature")
    t.merge(tangent)
    t.switch(tangent)
    t.compile()

    assert t.current_branch == "feature"
