"""Runs of the orchestrator as records in the history, and undone as one."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.agents.test_orchestrator import FREE, make, scripted, work
from tests.cli.conftest import runner
from tests.making import make_tract, texts
from tract import Decision, OrchestratorConfig, Tract, TractConfig, TriggerConfig
from tract.errors import MergeError

pytestmark = pytest.mark.filterwarnings("ignore::tract.errors.BudgetWarning")


def hide(number: int) -> tuple[str, tuple[str, dict[str, Any]]]:
    """A model's answer that hides a message."""
    return f"message {number} is done with", ("annotate", {"target": [str(number)], "priority": "skip"})


def test_a_run_is_a_record_that_no_context_has() -> None:
    t = make()
    for number in range(4):
        t.user(f"SECRET {number}")
    before = t.head

    done = t.orchestrate(config=FREE, llm_callable=scripted(hide(2), "enough"))

    (run,) = t.orchestrator_runs()
    info = t.get_commit(run.commit_hash)
    assert (info.operation, info.parent_hash, t.head) == ("record", before, run.commit_hash)
    assert len(texts(t)) == 4
    assert t.status().message_count == 4
    content = t.get_content(run.commit_hash)
    assert content.kind == "orchestrator-run"
    assert content.payload["run"] == done.run_id
    assert content.payload["steps"] == [
        {"operation": "annotate", "commit": None, "proposal": None, "decision": None, "failed": False}
    ]
    assert [one.commit_hash for one in t.records("orchestrator-run")] == [run.commit_hash]
    assert info.message is not None
    assert info.message.startswith(f"run {done.run_id}: 1 step, ")


def test_a_run_tells_why_it_began_what_it_found_what_was_decided_and_how_it_ended() -> None:
    t = make(autonomy="collaborative")
    for number in range(50):
        t.user(f"turn {number}")
    model = scripted(("too long", ("compress", {"content": "short", "from_commit": "2", "to_commit": "51"})), "done")
    config = OrchestratorConfig(callbacks=lambda _: Decision("modify", {"to_commit": "HEAD:41"}, "keep the diagnosis"))

    done = t.orchestrate(config=config, llm_callable=model, reason="a test wants it")

    (run,) = t.orchestrator_runs()
    proposal = done.steps[0].proposal
    assert proposal is not None
    assert run.reason == "a test wants it"
    assert run.assessment[0].startswith("51 messages, ")
    assert run.decisions == (f"{proposal.id} executed by tester: keep the diagnosis",)
    assert (run.tokens_before, run.tokens_after) == (done.assessment.token_count, t.status().token_count)  # type: ignore[union-attr]
    assert (run.tokens_used, run.total_tool_calls, run.stopped_because) == (110, 1, "nothing is left to do")
    assert 0 < run.seconds < 60
    assert run.cost > 0


def test_what_may_quote_a_message_is_in_a_blob_of_its_own() -> None:
    t = make()
    t.user("SECRET")
    t.user("more")

    t.orchestrate(config=FREE, llm_callable=scripted(("the user said SECRET", hide(2)[1]), "enough"))

    content = t.get_content(t.head)  # type: ignore[arg-type]
    assert "SECRET" not in str(content.payload)
    assert b"SECRET" in t.get_blob(content.refs[0])


def test_the_command_line_shows_a_run_in_log_and_show(tmp_path: Path) -> None:
    with make(path=tmp_path) as t:
        t.user("the question")
        work(t, 24)
        done = t.orchestrate(config=FREE)
        record = str(t.head)
    run = runner(tmp_path)

    logged = run("orchestrate", "--log").out
    assert f"{done.run_id} " in logged
    assert f"record {record[:10]}" in logged
    shown = run("show", record).out
    assert "assessed: 50 messages" in shown
    assert "1. annotate: messages 4, 6" in shown
    assert "ended: nothing is left to do" in shown
    assert done.run_id in run("log", "--records", "-n", "1").out
    assert done.run_id not in run("log", "-n", "1").out
    assert run("fsck").out.startswith("checked ")


