"""The export of Claude.ai: ``conversations.json``, a list of objects with ``chat_messages``.

    {"uuid", "name", "created_at", "chat_messages": [message, …]}
    message    {"uuid", "sender": "human" | "assistant", "text", "content": [block, …], "attachments", "files", "parent_message_uuid"}

The blocks are Anthropic's, and kept as such if the API has them (text, thinking, tool_use, tool_result); without any, ``text`` is the message.
If ``text`` says what no block does, it becomes a block, before the calls.
The text of an attachment stands behind the message's own; a file's content is not in the export, and a text names it.
The export has tool results in the assistant's message: they become user messages, as the API has them.

A message whose ``parent_message_uuid`` is not in the conversation (the first has a uuid of zeros) is a beginning; the order in the file does not matter.

Written from an export of March 2026 (its values stand in a public repository, converted), and from what readers of other exports know of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, read_time
from tract.adapters.transcripts.formats import among
from tract.adapters.transcripts.readers.building import Node, lines_of, objects_in
from tract.objects.message_format import JSON

_SENDERS = {"human": "user", "assistant": "assistant"}
_IN_PLACE = "```\nThis block is not supported on your current device yet.\n```"
"""What ``text`` has in the place of a block that is no text."""

_KEYS = {
    "text": ("type", "text"),
    "thinking": ("type", "thinking", "signature"),
    "tool_use": ("type", "id", "name", "input"),
    "tool_result": ("type", "tool_use_id", "content", "is_error"),
}


def is_claude_ai_conversation(value: JSON) -> bool:
    """Whether *value* is a conversation of such an export."""
    messages = value.get("chat_messages") if isinstance(value, dict) else None
    return isinstance(messages, list) and all(isinstance(one, dict) and "sender" in one for one in messages)


def read_claude_ai(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The found conversation; nothing if it has no message."""
    (value,) = found.values
    line = found.line(0)
    nodes: list[Node] = []
    known = {one.get("uuid") for one in value["chat_messages"] if isinstance(one.get("uuid"), str)}
    for index, one in enumerate(value["chat_messages"]):
        where = f"{found.place}.chat_messages[{index}]".lstrip(".")
        if not among(one.get("sender"), _SENDERS):
            report(line, f"{where}: 'sender' is {str(one.get('sender'))[:40]!a}, which is neither human nor assistant")
            continue
        id = one.get("uuid") if isinstance(one.get("uuid"), str) else f"{index}"
        named = one.get("parent_message_uuid")
        parent = (
            named if isinstance(named, str) and named in known else nodes[-1].id if nodes and named is None else None
        )
        turns = tuple(_turns(one, str(value.get("uuid")), line, where, report))
        if not one.get("text") and not (isinstance(one.get("content"), list) and "text" in one) and not turns:
            report(line, f"{where}: it has neither content nor text")
        nodes.append(Node(id, parent, turns))
    branches = lines_of(nodes, value.get("current_leaf_message_uuid"))
    if not any(branch.turns for branch in branches):
        report(line, f"{found.place or name}: no message in it")
        return
    title = value.get("name")
    called = title if isinstance(title, str) and title else None
    about = {key: value[key] for key in ("summary", "created_at", "updated_at", "model") if value.get(key)}
    id = value.get("uuid")
    yield Conversation(called or name, branches, about, title=called, id=id if isinstance(id, str) else None)


def _turns(one: dict[str, JSON], conversation: str, line: int | None, where: str, report: Report) -> Iterator[Turn]:
    role = _SENDERS[one["sender"]]
    content = one.get("content")
    given = content if isinstance(content, list) else [content]
    blocks = [_block(block) if isinstance(block, dict) else {"type": "text", "text": block} for block in given if isinstance(block, dict) or (isinstance(block, str) and block)]  # fmt: skip
    text = one["text"].replace(_IN_PLACE, "") if isinstance(one.get("text"), str) else ""
    if text.strip() and not any(block.get("type") == "text" for block in blocks):
        at = next((at for at, block in enumerate(blocks) if block.get("type") != "thinking"), len(blocks))
        blocks.insert(at, {"type": "text", "text": text})
    if any(block.get("citations") for block in objects_in(content)):
        report.note_once(line, "the sources that answers name (citations) are left out")
    for block in blocks:
        kind = block.get("type")
        if kind in ("text", "thinking") and not isinstance(block.get(str(kind)), str):
            report(line, f"{where}: a block of type {kind!a} without a text is kept as it is")
        elif not among(kind, _KEYS):
            report.note_once(line, f"{where}: a block of type {str(kind)[:40]!a} is kept as it is")
    blocks += map(_attached, objects_in(one.get("attachments")))
    blocks += [{"type": "text", "text": f"[file: {each.get('file_name')}]"} for each in objects_in(one.get("files"))]
    time, id = read_time(one.get("created_at")), one.get("uuid")
    for nth, (is_result, group) in enumerate(groupby(blocks, key=lambda block: block.get("type") == "tool_result")):
        said = list(group)
        is_text = len(said) == 1 and said[0].keys() == {"type", "text"}
        message = {"role": "user" if is_result else role, "content": said[0]["text"] if is_text else said}
        key = f"{conversation}:{id}" + (f"/{nth}" if nth else "") if isinstance(id, str) else None
        yield Turn(message, "anthropic", time=time, key=key, line=line)


def _block(block: dict[str, JSON]) -> dict[str, JSON]:
    """The block with the keys that the API has; the export has more, also in tool results."""
    keys = _KEYS.get(str(block.get("type")))
    if keys is None or (block["type"] in ("text", "thinking") and not isinstance(block.get(block["type"]), str)):
        return block
    kept = {key: block[key] for key in keys if block.get(key) is not None}
    if isinstance(kept.get("content"), list):
        kept["content"] = [_block(part) if isinstance(part, dict) else part for part in kept["content"]]
    return kept


def _attached(attachment: dict[str, JSON]) -> dict[str, JSON]:
    name, text = attachment.get("file_name"), attachment.get("extracted_content")
    return {"type": "text", "text": f"[attachment: {name}]\n{text}" if isinstance(text, str) else f"[attachment: {name}]"}  # fmt: skip
