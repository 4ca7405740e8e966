"""The objects: ids that must never change, and payloads that are not what they claim."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from tract.errors import ContentValidationError, ObjectCorruptError
from tract.objects.id import KINDS, Kind, object_id, parse_id
from tract.objects.model import (
    Commit,
    CommitOperation,
    NewObject,
    Node,
    Object,
    Operation,
    RefChange,
    Refs,
    named_by,
    new_blob,
    new_commit,
    new_node,
    new_operation,
)
from tract.objects.strict_reader import check_payload, read_blob, read_bytes, read_commit, read_node, read_operation

A, B, C = bytes(32), bytes(range(32)), b"\xff" * 32
TIME = 1_700_000_000_000_000

DIALOGUE = {"content_type": "dialogue", "role": "user", "text": "hello"}
MESSAGE = Commit(CommitOperation.APPEND, (A,), B, None, None, (B, C), 2, TIME, "ada", "first")
EDIT = Commit(CommitOperation.EDIT, (A,), B, C, A, (), 3, 0, "ada", None, {"b": 1, "a": [2]})
LEAF = Node(0, (A, B, C, A))
INDEX = Node(1, (A, 9, B, 300))
NOTES = Node(0, (A, B, C, A), "notes")
REFS = Node(0, (A, "blob", B, "commit"), "refs")
RECORD = Commit(CommitOperation.RECORD, (A,), B, None, A, (B, C), 3, 0, "ada", refs=Refs(C, (A, "blob", B, "commit")))
NOTE = Commit(CommitOperation.NOTE, (A,), B, C, A, (B, C), 3, 0, "ada")
FUTURE: Any = "weigh-anew"
INIT = Operation(
    None, TIME, "ada", "init", (RefChange("HEAD", None, "refs/heads/main"),), (("HEAD", "refs/heads/main"),)
)
MOVE = Operation(A, 5, "ada", "commit", (RefChange("refs/heads/main", B, C), RefChange("refs/tags/t", B, None)))


# A changed id here is a new format version: what people have on their disks would no longer be found.
@pytest.mark.parametrize(
    ("made", "id"),
    [
        (new_blob(DIALOGUE), "2d058e5500f58dba0718cecd91489e6c2d41114e4a5be32ea896ce4685156aec"),
        (
            new_blob({"z": [1, -1, 1.5, None, True], "é": "ü"}),
            "15d3d0bbbd7b879523d96e05410a38f9b9cc3845eee3c79bc83e232185de753c",
        ),
        (new_node(LEAF), "cc05d74ce63b9d0c4bc630a59b6f4745d8af4935f77df642bb96cd668803a43a"),
        (new_node(NOTES), "03248b0b2449aaf3395bd07c08999f8d3645e201975759f95f8e209fc2e795dd"),
        (new_node(REFS), "211d32cfaffa83b8523916b5e35b32a25606a49a959545ddf26c7ad686c3c9ee"),
        (new_blob(b"raw"), "a80a8e2eaa71fd26916f1bb35ab7a1df398b7a1cbf4c9b041faeea1ebbfccf99"),
        (new_commit(RECORD), "087d6c264c882482d63166eeaa21f191c6f81d94bc9779229f68b848db82e8a7"),
        (new_node(INDEX), "9eec8b8a045761a1ea6b883f62394c812740cabd5649972bd83b655b6f7af9bb"),
        (new_commit(MESSAGE), "8213653456739be7c951210891f20bcba6bbac7ffc345805447fccc1b8f89b61"),
        (new_commit(EDIT), "f9b99d1f7f70dc6f918feb546b9260527388b96ea668e2a26d2505e13a7f7872"),
        (new_operation(INIT), "b4c53a713bde2ea2479476f6137a3bba72a7b2bac80c6af70119c5dcb3e2d2a2"),
        (new_operation(MOVE), "6821b2f34af57d157f7a4efefd631defef0a07dd8eaf10e521819212773d534e"),
    ],
)
def test_ids_are_what_they_are_in_format_version_2(made: NewObject, id: str) -> None:
    assert id == made.id.hex()


def test_an_id_is_the_hash_of_kind_length_and_payload() -> None:
    payload = b"\x83\xaccontent_type\xa8dialogue\xa4role\xa4user\xa4text\xa5hello"

    assert payload == new_blob(DIALOGUE).payload
    assert blake3(b"blob %d\0" % len(payload) + payload).digest() == object_id("blob", payload)
    assert 4 == len({object_id(kind, payload) for kind in KINDS})


@pytest.mark.parametrize(
    ("value", "make", "read"),
    [
        (DIALOGUE, new_blob, read_blob),
        (LEAF, new_node, read_node),
        (INDEX, new_node, read_node),
        (NOTES, new_node, read_node),
        (REFS, new_node, read_node),
        (b"raw", new_blob, read_bytes),
        (RECORD, new_commit, read_commit),
        (MESSAGE._replace(operation=FUTURE), new_commit, read_commit),
        (MESSAGE, new_commit, read_commit),
        (EDIT, new_commit, read_commit),
        (INIT, new_operation, read_operation),
        (MOVE, new_operation, read_operation),
    ],
)
def test_objects_read_back_as_they_were_made(value: Any, make: Any, read: Any) -> None:
    made = make(value)

    assert value == read(made.id, Object(made.kind, made.payload))
    check_payload(made.kind, made.payload)


@pytest.mark.parametrize("read", [read_blob, read_node, read_commit, read_operation])
@pytest.mark.parametrize("kind", KINDS)
@given(payload=st.binary(max_size=60))
def test_a_payload_that_is_no_object_is_corrupt(read: Any, kind: Kind, payload: bytes) -> None:
    try:
        read(A, Object(kind, payload))
    except ObjectCorruptError:
        return


FIELD = st.recursive(
    st.none() | st.integers(-2, 3) | st.text(max_size=3) | st.sampled_from([A, B, b"", "append"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
FIELDS = (
    st.lists(FIELD, max_size=12)
    | st.tuples(st.integers(0, 2), st.lists(FIELD, max_size=4))
    | st.tuples(*[FIELD] * 6)
    | st.tuples(st.just("append"), *[FIELD] * 10)
)


@pytest.mark.parametrize(
    ("kind", "read"), [("tree", read_node), ("commit", read_commit), ("operation", read_operation)]
)
@given(fields=FIELDS)
def test_fields_of_other_types_are_corrupt_or_refused_by_hand(kind: Kind, read: Any, fields: Any) -> None:
    payload = msgpack.packb(fields)
    try:
        read(A, Object(kind, payload))
    except ObjectCorruptError:
        with pytest.raises(ContentValidationError):
            check_payload(kind, payload)


@pytest.mark.parametrize(
    ("obj", "names"),
    [
        (
            MESSAGE._replace(target=C, tree=A),
            [
                *((A, "commit", "parent"), (B, "blob", "content"), (C, "commit", "target"), (A, "tree", "tree")),
                *((B, "commit", "entry"), (C, "blob", "entry content")),
            ],
        ),
        (
            NOTE,
            [
                *((A, "commit", "parent"), (B, "blob", "content"), (C, "commit", "noted"), (A, "tree", "tree")),
                *((B, "commit", "noted"), (C, "blob", "note")),
            ],
        ),
        (
            LEAF,
            [
                *((A, "commit", "entry"), (B, "blob", "entry content")),
                *((C, "commit", "entry"), (A, "blob", "entry content")),
            ],
        ),
        (NOTES, [(A, "commit", "noted"), (B, "blob", "note"), (C, "commit", "noted"), (A, "blob", "note")]),
        (REFS, [(A, "blob", "ref"), (B, "commit", "ref")]),
        (
            RECORD,
            [
                *((A, "commit", "parent"), (B, "blob", "content"), (A, "tree", "tree")),
                *((B, "commit", "entry"), (C, "blob", "entry content")),
                *((C, "tree", "list"), (A, "blob", "ref"), (B, "commit", "ref")),
            ],
        ),
        (
            Commit(CommitOperation.COMPRESS, (), None, None, None, (), 3, 0, "ada", refs=Refs(A, (B, C))),
            [(A, "tree", "list"), (B, "commit", "record"), (C, "blob", "record content")],
        ),
        (Node(0, (A, B), "records"), [(A, "commit", "record"), (B, "blob", "record content")]),
        (INDEX, [(A, "tree", "node"), (B, "tree", "node")]),
        (INIT, []),
        (
            MOVE._replace(refs=(("HEAD", "refs/heads/main"), ("refs/heads/main", A))),
            [
                *((A, "operation", "previous"), (B, "commit", "ref"), (C, "commit", "ref"), (B, "commit", "ref")),
                (A, "commit", "ref"),
            ],
        ),
    ],
)
def test_an_object_says_what_it_names_and_what_for(obj: Any, names: list[Any]) -> None:
    assert names == list(named_by(obj))


def test_a_commit_of_a_later_tract_is_read_and_says_what_it_is() -> None:
    made = new_commit(MESSAGE._replace(operation=FUTURE))

    read = read_commit(made.id, Object(made.kind, made.payload))

    assert ("weigh-anew", False) == (str(read.operation), read.operation.is_known)
    assert all(operation.is_known for operation in CommitOperation)
    with pytest.raises(ValueError):
        CommitOperation("weigh-anew")


def test_a_raw_blob_and_a_map_are_not_taken_for_each_other() -> None:
    raw, plain = new_blob(b"raw"), new_blob(DIALOGUE)

    with pytest.raises(ObjectCorruptError):
        read_blob(raw.id, Object("blob", raw.payload))
    with pytest.raises(ObjectCorruptError):
        read_bytes(plain.id, Object("blob", plain.payload))


def test_an_object_of_another_kind_is_corrupt() -> None:
    made = new_blob(DIALOGUE)

    with pytest.raises(ObjectCorruptError, match="expected a commit, found a blob"):
        read_commit(made.id, Object(made.kind, made.payload))


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64, " " + "0" * 63, "٠" * 64])
def test_only_64_lower_case_digits_are_an_id(text: str) -> None:
    assert parse_id(text) is None


def test_an_id_reads_back_from_its_digits() -> None:
    assert parse_id(B.hex()) == B
