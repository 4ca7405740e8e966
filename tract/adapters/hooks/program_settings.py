"""The settings of programs with hooks: tract's hooks are added or removed, every other byte stays.

    {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "sh -c … python -P -m tract -C … hooks run claude-code"}]}]}}

Only the value of "hooks" is rewritten, in the layout of the rest.
In a user's settings, as opposed to a project's, there is one hook for each folder; a hook of another folder is left alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tract.adapters.hooks.programs import PROGRAMS
from tract.adapters.hooks.splicing import with_member, without_member
from tract.errors import ConfigError
from tract.named_tuple import NamedTuple
from tract.objects.json import NotJsonError, parse_json
from tract.objects.message_format import JSON

_HAND_OVER = """exec >/dev/null 2>&1; event=$(cat); trap "" HUP INT QUIT TERM; printf %s "$event" | "$@" &"""
"""What a shell does: it reads the event, lets the program go, and only then begins the command. Python's own start takes longer than a program may have to wait.

What ends the program's processes must not end the command, from its first moment on: what the shell ignores, the command ignores too.
"""

_BOM = "\ufeff"
"""The byte order mark at the beginning of a file; it stays."""

_OURS = re.compile(rf"\btract\b.* hooks run ({'|'.join(PROGRAMS)})( --scan)?\s*$", re.DOTALL)


class Change(NamedTuple):
    """A settings file before and after; the same if nothing is to be done, and empty if there is, or would be, no file."""

    path: str
    before: str
    after: str


def settings_path(program: str, folder: str, home: str, environment: Mapping[str, str]) -> str:
    """The path of the program's settings, for the project in *folder*."""
    one = PROGRAMS[program]
    if program == "codex" and environment.get("CODEX_HOME"):
        return os.path.join(environment["CODEX_HOME"], "hooks.json")
    return os.path.join(home if one.is_users else folder, *one.file.split("/"))


def hook_command(python: str, folder: str, program: str, *, scan: bool = False) -> str:
    """The command for the program to call, so that its sessions are recorded in the store of *folder*.

    ``-P``: the program calls it in the project's folder, whose modules are not ours.
    """
    import shlex  # what records has no use for it

    run = [python, "-P", "-m", "tract", "-C", folder, "hooks", "run", program, *(["--scan"] if scan else [])]
    return shlex.join(["sh", "-c", _HAND_OVER, "tract", *run])


def with_hooks(program: str, path: str, text: str, command: str) -> Change:
    """The settings *text* with *command* as tract's hook; ConfigError if it cannot be changed."""
    folder = _folder(command)
    hooks = _parsed(path, text).get("hooks", {})
    if not isinstance(hooks, dict):
        raise ConfigError(f"'{path}': 'hooks' is not an object, so the file is left alone")
    after: dict[str, JSON] = {**hooks}
    for event in PROGRAMS[program].events:
        groups = hooks.get(event, [])
        if not isinstance(groups, list):
            raise ConfigError(f"'{path}': 'hooks.{event}' is not a list, so the file is left alone")
        kept = _without(groups, lambda found: found != command and _is_ours(found, program, folder))
        is_there = command in _commands(kept)
        after[event] = kept if is_there else [*kept, {"hooks": [{"type": "command", "command": command}]}]
    return Change(path, text, text if after == hooks else _written(path, text, after))


def without_hooks(program: str, path: str, text: str, folder: str) -> Change:
    """The settings *text* without tract's hooks; in a user's settings, without those of *folder*."""
    settings = _parsed(path, text)
    hooks = settings.get("hooks")
    if not isinstance(hooks, dict):
        return Change(path, text, text)
    after: dict[str, JSON] = {}
    for event, groups in hooks.items():
        kept = (
            _without(groups, partial(_is_ours, program=program, folder=folder)) if isinstance(groups, list) else groups
        )
        if kept or kept == groups:
            after[event] = kept
    if after == hooks:
        return Change(path, text, text)
    if not after and len(settings) == 1:
        return Change(path, text, "")
    return Change(path, text, _written(path, text, after or None))


def installed(program: str, path: str, text: str, folder: str) -> dict[str, str]:
    """The events at which the program calls tract, each with the command; in a user's settings, for *folder*."""
    hooks = _parsed(path, text).get("hooks")
    found = hooks if isinstance(hooks, dict) else {}
    ours = {
        event: [one for one in _commands(found.get(event)) if _is_ours(one, program, folder)]
        for event in PROGRAMS[program].events
    }
    return {event: commands[-1] for event, commands in ours.items() if commands}


def are_disabled(path: str, text: str) -> bool:
    """Whether the settings *text* disable all hooks, as Claude Code's can."""
    return _parsed(path, text).get("disableAllHooks") is True


def _parsed(path: str, text: str) -> dict[str, Any]:
    text = text.removeprefix(_BOM)
    try:
        value = parse_json(text) if text.strip() else {}
    except NotJsonError as exc:
        raise ConfigError(f"'{path}' is not JSON, so it is left alone: {exc}") from None
    if not isinstance(value, dict):
        raise ConfigError(f"'{path}' is not a JSON object, so it is left alone")
    return value


def _written(path: str, text: str, hooks: dict[str, JSON] | None) -> str:
    """*text* with *hooks*, or without any; ConfigError if the result would mean something else, for example because they are in it twice."""
    wanted, body = _parsed(path, text), text.removeprefix(_BOM)
    wanted.pop("hooks", None)
    if hooks is None:
        written = without_member(body, "hooks")
    else:
        wanted["hooks"] = hooks
        written = with_member(body if body.strip() else "{}\n", "hooks", hooks)
    if _parsed(path, written) != wanted:
        raise ConfigError(f"'{path}' has 'hooks' twice, so it is left alone")
    return written if body == text else _BOM + written


def _commands(groups: JSON) -> list[str]:
    found = []
    for group in groups if isinstance(groups, list) else ():
        for hook in group.get("hooks") or () if isinstance(group, dict) else ():
            if isinstance(hook, dict) and isinstance(hook.get("command"), str):
                found.append(hook["command"])
    return found


def _is_ours(command: str, program: str, folder: str | None) -> bool:
    if _OURS.search(command) is None:
        return False
    return not PROGRAMS[program].is_users or _folder(command) == folder


def _folder(command: str) -> str | None:
    """The folder whose store *command* records in."""
    import shlex  # what records has no use for it

    try:
        words = shlex.split(command)
        return words[words.index("-C") + 1]
    except (ValueError, IndexError):
        return None


def _without(groups: list[JSON], is_dropped: Callable[[str], bool]) -> list[JSON]:
    """*groups* without the hooks whose commands are dropped, and without groups that are empty then."""
    kept: list[JSON] = []
    for group in groups:
        hooks = group.get("hooks") if isinstance(group, dict) else None
        if isinstance(group, dict) and isinstance(hooks, list):
            left = [hook for hook in hooks if not (isinstance(hook, dict) and is_dropped(str(hook.get("command"))))]
            if left != hooks:
                kept += [{**group, "hooks": left}] if left else []
                continue
        kept.append(group)
    return kept
