"""What every object store must do: the one in memory is the model of the one on disk."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tract.errors import BlobNotFoundError, ClosedError, ObjectCorruptError
from tract.objects.model import NewObject, Object, Operation, new_blob, new_operation
from tract.storage.store import ObjectStore

INIT = new_operation(Operation(None, 0, "tester", "init", ()))


def blob(text: Any) -> NewObject:
    return new_blob({"text": text})


def operation(reason: str) -> NewObject:
    return new_operation(Operation(None, 0, "tester", reason, ()))


def append(store: ObjectStore, *texts: str, keyframe: bool = False) -> NewObject:
    """Append blobs of *texts* and an operation named after them."""
    new = operation(" ".join(texts))
    with store.lock():
        store.append([blob(text) for text in texts], new, keyframe=keyframe)
    return new


def payload_of(store: ObjectStore, new: NewObject) -> bytes:
    return store.read(new.id).payload


def test_an_appended_object_reads_back_with_its_operation(store: ObjectStore) -> None:
    new = append(store, "a", "b")

    assert Object("blob", blob("a").payload) == store.read(blob("a").id)
    assert Object("operation", new.payload) == store.read(new.id)
    assert store.contains(blob("b").id)
    assert [INIT.id, new.id] == list(store.operations())


def test_objects_can_be_written_without_an_operation(store: ObjectStore) -> None:
    ids = store.write_many([blob("a"), blob("b"), blob("a")])

    assert (blob("a").id, blob("b").id, blob("a").id) == ids
    assert blob("b").payload == payload_of(store, blob("b"))
    assert [INIT.id] == list(store.operations())


@pytest.mark.parametrize("text", ["", "x", "aaaa" * 100, "\0" * 5000, "é" * 60_000, "z" * 1_200_000])
def test_any_size_reads_back(store: ObjectStore, text: str) -> None:
    append(store, text)
    store.write_many([blob(text + "!")])

    assert blob(text).payload == payload_of(store, blob(text))
    assert blob(text + "!").payload == payload_of(store, blob(text + "!"))


def test_what_is_not_there_is_not_found(store: ObjectStore) -> None:
    with pytest.raises(BlobNotFoundError) as caught:
        store.read(blob("a").id)

    assert blob("a").id.hex() == caught.value.id
    assert not store.contains(blob("a").id)


def test_payloads_of_many_come_in_the_order_they_are_asked_for(store: ObjectStore) -> None:
    texts = [str(n) * (n % 40) for n in range(700)]
    append(store, *texts[:500])
    with store.lock():
        store.seal(operation("seal"))
    append(store, *texts[500:], "y" * 1_200_000)
    for wanted in ([], texts, texts[::-1], texts[10:30] + texts[5:600:7], [*texts[:3], "y" * 1_200_000, *texts[:3]]):
        assert [blob(t).payload for t in wanted] == store.payloads([blob(t).id for t in wanted], "blob")


def test_payloads_of_what_is_not_there_or_of_another_kind_are_refused_by_name(store: ObjectStore) -> None:
    append(store, "a", "b")
    with store.lock():
        store.seal(operation("seal"))
    new = append(store, "c")

    with pytest.raises(BlobNotFoundError) as caught:
        store.payloads([blob("a").id, blob("d").id], "blob")
    assert blob("d").id.hex() == caught.value.id
    with pytest.raises(ObjectCorruptError, match=f"{new.id.hex()}.*expected a blob, found a operation"):
        store.payloads([blob("a").id, new.id], "blob")
    with pytest.raises(ObjectCorruptError, match=f"{blob('b').id.hex()}.*expected a tree, found a blob"):
        store.payloads([blob("b").id], "tree")


def test_every_object_is_listed_once(store: ObjectStore) -> None:
    new = append(store, "a", "b", "a", "x" * 1_200_000)
    append(store, "a", keyframe=True)
    store.write_many([blob("a"), blob("c")])

    kinds = dict(store.ids())

    assert len(kinds) == len(list(store.ids()))
    assert {blob(t).id for t in ("a", "b", "c", "x" * 1_200_000)} == {
        id for id, kind in kinds.items() if kind == "blob"
    }
    assert {INIT.id, new.id, operation("a").id} == {id for id, kind in kinds.items() if kind == "operation"}


def test_a_prefix_finds_the_ids_that_begin_with_it(store: ObjectStore) -> None:
    texts = [str(n) for n in range(600)]
    append(store, *texts[:300])
    with store.lock():
        store.seal(operation("seal"))
    append(store, *texts[300:500])
    store.write_many([blob(text) for text in texts[500:]])
    ids = sorted(id for id, _ in store.ids())

    for prefix in ("7f", "ab", "abc", ids[5].hex()[:4], ids[-1].hex()[:17], ids[9].hex()):
        assert [id for id in ids if id.hex().startswith(prefix)] == list(store.find(prefix))


def test_a_keyframe_begins_the_operations_anew(store: ObjectStore) -> None:
    append(store, "a")
    before = store.operations()
    keyframe = append(store, "b", keyframe=True)
    after = append(store, "c")

    assert [keyframe.id, after.id] == list(store.operations())
    assert before is not store.operations()


def test_the_list_of_operations_is_the_same_one_while_it_only_grows(store: ObjectStore) -> None:
    before = store.operations()
    append(store, "a")
    store.refresh()

    assert before is store.operations()


def test_sealing_keeps_every_object_and_begins_with_the_keyframe(store: ObjectStore) -> None:
    old = append(store, "a", "b")
    keyframe = operation("seal")
    with store.lock():
        store.seal(keyframe)
    new = append(store, "a", "c")

    assert [keyframe.id, new.id] == list(store.operations())
    for one in (old, new, keyframe, INIT, blob("a"), blob("b"), blob("c")):
        assert one.payload == payload_of(store, one)
    assert len(dict(store.ids())) == len(list(store.ids())) == 7


def test_sealing_again_and_again_loses_nothing(store: ObjectStore) -> None:
    for n in range(5):
        append(store, f"{n}")
        with store.lock():
            store.seal(operation(f"seal {n}"))

    assert all(store.contains(blob(f"{n}").id) for n in range(5))


def test_a_listing_begun_before_a_seal_goes_on(store: ObjectStore) -> None:
    append(store, "a", "b", "c")
    listing = store.ids()
    first = next(listing)
    with store.lock():
        store.seal(operation("seal"))

    assert {INIT.id, blob("a").id, blob("b").id, blob("c").id} <= {id for id, _ in [first, *listing]}


def test_an_empty_store_is_not_full_and_has_one_object(store: ObjectStore) -> None:
    assert not store.is_full()
    assert [(INIT.id, "operation")] == list(store.ids())
    assert not store.refresh()


def test_the_lock_can_be_taken_again_by_its_holder(store: ObjectStore) -> None:
    with store.lock(), store.lock():
        append(store, "a")

    assert store.contains(blob("a").id)


def test_the_lock_keeps_another_thread_out(store: ObjectStore) -> None:
    done: list[str] = []
    started = threading.Event()

    def other() -> None:
        started.set()
        with store.lock():
            done.append("other")

    thread = threading.Thread(target=other)
    with store.lock():
        thread.start()
        started.wait()
        done.append("first")
    thread.join()

    assert ["first", "other"] == done


def test_an_exception_inside_the_lock_lets_it_go(store: ObjectStore) -> None:
    with pytest.raises(ZeroDivisionError), store.lock():
        raise ZeroDivisionError

    append(store, "a")


def test_a_closed_store_says_so(store: ObjectStore) -> None:
    append(store, "a")
    store.close()
    store.close()

    for use in (
        lambda: store.read(blob("a").id),
        lambda: store.contains(blob("b").id),
        lambda: store.find("abcd"),
        lambda: list(store.ids()),
        lambda: store.write_many([blob("b")]),
        lambda: store.refresh(),
        lambda: append(store, "b"),
    ):
        with pytest.raises(ClosedError):
            use()
