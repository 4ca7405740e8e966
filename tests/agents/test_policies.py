from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import runner
from tests.making import make_tract, texts
from tract import Action, Decision, Proposal, Tract
from tract.agents.policies import register_policy_class
from tract.errors import PolicyConfigError, PolicyWarning
from tract.history.state import write_state


@dataclass
class Skip:
    """Hides messages that have *word* in them."""

    word: str = "bad"
    name: str = "skip"
    priority: int = 10
    trigger: str = "commit"

    def evaluate(self, tract: Tract) -> Action | None:
        for one in tract.messages():
            if self.word in one.text and one.priority == "normal":
                return Action("annotate", {"target": [one.commit_hash], "priority": "skip"}, f"it says {self.word}")
        return None


class Wants:
    """Wants what it was given, whenever it is asked."""

    def __init__(self, wanted: Any, name: str = "wants", trigger: str = "commit", priority: int = 10) -> None:
        self.name, self.trigger, self.priority, self.wanted = name, trigger, priority, wanted
        self.asked = 0

    def evaluate(self, tract: Tract) -> Any:
        self.asked += 1
        return self.wanted(tract) if callable(self.wanted) else self.wanted


@dataclass
class Counting:
    """Counts how often it is asked, over all handles."""

    name: str
    trigger: str = "commit"
    priority: int = 10

    asked = 0

    def evaluate(self, tract: Tract) -> None:
        type(self).asked += tract.head is not None


class CountingCompiles(Counting):
    asked = 0


def outcomes(t: Tract) -> list[tuple[str, str]]:
    return [(one.policy, one.outcome) for one in reversed(t.policy_log())]


def test_what_a_policy_wants_is_done_and_logged_and_it_is_asked_again() -> None:
    t = make_tract()
    t.configure_policies([Skip()])

    t.extend([{"role": "user", "content": text} for text in ("bad 1", "good", "bad 2")])

    assert [one.outcome for one in t.last_firing()] == ["executed"] * 2
    assert texts(t) == ["good"]
    assert outcomes(t) == [("skip", "executed")] * 2
    assert t.policy_log()[0].reason == "it says bad"


def test_a_batch_is_looked_at_once_at_its_end() -> None:
    t = make_tract()
    policy = Wants(None)
    t.configure_policies([policy])

    with t.batch():
        t.user("a")
        t.user("b")
        assert policy.asked == 0

    assert policy.asked == 1


@pytest.mark.parametrize(
    "look",
    [
        lambda t: t.status(),
        lambda t: t.log(),
        lambda t: t.messages(),
        lambda t: t.compile(at_commit="HEAD"),
        lambda t: t.compile(notes="then"),
        lambda t: t.compile(policies=False),
        lambda t: t.prefix_change("HEAD"),
        lambda t: t.diff("HEAD"),
        lambda t: t.proposals(),
    ],
)
def test_who_looks_fires_nothing(look: Any) -> None:
    t = make_tract("a")
    policies = [Wants(None, "one"), Wants(None, "two", "compile")]
    t.configure_policies(policies)

    look(t)

    assert [policy.asked for policy in policies] == [0, 0]


def test_compile_asks_the_policies_of_compile_and_those_of_commits_that_were_not_asked(tmp_path: Path) -> None:
    with make_tract("a", path=tmp_path) as t, make_tract(path=tmp_path) as other:
        t.configure_policies([Counting("one"), CountingCompiles("two", "compile")])
        t.compile()
        t.compile()
        assert (Counting.asked, CountingCompiles.asked) == (1, 2)

        other.pause_policies()
        other.user("b")
        other.resume_policies()
        t.compile()

        assert (Counting.asked, CountingCompiles.asked) == (2, 3)


def test_policies_are_asked_in_order_of_priority() -> None:
    t = make_tract()
    order: list[str] = []
    t.configure_policies(
        [Wants(lambda _: order.append("late"), "late", priority=20), Wants(lambda _: order.append("early"), "early")]
    )

    t.user("a")

    assert order == ["early", "late"]


