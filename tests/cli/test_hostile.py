"""No text, whoever wrote it, drives the terminal of somebody who looks at it, or hides: every command, one list."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import HOSTILE, UNSAFE, Outcome, Run, runner
from tract import Tract
from tract.cli.commands import ENTRIES
from tract.history.commit import Draft, write_commits
from tract.history.priority import Priority, annotate
from tract.opening import open_repository

# What brings each command to show the store's texts. What begins with "then" is run before it, on the same store.
LINES: dict[str, list[str | list[str]]] = {
    "init": [["init", "a" + HOSTILE.replace("/", "")]],
    "import": [["import", "chat\x1b\u202e.json", "bad\x1b.jsonl", "missing\x9b"]],
    "commit": [["commit", HOSTILE], ["commit", "--name", HOSTILE, HOSTILE], ["commit", "-r", HOSTILE, "x"]],
    "edit": [["edit", "HEAD", HOSTILE + "2"], ["edit", "HEAD", HOSTILE + "2", "-n"]],
    "status": ["status", "status --json"],
    "log": ["log", "log --oneline", "log --graph --all", "log --json", "log --format=full", ["log", "--format", "%an %s %b %B %N %r %D %M"], ["log", "--since", HOSTILE], ["log", "--grep", "(" + HOSTILE]],
    "show": ["show", "show --json", "show HEAD~1", "show HEAD~2 --history", "show --compiled", "show v1"],
    "diff": ["diff draft", "diff draft --word-diff", "diff draft --stat", "diff draft --json", "diff HEAD~1 HEAD"],
    "blame": ["blame", "blame --json", ["blame", "-L", HOSTILE]],
    "bisect": ["bisect start HEAD HEAD~2", "bisect log", "bisect next", "bisect bad", ["bisect", "good", HOSTILE]],
    "reflog": ["reflog", "reflog --json"],
    "compile": ["compile", "compile --format openai", "compile --json", "compile --format anthropic"],
    "verify": ["verify", "verify --sent HEAD", ["verify", "--sent", HOSTILE]],
    "usage": ["usage", "usage --json", ["usage", "--record", HOSTILE]],
    "annotate": [["annotate", "HEAD", "skip", "--reason", HOSTILE], "annotate HEAD normal --json"],
    "pin": ["pin HEAD", "pin HEAD~1 --json", "pin HEAD -n"],
    "skip": ["skip HEAD", "skip HEAD -n"],
    "compress": ["compress -n --keep-recent 1", "compress --list", ["compress", "--keep-recent", "1", "--content", "x " + HOSTILE, "--review"], ["compress", "--keep-recent", "1", "--content", "y " + HOSTILE], "show HEAD", ["compress", "--must-match", "(" + HOSTILE, "--content", "x"]],
    "expand": [["compress", "--keep-recent", "1", "--content", "y " + HOSTILE], "expand HEAD"],
    "reorder": ["reorder HEAD~1 -n", "reorder HEAD~1"],
    "branch": ["branch -v", "branch --json"],
    "switch": ["switch draft", "switch --detach HEAD~1", "switch main"],
    "checkout": ["checkout HEAD~1", "checkout main", ["checkout", "-b", HOSTILE]],
    "tag": ["tag -n", "tag x", "tag -d x"],
    "reset": ["reset HEAD~1", "reset --hard ORIG_HEAD"],
    "undo": ["undo -n", "undo", "undo --json"],
    "redo": ["undo 2", "redo -n", "redo", "redo --json"],
    "merge": ["merge -n draft", "merge draft", "status", "merge --continue", "merge --abort", "merge -X ours draft"],
    "rebase": ["rebase -n draft", "rebase draft", "rebase --continue", "rebase --abort"],
    "cherry-pick": ["cherry-pick draft~1 draft", "cherry-pick --abort", "cherry-pick draft --json"],
    "revert": ["revert HEAD", "revert HEAD~2 --json", "log -n1"],
    "tracts": [["tracts", "create", HOSTILE], "tracts", "tracts --counts", "tracts --json", ["tracts", "rename", HOSTILE, HOSTILE + "2"], ["--tract", HOSTILE + "2", "status"], ["--tract", HOSTILE, "status"], ["tracts", "delete", HOSTILE]],
    "spawn": [["spawn", "--name", HOSTILE, "-m", HOSTILE, HOSTILE], "tracts", ["spawn", HOSTILE, "--json"], ["spawn", "--select", HOSTILE, "x"]],
    "collapse": [["spawn", "--name", HOSTILE, "-m", HOSTILE, HOSTILE], ["collapse", HOSTILE, "-c", HOSTILE], ["collapse", HOSTILE, "-c", HOSTILE, "--json"], ["collapse", "x" + HOSTILE, "-c", "x"]],
    "search": ["search ok", ["search", HOSTILE], "search ok --json", ["search", "-E", "(" + HOSTILE]],
    "config": ["config", ["config", HOSTILE, "x"], ["config", "author", HOSTILE], ["config", "author"]],
    "fsck": ["fsck", "fsck --json", "fsck --repair"],
    "gc": ["gc", "gc --json", ["gc", "--retention", HOSTILE]],
    "cat-file": ["cat-file -p HEAD", "cat-file -p HEAD^{blob}", "cat-file commit HEAD", "cat-file blob HEAD^{blob}"],
    "check-ref-format": [["check-ref-format", "--branch", HOSTILE]],
    "count-objects": ["count-objects -v"],
    "fast-export": ["fast-export"],
    "fast-import": ["fast-import"],
    "for-each-ref": [["for-each-ref", "--format", "%(refname) %(author) %(subject)"], "for-each-ref --json", ["for-each-ref", "--sort", HOSTILE]],
    "hash-object": ["hash-object --stdin", ["hash-object", HOSTILE]],
    "ls-tree": ["ls-tree HEAD", "ls-tree HEAD --json"],
    "merge-base": ["merge-base main draft"],
    "prune": ["prune", "prune -n"],
    "rev-list": ["rev-list --all --objects", "rev-list HEAD --json"],
    "rev-parse": ["rev-parse HEAD", ["rev-parse", "--abbrev-ref", HOSTILE]],
    "show-ref": ["show-ref", ["show-ref", "--verify", HOSTILE]],
    "symbolic-ref": ["symbolic-ref HEAD", ["symbolic-ref", "HEAD", "refs/heads/" + HOSTILE]],
    "update-ref": ["update-ref --stdin", ["update-ref", "refs/heads/" + HOSTILE, "HEAD"]],
    "verify-pack": ["verify-pack -v", ["verify-pack", HOSTILE]],
    "health": ["health", "health --json", "health --plan 10", "health --apply 1", ["health", "--branch", HOSTILE]],
    "tools": ["tools", "tools call log {}", "tools call compile {}", 'tools call show {"message":"1"}', ["tools", "call", HOSTILE, "{}"], ["tools", "call", "commit", HOSTILE], ["tools", "call", "edit", '{"message": "2", "text": "x\u001b"}', "--reason", HOSTILE], "tools call diff {}"],
    "proposals": [["tools", "call", "compress", '{"content": "x\u001b\u202e"}', "--reason", HOSTILE, "--autonomy", "manual"], "proposals", "proposals --json", "proposals --all"],
    "approve": [["tools", "call", "compress", '{"content": "x\u001b\u202e"}', "--reason", HOSTILE, "--autonomy", "manual"], "approve -n", ["approve", "-m", HOSTILE, "--set", HOSTILE + "=1"], ["approve", HOSTILE]],
    "reject": [["tools", "call", "compress", '{"content": "x\u001b\u202e"}', "--reason", HOSTILE, "--autonomy", "manual"], ["reject", HOSTILE], ["reject", "-m", HOSTILE], "proposals --all"],
    "policy": ["policy", "policy add PinPolicy", ["policy", "add", HOSTILE], ["policy", "add", "CompressPolicy", "--set", HOSTILE], "policy test PinPolicy", "policy log", "policy list --json", ["policy", "remove", HOSTILE]],
    "orchestrate": ["orchestrate", "orchestrate --json", "orchestrate --log", "orchestrate --state"],
    "export": [["export", "--to", each] for each in ("openai", "anthropic", "gemini", "responses", "markdown")],
    "hooks": ["hooks status claude-code", ["hooks", "status", HOSTILE], "hooks run claude-code --now"],
    "remote": [["remote", "add", "origin", "there" + HOSTILE.replace("/", "")], "remote", "remote --json", "push --no-scan", "remote verify origin", "remote gc origin -n", ["remote", "add", HOSTILE, "x"], ["remote", "remove", HOSTILE], ["remote", "add", "web", "s3://" + HOSTILE]],
    "push": [["remote", "add", "origin", "there"], "push", "push --no-scan --all", ["push", "origin", HOSTILE], ["push", HOSTILE], "push --json"],
    "fetch": [["remote", "add", "origin", "there"], "push --no-scan --all", "fetch", "fetch --json", ["fetch", "origin", HOSTILE], ["fetch", HOSTILE]],
    "pull": [["remote", "add", "origin", "there"], "push --no-scan --all", "pull", ["pull", HOSTILE]],
    "ls-remote": [["remote", "add", "origin", "there"], "push --no-scan --all", "ls-remote", "ls-remote --json", ["ls-remote", HOSTILE]],
    "clone": [["remote", "add", "origin", "there"], "push --no-scan --all", "clone there copied", "-C copied log", ["clone", HOSTILE], ["clone", "there", HOSTILE.replace("/", "")]],
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which every text is hostile, also those that tract refuses to write, for another program may have."""
    folder = tmp_path_factory.mktemp("world")
    call = {"id": "c" + HOSTILE, "type": "function", "function": {"name": HOSTILE, "arguments": HOSTILE}}
    Tract.open(folder).close()
    repo = replace(open_repository(str(folder / ".tract")), author=HOSTILE)
    value = {"content_type": "dialogue", "role": "user", "text": HOSTILE, "name": HOSTILE}
    (first,) = write_commits(repo, [Draft(value, message=HOSTILE)])
    annotate(repo, first, Priority.PINNED, HOSTILE)
    repo.close()
    with Tract.open(folder) as t:
        t.commit({"role": "assistant", "content": HOSTILE, "tool_calls": [call]}, generation_config={"model": HOSTILE}, usage={"input_tokens": 1}, metadata={HOSTILE: HOSTILE})  # fmt: skip
        t.tag("v1")
        t.branch("draft")
        for branch in ("draft", "main"):
            t.switch(branch)
            t.edit(first.hex(), f"{HOSTILE} of {branch}", message=HOSTILE)
            for n in range(2):
                t.assistant(f"{n} {branch} {HOSTILE * 9}")
        t.compress(content=HOSTILE, keep_recent=1, auto_commit=False)
    (folder / "chat\x1b\u202e.json").write_text('[{"role": "user", "content": "a"}]')
    (folder / "bad\x1b.jsonl").write_text(f'{{"role": "user", "content": "a"}}\n{HOSTILE}\n{{"role": "user"}}\n')
    return folder


