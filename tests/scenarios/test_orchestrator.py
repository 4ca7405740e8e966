"""Tier 7: the orchestrator by its triggers, and with a person in the loop (scenarios 7.2 and 7.3)."""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.agents.test_builtin_drift import FLIGHTS, NAMING, say
from tests.agents.test_loop import calling
from tests.agents.test_orchestrator import scripted
from tests.cli.conftest import Terminal, runner
from tests.llm.server import LLMServer, llm_process, llm_server, text
from tests.making import call, make_tract, texts
from tests.sidecar import sidecar
from tract import (
    BranchPolicy,
    CompressPolicy,
    GCPolicy,
    OrchestratorConfig,
    PinPolicy,
    Tract,
    TractConfig,
    TriggerConfig,
    cli_prompt,
)
from tract.agents.orchestrator import is_done

__all__ = ["llm_process", "llm_server"]

pytestmark = pytest.mark.filterwarnings("ignore::tract.errors.BudgetWarning")


def agent(path: Any, budget: int = 3000) -> Tract:
    t = make_tract(path=path, config=TractConfig(author="tester", token_budget=budget), verify_cache=False)
    t.system("You mend programs.")
    t.user("The build fails. Why?")
    return t


def turn(t: Tract, number: int) -> None:
    t.commit(call(f"c{number}"))
    t.tool_result(f"c{number}", f"run {number}: " + "error " * 30)


def test_a_long_running_agent_is_looked_after_without_polling(tmp_path: Path) -> None:
    with agent(tmp_path) as t:
        t.configure_policies(autonomy="autonomous")
        t.configure_orchestrator(
            config=OrchestratorConfig(
                triggers=TriggerConfig(on_commit_count=20, on_token_threshold=0.7), autonomy_ceiling="autonomous"
            )
        )
        for number in range(120):
            turn(t, number)
            assert t.status().token_count <= 3000

        runs = t.orchestrator_runs(limit=None)
        assert len(runs) >= 10
        assert any("messages came since" in run.reason for run in runs)
        assert texts(t, policies=False)[:2] == ["You mend programs.", "The build fails. Why?"]


def test_a_doctor_changes_what_the_orchestrator_wants_at_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with agent(tmp_path) as t:
        for number in range(48):
            t.user(f"turn {number + 3}")
        model = scripted(
            (
                "context at 85 %, recommend compressing messages 2-50",
                ("compress", {"content": "The build fails in line 12.", "from_commit": "2", "to_commit": "50"}),
            ),
            "done",
        )
        shown = io.StringIO()
        monkeypatch.setattr(sys, "stdin", Terminal("m\nto_commit=HEAD:40\n\nkeep 41-50: they contain the diagnosis\n"))
        monkeypatch.setattr(sys, "stderr", shown)

        done = t.orchestrate(config=OrchestratorConfig(callbacks=cli_prompt), llm_callable=model)

        assert "why: context at 85 %, recommend compressing messages 2-50" in shown.getvalue()
        seen = texts(t)
        assert seen[:2] == ["You mend programs.", "The build fails in line 12."]
        assert seen[2:] == [f"turn {number}" for number in range(41, 51)]
        assert done.steps[0].proposal is not None
        assert done.steps[0].proposal.decision_reason == "keep 41-50: they contain the diagnosis"
        assert "approved with other arguments" in model.asked[1][0][-1]["content"]


def test_two_processes_and_a_human_share_the_work(tmp_path: Path) -> None:
    with agent(tmp_path) as t:
        for number in range(30):
            t.user(f"turn {number}")
        model = scripted(
            ("too long", ("compress", {"content": "what was said", "from_commit": "3", "to_commit": "22"})), "I wait"
        )
        t.orchestrate(config=OrchestratorConfig(), llm_callable=model)
        assert "needs approval" in model.asked[1][0][-1]["content"]

    person = runner(tmp_path)  # another process, a day later
    assert "why: too long" in person("proposals").out
    assert person("approve", "--set", "to_commit=HEAD:12", "-m", "keep the rest").status == 0

    with make_tract(path=tmp_path, verify_cache=False) as t:
        again = scripted("done")
        t.orchestrate(llm_callable=again)
        told = json.dumps(again.asked[0][0])
        assert "it was approved with other arguments" in told
        assert "keep the rest" in told
        assert len(texts(t)) == 2 + 1 + 20


def test_a_supervisor_corrects_a_price_in_the_middle(tmp_path: Path) -> None:
    with agent(tmp_path, budget=2000) as t:
        t.configure_policies(autonomy="autonomous")
        t.configure_orchestrator(
            OrchestratorConfig(triggers=TriggerConfig(10, 0.7), autonomy_ceiling="autonomous"), None
        )
        wrong = t.assistant("The licence costs 100 francs a month.")
        t.pause_orchestrator()
        t.edit(wrong.commit_hash, "The licence costs 120 francs a month.")
        t.annotate(wrong.commit_hash, "pinned")
        t.resume_orchestrator()
        for number in range(80):
            turn(t, number)

        assert "The licence costs 120 francs a month." in texts(t, policies=False)
        assert len(t.orchestrator_runs(limit=None)) > 3


SOAK = [pytest.param(100, 0.01, id="sample"), pytest.param(1000, 0.05, id="soak", marks=pytest.mark.slow)]
"""Turns, and the seconds that the agent's model takes."""


