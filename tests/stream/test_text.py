"""Objects as lines of text: known lines for known ids, and the way there and back for everything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract.maintenance.stream.text import LineError, object_lines, parse_object
from tract.objects.codec import encode
from tract.objects.model import (
    Commit,
    CommitOperation,
    NewObject,
    Node,
    Object,
    Operation,
    RefChange,
    Step,
    new_blob,
    new_commit,
    new_node,
    new_object,
    new_operation,
)

A, B, C = (bytes([n]) * 32 for n in (1, 2, 3))


def lines_of(new: NewObject) -> list[str]:
    return object_lines(new.id, Object(new.kind, new.payload))


def make_commit(**fields: object) -> NewObject:
    commit = Commit(CommitOperation.EDIT, (A, B), C, A, B, (A, B), 7, 1_700_000_000_000_000, "Ada")
    return new_commit(commit._replace(**fields))


KNOWN = [
    (
        new_blob({"b": 1, "a": [1.0, -0.0, 1e22, None, True, "é\x7f\u202e\U0001f600"]}),
        ["blob ?",
         '{"a":[1.0,-0.0,1e+22,null,true,"\\u00e9\\u007f\\u202e\\ud83d\\ude00"],"b":1}'],
    ),
    (
        make_commit(message="two\nlines", metadata={"k": 1}),
        ["commit ?", "operation edit", f"parent {A.hex()}", f"parent {B.hex()}", f"content {C.hex()}",
         f"target {A.hex()}", f"tree {B.hex()}", f"open {A.hex()} {B.hex()}", "generation 7",
         "time 1700000000000000", 'author "Ada"', 'message "two\\nlines"', 'metadata {"k":1}'],
    ),
    (new_node(Node(0, (A, B))), ["tree ?", "level 0", f"entry {A.hex()} {B.hex()}"]),
    (new_node(Node(2, (A, 9, B, 12))), ["tree ?", "level 2", f"node {A.hex()} 9", f"node {B.hex()} 12"]),
    (
        new_operation(Operation(A, -1, "Ada", "why", (RefChange("refs/heads/x", None, B), RefChange("HEAD", C, "refs/heads/x")))),
        ["operation ?", f"previous {A.hex()}", "time -1", 'actor "Ada"', 'reason "why"',
         f"change - {B.hex()} refs/heads/x", f"change {C.hex()} ref:refs/heads/x HEAD"],
    ),
    (
        new_operation(Operation(None, 1, "", "", (), (("HEAD", "refs/heads/x"), ("refs/heads/x", A)))),
        ["operation ?", "time 1", 'actor ""', 'reason ""', "keyframe", "ref ref:refs/heads/x HEAD", f"ref {A.hex()} refs/heads/x"],
    ),
    (
        new_operation(Operation(None, 1, "a", "fold", (RefChange("x", A, None),), None, (Step(1, "b", "c d", 1), Step(2, "", "", 0)))),
        ["operation ?", "time 1", 'actor "a"', 'reason "fold"', f"change {A.hex()} - x", "folded", 'step 1 1 ["b","c d"]', 'step 0 2 ["",""]'],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("new", "expected"), KNOWN, ids=[f"{n}-{new.kind}" for n, (new, _) in enumerate(KNOWN)])
def test_an_object_has_these_lines_and_the_lines_make_the_object(new: NewObject, expected: list[str]) -> None:
    lines = lines_of(new)

    assert expected[1:] == lines[1:]
    assert f"{new.kind} {new.id.hex()}" == lines[0]
    assert new == parse_object(lines)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values, max_size=4))
def test_any_blob_comes_back_the_same_and_its_lines_are_printable_ascii(value: dict[str, object]) -> None:
    new = new_blob(value)

    lines = lines_of(new)

    assert new == parse_object(lines)
    assert all(line.isascii() and line.isprintable() for line in lines)


@given(st.lists(st.text(min_size=1), min_size=3, max_size=3), st.none() | st.text())
def test_any_operation_comes_back_the_same_on_lines_of_its_own(texts: list[str], reason: str | None) -> None:
    try:
        new = new_operation(Operation(None, 1, texts[0], reason or "", (RefChange(texts[1], None, texts[2]),)))
    except Exception:  # noqa: BLE001  # text that is not Unicode cannot be in an object
        return

    lines = lines_of(new)

    assert new == parse_object(lines)
    assert all(line.isprintable() for line in lines)


def test_what_lines_cannot_say_is_base64() -> None:
    for new in (
        new_blob({"b": b"bytes"}),
        new_operation(Operation(None, 1, "a", "b", (RefChange("a b", None, "c d"),))),
    ):
        lines = lines_of(new)

        assert [f"raw {new.kind} {new.id.hex()}", 2] == [lines[0], len(lines)]
        assert new == parse_object(lines)


def broken(at: int, line: str) -> list[str]:
    lines = lines_of(make_commit())
    return [*lines[:at], line, *lines[at + 1 :]] if line else [*lines[:at], *lines[at + 1 :]]


BLOB = new_blob({"a": 1})

BAD = [
    (["nothing"], 0, "begins no object"),
    (["blob xyz", "{}"], 0, "is no id"),
    ([f"blob {BLOB.id.hex()}"], 0, "a line is missing"),
    ([f"blob {BLOB.id.hex()}", '{"a":2}'], 0, "the lines of blob"),
    ([f"blob {BLOB.id.hex()}", '{"a":1}', "more"], 2, "does not belong here"),
    ([f"blob {BLOB.id.hex()}", '{"a":1'], 1, "not JSON"),
    ([f"blob {BLOB.id.hex()}", '{"a":NaN}'], 1, "not a number JSON has"),
    ([f"blob {BLOB.id.hex()}", '{"a":%s}' % ("9" * 5000)], 1, "64 bits"),
    ([f"blob {BLOB.id.hex()}", "[" * 100_000], 1, "nested too deeply"),
    ([f"blob {BLOB.id.hex()}", '"\\ud800"'], 1, "not a blob"),
    ([f"blob {BLOB.id.hex()}", '{"a":"\\ud800"}'], 1, "lone surrogate"),
    ([f"raw blob {BLOB.id.hex()}", "!!"], 1, "not base64"),
    ([f"raw blob {BLOB.id.hex()}"], 0, "one line beside"),
    ([f"raw blob {BLOB.id.hex()}", "gaFhAQ"], 1, "not base64"),
    ([f"raw nothing {BLOB.id.hex()}", "gaFhAQ=="], 0, "begins no object"),
    (broken(1, "operation nonsense"), 0, "the lines of commit"),
    (broken(2, "parent 12"), 2, "is no id"),
    (broken(8, ""), 8, "expected 'generation'"),
    (broken(8, "generation ٣"), 8, "is no number"),
    (broken(8, "generation 7 "), 8, "is no number"),
    (broken(10, "author Ada"), 10, "not JSON"),
    (broken(7, f"open {A.hex()}"), 7, "expected 2 words"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "index", "detail"), BAD, ids=range(len(BAD)))
def test_lines_that_make_no_object_are_named(lines: list[str], index: int, detail: str) -> None:
    with pytest.raises(LineError, match=detail) as caught:
        parse_object(lines)

    assert index == caught.value.index


@pytest.mark.parametrize(
    ("kind", "value"),
    [("commit", ["nonsense", [], None, None, None, [], 1, 1, "a", None, None]), ("tree", [0, []]), ("blob", [1]),
     ("operation", [None, 1, "a", "b", [["x"]], None])],
)  # fmt: skip
def test_an_object_of_another_shape_is_refused_though_its_id_is_right(kind: str, value: object) -> None:
    new = new_object(kind, encode(value))  # type: ignore[arg-type]

    with pytest.raises(LineError, match=f"not a {kind}"):
        parse_object(lines_of(new))
