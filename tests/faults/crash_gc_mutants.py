"""gc with one step taken out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from tests.faults.crash_mutant import Mutant, during, nothing, patched
from tests.faults.crash_recording import replaced
from tract import repo as repository
from tract.objects.model import NewObject
from tract.refs.ref_files import RefFileSync
from tract.repo import Repository
from tract.storage.database import Database


def _gc_drops_first() -> Callable[[], AbstractContextManager[None]]:
    """The old packs go before the new journal is there."""
    real_rotate, real_drop = Database.rotate, Database.drop_packs
    waiting: list[Callable[[], None]] = []

    def rotate(self: Database, objects: Any, keyframe: NewObject) -> None:
        waiting.append(lambda: real_rotate(self, objects, keyframe))

    def drop(self: Database, names: Any) -> None:
        real_drop(self, names)
        waiting.pop()()
        waiting.clear()

    return patched(Database, rotate=rotate, drop_packs=drop)


def _shallow_last() -> Callable[[], AbstractContextManager[None]]:
    """What is cut is written down when it is gone."""
    real_cut, real_drop = Repository.put_cuts, Database.drop_packs
    waiting: list[Callable[[], None]] = []

    def cut(repo: Repository, cuts: Any) -> None:
        """Before the packs go this only notes what is to be written; after that it does as it should."""
        if waiting:
            repo.look_at_shallow()
            waiting.clear()
            real_cut(repo, cuts)
            return
        written: list[Any] = []
        with replaced(repository, write_shallow=lambda *what: written.append(what)):
            real_cut(repo, cuts)
        waiting.append(lambda: [repository.write_shallow(*what) for what in written])  # type: ignore[func-returns-value]

    def drop(self: Database, names: Any) -> None:
        real_drop(self, names)
        for late in waiting:
            late()

    @contextmanager
    def apply() -> Iterator[None]:
        waiting.clear()  # of those who were killed in between
        with replaced(Repository, put_cuts=cut), replaced(Database, drop_packs=drop):
            yield

    return apply


def gc_mutants() -> list[Mutant]:
    """Every one of them, made anew."""
    return [
        Mutant("gc: old packs go before the new journal", _gc_drops_first()),
        Mutant(
            "gc: index and pack removed without a sync between",
            during(Database, "_unlink_packs", sync_directory=nothing),
            only="gc",  # only fsck sees an index without its pack
        ),
        Mutant("archives: shallow written after the packs went", _shallow_last(), only="archives"),
        Mutant("archives: shallow not synced", during(repository, "write_shallow", sync_data=nothing), only="archives"),
        Mutant(
            "archives: name of shallow not synced",
            during(repository, "write_shallow", sync_directory=nothing),
            only="archives",
        ),
        Mutant("archives: shallow not written at all", patched(repository, write_shallow=nothing), only="archives"),
        Mutant(
            "archives: ref files not synced before what they held is forgotten",
            patched(RefFileSync, _sync=nothing),
            only="archives",
        ),
    ]
