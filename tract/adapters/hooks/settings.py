"""The settings of the programs that have hooks, as values: ours put in or taken out, all else as it was.

    {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "tract -C … hooks run claude-code"}]}]}}

    claude-code   .claude/settings.json in the project           Stop SubagentStop PreCompact SessionEnd
    codex         hooks.json in ~/.codex                          Stop
    gemini        .gemini/settings.json in the project            AfterAgent PreCompress

Before a compaction is the moment to record what it hides.
Gemini's program ends before a hook of its end has run, and calls that a failure; what is said was recorded when the turn ended.
Tried with Claude Code 2.1.197, codex-cli 0.171.0 and gemini-cli 0.61.0.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from tract.errors import ConfigError
from tract.named_tuple import NamedTuple
from tract.objects.json import NotJsonError, parse_json
from tract.objects.message_format import JSON


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

_MARK = " hooks run "


class Change(NamedTuple):
    """A settings file as it is and as it would be; the same where nothing is to be done, and empty where there is, or would be, no file."""

    path: str
    before: str
    after: str


def settings_path(program: str, folder: str, home: str, environment: Mapping[str, str]) -> str:
    """Where the program's settings are, for the project in *folder*."""
    one = PROGRAMS[program]
    if program == "codex" and environment.get("CODEX_HOME"):
        return os.path.join(environment["CODEX_HOME"], "hooks.json")
    return os.path.join(home if one.is_users else folder, *one.file.split("/"))


def with_hooks(program: str, path: str, text: str, command: str) -> Change:
    """The settings *text* with ours; ConfigError where it is none that can be changed."""
    settings = _parsed(path, text)
    after: dict[str, JSON] = deepcopy(settings)
    hooks = after.setdefault("hooks", {})
    if not isinstance(hooks, dict):
        raise ConfigError(f"'{path}': 'hooks' is no object, and is left alone")
    for event in PROGRAMS[program].events:
        groups = hooks.setdefault(event, [])
        if not isinstance(groups, list):
            raise ConfigError(f"'{path}': 'hooks.{event}' is no list, and is left alone")
        groups[:] = [group for group in map(_without_ours, groups) if group is not None]
        groups.append({"hooks": [{"type": "command", "command": command}]})
    return Change(path, text, text if after == settings else _written(after))


def without_hooks(path: str, text: str) -> Change:
    """The settings *text* without ours."""
    settings = _parsed(path, text)
    after: dict[str, JSON] = deepcopy(settings)
    hooks = after.get("hooks")
    if not isinstance(hooks, dict):
        return Change(path, text, text)
    for event, groups in list(hooks.items()):
        if isinstance(groups, list):
            kept = [group for group in map(_without_ours, groups) if group is not None]
            if kept != groups:
                hooks[event] = kept
                if not kept:
                    del hooks[event]
    if not hooks and settings["hooks"]:
        del after["hooks"]
    if after == settings:
        return Change(path, text, text)
    return Change(path, text, _written(after) if after else "")


def installed(program: str, path: str, text: str) -> tuple[str, ...]:
    """The events at which the program calls tract."""
    hooks = _parsed(path, text).get("hooks")
    found = hooks if isinstance(hooks, dict) else {}
    return tuple(event for event in PROGRAMS[program].events if any(map(_is_ours, _commands(found.get(event)))))


def _parsed(path: str, text: str) -> dict[str, Any]:
    try:
        value = parse_json(text) if text.strip() else {}
    except NotJsonError as exc:
        raise ConfigError(f"'{path}' is no JSON, and is left alone: {exc}") from None
    if not isinstance(value, dict):
        raise ConfigError(f"'{path}' holds no object, and is left alone")
    return value


def _written(settings: dict[str, JSON]) -> str:
    return json.dumps(settings, indent=2, ensure_ascii=False) + "\n"


def _commands(groups: JSON) -> list[str]:
    found = []
    for group in groups if isinstance(groups, list) else ():
        for hook in group.get("hooks") or () if isinstance(group, dict) else ():
            if isinstance(hook, dict) and isinstance(hook.get("command"), str):
                found.append(hook["command"])
    return found


def _is_ours(command: str) -> bool:
    return "tract" in command and _MARK in command


def _without_ours(group: JSON) -> JSON:
    """The group without our hooks; None where it was nothing else."""
    hooks = group.get("hooks") if isinstance(group, dict) else None
    if not isinstance(hooks, list):
        return group
    kept = [hook for hook in hooks if not (isinstance(hook, dict) and _is_ours(str(hook.get("command"))))]
    if kept == hooks:
        return group
    return {**group, "hooks": kept} if kept else None
