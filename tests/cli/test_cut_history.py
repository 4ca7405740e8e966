"""What the command line says of history that gc cut: which commit, since when, and what can be done."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tract import Tract

TODAY = time.strftime("%Y-%m-%d", time.gmtime())
FAR = "'tract log' shows the history that is still kept; the context itself is complete"
PICK = "'tract cherry-pick <commit>' copies single messages"


@pytest.fixture
def cut(tmp_path: Path, run: Any) -> tuple[Any, list[str], str]:
    """The command line in a store whose branches parted before a cut, the messages' ids, the commit at which history ends."""
    with Tract.open(tmp_path, durability="process") as t:
        ids = [t.user(text).commit_hash for text in "abcdef"]
        t.branch("side", source=ids[2], switch=True)
        t.user("s")
        t.switch("main")
        t.edit(ids[4], "E")
        t.compress(content="abcd", keep_recent=2)
        compression = t.head or ""
        t.tag("kept", t.user("g").commit_hash)
        t.gc(archive_retention_days=0, orphan_retention_days=0, keep_merge_bases=False)
    run("tag", "message", ids[5])
    return run, ids, compression


def test_every_command_that_meets_the_cut_names_it_and_what_to_do(cut: tuple[Any, list[str], str]) -> None:
    run, ids, compression = cut
    for argv, at, said, hint in (
        (("merge", "side"), compression, "they have no commit in common any more", PICK),
        (("diff", "main...side"), compression, "the two have no commit in common any more", PICK),
        (("rebase", "side"), compression, "it is not known where the two parted", PICK),
        (("merge-base", "main", "side"), compression, "it is not known where they parted", FAR),
        (("merge-base", "--is-ancestor", "side", "main"), compression, "it is not known whether one reaches", FAR),
        (("cherry-pick", "main..side"), compression, "it is not known where the two parted", PICK),
        (("cherry-pick", compression), compression, "", FAR),
        (("revert", "HEAD~1"), compression, "", FAR),
        (("log", "HEAD~2"), compression, "no commit named 'HEAD~2'", FAR),
        (("show", "HEAD~1^"), compression, "no commit named 'HEAD~1^'", FAR),
        (("checkout", "message"), ids[5], "of which only the message is kept", FAR),
        (("branch", "new", "message"), ids[5], "of which only the message is kept", FAR),
        (("update-ref", "refs/heads/new", ids[5]), ids[5], "of which only the message is kept", FAR),
        (("ls-tree", "message"), ids[5], "only a commit's message is kept, not its context", FAR),
        (("compile", "--at", "message"), ids[5], "only a commit's message is kept, not its context", FAR),
        (
            ("edit", ids[4], "--restore", "1"),
            compression,
            "it is not known which version 1",
            "a negative number: -1 is the newest version",
        ),
        (("bisect", "start", "HEAD~1", "side"), compression, "the first bad commit is", FAR),
    ):
        done = run(*argv)
        error, told = done.err.splitlines()[:2]
        assert (128, True) == (done.status, error.endswith(f"history behind {at[:16]} was cut on {TODAY}")), argv
        assert said in error, argv
        assert hint in told, argv


def test_a_cut_leaves_the_answers_that_need_nothing_behind_it(cut: tuple[Any, list[str], str]) -> None:
    run, _, compression = cut

    assert 0 == run("merge-base", "--is-ancestor", compression, "main").status
    assert 1 == run("merge-base", "--is-ancestor", "main", compression).status


def test_show_says_what_is_not_known_any_more(cut: tuple[Any, list[str], str]) -> None:
    run, ids, compression = cut

    assert f"what it changed is not kept any more: gc cut the history behind it on {TODAY}" in run("show", "HEAD~1").out
    run("edit", ids[4], "EE")
    history = run("show", "--history", ids[4])
    assert [["0", ids[4][:10]], ["-1", run("rev-parse", "HEAD").out[:10]]] == [
        line.split()[:2] for line in history.out.splitlines()
    ]
    assert f"there may have been more: gc cut the history behind {compression[:10]} on {TODAY}" in history.err
    assert [0, -1] == [line["version"] for line in run("show", "--history", "--json", ids[4]).json_lines]
    assert 0 == run("edit", ids[4], "--restore", "-1").status


def test_without_the_file_that_tells_of_the_cut_the_error_leads_to_the_repair(
    cut: tuple[Any, list[str], str], tmp_path: Path
) -> None:
    run, _, _ = cut
    (tmp_path / ".tract" / "shallow").unlink()

    for command in ("log", "gc"):
        done = run(command)
        assert 128 == done.status
        assert "something names it, and 'shallow' does not say that gc cut it" in done.err
        assert "'tract fsck --repair' repairs what it can" in done.err


def test_plumbing_lists_what_is_there(cut: tuple[Any, list[str], str]) -> None:
    run, ids, compression = cut

    listed = run("rev-list", "--objects", "message").out.split()
    assert [ids[5]] == run("rev-list", "message").out.split() == listed[:1]
    assert 2 == len(listed)
    assert ["commit", "blob"] == [run("cat-file", "-t", id).out.strip() for id in listed]
    assert compression == run("rev-list", "HEAD").out.split()[-1]
    for text, start in (("f", "message"), ("abcd", "HEAD")):
        assert 0 == run("log", "-S", text, start).status


def test_lists_of_what_reaches_what_warn_where_history_was_cut(cut: tuple[Any, list[str], str]) -> None:
    run, _, compression = cut
    run("tag", "-d", "message")
    said = f"warning: history behind {compression[:16]} was cut on {TODAY}: commits behind it count as not reached"
    for argv, listed in (
        (("branch", "--contains", "side"), ["  side"]),
        (("branch", "--no-contains", "side"), ["* main"]),
        (("branch", "--merged", "main"), ["* main"]),
        (("branch", "--no-merged", "main"), ["  side"]),
        (("tag", "--contains", "side"), []),
    ):
        done = run(*argv)
        assert (0, listed) == (done.status, done.out.splitlines()), argv
        assert [said] == done.err.splitlines(), argv
    for argv in (("branch", "--contains", "main"), ("branch", "--merged", "side"), ("branch", "--contains", "HEAD~1")):
        done = run(*argv)
        assert "" == done.err, argv
