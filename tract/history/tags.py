"""Tags: names for commits that do not move."""

from __future__ import annotations

from collections.abc import Sequence

from tract.errors import CommitNotFoundError, TagExistsError
from tract.objects.id import ObjectId
from tract.refs.names import TAGS, tag_ref
from tract.refs.store import RefEdit
from tract.repo import Repository


def create_tag(repo: Repository, name: str, target: ObjectId) -> None:
    """Name *target*; TagExistsError when the tag names another commit already."""
    ref = tag_ref(name)
    with repo.objects.lock():
        repo.refs.refresh()
        found = repo.ref(ref)
        if found == target:
            return
        if isinstance(found, bytes):
            raise TagExistsError(f"tag '{name}' already names {found.hex()[:16]}")
        repo.refs.update([RefEdit(repo.prefix + ref, target, None)], reason=f"tag: {name}")


def delete_tags(repo: Repository, names: Sequence[str]) -> dict[str, ObjectId]:
    """Delete tags, all or none, and give back the commits they named; CommitNotFoundError when there is no such tag."""
    with repo.objects.lock():
        repo.refs.refresh()
        found: dict[str, ObjectId] = {}
        for name in names:
            at = repo.ref(tag_ref(name))
            if not isinstance(at, bytes):
                raise CommitNotFoundError(name, "there is no tag of that name")
            found[name] = at
        edits = [RefEdit(repo.prefix + TAGS + name, None, at) for name, at in found.items()]
        repo.refs.update(edits, reason=f"tag: deleted {', '.join(found)}")
        return found


def list_tags(repo: Repository) -> dict[str, str]:
    """Every tag and the hexadecimal id of its commit, in order of name."""
    return {name.removeprefix(TAGS): value.hex() for name, value in repo.local_refs(TAGS) if isinstance(value, bytes)}