@pytest.fixture
def run(world: Path, tmp_path: Path) -> Run:
    shutil.copytree(world, tmp_path / "copy")
    return runner(tmp_path / "copy")


def assert_safe(outcome: Outcome) -> None:
    assert [] == [char for char in UNSAFE if char in outcome.out + outcome.err], outcome
    assert "internal error" not in outcome.err


def test_every_command_is_tried() -> None:
    assert LINES.keys() == ENTRIES.keys()


@pytest.mark.parametrize("name", ENTRIES)
def test_what_a_command_prints_on_a_terminal_is_safe(run: Run, name: str) -> None:
    for line in LINES[name]:
        argv = line.split() if isinstance(line, str) else line
        assert_safe(run(*argv, stdin=HOSTILE, terminal=True, NO_COLOR="1"))


@pytest.mark.parametrize("name", [*ENTRIES, "nope" + HOSTILE, "--" + HOSTILE, "--color=" + HOSTILE], ids=ascii)
def test_what_is_said_of_a_wrong_command_line_is_safe(run: Run, name: str) -> None:
    wrong: list[list[Any]] = [[HOSTILE], ["--" + HOSTILE], ["-" + HOSTILE], [HOSTILE] * 4, ["-n", HOSTILE]]
    for argv in wrong:
        if name not in ("commit", "hash-object", "init", "import"):
            assert_safe(run(name, *argv, stdin="", terminal=True, NO_COLOR="1"))
        assert_safe(run(name, *argv, "--no-such-option" + HOSTILE, stdin="", NO_COLOR="1"))


def test_machines_are_given_every_character(run: Run) -> None:
    run("commit", HOSTILE)

    assert HOSTILE == run("compile", "--format", "openai").json[-1]["content"]
    assert HOSTILE == run("usage", "--json").json["rows"][0]["model"]
    assert "[/nope] [bold]" in run("log", "--oneline", COLUMNS="400").out
