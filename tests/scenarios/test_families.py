"""Scenarios 5.1 and 5.2: work that is handed on and comes back as one message, and agents that work side by side, each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.making import Words, call, texts
from tract import ResolveRequest, Session, SessionContent, Tract, TractError
from tract.history.context import context_at, entries
from tract.maintenance.fsck.check import check_repository

ROOT = Path(__file__).parents[2]
_AIRLINE = "shared/corpus/sierra-research+tau-bench/historical_trajectories/gpt-4o-airline.json"
AIRLINE = next((folder / _AIRLINE for folder in ROOT.parents if (folder / _AIRLINE).exists()), ROOT / _AIRLINE)
WORKERS = {"competitor-research": "ada", "market-size": "bob", "tech-feasibility": "cyd"}


def conversations(kind: str, count: int) -> list[list[dict[str, Any]]]:
    """Real conversations of some 30 messages, or made-up ones."""
    if kind == "made-up":
        return [
            [
                {"role": "system", "content": f"You are agent {agent}."},
                *({"role": ("user", "assistant")[at % 2], "content": f"{agent} says {at}"} for at in range(20)),
                call(f"c{agent}"),
                {"role": "tool", "tool_call_id": f"c{agent}", "content": "42"},
                {"role": "assistant", "content": f"{agent} is done"},
            ]
            for agent in range(count)
        ]
    if not AIRLINE.exists():
        pytest.skip("there is no ../shared/corpus")
    found = [one["traj"] for one in json.loads(AIRLINE.read_text(encoding="utf-8"))]
    return [one for one in found if len(one) >= 24][:count]


def check(path: Path) -> None:
    assert () == tuple(one for one in check_repository(str(path / ".tract")).problems if one.severity == "error")


# 5.1


@pytest.mark.parametrize("kind", ["made-up", "corpus"])
def test_5_1_forty_turns_come_back_as_one_message_and_are_still_there(tmp_path: Path, kind: str) -> None:
    asked, work = conversations(kind, 2)
    with Session.open(tmp_path, tokenizer=Words(), durability="process") as session:
        lead = session.create_tract("research")
        lead.extend(asked)
        lead.commit(call("deep-dive"))
        before, commits = lead.compile().to_openai(), len(lead.log(None))
        child = lead.spawn("a deep dive into fares", name="fares", message="Look into fares.")
        assert asked == list(child.compile().to_openai())[: len(asked)]
        child.extend(work[1:])
        child.commit(SessionContent("end", "done", [], [], []))

        told: list[int] = []

        def summary(request: Any) -> str:
            told.append(len(request.messages))
            return "Fares are of three kinds.\n\nThe first …\n\nThe last …"

        done = session.collapse(child, summariser=summary, auto_commit=True)

        assert [1 + len(work[1:]) + 1] == told
        after = lead.compile()
        assert (before, commits + 1) == (list(after.to_openai())[: len(before)], len(lead.log(None)))
        assert "tool" == after.messages[-1].role
        assert {"tool_id_changed"} >= {warning.kind for warning in after.warnings}  # one conversation uses an id twice
        assert done.summary_tokens < done.source_tokens
        assert "research" == getattr(child.parent(), "parent_tract_id", None)
        assert [("fares", "collapsed")] == [(one.child_tract_id, one.status) for one in lead.children()]
    with Session.open(tmp_path, tokenizer=Words()) as session:  # as another day
        again = session.resume()
        assert again is not None
        assert "research" == again.tract_id
        child = session.get_child_tract(done)
        assert work[1:] == list(child.compile().to_openai())[len(asked) + 1 : -1]
        again.expand(done, branch="in-full")
        expanded = again.compile(at_commit="in-full")
        assert child.compile().commit_hashes[len(asked) :] == expanded.commit_hashes[len(asked) + 1 :]
    check(tmp_path)


def test_5_1_as_it_is_told_the_child_compresses_itself_and_the_parent_commits_that(tmp_path: Path) -> None:
    asked, work = conversations("made-up", 2)
    with Tract.open(tmp_path, tokenizer=Words()) as lead:
        lead.extend(asked)
        child = lead.spawn("a deep dive")
        child.extend(work[1:])
        own = child.log(len(work) - 1)[-1].commit_hash
        child.compress(from_commit=own, content="All in three paragraphs.")
        lead.collapse(child, content=texts(child)[-1])

        assert len(asked) + 1 == len(lead.compile())
        assert texts(lead)[-1].endswith("All in three paragraphs.")


def test_5_1_on_the_command_line(tract: Any) -> None:
    tract("init")
    for message in conversations("made-up", 1)[0]:
        assert 0 == tract("commit", "--json", json.dumps(message)).status
    tract("spawn", "--name", "deep", "-m", "Dive.", "a deep dive")
    for at in range(40):
        tract("commit", "--tract", "deep", "--role", ("user", "assistant")[at % 2], f"turn {at}")
    done = tract("collapse", "deep", "--content", "Three paragraphs.", "--json").json

    assert "deep (a deep dive):\nThree paragraphs." == tract("compile", "--json").json["messages"][-1]["content"]
    assert "stands for 41 messages of tract 'deep'" in tract("show").out
    assert 0 == tract("expand", done["parent_commit_hash"]).status
    assert "turn 39" == tract("compile", "--json").json["messages"][-1]["content"]
    assert "deep" in tract("tracts").out


# 5.2

_WORKER = """
import json, os, sys
from tests.making import Words
from tract import Tract
store, branch, author, path, dies_at = sys.argv[1:]
messages = json.load(open(path))
with Tract.open(store, branch=branch, author=author, tokenizer=Words()) as t:
    start = t.get_content("HEAD:1")
    for at, message in enumerate(messages):
        if t.commit_for_key(f"{branch}:{at}") is None:
            t.compile()                                   # what a model would be shown
            t.commit(message, key=f"{branch}:{at}")
            print(at, flush=True)                         # acknowledged
        if str(at) == dies_at:
            os.kill(os.getpid(), 9)
    t.edit("HEAD:2", f"the plan, as {author} sees it", message="revised")
