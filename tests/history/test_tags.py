"""Tags in any repository: making, listing, deleting."""

from __future__ import annotations

import pytest

from tract.errors import CommitNotFoundError, RefNameError, TagExistsError
from tract.history.commit import Draft, write_commits
from tract.history.tags import create_tag, delete_tags, list_tags
from tract.objects.id import ObjectId
from tract.opening import memory_repository
from tract.repo import Repository


def make_repo() -> tuple[Repository, list[ObjectId]]:
    """Two commits, each with a tag."""
    repo = memory_repository()
    ids = write_commits(repo, [Draft({"content_type": "instruction", "text": text}) for text in "ab"])
    create_tag(repo, "v1", ids[0])
    create_tag(repo, "v2", ids[1])
    return repo, ids


def test_a_tag_does_not_move_but_can_be_made_again_once_deleted():
    repo, (a, b) = make_repo()

    with pytest.raises(TagExistsError, match="tag 'v1' already names"):
        create_tag(repo, "v1", b)
    assert {"v1": a} == delete_tags(repo, ["v1"])
    create_tag(repo, "v1", b)

    assert {"v1": b.hex(), "v2": b.hex()} == list_tags(repo)


def test_of_many_tags_all_are_deleted_or_none():
    repo, _ = make_repo()

    with pytest.raises(CommitNotFoundError, match="'v3': there is no tag of that name"):
        delete_tags(repo, ["v1", "v2", "v3"])
    assert ["v1", "v2"] == list(list_tags(repo))

    delete_tags(repo, ["v1", "v2"])
    assert {} == list_tags(repo)


def test_a_name_no_tag_can_have_is_refused():
    repo, _ = make_repo()

    for name in ("../v1", 5, None):
        with pytest.raises(RefNameError):
            delete_tags(repo, [name])
