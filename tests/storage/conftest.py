"""A store on disk in a folder of its own, and the same in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tract.objects.model import NewObject, Operation, new_blob, new_operation
from tract.storage.database import Database, create_database
from tract.storage.memory import MemoryStore
from tract.storage.store import Durability, ObjectStore


def blob(text: Any) -> NewObject:
    return new_blob({"text": text})


def operation(reason: str = "test", previous: bytes | None = None) -> NewObject:
    return new_operation(Operation(previous, 0, "tester", reason, ()))


def open_database(folder: Path, durability: Durability = "process") -> Database:
    """The store in *folder*, made when it is not there."""
    if not (folder / "objects").exists():
        (folder / "locks").mkdir(parents=True)
        create_database(str(folder / "objects"), operation("init"))
    return Database(str(folder / "objects"), str(folder / "locks"), durability)


OpenDatabase = Callable[..., Database]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[OpenDatabase]:
    """Opens handles on one store, and closes them at the end."""
    opened: list[Database] = []

    def open_one(durability: Durability = "process", folder: Path = tmp_path) -> Database:
        opened.append(open_database(folder, durability))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, database: OpenDatabase) -> ObjectStore:
    """An empty store, whose first operation is ``operation("init")``."""
    if request.param == "disk":
        return database()
    memory = MemoryStore()
    memory.append((), operation("init"), keyframe=True)
    return memory
