"""Payloads with a right id and a wrong shape, as a store or a stream from somebody else may have them: refused when they are read."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from tract.errors import ContentValidationError, ObjectCorruptError
from tract.objects.codec import unpack_all
from tract.objects.content import from_value
from tract.objects.id import Kind, object_id
from tract.objects.model import Object
from tract.objects.strict_reader import check_payload, read_blob, read_commit, read_node, read_nodes, read_operation

A, B = b"a" * 32, b"b" * 32
COMMIT = ["append", [A], B, None, None, [A, B], 2, 5, "ada", None, None]
OPERATION = [A, 5, "ada", "why", [["HEAD", None, A]], [["HEAD", "refs/heads/main"]], [[5, "ada", "why", 1]]]
READERS = {"blob": read_blob, "commit": read_commit, "tree": read_node, "operation": read_operation}


def read(kind: Kind, value: Any) -> Any:
    payload = msgpack.packb(value)
    return READERS[kind](object_id(kind, payload), Object(kind, payload))


def replaced(value: list[Any], at: int, item: Any) -> list[Any]:
    return [*value[:at], item, *value[at + 1 :]]


@pytest.mark.parametrize(
    "refs", [None, [], [None, []], [A, [A]], [A, [A, "tree"]], [A, [B, A]], [7, [A, "blob"]], [A, b""], {}, [A, [], []]]
)
def test_a_record_whose_refs_are_none_is_damaged(refs: Any) -> None:
    assert A == read("commit", [*COMMIT, [A, []]]).refs.tree

    with pytest.raises(ObjectCorruptError):
        read("commit", [*COMMIT, refs])


def test_what_is_as_it_should_be_is_read() -> None:
    assert (A,) == read("commit", COMMIT).parents
    assert (A, B) == read("tree", [0, [A, B]]).items
    assert 1 == read("operation", OPERATION).steps[0].number


@pytest.mark.parametrize(
    ("at", "item"),
    [
        *(
            (0, []),
            (0, "merge it"),
            (0, "x" * 41),
            (0, ""),
            (1, [1]),
            (1, None),
            (1, [b""]),
            (1, ["a" * 32]),
            (2, 7),
            (3, "x"),
            (4, b"short"),
        ),
        *((1, b""), (1, {}), (1, [b"a" * 31, b"b" * 33]), (5, b""), (5, {})),
        *((5, [A]), (5, [A, 1]), (5, "ab"), (6, "1"), (6, True), (7, 2**60), (7, None), (8, 3), (9, []), (10, [])),
    ],
)
def test_a_commit_with_a_field_of_another_type_is_damaged(at: int, item: Any) -> None:
    with pytest.raises(ObjectCorruptError):
        read("commit", replaced(COMMIT, at, item))


@pytest.mark.parametrize(
    "value",
    [
        [0, []],
        [0, [A]],
        [0, [A, "b" * 32]],
        [1, [A, "n"]],
        [1, [A, 0]],
        [1, [7, 7]],
        [33, [A, 1]],
        [-1, [A, B]],
        ["0", [A, B]],
        {},
        [0, {A: B}],
        [0, A + B],
        [0, [b"a" * 31, b"b" * 33]],
        [0, [A, B], "lines"],
        [0, [A, B], "messages"],
        [0, [A, B], "refs"],
        [0, [A, "tree"], "refs"],
        [0, ["blob", A], "refs"],
        [1, [A, 1], "notes"],
        [1, [A, 2**63]],
    ],
)
def test_a_node_with_items_of_another_type_is_damaged(value: Any) -> None:
    payload = msgpack.packb(value)

    with pytest.raises(ContentValidationError):
        check_payload("tree", payload)
    with pytest.raises(ObjectCorruptError):
        read("tree", value)
    with pytest.raises(ObjectCorruptError):
        read_nodes([A], [payload])


@pytest.mark.parametrize(
    ("at", "item"),
    [
        *(
            (0, 1),
            (1, 2**60),
            (2, None),
            (3, []),
            (4, [["HEAD", 1, A]]),
            (4, [[5, None, A]]),
            (4, 1),
            (5, [["HEAD", 7]]),
        ),
        *((4, {}), (4, b""), (4, ["abc"]), (5, {}), (5, ["HEAD"]), (6, []), (6, [[5, "ada", "why", 2]])),
        *((5, [[1, A]]), (6, [[5, "ada", "why", -1]]), (6, [[5, 5, "why", 1]]), (6, [7])),
    ],
)
def test_an_operation_with_a_field_of_another_type_is_damaged(at: int, item: Any) -> None:
    with pytest.raises(ObjectCorruptError):
        read("operation", replaced(OPERATION, at, item))
    with pytest.raises(ContentValidationError):
        check_payload("operation", msgpack.packb(replaced(OPERATION, at, item)))


@pytest.mark.parametrize("value", [[], 5, "text", None])
def test_a_blob_that_is_no_map_is_damaged(value: Any) -> None:
    with pytest.raises(ObjectCorruptError):
        read("blob", value)


@pytest.mark.parametrize(
    "value",
    [
        {"content_type": "message", "message": [], "format": "openai"},
        {"content_type": "message", "message": {"role": 5}},
        {"content_type": "artifact", "artifact_type": "code", "content": 5, "language": "py"},
        {"content_type": "session", "session_type": "s", "summary": "x", "decisions": 5},
        {"content_type": "dialogue", "role": [], "text": "x"},
    ],
)
def test_content_without_what_its_type_needs_is_refused_when_it_is_read(value: dict[str, Any]) -> None:
    with pytest.raises(ContentValidationError):
        from_value(value)


@pytest.mark.parametrize("last", [b"\x1b\xa1", b"\x1b\x1b", b"", b"\xa1", b"\x1b\xc1", b"\x1b\xdd\xff\xff\xff\xff"])
def test_what_follows_the_last_of_several_payloads_is_refused(last: bytes) -> None:
    assert [1, 27] == unpack_all([b"\x01", b"\x1b"])

    with pytest.raises(ValueError):
        unpack_all([b"\x01", last])
