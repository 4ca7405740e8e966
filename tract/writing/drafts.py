"""Drafts: commits that a user asked for, checked before anything is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from tract.compile.workspace import Workspace, current_blob
from tract.errors import ContentValidationError, EditTargetError, RoleWarning
from tract.history.commit import Draft, edit_target
from tract.history.times import microseconds
from tract.messages import compact_json
from tract.messages.parts import known_role
from tract.objects.id import ObjectId
from tract.objects.kept import (
    check_sendable,
    check_text,
    dumped,
    given_message_value,
    plain_json,
    with_plain_parts,
    without_nulls,
)
from tract.objects.message_format import JSON, detect_format
from tract.objects.model import CommitOperation
from tract.revision import Revision, resolve_object, resolve_revision

# Most programs commit providers' messages, and loading these modules takes longer than many a command.
if TYPE_CHECKING:
    from tract.objects.content import MessageContent
    from tract.tokens.usage import TokenUsage

_LONGEST_KEY = 1024
"""Bytes."""

# Fields in which people write, perhaps about keys.
_PLACES = frozenset(("messages", "input", "contents"))
_PROSE = _PLACES | {"tools", "functions", "system", "instructions", "system_instruction", "response_format", "text"}


class EditOptions(TypedDict, total=False):
    """The options of ``Tract.edit``.

    *message* is a note on the commit, and *metadata* a map that is in its hash too; *timestamp* is an aware datetime, None is now.
    *generation_config* and *usage* are kept beside the commit: neither is in its hash.
    *key* is the name that another program gave the message; if the branch has it already, its commit is returned and nothing is written.
    *request* is the body that the message answers, as it was sent, with or without its messages, and beside it ``provider`` and ``body_hash`` (the BLAKE3 of the bytes, hexadecimal): kept beside the commit, for ``sent`` and ``verify_sent``.
    """

    message: str | None
    metadata: Mapping[str, Any] | None
    generation_config: Mapping[str, Any] | None
    usage: Mapping[str, Any] | TokenUsage | None
    timestamp: datetime | str | None
    key: str | None
    request: Mapping[str, Any] | None


class CommitOptions(EditOptions, total=False):
    """The options of ``Tract.commit``: those of an edit, and the message that an edit changes, or that a message replies to."""

    response_to: Revision | None


def draft(
    space: Workspace,
    content: Any,
    operation: CommitOperation | str = CommitOperation.APPEND,
    *,
    message: str | None = None,
    response_to: Revision | None = None,
    metadata: Mapping[str, Any] | None = None,
    generation_config: Mapping[str, Any] | None = None,
    usage: Mapping[str, Any] | TokenUsage | None = None,
    timestamp: datetime | str | None = None,
    key: str | None = None,
    request: Mapping[str, Any] | None = None,
) -> Draft:
    """A commit to be made, checked; if this raises, nothing was written."""
    operation = _content_operation(operation)
    target = None if response_to is None else resolve_revision(space.repo, response_to)
    if target is not None and operation is CommitOperation.EDIT:
        target = edit_target(space.repo, target)
    if isinstance(content, str) and operation is CommitOperation.EDIT:
        value = _edit_value(space, content, target)
    else:
        value = _value_of(space, content)
        if value["content_type"] == "message":
            _check_message(space, value["message"], value["format"])
    refs: tuple[ObjectId, ...] = ()
    if value["content_type"] == "record":
        if operation is not CommitOperation.APPEND or generation_config is not None or usage is not None:
            raise ContentValidationError("a record is not a message: it edits nothing, and has no config and no usage")
        operation, refs = CommitOperation.RECORD, _refs_of(space, content)
    if message is not None:
        check_text("message", message)
    one = Draft(
        value,
        operation,
        target,
        message=message,
        metadata=None if metadata is None else _plain("metadata", metadata),
        config=None if generation_config is None else _plain("generation_config", generation_config),
        time=None if timestamp is None else microseconds(timestamp, "timestamp"),
        refs=refs,
        key=None if key is None else check_key(key),
        request=None if request is None else _request_note(space, request),
    )
    return one if usage is None else one._replace(usage=_usage_of(space, one, usage))


def _value_of(space: Workspace, content: Any) -> dict[str, JSON]:
    """The blob's map for *content*."""
    if type(content) is dict and "role" in content and "content_type" not in content:
        message = with_plain_parts(content)
        return given_message_value(message, detect_format(message) or "openai")
    from tract.objects.content import to_value  # as above

    return to_value(content, space.types)


