"""Objects as JSON documents: known documents for known ids, and the way there and back for everything else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract.errors import ContentValidationError
from tract.objects.codec import encode
from tract.objects.document import Document, document_of, object_of
from tract.objects.json import ascii_json, parse_kept_json
from tract.objects.model import (
    Commit,
    CommitOperation,
    NewObject,
    Node,
    Object,
    Operation,
    RefChange,
    Refs,
    Step,
    TractRefs,
    new_blob,
    new_commit,
    new_node,
    new_object,
    new_operation,
    new_ref_chunk,
)

A, B, C = (bytes([n]) * 32 for n in (1, 2, 3))
a, b, c = A.hex(), B.hex(), C.hex()


def said(new: NewObject) -> Document:
    return document_of(new.id, Object(new.kind, new.payload))


def make_commit(**fields: object) -> NewObject:
    commit = Commit(CommitOperation.EDIT, (A, B), C, A, B, (A, B), 7, 1_700_000_000_000_000, "Ada")
    return new_commit(commit._replace(**fields))


VALUE = {"a": [1.0, -0.0, 1e22, None, True, "é\x7f\u202e\U0001f600"], "b": 1}
MOVED = (RefChange("refs/heads/x", None, B), RefChange("HEAD", C, "refs/heads/x"))
KNOWN: list[tuple[NewObject, Document]] = [
    (new_blob(VALUE), {"value": VALUE}),
    (
        make_commit(message="two\nlines", metadata={"k": 1}),
        {"operation": "edit", "parents": [a, b], "content": c, "target": a, "tree": b,
         "open": [{"commit": a, "blob": b}], "generation": 7, "time": 1_700_000_000_000_000, "author": "Ada",
         "message": "two\nlines", "metadata": {"k": 1}, "refs": None},
    ),
    (
        make_commit(operation=CommitOperation.RECORD, target=None, refs=Refs(C, (A, "blob", B, "commit"))),
        {"operation": "record", "parents": [a, b], "content": c, "target": None, "tree": b,
         "open": [{"commit": a, "blob": b}], "generation": 7, "time": 1_700_000_000_000_000, "author": "Ada",
         "message": None, "metadata": None, "refs": {"tree": c, "open": [{"blob": a}, {"commit": b}]}},
    ),
    (new_blob(b"\x00\xff"), {"bytes": "AP8="}),
    (new_node(Node(0, (A, "blob", B, "commit"), "refs")), {"level": 0, "items": [{"blob": a}, {"commit": b}], "of": "refs"}),
    (new_node(Node(0, (A, B))), {"level": 0, "items": [{"commit": a, "blob": b}], "of": "messages"}),
    (new_node(Node(0, (A, B), "notes")), {"level": 0, "items": [{"commit": a, "blob": b}], "of": "notes"}),
    (
        new_node(Node(2, (A, 9, B, 12))),
        {"level": 2, "items": [{"tree": a, "count": 9}, {"tree": b, "count": 12}], "of": "messages"},
    ),
    (
        new_operation(Operation(A, -1, "Ada", "why", MOVED)),
        {"previous": a, "time": -1, "actor": "Ada", "reason": "why",
         "changes": [{"ref": "refs/heads/x", "old": None, "new": b}, {"ref": "HEAD", "old": c, "new": "refs/heads/x"}],
         "refs": None, "steps": None, "chunks": []},
    ),
    (
        new_operation(Operation(None, 1, "", "", (), (("HEAD", "refs/heads/x"), ("refs/heads/x", A)))),
        {"previous": None, "time": 1, "actor": "", "reason": "", "changes": [],
         "refs": [{"ref": "HEAD", "value": "refs/heads/x"}, {"ref": "refs/heads/x", "value": a}], "steps": None, "chunks": []},
    ),
    (
        new_operation(Operation(None, 1, "a", "fold", (RefChange("x", A, None),), None, (Step(1, "b", "c", 1),))),
        {"previous": None, "time": 1, "actor": "a", "reason": "fold", "changes": [{"ref": "x", "old": a, "new": None}],
         "refs": None, "steps": [{"time": 1, "actor": "b", "reason": "c", "number": 1}], "chunks": []},
    ),
    (
        new_operation(Operation(None, 1, "", "", (), (), None, (A, B))),
        {"previous": None, "time": 1, "actor": "", "reason": "", "changes": [], "refs": [], "steps": None, "chunks": [a, b]},
    ),
    (
        new_ref_chunk([TractRefs("x", None, 5, (("HEAD", "refs/heads/x"), ("refs/heads/x", A)))]),
        {"tracts": [{"part": "x", "created": None, "changed": 5,
                     "refs": [{"ref": "HEAD", "value": "refs/heads/x"}, {"ref": "refs/heads/x", "value": a}]}]},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("new", "fields"), KNOWN, ids=[f"{n}-{new.kind}" for n, (new, _) in enumerate(KNOWN)])
def test_an_object_says_this_and_what_it_says_makes_the_object(new: NewObject, fields: Document) -> None:
    document = said(new)

    assert {"type": new.kind, "id": new.id.hex(), **fields} == document
    assert new == object_of(parse_kept_json(ascii_json(document)))


texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(texts, values, max_size=4))
def test_any_blob_comes_back_the_same_from_a_line_of_printable_ascii(value: dict[str, object]) -> None:
    new = new_blob(value)

    line = ascii_json(said(new))

    assert new == object_of(parse_kept_json(line))
    assert line.isascii()
    assert line.isprintable()


@given(texts, texts, texts, st.none() | texts)
def test_any_operation_comes_back_the_same(actor: str, name: str, value: str, reason: str | None) -> None:
    new = new_operation(Operation(None, 1, actor, reason or "", (RefChange(name, None, value),)))

    assert new == object_of(said(new))


@pytest.mark.parametrize(
    "new",
    [
        new_blob({"b": b"bytes"}),
        new_operation(Operation(None, 1, "a", "b", (RefChange("a", None, "0" * 64),))),
        make_commit(metadata={"b": b"bytes"}),
    ],
)
def test_what_json_cannot_say_is_the_payload_in_base64(new: NewObject) -> None:
    document = said(new)

    assert ["type", "id", "payload"] == list(document)
    assert new == object_of(document)


def test_bytes_that_are_no_object_can_be_said_and_are_not_taken() -> None:
    document = said(new_object("blob", b"\x81\xa1a\x01\x00"))

    assert "gaFhAQA=" == document["payload"]
    with pytest.raises(ContentValidationError, match="not a blob"):
        object_of(document)


BLOB = said(new_blob({"a": 1}))
COMMIT = said(make_commit())
NODE = said(new_node(Node(0, (A, B))))

BAD: list[tuple[Any, str]] = [
    ([], "must be a map"),
    ({}, "None is not an id"),
    ({**BLOB, "type": "thing"}, "'thing' is not a type of object"),
    ({**BLOB, "type": []}, "is not a type of object"),
    ({**BLOB, "id": "xyz"}, "'xyz' is not an id"),
    ({**BLOB, "value": {"a": 2}}, "what is said of blob .* makes "),
    ({**BLOB, "more": 1}, "expected a map with the keys value"),
    ({"type": "blob", "id": a}, "expected a map with the keys value"),
    ({**BLOB, "value": [1]}, "not a blob"),
    ({"type": "blob", "id": a, "bytes": "!"}, "not base64"),
    ({**COMMIT, "refs": {"tree": None, "open": []}}, "not a commit"),
    ({**COMMIT, "refs": {"tree": None, "open": [{"tree": a}]}}, "the keys blob"),
    ({**BLOB, "value": {"a": "\ud800"}}, "lone surrogate"),
    ({"type": "blob", "id": a, "payload": "!!"}, "not base64"),
    ({"type": "blob", "id": a, "payload": 7}, "not base64"),
    ({"type": "blob", "id": a, "payload": "gaFh"}, "not a blob"),
    ({**COMMIT, "operation": 7}, "not a commit"),
    ({**COMMIT, "parents": ["12"]}, "'12' is not an id"),
    ({**COMMIT, "parents": a}, "expected a list"),
    ({**COMMIT, "generation": "7"}, "not a commit"),
    ({**COMMIT, "open": [{"commit": a}]}, "the keys commit, blob"),
    ({**NODE, "items": []}, "not a tree"),
    ({**NODE, "of": "lines"}, "not a tree"),
    ({**NODE, "level": 1}, "the keys tree, count"),
]


@pytest.mark.parametrize(("document", "detail"), BAD, ids=range(len(BAD)))
def test_a_document_that_makes_no_object_is_refused(document: Any, detail: str) -> None:
    with pytest.raises(ContentValidationError, match=detail):
        object_of(document)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("commit", [7, [], None, None, None, [], 1, 1, "a", None, None]), ("tree", [0, []]), ("blob", [1]),
     ("operation", [None, 1, "a", "b", [["x"]], None])],
)  # fmt: skip
def test_an_object_of_another_shape_is_refused_though_its_id_is_right(kind: Any, value: object) -> None:
    with pytest.raises(ContentValidationError, match=f"not a {kind}"):
        object_of(said(new_object(kind, encode(value))))
