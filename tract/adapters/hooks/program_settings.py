"""The settings of the programs that have hooks: ours put in or taken out, all else as it was, to the byte.

    {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "tract -C … hooks run claude-code"}]}]}}

Only the value of "hooks" is written anew, and it is laid out as the rest is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from tract.adapters.hooks.programs import PROGRAMS
from tract.adapters.hooks.splicing import with_member, without_member
from tract.errors import ConfigError
from tract.named_tuple import NamedTuple
from tract.objects.json import NotJsonError, parse_json
from tract.objects.message_format import JSON

_OURS = re.compile(rf"\btract\b.* hooks run ({'|'.join(PROGRAMS)})( --scan)?\s*$", re.DOTALL)


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
    hooks = _parsed(path, text).get("hooks", {})
    if not isinstance(hooks, dict):
        raise ConfigError(f"'{path}': 'hooks' is no object, and is left alone")
    after: dict[str, JSON] = {**hooks}
    for event in PROGRAMS[program].events:
        groups = hooks.get(event, [])
        if not isinstance(groups, list):
            raise ConfigError(f"'{path}': 'hooks.{event}' is no list, and is left alone")
        kept = [group for group in map(_without_ours, groups) if group is not None]
        after[event] = [*kept, {"hooks": [{"type": "command", "command": command}]}]
    return Change(path, text, text if after == hooks else _written(path, text, after))


def without_hooks(path: str, text: str) -> Change:
    """The settings *text* without ours."""
    settings = _parsed(path, text)
    hooks = settings.get("hooks")
    if not isinstance(hooks, dict):
        return Change(path, text, text)
    after: dict[str, JSON] = {}
    for event, groups in hooks.items():
        kept = [one for one in map(_without_ours, groups) if one is not None] if isinstance(groups, list) else groups
        if kept or kept == groups:
            after[event] = kept
    if after == hooks:
        return Change(path, text, text)
    if not after and len(settings) == 1:
        return Change(path, text, "")
    return Change(path, text, _written(path, text, after or None))


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


def _written(path: str, text: str, hooks: dict[str, JSON] | None) -> str:
    """*text* with *hooks* for its own, or without; ConfigError where it would say something else than is meant, as where they are in it twice."""
    wanted = _parsed(path, text)
    wanted.pop("hooks", None)
    if hooks is None:
        written = without_member(text, "hooks")
    else:
        wanted["hooks"] = hooks
        written = with_member(text if text.strip() else "{}\n", "hooks", hooks)
    if _parsed(path, written) != wanted:
        raise ConfigError(f"'{path}' has 'hooks' twice, and is left alone")
    return written


def _commands(groups: JSON) -> list[str]:
    found = []
    for group in groups if isinstance(groups, list) else ():
        for hook in group.get("hooks") or () if isinstance(group, dict) else ():
            if isinstance(hook, dict) and isinstance(hook.get("command"), str):
                found.append(hook["command"])
    return found


def _is_ours(command: str) -> bool:
    return _OURS.search(command) is not None


def _without_ours(group: JSON) -> JSON:
    """The group without our hooks; None where it was nothing else."""
    hooks = group.get("hooks") if isinstance(group, dict) else None
    if not isinstance(hooks, list):
        return group
    kept = [hook for hook in hooks if not (isinstance(hook, dict) and _is_ours(str(hook.get("command"))))]
    if kept == hooks:
        return group
    return {**group, "hooks": kept} if kept else None
