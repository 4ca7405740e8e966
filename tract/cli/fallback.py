"""Everything about command lines that typer does: help, usage errors, shell completion.

The typer app is built from the same declarations that plain command lines are parsed from.
Typer only parses here; the command is run by whoever asked.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Sequence
from enum import Enum
from importlib import import_module
from typing import Any

import typer

from tract.cli.command import USAGE, Args, Command, Param
from tract.cli.console import Console, output_errors


def parse_with_typer(command: Command, argv: Sequence[str], console: Console) -> tuple[Args | None, int]:
    """The values of *command*'s parameters, or None and the exit status when typer has said all there is to say."""
    chosen: list[Args] = []
    app = _new_app(add_completion=False)
    _add(app, command, lambda _, args: chosen.append(args))
    status = _run(app, _with_values(command, argv), f"tract {command.name}", console)
    return (chosen[0], 0) if chosen else (None, status)


def _with_values(command: Command, argv: Sequence[str]) -> list[str]:
    """*argv* with the values that options were given without: typer knows no option whose value may be left out."""
    bare = {flag: f"{flag}={param.bare}" for param in command.params if param.bare is not None for flag in param.flags}
    end = argv.index("--") if "--" in argv else len(argv)
    return [*(bare.get(word, word) for word in argv[:end]), *argv[end:]]


def run_typer_app(argv: Sequence[str], console: Console) -> int:
    """Run the app of all commands: for shell completion, which needs to know them all."""
    from tract.cli.main import GROUPS  # main imports this module when it is needed

    chosen: list[tuple[Command, Args]] = []
    app = _new_app(add_completion=True)
    for group in GROUPS:
        for module, _ in group.commands.values():
            _add(app, import_module(f"{group.package}.{module}").COMMAND, lambda c, a: chosen.append((c, a)))
    status = _run(app, argv, "tract", console)
    return chosen[0][0].run(console, chosen[0][1]) if chosen else status


def _new_app(*, add_completion: bool) -> typer.Typer:
    return typer.Typer(
        add_completion=add_completion,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _run(app: typer.Typer, argv: Sequence[str], name: str, console: Console) -> int:
    redirected = contextlib.redirect_stdout(console.stdout), contextlib.redirect_stderr(console.stderr)
    with redirected[0], redirected[1], output_errors():
        try:
            app(list(argv), prog_name=name)
        except SystemExit as exc:
            return exc.code if isinstance(exc.code, int) else USAGE
    return 0


def _add(app: typer.Typer, command: Command, choose: Callable[[Command, Args], None]) -> None:
    """Add *command* as a function whose signature says what its declaration says."""

    def callback(**values: Any) -> None:
        plain = {param.name: _plain(param, values[param.name]) for param in command.params}
        choose(command, Args(plain))

    parameters = [_parameter(param) for param in command.params]
    callback.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions may have one
    callback.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    summary = command.summary[:1].upper() + command.summary[1:]
    text = f"{summary}.\n\n{_unwrapped(command.description)}" if command.description else f"{summary}."
    app.command(command.name, help=text, short_help=summary)(callback)


def _parameter(param: Param) -> inspect.Parameter:
    base: Any = _choices(param) if param.choices else param.type
    settings: dict[str, Any] = {"help": param.help or None, "metavar": param.metavar}
    if param.many:
        annotation: Any = list[base]
        default: Any = ... if param.required else None
        if not param.required:
            annotation = list[base] | None
    elif param.type is bool:
        annotation, default = bool, bool(param.default)
    elif param.required:
        annotation, default = base, ...
    else:
        annotation, default = base | None, base(param.default) if param.choices and param.default else param.default
    info = typer.Option(default, *param.flags, **settings) if param.flags else typer.Argument(default, **settings)
    return inspect.Parameter(param.name, inspect.Parameter.KEYWORD_ONLY, default=info, annotation=annotation)


def _choices(param: Param) -> Any:
    return Enum(param.name, {choice: choice for choice in param.choices})


def _plain(param: Param, value: Any) -> Any:
    """The value that :mod:`tract.cli.parsing` would have given."""
    if param.many:
        return tuple(_plain_one(item) for item in value) if value else (param.default or ())
    return _plain_one(value)


def _plain_one(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _unwrapped(text: str) -> str:
    """*text* with its indented paragraphs, the examples, kept as they are laid out."""
    paragraphs = text.strip("\n").split("\n\n")
    return "\n\n".join(f"\b\n{one}" if one.startswith((" ", "$", "tract ")) else one for one in paragraphs)
