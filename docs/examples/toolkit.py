"""Tier 7, an agent's own hands: a model that looks after its context by calling tools, and an orchestrator with a person in the loop.

Prints:
    the model called annotate: message 3: skip
    it answered: The 9:02 was cancelled; take the 9:32.
    and no longer sees: The 9:02 from Basel is best.
    the orchestrator stopped because: nothing is left to do
    a person was asked about: ['annotate']
    the context is smaller: True
"""

from __future__ import annotations

import tempfile
from typing import Any

from tract import Decision, OrchestratorConfig, Proposal, ToolExecutor, Tract, TractConfig, TriggerConfig


def main(folder: str) -> None:
    with Tract.open(f"{folder}/journey") as t:
        manage_yourself(t)
    with Tract.open(f"{folder}/build", config=TractConfig(token_budget=8_000)) as t:
        orchestrated(t)


def model(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> dict[str, Any]:
    """Where a program of yours calls ``client.chat.completions.create(messages=…, tools=…)``."""
    if messages[-1]["role"] == "tool":
        return {"role": "assistant", "content": "The 9:02 was cancelled; take the 9:32."}
    assert "annotate" in [tool["function"]["name"] for tool in tools]
    call = {"name": "annotate", "arguments": '{"target": [3], "priority": "skip", "reason": "cancelled"}'}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": call}]}


def manage_yourself(t: Tract) -> None:
    t.system("You book journeys.")
    t.user("Four days in Bern, by train.")
    t.assistant("The 9:02 from Basel is best.")
    t.user("I hear it is cancelled.")

    tools, run = t.as_tools(profile="self", format="openai"), ToolExecutor(t, profile="self")
    while True:
        t.commit(model(t.compile().to_openai(), tools))
        calls = t.status().open_calls
        if not calls:
            break
        for call in calls:
            result = run.execute(call.tool_name, call.arguments)
            print(f"the model called {call.tool_name}: {result.output}")
            t.tool_result(call.call_id or "", result.output)
    print(f"it answered: {t.compile()[-1].content}")
    print(f"and no longer sees: {t.get_content(t.skipped()[0]).text}")


def orchestrated(t: Tract) -> None:
    t.system("You mend programs.")
    t.user("The build fails. Why?")
    for number in range(40):
        call = {"id": f"c{number}", "type": "function", "function": {"name": "build", "arguments": "{}"}}
        t.commit({"role": "assistant", "content": None, "tool_calls": [call]})
        t.tool_result(f"c{number}", f"run {number}: " + "error in line 12; " * 20)
    before = t.status().token_count

    asked: list[str] = []

    def person(proposal: Proposal) -> Decision:
        """In a program of yours ``cli_prompt``, or a page with two buttons."""
        asked.append(proposal.action.name)
        return Decision("approve", reason="go ahead")

    triggers = TriggerConfig(on_commit_count=20, on_token_threshold=0.7)  # from now on it looks by itself
    t.configure_orchestrator(OrchestratorConfig(triggers=triggers, callbacks=person, autonomy_ceiling="manual"))
    result = t.orchestrate()
    print(f"the orchestrator stopped because: {result.stopped_because}")
    print(f"a person was asked about: {sorted(set(asked)) or 'nothing'}")
    print(f"the context is smaller: {t.status().token_count < before}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        main(empty)
