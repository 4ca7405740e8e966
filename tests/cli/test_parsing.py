"""Command lines become values in one place, and typer, which explains those that are wrong, agrees on which those are."""

from __future__ import annotations

import random
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from typing import Any

import pytest
import typer

from tract.cli.command import Command, Param, UnreadableError, parse, spelled_out
from tract.cli.commands import ENTRIES
from tract.cli.help import as_function

COMMAND = Command(
    lambda _console, _args: 0,
    (
        Param("target", required=True),
        Param("rest", many=True),
        Param("count", ("-n", "--max-count"), int),
        Param("format", ("--format",), default="text", choices=("text", "json")),
        Param("loud", ("--loud", "-l"), bool),
        Param("names", ("--name",), many=True),
    ),
)
DEFAULTS = {"target": "x", "rest": (), "count": None, "format": "text", "loud": False, "names": ()}

READABLE = [
    (["x"], {}),
    (["x", "-n5"], {"count": 5}),
    (["x", "-n", "5"], {"count": 5}),
    (["--max-count=5", "x"], {"count": 5}),
    (["--max-count", "5", "x"], {"count": 5}),
    (["x", "-l"], {"loud": True}),
    (["x", "--format=json", "--loud"], {"loud": True, "format": "json"}),
    (["x", "y", "z"], {"rest": ("y", "z")}),
    (["x", "--name", "a", "y", "--name=b"], {"rest": ("y",), "names": ("a", "b")}),
    (["x", "--", "-n", "--loud"], {"rest": ("-n", "--loud")}),
    (["-"], {"target": "-"}),
    (["x", "--name", "-l"], {"names": ("-l",)}),
    (["x", "--name="], {"names": ("",)}),
    (["x", "-5"], {"count": 5}),
    (["x", "-5", "-ln", "6"], {"count": 6, "loud": True}),
    (["x", "-ln5"], {"count": 5, "loud": True}),
    (["x", "-nfive", "-n5"], {"count": 5}),
]
UNREADABLE = [
    [],
    ["x", "--help"],
    ["x", "-n"],
    ["x", "-n", "five"],
    ["x", "--format", "xml"],
    ["x", "--nope"],
    ["x", "--loud=1"],
    ["x", "-z"],
    ["x", "-lz"],
    ["x", "-ln"],
]


@pytest.mark.parametrize(("argv", "changes"), READABLE, ids=lambda value: " ".join(value))
def test_a_command_line_is_read(argv, changes):
    assert {**DEFAULTS, **changes} == vars(parse(COMMAND, argv))


@pytest.mark.parametrize("argv", UNREADABLE, ids=" ".join)
def test_what_cannot_be_read_is_left_to_typer(argv):
    with pytest.raises(UnreadableError):
        parse(COMMAND, argv)


def test_an_argument_may_take_all_that_is_left_as_it_stands():
    params = (
        Param("action", required=True),
        Param("rest", many=True, verbatim=("run",)),
        Param("loud", ("--loud",), bool),
    )
    command = Command(lambda _console, _args: 0, params)

    ran, said = (
        parse(command, ["run", "--loud", "grep", "-q", "--loud", "--", "x"]),
        parse(command, ["say", "a", "--loud"]),
    )

    assert (("grep", "-q", "--loud", "--", "x"), True) == (ran.rest, ran.loud)
    assert (("a",), True) == (said.rest, said.loud)


class Typer:
    """What typer makes of a command's lines: its values, or None where it refuses one or has something to say."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._found: dict[str, Any] | None = None
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command()(as_function(command, self._take))
        self._app = typer.main.get_command(app)

    def _take(self, values: dict[str, Any]) -> None:
        self._found = values

    def read(self, argv: list[str]) -> dict[str, Any] | None:
        self._found = None
        try:
            self._app.main(spelled_out(self._command, argv), standalone_mode=False)
        except typer.BadParameter.__mro__[1]:  # a usage error has no public name
            return None
        found = self._found
        return None if found is None else {p.name: self._plain(p, found[p.name]) for p in self._command.params}

    def _plain(self, param: Param, value: Any) -> Any:
        if param.many:
            return tuple(map(plain, value)) if value else (param.default or ())
        return plain(value)


def plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def lines(command: Command, chance: random.Random) -> Iterator[list[str]]:
    """Random lines for *command*, most of them of what it takes, some of them wrong."""
    flags = [flag for param in command.params for flag in param.flags]
    letters = "".join(flag[1] for flag in flags if len(flag) == 2) or "x"
    values = ["3", "x", "-", "--", "-1", "", "m", "HEAD~2", "a..b", "é", "many"]
    values += [choice for param in command.params for choice in param.choices]
    while True:
        words = []
        for _ in range(chance.randrange(6)):
            flag, value = chance.choice(flags or ["-x"]), chance.choice(values)
            bundle = "-" + "".join(chance.choice(letters) for _ in range(chance.randrange(1, 4)))
            words += chance.choice([[flag], [flag, value], [f"{flag}={value}"], [value], [value], [bundle], [bundle + value], [f"-{chance.randrange(30)}"]])  # fmt: skip
        yield words


@pytest.mark.parametrize("name", ENTRIES)
def test_typer_refuses_the_lines_that_cannot_be_read_and_no_others(name):
    command = import_module(ENTRIES[name].module).COMMAND
    reader, chance = Typer(command), random.Random(name)

    for argv, _ in zip(lines(command, chance), range(150), strict=False):
        try:
            read = vars(parse(command, argv))
        except UnreadableError:
            read = None

        assert read == reader.read(argv), argv
