"""Trees of messages with their replies, as in Open-Assistant's exports.

    {"message_tree_id", "prompt": {"message_id", "text", "role": "prompter" | "assistant", "replies": [message, …]}}
    a message by itself, with its ``replies``
    {"message_id", "parent_id", "message_tree_id", "text", "role"}     messages by themselves, those of a tree anywhere in the file

Each reply that ends a line is a branch; the first one is the main line.
Source: the sample of Open-Assistant's export format in its documentation (oasst-data), and its published sets.
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, read_time
from tract.adapters.transcripts.formats import among
from tract.adapters.transcripts.readers.building import Node, lines_of, numbered
from tract.adapters.transcripts.readers.messages import keep_beside
from tract.adapters.transcripts.strictjson import describe
from tract.objects.message_format import JSON

_ROLES = {"prompter": "user", "user": "user", "assistant": "assistant", "system": "system"}
_OWN = frozenset({"replies", "text", "role", "message_id", "parent_id", "created_date"})


def is_message_tree(value: JSON) -> bool:
    """Whether *value* is such a tree."""
    root = value.get("prompt") if isinstance(value, dict) and isinstance(value.get("prompt"), dict) else value
    return isinstance(root, dict) and isinstance(root.get("replies"), list) and isinstance(root.get("text"), str) and among(root.get("role"), _ROLES)  # fmt: skip


def is_flat_message(value: JSON) -> bool:
    """Whether *value* is a message that names the one it answers."""
    if not isinstance(value, dict) or "parent_id" not in value or not isinstance(value.get("message_id"), str):
        return False
    return isinstance(value.get("text"), str) and among(value.get("role"), _ROLES) and "replies" not in value


def is_of_message_trees(value: JSON) -> bool:
    """Whether *value* is a tree, or a message of one."""
    return is_message_tree(value) or is_flat_message(value)


def read_message_trees(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """A conversation for each tree."""
    flat: dict[str, list[int]] = {}
    number = 0
    for index, value in enumerate(found.values):
        if is_flat_message(value):
            flat.setdefault(str(value.get("message_tree_id")), []).append(index)
        elif is_message_tree(value):
            here = Found(found.place or f"[{index}]", [value], lines=[found.line(index)])
            for conversation in _read_tree(numbered(name, number), here, report):
                yield conversation
                number += 1
        else:
            report(found.line(index), f"{found.place}[{index}]: not a message of a tree: {describe(value)}")
    for indices in flat.values():
        nodes = []
        for index in indices:
            value = found.values[index]
            parent = value["parent_id"] if isinstance(value["parent_id"], str) else None
            nodes.append(Node(value["message_id"], parent, (_turn(value, found.line(index)),)))
        yield Conversation(numbered(name, number), lines_of(nodes, _first_end(nodes)))
        number += 1


def _first_end(nodes: list[Node]) -> str | None:
    inner = {node.parent for node in nodes}
    return next((node.id for node in nodes if node.id not in inner), None)


def _turn(message: dict[str, JSON], line: int | None) -> Turn:
    kept = {key: one for key, one in message.items() if key not in _OWN and one is not None}
    return Turn(
        {"role": _ROLES[message["role"]], "content": message["text"]},
        "openai",
        time=read_time(message.get("created_date")),
        metadata={"message_tree": kept} if kept else {},
        line=line,
    )


def _read_tree(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The tree as a conversation."""
    (value,) = found.values
    root = value["prompt"] if isinstance(value.get("prompt"), dict) else value
    nodes: list[Node] = []
    stack: list[tuple[dict[str, JSON], str | None]] = [(root, None)]
    while stack:
        message, parent = stack.pop()
        id = str(message.get("message_id") or len(nodes))
        text, role = message.get("text"), message.get("role")
        if not isinstance(text, str) or not among(role, _ROLES):
            report(found.line(0), f"{found.place or name}: message {id[:40]!a} has no text, or no role that is known")
            continue
        nodes.append(Node(id, parent, (_turn(message, found.line(0)),)))
        replies = message.get("replies") or []
        if not isinstance(replies, list) or not all(isinstance(reply, dict) for reply in replies):
            report(found.line(0), f"{found.place or name}: message {id[:40]!a} has replies that are not messages")
        if isinstance(replies, list):
            stack += [(reply, id) for reply in reversed(replies) if isinstance(reply, dict)]
    beside = {} if root is value else {key: one for key, one in value.items() if key != "prompt"}
    about = keep_beside(beside, found.place, found.line(0), report)
    if nodes:
        yield Conversation(name, lines_of(nodes, _first_end(nodes)), about)
