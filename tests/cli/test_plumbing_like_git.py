"""The plumbing beside git's own: the same command lines, on the same history, give the same statuses and the same lines.

Ids differ, so each is compared as the name of its commit. git says 129 for wrong usage where tract says 2.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tract import Tract
from tract.cli.console import Console
from tract.cli.main import main

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="compares with git")

NAMES = ("first", "second", "third")


def git_in(folder: Path, *argv: str, stdin: str = "", at: int = 0) -> tuple[int, str]:
    """Run git in *folder*, so many seconds after a fixed time."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_COMMITTER_DATE": f"{1_700_000_000 + at} +0000",
        **{f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    done = subprocess.run(["git", *argv], cwd=folder, env=environ, input=stdin, capture_output=True, text=True)
    return done.returncode, done.stdout


def tract_in(folder: Path, *argv: str, stdin: str = "") -> tuple[int, str]:
    """Run tract in *folder*."""
    out = io.StringIO()
    console = Console(stdin=io.StringIO(stdin), stdout=out, stderr=io.StringIO(), environ={}, folder=str(folder))
    return main(argv, console=console), out.getvalue()


class Pair(NamedTuple):
    """The same history in a store of git and in one of tract, and the ids of its commits in either."""

    folder: Path
    git_ids: list[str]
    tract_ids: list[str]

    def git(self, argv: list[str], stdin: str) -> tuple[int, list[str]]:
        status, out = git_in(self.folder / "git", *with_ids(argv, self.git_ids), stdin=stdin, at=len(NAMES))
        return 2 if status == 129 else status, plain(out, self.git_ids)

    def tract(self, argv: list[str], stdin: str) -> tuple[int, list[str]]:
        status, out = tract_in(self.folder / "tract", *with_ids(argv, self.tract_ids), stdin=stdin)
        return status, plain(out, self.tract_ids)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Three commits on main, branch side at the second, tag v1 at the first."""
    folder = tmp_path_factory.mktemp("pair")
    git, tract = folder / "git", folder / "tract"
    git.mkdir()
    git_in(git, "init", "-q", "-b", "main", "--template=")
    for at, name in enumerate(NAMES):
        git_in(git, "commit", "-q", "--allow-empty", "-m", name, at=at)
    git_in(git, "tag", "v1", "HEAD~2")
    git_in(git, "branch", "side", "HEAD~1")
    with Tract.open(tract) as t:
        ids = [t.user(name).commit_hash for name in NAMES]
        t.tag("v1", "HEAD~2")
    tract_in(tract, "update-ref", "refs/heads/side", "HEAD~1")
    return Pair(folder, git_in(git, "rev-list", "--reverse", "HEAD")[1].split(), ids)


@pytest.fixture
def pair(made: Pair, tmp_path: Path) -> Pair:
    """A copy of it."""
    shutil.copytree(made.folder, tmp_path, dirs_exist_ok=True)
    return made._replace(folder=tmp_path)


def with_ids(argv: list[str], ids: list[str]) -> list[str]:
    size = len(ids[0])
    known = {
        "ZERO": "0" * size,
        "NOBODY": "d" * size,
        **{name.upper(): id for name, id in zip(NAMES, ids, strict=True)},
    }
    return [known.get(arg, arg) for arg in argv]


def plain(out: str, ids: list[str]) -> list[str]:
    """The lines of *out* with names for ids, and sizes left out."""
    for name, id in zip(NAMES, ids, strict=True):
        out = out.replace(id, name)
    out = out.replace("d" * len(ids[0]), "NOBODY")
    return re.sub(r"(commit) \d+$", r"\1 SIZE", out, flags=re.MULTILINE).splitlines()


CASES = """
rev-parse HEAD
rev-parse HEAD v1 side HEAD~1 main^
rev-parse THIRD
rev-parse v1..HEAD ^side
rev-parse HEAD^{commit}
rev-parse --verify HEAD
rev-parse --verify HEAD side
rev-parse --verify nosuch
rev-parse --verify -q nosuch
rev-parse --verify
rev-parse -q --verify HEAD side
rev-parse --short nosuch
rev-parse --abbrev-ref HEAD v1 side HEAD~1
rev-parse --symbolic-full-name HEAD v1 side HEAD~1
rev-parse
rev-list HEAD
rev-list side
rev-list v1..side
rev-list HEAD ^v1
rev-list ^side main
rev-list --count HEAD
rev-list --count HEAD ^HEAD
rev-list -n 1 HEAD
rev-list -2 HEAD
rev-list -n0 HEAD
rev-list --max-count=2 --count HEAD
rev-list --parents HEAD
rev-list --first-parent HEAD
rev-list --reverse -n 2 HEAD
rev-list --all
rev-list --count --all
rev-list nosuch
rev-list
show-ref
show-ref --head
show-ref main
show-ref heads/main
show-ref ain
show-ref nosuch
show-ref --head nosuch
show-ref --heads
show-ref --tags
show-ref --tags --heads
show-ref --tags main
show-ref -q main
show-ref -q nosuch
show-ref -s v1
show-ref --verify refs/heads/main
show-ref --verify HEAD
show-ref --verify main
show-ref --verify -q main
symbolic-ref HEAD
symbolic-ref --short HEAD
symbolic-ref refs/heads/main
symbolic-ref -q refs/heads/main
symbolic-ref nosuch
symbolic-ref HEAD main
symbolic-ref HEAD refs/heads/new
symbolic-ref HEAD refs/heads/a..b
update-ref refs/heads/x HEAD
update-ref refs/heads/side HEAD ZERO
update-ref refs/heads/side HEAD SECOND
update-ref refs/heads/side HEAD side
update-ref refs/heads/side HEAD THIRD
update-ref refs/heads/x HEAD ZERO
update-ref refs/heads/x HEAD HEAD
update-ref refs/heads/x nosuch
update-ref refs/heads/side HEAD nosuch
update-ref refs/heads/side ZERO
update-ref HEAD side
update-ref -d refs/heads/nosuch
update-ref -d refs/heads/side SECOND
update-ref -d refs/heads/side
update-ref -d HEAD
update-ref -m because refs/heads/x v1
update-ref refs/heads/x
update-ref refs/heads/x.lock HEAD
cat-file -t HEAD
cat-file -e HEAD
cat-file -e NOBODY
cat-file -e nosuch
cat-file -t nosuch
cat-file -t NOBODY
cat-file -p nosuch
cat-file blob HEAD
cat-file commit nosuch
cat-file -t -s HEAD
ls-tree nosuch
hash-object nosuch
hash-object
count-objects --nosuch
merge-base HEAD side
merge-base --all side HEAD
merge-base -a v1 side
merge-base HEAD side v1
merge-base HEAD HEAD
merge-base HEAD nosuch
merge-base HEAD
merge-base
merge-base --is-ancestor side HEAD
merge-base --is-ancestor HEAD side
merge-base --is-ancestor HEAD HEAD
merge-base --is-ancestor HEAD
merge-base --is-ancestor nosuch HEAD
check-ref-format refs/heads/x
check-ref-format refs/heads/x/y
check-ref-format HEAD
check-ref-format main
check-ref-format refs/heads/a..b
check-ref-format refs/heads/x.lock
check-ref-format refs/heads/
check-ref-format refs/heads//x
check-ref-format refs/heads/a~b
check-ref-format refs/heads/@{x
check-ref-format
check-ref-format --branch main
check-ref-format --branch HEAD
check-ref-format --branch a..b
for-each-ref
for-each-ref --format=%(refname)|%(refname:short)|%(objectname)|%(objecttype)|%(HEAD)|%(subject)|%%|%41%zz%4
for-each-ref --format=
for-each-ref --format=%(refname
for-each-ref --format=%(nosuch)
for-each-ref --format=%(refname:nosuch)
for-each-ref --sort=-refname
for-each-ref --sort=committerdate
for-each-ref --sort=-committerdate
for-each-ref --sort=-HEAD
for-each-ref --sort=refname --sort=objecttype
for-each-ref --sort=nosuch
for-each-ref --count=1
for-each-ref --count=0
for-each-ref --count=9
for-each-ref --count=-1
for-each-ref --count=1 --sort=-refname
for-each-ref --points-at HEAD
for-each-ref --points-at=v1
for-each-ref refs/heads
for-each-ref refs/heads/
for-each-ref refs/heads/m*
for-each-ref refs/*/main
for-each-ref refs/*
for-each-ref refs/**
for-each-ref refs/**/main
for-each-ref refs/h
for-each-ref refs/heads/[ms]*
for-each-ref refs/heads/[!m]*
for-each-ref refs/heads/[a-r]???
for-each-ref refs/heads/[z-a]*
for-each-ref refs/heads/[
for-each-ref refs/heads/main/
for-each-ref main
for-each-ref nosuch refs/tags
"""


@pytest.mark.parametrize("case", CASES.split("\n")[1:-1])
def test_tract_does_what_git_does(pair: Pair, case: str) -> None:
    argv = case.split(" ")

    assert git_answer(argv, pair.git(argv, "")) == pair.tract(argv, "")

    if argv[0] in ("update-ref", "symbolic-ref"):
        for after in (["show-ref", "--head"], ["symbolic-ref", "HEAD"]):
            assert pair.git(after, "") == pair.tract(after, "")


def git_answer(argv: list[str], answer: tuple[int, list[str]]) -> tuple[int, list[str]]:
    """What git answers, without a habit of its own: it repeats on the standard output what it did not understand."""
    status, lines = answer
    return status, lines if status == 0 else [line for line in lines if line not in argv]


def test_a_batch_answers_what_git_answers(pair: Pair) -> None:
    names = "HEAD\nnosuch\nv1\n\nside~1\nHEAD~7\n"

    assert pair.git(["cat-file", "--batch-check"], names) == pair.tract(["cat-file", "--batch-check"], names)


TRANSACTIONS = {
    "nothing": "",
    "several": "create refs/heads/x HEAD\nupdate refs/heads/side HEAD side\ndelete refs/tags/v1\nverify refs/heads/main HEAD\n",
    "one fails": "create refs/heads/x HEAD\nupdate refs/heads/side HEAD v1\n",
    "an unnamed value": 'update refs/heads/x HEAD ""\nupdate refs/heads/side HEAD\n',
    "zeros": "update refs/heads/x HEAD ZERO\nupdate refs/heads/side ZERO side\n",
    "create what is there": "create refs/heads/side HEAD\n",
    "create nothing": "create refs/heads/x ZERO\n",
    "delete what is not there": "delete refs/heads/nosuch\n",
    "delete what is elsewhere": "delete refs/heads/side HEAD\n",
    "delete nothing": "delete refs/heads/side ZERO\n",
    "verify": "verify refs/heads/nosuch\nverify refs/heads/side side\nverify refs/heads/nosuch ZERO\n",
    "verify what is there": "verify refs/heads/main\n",
    "verify what is elsewhere": "create refs/heads/x HEAD\nverify refs/heads/side HEAD\n",
    "twice": "update refs/heads/x HEAD\nupdate refs/heads/x HEAD\n",
    "twice by HEAD": "update HEAD side\nupdate refs/heads/main side\n",
    "HEAD": "update HEAD side HEAD\n",
    "HEAD itself": "option no-deref\nupdate HEAD side HEAD\n",
    "by name": "start\ncreate refs/heads/x HEAD\nprepare\ncommit\n",
    "not committed": "start\ncreate refs/heads/x HEAD\n",
    "prepared only": "start\ncreate refs/heads/x HEAD\nprepare\n",
    "aborted": "start\ncreate refs/heads/x HEAD\nabort\nstart\ncreate refs/heads/y HEAD\ncommit\n",
    "committed and broken": "start\ncreate refs/heads/x HEAD\ncommit\nnonsense\n",
    "committed unnamed": "create refs/heads/x HEAD\ncommit\n",
    "aborted unnamed": "create refs/heads/x HEAD\nabort\n",
    "after the commit": "start\ncommit\ncreate refs/heads/x HEAD\n",
    "after prepare": "prepare\ncreate refs/heads/x HEAD\n",
    "prepare fails": "start\ncreate refs/heads/side HEAD\nprepare\ncommit\n",
    "start twice": "start\nstart\n",
    "unknown": "create refs/heads/x HEAD\nnonsense\n",
    "blank": "create refs/heads/x HEAD\n\n",
    "no ref": "update\n",
    "no value": "update refs/heads/x\n",
    "too much": "update refs/heads/x HEAD HEAD HEAD\n",
    "unknown option": "option nonsense\n",
    "unknown value": "create refs/heads/x nosuch\n",
    "bad name": "create refs/heads/a..b HEAD\n",
    "cut off": "create refs/heads/x HEAD\ncreate refs/heads/y HEAD",
    "beside": "create refs/heads/d HEAD\ncreate refs/heads/d/e HEAD\n",
    "under": "create refs/heads/side/e HEAD\n",
}


@pytest.mark.parametrize("text", TRANSACTIONS.values(), ids=TRANSACTIONS)
@pytest.mark.parametrize("zeros", [False, True], ids=["lines", "zeros"])
def test_a_transaction_does_what_git_does(pair: Pair, text: str, zeros: bool) -> None:
    if zeros and not text.endswith("\n") and text:
        pytest.skip("git takes a last value without an end; it may be half of one")
    answers = []
    for run, size in ((pair.git, 40), (pair.tract, 64)):
        lines = text.replace("ZERO", "0" * size)
        argv = ["update-ref", "--stdin", *(["-z"] if zeros else [])]
        answer = run(argv, with_zeros(lines) if zeros else lines)
        answers.append([answer, run(["show-ref", "--head"], ""), run(["symbolic-ref", "-q", "HEAD"], "")])

    assert answers[0] == answers[1]


def with_zeros(text: str) -> str:
    """The lines as -z wants them, every value that may be given in its place."""
    most = {"update": 2, "create": 1, "delete": 1, "verify": 1}
    fields = []
    for line in text.splitlines():
        command, *rest = line.split(" ")
        if command in most and rest:
            values = ["" if value == '""' else value for value in rest[1:]]
            fields += [f"{command} {rest[0]}", *values, *[""] * (most[command] - len(values))]
        else:
            fields.append(line)
    return "".join(f"{field}\0" for field in fields)
