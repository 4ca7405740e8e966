"""Tier 7: the orchestrator by its triggers, and with a person in the loop (scenarios 7.2 and 7.3)."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.agents.test_orchestrator import scripted
from tests.cli.conftest import Terminal, runner
from tests.making import call, make_tract, texts
from tract import OrchestratorConfig, Tract, TractConfig, TriggerConfig, cli_prompt

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
