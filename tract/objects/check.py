"""Whether a payload from outside is an object: canonical, and of the shape its kind has.

Stores prove an object by its id; that it is canonical, and all that makes its shape, is proved here where it comes by hand (``hash-object``) or in a stream.
Reading (model.py) looks at the types of the fields only.
That the objects it names exist is not looked at, as nothing here knows a store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from tract.errors import ContentValidationError
from tract.objects.codec import MAX_SIZE, decode
from tract.objects.id import ID_SIZE, Kind
from tract.objects.model import FIRST_TIME, LAST_TIME, MAX_LEVEL, CommitOperation

_OPERATIONS = frozenset(op.value for op in CommitOperation)
_MAX_COUNT = 2**63 - 1


def check_payload(kind: Kind, payload: bytes) -> None:
    """Raise ContentValidationError, saying which rule is broken, unless *payload* is that of an object of *kind*."""
    if len(payload) > MAX_SIZE:
        raise ContentValidationError(f"a payload of {len(payload)} bytes is over the limit of {MAX_SIZE}")
    try:
        value = decode(payload)
    except ValueError as exc:
        raise ContentValidationError(f"not a {kind}: {exc}") from exc
    check_value(kind, value)


def check_value(kind: Kind, value: Any) -> None:
    """The same of the value that a payload is the canonical encoding of."""
    _CHECKS[kind](value)


def _check_blob(value: Any) -> None:
    if not isinstance(value, dict):
        _refuse("blob", "it is not a map")


def _check_tree(value: Any) -> None:
    level, items = _fields("tree", value, 2)
    if not _is_count(level) or level > MAX_LEVEL:
        _refuse("tree", f"its level is not a number up to {MAX_LEVEL}")
    if not isinstance(items, list) or not items or len(items) % 2:
        _refuse("tree", "its items are not pairs")
    if not all(map(_is_id, items[::2])):
        _refuse("tree", "an item does not begin with an id")
    if level == 0 and not all(map(_is_id, items[1::2])):
        _refuse("tree", "an entry's blob is not an id")
    if level > 0 and not all(_is_count(count) and count > 0 for count in items[1::2]):
        _refuse("tree", "a child's count is not a number above zero")


def _check_commit(value: Any) -> None:
    fields = _fields("commit", value, 11)
    operation, parents, content, target, tree, open_, generation, time, author, message, metadata = fields
    rules = (
        (isinstance(operation, str) and operation in _OPERATIONS, "its operation is unknown"),
        (_are_ids(parents), "its parents are not ids"),
        (all(id is None or _is_id(id) for id in (content, target, tree)), "its content, target or tree is no id"),
        (_are_ids(open_) and not len(open_) % 2, "its open entries are not pairs of ids"),
        (_is_count(generation) and generation > 0, "its generation is not a number above zero"),
        (_is_time(time), "its time is not a moment in microseconds"),
        (isinstance(author, str), "its author is not text"),
        (message is None or isinstance(message, str), "its message is not text"),
        (metadata is None or isinstance(metadata, dict), "its metadata is not a map"),
    )
    for holds, problem in rules:
        if not holds:
            _refuse("commit", problem)


def _check_operation(value: Any) -> None:
    folded = isinstance(value, list) and len(value) == 7
    previous, time, actor, reason, changes, refs, *rest = _fields("operation", value, 7 if folded else 6)
    rules = (
        (previous is None or _is_id(previous), "the operation before it is no id"),
        (_is_time(time), "its time is not a moment in microseconds"),
        (isinstance(actor, str), "its actor is not text"),
        (isinstance(reason, str), "its reason is not text"),
        (isinstance(changes, list) and all(map(_is_change, changes)), "its changes are not those of refs"),
        (refs is None or (isinstance(refs, list) and all(map(_is_ref, refs))), "its refs are not names and values"),
        (
            not rest or (isinstance(changes, list) and _are_steps(rest[0], changes)),
            "its steps are not those of its changes",
        ),
    )
    for holds, problem in rules:
        if not holds:
            _refuse("operation", problem)


_CHECKS: dict[Kind, Callable[[Any], None]] = {
    "blob": _check_blob,
    "tree": _check_tree,
    "commit": _check_commit,
    "operation": _check_operation,
}


def _fields(kind: Kind, value: Any, count: int) -> list[Any]:
    if not isinstance(value, list) or len(value) != count:
        _refuse(kind, f"it is not a list of {count} fields")
    return value


def _is_id(value: Any) -> bool:
    return isinstance(value, bytes) and len(value) == ID_SIZE


def _are_ids(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_id, value))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MAX_COUNT


def _is_time(value: Any) -> bool:
    return type(value) is int and FIRST_TIME <= value <= LAST_TIME


def _is_value(value: Any) -> bool:
    return isinstance(value, str) or _is_id(value)


def _is_change(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 3 or not isinstance(value[0], str):
        return False
    return all(item is None or _is_value(item) for item in value[1:])


def _is_ref(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and _is_value(value[1])


def _are_steps(value: Any, changes: list[Any]) -> bool:
    if not isinstance(value, list) or not all(isinstance(step, list) and len(step) == 4 for step in value):
        return False
    if not all(
        _is_time(time) and isinstance(actor, str) and isinstance(reason, str) for time, actor, reason, _ in value
    ):
        return False
    return all(_is_count(step[3]) for step in value) and sum(step[3] for step in value) == len(changes)


def _refuse(kind: Kind, problem: str) -> NoReturn:
    raise ContentValidationError(f"not a {kind}: {problem}")