def test_autonomy_says_what_runs_and_is_changed_in_one_call() -> None:
    t = make_tract("a", "b", "c")
    compress = Wants(
        lambda t: Action("compress", {"content": "s", "keep_recent": 1}) if len(t.messages()) > 3 else None
    )
    t.configure_policies([Skip(), compress])

    t.user("bad")
    assert outcomes(t) == [("skip", "executed"), ("wants", "proposed")]

    t.configure_policies(autonomy="manual")
    t.user("bad 2")
    assert outcomes(t)[2:] == [("skip", "proposed")]

    t.configure_policies(autonomy="autonomous")
    t.user("d")
    assert outcomes(t)[3:] == [("wants", "executed")]
    assert texts(t) == ["s", "d"]


def test_what_waits_or_was_rejected_is_not_proposed_again() -> None:
    t = make_tract("a", "b", "c")
    t.configure_policies([Wants(Action("compress", {"content": "s", "keep_recent": 1}))])

    t.user("d")
    t.user("e")
    assert len(t.proposals("all")) == 1

    t.reject_proposal()
    t.user("f")
    assert len(t.proposals("all")) == 1


def test_a_stale_proposal_makes_room_for_a_new_one() -> None:
    t = make_tract("a", "b", "c")
    t.configure_policies([Wants(Action("compress", {"content": "s", "keep_recent": 1}))])
    t.user("d")

    t.edit("HEAD:1", "other")

    assert [one.status for one in t.proposals("all")] == ["pending", "stale"]


def raises(_: Tract) -> None:
    raise ZeroDivisionError("oh")


def commits(t: Tract) -> None:
    t.user("inside")


def ends(_: Tract) -> None:
    raise SystemExit(3)


def is_cancelled(_: Tract) -> None:
    raise asyncio.CancelledError("inside")


class WordlessError(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


def raises_without_words(_: Tract) -> None:
    raise WordlessError


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (raises, "ZeroDivisionError: oh"),
        ("nonsense", "it gave a str, not an Action"),
        (Action("fly"), "there is no operation 'fly'"),
        (Action("annotate", {"target": ["HEAD:1"], "priority": "loud"}), "argument 'priority' must be one of"),
        (Action("annotate", {"target": ["HEAD:9"], "priority": "skip"}), "HEAD:9"),
        (commits, "tried to change the tract while it looked"),
        (ends, "it tried to end the program: SystemExit: 3"),
        (is_cancelled, "CancelledError: inside"),
        (raises_without_words, "WordlessError"),
        (Action("annotate", None), "the arguments of its action are a NoneType, not a map"),  # type: ignore[arg-type]
        (Action("annotate", {"target": object()}), "the arguments of its action are not JSON"),
        (Action("annotate", autonomy="god"), "unknown autonomy 'god'"),  # type: ignore[arg-type]
        (Action("annotate", reason=b"no text"), "the reason of its action is a bytes, not text"),  # type: ignore[arg-type]
    ],
)
def test_what_fails_is_told_and_the_commit_stands(wanted: Any, error: str) -> None:
    t = make_tract()
    t.configure_policies([Wants(wanted)])

    with pytest.warns(PolicyWarning, match="policy 'wants': "):
        t.user("a")
    t.user("b")
    t.user("c")

    assert texts(t) == ["a", "b", "c"]
    assert outcomes(t) == [("wants", "error")]
    assert error in str(t.policy_log()[0].error)


def test_an_evaluate_that_never_ends_is_left_behind() -> None:
    t = make_tract()
    stop = threading.Event()
    t.configure_policies([Wants(lambda _: stop.wait(10))], max_seconds=0.05)

    with pytest.warns(PolicyWarning, match=r"did not end within 0.05 s"):
        t.user("a")

    stop.set()
    assert texts(t, policies=False) == ["a"]


def test_a_policy_that_wants_for_ever_is_stopped() -> None:
    t = make_tract("a")
    tags = iter(range(1000))
    t.configure_policies(
        [Wants(lambda _: Action("edit", {"target": "HEAD:1", "content": f"word {next(tags)}"}))], autonomy="autonomous"
    )

    with pytest.warns(PolicyWarning, match="wanted more than 100 actions"):
        t.user("b")

    assert len(t.policy_log(limit=None)) == 101


def test_an_action_that_changes_nothing_is_done_once_for_one_state() -> None:
    t = make_tract("a")
    t.configure_policies([Wants(Action("tag", {"name": "x", "target": "HEAD~0"}))])

    t.user("b")

    assert outcomes(t) == [("wants", "executed")]


