"""Commands, and the parsing of a command line into the values of a command's parameters.

A command's file declares ``COMMAND`` and imports only what it needs to run, nothing of typer's: typing ``tract log`` must not cost more than ``log``.
Every value a command is run with comes from :func:`parse`.
typer handles help, errors in a line, and completion (``help.py``), built from the same declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tract.named_tuple import NamedTuple

if TYPE_CHECKING:
    from tract.cli.console import Console

DONE = 0
NEGATIVE = 1
"""A negative answer, a difference or a conflict."""

USAGE = 2
FATAL = 128
INTERRUPTED = 130


class Param(NamedTuple):
    """One parameter of a command.

    With *flags* it is an option, without them a positional argument.
    *type* is ``str`` or ``int``, or ``bool`` for a flag that takes no value.
    *many*: the option may be given several times, or the argument takes all that is left; its value is a tuple.
    *required* is mostly for arguments; an optional one that is not given has *default*.
    *choices* are the only values allowed.
    *bare* is the value of an option given without one; a value is then given after an ``=``.
    *verbatim* is for an argument that takes all that is left: if the first argument is one of these words, it takes even words that look like options.
    *words* look like options, and are arguments: their meaning depends on their place among the others.
    """

    name: str
    flags: tuple[str, ...] = ()
    type: type = str
    default: Any = None
    help: str = ""
    metavar: str | None = None
    many: bool = False
    required: bool = False
    choices: tuple[str, ...] = ()
    bare: Any = None
    verbatim: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


TRACT = Param("tract", ("--tract",), metavar="NAME", help="The tract to work in; the root tract if not given.")
BRANCH = Param(
    "on_branch", ("--branch",), metavar="BRANCH", help="The branch to work on, wherever HEAD is; HEAD's if not given."
)
"""An option that every command has."""

ROLES = ("user", "assistant", "system", "developer", "tool")


class Args:
    """The values of a command's parameters, as attributes."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Command(NamedTuple):
    """A command of the command line; *run* returns the exit status. Its name and summary are in ``commands.py``."""

    run: Callable[[Console, Args], int]
    params: tuple[Param, ...] = ()
    description: str = ""
    pages: bool = False
    """Whether its output may be longer than a terminal, and so goes through the pager."""


class UnreadableError(Exception):
    """A command line that asks for help or is wrong; typer finds out which."""


class _Words(NamedTuple):
    """A command line taken apart: options with their texts, arguments, and the words from the first unreadable one on."""

    options: list[tuple[Param, str | None]]
    arguments: list[str]
    unread: list[str]


def with_common(command: Command) -> Command:
    """The command with the options that all commands have; without the common ``--branch`` if it has its own."""
    has_own = any(set(BRANCH.flags) & set(param.flags) for param in command.params)
    return command._replace(params=(*command.params, TRACT, *(() if has_own else (BRANCH,))))


def parse(command: Command, argv: Sequence[str]) -> Args:
    """The parameters' values in *argv*: ``--flag value``, ``--flag=value``, ``-n 5``, ``-n5``, ``-in5``, and arguments.

    ``--`` ends the options; a lone ``-`` is an argument. ``-5`` is short for ``-n 5`` if there is ``-n``, as in git.
    If an option is given twice, the last value counts.
    """
    words = _taken_apart(command, argv)
    if words.unread:
        raise UnreadableError
    values: dict[str, Any] = {param.name: _absent(param) for param in command.params}
    last = {param.name: text for param, text in words.options}
    if any(param.required and param.flags and param.name not in last for param in command.params):
        raise UnreadableError
    for param, text in words.options:
        if param.many:
            values[param.name] = (*values[param.name], _converted(param, text))
        else:
            values[param.name] = _converted(param, last[param.name])
    _place(command, words.arguments, values)
    return Args(values)


def spelled_out(command: Command, argv: Sequence[str]) -> list[str]:
    """*argv* in a form that typer reads: without bundles, ``-5``, omitted values and verbatim arguments; unreadable words stay as they are."""
    words = _taken_apart(command, argv)
    result: list[str] = []
    for param, text in words.options:
        result += [param.flags[0]] if text is None else [param.flags[0], text]
    if words.unread:
        return [*result, *words.arguments, *words.unread]
    return [*result, "--", *words.arguments]


def _taken_apart(command: Command, argv: Sequence[str]) -> _Words:
    by_flag = {flag: param for param in command.params for flag in param.flags}
    verbatim = {word for param in command.params for word in param.verbatim}
    arguments = {"-", *(word for param in command.params for word in param.words)}
    words = _Words([], [], list(argv))
    while words.unread:
        word = words.unread[0]
        if word == "--":
            words.arguments.extend(words.unread[1:])
            words.unread.clear()
        elif word in arguments or not word.startswith("-"):
            words.arguments.append(words.unread.pop(0))
            if len(words.arguments) > 1 and words.arguments[0] in verbatim:
                words.arguments.extend(words.unread)
                words.unread.clear()
        else:
            found = _options_in(word, by_flag)
            if not found:
                break
            param, text = found[-1]
            used = 1
            if text is None and param.bare is not None:
                found[-1] = param, str(param.bare)
            elif text is None and param.type is not bool:
                if len(words.unread) == 1:
                    break
                found[-1] = param, words.unread[1]
                used = 2
            words.options.extend(found)
            del words.unread[:used]
    return words


def _options_in(word: str, by_flag: Mapping[str, Param]) -> list[tuple[Param, str | None]]:
    """The options in *word*, with their text in the same word; empty if it names none."""
    if word in by_flag:
        return [(by_flag[word], None)]
    flag, equals, text = word.partition("=")
    if word.startswith("--"):
        return [(by_flag[flag], text)] if equals and flag in by_flag and by_flag[flag].type is not bool else []
    if word[1:].isdecimal() and "-n" in by_flag and by_flag["-n"].type is int:
        return [(by_flag["-n"], word[1:])]
    found: list[tuple[Param, str | None]] = []
    for at, letter in enumerate(word[1:], 2):
        param = by_flag.get("-" + letter)
        if param is None:
            return []
        if param.type is not bool:
            return [*found, (param, word[at:] or None)]
        found.append((param, None))
    return found


def _absent(param: Param) -> Any:
    if param.many and param.default is None:
        return ()
    return False if param.type is bool and param.default is None else param.default


def _converted(param: Param, text: str | None) -> Any:
    if text is None:
        return True
    if param.choices and text not in param.choices:
        raise UnreadableError
    if param.type is int:
        try:
            return int(text)
        except ValueError:
            raise UnreadableError from None
    return text


def _place(command: Command, arguments: Sequence[str], values: dict[str, Any]) -> None:
    """Assign the arguments to the positional parameters, in order."""
    rest = list(arguments)
    for param in command.params:
        if param.flags:
            continue
        if param.required and not rest:
            raise UnreadableError
        if param.many:
            values[param.name] = tuple(_converted(param, text) for text in rest)
            rest.clear()
        elif rest:
            values[param.name] = _converted(param, rest.pop(0))
    if rest:
        raise UnreadableError