def test_an_undo_takes_a_run_back_as_one_and_leaves_its_record() -> None:
    t = make()
    for number in range(40):
        t.user(f"m {number}")
    before = texts(t)
    model = scripted(
        hide(2), hide(3), ("sum up", ("compress", {"content": "many", "from_commit": "5", "to_commit": "20"}))
    )
    t.orchestrate(config=FREE, llm_callable=model)
    after, record = texts(t), t.head
    (run,) = t.orchestrator_runs()

    t.undo()

    assert texts(t) == before
    assert [t.get_content(one).payload["run"] for one in t.records()] == [run.run_id]
    assert t.orchestrator_runs() == [run]
    t.redo()
    assert (texts(t), t.head) == (after, record)


def test_undo_passes_over_a_run_that_changed_nothing() -> None:
    t = make()
    t.user("one")
    t.user("two")
    t.orchestrate()

    t.undo()

    assert texts(t) == ["be brief", "one"]
    assert len(t.records()) == 1
    t.redo()
    assert texts(t) == ["be brief", "one", "two"]


def test_undos_and_redos_among_runs_lead_to_what_was_there(tmp_path: Path) -> None:
    """Whatever is done and undone, the context is what a list of states says, and no record of a run is lost."""
    chance = random.Random(7)
    with make(path=tmp_path, budget=None) as t:
        states, at, runs = [texts(t)], 0, 0
        for step in range(120):
            what = chance.choice(("say", "run", "idle", "undo", "redo"))
            if what == "undo" and at:
                count = chance.randint(1, at)
                t.undo(count)
                at -= count
            elif what == "redo" and at + 1 < len(states):
                t.redo()
                at += 1
            elif what in ("say", "run", "idle"):
                shown = len(t.compile())
                if what == "say":
                    t.user(f"m {step}")
                else:
                    model = scripted(hide(chance.randint(2, shown)) if what == "run" and shown > 3 else "enough")
                    t.orchestrate(config=FREE, llm_callable=model)
                    runs += 1
                if what == "say" or (what == "run" and shown > 3):
                    states, at = [*states[: at + 1], texts(t)], at + 1
            assert texts(t) == states[at], (step, what)
            assert len({t.get_content(one).payload["run"] for one in t.records()}) == runs
        assert runs > 20
    assert runner(tmp_path)("fsck").out.startswith("checked ")


def test_the_record_survives_compressions_and_gc(tmp_path: Path) -> None:
    with make(path=tmp_path, budget=None) as t:
        for number in range(30):
            t.user(f"m {number}")
        t.orchestrate(config=FREE, llm_callable=scripted(hide(2)))
        (run,) = t.orchestrator_runs()
        t.user("more")
        t.compress(content="all of it", keep_recent=1)
        t.gc(orphan_retention_days=0, archive_retention_days=0)

        assert t.orchestrator_runs() == [run]
        assert [one.commit_hash for one in t.records()] == [run.commit_hash]


def test_a_run_does_not_begin_where_a_merge_waits_and_no_trigger_fires(tmp_path: Path) -> None:
    with make(path=tmp_path, budget=None) as t:
        said = t.assistant("a")
        t.branch("other", switch=True)
        t.edit(said.commit_hash, "theirs")
        t.switch("main")
        t.edit(said.commit_hash, "ours")
        assert runner(tmp_path)("merge", "other").status == 1

        with pytest.raises(MergeError, match="a merge is under way"):
            t.orchestrate()
        assert t.orchestrator_runs() == []
        assert t.orchestrator_state == "idle"


DIES = """
import os, sys
from tests.agents.test_orchestrator import FREE, scripted
from tests.agents.test_runs import hide
from tract import Tract

model = scripted(hide(2), ("a name", ("tag", {"name": "checked"})), ("shorter", ("edit", {"target": "4", "content": "x"})))
with Tract.open(sys.argv[1]) as t:
    t.orchestrate(config=FREE, llm_callable=lambda *a, **k: model(*a, **k) if len(model.asked) < 3 else os._exit(9))
"""


