"""Objects read together: what each of them is alone, and every damage seen."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.storage.conftest import OpenDatabase, blob, operation
from tract.errors import FormatVersionError, ObjectCorruptError
from tract.objects.model import Commit, CommitOperation, NewObject, Node, Object, new_commit, new_node
from tract.objects.strict_reader import read_node
from tract.storage.database import Database


def make_history(number: int) -> list[NewObject]:
    """Blobs, commits and the leaves of their context; some leaves name what lies elsewhere, in any order, or twice."""
    blobs = [blob(f"{n} " + "word " * (n % 30)) for n in range(number)]
    commits: list[NewObject] = []
    for new in blobs:
        parents = (commits[-1].id,) if commits else ()
        commits.append(new_commit(Commit(CommitOperation.APPEND, parents, new.id, None, None, (), 1, 2, "x")))
    chance = random.Random(1)
    leaves = []
    for at in range(0, number, 16):
        pairs = list(zip(commits[at : at + 16], blobs[at : at + 16], strict=True))
        if at % 5 == 4:
            chance.shuffle(pairs)
        if at % 7 == 3:
            pairs[0] = (pairs[0][0], blob("elsewhere"))
        leaves.append(new_node(Node(0, tuple(one.id for pair in pairs for one in pair))))
    root = new_node(Node(1, tuple(part for leaf in leaves for part in (leaf.id, 16))))
    return [*blobs, *leaves, root, *commits]


def sealed(database: Database, objects: list[NewObject]) -> Database:
    with database.lock():
        database.append(objects, operation("history"), keyframe=False)
        database.seal(operation("seal"))
    return database


def test_objects_read_together_are_what_they_are_alone(database: OpenDatabase) -> None:
    objects = make_history(1600)
    sealed(database(), objects).close()
    for kind in ("blob", "tree", "commit"):
        wanted = [new for new in objects if new.kind == kind]
        for order in (wanted, wanted[::-1], wanted[5:90:3], random.Random(2).sample(wanted, len(wanted))):
            store = database()
            assert [new.payload for new in order] == store.payloads([new.id for new in order], kind)
            assert [new.payload for new in order] == [store.read(new.id).payload for new in order]


def test_nodes_and_chunks_and_blobs_read_together_are_what_they_are_alone(database: OpenDatabase) -> None:
    objects = make_history(1600)
    sealed(database(), objects).close()
    trees = [new for new in objects if new.kind == "tree"]
    blobs = [new for new in objects if new.kind == "blob"]
    for order in (trees, trees[::-1], random.Random(2).sample(trees, len(trees))):
        nodes = [read_node(new.id, Object("tree", new.payload)) for new in order]
        assert nodes == database().nodes([new.id for new in order])
        leaves = [(new.id, node.items) for new, node in zip(order, nodes, strict=True) if node.level == 0]
        found = database().chunks([id for id, _ in leaves])
        assert [len(items) // 2 for _, items in leaves] == list(found.sizes)
        assert [id for _, items in leaves for id in items[::2]] == list(found.commits)
        assert [id for _, items in leaves for id in items[1::2]] == list(found.blobs)
    for some in (blobs, blobs[::-1], blobs[100:900], blobs[::3], [*blobs[:500], blobs[3], *blobs[700:]]):
        assert [new.payload for new in some] == list(database().blobs([new.id for new in some]))


def test_a_node_above_the_chunks_is_no_chunk(database: OpenDatabase) -> None:
    objects = make_history(64)
    sealed(database(), objects).close()
    root = next(new for new in objects if new.kind == "tree" and read_node(new.id, Object("tree", new.payload)).level)

    with pytest.raises(ObjectCorruptError, match="it is of level 1 instead of 0"):
        database().chunks([root.id])


def test_blobs_are_those_of_the_moment_they_were_read(database: OpenDatabase, tmp_path: Path) -> None:
    objects = make_history(1600)
    store = sealed(database(), objects)
    wanted = [new for new in objects if new.kind == "blob"]
    blobs = store.blobs([new.id for new in wanted])
    store.close()
    for path in (tmp_path / "objects" / "pack").iterdir():
        path.unlink()

    assert [new.payload for new in wanted] == list(blobs)


def test_a_flipped_bit_is_seen_or_changes_nothing(database: OpenDatabase, tmp_path: Path) -> None:
    objects = make_history(64)
    sealed(database(), objects).close()
    (path,) = (tmp_path / "objects" / "pack").glob("*.pack")
    whole = path.read_bytes()
    seen = 0
    for at in random.Random(3).sample(range(len(whole)), 400):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
        try:
            store = database()
            for kind in ("blob", "tree", "commit"):
                wanted = [new for new in objects if new.kind == kind]
                assert [new.payload for new in wanted] == store.payloads([new.id for new in wanted], kind)
            for new in (new for new in objects if new.kind == "tree"):
                assert [read_node(new.id, Object("tree", new.payload))] == database().nodes([new.id])
            blobs = [new for new in objects if new.kind == "blob"]
            assert [new.payload for new in blobs] == list(store.blobs([new.id for new in blobs]))
        except (ObjectCorruptError, FormatVersionError):
            seen += 1
    assert seen > 100


def test_damage_names_the_pack(database: OpenDatabase, tmp_path: Path) -> None:
    objects = make_history(64)
    sealed(database(), objects).close()
    (path,) = (tmp_path / "objects" / "pack").glob("*.pack")
    data = bytearray(path.read_bytes())
    data[40] ^= 255
    path.write_bytes(data)

    with pytest.raises(ObjectCorruptError, match=path.name):
        database().payloads([new.id for new in objects if new.kind == "blob"], "blob")