@pytest.mark.parametrize(
    ("policy", "error"),
    [
        (object(), "a policy needs a name"),
        (Wants(None, name=""), "a policy needs a name"),
        (Wants(None, trigger="always"), "its trigger must be commit or compile, not 'always'"),
        (Wants(None, priority="high"), "its priority must be a whole number"),  # type: ignore[arg-type]
        (Skip(word=lambda: None), "parameter 'word' cannot be kept"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_policy_is_refused(policy: Any, error: str) -> None:
    with pytest.raises(PolicyConfigError, match=error):
        make_tract().configure_policies([policy])


def test_one_policy_alone_is_no_list_of_them() -> None:
    with pytest.raises(PolicyConfigError, match="policies must be a list of them, not a Skip"):
        make_tract().configure_policies(Skip())  # type: ignore[arg-type]


def test_names_are_unique() -> None:
    t = make_tract()
    with pytest.raises(PolicyConfigError, match="two policies are named 'skip'"):
        t.configure_policies([Skip(), Skip("other")])
    t.register_policy(Skip())
    with pytest.raises(PolicyConfigError, match="there is a policy named 'skip' already"):
        t.register_policy(Skip())


def test_policies_are_in_the_store_with_their_parameters_for_every_process_and_child(tmp_path: Path) -> None:
    with make_tract(path=tmp_path) as t:
        t.configure_policies([Skip("worse")], on_proposal=lambda _: None)
    with make_tract(path=tmp_path) as t:
        t.user("worse")
        assert texts(t) == []
        t.configure_policies(autonomy="manual")
        assert [one.parameters["word"] for one in t.policies()] == ["worse"]
        t.user("fine")
        child = t.spawn("look")
        child.user("worse still")
        assert [one.origin for one in child.proposals()] == ["skip"]
        assert t.proposals() == []


def test_a_change_by_one_process_holds_in_another_at_once(tmp_path: Path) -> None:
    with make_tract(path=tmp_path) as t, make_tract(path=tmp_path) as other:
        t.user("a")
        other.configure_policies([Skip()])
        t.user("bad")
        assert texts(t) == ["a"]
        other.configure_policies([])
        t.user("bad again")
        assert texts(t) == ["a", "bad again"]


def test_other_parameters_that_another_process_sets_hold_here_too(tmp_path: Path) -> None:
    with make_tract(path=tmp_path) as t, make_tract(path=tmp_path) as other:
        t.configure_policies([Skip("bad")])
        t.user("bad")
        other.configure_policies([Skip("worse")])
        t.user("bad again")
        t.user("worse")
        assert texts(t) == ["bad again"]


class Unknown(Skip):
    """Is not known to other processes."""


def test_a_class_that_is_not_known_here_is_told_and_where_it_is_required_nothing_is_committed(tmp_path: Path) -> None:
    with make_tract(path=tmp_path) as t:
        t.configure_policies([Unknown(name="u")])
    from tract.agents import policies

    policies._registered.pop("Unknown")
    with make_tract(path=tmp_path) as t:
        with pytest.warns(PolicyWarning, match="policy 'u': its class 'Unknown' is not registered here"):
            t.user("bad")
        assert [one.problem for one in t.policies()] == ["policy 'u': its class 'Unknown' is not registered here"]
        with pytest.warns(PolicyWarning):
            t.configure_policies(required=True)
        with pytest.raises(PolicyConfigError, match="and it is required"):
            t.user("more")
        with pytest.raises(PolicyConfigError, match="and it is required"):
            t.compile()
        assert len(t.messages()) == 1
        register_policy_class("Unknown", Unknown)
    with make_tract(path=tmp_path) as t:
        t.user("more")


def test_a_store_that_names_a_class_of_the_system_s_runs_nothing(tmp_path: Path) -> None:
    from dataclasses import replace

    from tract.agents.policy_settings import AgentSettings, PolicySetting, write_settings

    with make_tract("a", path=tmp_path) as t:
        kept = PolicySetting("x", "os:system", {"command": "true"})
        write_settings(t.repository, replace(AgentSettings(), policies=(kept,)))
        with pytest.warns(PolicyWarning, match="'os:system' is not registered here"):
            t.user("b")


def test_what_came_from_another_store_is_off_until_it_is_trusted(tmp_path: Path) -> None:
    with make_tract("a", path=tmp_path / "one") as t:
        t.configure_policies([Skip()], autonomy="autonomous")
    make_tract(path=tmp_path / "two").close()
    stream = runner(tmp_path / "one")("fast-export").out
    assert runner(tmp_path / "two")("fast-import", "--force", stdin=stream).status == 0

    with make_tract(path=tmp_path / "two") as t:
        t.user("bad")
        assert texts(t)[-1] == "bad"
        assert t.autonomy_in_force() == "collaborative"
        assert "came from another store" in str(t.policies()[0].problem)
        assert t.status().policies_state == "untrusted"
        assert "came from another store, and are off: 'tract policy trust'" in runner(tmp_path / "two")("status").out
        t.trust_policies()
        t.user("bad too")
        assert texts(t) == ["a"]
        assert t.autonomy_in_force() == "autonomous"


@pytest.mark.parametrize(
    ("decision", "status", "seen"),
    [
        (Decision("approve"), "executed", ["s", "d"]),
        (Decision("modify", {"content": "t"}, "shorter"), "executed", ["t", "d"]),
        (Decision("reject", reason="no"), "rejected", ["a", "b", "c", "d"]),
        (None, "pending", ["a", "b", "c", "d"]),
    ],
)
def test_a_callback_decides(decision: Decision | None, status: str, seen: list[str]) -> None:
    t = make_tract("a", "b", "c")
    asked: list[Proposal] = []
    policy = Wants(lambda t: Action("compress", {"content": "s", "keep_recent": 1}) if len(t.messages()) > 3 else None)
    t.configure_policies([policy], on_proposal=lambda one: (asked.append(one), decision)[1])

    t.user("d")

    assert texts(t) == seen
    assert [one.status for one in t.proposals("all")] == [status]
    assert [one.action.name for one in asked] == ["compress"]


@pytest.mark.parametrize(
    ("callback", "error"),
    [(raises, "ZeroDivisionError: oh"), (ends, "SystemExit: 3"), (is_cancelled, "CancelledError: ")],
)
def test_a_callback_that_raises_is_told_and_the_proposal_waits(callback: Any, error: str) -> None:
    t = make_tract("a", "b", "c")
    t.configure_policies([Wants(Action("compress", {"content": "s", "keep_recent": 1}))], on_proposal=callback)

    with pytest.warns(PolicyWarning, match=f"on_proposal: {error}"):
        t.user("d")

    assert len(t.proposals()) == 1


@pytest.mark.parametrize("decision", [Decision("modify"), Decision("approve", {"content": "t"})])
def test_a_decision_whose_arguments_do_not_fit_is_told_and_the_proposal_waits(decision: Decision) -> None:
    t = make_tract("a", "b", "c")
    wants = Wants(Action("compress", {"content": "s", "keep_recent": 1}))
    t.configure_policies([wants], on_proposal=lambda _: decision)

    with pytest.warns(PolicyWarning, match=f"a decision to {decision.action} "):
        t.user("d")

    assert [one.status for one in t.proposals("all")] == ["pending"]


def test_a_callback_may_answer_late_from_another_thread() -> None:
    t = make_tract("a", "b", "c")
    waiting: list[threading.Thread] = []

    def later(one: Proposal) -> None:
        waiting.append(threading.Thread(target=t.approve_proposal, args=(one.id,)))

    policy = Wants(lambda t: Action("compress", {"content": "s", "keep_recent": 1}) if len(t.messages()) > 3 else None)
    t.configure_policies([policy], on_proposal=later)
    t.user("d")
    t.user("e")
    waiting[0].start()
    waiting[0].join()

    assert texts(t) == ["s", "d", "e"]


def test_a_policy_that_did_something_cools_down(tmp_path: Path) -> None:
    with make_tract(path=tmp_path) as t:
        t.configure_policies([Skip()], cooldown_seconds=3600)
        t.user("bad")
        t.user("bad too")
        assert texts(t) == ["bad too"]
    with make_tract(path=tmp_path) as t:
        t.user("bad three")
        assert len(texts(t)) == 2
        t.configure_policies(cooldown_seconds=0)
        assert texts(t) == []


def test_a_model_is_never_waited_for_inside_a_commit() -> None:
    t = make_tract("word one two three four five six", "b", "c")
    asked: list[str] = []

    def model(_messages: Any, **_: Any) -> str:
        asked.append("model")
        return "word one"

    t.configure_llm(model)
    policy = Wants(lambda t: Action("compress", {"keep_recent": 1}) if len(t.messages()) > 3 else None)
    t.configure_policies([policy], autonomy="autonomous")

    t.user("d")
    assert asked == []
    assert len(t.compile()) == 2
    assert asked == ["model"]
    assert outcomes(t) == [("wants", "executed")]


def test_a_model_that_is_too_slow_is_not_waited_for() -> None:
    t = make_tract("word one two three four five six", "b", "c")
    stop = threading.Event()

    def model(_messages: Any, **_: Any) -> str:
        stop.wait(10)
        return "word"

    t.configure_llm(model)
    t.configure_policies(
        [Wants(Action("compress", {"keep_recent": 1}), trigger="compile")], autonomy="autonomous", max_seconds=0.1
    )

    with pytest.warns(PolicyWarning, match="did not end within"):
        assert len(t.compile()) == 3

    stop.set()
    time.sleep(0.05)
    assert len(t.compile(policies=False)) == 3


def test_nothing_fires_on_a_detached_head_or_during_a_merge() -> None:
    t = make_tract("a")
    policy = Wants(None)
    t.configure_policies([policy])
    t.checkout("HEAD~0")
    t.compile()
    t.switch("main")
    write_state(t.repository, "merge", {"source": "x", "conflicts": []})
    t.compile()
    assert policy.asked == 0


def test_the_same_policy_does_not_fire_inside_its_own_action() -> None:
    t = make_tract()
    depth: list[int] = []

    def edit_once(t: Tract) -> Action | None:
        depth.append(1)
        done = any(one.text == "edited" for one in t.messages())
        return None if done else Action("edit", {"target": "HEAD:1", "content": "edited"})

    t.configure_policies([Wants(edit_once)], autonomy="autonomous")
    t.user("a")

    assert texts(t, policies=False) == ["edited"]
    assert len(depth) == 2


def test_a_handle_that_did_not_see_what_others_said_is_still_told_after_a_firing(tmp_path: Path) -> None:
    from tract.errors import RefMovedError

    with make_tract("a", path=tmp_path) as t, make_tract(path=tmp_path, on_moved="append") as other:
        t.configure_policies([Skip()])
        t.compile()
        other.user("unseen bad")
        with pytest.raises(RefMovedError):
            t.assistant("answer")


def test_an_undo_takes_back_what_a_policy_did_and_the_log_stays() -> None:
    t = make_tract("a", "b", "c")
    policy = Wants(lambda t: Action("compress", {"content": "s", "keep_recent": 1}) if len(t.messages()) > 3 else None)
    t.configure_policies([policy], autonomy="autonomous")
    t.user("d")
    assert texts(t, policies=False) == ["s", "d"]

    t.undo()

    assert texts(t, policies=False) == ["a", "b", "c", "d"]
    assert outcomes(t) == [("wants", "executed")]


def test_what_a_policy_did_and_its_entry_are_one_operation() -> None:
    t = make_tract("a", "b", "c")
    policy = Wants(lambda t: Action("compress", {"content": "s", "keep_recent": 1}) if len(t.messages()) > 3 else None)
    t.configure_policies([policy], autonomy="autonomous")
    t.user("d")

    operations = [{change.name for change in one.changes} for _, one in t.repository.refs.history()]
    (firing,) = [names for names in operations if "refs/notes/policy-log" in names]
    assert {"refs/heads/main", "refs/notes/policy-log"} <= firing


class Cut(BaseException):
    """The process ends here."""


def test_a_firing_or_a_decision_that_does_not_land_has_not_happened() -> None:
    t = make_tract("a", "b", "c", "d")
    one = t.propose(Action("compress", {"content": "s", "keep_recent": 1}))

    original = t.repository.refs.land

    def land(edits: Any, **options: Any) -> Any:
        if options["reason"].startswith("compress"):
            raise Cut
        return original(edits, **options)

    t.repository.refs.land = land  # type: ignore[method-assign]
    with pytest.raises(Cut):
        t.approve_proposal(one.id)
    t.repository.refs.land = original  # type: ignore[method-assign]

    assert [p.status for p in t.proposals("all")] == ["pending"]
    assert len(texts(t)) == 4
    assert t.approve_proposal().status == "executed"
    operations = [{change.name for change in op.changes} for _, op in t.repository.refs.history()]
    assert any({"refs/heads/main", "refs/notes/proposals"} <= names for names in operations)
