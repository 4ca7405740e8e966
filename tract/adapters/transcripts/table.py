"""The formats that can be read, the more special ones first; what can be of any provider comes last."""

from __future__ import annotations

from functools import partial

from tract.adapters.transcripts.formats import is_message
from tract.adapters.transcripts.model import Format
from tract.adapters.transcripts.readers.claude_code import is_claude_code_record, read_claude_code
from tract.adapters.transcripts.readers.inspect_ai import is_inspect_message, read_inspect
from tract.adapters.transcripts.readers.messages import read_messages
from tract.adapters.transcripts.readers.sharegpt import is_sharegpt_item, read_sharegpt
from tract.objects.message_format import JSON, MESSAGE_FORMATS


def _nothing(_value: JSON) -> bool:
    return False


TABLE: tuple[Format, ...] = (
    Format("claude-code", "Claude Code transcripts", "records", is_claude_code_record, read_claude_code),
    Format("inspect-ai", "Inspect AI logs", "messages", is_inspect_message, read_inspect),
    Format("sharegpt", "ShareGPT sets", "messages", is_sharegpt_item, read_sharegpt),
    Format("anthropic", "Anthropic messages", "messages", _nothing, partial(read_messages, format="anthropic")),
    Format("responses", "OpenAI Responses items", "messages", _nothing, partial(read_messages, format="responses")),
    Format("openai", "OpenAI chat messages", "messages", is_message, read_messages),
)

FORMATS: tuple[str, ...] = tuple(format.name for format in reversed(TABLE))
"""The formats that can be read, by the names that ``read_transcript`` takes and gives."""


def formats_for(name: str | None) -> tuple[Format, ...]:
    """The formats that a file may have: all, or where a user said it, the one called *name*."""
    if name is None:
        return TABLE
    (found,) = (format for format in TABLE if format.name == name)
    for format in MESSAGE_FORMATS:
        if name == format:  # what plain messages alone do not say
            return (found._replace(detect=is_message, read=partial(read_messages, format=format)),)
    return (found,)
