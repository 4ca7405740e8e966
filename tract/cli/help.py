"""What typer does for command lines: help, saying what is wrong with one, and completion.

The typer app is built from the commands' own declarations. It runs no command and gives no values: those come from ``command.parse``.
"""

from __future__ import annotations

import contextlib
import inspect
import io
from collections.abc import Callable, Sequence
from enum import Enum
from importlib import import_module
from typing import Any

import typer

from tract.cli.command import DONE, USAGE, Command, Param, spelled_out
from tract.cli.commands import ENTRIES, Entry
from tract.cli.console import Console


def explain(console: Console, name: str, command: Command, argv: Sequence[str]) -> int:
    """Print the help that *argv* asks for, or what is wrong with it; the exit status."""
    app = _new_app(add_completion=False)
    _add(app, name, ENTRIES[name], command)
    return _say(app, spelled_out(command, argv), f"tract {name}", console)


def complete(console: Console, argv: Sequence[str]) -> int:
    """Answer a shell that completes a command line, or that asks how to: the environment or *argv* says which."""
    app = _new_app(add_completion=True)
    for name, entry in ENTRIES.items():
        _add(app, name, entry, import_module(entry.module).COMMAND)
    return _say(app, argv, "tract", console)


def _new_app(*, add_completion: bool) -> typer.Typer:
    return typer.Typer(
        add_completion=add_completion,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _say(app: typer.Typer, argv: Sequence[str], name: str, console: Console) -> int:
    """Let typer answer *argv*; what it says may quote the command line, so it is escaped as everything else is."""
    out, err = io.StringIO(), io.StringIO()
    status = DONE
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app(list(argv), prog_name=name)
        except SystemExit as exc:
            status = exc.code if isinstance(exc.code, int) else USAGE
    console.body(out.getvalue())
    _, wrong, error = ("\n" + err.getvalue()).partition("\nError: ")
    if wrong:
        console.error(error[:1].lower() + error[1:].rstrip("\n"))
        console.hint(f"'{name} --help' says what it takes")
    return status


def _add(app: typer.Typer, name: str, entry: Entry, command: Command) -> None:
    text = f"{entry.summary}.\n\n{_unwrapped(command.description)}" if command.description else f"{entry.summary}."
    app.command(name, help=text, short_help=entry.summary)(as_function(command, lambda _: None))


def as_function(command: Command, take: Callable[[dict[str, Any]], None]) -> Callable[..., None]:
    """A function whose signature says what *command*'s declaration says; it gives the values that typer read to *take*."""

    def callback(**values: Any) -> None:
        take(values)

    parameters = [_parameter(param) for param in command.params]
    callback.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions may have one
    callback.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return callback


def _parameter(param: Param) -> inspect.Parameter:
    base: Any = Enum(param.name, {choice: choice for choice in param.choices}) if param.choices else param.type
    settings: dict[str, Any] = {"help": param.help or None, "metavar": param.metavar}
    default: Any = ... if param.required else None
    if param.many:
        annotation: Any = list[base] if param.required else list[base] | None
    elif param.type is bool:
        annotation, default = bool, bool(param.default)
    elif param.required:
        annotation = base
    else:
        annotation = base | None
        default = base(param.default) if param.choices and param.default else param.default
    info = typer.Option(default, *param.flags, **settings) if param.flags else typer.Argument(default, **settings)
    return inspect.Parameter(param.name, inspect.Parameter.KEYWORD_ONLY, default=info, annotation=annotation)


def _unwrapped(text: str) -> str:
    """*text* with its indented paragraphs, the examples, kept as they are laid out."""
    paragraphs = text.strip("\n").split("\n\n")
    return "\n\n".join(f"\b\n{one}" if one.startswith((" ", "$", "tract ")) else one for one in paragraphs)