def _plain(what: str, value: Mapping[str, Any]) -> dict[str, Any] | None:
    """*value* as plain JSON, without a key or password in it."""
    from tract.writing.credentials import without_credentials  # most commits have none

    return without_credentials(what, value)


def _usage_of(space: Workspace, answer: Draft, usage: Mapping[str, Any] | TokenUsage) -> dict[str, Any]:
    from tract.tokens.usage import read_usage  # as above
    from tract.writing.budget import usage_of_answer

    return usage_of_answer(space, answer, read_usage(usage))


def _refs_of(space: Workspace, record: Any) -> tuple[ObjectId, ...]:
    """The objects that a record names."""
    given = record["refs"] if isinstance(record, Mapping) and "refs" in record else getattr(record, "refs", ())
    return tuple(resolve_object(space.repo, ref) for ref in given)


def _request_note(space: Workspace, request: Mapping[str, Any]) -> dict[str, Any]:
    """The note about *request*; ContentValidationError if it is not a request."""
    from tract.compile.sent import request_note  # most programs record none
    from tract.writing.credentials import checked_map, without_credentials

    if not isinstance(request, Mapping):
        raise ContentValidationError(f"request must be a dict, not {type(request).__name__}")
    plain = checked_map("request", {key: None if key in _PLACES else value for key, value in request.items()})
    for name in ("provider", "body_hash"):
        check_text(f"request: {name}", plain.get(name))
    if plain.get("body_hash") is not None and not re.fullmatch("[0-9a-f]{64}", plain["body_hash"]):
        raise ContentValidationError("request: body_hash must be 64 hexadecimal digits")
    without_credentials("request", {key: value for key, value in plain.items() if key not in _PROSE})
    return request_note(space, plain)


def check_key(key: object) -> str:
    """*key*, a text of at most 1,024 bytes; ContentValidationError for anything else."""
    if not isinstance(key, str) or not key:
        raise ContentValidationError(f"a key must be a text that is not empty, not {key!r:.40}")
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise ContentValidationError(f"key {key!r:.40} has half a surrogate pair") from None
    if size > _LONGEST_KEY:
        raise ContentValidationError(f"a key of {size} bytes is over the limit of {_LONGEST_KEY}")
    return key


def as_tuple(messages: Iterable[Any]) -> tuple[Any, ...]:
    """*messages* as a tuple; ContentValidationError for a single message, a text or anything else that is not a list."""
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Iterable):
        raise ContentValidationError(f"messages must be a list, not {type(messages).__name__}")
    return tuple(messages)


def drafts(
    space: Workspace, messages: Sequence[Any], format: str, keys: Sequence[str | None] | None = None
) -> list[Draft]:
    """A draft for each of *messages*. A dict that is neither a content type of ours nor has a shape that only another format has is a message of *format*.

    *keys* has a key for each message, None for one without.
    """
    if keys is not None:
        check_keys(keys, len(messages))
    found = []
    for number, message in enumerate(messages, 1):
        try:
            found.append(
                draft(space, _as_message(space, message, format), key=None if keys is None else keys[number - 1])
            )
        except ContentValidationError as exc:
            raise ContentValidationError(f"message {number}: {exc}") from exc
    return found


def check_keys(keys: Sequence[str | None], messages: int) -> None:
    """ContentValidationError if *keys* is not a list of the same length."""
    if isinstance(keys, str) or not isinstance(keys, Sequence):
        raise ContentValidationError(f"keys must be a list with a key for each message, not {type(keys).__name__}")
    if len(keys) != messages:
        raise ContentValidationError(f"keys must be as many as messages: {len(keys)} for {messages}")


def is_dumped_answer(message: Mapping[str, Any]) -> bool:
    """Whether a dict is a whole answer of Anthropic's API: a message with a stop reason."""
    return "stop_reason" in message and message.get("type") == "message"