def test_a_run_whose_process_was_killed_is_written_down_with_the_steps_that_landed(tmp_path: Path) -> None:
    with make(path=tmp_path, budget=None) as t:
        for number in range(4):
            t.user(f"m {number}")
    assert subprocess.run([sys.executable, "-c", DIES, str(tmp_path)], check=False).returncode == 9

    with Tract.open(tmp_path) as t:
        t.orchestrate(config=FREE, llm_callable=scripted("enough"))
        _, killed = t.orchestrator_runs()
        content = t.get_content(killed.commit_hash)

    assert killed.stopped_because == "its process died; the steps are those that landed"
    assert [one.partition(":")[0] for one in killed.steps] == ["1. annotate", "2. tag", "3. edit"]
    assert [one["operation"] for one in content.payload["steps"]] == ["annotate", "tag", "edit"]
    assert [one["commit"] is not None for one in content.payload["steps"]] == [False, False, True]


def test_a_pause_that_comes_with_the_last_call_is_not_lost(tmp_path: Path) -> None:
    with make(path=tmp_path) as t, make_tract(path=tmp_path, verify_cache=False) as other:
        t.user("one")

        def pausing(*_: Any, **__: Any) -> str:
            other.pause_orchestrator()
            return "nothing is left to do"

        done = t.orchestrate(config=FREE, llm_callable=pausing)

        assert done.stopped_because == "nothing is left to do"
        assert t.orchestrator_state == "paused"
        assert other.resume_orchestrator() is None
        assert t.orchestrator_state == "idle"


def going_back(t: Tract) -> None:
    t.reset("HEAD~20")


def going_elsewhere(t: Tract) -> None:
    t.switch("young")


@pytest.mark.parametrize("move", [going_back, going_elsewhere])
def test_the_messages_count_from_where_head_went_back_to(move: Any) -> None:
    t = make(budget=None)
    t.branch("young")
    for number in range(30):
        t.user(f"m {number}")
    t.configure_orchestrator(OrchestratorConfig(triggers=TriggerConfig(5, None)))
    move(t)

    for number in range(12):
        t.user(f"n {number}")

    assert len(t.orchestrator_runs()) == 2


def test_an_agent_goes_on_where_a_run_left_its_record_on_an_empty_branch(tmp_path: Path) -> None:
    with make_tract(path=tmp_path) as t, make_tract(path=tmp_path) as other:
        assert texts(t) == []
        other.orchestrate()

        t.user("the first")

        assert texts(t) == ["the first"]
        assert [str(one.operation) for one in t.log(records=True)] == ["append", "record"]


def test_what_comes_after_a_run_of_one_s_own_is_not_refused() -> None:
    t = make()
    t.user("one")
    t.user("two")
    t.orchestrate()

    t.reset("HEAD~2")

    assert texts(t) == ["be brief", "one"]


def forgetful(path: Path) -> Tract:
    """A tract that keeps the originals of summaries for no time."""
    config = TractConfig(author="tester", archive_retention_days=0, orphan_retention_days=0)
    t = make_tract("be brief", path=path, config=config, verify_cache=False)
    t.configure_policies(autonomy="autonomous")
    return t


def test_a_run_by_rule_collects_what_is_old_enough_and_only_once(tmp_path: Path) -> None:
    with forgetful(tmp_path) as t:
        for number in range(30):
            t.user(f"m {number}")
        t.compress(content="many", keep_recent=2)

        assert [one.action.name for one in t.orchestrate(config=FREE).steps] == ["gc"]
        assert t.health().archives_waiting == 0
        assert t.orchestrate(config=FREE).steps == ()


def test_what_gc_has_to_leave_is_not_collected_again_and_again(tmp_path: Path) -> None:
    with forgetful(tmp_path) as t:
        for number in range(30):
            t.user(f"m {number}")
        t.branch("keeps-them")
        t.compress(content="many", keep_recent=2)

        assert [one.action.name for one in t.orchestrate(config=FREE).steps] == ["gc"]
        assert t.orchestrate(config=FREE).steps == ()


def test_a_trigger_inside_a_commit_never_collects(tmp_path: Path) -> None:
    with forgetful(tmp_path) as t:
        for number in range(30):
            t.user(f"m {number}")
        t.compress(content="many", keep_recent=2)
        t.configure_orchestrator(OrchestratorConfig(triggers=TriggerConfig(2, None), autonomy_ceiling="autonomous"))
        t.user("a")
        t.user("b")

        (run,) = t.orchestrator_runs()
        assert run.steps == ()