@pytest.mark.parametrize(("turns", "model"), SOAK)
def test_an_agent_beside_a_process_that_compresses_every_20_turns_loses_no_answer(
    tmp_path: Path, llm_server: LLMServer, turns: int, model: float
) -> None:
    """The agent has a default handle; a RefMovedError would end the test."""
    wish = ("compress", {"content": "what was said before", "from_commit": "2", "to_commit": "20"})
    llm_server.script(*[calling(wish, say="20 turns came"), text("nothing is left")] * (turns // 10 + 2))
    with agent(tmp_path, budget=100_000) as t:
        t.configure_policies(autonomy="autonomous")
        answers: list[str] = []
        with sidecar(tmp_path, "--on-commit-count", "20", "--interval", "1", server=llm_server) as beside:
            beside.wait_until(lambda: is_done(t.repository, "watch"))
            for number in range(turns):
                t.user(f"question {number} " + "word " * 8)
                t.compile()
                time.sleep(model)
                answers.append(t.assistant(f"answer {number} " + "word " * 8).commit_hash)
            beside.wait_until(lambda: t.orchestrator_runs(limit=1))
            ended = beside.end()

        assert (ended.status, ended.err) == (0, "")
        made = [step for run in t.orchestrator_runs(limit=None) for step in run.steps]
        assert all(" compress: " in step and "error" not in step for step in made), made
        assert len(made) >= (1 if turns < 1000 else turns // 40)  # it looks once a second, which are 19 turns
        known = {one.commit_hash: one.content_hash for one in t.log(None)}
        assert len(set(answers)) == turns
        assert set(answers) <= known.keys()
    assert runner(tmp_path)("fsck").status == 0


@pytest.mark.parametrize(("turns", "model"), SOAK)
def test_an_agent_beside_the_orchestrator_loses_no_answer(tmp_path: Path, turns: int, model: float) -> None:
    """The agent has a default handle, and a model that takes its time; the orchestrator works in a thread of its own."""
    with agent(tmp_path, budget=2500) as t:
        t.configure_policies(autonomy="autonomous")
        t.configure_orchestrator(
            OrchestratorConfig(
                triggers=TriggerConfig(on_commit_count=20, on_token_threshold=None),
                autonomy_ceiling="autonomous",
                background=True,
            )
        )
        answers: list[str] = []
        for number in range(turns):
            t.user(f"question {number} " + "word " * 8)
            t.compile()
            time.sleep(model)
            answers.append(t.assistant(f"answer {number} " + "word " * 8).commit_hash)
        if t._apart is not None:
            t._apart.join(20)

        known = {one.commit_hash for one in t.log(None)}
        assert set(answers) <= known
        assert len(t.orchestrator_runs(limit=None)) > turns // 100
        assert any("compress" in step for run in t.orchestrator_runs(limit=None) for step in run.steps)


def test_drift_is_steered_back_to_the_subject(tmp_path: Path) -> None:
    """X.1: BranchPolicy branches the tangent; the orchestrator finds it stalled, sums it up and brings the paragraph to main."""
    with agent(tmp_path, budget=100_000) as t:
        t.configure_policies([BranchPolicy()], autonomy="autonomous")
        say(t, FLIGHTS, 20)
        main = texts(t, policies=False)
        say(t, NAMING, 12)
        tangent = str(t.current_branch)
        assert tangent.startswith("tangent/")

        first = next(one for one in t.messages() if one.number == len(main) + 1)
        supervisor = scripted(
            (
                "the tangent has stalled: its messages become a paragraph",
                (
                    "compress",
                    {
                        "content": "Camel and snake naming were discussed; nothing was decided.",
                        "from_commit": first.commit_hash,
                    },
                ),
            ),
            ("it belongs on main", ("switch", {"name": "main"}), ("merge", {"source_branch": tangent})),
            "done",
        )
        done = t.orchestrate(
            config=OrchestratorConfig(autonomy_ceiling="autonomous", profile="supervisor"), llm_callable=supervisor
        )

        assert [one.action.name for one in done.steps] == ["compress", "switch", "merge"]
        assert all(one.result.error is None for one in done.steps), done
        assert t.current_branch == "main"
        seen = texts(t)
        assert seen[: len(main)] == main
        assert seen[len(main)] == "Camel and snake naming were discussed; nothing was decided."
        assert len(seen) < len(main) + 12


def test_an_alert_that_is_critical_survives_a_day_of_compressions(tmp_path: Path) -> None:
    """X.4 in small: CompressPolicy and GCPolicy alone; disk and context stay flat."""
    with agent(tmp_path, budget=1500) as t:
        t.configure_policies(
            [
                CompressPolicy(0.8),
                PinPolicy(patterns=[{"text": r"severity: critical"}]),
                GCPolicy(min_garbage=0, orphan_retention_days=0, archive_retention_days="0h"),
            ],
            autonomy="autonomous",
        )
        sizes: list[int] = []
        for number in range(400):
            severity = "critical" if number % 100 == 50 else "low"
            t.user(f"alert {number}, severity: {severity}: " + "disk " * 10)
            if number % 100 == 99:
                if t._apart is not None:
                    t._apart.join(20)
                sizes.append(t.repository.objects.stats().size)  # type: ignore[attr-defined]

        assert [one[:9] for one in texts(t) if "critical" in str(one)] == [
            "alert 50,",
            "alert 150",
            "alert 250",
            "alert 350",
        ]
        entries = t.policy_log(limit=None)
        assert len([one for one in entries if one.policy == "compress"]) >= 4
        assert {one.outcome for one in entries if one.policy == "gc"} == {"executed"}
        assert sizes[-1] < 3 * sizes[0]
