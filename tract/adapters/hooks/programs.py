"""The programs with hooks, and the files in which hooks are set.

    claude-code   .claude/settings.json in the project           Stop SubagentStop PreCompact SessionEnd
    codex         hooks.json in ~/.codex                          Stop
    gemini        .gemini/settings.json in the project            AfterAgent PreCompress

A hook before a compaction records the messages that the compaction hides.
Gemini's program ends before a hook of its end has run, and calls that a failure; everything was recorded when the turn ended.
Tried with Claude Code 2.1.197, codex-cli 0.171.0 and gemini-cli 0.61.0.
"""

from __future__ import annotations

from tract.named_tuple import NamedTuple


class Program(NamedTuple):
    """A program with hooks: the *format* of its transcripts, its settings' *file*, in the user's home if *is_users*, and the hooked *events*."""

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
