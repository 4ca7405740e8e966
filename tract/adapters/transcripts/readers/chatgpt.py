"""The export of ChatGPT: ``conversations.json``, a list of objects with a tree of messages each.

    {"title", "conversation_id", "current_node", "mapping": {id: {"message", "parent", "children"}}}
    message    {"author": {"role", "name"}, "recipient", "content": {"content_type", …}, "create_time", "metadata": {"model_slug"}}

The line to ``current_node`` is the main one; an answer that was asked for again, or a question that was asked otherwise, is a branch.
A message of the assistant's to a tool (``recipient``) is a call, and the tool's message behind it its result.
Pictures and other files are not in the file: a text in their place names them. A message with anything but a text keeps its content in the metadata, under ``chatgpt``.

Unproven: written from a sample, no export of the program's was at hand.
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.model import Conversation, Found, Report, Turn, read_time
from tract.adapters.transcripts.readers.building import Node, answer, lines_of, model_config, result, tool_call
from tract.objects.message_format import JSON


def is_chatgpt_conversation(value: JSON) -> bool:
    """Whether *value* is a conversation of such an export."""
    mapping = value.get("mapping") if isinstance(value, dict) else None
    return isinstance(mapping, dict) and all(isinstance(node, dict) and "message" in node for node in mapping.values())


def read_chatgpt(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The conversation that was found; nothing where nobody says anything in it."""
    (value,) = found.values
    title, id = value.get("title"), value.get("conversation_id") or value.get("id")
    line = found.line(0)
    nodes = [
        Node(key, _text(node.get("parent")), _turns(node, value["mapping"], f"{id}", line, report))
        for key, node in value["mapping"].items()
    ]
    branches = lines_of(nodes, _text(value.get("current_node")))
    if not any(branch.turns for branch in branches):
        report(line, f"{found.place or name}: no message in it")
        return
    about = {key: value[key] for key in ("create_time", "update_time", "gizmo_id") if value.get(key) is not None}
    called = title if isinstance(title, str) and title else None
    yield Conversation(called or name, branches, about, title=called, id=_text(id))


def _turns(
    node: dict[str, JSON], mapping: dict[str, JSON], conversation: str, line: int | None, report: Report
) -> tuple[Turn, ...]:
    said = node.get("message")
    if not isinstance(said, dict) or not isinstance(said.get("content"), dict):
        return ()
    author = said["author"] if isinstance(said.get("author"), dict) else {}
    role, content = author.get("role"), said["content"]
    text, thought = _words(content)
    if not (text or thought):
        return ()
    recipient = said.get("recipient")
    about = said["metadata"] if isinstance(said.get("metadata"), dict) else {}
    if role == "assistant" and isinstance(recipient, str) and recipient not in ("all", ""):
        message = answer(None, [tool_call(said.get("id") or node.get("id"), recipient, text or "")], thought)
    elif role == "assistant":
        message = answer(text, (), thought)
    elif role == "tool":
        message = _tool_message(node, mapping, text or "", author.get("name"))
    elif role in ("user", "system"):
        message = {"role": role, "content": text or thought}
    else:
        report(line, f"a message of role {str(role)[:40]!a} is left out")
        return ()
    id = f"{conversation}:{said['id']}" if _text(said.get("id")) else None
    metadata: dict[str, JSON] = {} if content.get("content_type") == "text" else {"chatgpt": content}
    time = read_time(said.get("create_time"))
    config = model_config(about.get("model_slug")) if role == "assistant" else None
    return (Turn(message, "openai", time=time, config=config, metadata=metadata, key=id, line=line),)


def _tool_message(node: dict[str, JSON], mapping: dict[str, JSON], text: str, name: JSON) -> dict[str, JSON]:
    """What a tool said: the result of the call before it; where there is none, words of the user's side."""
    parent = mapping.get(str(node.get("parent")))
    said = parent.get("message") if isinstance(parent, dict) else None
    if isinstance(said, dict) and said.get("recipient") not in (None, "all", "") and isinstance(said.get("id"), str):
        author = said.get("author")
        if isinstance(author, dict) and author.get("role") == "assistant":
            return result(said["id"], text, name)
    return {"role": "user", "content": text} | ({"name": name} if isinstance(name, str) and name else {})


def _words(content: dict[str, JSON]) -> tuple[str | None, str | None]:
    """What a content says, and what it thinks."""
    match content.get("content_type"):
        case "thoughts":
            thoughts = content.get("thoughts")
            parts = [part.get("content") or part.get("summary") for part in thoughts if isinstance(part, dict)] if isinstance(thoughts, list) else []  # fmt: skip
            return None, "\n".join(part for part in parts if isinstance(part, str)) or None
        case "user_editable_context":
            texts = [content.get("user_profile"), content.get("user_instructions")]
            return "\n\n".join(text for text in texts if isinstance(text, str) and text) or None, None
    if isinstance(content.get("parts"), list):
        return "\n".join(filter(None, map(_part, content["parts"]))) or None, None
    for key in ("text", "result", "content", "model_set_context"):
        if isinstance(content.get(key), str):
            return content[key] or None, None
    return None, None


def _part(part: JSON) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return ""
    if isinstance(part.get("text"), str):
        return str(part["text"])
    return f"[{part.get('content_type') or 'file'}: {part.get('asset_pointer') or part.get('name') or '?'}]"


def _text(value: JSON) -> str | None:
    return value if isinstance(value, str) and value else None
