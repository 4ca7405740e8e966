"""Every object of a store by number."""

from __future__ import annotations

from pathlib import Path

import pytest

from tract.errors import BlobNotFoundError
from tract.objects.model import NewObject, Operation, new_blob, new_operation
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
