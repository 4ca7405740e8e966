"""A Codex rollout: the session, then an item a line.

    {"timestamp", "type": "session_meta", "payload": {"id", "timestamp", "cwd", "originator", "cli_version"}}
    {"timestamp", "type": "response_item", "payload": item}

Texts are parts in it, and instructions are developer messages. Tried against codex-cli 0.171.0, which resumes it.
"""

from __future__ import annotations

from tract.adapters.exporting.session import Session, model_of
from tract.compile.compiled import CompiledContext
from tract.objects.json import compact_json
from tract.objects.message_format import JSON


def write_codex(context: CompiledContext, session: Session) -> str:
    """The text of the rollout's file."""
    moments = session.moments()
    began = next(moments)
    meta = {
        "id": session.id,
        "timestamp": began,
        "cwd": session.folder,
        "originator": "tract",
        "cli_version": "0.171.0",
    }
    records: list[dict[str, JSON]] = [{"timestamp": began, "type": "session_meta", "payload": meta}]
    model = model_of(list(context.generation_configs), "")
    if model:
        payload = {"cwd": session.folder, "model": model, "approval_policy": "on-request", "summary": "auto"}
        records.append({"timestamp": next(moments), "type": "turn_context", "payload": payload})
    for item in context.to_openai_responses():
        if item.get("role") == "system":
            session.lost("the role 'system', because the instructions are a developer's message")
        records.append({"timestamp": next(moments), "type": "response_item", "payload": _item(dict(item))})
    return "".join(f"{compact_json(record)}\n" for record in records)


def _item(item: dict[str, JSON]) -> dict[str, JSON]:
    if "role" not in item:
        return item
    role = "developer" if item["role"] == "system" else item["role"]
    content = item.get("content")
    kind = "output_text" if role == "assistant" else "input_text"
    parts = [{"type": kind, "text": content}] if isinstance(content, str) else content
    return {**item, "type": "message", "role": role, "content": parts}
