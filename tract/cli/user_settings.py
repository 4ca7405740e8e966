"""The user's own settings, for all stores: ``config.toml`` in a folder of the user's.

    pager = "less -S"
    editor = "vim"
    [alias]
    last = "log -n 1 --format full"

A store's settings are in ``tract.config``.
A setting given by ``tract -c NAME=VALUE`` holds for one command, and is stored nowhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tract.errors import ConfigError

if TYPE_CHECKING:
    from tract.cli.console import Console

NAMES = ("pager", "editor")
ALIAS = "alias."

_LASTING = {
    **dict.fromkeys(
        ("orphan_retention_days", "archive_retention_days", "keep_pinned", "keep_merge_bases"),
        "gc reads it from each tract's settings; give 'tract gc' an option instead",
    ),
    **dict.fromkeys(("default_branch", "display_name"), "it applies when a tract is made; set it with 'tract config'"),
}
"""Settings that have no effect for a single command, and why."""


def give(console: Console, text: str) -> None:
    """Apply the setting in *text*, ``NAME=VALUE``, to this one command; ConfigError if it makes no sense."""
    name, given, value = text.partition("=")
    if not given:
        raise ConfigError(f"a setting for one command is a name and a value, such as author=ida, not {text!r}")
    if name in _LASTING:
        raise ConfigError(f"the setting '{name}' cannot be given to one command: {_LASTING[name]}")
    if is_user_setting(name):
        console.preferences[name] = value
        return
    from tract.config import from_table

    one = {name: read_value(value)}
    from_table({**one, "token_budget": 1} if name == "budget_action" else one)
    console.settings |= one


def user_file(environ: Mapping[str, str]) -> str | None:
    """The path of the user's settings, existing or not; None if there is no home folder."""
    home = environ.get("XDG_CONFIG_HOME") or (os.path.join(environ["HOME"], ".config") if environ.get("HOME") else None)
    return None if home is None else os.path.join(home, "tract", "config.toml")


def user_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The user's settings by their names, aliases as ``alias.<name>``; ConfigError if the file makes no sense."""
    path = user_file(environ)
    if path is None or not os.path.exists(path):
        return {}
    import tomllib

    try:
        with open(path, encoding="utf-8") as file:
            table: dict[str, Any] = tomllib.loads(file.read())
    except ValueError as exc:
        raise ConfigError(f"'{path}' cannot be read: {exc}") from exc
    found = {name: value for name, value in table.items() if name != "alias"}
    aliases = table.get("alias", {})
    found |= (
        {ALIAS + name: value for name, value in aliases.items()} if isinstance(aliases, dict) else {"alias": aliases}
    )
    for name, value in found.items():
        if not isinstance(value, str) or not _is_name(name):
            raise ConfigError(f"'{path}' has an unknown setting {name!r}")
    return found


def user_setting(console: Console, name: str) -> str | None:
    """One of the user's settings: the one given to this command, else the stored one."""
    return console.preferences.get(name) or user_settings(console.environ).get(name)


def read_value(text: str) -> Any:
    """A value in TOML: a number, true, false, else the text."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def write_user_settings(environ: Mapping[str, str], settings: Mapping[str, str]) -> str:
    """Write the user's settings, and return the path."""
    import json

    path = user_file(environ)
    if path is None:
        raise ConfigError("there is no folder for your settings: neither XDG_CONFIG_HOME nor HOME is set")
    plain = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items() if not name.startswith(ALIAS)]
    aliases = [
        f"{json.dumps(name.removeprefix(ALIAS))} = {json.dumps(value)}\n"
        for name, value in settings.items()
        if name.startswith(ALIAS)
    ]
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:  # through a link, where the user keeps it elsewhere
        file.write("".join([*plain, *(["[alias]\n"] if aliases else []), *aliases]))
    return path


def is_user_setting(name: str) -> bool:
    """Whether *name* is one of the user's settings, not a store's."""
    return name in NAMES or name.startswith(ALIAS)


def _is_name(name: str) -> bool:
    return name in NAMES or (name.startswith(ALIAS) and len(name) > len(ALIAS))
