"""Commits that somebody else wrote, whose generations lie."""

from __future__ import annotations

import pytest

from tract.config import TractConfig
from tract.errors import ObjectCorruptError
from tract.history.commit import Draft, write_commits
from tract.history.walk import ancestors
from tract.objects.id import ObjectId
from tract.objects.model import new_commit
from tract.opening import memory_repository
from tract.repo import Repository


def with_generation(generation: int) -> tuple[Repository, ObjectId]:
    """A commit on a history of three whose generation is said to be that."""
    repo = memory_repository(config=TractConfig(author="tester"))
    tip = write_commits(repo, [Draft({"text": str(n)}) for n in range(3)])[-1]
    made = new_commit(repo.commit(tip)._replace(parents=(tip,), generation=generation))
    repo.objects.write_many([made])
    return repo, made.id


@pytest.mark.parametrize("generation", [1, 2, 3])
def test_a_commit_that_is_not_above_its_parent_is_damage(generation: int) -> None:
    repo, id = with_generation(generation)

    with pytest.raises(ObjectCorruptError, match="not above its parent's"):
        list(ancestors(repo, [id]))


@pytest.mark.parametrize("generation", [-6, 0, 2**63, 2**64 - 1])
def test_a_generation_that_no_commit_has_is_damage(generation: int) -> None:
    repo, id = with_generation(generation)

    with pytest.raises(ObjectCorruptError, match="its generation is not a number above zero"):
        repo.commit(id)
