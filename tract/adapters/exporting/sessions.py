"""The places where programs look for their sessions, under a user's *home* and by the settings of an *environment*."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime

_LONGEST = 200


def session_place(format: str, session_id: str, folder: str, home: str, environment: Mapping[str, str]) -> str:
    """The path at which the program of *format* finds the session; for the Gemini command line, which gets the file's path, one in *folder*."""
    if format == "claude-code":
        base = environment.get("CLAUDE_CONFIG_DIR") or os.path.join(home, ".claude")
        return os.path.join(base, "projects", project_key(folder), f"{session_id}.jsonl")
    if format == "codex":
        base = environment.get("CODEX_HOME") or os.path.join(home, ".codex")
        now = datetime.now(UTC)
        name = f"rollout-{now:%Y-%m-%dT%H-%M-%S}-{session_id}.jsonl"
        return os.path.join(base, "sessions", f"{now:%Y}", f"{now:%m}", f"{now:%d}", name)
    return os.path.join(folder, f"gemini-session-{session_id[:8]}.json")


def project_key(folder: str) -> str:
    """The name of a project's folder in Claude Code: every character except letters and digits becomes a dash; a long name is cut, with a hash of the whole."""
    key = re.sub(r"[^a-zA-Z0-9]", "-", folder)
    if len(key) <= _LONGEST:
        return key
    return f"{key[:_LONGEST]}-{_base36(abs(_djb2(folder)))}"


def _djb2(text: str) -> int:
    """The program's hash, a signed number of 32 bits: h = h * 31 + unit, over the UTF-16 units."""
    found = 0
    data = text.encode("utf-16-le", "surrogatepass")
    for at in range(0, len(data), 2):
        found = (found * 31 + int.from_bytes(data[at : at + 2], "little")) & 0xFFFFFFFF
    return found - (1 << 32) if found & 0x80000000 else found


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = digits[digit] + text
    return text or "0"
