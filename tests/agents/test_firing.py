"""When policies are asked, what they are asked with, and what stands of what they proposed."""

from __future__ import annotations

import json
import threading
import time
from collections import UserDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.agents.test_policies import Skip, Wants, outcomes
from tests.making import call, make_tract, texts
from tract import Action, PolicySkip, Tract
from tract.agents.limits import run_within
from tract.errors import PolicyConfigError, PolicyExecutionError, PolicyWarning, ReadOnlyError

SAID = [{"role": "user", "content": "bad"}, {"role": "assistant", "content": "good"}]


def imports(t: Tract, path: Path) -> None:
    file = path / "said.json"
    file.write_text(json.dumps(SAID))
    t.import_transcript(file)


@pytest.mark.parametrize(
    "commit",
    [
        lambda t, _: t.extend(SAID),
        lambda t, _: t.record(SAID),
        imports,
        lambda t, _: [t.commit(one) for one in SAID],
    ],
    ids=["extend", "record", "import", "commit"],
)
def test_whatever_commits_asks_the_policies(commit: Callable[[Tract, Path], Any], tmp_path: Path) -> None:
    t = make_tract()
    t.configure_policies([Skip()])

    commit(t, tmp_path)

    assert outcomes(t) == [("skip", "executed")]
    assert texts(t, policies=False) == ["good"]


def test_a_list_that_is_recorded_already_asks_nobody() -> None:
    t = make_tract()
    t.record(SAID)
    policy = Wants(None)
    t.configure_policies([policy])

    assert t.record(SAID).kind == "unchanged"

    assert policy.asked == 0


# What a policy is given


