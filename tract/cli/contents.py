"""What a user gives a command to record: text or JSON, on the command line or on the standard input."""

from __future__ import annotations

from typing import Any

from tract.cli.console import Console, is_terminal
from tract.errors import ContentValidationError
from tract.objects.content import DialogueContent, InstructionContent, MessageContent


def given_text(console: Console, text: str | None) -> str | None:
    """The text of an argument; ``-``, or none where something is piped in, means the standard input.

    The newline that ends the input is not part of it. None where nothing was given.
    """
    if text is None and is_terminal(console.stdin):
        return None
    if text is None or text == "-":
        return console.read_stdin().removesuffix("\n")
    return text


def message_of_role(role: str, text: str, name: str | None = None, call_id: str | None = None) -> Any:
    """The content that *text* in *role* is; what ``system`` says is an instruction, and pinned."""
    if role == "tool":
        if not call_id:
            raise ContentValidationError("what a tool answered needs the call it answers (--call-id)")
        return MessageContent({"role": "tool", "tool_call_id": call_id, "content": text})
    if role == "system" and name is None:
        return InstructionContent(text)
    return DialogueContent(role, text, name)


def read_json(text: str, what: str) -> dict[str, Any]:
    """The JSON object in *text*."""
    from tract.adapters.transcripts.strictjson import Refused, flaw, parse  # brings readers that text needs not

    value = parse(text.encode("utf-8", "surrogateescape"))
    if isinstance(value, Refused):
        raise ContentValidationError(f"{what} is not JSON: {value.reason}")
    refused = flaw(value)
    if refused is not None:
        raise ContentValidationError(f"{what} is refused: {refused}")
    if not isinstance(value, dict):
        raise ContentValidationError(f"{what} must be a JSON object, not {type(value).__name__}")
    return value


def content_from_json(text: str) -> Any:
    """The content in a JSON object: a content type's map, a provider's message, or an item of the Responses API."""
    value = read_json(text, "the message")
    if "content_type" not in value and "role" not in value and isinstance(value.get("type"), str):
        return MessageContent(value, format="responses")
    return value
