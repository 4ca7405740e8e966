"""Tags: names for commits that do not move."""

from __future__ import annotations

from collections.abc import Sequence

from tract.errors import CommitNotFoundError, TagExistsError
from tract.objects.id import ObjectId
from tract.refs.names import TAGS, tag_ref
from tract.repo import Repository
from tract.transaction import transaction


def create_tag(repo: Repository, name: str, target: ObjectId, *, force: bool = False, why: str = "") -> None:
    """Create a tag at *target*; TagExistsError if it names another commit already, unless *force* moves it.

    The reflog of the tag keeps *why*.
    """
    ref = tag_ref(name)
    with transaction(repo, f"tag: {name}" + (f": {' '.join(why.split())}" if why else ""), moves="refs") as tx:
        found = tx.ref(ref)
        if isinstance(found, bytes) and found != target and not force:
            raise TagExistsError(f"tag '{name}' already names {found.hex()[:16]}")
        if found != target:
            tx.move(ref, target, found)


def delete_tags(repo: Repository, names: Sequence[str]) -> dict[str, ObjectId]:
    """Delete tags, all or none; return the commits they named. CommitNotFoundError if one does not exist."""
    refs = {name: tag_ref(name) for name in names}
    with transaction(repo, f"tag: deleted {', '.join(refs)}", moves="refs") as tx:
        found: dict[str, ObjectId] = {}
        for name, ref in refs.items():
            at = tx.ref(ref)
            if not isinstance(at, bytes):
                raise CommitNotFoundError(name, "there is no tag of that name")
            tx.move(ref, None, at)
            found[name] = at
        return found


def list_tags(repo: Repository) -> dict[str, str]:
    """Every tag with the hexadecimal id of its commit, in order of name."""
    return {name.removeprefix(TAGS): value.hex() for name, value in repo.local_refs(TAGS) if isinstance(value, bytes)}
