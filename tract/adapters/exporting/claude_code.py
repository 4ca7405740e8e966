"""A Claude Code session, one record a message.

    {"type", "message", "uuid", "parentUuid", "timestamp", "sessionId", "cwd", "version", "isSidechain", "userType"}

An answer's message has a ``model`` and an ``id`` of its own: without the model the program waits for ever, without the id it joins all answers into one.
The last record's ``uuid`` is made of the commit of the context's last message, so that an import of the continued session continues behind that message.
The program has its own instructions; those of the context have no place in a session, and are reported.
Tried against Claude Code 2.1.197 and 2.1.332, which resume it.
"""

from __future__ import annotations

from tract.adapters.exported_ids import id_of_commit
from tract.adapters.exporting.session import Session, model_of, new_id, tell_joined
from tract.compile.compiled import CompiledContext
from tract.objects.json import compact_json
from tract.objects.message_format import JSON

_VERSION = "2.1.0"


def write_claude_code(context: CompiledContext, session: Session) -> str:
    """The text of the session's file."""
    body = context.to_anthropic()
    tell_joined(context, session)
    if body.get("system"):
        session.lost("the instructions, because the program has its own")
    model = model_of(list(context.generation_configs))
    moments = session.moments()
    lines: list[str] = []
    parent: str | None = None
    last = id_of_commit(context.commit_hashes[-1]) if len(context) else None
    for number, message in enumerate(body["messages"], 1):
        if message["role"] not in ("user", "assistant"):
            session.lost(f"a message of role '{message['role']}' in the middle")
            continue
        uuid = last if last is not None and number == len(body["messages"]) else new_id()
        record: dict[str, JSON] = {
            "parentUuid": parent,
            "isSidechain": False,
            "userType": "external",
            "cwd": session.folder,
            "sessionId": session.id,
            "version": _VERSION,
            "type": message["role"],
            "message": _message(message, model),
            "uuid": uuid,
            "timestamp": next(moments),
        }
        lines.append(compact_json(record))
        parent = uuid
    return "".join(f"{line}\n" for line in lines)


def _message(message: dict[str, JSON], model: str) -> dict[str, JSON]:
    if message["role"] == "user":
        return {"role": "user", "content": message["content"]}
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    id = f"msg_{new_id().replace('-', '')}"
    return {"id": id, "type": "message", "role": "assistant", "model": model, "content": blocks}
