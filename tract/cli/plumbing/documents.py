"""Objects as JSON documents: what ``cat-file -p --json`` prints.

    commit      id, type, operation, tree, parents, content, target, generation, author, time, message, metadata, open
    tree        id, type, level, items: {"commit": …, "blob": …} at level 0, {"tree": …, "count": …} above
    operation   id, type, previous, actor, time, reason, changes, refs, steps
    blob        id, type, value

Every key is there, null where the object has no such field; times are in microseconds since 1970.
"""

from __future__ import annotations

import json
from typing import Any

from tract.objects.id import ObjectId
from tract.objects.model import Object, read_blob, read_commit, read_node, read_operation
from tract.refs.operations import shown


def document_of(id: ObjectId, obj: Object) -> dict[str, Any]:
    """The object as JSON values; ids, also those in a user's own values, are hexadecimal."""
    fields = {"commit": _commit, "tree": _tree, "operation": _operation, "blob": _blob}[obj.kind](id, obj)
    # A byte string, which JSON has not got, can only be an id.
    value: dict[str, Any] = json.loads(json.dumps({"id": id, "type": obj.kind, **fields}, default=bytes.hex))
    return value


def _commit(id: ObjectId, obj: Object) -> dict[str, Any]:
    commit = read_commit(id, obj)
    pairs = zip(commit.open[::2], commit.open[1::2], strict=True)
    return {
        "operation": commit.operation.value,
        "tree": commit.tree,
        "parents": commit.parents,
        "content": commit.content,
        "target": commit.target,
        "generation": commit.generation,
        "author": commit.author,
        "time": commit.time,
        "message": commit.message,
        "metadata": commit.metadata,
        "open": [{"commit": entry, "blob": blob} for entry, blob in pairs],
    }


def _tree(id: ObjectId, obj: Object) -> dict[str, Any]:
    node = read_node(id, obj)
    names = ("commit", "blob") if node.level == 0 else ("tree", "count")
    pairs = zip(node.items[::2], node.items[1::2], strict=True)
    return {"level": node.level, "items": [dict(zip(names, pair, strict=True)) for pair in pairs]}


def _operation(id: ObjectId, obj: Object) -> dict[str, Any]:
    operation = read_operation(id, obj)
    refs, steps = operation.refs, operation.steps
    return {
        "previous": operation.previous,
        "actor": operation.actor,
        "time": operation.time,
        "reason": operation.reason,
        "changes": [{"ref": name, "old": shown(old), "new": shown(new)} for name, old, new in operation.changes],
        "refs": None if refs is None else {name: shown(value) for name, value in refs},
        "steps": None if steps is None else [step._asdict() for step in steps],
    }


def _blob(id: ObjectId, obj: Object) -> dict[str, Any]:
    return {"value": read_blob(id, obj)}