def _as_message(space: Workspace, message: Any, format: str) -> Any:
    from tract.objects.content import MessageContent  # as above

    if isinstance(message, Mapping) and "content_type" not in message:
        plain = with_plain_parts(message)
        shape = detect_format(plain)
        return MessageContent(plain, format=format if shape in (None, "openai") else shape)
    if not hasattr(message, "model_dump") or hasattr(message, "content_type") or type(message) in space.types.values():
        return message
    own = without_nulls(dumped(message))
    found = detect_format(own)
    if found is None or is_dumped_answer(own):
        raise ContentValidationError(f"a {type(message).__name__} is not a single message; commit takes a whole answer")
    return MessageContent(own, format=found)


def tool_message(call_id: str, content: Any, *, is_error: bool = False) -> MessageContent:
    """A tool's result as a message; a value that is neither text nor a list of parts is sent as its JSON, because providers take nothing else."""
    from tract.objects.content import MessageContent  # as above

    if not isinstance(call_id, str) or not call_id:
        raise ContentValidationError(f"a tool's call id must be a text, not {call_id!r:.40}")
    if not isinstance(content, (str, list)):
        content = compact_json(plain_json("content", content))
    if is_error:  # only Anthropic's format has a flag for it; the others lose it, with a warning
        result = {"type": "tool_result", "tool_use_id": call_id, "content": content, "is_error": True}
        return MessageContent({"role": "user", "content": [result]}, format="anthropic")
    return MessageContent({"role": "tool", "tool_call_id": call_id, "content": content}, format="openai")


def _content_operation(operation: CommitOperation | str) -> CommitOperation:
    if operation is CommitOperation.APPEND or operation is CommitOperation.EDIT:
        return operation
    if operation in (CommitOperation.APPEND, CommitOperation.EDIT):
        return CommitOperation(operation)
    raise ContentValidationError(f"a commit's operation must be append or edit, not {operation!r}")


def _edit_value(space: Workspace, text: str, target: ObjectId | None) -> dict[str, Any]:
    """The target's content with another text: the edit changes only the text."""
    if target is None:
        raise EditTargetError("an edit needs the message it edits (response_to)")
    blob = current_blob(space.repo, target)
    value = dict(space.repo.blob(blob))
    if value["content_type"] == "message":
        raw = value["message"]
        key = "output" if raw.get("type") == "function_call_output" else "content"
        return {**value, "message": {**raw, key: _with_text(raw.get(key), text, f"the message's {key}")}}
    key = {"artifact": "content", "tool_io": "payload"}.get(value["content_type"], "text")
    if not isinstance(value.get(key), str):
        raise ContentValidationError(f"content of type '{value['content_type']}' has no text; give the whole content")
    return {**value, key: text}


def _with_text(content: Any, text: str, what: str) -> Any:
    """*content* with *text* in the place of its text: all of it, or its only block of text; other blocks stay."""
    if isinstance(content, str):
        return text
    if not isinstance(content, list):
        raise ContentValidationError(f"{what} is not text; give the whole message")
    places = [at for at, block in enumerate(content) if isinstance(block, Mapping) and _is_text(block)]
    if len(content) == 1 and isinstance(content[0], Mapping) and content[0].get("type") == "tool_result":
        return [{**content[0], "content": _with_text(content[0].get("content", ""), text, "the tool's result")}]
    if len(places) != 1:
        raise ContentValidationError(f"{what} has {len(places)} blocks of text; give the whole message")
    return [{**block, "text": text} if at == places[0] else block for at, block in enumerate(content)]


def _is_text(block: Mapping[str, Any]) -> bool:
    return block.get("type") in ("text", "input_text", "output_text") and isinstance(block.get("text"), str)


def _check_message(space: Workspace, message: Mapping[str, Any], format: str) -> None:
    """ContentValidationError for a message with nothing to send; a warning if its provider does not know its role, because it is sent with another (rule 16 of docs/sending.md)."""
    if "role" not in message:
        return  # an item of the Responses API
    role = message["role"]
    if message.get("content") is None:
        check_sendable(message, format)
    if role not in _ROLES[format]:
        known = known_role(role, calls=bool(message.get("tool_calls")))
        space.warn(RoleWarning(f"no provider knows the role {role!r:.40}: the message is sent as {known!r}"))


_ROLES = {
    "openai": frozenset({"system", "developer", "user", "assistant", "tool", "function"}),
    "responses": frozenset({"system", "developer", "user", "assistant", "tool"}),
    "anthropic": frozenset({"system", "user", "assistant"}),
}
