"""Tier 7 and the compositions with a model behind HTTP that speaks both providers' formats, streams and fails; and a person at a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.agents.test_builtin_drift import FLIGHTS, NAMING, say
from tests.agents.test_loop import calling
from tests.llm.asking import every_protocol, make_client
from tests.llm.server import LLMServer, fail, llm_process, llm_server, named, text
from tests.making import make_tract, texts
from tract import BranchPolicy, Decision, LLMError, OrchestratorConfig, Proposal, Tract, TractConfig, TriggerConfig
from tract.errors import PolicyWarning

__all__ = ["llm_process", "llm_server"]

pytestmark = pytest.mark.filterwarnings("ignore::tract.errors.BudgetWarning")

FREE = OrchestratorConfig(autonomy_ceiling="autonomous", triggers=TriggerConfig(10, None))


def agent(path: Any, turns: int = 0) -> Tract:
    t = make_tract(path=path, config=TractConfig(author="tester", token_budget=100_000), verify_cache=False)
    t.configure_policies(autonomy="autonomous")
    t.system("You mend programs.")
    for number in range(turns):
        t.user(f"turn {number}")
    return t


@every_protocol
def test_a_trigger_asks_a_model_that_stumbles_and_what_it_wants_is_done(
    tmp_path: Path, llm_server: LLMServer, protocol: Any
) -> None:
    summing_up = ("compress", {"content": "nine turns", "from_commit": "2", "to_commit": "10"})
    llm_server.script(
        fail(429, retry_after="0"),
        fail(500),
        named("cut-body"),
        calling(summing_up, say="they are stale"),
        text("done"),
    )
    with agent(tmp_path) as t, make_client(protocol, llm_server, max_retries=4) as client:
        t.configure_orchestrator(FREE, client)
        for number in range(10):
            t.user(f"turn {number}")

        assert texts(t) == ["You mend programs.", "nine turns", "turn 9"]
        (run,) = t.orchestrator_runs()
        assert run.reason == "10 messages came since the last run"
        assert run.stopped_because == "nothing is left to do"
        assert len(llm_server.requests()) == 5


@every_protocol
@pytest.mark.parametrize("trouble", [fail(500), fail(429, retry_after="0"), named("cut-body"), named("html")])
def test_a_model_that_only_fails_is_told_and_harms_nothing(llm_server: LLMServer, protocol: Any, trouble: Any) -> None:
    llm_server.script(*[trouble] * 4)
    t = agent(":memory:")
    with make_client(protocol, llm_server) as client:
        t.configure_orchestrator(FREE, client)
        for number in range(10):
            t.user(f"turn {number}")
        with pytest.warns(PolicyWarning, match="the orchestrator failed: the model failed"):
            context = t.compile()
        asked = len(llm_server.requests())
        t.user("go on")
        t.compile()  # the triggers wait

    assert len(context) == 11
    assert t.orchestrator_runs()[0].stopped_because.startswith("the model failed: ")
    assert len(llm_server.requests()) == asked


@every_protocol
def test_a_doctor_changes_what_a_model_behind_http_wants(llm_server: LLMServer, protocol: Any) -> None:
    wish = ("compress", {"content": "he has a fever", "from_commit": "2", "to_commit": "51"})
    llm_server.script(calling(wish, say="context at 85 %, recommend compressing messages 2-51"), text("done"))
    t = agent(":memory:", turns=50)
    t.configure_policies(autonomy="collaborative")
    asked: list[Proposal] = []

    def doctor(one: Proposal) -> Decision:
        asked.append(one)
        return Decision("modify", {"to_commit": "HEAD:41"}, "keep 41-50: they contain the diagnosis")

    with make_client(protocol, llm_server) as client:
        t.orchestrate(config=OrchestratorConfig(callbacks=doctor), llm_callable=client)

    assert asked[0].reasoning == "context at 85 %, recommend compressing messages 2-51"
    assert texts(t)[1:3] == ["he has a fever", "turn 40"]
    assert "keep 41-50: they contain the diagnosis" in str(llm_server.requests()[-1].messages)


@every_protocol
def test_x_1_drift_is_steered_back_by_a_model_behind_http(llm_server: LLMServer, protocol: Any) -> None:
    t = agent(":memory:")
    t.configure_policies([BranchPolicy()])
    say(t, FLIGHTS, 20)
    main = texts(t, policies=False)
    say(t, NAMING, 12)
    tangent = str(t.current_branch)
    first = t.messages()[len(main)].commit_hash
    llm_server.script(
        calling(
            ("compress", {"content": "Camel and snake naming were discussed.", "from_commit": first}),
            say="it has stalled",
        ),
        calling(("switch", {"name": "main"}), ("merge", {"source_branch": tangent}), say="it belongs on main"),
        text("done"),
    )

    with make_client(protocol, llm_server) as client:
        done = t.orchestrate(
            config=OrchestratorConfig(autonomy_ceiling="autonomous", profile="supervisor"), llm_callable=client
        )

    assert [(one.action.name, one.result.error) for one in done.steps] == [
        ("compress", None),
        ("switch", None),
        ("merge", None),
    ]
    assert (t.current_branch, texts(t)[: len(main) + 1]) == ("main", [*main, "Camel and snake naming were discussed."])
    t.undo()
    assert (t.current_branch, len(texts(t, policies=False))) == (tangent, len(main) + 12)


@every_protocol
def test_x_2_a_price_is_corrected_while_the_model_is_asked_and_survives_what_it_then_wants(
    tmp_path: Path, llm_server: LLMServer, protocol: Any
) -> None:
    everything = ("compress", {"content": "boats were discussed", "from_commit": "2", "to_commit": "9"})
    llm_server.script(text("I look again later", delay=0.6), calling(everything, say="they are old"), text("done"))
    with agent(tmp_path, turns=8) as t, make_tract(path=tmp_path, verify_cache=False) as supervisor:
        quote = t.assistant("The dinghy is 900 euros.")
        t.reorder([quote], before="HEAD:3")
        with make_client(protocol, llm_server) as client:
            t.configure_orchestrator(FREE, client)
            asking = threading.Thread(target=t.orchestrate)
            asking.start()
            while not llm_server.requests():
                time.sleep(0.01)
            supervisor.pause_orchestrator()
            supervisor.edit(quote.commit_hash, "The dinghy is 1200 euros.")
            supervisor.annotate(quote.commit_hash, "pinned")
            asking.join(10)
            assert t.orchestrator_state == "paused"
            t.resume_orchestrator()
            t.compile()
            done = t.orchestrate()

        assert done.steps[0].result.error is None
        assert texts(t) == ["You mend programs.", "boats were discussed", "The dinghy is 1200 euros.", "turn 7"]


@every_protocol
def test_x_5_an_answer_streams_over_http_is_cut_and_edited_by_the_retry(
    tmp_path: Path, llm_server: LLMServer, protocol: Any
) -> None:
    llm_server.script(text("sorted(xs)"), named("cut-stream"), text("sorted(xs, reverse=True)"))
    with agent(tmp_path) as t, make_client(protocol, llm_server, max_retries=0) as client:

        def stream(messages: Any) -> str:
            with client.stream(messages) as answer, t.stream() as kept:
                for piece in answer:
                    kept.write(piece)
                kept.usage = answer.response.usage
            assert kept.commit is not None
            return kept.commit.commit_hash

        t.user("How do I sort a list?")
        stream(t.compile().to_openai())
        assert texts(t)[-1] == "sorted(xs)"
        assert t.status().token_source == "api:10+0"

        t.user("And backwards?")
        asked = t.head
        with pytest.raises(LLMError):
            stream(t.compile().to_openai())
        partial = t.get_commit("HEAD")
        assert (partial.metadata, texts(t)[-1]) == ({"partial": True}, "one two ")

        again = client.chat(t.compile(at_commit=asked).to_openai())
        t.edit(partial.commit_hash, again.text, usage=again.usage)
        assert texts(t)[-1] == "sorted(xs, reverse=True)"


def test_two_processes_and_a_person_at_a_terminal_share_the_work(tmp_path: Path, llm_server: LLMServer) -> None:
    """An agent goes on in this process, the orchestrator works in another, and a person answers it at a pseudo-terminal."""
    wish = ("compress", {"content": "what was said", "from_commit": "2", "to_commit": "31"})
    llm_server.script(calling(wish, say="too long: messages 2-31 are old"), text("nothing is left"))
    with agent(tmp_path, turns=30) as t:
        master, slave = pty.openpty()
        command = [sys.executable, "-m", "tract", "-C", str(tmp_path), "orchestrate"]
        command += ["--provider", "openai", "--model", "any"]
        environ = {
            **os.environ,
            "PYTHONPATH": os.environ.get("PYTHONPATH", os.getcwd()),
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": llm_server.url,
            "NO_COLOR": "1",
        }
        orchestrator = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environ)
        os.close(slave)
        person = Person(master)
        try:
            shown = person.reads("[m]odify? ")
            assert "why: too long: messages 2-31 are old" in shown
            t.assistant("the agent goes on meanwhile")
            person.writes("m\n")
            person.reads("key=value: ")
            person.writes("to_commit=HEAD:21\n")
            person.reads("key=value: ")
            person.writes("\n")
            person.reads("reason: ")
            person.writes("keep the last ten: they contain the diagnosis\n")
            person.reads("nothing is left to do")
            assert orchestrator.wait(30) == 0
        finally:
            orchestrator.kill()
            orchestrator.wait()
            os.close(master)

        assert texts(t) == [
            "You mend programs.",
            "what was said",
            *(f"turn {number}" for number in range(20, 30)),
            "the agent goes on meanwhile",
        ]
        assert "keep the last ten: they contain the diagnosis" in str(llm_server.requests()[-1].messages)
        (run,) = t.orchestrator_runs()
        assert run.decisions[0].endswith(": keep the last ten: they contain the diagnosis")


class Person:
    """Reads and writes at the other end of a pseudo-terminal."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._seen = ""

    def reads(self, wanted: str) -> str:
        """What was shown up to *wanted*."""
        deadline = time.monotonic() + 60
        while wanted not in self._seen:
            assert select.select([self._terminal], [], [], max(0.0, deadline - time.monotonic()))[0], self._seen
            try:
                self._seen += os.read(self._terminal, 4096).decode()
            except OSError:  # the other end is closed
                assert wanted in self._seen, self._seen
        before, _, self._seen = self._seen.partition(wanted)
        return before

    def writes(self, line: str) -> None:
        os.write(self._terminal, line.encode())