def in_a_thread(act: Callable[[], object]) -> list[BaseException]:
    """What *act* raises in a thread of its own."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as exc:  # noqa: BLE001  # the test looks at it
            raised.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    return raised


@pytest.mark.filterwarnings("ignore::tract.errors.PolicyWarning")
@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.user("inside"),
        lambda t: t.annotate("HEAD", "skip"),
        lambda t: t.tag("x"),
        lambda t: t.branch("x"),
        lambda t: t.reset("HEAD~1"),
        lambda t: t.undo(),
        lambda t: t.compress(content="s", auto_commit=False),
        lambda t: t.spawn("x"),
        lambda t: t.propose(Action("tag", {"name": "x"})),
        lambda t: t.pause_policies(),
        lambda t: t.gc(orphan_retention_days=0),
        lambda t: t.archive_branch("other"),
    ],
)
def test_a_policy_changes_nothing_in_a_thread_of_its_own_either(change: Callable[[Tract], Any], tmp_path: Path) -> None:
    raised: list[BaseException] = []
    with make_tract("a", "b", path=tmp_path) as t:
        t.branch("other")
        t.configure_policies([Wants(lambda given: raised.extend(in_a_thread(lambda: change(given))))])
        before = [name for name, _ in t.repository.local_refs("refs/heads/")]

        t.user("c")

        assert [type(one) for one in raised] in ([PolicyExecutionError], [ReadOnlyError])
        assert texts(t, policies=False) == ["a", "b", "c"]
        assert [name for name, _ in t.repository.local_refs("refs/heads/")] == before
        assert t.pending_compressions() == []


def test_what_a_policy_was_given_refuses_also_when_it_was_asked_long_ago() -> None:
    t = make_tract("a")
    kept: list[Tract] = []
    t.configure_policies([Wants(kept.append)])
    t.user("b")

    (late,) = in_a_thread(lambda: kept[0].user("late"))

    assert "may only look" in str(late)
    assert texts(t) == ["a", "b"]


def test_other_threads_go_on_committing_through_the_handle_while_a_policy_looks() -> None:
    t = make_tract("a")
    once = iter([True])

    def look(_: Tract) -> None:
        if next(once, False):
            assert in_a_thread(lambda: t.user("another's")) == []

    t.configure_policies([Wants(look)])
    t.user("b")

    assert texts(t, policies=False) == ["a", "b", "another's"]
    assert t.policy_log() == []


@pytest.mark.parametrize("run", [in_a_thread, lambda act: act()], ids=["in a thread", "itself"])
def test_a_change_that_a_policy_tries_and_catches_is_told(run: Callable[[Callable[[], object]], object]) -> None:
    t = make_tract("a")

    def tries(given: Tract) -> None:
        with suppress(PolicyExecutionError):
            run(lambda: given.user("inside"))

    t.configure_policies([Wants(tries)])
    with pytest.warns(PolicyWarning, match="it tried to change the tract while it looked: commit"):
        t.user("b")


def test_a_policy_sees_what_was_just_committed_and_what_its_firing_did() -> None:
    t = make_tract()
    seen: list[list[str]] = []
    t.configure_policies(
        [Skip(), Wants(lambda given: seen.append([str(m) for m in texts(given)]), "sees", priority=20)]
    )

    t.user("bad")
    t.user("fine")

    assert seen == [[], ["fine"]]


# What stands of what was proposed


def compresses(first: int, last: int) -> Action:
    return Action(
        "compress", {"from_commit": f"HEAD:{first}", "to_commit": f"HEAD:{last}", "content": f"{first} to {last}"}
    )


def test_a_newer_compression_takes_the_place_of_the_ones_it_overlaps() -> None:
    t = make_tract(*"abcdefgh")
    wanted = [compresses(1, 2), compresses(2, 6), compresses(7, 8)]
    t.configure_policies([Wants(lambda t: wanted[max(0, len(t.messages()) - 9)])])

    for text in "ijk":
        t.user(text)

    waiting, others = t.proposals(), t.proposals("stale")
    assert [one.action.arguments["content"] for one in waiting] == ["7 to 8", "2 to 6"]
    assert [one.decision_reason for one in others] == [f"proposal '{waiting[1].id}' takes its place"]


def test_proposals_of_a_policy_that_is_not_answered_do_not_pile_up() -> None:
    t = make_tract(*"abcd")

    def everything(_: Tract) -> Action:
        return Action("compress", {"content": "s", "keep_recent": 2})

    t.configure_policies([Wants(everything)])
    for number in range(100):
        t.user(str(number))

    assert len(t.proposals()) == 1
    assert len(t.proposals("all")) <= 8


def test_approving_one_makes_those_that_are_overtaken_stale() -> None:
    t = make_tract(*"abcdefgh")
    first = t.propose(compresses(1, 4))
    t.propose(compresses(3, 6))
    apart = t.propose(compresses(7, 8))

    assert t.approve_proposal(first.id).status == "executed"

    assert [one.id for one in t.proposals()] == [apart.id]
    assert "is not in the context of 'main' any more" in t.proposals("stale")[0].decision_reason
    assert t.approve_proposal(apart.id).status == "executed"


def test_what_a_policy_does_by_itself_makes_older_proposals_stale() -> None:
    t = make_tract(*"abcdefgh")
    t.propose(compresses(2, 3))
    once = iter([compresses(1, 6)])
    t.configure_policies([Wants(lambda _: next(once, None))], autonomy="autonomous")

    t.user("i")

    assert (len(t.proposals()), len(t.proposals("stale"))) == (0, 1)


@pytest.mark.parametrize("limit", ["x", -1, 1.5, True])
def test_a_limit_that_is_none_is_refused(limit: Any) -> None:
    with pytest.raises(PolicyConfigError, match="limit must be a number of entries"):
        make_tract().policy_log(limit=limit)


def test_the_log_names_the_branch_and_not_a_child_s_commit() -> None:
    t = make_tract("a")
    once = iter([Action("spawn", {"purpose": "look"})])
    t.configure_policies([Wants(lambda _: next(once, None))], autonomy="autonomous")

    t.user("b")

    (entry,) = t.policy_log()
    assert entry.branch == "main"
    assert entry.commit_hash in {one.commit_hash for one in t.log()}


# Several processes


def test_of_two_that_fire_for_one_state_the_second_is_told_that_another_was_first_and_asks_again(
    tmp_path: Path,
) -> None:
    with make_tract(*"abcd", path=tmp_path) as t, make_tract(path=tmp_path, on_moved="append") as other:
        asked: list[int] = []

        def evaluate(given: Tract) -> Action | None:
            found = given.messages()
            asked.append(len(found))
            if len(found) < 5:
                return None
            oldest = [one.commit_hash for one in found[:3]]
            other.compress(commits=oldest, content="other's")
            return Action("compress", {"commits": oldest, "content": "own"})

        t.configure_policies([Wants(evaluate)], autonomy="autonomous")
        t.user("e")

        assert asked == [5, 3]
        assert texts(t, policies=False) == ["other's", "d", "e"]
        assert outcomes(t) == [("wants", "skipped")]
        assert t.policy_log()[0].reason.startswith("another was first: ")


def test_of_a_long_list_among_the_arguments_the_log_keeps_the_first_and_says_how_many_more() -> None:
    t = make_tract(*(f"message {number}" for number in range(60)))
    commits = [one.commit_hash for one in t.messages()[:50]]

    def wish(found: Tract) -> Action | None:
        return Action("compress", {"commits": commits, "content": "s"}) if len(found.messages()) > 50 else None

    t.configure_policies([Wants(wish)], autonomy="autonomous")
    t.user("one more")

    (entry,) = t.policy_log()
    assert entry.outcome == "executed"
    assert entry.action is not None
    assert entry.action.arguments == {"commits": [*commits[:20], "… 30 more"], "content": "s"}
    assert len(texts(t, policies=False)) == 12


# What a policy was asked about last


class Pins:
    """Pins what is new, but the first *failures* times that it could."""

    name, priority, trigger = "pins", 10, "commit"

    def __init__(self, failures: list[Any] | None = None) -> None:
        self.failures = failures or []

    def evaluate(self, tract: Tract) -> Any:
        found = [one.commit_hash for one in tract.new_messages() if one.priority == "normal"]
        if not found:
            return None
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return failure
        return Action("annotate", {"target": found, "priority": "pinned"})


@pytest.mark.filterwarnings("ignore::tract.errors.PolicyWarning")
@pytest.mark.parametrize(
    "failure",
    [ZeroDivisionError("inside"), PolicySkip("not now"), "nonsense", Action("annotate", {"target": "gone"})],
    ids=["raises", "skips", "nonsense", "an action that cannot be done"],
)
def test_what_was_new_to_a_policy_that_failed_is_new_the_next_time(failure: Any) -> None:
    t = make_tract()
    t.configure_policies([Pins([failure])], autonomy="autonomous")

    for text in "abcd":
        t.user(text)

    assert [one.excerpt for one in t.pinned()] == ["a", "b", "c", "d"]


def test_what_was_new_to_a_policy_that_failed_is_new_to_the_next_handle(tmp_path: Path) -> None:
    with Tract.open(tmp_path / "s") as t:
        t.configure_policies([Pins([ZeroDivisionError("inside")])], autonomy="autonomous")
        with pytest.warns(PolicyWarning):
            t.user("a")

    with Tract.open(tmp_path / "s") as t:
        t.user("b")

        assert [one.excerpt for one in t.pinned()] == ["a", "b"]


@dataclass
class Sees:
    """Says what is new to it."""

    name: str = "sees"
    priority: int = 10
    trigger: str = "commit"

    seen = []  # noqa: RUF012  # of all handles

    def evaluate(self, tract: Tract) -> None:
        self.seen.append([one.text for one in tract.new_messages()])


def seen_next(path: Path, text: str) -> list[list[str]]:
    """What is new to the policy of a handle that is opened now and commits *text*."""
    Sees.seen.clear()
    with Tract.open(path) as t:
        t.user(text)
    return Sees.seen


def two_handles(path: Path) -> tuple[Tract, Tract]:
    """Two of one store, of which the first brought the policy and committed ``a``."""
    early, late = Tract.open(path, on_moved="append"), Tract.open(path, on_moved="append")
    early.configure_policies([Sees()])
    early.user("a")
    return early, late


def test_of_two_handles_that_close_the_later_look_stays(tmp_path: Path) -> None:
    early, late = two_handles(tmp_path / "s")
    late.user("b")
    late.user("c")
    late.close()
    early.close()

    assert seen_next(tmp_path / "s", "d") == [["d"]]


@dataclass
class SeesHidden(Sees):
    """Says whether what is new to it is hidden."""

    name: str = "sees-hidden"
    seen = []  # noqa: RUF012  # of all handles

    def evaluate(self, tract: Tract) -> None:
        self.seen.append([one.is_hidden for one in tract.new_messages()])


def test_the_result_of_a_hidden_call_is_new_and_hidden(tmp_path: Path) -> None:
    SeesHidden.seen.clear()
    with Tract.open(tmp_path / "s") as t:
        t.configure_policies([SeesHidden()])
        asked = t.commit(call("c1"))
        t.annotate(asked, "skip")
        t.tool_result("c1", "found")

        assert [False, True] == [one for seen in SeesHidden.seen for one in seen]
        assert t.messages()[-1].is_hidden


def test_a_handle_that_went_back_keeps_its_own_look(tmp_path: Path) -> None:
    with Tract.open(tmp_path / "s") as t:
        t.configure_policies([Sees()])
        for text in "abc":
            t.user(text)
    with Tract.open(tmp_path / "s") as t:
        t.reset("HEAD~2")
        t.user("d")

    assert seen_next(tmp_path / "s", "e") == [["e"]]


def test_a_handle_that_does_not_know_of_newer_settings_leaves_the_looks_of_who_does(tmp_path: Path) -> None:
    early, late = two_handles(tmp_path / "s")
    late.configure_policies(autonomy="autonomous")
    late.user("b")
    late.close()
    early.close()

    assert seen_next(tmp_path / "s", "c") == [["c"]]


# Policies that are nasty


@pytest.mark.filterwarnings("ignore::tract.errors.PolicyWarning")
def test_a_policy_that_still_works_on_its_last_answer_is_not_asked_again() -> None:
    t, stop = make_tract(), threading.Event()
    policy = Wants(lambda _: stop.wait(20))
    t.configure_policies([policy], max_seconds=0.05)

    for number in range(10):
        t.user(str(number))

    assert policy.asked == 1
    stop.set()


def test_a_policy_sees_that_a_model_was_configured_after_it_was_asked_first() -> None:
    t, seen = make_tract(), list[bool]()
    t.configure_policies([Wants(lambda given: seen.append(given.has_model))])

    t.user("a")
    t.configure_llm(lambda _: "word")
    t.user("b")

    assert seen == [False, True]


@pytest.mark.filterwarnings("ignore::tract.errors.PolicyWarning")
def test_what_a_late_policy_tries_is_not_told_of_another_that_is_asked_meanwhile() -> None:
    t, goes_on, has_tried = make_tract(), threading.Event(), threading.Event()

    def is_late(given: Tract) -> None:
        goes_on.wait(20)
        with suppress(PolicyExecutionError):
            given.user("late")
        has_tried.set()

    def waits(_: Tract) -> None:
        if late.asked and not goes_on.is_set():
            goes_on.set()
            assert has_tried.wait(20)

    late = Wants(is_late, name="late")
    t.configure_policies([late], max_seconds=0.05)
    t.user("a")
    t.register_policy(Wants(waits, name="other"))
    t.configure_policies(max_seconds=20)
    t.user("b")

    assert has_tried.is_set()
    assert outcomes(t) == [("late", "error")]
    assert texts(t, policies=False) == ["a", "b"]


@pytest.mark.filterwarnings("ignore::tract.errors.PolicyWarning")
@pytest.mark.parametrize("is_slow", [True, False], ids=["hangs", "fails"])
def test_a_policy_in_place_of_one_that_hangs_or_fails_is_asked_at_once(is_slow: bool) -> None:
    t, stop = make_tract(), threading.Event()

    def fails(_: Tract) -> None:
        if is_slow:
            stop.wait(20)
        raise ValueError

    t.configure_policies([Wants(fails)], max_seconds=0.05 if is_slow else 20)
    for number in range(1 if is_slow else 9):
        t.user(str(number))
    t.unregister_policy("wants")
    policy = Wants(None)
    t.register_policy(policy)
    t.user("a")

    assert policy.asked == 1
    stop.set()


def test_many_that_are_asked_at_once_leave_few_threads_behind() -> None:
    all_wait = threading.Barrier(40)
    asking = [threading.Thread(target=run_within, args=(20, all_wait.wait)) for _ in range(40)]
    before = threading.active_count()

    for one in asking:
        one.start()
    for one in asking:
        one.join()

    until = time.monotonic() + 20
    while threading.active_count() > before + 8 and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before + 8


def test_a_policy_that_wants_the_same_of_what_it_led_to_gets_it_once() -> None:
    t = make_tract()
    t.configure_policies([Wants(Action("annotate", {"target": ["HEAD"], "priority": "pinned"}))])

    t.user("a")
    t.user("b")

    assert [one.outcome for one in t.policy_log()] == ["executed", "executed"]
    assert [one.excerpt for one in t.pinned()] == ["a", "b"]


def changes_itself(policy: Any) -> None:
    policy.name, policy.priority, policy.trigger, policy.parameters = None, "first", [], object()


def test_a_policy_that_changes_its_own_attributes_goes_on_as_the_store_has_it() -> None:
    t = make_tract()
    policy = Wants(lambda _: changes_itself(policy))
    t.configure_policies([policy])

    t.user("a")
    t.user("b")

    assert policy.asked == 2
    assert [(one.name, one.priority, one.trigger) for one in t.policies()] == [("wants", 10, "commit")]


class Slow(UserDict[str, Any]):
    """A mapping that takes its time."""

    def __iter__(self) -> Any:
        threading.Event().wait(0.5)
        return super().__iter__()


class Wordless(Exception):  # noqa: N818  # only its words matter
    def __str__(self) -> str:
        threading.Event().wait(0.5)
        return "late"


def fails_slowly(_: Tract) -> None:
    raise Wordless


def interrupts(_: Tract) -> None:
    raise KeyboardInterrupt


def skips_with_half_a_character(_: Tract) -> None:
    raise PolicySkip("\ud800")


@pytest.mark.filterwarnings("ignore::tract.errors.PolicyWarning")
@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Action("annotate", Slow()), "did not end within 0.1 s"),
        (fails_slowly, "did not end within 0.1 s"),
        (skips_with_half_a_character, "?"),
        (Action("tag", {"name": "\ud800"}), "half of a character"),
        (Action("tag", {"name": "x"}, "\ud800"), "half of a character"),
        (Action("x" * 1000), "the name of its action is 1,000 characters long"),
        (Action(5), "the name of its action is a int, not text"),  # type: ignore[arg-type]
        (Action("tag", {"name": "x"}, "x" * 20_000), "the reason of its action is 20,000 characters long"),
        (interrupts, "KeyboardInterrupt"),
    ],
)
def test_whatever_a_policy_gives_or_raises_is_told_in_the_log_in_time(wanted: Any, told: str) -> None:
    t = make_tract()
    t.configure_policies([Wants(wanted)], max_seconds=0.1)

    t.user("a")

    (entry,) = t.policy_log()
    assert told in (entry.error or entry.reason)
    assert texts(t, policies=False) == ["a"]


@dataclass
class Collects:
    """Wants a gc where something is new to it."""

    name: str = "collects"
    priority: int = 10
    trigger: str = "commit"

    def evaluate(self, tract: Tract) -> Action | None:
        return Action("gc", {}) if tract.new_messages() else None


def test_what_finds_another_at_work_apart_is_wanted_again(tmp_path: Path) -> None:
    at_work = threading.Event()
    with Tract.open(tmp_path / "s") as t:
        t.configure_policies([Collects()], autonomy="autonomous")
        assert t.run_apart(lambda _: at_work.wait(20))
        t.user("a")
        at_work.set()
        assert t._apart is not None
        t._apart.join(20)
        assert t.policy_log() == []

        t.compile()
        t._apart.join(20)

        assert [(one.policy, one.outcome) for one in t.policy_log()] == [("collects", "executed")]


@dataclass
class Shortens:
    """Wants the first two messages summed up, wherever it is asked."""

    name: str = "shortens"
    priority: int = 10
    trigger: str = "compile"

    def evaluate(self, tract: Tract) -> Action | None:
        return compresses(1, 2) if len(tract.messages()) == 3 else None


@pytest.mark.parametrize("decided", ["pending", "rejected"])
def test_what_was_wanted_on_one_branch_may_be_wanted_on_another_at_the_same_commit(decided: str) -> None:
    t = make_tract("a", "b", "c")
    t.configure_policies([Shortens()])
    t.compile()
    if decided == "rejected":
        t.reject_proposal()
    t.branch("other", switch=True)
    t.compile()
    t.compile()

    assert [(one.branch, one.status) for one in t.proposals("all")] == [("other", "pending"), ("main", decided)]
