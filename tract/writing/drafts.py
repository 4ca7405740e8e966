"""Drafts: what a user wants committed, checked before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from tract.compile.workspace import Workspace, current_blob
from tract.errors import ContentValidationError, EditTargetError
from tract.history.commit import Draft, edit_target
from tract.history.times import microseconds
from tract.messages import compact_json
from tract.objects.content import MessageContent, plain_json, to_value
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.revision import resolve_revision
from tract.tokens.usage import read_usage
from tract.writing.budget import usage_of_answer
from tract.writing.credentials import find_credential


def draft(
    space: Workspace,
    content: Any,
    operation: CommitOperation | str = CommitOperation.APPEND,
    *,
    message: str | None = None,
    response_to: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    generation_config: Mapping[str, Any] | None = None,
    usage: Any = None,
    timestamp: datetime | None = None,
) -> Draft:
    """A commit still to be made, checked: nothing was written when this raises."""
    operation = _content_operation(operation)
    target = None if response_to is None else resolve_revision(space.repo, response_to)
    if operation is CommitOperation.EDIT and target is not None:
        target = edit_target(space.repo, target)
    if isinstance(content, str) and operation is CommitOperation.EDIT:
        value = _edit_value(space, content, target)
    else:
        value = to_value(content, space.types)
    _check_text("message", message)
    one = Draft(
        value,
        operation,
        target,
        message,
        _without_credentials("metadata", metadata),
        checked_config(generation_config),
        time=None if timestamp is None else microseconds(timestamp, "timestamp"),
    )
    return one if usage is None else one._replace(usage=usage_of_answer(space, one, read_usage(usage)))


def drafts(space: Workspace, messages: Iterable[Any], format: str) -> list[Draft]:
    """A draft for each of *messages*, where a dict that is no content type of ours is a message of *format*."""
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Iterable):
        raise ContentValidationError(f"messages must be a list, not {type(messages).__name__}")
    found = []
    for number, message in enumerate(messages):
        try:
            found.append(draft(space, _as_message(message, format)))
        except ContentValidationError as exc:
            raise ContentValidationError(f"message {number}: {exc}") from exc
    return found


def _as_message(message: Any, format: str) -> Any:
    if isinstance(message, Mapping) and "content_type" not in message:
        return MessageContent(dict(message), format=format)
    return message


def tool_message(call_id: str, content: Any) -> MessageContent:
    """A tool's answer as a message; what is neither text nor a list of parts is sent as its JSON, for providers take nothing else."""
    if not isinstance(call_id, str) or not call_id:
        raise ContentValidationError(f"a tool's call id must be a text, not {call_id!r:.40}")
    if not isinstance(content, (str, list)):
        content = compact_json(plain_json("content", content))
    return MessageContent({"role": "tool", "tool_call_id": call_id, "content": content}, format="openai")


def _content_operation(operation: CommitOperation | str) -> CommitOperation:
    if operation is CommitOperation.APPEND or operation is CommitOperation.EDIT:
        return operation
    if operation in (CommitOperation.APPEND, CommitOperation.EDIT):
        return CommitOperation(operation)
    raise ContentValidationError(f"a commit's operation must be append or edit, not {operation!r}")


def _edit_value(space: Workspace, text: str, target: ObjectId | None) -> dict[str, Any]:
    """The target's content with another text: an edit that changes the words and nothing else."""
    if target is None:
        raise EditTargetError("an edit needs the message it edits (response_to)")
    blob = current_blob(space.repo, target)
    value = dict(space.repo.blob(blob))
    if value["content_type"] == "message":
        raw = value["message"]
        key = "output" if raw.get("type") == "function_call_output" else "content"
        if not isinstance(raw.get(key), str):
            raise ContentValidationError(f"the message's {key} is not text; give the whole message")
        return {**value, "message": {**raw, key: text}}
    key = "content" if value["content_type"] == "artifact" else "text"
    if not isinstance(value.get(key), str):
        raise ContentValidationError(f"content of type '{value['content_type']}' has no text; give the whole content")
    return {**value, key: text}


def _check_text(what: str, value: object) -> None:
    if value is not None and not isinstance(value, str):
        raise ContentValidationError(f"{what} must be text, not {type(value).__name__}")
    if isinstance(value, str) and not value.isascii():
        plain_json(what, value)


def _checked_map(what: str, value: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ContentValidationError(f"{what} must be a dict, not {type(value).__name__}")
    plain: dict[str, Any] = plain_json(what, dict(value))
    return plain


def checked_config(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """*config*, unless it holds what looks like a key: what is committed cannot be taken back."""
    return _without_credentials("generation_config", config)


def _without_credentials(what: str, value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if value is None:
        return None
    found = _checked_map(what, value)
    name = find_credential(found)
    if name is not None:
        raise ContentValidationError(f"{what}: {name!r} looks like a secret; it is never stored")
    return found
