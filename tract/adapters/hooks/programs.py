"""The programs that have hooks, and where they are told of them.

    claude-code   .claude/settings.json in the project           Stop SubagentStop PreCompact SessionEnd
    codex         hooks.json in ~/.codex                          Stop
    gemini        .gemini/settings.json in the project            AfterAgent PreCompress

Before a compaction is the moment to record what it hides.
Gemini's program ends before a hook of its end has run, and calls that a failure; what is said was recorded when the turn ended.
Tried with Claude Code 2.1.197, codex-cli 0.171.0 and gemini-cli 0.61.0.
"""

from __future__ import annotations

from tract.named_tuple import NamedTuple


class Program(NamedTuple):
    """A program with hooks: the *format* of its transcripts, its settings' *file*, in the user's home where *is_users*, and the *events* that are hooked."""

    format: str
    file: str
    events: tuple[str, ...]
    is_users: bool = False


PROGRAMS: dict[str, Program] = {
    "claude-code": Program(
        "claude-code", ".claude/settings.json", ("Stop", "SubagentStop", "PreCompact", "SessionEnd")
    ),
    "codex": Program("codex", ".codex/hooks.json", ("Stop",), is_users=True),
    "gemini": Program("gemini-cli", ".gemini/settings.json", ("AfterAgent", "PreCompress")),
}
