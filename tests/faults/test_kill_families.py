"""Agents that hand on work and take it back, killed at any moment: what was acknowledged is there, and a child is collapsed just where its message is."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from tests.making import Words
from tract import Session
from tract.maintenance.fsck.check import check_repository

ROOT = Path(__file__).parents[2]

_AGENT = """
import os, sys
from tests.making import Words
from tract import Tract
with Tract.open(sys.argv[1], tract_id="lead", tokenizer=Words(), durability="process", on_moved="append") as lead:
    for at in range(100_000):
        child = lead.spawn("work", name=f"{os.getpid()}-{at}", message="go")
        print("spawned", child.tract_id, flush=True)
        child.assistant("a")
        lead.collapse(child, content="done")
        print("collapsed", child.tract_id, flush=True)
"""


@pytest.mark.parametrize("rounds", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_a_family_is_whole_whenever_its_agents_are_killed(tmp_path: Path, rounds: int) -> None:
    rng = Random(rounds)
    said: dict[str, set[str]] = {"spawned": set(), "collapsed": set()}
    with Session.open(tmp_path, durability="process", tokenizer=Words()) as session:
        session.create_tract("lead").user("start")
    for _ in range(rounds):
        argv = [sys.executable, "-c", _AGENT, str(tmp_path)]
        agents = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
        lines = [one.stdout.readline() for one in agents if one.stdout is not None]
        time.sleep(rng.random() / 2)
        for one in agents:
            one.kill()
        outs = [one.communicate(timeout=60)[0] for one in agents]
        for line in "".join([*lines, *outs]).splitlines():
            word, _, name = line.partition(" ")
            if word in said and name:
                said[word].add(name)

    with Session.open(tmp_path, durability="process", tokenizer=Words()) as session:
        lead = session.get_tract("lead")
        children = {one.child_tract_id: one for one in lead.children()}
        assert said["spawned"] <= children.keys()
        assert all(children[name].status == "collapsed" for name in said["collapsed"])
        first, *messages = lead.compile().commit_hashes
        assert set(messages) == {one.collapse_commit for one in children.values() if one.collapse_commit is not None}
        assert first not in messages
    assert [] == [one for one in check_repository(str(tmp_path / ".tract")).problems if one.severity == "error"]