"""


def start_worker(store: Path, branch: str, path: Path, dies_at: int | None = None) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", _WORKER, str(store), branch, WORKERS[branch], str(path), str(dies_at)]
    return subprocess.Popen(
        argv, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )


def brute_force_conflicts(t: Tract, base: str, ours: str, theirs: str) -> set[str]:
    """The messages that two sides changed differently, by comparing all of them, three ways."""
    repo = t.repository
    b, o, other = (dict(entries(repo, context_at(repo, bytes.fromhex(one)))) for one in (base, ours, theirs))
    return {
        id.hex()
        for id in {*b, *o, *other}
        if o.get(id) != other.get(id) and o.get(id) != b.get(id) and other.get(id) != b.get(id)
    }


@pytest.mark.parametrize("kind", ["made-up", "corpus"])
def test_5_2_three_workers_and_a_supervisor_each_a_process_and_one_is_killed(tmp_path: Path, kind: str) -> None:
    store = tmp_path / "store"
    with Tract.open(store, tokenizer=Words(), author="boss") as t:
        t.system("Plan the project.")
        t.user("the plan")
        start = t.user("Research it, all three of you.")
        for name in WORKERS:
            t.branch(name)
    work = dict(zip(WORKERS, conversations(kind, 3), strict=True))
    for name, messages in work.items():
        work[name] = messages[1:]
        (tmp_path / f"{name}.json").write_text(json.dumps(work[name]), encoding="utf-8")

    running = {
        name: start_worker(store, name, tmp_path / f"{name}.json", 7 if name == "market-size" else None)
        for name in WORKERS
    }
    acknowledged = {name: one.communicate(timeout=120)[0].split() for name, one in running.items()}
    assert [0, -signal.SIGKILL, 0] == [one.returncode for one in running.values()]
    with Tract.open(store, branch="market-size", tokenizer=Words()) as t:
        assert (8, 3 + 8) == (len(acknowledged["market-size"]), len(t.compile()))
    again = start_worker(store, "market-size", tmp_path / "market-size.json")
    assert len(work["market-size"]) - 8 == len(again.communicate(timeout=120)[0].split())

    with Tract.open(store, tokenizer=Words(), author="boss") as t:
        offered: list[tuple[str, str]] = []

        def supervisor(request: ResolveRequest) -> str | None:
            offered.append((request.kind, request.target))
            return "the plan of all" if request.kind == "both-edited" else None

        for name in WORKERS:
            review = t.diff("main", name)
            assert review.stat.added or name == "competitor-research"
            expected = brute_force_conflicts(t, start.commit_hash, t.head or "", t.get_commit(name).commit_hash)
            offered.clear()
            t.merge(name, strategy="semantic", resolver=supervisor, auto_commit=True)
            assert expected == {commit for kind, commit in offered if kind != "overlapping"}
        assert ["Plan the project.", "the plan of all", "Research it, all three of you."] == texts(t)[:3]
        sent = list(t.compile().to_openai())[3:]
        assert sent == [message for messages in work.values() for message in messages]
        by_author = {"boss": 0, **dict.fromkeys(WORKERS.values(), 0)}
        for entry in t.blame()[3:]:
            by_author[entry.author] += 1
        assert {"boss": 0} | {author: len(work[name]) for name, author in WORKERS.items()} == by_author
        assert {"boss", *WORKERS.values()} == {info.author for info in t.log(None)}
        assert "boss" == t.blame()[1].author  # who settled what the three saw differently
    check(store)


def test_5_2_on_the_command_line_with_real_processes(tmp_path: Path) -> None:
    store = tmp_path / "store"

    def run(*argv: str, **environ: str) -> subprocess.Popen[str]:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TRACT_DIR": str(store / ".tract"), **environ}
        return subprocess.Popen(
            [sys.executable, "-m", "tract", *argv], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env
        )

    def out(*argv: str, **environ: str) -> str:
        one = run(*argv, **environ)
        text, _ = one.communicate(timeout=60)
        assert 0 == one.returncode, argv
        return text

    Tract.open(store, tokenizer=Words()).close()
    out("commit", "--role", "system", "Plan the project.", TRACT_AUTHOR_NAME="boss")
    for name in WORKERS:
        out("branch", name)
    for at in range(2):
        together = [
            run("commit", "--role", "assistant", f"{name} {at}", TRACT_BRANCH=name, TRACT_AUTHOR_NAME=author)
            for name, author in WORKERS.items()
        ]
        assert [0, 0, 0] == [one.wait(timeout=60) for one in together]
        for one in together:
            assert one.stdout is not None
            one.stdout.close()
    for name in WORKERS:
        assert f"{name} 1" in out("diff", "main", name)
        out("merge", name, TRACT_AUTHOR_NAME="boss")
    blamed = [json.loads(line) for line in out("blame", "--json").splitlines()]
    assert [("boss", "Plan the project.")] + [
        (author, f"{name} {at}") for name, author in WORKERS.items() for at in range(2)
    ] == [(one["author"], one["text"]) for one in blamed]
    assert "main\n" == out("branch", "--show-current")


@pytest.mark.parametrize("seed", range(12))
def test_the_conflicts_that_a_resolver_is_offered_are_those_of_a_brute_force_comparison(seed: int) -> None:
    rng = Random(seed)
    with Tract.open(":memory:", tokenizer=Words()) as t:
        for at in range(12):
            t.user(f"message {at}")
        base = t.head or ""
        for name in ("left", "right"):
            t.branch(name, source=base, switch=True)
            for at in range(rng.randint(1, 10)):
                ids = list(t.compile().commit_hashes)
                match rng.choice(["edit", "edit", "remove", "append"]):
                    case "edit":
                        t.edit(rng.choice(ids), rng.choice([f"{name} {at}", "the same words"]))
                    case "remove" if len(ids) > 4:
                        one = rng.choice(ids)
                        with suppress(TractError):  # it was edited here: a revert of it says so
                            t.revert(one)
                    case _:
                        t.assistant(f"{name} {at}")
        t.switch("left")
        expected = brute_force_conflicts(t, base, t.head or "", t.get_commit("right").commit_hash)
        offered: dict[str, str] = {}

        def resolver(request: ResolveRequest) -> str:
            offered[request.target] = request.kind
            return "settled"

        t.merge("right", strategy="semantic", resolver=resolver, auto_commit=True)

        found = {commit for commit, kind in offered.items() if kind != "overlapping"}
        assert expected == found
        assert all(
            "settled" == text for id, text in zip(t.compile().commit_hashes, texts(t), strict=True) if id in found
        )
