"""The export of ChatGPT: ``conversations.json``, a list of objects with a tree of messages each.

    {"title", "conversation_id", "current_node", "mapping": {id: {"message", "parent", "children"}}}
    message    {"author": {"role", "name"}, "recipient", "content": {"content_type", …}, "create_time", "metadata": {"model_slug"}}

The line to ``current_node`` is the main one; a regenerated answer, or a reworded question, is a branch.
An assistant's message to a tool (``recipient``) is a call, and the tool's message behind it its result.
The user's description of himself is in a system message's ``metadata.user_context_message_data`` (to 2024), or is a content of its own (``user_editable_context``).
Pictures and other files are not in the file: a text in their place names them. A message with anything but a text keeps its content in the metadata, under ``chatgpt``.
A content that tract cannot express is reported; so is the program's own summary of a thought (``reasoning_recap``).

Written from an export of January 2024 (github.com/Ali-Pourzangbar/FSM_ChatGPT), from excerpts of later ones, and from what their readers know of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, read_time
from tract.adapters.transcripts.readers.building import Node, answer, lines_of, model_config, result, tool_call
from tract.objects.message_format import JSON

_BESIDE = {
    "content_references": "the sources that answers name (content_references) are left out",
    "citations": "the sources that answers name (citations) are left out",
    "targeted_reply": "the part of an answer that a question is about (targeted_reply) is left out",
}


def is_chatgpt_conversation(value: JSON) -> bool:
    """Whether *value* is a conversation of such an export."""
    mapping = value.get("mapping") if isinstance(value, dict) else None
    if not isinstance(mapping, dict) or not all(isinstance(node, dict) for node in mapping.values()):
        return False
    return not mapping or any("message" in node for node in mapping.values())


def read_chatgpt(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The found conversation; nothing if it has no message."""
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
    if isinstance(said, dict) and isinstance(said.get("content"), (str, list)):
        parts = [said["content"]] if isinstance(said["content"], str) else said["content"]
        said = {**said, "content": {"content_type": "text", "parts": parts}}
    if not isinstance(said, dict) or not isinstance(said.get("content"), dict):
        if said is not None:
            report(line, f"node {str(node.get('id'))[:40]!a}: a message without content")
        return ()
    author = said["author"] if isinstance(said.get("author"), dict) else {}
    role, content = author.get("role"), said["content"]
    text, thought = _words(content)
    about = said["metadata"] if isinstance(said.get("metadata"), dict) else {}
    if not (text or thought) and role in ("system", "developer"):
        text = _told_of_user(about.get("user_context_message_data"))
    files = _attached(about.get("attachments"), content)
    text = "\n".join(filter(None, (text, *files))) or None
    if not (text or thought):
        kind = content.get("content_type")
        if any(value not in (None, "", [], {}, [""]) for key, value in content.items() if key != "content_type"):
            report.note_once(line, f"a content of type {str(kind)[:40]!a} is left out", f"chatgpt {kind}")
        return ()
    recipient = said.get("recipient")
    if role == "assistant" and isinstance(recipient, str) and recipient not in ("all", ""):
        message = answer(None, [tool_call(said.get("id") or node.get("id"), recipient, text or "")], thought)
    elif role == "assistant":
        message = answer(text, (), thought)
    elif role == "tool":
        message = _tool_message(node, mapping, text or "", author.get("name"))
    elif role in ("user", "system", "developer"):
        message = {"role": role, "content": text or thought}
    else:
        report(line, f"a message of role {str(role)[:40]!a} is left out")
        return ()
    for key, words in _BESIDE.items():
        if about.get(key):
            report.note_once(line, words)
    id = f"{conversation}:{said['id']}" if _text(said.get("id")) else None
    metadata: dict[str, JSON] = {} if content.get("content_type") == "text" else {"chatgpt": content}
    time = read_time(said.get("create_time"))
    config = model_config(about.get("model_slug")) if role == "assistant" else None
    return (Turn(message, "openai", time=time, config=config, metadata=metadata, key=id, line=line),)


def _tool_message(node: dict[str, JSON], mapping: dict[str, JSON], text: str, name: JSON) -> dict[str, JSON]:
    """A tool's message: the result of the call before it; without a call, a user's message."""
    parent = mapping.get(str(node.get("parent")))
    said = parent.get("message") if isinstance(parent, dict) else None
    if isinstance(said, dict) and said.get("recipient") not in (None, "all", "") and isinstance(said.get("id"), str):
        author = said.get("author")
        if isinstance(author, dict) and author.get("role") == "assistant":
            return result(said["id"], text, name)
    return {"role": "user", "content": text} | ({"name": name} if isinstance(name, str) and name else {})


def _words(content: dict[str, JSON]) -> tuple[str | None, str | None]:
    """A content's text, and its thought."""
    match content.get("content_type"):
        case "thoughts":
            thoughts = content.get("thoughts")
            parts = [part.get("content") or part.get("summary") for part in thoughts if isinstance(part, dict)] if isinstance(thoughts, list) else []  # fmt: skip
            return None, "\n".join(part for part in parts if isinstance(part, str)) or None
        case "reasoning_recap":
            return None, None
        case "user_editable_context":
            texts = [content.get("user_profile"), content.get("user_instructions")]
            return "\n\n".join(text for text in texts if isinstance(text, str) and text) or None, None
    if isinstance(content.get("parts"), list):
        return "\n".join(filter(None, map(_part, content["parts"]))) or None, None
    for key in ("text", "result", "content", "model_set_context"):
        if isinstance(content.get(key), str):
            return content[key] or None, None
    return None, None


def _told_of_user(data: JSON) -> str | None:
    """The user's description of himself, as in exports to 2024."""
    texts = [data.get(key) for key in ("about_user_message", "about_model_message")] if isinstance(data, dict) else []
    return "\n\n".join(text for text in texts if isinstance(text, str) and text) or None


def _attached(files: JSON, content: dict[str, JSON]) -> list[str]:
    """A text for each file that came with a message, except those that a part of its content names."""
    parts = content.get("parts")
    named = "\n".join(map(_part, parts)) if isinstance(parts, list) else ""
    found = [file for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    return [f"[file: {file.get('name')}]" for file in found if not (file.get("id") and str(file["id"]) in named)]


def _part(part: JSON) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, list):
        return "\n".join(filter(None, map(_part, part)))
    if not isinstance(part, dict):
        return ""
    if isinstance(part.get("text"), str):
        return str(part["text"])
    return f"[{part.get('content_type') or 'file'}: {part.get('asset_pointer') or part.get('name') or '?'}]"


def _text(value: JSON) -> str | None:
    return value if isinstance(value, str) and value else None
