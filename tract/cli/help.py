"""typer's part of the command line: help, errors in a line, and completion.

The typer app is built from the commands' own declarations. It runs no command and sets no values: those come from ``command.parse``.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from importlib import import_module
from itertools import islice
from typing import Any

import typer

from tract.cli.command import BRANCH, DONE, TRACT, USAGE, Command, Param, spelled_out, with_common
from tract.cli.commands import ENTRIES, Entry
from tract.cli.console import Console
from tract.cli.user_settings import NAMES
from tract.config import TractConfig
from tract.dataclass import fields
from tract.errors import TractError
from tract.history.tracts import tract_times
from tract.history.walk import first_parents
from tract.refs.names import HEAD, HEADS, TAGS, tract_name

_RECENT = 200
_SHORT = 10


def explain(console: Console, name: str, command: Command, argv: Sequence[str]) -> int:
    """Print the help that *argv* asks for, or its error; return the exit status."""
    app = _new_app(add_completion=False)
    _add(app, name, ENTRIES[name], command)
    return _say(app, spelled_out(command, argv), f"tract {name}", console)


def complete(console: Console, argv: Sequence[str]) -> int:
    """Answer a shell that completes a command line, or asks for a completion script: the environment or *argv* says which. Return the exit status."""
    app = _new_app(add_completion=True)

    def completer(param: Param) -> _Completer | None:
        return _completer(console, param)

    # The options before a command: their values apply when the words behind them are completed.
    app.callback()(as_function(Command(lambda *_: DONE, (*_BEFORE, TRACT, BRANCH)), lambda _: None, completer))
    typed = _typed()
    for name, entry in ENTRIES.items():
        command = Command(lambda *_: DONE, ())
        if name in typed:  # other commands' parameters are not needed, and loading all takes half a second
            command = with_common(import_module(entry.module).COMMAND)
        app.command(name, short_help=entry.summary)(as_function(command, lambda _: None, completer))
    before = _start_files(console)
    status = _say(app, argv, "tract", console)
    for path, at in _start_files(console).items():
        if before.get(path) != at:
            console.line(f"'{path}' was changed, so that your shell reads it")
    return status


def _typed() -> str:
    """The command line to complete, as shells pass it to typer: in the environment of the process."""
    return " ".join(os.environ.get(name, "") for name in ("COMP_WORDS", "_TYPER_COMPLETE_ARGS"))


def _start_files(console: Console) -> dict[str, float]:
    """The files that shells read when they start, with their modification times: installing a completion may change them."""
    home = console.environ.get("HOME", "")
    paths = [os.path.join(home, name) for name in (".bashrc", ".zshrc")] if home else []
    return {path: os.stat(path).st_mtime_ns for path in paths if os.path.exists(path)}


_Completer = Callable[[typer.Context, str], list[str]]

_BEFORE = (
    Param("folder", ("-C",), metavar="FOLDER", many=True),
    Param("settings", ("-c",), metavar="SETTING", many=True),
    Param("branch", ("--branch",), metavar="BRANCH"),
    Param("color", ("--color",), choices=("auto", "always", "never")),
    *(Param(name.replace("-", "_"), (f"--{name}",), bool) for name in ("no-pager", "read-only", "no-color", "version")),
)

_OF_TRACTS = ("tract", "child", "names")
"""The names of parameters that are a tract's name."""

_OF_REVISIONS = ("REV", "TARGET", "MESSAGE", "BRANCH", "UPSTREAM", "NEWBASE", "SUMMARY", "A [B]", "[START]")
"""Words in the metavar of a parameter that is a revision."""


def _completer(console: Console, param: Param) -> _Completer | None:
    """The completion for a parameter's values: branches, tags and recent commits for a revision, tracts and settings for those, else none."""
    words = param.metavar or ""
    if param.name in _OF_TRACTS and words == "NAME":
        names: Callable[[Console], Iterator[str]] = _tracts
    elif (
        param.name in ("name", "settings")
        and words in ("NAME", "SETTING")
        and "setting" in f"{param.help}{words}".lower()
    ):
        names = _settings
    elif param.type is not bool and any(word in words for word in _OF_REVISIONS):
        names = _revisions
    else:
        return None

    def complete_word(context: typer.Context, incomplete: str) -> list[str]:
        _take(console, context)
        return [name for name in names(console) if name.startswith(incomplete)]

    return complete_word


