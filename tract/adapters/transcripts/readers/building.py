"""Building blocks for readers of other programs' formats: calls in chat completions' form, and trees of messages as lines."""

from __future__ import annotations

from collections.abc import Sequence

from tract.adapters.transcripts.conversations import Branch, Turn
from tract.adapters.transcripts.formats import is_message, message_flaw
from tract.named_tuple import NamedTuple
from tract.objects.json import compact_json
from tract.objects.message_format import JSON

_NO_ID = "None"


def tool_call(id: JSON, name: JSON, arguments: JSON) -> dict[str, JSON]:
    """A call of a function; *arguments* is their text, or a value that is turned into text."""
    text = arguments if isinstance(arguments, str) else compact_json({} if arguments is None else arguments)
    return {"id": str(id), "type": "function", "function": {"name": str(name), "arguments": text}}


def answer(text: str | None, calls: Sequence[dict[str, JSON]] = (), thought: str | None = None) -> dict[str, JSON]:
    """A model's message: a text, calls, and the thought before it."""
    message: dict[str, JSON] = {"role": "assistant", "content": text if text or not calls else None}
    if thought:
        message["reasoning_content"] = thought
    return message | ({"tool_calls": list(calls)} if calls else {})


def result(id: JSON, content: JSON, name: JSON = None) -> dict[str, JSON]:
    """The result of the call *id*: a text, or a value that is turned into one."""
    text = content if isinstance(content, str) else compact_json(content)
    message: dict[str, JSON] = {"role": "tool", "tool_call_id": str(id), "content": text}
    return message | ({"name": name} if isinstance(name, str) and name else {})


def plain_turn(value: JSON, line: int | None) -> Turn | None:
    """*value* as a turn if it is a message with a role and a text, as chat completions has it; such stand among those of programs, too."""
    is_plain = isinstance(value, dict) and is_message(value) and isinstance(value.get("content"), str)
    return Turn(value, "openai", line=line) if is_plain and message_flaw(value, "openai") is None else None


def give_ids(turns: Sequence[Turn]) -> None:
    """Give calls that have no id one, and results without one that of the first such call that is open."""
    waiting: list[str] = []
    for index, turn in enumerate(turns):
        calls = turn.message.get("tool_calls")
        for nth, call in enumerate(calls if isinstance(calls, list) else ()):
            if call.get("id") == _NO_ID:
                call["id"] = f"call_{index}_{nth}"
                waiting.append(call["id"])
        if turn.message.get("tool_call_id") == _NO_ID and waiting:
            turn.message["tool_call_id"] = waiting.pop(0)


class Node(NamedTuple):
    """A message of a tree, as its turns: usually one, none if it has no content."""

    id: str
    parent: str | None
    turns: tuple[Turn, ...]


def lines_of(nodes: Sequence[Node], current: str | None = None) -> tuple[Branch, ...]:
    """The lines of a tree: the one that leads to *current*, or else to the last node, is the main one; the others follow in order.

    A node whose parent is missing is a root, and so is one that would close a circle. If two nodes have one id, the first is the parent of nodes that name it.
    """
    by_id: dict[str, Node] = {}
    for number, node in enumerate(nodes):
        by_id[node.id if node.id not in by_id else f"{node.id}#{number}"] = node
    nodes = [node._replace(id=id) for id, node in by_id.items()]
    by_id = {node.id: node for node in nodes}
    inner = {node.parent for node in nodes}
    ends = [node.id for node in nodes if node.id not in inner]
    main = current if current in by_id else next(iter([*ends[-1:], *reversed(by_id)]), None)
    if main is None:
        return ()
    owner: dict[str, int] = {}
    branches: list[Branch] = []
    for end in dict.fromkeys((main, *ends, *by_id)):  # nodes that are only in a circle have no end
        if end in owner:
            continue  # and so are all nodes that lead to it
        path = _path(end, by_id)
        if branches and not any(node.turns for node in path if node.id not in owner):
            continue
        turns: list[Turn] = []
        shared, parent = 0, None
        for node in path:
            turns += node.turns
            if node.id in owner:
                shared, parent = len(turns), owner[node.id]
            else:
                owner[node.id] = len(branches)
        name = "main" if not branches else f"main-{len(branches) + 1}"
        branches.append(Branch(name, tuple(turns), shared, parent if shared else None))
    return tuple(branches)


def _path(end: str, by_id: dict[str, Node]) -> list[Node]:
    path: list[Node] = []
    seen: set[str] = set()
    at: str | None = end
    while at is not None and at in by_id and at not in seen:
        seen.add(at)
        path.append(by_id[at])
        at = by_id[at].parent
    return path[::-1]


def numbered(name: str, number: int) -> str:
    """The name of conversation *number*, from 0, of a file named *name*."""
    return name if number == 0 else f"{name}-{number + 1}"


def objects_in(value: JSON) -> list[dict[str, JSON]]:
    """The objects in *value*; empty if it is not a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text_under(value: JSON, *keys: str) -> str | None:
    """The first text that is not empty under one of *keys*."""
    if not isinstance(value, dict):
        return None
    return next((value[key] for key in keys if isinstance(value.get(key), str) and value[key]), None)


def model_config(model: JSON, **settings: JSON) -> dict[str, JSON] | None:
    """A model's name and its known settings; None if nothing is known."""
    found = {"model": model if isinstance(model, str) and model else None, **settings}
    return {key: value for key, value in found.items() if value is not None} or None
