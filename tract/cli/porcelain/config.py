"""``tract config``: read and change settings, a tract's and the user's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tract.cli.command import DONE, NEGATIVE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.user_settings import is_user_setting, read_value, user_file, user_settings, write_user_settings
from tract.config import REMOTE, BudgetAction, TractConfig, from_table, to_table
from tract.dataclass import fields
from tract.errors import ConfigError, NotARepositoryError, TractError
from tract.named_tuple import NamedTuple
from tract.refs.names import ROOT, ref_path, tract_prefix
from tract.settings import read_config, write_config
from tract.tokens.counter import counter_named

_GIVEN = "-c"
"""The origin of a setting given to this one command."""
_AUTONOMY = "autonomy"


class _Setting(NamedTuple):
    """A setting, its value, and its origin: a file, an environment variable, or ``default``."""

    name: str
    value: Any
    origin: str


def run(console: Console, args: Args) -> int:
    if args.unset and (args.name is None or args.value is not None):
        console.error("--unset takes the name of a setting")
        return USAGE
    if args.name is None:
        found = [*_of_tract(console, _store(console)), *_of_user(console)]
        if args.json:
            console.print_json({one.name: {"value": one.value, "origin": one.origin} for one in found})
        for one in found if not args.json else ():
            origin = "" if one.origin == "default" else f"  ({one.origin})"
            console.line(one.name, " = ", _text(one.value), console.paint(origin, "dim"))
        return DONE
    if args.unset or args.value is not None:
        _change(console, args.name, args.value)
        return DONE
    return _print_one(console, args)


def _print_one(console: Console, args: Args) -> int:
    settings = _of_user(console) if is_user_setting(args.name) else _of_tract(console, console.store())
    found = next((one for one in settings if one.name == args.name), None)
    if found is None and not is_user_setting(args.name):
        raise ConfigError(f"unknown setting {args.name!r}")
    if args.json:
        console.print_json(found)
    elif found is not None and found.value is not None:
        console.line(_text(found.value), f"\t{found.origin}" if args.show_origin else "")
    return NEGATIVE if found is None or found.value is None else DONE


def _store(console: Console) -> str | None:
    """The store, or None: the user's own settings need no store."""
    with suppress(NotARepositoryError):
        return console.store()
    return None


def _of_tract(console: Console, store: str | None) -> list[_Setting]:
    """The settings of the chosen tract: its own, else the root tract's."""
    if store is None:
        return []
    path = _file(store, console.tract)
    saved = to_table(read_config(path))
    values = _values(from_table({**saved, **console.settings}))
    origins = {**dict.fromkeys(saved, path), **dict.fromkeys(console.settings, _GIVEN)}
    found = [_Setting(name, value, origins.get(name, "default")) for name, value in values.items()]
    author = console.environ.get("TRACT_AUTHOR_NAME")
    found += _autonomy(console)
    return [
        one._replace(value=author, origin="TRACT_AUTHOR_NAME")
        if author and one.name == "author" and "author" not in console.settings
        else one
        for one in found
    ]


def _autonomy(console: Console) -> list[_Setting]:
    """The autonomy of policies and models, as a setting: the store keeps it beside the policies, so that it holds in every process at once."""
    from tract.agents.policy_settings import SettingsTable  # few tracts have policies

    try:
        with console.open_repository() as repo:
            settings = SettingsTable().read(repo)
    except TractError as exc:
        console.warn(f"the autonomy cannot be read: {exc}")
        return []
    return [_Setting(_AUTONOMY, settings.autonomy, "refs/notes/policies" if settings.store else "default")]


def _change_autonomy(console: Console, value: str | None) -> None:
    from tract.agents.policy_settings import DEFAULT_AUTONOMY, check_autonomy, set_autonomy  # few tracts have policies

    with console.open_repository() as repo:
        set_autonomy(repo, check_autonomy(value or DEFAULT_AUTONOMY))


def _of_user(console: Console) -> list[_Setting]:
    path = user_file(console.environ) or ""
    saved = {name: _Setting(name, value, path) for name, value in user_settings(console.environ).items()}
    given = {name: _Setting(name, value, _GIVEN) for name, value in console.preferences.items()}
    return [*(saved | given).values()]


def _values(config: TractConfig) -> dict[str, Any]:
    """All settings, flat, as in config.toml."""
    budget = config.budget
    names = [one.name for one in fields(TractConfig) if one.init and one.name not in ("token_budget", "remotes")]
    return {
        "token_budget": None if budget is None else budget.max_tokens,
        "budget_action": (BudgetAction.WARN if budget is None else budget.action).value,
        **{name: getattr(config, name) for name in names},
        **{name: value for name, value in to_table(config).items() if name.startswith(REMOTE)},
    }


def _file(store: str, tract: str | None) -> str:
    """The file with the tract's settings: the root tract's if it has none of its own."""
    own = _own_file(store, tract)
    return own if os.path.exists(own) else os.path.join(store, "config.toml")


def _own_file(store: str, tract: str | None) -> str:
    return os.path.join(store, ref_path(tract_prefix(tract or ROOT)), "config.toml")


def _change(console: Console, name: str, value: str | None) -> None:
    """Set a setting, or with None reset it to its default."""
    if is_user_setting(name):
        settings = user_settings(console.environ)
        write_user_settings(console.environ, _with(settings, name, value))
        return
    console.check_writable(console.store())
    if name == _AUTONOMY:
        _change_autonomy(console, value)
        return
    with console.open_repository():  # a store that may not be opened may not be changed either
        store = console.store()
    table = to_table(read_config(_file(store, console.tract)))
    config = from_table(_with(table, name, None if value is None else read_value(value)))
    if name == "budget_action" and value is not None and config.budget is None:
        raise ConfigError("budget_action needs a token budget: set token_budget first")
    counter_named(config.tokenizer_encoding)
    write_config(_own_file(store, console.tract), config)


def _with(table: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    rest = {key: one for key, one in table.items() if key != name}
    if name == "token_budget" and value is None:
        rest.pop("budget_action", None)  # it is the budget's
    return rest if value is None else {**rest, name: value}


def _text(value: Any) -> str:
    return "(none)" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


COMMAND = Command(
    run,
    (
        Param("name", metavar="NAME", help="The setting, such as token_budget. Without it, all are listed."),
        Param(
            "value",
            metavar="VALUE",
            help="The new value. Without it, the present value is printed; the exit status is 1 if there is none.",
        ),
        Param("unset", ("--unset",), bool, help="Reset the setting to its default."),
        Param("show_origin", ("--show-origin",), bool, help="Print where the value comes from, too."),
        Param(
            "json",
            ("--json",),
            bool,
            help="Print a JSON document: for each setting its value and where that comes from.",
        ),
    ),
    """
autonomy says what policies and models may do without approval: manual (nothing), collaborative (actions of low risk), autonomous (everything). The other settings of a tract are in config.toml in its store; docs/retention.md and docs/llm.md explain them. A tract without settings of its own uses those of the root tract, and gets its own when you change one.

pager, editor and alias.<name> are your own settings for all stores; they are in $XDG_CONFIG_HOME/tract/config.toml, or in ~/.config. An alias is a short name for a command with some arguments; it cannot replace a command.

'tract -c NAME=VALUE COMMAND' changes a setting for one command.

  $ tract config
  $ tract config token_budget 100000
  $ tract config orphan_retention_days --show-origin
  $ tract -c author=ida commit 'Hello.'
  $ tract config autonomy manual
  $ tract config alias.last 'log -n 1 --format full'
""",
    pages=True,
)