def _take(console: Console, context: typer.Context) -> None:
    """Work with the options typed already."""
    before, typed = context.find_root().params, context.params
    for folder in before.get("folder") or ():
        console.folder = os.path.join(console.folder, os.path.expanduser(folder))
    console.branch = None  # a word that is not whole names none
    console.tract = typed.get("tract") or before.get("tract") or console.tract


def _tracts(console: Console) -> Iterator[str]:
    """The names of the store's tracts."""
    console.tract = None  # a word that is not whole names none
    with contextlib.suppress(TractError, OSError), console.open_repository() as repo:
        yield from map(tract_name, tract_times(repo))


def _settings(_: Console, /) -> Iterator[str]:
    """The names of settings."""
    yield from (*NAMES, "budget_action", *(one.name for one in fields(TractConfig) if one.init))


def _revisions(console: Console) -> Iterator[str]:
    """Likely names of commits; none if the store cannot be read."""
    with contextlib.suppress(TractError, OSError), console.open_repository() as repo:
        yield HEAD
        for prefix in (HEADS, TAGS):
            yield from (name.removeprefix(prefix) for name, _ in repo.local_refs(prefix))
        for id, _ in islice(first_parents(repo, repo.head()[1]), _RECENT):
            yield id.hex()[:_SHORT]


def _new_app(*, add_completion: bool) -> typer.Typer:
    return typer.Typer(
        add_completion=add_completion,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


_PYDANTIC = re.compile(r"Value error, |Input should be a valid integer, (?=unable to parse)")
"""The text before the error's words."""

_PYTHON_TYPE = re.compile(r" <(?:list\[)?(?:str|int)\]?>")
"""typer's text behind the name of an argument, of no use to a person who types one."""


def _say(app: typer.Typer, argv: Sequence[str], name: str, console: Console) -> int:
    """Let typer answer *argv*; its output may quote the command line, so it is escaped like everything else."""
    out, err = io.StringIO(), io.StringIO()
    status = DONE
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app(list(argv), prog_name=name)
        except SystemExit as exc:
            status = exc.code if isinstance(exc.code, int) else USAGE
    console.body(_PYTHON_TYPE.sub(lambda match: " " * len(match.group()), out.getvalue()))
    _, wrong, error = ("\n" + err.getvalue()).partition("\nError: ")
    if wrong:
        said = " ".join(_PYDANTIC.sub("", error).split())
        console.error(said[:1].lower() + said[1:])
        console.hint(f"'{name} --help' says what it takes")
    return status


def _add(app: typer.Typer, name: str, entry: Entry, command: Command) -> None:
    text = f"{entry.summary}.\n\n{_unwrapped(command.description)}" if command.description else f"{entry.summary}."
    app.command(name, help=text, short_help=entry.summary)(as_function(command, lambda _: None))


def as_function(
    command: Command,
    take: Callable[[dict[str, Any]], None],
    completer: Callable[[Param], _Completer | None] = lambda _: None,
) -> Callable[..., None]:
    """A function with the signature of *command*'s declaration; it passes the values that typer read to *take*."""

    def callback(**values: Any) -> None:
        take(values)

    parameters = [_parameter(param, completer(param)) for param in command.params]
    callback.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions may have one
    callback.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return callback


def _parameter(param: Param, completer: _Completer | None) -> inspect.Parameter:
    base: Any = Enum(param.name, {choice: choice for choice in param.choices}) if param.choices else param.type
    settings: dict[str, Any] = {"help": param.help or None, "metavar": param.metavar, "autocompletion": completer}
    settings["show_default"] = "default" not in param.help.lower()
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
    """*text*, with its indented paragraphs (the examples) laid out as they are."""
    paragraphs = text.strip("\n").split("\n\n")
    return "\n\n".join(f"\b\n{one}" if one.startswith((" ", "$", "tract ")) else one for one in paragraphs)
