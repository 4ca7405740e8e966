"""Provider message formats: what a message looks like in each of them, and how it is converted from one to another.

Names are loaded when they are first used, so that a program that only reads messages loads nothing that writes them.
"""

from __future__ import annotations

from importlib import import_module

from tract.annotations import TYPE_CHECKING

if TYPE_CHECKING:
    from tract.messages.anthropic import join_system as join_system
    from tract.messages.caching import CacheMode as CacheMode
    from tract.messages.content import message_of as message_of
    from tract.messages.message import message_from_raw as message_from_raw
    from tract.messages.pairing import Pairing as Pairing
    from tract.messages.pairing import ToolUnits as ToolUnits
    from tract.messages.pairing import pairing_warnings as pairing_warnings
    from tract.messages.pairing import tool_ids as tool_ids
    from tract.messages.pairing import tool_units as tool_units
    from tract.messages.parts import Rendered as Rendered
    from tract.messages.to_provider import chat_excerpt as chat_excerpt
    from tract.messages.to_provider import render as render
    from tract.messages.to_provider import render_anthropic as render_anthropic
    from tract.messages.to_provider import render_gemini as render_gemini
    from tract.messages.to_provider import render_openai as render_openai
    from tract.messages.to_provider import render_responses as render_responses
    from tract.messages.turns import message_text as message_text
    from tract.messages.turns import render_text as render_text
    from tract.messages.values import compact_json as compact_json
    from tract.messages.values import copy_json as copy_json

_HOMES = {
    "anthropic": ("join_system",),
    "caching": ("CacheMode",),
    "content": ("message_of",),
    "message": ("message_from_raw",),
    "pairing": ("Pairing", "ToolUnits", "pairing_warnings", "tool_ids", "tool_units"),
    "parts": ("Rendered",),
    "to_provider": ("chat_excerpt", "render", "render_anthropic", "render_gemini", "render_openai", "render_responses"),
    "turns": ("message_text", "render_text"),
    "values": ("compact_json", "copy_json"),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(f"{__name__}.{home}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
