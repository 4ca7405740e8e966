"""``tract bisect``."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tract import Session, Tract

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def talk(run, tmp_path):
    """Seventeen messages, of which the twelfth is poisoned."""
    with Tract.open(tmp_path) as t:
        t.extend({"role": "user", "content": f"m{n}" if n != 11 else "poison"} for n in range(17))
    return run


def ids(talk) -> list[str]:
    """The commits, oldest first."""
    return talk("rev-list", "--reverse", "HEAD").out.split()


def test_halving_by_hand_names_the_first_bad_commit(talk):
    commits = ids(talk)
    assert ["waiting for a bad commit and a good commit"] == talk("bisect", "start").out.splitlines()
    assert ["waiting for a good commit"] == talk("bisect", "bad").out.splitlines()

    first = talk("bisect", "good", commits[0]).out.splitlines()

    assert "bisecting: 7 commits left to test after this (roughly 3 steps)" == first[0]
    assert first[1].startswith(commits[8][:10] + " user: m8 (")
    assert f"see 'tract compile --at {commits[8][:10]}'" in first[2]
    for verdict in ("good", "bad", "good"):
        talk("bisect", verdict)
    last = talk("bisect", "bad").out.splitlines()
    assert [f"{commits[11]} is the first bad commit", f"commit {commits[11]}"] == last[:2]
    assert "    poison" == last[-1]
    assert commits[16] == talk("rev-parse", "HEAD").out.strip()


def test_json_says_how_far_the_search_is(talk):
    commits = ids(talk)

    value = talk("bisect", "start", "HEAD", "HEAD~16", "--json").json

    assert {
        "bad": commits[16],
        "good": [commits[0]],
        "skipped": [],
        "next": commits[8],
        "left": 7,
        "steps": 3,
        "first_bad": None,
    } == value
    assert value == talk("bisect", "next", "--json").json
    assert [commits[8]] == talk("bisect", "skip", "--json").json["skipped"]
    assert commits[1] == talk("bisect", "bad", commits[1], "--json").json["first_bad"]


def test_the_log_says_what_was_said_so_far(talk):
    commits = ids(talk)
    talk("bisect", "start", "HEAD", "HEAD~16")
    talk("bisect", "good")

    out = talk("bisect", "log").out.splitlines()

    assert "tract bisect start" == out[0]
    assert [
        f"tract bisect {v} {c}" for v, c in (("bad", commits[16]), ("good", commits[0]), ("good", commits[8]))
    ] == out[2::2]
    assert "good" == talk("bisect", "log", "--json").json_lines[-1]["verdict"]


def test_a_reset_ends_the_search(talk):
    talk("bisect", "start", "HEAD", "HEAD~16")

    assert (0, "", "") == talk("bisect", "reset")
    assert (0, "", "no bisection is under way\n") == talk("bisect", "reset")
    assert 128 == talk("bisect", "next").status == talk("bisect", "log").status == talk("bisect", "run", "true").status


def test_a_command_judges_the_context_on_its_standard_input(talk, tmp_path):
    commits = ids(talk)
    judge = tmp_path / "judge.py"
    judge.write_text(
        "import json, os, sys\n"
        "value = json.load(sys.stdin)\n"
        "assert value['commit_hash'] == os.environ['TRACT_BISECT_COMMIT']\n"
        "assert len(value['context']) == len(value['messages'])\n"
        "open('seen', 'a').write('x')\n"
        "sys.exit(125 if len(value['messages']) == 9 else 7 * any(m['content'] == 'poison' for m in value['context']))\n"
    )
    talk("bisect", "start", "HEAD", "HEAD~16")

    outcome = talk("bisect", "run", sys.executable, str(judge))

    assert 0 == outcome.status, outcome.err
    assert f"{commits[11]} is the first bad commit" in outcome.out.splitlines()
    assert outcome.out.startswith(f"testing {commits[8][:10]} user: m8 (")
    assert len((tmp_path / "seen").read_text()) <= 6
    assert [commits[8]] == talk("bisect", "next", "--json").json["skipped"]


@pytest.mark.parametrize(
    ("script", "said"),
    [("exit 128", "ended with status 128"), ("exit 126", "ended with status 126"), ("exit 127", "ended with status 127"), ("kill -9 $$", "was killed by signal 9")],
)  # fmt: skip
def test_a_command_that_says_nothing_stops_the_search_which_can_go_on(talk, script, said):
    talk("bisect", "start", "HEAD", "HEAD~16")
    before = talk("bisect", "next", "--json").out

    outcome = talk("bisect", "run", "sh", "-c", script)

    assert (128, True) == (outcome.status, said in outcome.err)
    assert before == talk("bisect", "next", "--json").out
    assert 0 == talk("bisect", "run", "true").status


def test_a_command_that_is_not_there_is_named(talk):
    talk("bisect", "start", "HEAD", "HEAD~16")

    outcome = talk("bisect", "run", "./no-such-command", "--json", "-x")

    assert 128 == outcome.status
    assert "'./no-such-command'" in outcome.err


def test_an_interruption_keeps_what_was_found_out(talk, tmp_path):
    talk("bisect", "start", "HEAD", "HEAD~16")
    script = tmp_path / "judge.sh"
    # The second test never ends by itself.
    script.write_text("[ -e once ] && { touch twice; exec sleep 60; }\ntouch once\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "tract", "bisect", "run", "sh", str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # ignored where the tests run in the background of a script
    )
    while not (tmp_path / "twice").exists():
        assert process.poll() is None

    os.killpg(process.pid, signal.SIGINT)

    assert 130 == process.wait(20)
    assert 2 == len(talk("bisect", "next", "--json").json["good"])


def test_where_only_skipped_commits_are_left_they_are_named(talk):
    commits = ids(talk)
    talk("bisect", "start", "HEAD", "HEAD~2")

    outcome = talk("bisect", "skip")

    assert 128 == outcome.status
    assert (
        f"only skipped commits are left, any of which may be the first bad one: {commits[16][:16]}, {commits[15][:16]}"
        in outcome.err
    )


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (("start", "nope"), 128),
        (("start", "HEAD~1", "HEAD"), 128),
        (("bad", "HEAD", "HEAD~1"), 2),
        (("log", "HEAD"), 2),
        (("run",), 2),
        ((), 2),
        (("nope",), 2),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(talk, argv, status):
    talk("bisect", "start", "HEAD", "HEAD~16")
    before = talk("bisect", "log").out

    outcome = talk("bisect", *argv)

    assert (status, "") == (outcome.status, outcome.out)
    assert before == talk("bisect", "log").out


def test_without_a_commit_nothing_is_bad(run):
    outcome = run("bisect", "bad")

    assert (128, "") == (outcome.status, outcome.out)
    assert 0 == run("bisect", "start").status


def test_the_search_goes_on_in_the_child_that_brought_what_is_bad(run, tmp_path):
    with Session.open(tmp_path) as session:
        lead = session.get_tract("root")
        lead.user("start")
        child = lead.spawn("look", name="a child")
        for text in ("fine", "poison", "more"):
            child.assistant(text)
        lead.collapse(child, content="a summary of poison")
    command = ["sh", "-c", "! grep -q poison"]
    run("bisect", "start", "HEAD", "HEAD~1")
    found = run("bisect", "run", *command)

    first, second = (shlex.split(line.partition("'")[2].rpartition("'")[0]) for line in found.err.splitlines()[-2:])
    assert ["tract", "--tract", "a child", "bisect", "start"] == first[:5]
    assert ["tract", "--tract", "a child", "bisect", "run", *command] == second
    assert 0 == run(*first[1:]).status
    assert "    poison" == run(*second[1:]).out.splitlines()[-1]

    with Session.open(tmp_path) as session:
        session.delete_tract("a child")
    run("bisect", "start", "HEAD", "HEAD~1")
    assert "it stands for the work of tract 'a child', which is not in this store" in run("bisect", "run", *command).err
