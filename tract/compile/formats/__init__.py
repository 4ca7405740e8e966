"""Provider message formats: what a message is in each of them, and the way from one to another."""

from tract.compile.formats.caching import CacheMode
from tract.compile.formats.content import message_from_raw, message_of
from tract.compile.formats.pairing import Pairing, ToolUnits, pairing_warnings, tool_ids, tool_units
from tract.compile.formats.parts import Rendered
from tract.compile.formats.rendering import (
    render,
    render_anthropic,
    render_chat,
    render_gemini,
    render_openai,
    render_responses,
)
from tract.compile.formats.text import message_text, render_text
from tract.compile.formats.values import compact_json, copy_json

__all__ = [
    "CacheMode",
    "Pairing",
    "Rendered",
    "ToolUnits",
    "compact_json",
    "copy_json",
    "message_from_raw",
    "message_of",
    "message_text",
    "pairing_warnings",
    "render",
    "render_anthropic",
    "render_chat",
    "render_gemini",
    "render_openai",
    "render_responses",
    "render_text",
    "tool_ids",
    "tool_units",
]
