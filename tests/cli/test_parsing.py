"""Plain command lines, and that typer reads them the same way."""

from __future__ import annotations

import io

import pytest

from tract.cli.command import Command, Param
from tract.cli.console import Console
from tract.cli.fallback import parse_with_typer
from tract.cli.parsing import NotPlainError, parse

COMMAND = Command(
    "try",
    "try things",
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

PLAIN = [
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
]
NOT_PLAIN = [
    [],
    ["x", "--help"],
    ["x", "-n"],
    ["x", "-n", "five"],
    ["x", "--format", "xml"],
    ["x", "--nope"],
    ["x", "--loud=1"],
    ["x", "-z"],
]


def quiet_console() -> Console:
    return Console(stdin=io.StringIO(), stdout=io.StringIO(), stderr=io.StringIO(), environ={}, folder="/")


@pytest.mark.parametrize(("argv", "changes"), PLAIN, ids=lambda value: " ".join(value))
def test_a_plain_command_line_is_read(argv, changes):
    assert {**DEFAULTS, **changes} == vars(parse(COMMAND, argv))


@pytest.mark.parametrize(("argv", "changes"), PLAIN, ids=lambda value: " ".join(value))
def test_typer_reads_the_same_values(argv, changes):
    args, status = parse_with_typer(COMMAND, argv, quiet_console())

    assert 0 == status
    assert {**DEFAULTS, **changes} == vars(args)


@pytest.mark.parametrize("argv", NOT_PLAIN, ids=" ".join)
def test_what_is_not_plain_is_left_to_typer_which_says_why(argv):
    with pytest.raises(NotPlainError):
        parse(COMMAND, argv)

    args, status = parse_with_typer(COMMAND, argv, quiet_console())

    assert args is None
    assert (0 if "--help" in argv else 2) == status


def test_a_number_is_short_for_that_many():
    assert 5 == parse(COMMAND, ["x", "-5"]).count


def test_an_argument_may_take_all_that_is_left_as_it_stands():
    params = (
        Param("action", required=True),
        Param("rest", many=True, verbatim=("run",)),
        Param("loud", ("--loud",), bool),
    )
    command = Command("try", "try things", lambda _console, _args: 0, params)

    ran, said = (
        parse(command, ["run", "--loud", "grep", "-q", "--loud", "--", "x"]),
        parse(command, ["say", "a", "--loud"]),
    )

    assert (("grep", "-q", "--loud", "--", "x"), True) == (ran.rest, ran.loud)
    assert (("a",), True) == (said.rest, said.loud)
