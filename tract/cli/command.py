"""What a command is: a name, a line about it, its parameters, and a function.

A command's file declares ``COMMAND`` and imports what it needs to run, nothing of typer's: typing ``tract log`` must not cost more than ``log``.
``main`` parses plain command lines from the declaration itself; help, completion and whatever is not plain are left to typer, which is built from the same declaration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

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
    *required* is for arguments; an optional one that is not given has *default*.
    *choices* are the only values allowed.
    *bare* is the value of an option whose value may be left out; one that is given follows an ``=``.
    *verbatim* is for an argument that takes all that is left: where the first argument is one of these, it takes even what looks like an option.
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


class Args:
    """The values of a command's parameters, as attributes."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Command(NamedTuple):
    """A command of the command line; *run* gives the exit status."""

    name: str
    summary: str
    run: Callable[[Console, Args], int]
    params: tuple[Param, ...] = ()
    description: str = ""
