"""What a commit and a move cost, in calls to the system and in nodes: exact, so that no clock is needed."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.every_call import Fault, failing
from tests.making import Letters
from tract import Tract
from tract.history.context import entries
from tract.history.tree_edit import splice
from tract.objects.id import ObjectId
from tract.objects.model import NewObject, new_blob
from tract.opening import memory_repository
from tract.repo import Repository
from tract.tree import build_context

ROOT = Path(__file__).resolve().parent.parent.parent
CREATES = ("open", "rename", "replace", "link", "mkdir", "unlink")


def test_a_durable_commit_is_one_write_and_one_sync_of_the_journal_and_creates_and_renames_nothing(
    tmp_path, monkeypatch
):
    written: list[str] = []
    real = os.pwrite

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        written.append("/".join(os.readlink(f"/proc/self/fd/{fd}").split("/")[-2:]))
        return real(fd, data, offset)

    with Tract.open(tmp_path, tokenizer=Letters(), durability="full") as t:
        for number in range(20):
            t.user(f"message {number}")
        monkeypatch.setattr(os, "pwrite", pwrite)
        for number in range(
            15
        ):  # with the first twenty they stay within the zeros written ahead, which a commit in hundreds extends
            written.clear()
            with failing(Fault()) as calls:
                t.user(f"durable {number}")

            # The journal, its writer's mark in locks/journal and the branch's file: the latter two are never synced.
            assert ["objects/journal", "locks/journal", "heads/main"] == written
            assert 1 == calls.counts["fdatasync"]
            assert 0 == calls.counts["fsync"] == sum(calls.counts[name] for name in CREATES)


_COMMIT = """
import sys
from tract import Tract
with Tract.open(sys.argv[1], durability="full") as t:
    for number in range(30):
        t.user(f"message {number}")
    print("measured", file=sys.stderr, flush=True)
    t.user("durable")
    print("measured", file=sys.stderr, flush=True)
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_strace_sees_one_write_and_one_sync_of_the_journal_and_no_name_change(tmp_path):
    out = tmp_path / "strace"
    calls = "trace=write,pwrite64,fsync,fdatasync,sync_file_range,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,openat"
    command = [
        "strace",
        "-f",
        "-y",
        "-o",
        str(out),
        "-e",
        calls,
        sys.executable,
        "-c",
        _COMMIT,
        str(tmp_path / "store"),
    ]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"strace cannot trace here: {done.stderr[-200:]}")

    measured = out.read_text().split("measured")[1]

    seen = [
        (call, "/".join(name.split("/")[-2:]))
        for call, name in re.findall(r"^\d+ +(\w+)\(\d+<([^>]*)>", measured, re.M)
    ]
    calls = [("pwrite64", "objects/journal"), ("fdatasync", "objects/journal")]
    assert [*calls, ("pwrite64", "locks/journal"), ("pwrite64", "heads/main")] == [
        pair for pair in seen if pair[0] != "write"
    ]
    assert not re.findall(r"(rename|link|mkdir|O_CREAT)", measured)


def test_a_move_at_10_000_messages_makes_8_nodes_of_8_kilobytes():
    items = [(id_of(f"commit {at}"), id_of(f"blob {at}")) for at in range(10_000)]
    repo = memory_repository()
    made: list[NewObject] = []
    context = build_context(repo, items, made)
    repo.objects.write_many(made)
    known = {new.id for new in made}
    chance = random.Random(6)
    for at in chance.sample(range(9_000), 20):
        new: list[NewObject] = []
        to = at + chance.choice((3, 40))

        taken = splice(repo, context, at, at + 1, [], new)
        repo.objects.write_many(new)
        moved = splice(repo, taken, to, to, [items[at]], new)
        repo.objects.write_many(new)

        assert [*items[:at], *items[at + 1 : to + 1], items[at], *items[to + 1 :]] == list(entries(repo, moved))
        in_it = nodes(repo, moved.tree)
        unlike = {one.id: one for one in new if one.id in in_it - known}
        assert len(unlike) <= 8
        assert sum(len(one.payload) for one in unlike.values()) <= 8192


def id_of(value: str) -> ObjectId:
    return new_blob({"n": value}).id


def nodes(repo: Repository, tree: ObjectId | None) -> set[ObjectId]:
    """Every node under *tree*, it among them."""
    if tree is None:
        return set()
    node = repo.node(tree)
    below = [nodes(repo, child) for child in node.items[::2]] if node.level else []
    return {tree}.union(*below)
