"""Bisection: the first bad commit, with the fewest tests."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count

import pytest

from tract import BisectError
from tract.history.bisect import Bisection, BisectStep, clear_bisection, next_step, read_bisection, write_bisection
from tract.history.reachability import reachable
from tract.history.state import kept_commits
from tract.history.walk import is_ancestor
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, NewObject, new_commit
from tract.opening import memory_repository
from tract.refs.store import RefEdit
from tract.repo import Repository


def history(parents: list[tuple[int, ...]]) -> tuple[Repository, list[ObjectId]]:
    """Commits with these parents, by their places before them."""
    repo = memory_repository()
    made: list[NewObject] = []
    generations: list[int] = []
    for n, places in enumerate(parents):
        generations.append(1 + max((generations[place] for place in places), default=0))
        ids = tuple(made[place].id for place in places)
        made.append(
            new_commit(Commit(CommitOperation.MERGE, ids, None, None, None, (), generations[n], n, "a", str(n)))
        )
    repo.refs.update([RefEdit("refs/heads/main", made[-1].id)], reason="test", objects=made)
    return repo, [new.id for new in made]


def line(length: int) -> tuple[Repository, list[ObjectId]]:
    return history([(n - 1,) if n else () for n in range(length)])


def searched(repo: Repository, known: Bisection, is_bad: Callable[[ObjectId], bool], skips: set[ObjectId] = frozenset()) -> tuple[ObjectId, int]:  # type: ignore[assignment]  # fmt: skip
    """The first bad commit, and how many were tested."""
    for tests in count():
        step = next_step(repo, known)
        if step.is_found:
            return step.commit, tests
        verdict = "skip" if step.commit in skips else "bad" if is_bad(step.commit) else "good"
        known = known.marked(verdict, step.commit)
    raise AssertionError


def between(good: ObjectId, bad: ObjectId) -> Bisection:
    return Bisection().marked("bad", bad).marked("good", good)


def test_a_line_needs_no_more_tests_than_its_logarithm():
    repo, ids = line(201)
    for length in range(1, 201):
        for culprit in {1, length, 1 + length // 3}:
            places = {id: at for at, id in enumerate(ids)}

            found, tests = searched(repo, between(ids[0], ids[length]), lambda id: places[id] >= culprit)  # noqa: B023  # called at once

            assert ids[culprit] == found
            assert tests <= (length - 1).bit_length()


@pytest.mark.parametrize("seed", range(30))
def test_the_culprit_is_found_in_any_history(seed):
    chance = random.Random(seed)
    size = chance.randrange(3, 40)
    repo, ids = history(
        [tuple(chance.sample(range(max(0, n - 4), n), min(n, chance.choice([1, 1, 1, 2, 2, 3])))) for n in range(size)]
    )
    behind = [id for id, _ in reachable(repo, [ids[-1]], [ids[0]])]
    culprit = chance.choice(behind)

    found, tests = searched(repo, between(ids[0], ids[-1]), lambda id: is_ancestor(repo, culprit, id))

    assert culprit == found
    assert tests < max(2, len(behind))


def test_several_good_commits_narrow_the_search():
    repo, ids = history([(), (0,), (0,), (1,), (2,), (3, 4), (5,)])
    known = between(ids[3], ids[6]).marked("good", ids[4])

    found, tests = searched(repo, known, lambda id: id == ids[6])

    assert (ids[6], 1) == (found, tests)


def test_each_step_says_how_much_is_left():
    repo, ids = line(17)

    step = next_step(repo, between(ids[0], ids[16]))

    assert BisectStep(ids[8], left=7, tests=3) == step


def test_what_is_skipped_is_tested_around():
    repo, ids = line(20)

    found, _ = searched(repo, between(ids[0], ids[19]), lambda id: ids.index(id) >= 13, {ids[9], ids[10], ids[8]})

    assert ids[13] == found


def test_the_candidates_are_named_where_only_skipped_commits_are_left():
    repo, ids = line(8)

    with pytest.raises(BisectError, match="only skipped commits are left") as caught:
        searched(repo, between(ids[0], ids[7]), lambda id: ids.index(id) >= 4, {ids[3], ids[4]})

    assert tuple(id.hex() for id in (ids[5], ids[4], ids[3])) == caught.value.candidates


def test_a_commit_that_was_skipped_can_be_judged_later():
    repo, ids = line(3)
    known = between(ids[0], ids[2]).marked("skip", ids[1])

    with pytest.raises(BisectError):
        next_step(repo, known)

    assert ids[1] == next_step(repo, known.marked("bad", ids[1])).commit


def test_where_a_good_commit_on_another_line_parted_is_tested_first():
    repo, ids = history([(), (0,), (1,), (1,), (2,), (4,)])  # 3 is good, and not behind 5
    known = between(ids[3], ids[5])

    step = next_step(repo, known)

    assert (ids[1], True) == (step.commit, step.is_base)
    assert ids[2] == searched(repo, known, lambda id: ids.index(id) in (2, 4, 5))[0]
    with pytest.raises(BisectError, match="the context was mended, not broken"):
        next_step(repo, known.marked("bad", ids[1]))


@pytest.mark.parametrize("bad", [0, 1])
def test_a_bad_commit_behind_a_good_one_is_no_search(bad):
    repo, ids = line(2)

    with pytest.raises(BisectError, match="an ancestor of a good one"):
        next_step(repo, between(ids[1], ids[bad]))


@pytest.mark.parametrize(("known", "missing"), [(Bisection(), "bad"), (Bisection().marked("bad", b"x" * 32), "good")])
def test_a_search_needs_both_ends(known, missing):
    with pytest.raises(BisectError, match=f"no commit is known to be {missing}"):
        next_step(memory_repository(), known)


def test_a_search_is_kept_with_its_commits_until_it_is_cleared():
    repo, ids = line(6)
    known = between(ids[0], ids[5]).marked("skip", ids[3])
    assert read_bisection(repo) is None

    write_bisection(repo, known)

    assert known == read_bisection(repo)
    assert {ids[0], ids[5], ids[3]} == set(kept_commits(repo))
    clear_bisection(repo)
    clear_bisection(repo)
    assert read_bisection(repo) is None
