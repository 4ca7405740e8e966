"""Trees of messages with their replies, as Open-Assistant has them.

    {"message_tree_id", "prompt": {"message_id", "text", "role": "prompter" | "assistant", "replies": [message, …]}}
    a message by itself, with its ``replies``

Each reply that ends a line is a branch; the first one is the main line.
Source: the sample of Open-Assistant's export format in its documentation (oasst-data).
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, read_time
from tract.adapters.transcripts.formats import among
from tract.adapters.transcripts.readers.building import Node, lines_of
from tract.adapters.transcripts.readers.messages import keep_beside
from tract.objects.message_format import JSON

_ROLES = {"prompter": "user", "user": "user", "assistant": "assistant", "system": "system"}
_OWN = frozenset({"replies", "text", "role", "message_id", "parent_id", "created_date"})


def is_message_tree(value: JSON) -> bool:
    """Whether *value* is such a tree."""
    root = value.get("prompt") if isinstance(value, dict) and isinstance(value.get("prompt"), dict) else value
    return isinstance(root, dict) and isinstance(root.get("replies"), list) and isinstance(root.get("text"), str) and among(root.get("role"), _ROLES)  # fmt: skip


def read_message_tree(name: str, found: Found, report: Report) -> Iterator[Conversation]:
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
        kept = {key: one for key, one in message.items() if key not in _OWN and one is not None}
        turn = Turn(
            {"role": _ROLES[role], "content": text},
            "openai",
            time=read_time(message.get("created_date")),
            metadata={"message_tree": kept} if kept else {},
            line=found.line(0),
        )
        nodes.append(Node(id, parent, (turn,)))
        replies = message.get("replies") or []
        if not isinstance(replies, list) or not all(isinstance(reply, dict) for reply in replies):
            report(found.line(0), f"{found.place or name}: message {id[:40]!a} has replies that are no messages")
        if isinstance(replies, list):
            stack += [(reply, id) for reply in reversed(replies) if isinstance(reply, dict)]
    inner = {node.parent for node in nodes}
    first = next((node.id for node in nodes if node.id not in inner), None)
    beside = {} if root is value else {key: one for key, one in value.items() if key != "prompt"}
    about = keep_beside(beside, found.place, found.line(0), report)
    if nodes:
        yield Conversation(name, lines_of(nodes, first), about)
