"""Tags: names for commits that do not move."""

from __future__ import annotations

from tract.errors import TagExistsError
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


def list_tags(repo: Repository) -> dict[str, str]:
    """Every tag and the hexadecimal id of its commit, in order of name."""
    return {name.removeprefix(TAGS): value.hex() for name, value in repo.local_refs(TAGS) if isinstance(value, bytes)}
