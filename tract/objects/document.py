"""An object as a JSON document: a line of ``fast-export``, and the output of ``cat-file --json``.

    blob        type, id, value; a raw blob has bytes instead of value, in base64
    tree        type, id, level, items, of: {"commit": …, "blob": …} at level 0, {"tree": …, "count": …} above; of refs {"blob": …} and {"commit": …}
    commit      type, id, operation, parents, content, target, tree, open, generation, time, author, message, metadata, refs: {"tree": …, "open": […]}
    operation   type, id, previous, time, actor, reason, changes, refs, steps, chunks; a chunk of refs has tracts instead: part, created, changed, refs
    any         type, id, payload: in base64, if the fields cannot express the object (a byte string inside a blob)

Every key is present, null if the object has no such field; ids are hexadecimal, times in microseconds since 1970.
Reading a document gives the same bytes again: :func:`document_of` checks this before it returns a document.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

from tract.errors import ContentValidationError, ObjectCorruptError
from tract.objects.codec import encode
from tract.objects.id import KINDS, Kind, ObjectId, parse_id
from tract.objects.json import compact_json
from tract.objects.message_format import JSON
from tract.objects.model import (
    Commit,
    CommitOperation,
    NewObject,
    Node,
    Object,
    Refs,
    RefValue,
    TractRefs,
    new_object,
    shown,
)
from tract.objects.strict_reader import (
    check_payload,
    check_value,
    decode_blob,
    is_ref_chunk,
    read_commit,
    read_node,
    read_operation,
    read_ref_chunk,
)

Document = dict[str, JSON]


def document_of(id: ObjectId, obj: Object) -> Document:
    """Return the object as JSON values, from which :func:`object_of` makes the same bytes."""
    head = {"type": obj.kind, "id": id.hex()}
    try:
        fields = _WRITERS[obj.kind](id, obj)
        compact_json(fields)
        if encode(_READERS[obj.kind](fields)) == obj.payload:
            return {**head, **fields}
    except (TypeError, ObjectCorruptError, ContentValidationError):
        pass  # the bytes can always be given as they are
    return {**head, "payload": base64.b64encode(obj.payload).decode("ascii")}


def object_of(document: JSON) -> NewObject:
    """Return the object that *document* describes, with its id and shape checked; ContentValidationError says what is wrong."""
    if not isinstance(document, dict):
        raise ContentValidationError("an object must be a map")
    fields = dict(document)
    kind, id = fields.pop("type", None), _id(fields.pop("id", None))
    if kind not in KINDS:
        raise ContentValidationError(f"{kind!r:.80} is not a type of object; there are {', '.join(KINDS)}")
    if "payload" in fields:
        payload = _base64(*_take(fields, "payload"))
        check_payload(kind, payload)
    else:
        value = _READERS[kind](fields)
        payload = encode(value)
        check_value(kind, value)
    new = new_object(kind, payload)
    if new.id != id:
        raise ContentValidationError(f"what is said of {kind} {id.hex()} makes {new.id.hex()}")
    return new


def entry_documents(items: Sequence[ObjectId]) -> list[Document]:
    """The entries of a flat list ``(commit, blob, commit, blob, …)`` as JSON values."""
    return [{"commit": commit.hex(), "blob": blob.hex()} for commit, blob in _pairs(items)]


def node_documents(node: Node) -> list[Document]:
    """The items of a tree node as JSON values."""
    if node.level > 0:
        return [{"tree": child.hex(), "count": count} for child, count in _pairs(node.items)]
    return _ref_documents(node.items) if node.of == "refs" else entry_documents(node.items)


def _ref_documents(items: Sequence[Any]) -> list[Document]:
    return [{kind: id.hex()} for id, kind in _pairs(items)]


def ref_value(text: JSON) -> RefValue:
    """The value of a ref from the text that :func:`shown` made of it; ContentValidationError if it is not text."""
    if not isinstance(text, str):
        raise ContentValidationError(f"{text!r:.80} is not a value of a ref")
    return parse_id(text) or text


def _write_blob(id: ObjectId, obj: Object) -> Document:
    value = decode_blob(id, obj)
    return {"bytes": base64.b64encode(value).decode("ascii")} if isinstance(value, bytes) else {"value": value}


def _read_blob(fields: Document) -> Any:
    if "bytes" in fields:
        return _base64(*_take(fields, "bytes"))
    return _take(fields, "value")[0]


def _write_tree(id: ObjectId, obj: Object) -> Document:
    node = read_node(id, obj)
    return {"level": node.level, "items": node_documents(node), "of": node.of}


def _read_tree(fields: Document) -> Any:
    level, items, of = _take(fields, "level", "items", "of")
    if level == 0:
        value = [level, _refs(items) if of == "refs" else _entries(items)]
    else:
        pairs = (_take(item, "tree", "count") for item in _list(items))
        value = [level, list(chain.from_iterable((_id(tree), count) for tree, count in pairs))]
    return value if of == "messages" else [*value, of]


def _write_commit(id: ObjectId, obj: Object) -> Document:
    commit = read_commit(id, obj)
    return {
        "operation": str(commit.operation),
        "parents": [parent.hex() for parent in commit.parents],
        "content": _hex(commit.content),
        "target": _hex(commit.target),
        "tree": _hex(commit.tree),
        "open": entry_documents(commit.open),
        "generation": commit.generation,
        "time": commit.time,
        "author": commit.author,
        "message": commit.message,
        "metadata": commit.metadata,
        "refs": None
        if commit.refs is None
        else {"tree": _hex(commit.refs.tree), "open": _open_documents(commit, commit.refs)},
    }


def _open_documents(commit: Commit, refs: Refs) -> list[Document]:
    return (entry_documents if commit.operation is CommitOperation.COMPRESS else _ref_documents)(refs.open)


def _read_commit(fields: Document) -> Any:
    names = ("operation", "parents", "content", "target", "tree", "open")
    operation, parents, content, target, tree, open_, *rest, refs = _take(
        fields, *names, "generation", "time", "author", "message", "metadata", "refs"
    )
    ids = [None if one is None else _id(one) for one in (content, target, tree)]
    value = [operation, [_id(parent) for parent in _list(parents)], *ids, _entries(open_), *rest]
    if refs is None:
        return value
    root, after = _take(refs, "tree", "open")
    read = _entries if operation == CommitOperation.COMPRESS else _refs
    return [*value, [None if root is None else _id(root), read(after)]]


def _write_operation(id: ObjectId, obj: Object) -> Document:
    if is_ref_chunk(obj):
        return {"tracts": [_write_tract(one) for one in read_ref_chunk(id, obj)]}
    operation = read_operation(id, obj)
    refs, steps = operation.refs, operation.steps
    return {
        "previous": _hex(operation.previous),
        "time": operation.time,
        "actor": operation.actor,
        "reason": operation.reason,
        "changes": [{"ref": one.name, "old": shown(one.old), "new": shown(one.new)} for one in operation.changes],
        "refs": None if refs is None else _write_refs(refs),
        "steps": None if steps is None else [step._asdict() for step in steps],
        "chunks": [chunk.hex() for chunk in operation.chunks],
    }


def _write_refs(refs: Iterable[tuple[str, RefValue]]) -> JSON:
    return [{"ref": name, "value": shown(value)} for name, value in refs]


def _write_tract(tract: TractRefs) -> JSON:
    part, created, changed, refs = tract
    return {"part": part, "created": created, "changed": changed, "refs": _write_refs(refs)}


def _read_tract(fields: JSON) -> Any:
    part, created, changed, refs = _take(fields, "part", "created", "changed", "refs")
    return [part, created, changed, [_ref(*_take(one, "ref", "value")) for one in _list(refs)]]


def _read_operation(fields: Document) -> Any:
    if "tracts" in fields:
        return ["tracts", [_read_tract(one) for one in _list(_take(fields, "tracts")[0])]]
    names = ("previous", "time", "actor", "reason", "changes", "refs", "steps", "chunks")
    previous, time, actor, reason, changes, refs, steps, chunks = _take(fields, *names)
    value = [
        None if previous is None else _id(previous),
        *(time, actor, reason),
        [_change(*_take(one, "ref", "old", "new")) for one in _list(changes)],
        None if refs is None else [_ref(*_take(one, "ref", "value")) for one in _list(refs)],
    ]
    told = None if steps is None else [_take(step, "time", "actor", "reason", "number") for step in _list(steps)]
    if chunks:
        return [*value, told, [_id(chunk) for chunk in _list(chunks)]]
    return value if told is None else [*value, told]


def _change(name: JSON, old: JSON, new: JSON) -> list[Any]:
    return [name, *(None if value is None else ref_value(value) for value in (old, new))]


def _ref(name: JSON, value: JSON) -> list[Any]:
    return [name, ref_value(value)]


_WRITERS: dict[Kind, Callable[[ObjectId, Object], Document]] = {
    "blob": _write_blob,
    "tree": _write_tree,
    "commit": _write_commit,
    "operation": _write_operation,
}
_READERS: dict[Kind, Callable[[Document], Any]] = {
    "blob": _read_blob,
    "tree": _read_tree,
    "commit": _read_commit,
    "operation": _read_operation,
}


def _base64(text: JSON) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as exc:
        raise ContentValidationError(f"not base64: {str(exc).lower()}") from exc


def _take(value: JSON, *names: str) -> list[JSON]:
    """Return the values of the keys *names*; ContentValidationError if the map has other keys, or lacks one."""
    if not isinstance(value, dict) or value.keys() != set(names):
        raise ContentValidationError(f"expected a map with the keys {', '.join(names)}")
    return [value[name] for name in names]


def _list(value: JSON) -> list[JSON]:
    if not isinstance(value, list):
        raise ContentValidationError(f"expected a list, found {value!r:.80}")
    return value


def _entries(value: JSON) -> list[ObjectId]:
    entries = (_take(item, "commit", "blob") for item in _list(value))
    return [_id(text) for text in chain.from_iterable(entries)]


def _refs(value: JSON) -> list[Any]:
    """The ids and kinds of the objects that a record needs, as a flat list."""
    found: list[Any] = []
    for item in _list(value):
        kind = "commit" if isinstance(item, dict) and "commit" in item else "blob"
        found += (_id(*_take(item, kind)), kind)
    return found


def _id(text: JSON) -> ObjectId:
    id = parse_id(text) if isinstance(text, str) else None
    if id is None:
        raise ContentValidationError(f"{text!r:.80} is not an id")
    return id


def _hex(id: ObjectId | None) -> str | None:
    return None if id is None else id.hex()


def _pairs(items: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(items[::2], items[1::2], strict=True)
