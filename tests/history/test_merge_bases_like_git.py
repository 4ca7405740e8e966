"""Merge bases, ancestry and ranges of random histories with merges, beside what git says of the same histories."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from itertools import combinations
from pathlib import Path

import pytest

from tract.history.reachability import merge_bases, reachable
from tract.history.walk import ancestors, is_ancestor
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, NewObject, new_commit
from tract.opening import memory_repository
from tract.refs.store import RefEdit
from tract.repo import Repository

Dag = list[tuple[int, ...]]
"""The parents of each commit, by their places before it."""

CRISS_CROSS: Dag = [(), (0,), (0,), (1, 2), (2, 1), (3,), (4,)]


def random_dag(seed: int, count: int = 10) -> Dag:
    chance = random.Random(seed)
    return [
        tuple(chance.sample(range(max(0, n - 5), n), min(n, chance.choice([0, 1, 1, 1, 2, 2, 3]))))
        for n in range(count)
    ]


def tract_history(dag: Dag, times: list[int] | None = None) -> tuple[Repository, list[ObjectId]]:
    repo = memory_repository()
    objects: list[NewObject] = []
    generations: list[int] = []
    for n, parents in enumerate(dag):
        generations.append(1 + max((generations[parent] for parent in parents), default=0))
        ids = tuple(objects[parent].id for parent in parents)
        time = n if times is None else times[n]
        objects.append(
            new_commit(Commit(CommitOperation.MERGE, ids, None, None, None, (), generations[n], time, "a", str(n)))
        )
    edits = [RefEdit(f"refs/heads/n{n}", new.id) for n, new in enumerate(objects)]
    repo.refs.update(edits, reason="test", objects=objects)
    return repo, [new.id for new in objects]


class Git:
    def __init__(self, folder: Path, dag: Dag, times: list[int] | None = None) -> None:
        self.folder = folder
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
        self.run("init", "-q")
        lines = []
        for n, parents in enumerate(dag):
            lines += [
                f"commit refs/heads/n{n}",
                f"mark :{n + 1}",
                f"committer a <a> {1_700_000_000 + (n if times is None else times[n])} +0000",
                "data 0",
            ]
            lines += [f"{'merge' if at else 'from'} :{parent + 1}" for at, parent in enumerate(parents)]
            lines.append("")
        self.run("fast-import", "--quiet", stdin="\n".join(lines) + "\n")
        self.names = {id: n for n in range(len(dag)) for id in self.run("rev-parse", f"n{n}")}

    def run(self, *argv: str, stdin: str = "") -> list[str]:
        done = subprocess.run(
            ["git", *argv], cwd=self.folder, env=self.environ, input=stdin, capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        return done.stdout.split()

    def numbers(self, *argv: str) -> set[int]:
        return set(self.listed(*argv))

    def listed(self, *argv: str) -> list[int]:
        return [self.names[id] for id in self.run(*argv)]


def test_a_criss_cross_has_two_best_ancestors_and_the_newer_comes_first() -> None:
    repo, ids = tract_history(CRISS_CROSS)

    assert [ids[2], ids[1]] == merge_bases(repo, ids[5], ids[6])
    assert [ids[1]] == merge_bases(repo, ids[1], ids[6])
    assert [ids[5]] == merge_bases(repo, ids[5], ids[5])


def test_histories_that_never_met_have_no_merge_base() -> None:
    repo, ids = tract_history([(), (), (0,), (1,)])

    assert [] == merge_bases(repo, ids[2], ids[3])
    assert [] == merge_bases(repo, ids[2])


def test_clocks_that_run_backwards_change_nothing() -> None:
    dag = random_dag(3)
    repo, ids = tract_history(dag)
    other, skewed = tract_history(dag, times=list(range(len(dag), 0, -1)))

    for a, b in combinations(range(len(dag)), 2):
        expected = {ids.index(id) for id in merge_bases(repo, ids[a], ids[b])}
        assert expected == {skewed.index(id) for id in merge_bases(other, skewed[a], skewed[b])}


@pytest.mark.skipif(shutil.which("git") is None, reason="compares with git")
@pytest.mark.parametrize("dag", [CRISS_CROSS, *map(random_dag, range(6))], ids=["criss-cross", *map(str, range(6))])
def test_random_histories_have_the_ancestors_and_merge_bases_that_git_finds(tmp_path: Path, dag: Dag) -> None:
    git = Git(tmp_path, dag)
    repo, ids = tract_history(dag)
    number = {id: n for n, id in enumerate(ids)}
    reach = [git.numbers("rev-list", f"n{n}") for n in range(len(dag))]

    for a, b in combinations(range(len(dag)), 2):
        found = [number[id] for id in merge_bases(repo, ids[a], ids[b])]
        assert git.numbers("merge-base", "--all", f"n{a}", f"n{b}") == set(found)
        assert len(set(found)) == len(found)
        assert {number[id] for id in merge_bases(repo, ids[b], ids[a])} == set(found)
        assert (a in reach[b]) == is_ancestor(repo, ids[a], ids[b])
        assert (b in reach[a]) == is_ancestor(repo, ids[b], ids[a])
        listed = [number[id] for id, _ in reachable(repo, [ids[a]], [ids[b]])]
        assert reach[a] - reach[b] == set(listed)
        assert all(listed.index(n) < listed.index(p) for n in listed for p in dag[n] if p in listed)
    for a, b, c in list(combinations(range(len(dag)), 3))[::10]:
        expected = git.numbers("merge-base", "--all", f"n{c}", f"n{b}", f"n{a}")
        assert expected == {number[id] for id in merge_bases(repo, ids[c], ids[b], ids[a])}


@pytest.mark.skipif(shutil.which("git") is None, reason="compares with git")
@pytest.mark.parametrize("dag", [CRISS_CROSS, *map(random_dag, range(4))], ids=["criss-cross", *map(str, range(4))])
@pytest.mark.parametrize("clocks", ["right", "wrong"])
def test_random_histories_are_listed_in_the_order_that_git_lists_them_in(tmp_path: Path, dag: Dag, clocks: str) -> None:
    times = list(range(len(dag)))
    if clocks == "wrong":
        random.Random(len(dag)).shuffle(times)
    git = Git(tmp_path, dag, times)
    repo, ids = tract_history(dag, times)
    number = {id: n for n, id in enumerate(ids)}
    # Where clocks are wrong, git shows a parent before its child unless it is asked not to.
    order = ["--date-order"] if clocks == "wrong" else []

    for n in range(len(dag)):
        assert git.listed("rev-list", *order, f"n{n}") == [number[id] for id, _ in ancestors(repo, [ids[n]])]
        first = git.listed("rev-list", *order, "--first-parent", f"n{n}")
        assert first == [number[id] for id, _ in reachable(repo, [ids[n]], first_parent=True)]
    for a, b in combinations(range(len(dag)), 2):
        both = git.listed("rev-list", *order, f"n{a}", f"n{b}")
        assert both == [number[id] for id, _ in ancestors(repo, [ids[a], ids[b]])]
        for one, other in ((a, b), (b, a)):
            listed = git.listed("rev-list", *order, f"n{one}", f"^n{other}")
            assert listed == [number[id] for id, _ in reachable(repo, [ids[one]], [ids[other]])]
