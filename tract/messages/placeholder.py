"""What stands for a part that cannot be shown or sent as it is: ``[image image/png 12.3 kB]``."""

from __future__ import annotations

from tract.messages.parts import File, Image, Part, Reasoning, Refusal, Text, ToolCall, ToolResult, Unknown
from tract.messages.values import base64_size, size_text


def placeholder(part: Part) -> str:
    """A short name for *part* in square brackets, never its data."""
    match part:
        case Image(media_type, str(data)):
            return f"[image {media_type} {size_text(base64_size(data))}]"
        case Image():
            return f"[image {part.url}]" if (part.url or "")[:5].lower() != "data:" else "[image data URL]"
        case File(name, media_type, str(data)):
            words = ["file", name, media_type, size_text(base64_size(data))]
            return f"[{' '.join(word for word in words if word)}]"
        case File():
            return f"[file {part.name or part.url or part.file_id or 'text'}]"
        case ToolCall():
            return f"[call of {part.name}]"
        case ToolResult():
            return f"[result of {part.id}]"
        case Reasoning():
            return "[thinking]"
        case Unknown(what):
            return f"[{what}]"
        case Text() | Refusal():
            return "[text]"
