"""Every object of a store by number."""

from __future__ import annotations

from pathlib import Path

import pytest

from tract.errors import BlobNotFoundError
from tract.objects.model import (
    Commit,
    CommitOperation,
    NewObject,
    Node,
    Operation,
    named_by,
    new_blob,
    new_commit,
    new_node,
    new_operation,
)
from tract.objects.strict_reader import read_commit, read_node
from tract.storage.catalogue import Catalogue
from tract.storage.database import Database, create_database

FIRST = new_operation(Operation(None, 1, "a", "init", (), ()))


def make_store(folder: Path) -> Database:
    (folder / "locks").mkdir(parents=True)
    create_database(str(folder / "objects"), FIRST)
    return Database(str(folder / "objects"), str(folder / "locks"), "process")


def blobs(*texts: str) -> list[NewObject]:
    return [new_blob({"text": text}) for text in texts]


def seal(store: Database, *objects: NewObject) -> None:
    """Put *objects* into a pack of their own."""
    with store.lock():
        store._write_pack(objects)
        store._open_packs()


def test_every_object_has_one_number_wherever_it_lies(tmp_path):
    store = make_store(tmp_path)
    packed, both, later, loose = blobs(*"abcd")
    seal(store, packed, both)
    seal(store, both, later)
    store.write_many([loose, packed])

    catalogue = Catalogue(store)

    numbers = [catalogue.number_of(new.id) for new in (packed, both, later, loose, FIRST)]
    assert 5 == len(set(numbers) - {None})
    assert 7 == catalogue.size
    assert [catalogue.number_of(FIRST.id)] == [number for some in catalogue.operations() for number in some]
    assert 2 == len(set(catalogue.duplicates) - set(numbers))
    for new, number in zip((packed, both, later, loose), numbers, strict=False):
        assert number is not None
        assert (new.id, "blob", new.payload) == (
            catalogue.id_of(number),
            catalogue.kind_of(number),
            catalogue.read(number).payload,
        )


def made(operation: CommitOperation, content: NewObject, *named: NewObject) -> NewObject:
    """A commit of *content*, with the first of *named* as its parent and the others as its open entries."""
    parents, entries = tuple(new.id for new in named[:1]), tuple(new.id for new in named[1:])
    return new_commit(Commit(operation, parents, content.id, None, None, entries, 5, 1_790_000_000_000_000, "me"))


def test_what_an_object_names_is_told_as_it_lies_by_the_numbers_its_ids_have(tmp_path):
    store = make_store(tmp_path)
    a, b, c = blobs(*"abc")
    first = made(CommitOperation.APPEND, a)
    second = made(CommitOperation.APPEND, b, first, first, a)
    third = made(CommitOperation.APPEND, c, second, first, a, second, b)
    chunk = new_node(Node(0, (first.id, a.id, second.id, b.id)))
    seal(store, a, b, first, second, c, third, chunk)
    seal(store, a, b, first, second)  # once more, and these copies are the younger
    catalogue = Catalogue(store)

    for new, read in ((third, read_commit), (chunk, read_node)):
        number = catalogue.admit(new.id)
        names = catalogue.names(number)
        assert names is not None
        assert [(catalogue.admit(id), *rest) for id, *rest in named_by(read(new.id, catalogue.read(number)))] == [
            *zip(names.numbers, names.kinds, names.roles, strict=True)
        ]
    assert 4 == len(catalogue.duplicates)
    assert catalogue.names(catalogue.admit(a.id)) is catalogue.names(catalogue.admit(FIRST.id)) is None


def test_what_names_objects_of_another_pack_is_not_told_as_it_lies(tmp_path):
    store = make_store(tmp_path)
    a, b = blobs(*"ab")
    first = made(CommitOperation.APPEND, a)
    second = made(CommitOperation.APPEND, b, first)
    seal(store, a, first)
    seal(store, b, second)
    catalogue = Catalogue(store)

    assert catalogue.names(catalogue.admit(second.id)) is None


def test_an_object_that_is_nowhere_has_no_number_until_it_is_admitted(tmp_path):
    store = make_store(tmp_path)
    [unknown] = blobs("x")
    catalogue = Catalogue(store)

    assert catalogue.number_of(unknown.id) is None
    number = catalogue.admit(unknown.id)
    assert number == catalogue.size == catalogue.number_of(unknown.id) == catalogue.admit(unknown.id)
    assert unknown.id == catalogue.id_of(number)
    with pytest.raises(BlobNotFoundError):
        catalogue.read(number)

    seal(store, unknown)
    assert unknown.payload == catalogue.read(number).payload


def test_the_objects_of_all_packs_come_in_order_of_their_ids(tmp_path):
    store = make_store(tmp_path)
    some = blobs(*(str(at) for at in range(600)))
    seal(store, *some[::2])
    seal(store, *some[1::2])
    catalogue = Catalogue(store)

    ids = [catalogue.id_of(number) for number in catalogue.in_order()]

    assert sorted(new.id for new in some) == ids[1:]
    assert all(catalogue.id_of(catalogue.admit(new.id)) == new.id for new in some)


def test_an_object_is_as_young_as_its_youngest_copy(tmp_path):
    store = make_store(tmp_path)
    packed, loose = blobs(*"ab")
    seal(store, packed, loose)
    store.write_many([loose])
    catalogue = Catalogue(store)
    first, second = (catalogue.admit(new.id) for new in (packed, loose))

    assert [catalogue.written(first)] == list(catalogue.packs.values())
    assert catalogue.loose[loose.id] == catalogue.written(second)
    assert catalogue.written(catalogue.admit(FIRST.id)) is None
