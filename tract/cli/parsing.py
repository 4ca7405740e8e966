"""Plain command lines, read from a command's declaration.

What is not plain (help, mistakes, shells' questions) is left to typer, which takes longer to load than most commands to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tract.cli.command import Args, Command, Param


class NotPlainError(Exception):
    """A command line that this module leaves to typer."""


def parse(command: Command, argv: Sequence[str]) -> Args:
    """The parameters' values in *argv*: ``--flag value``, ``--flag=value``, ``-n 5``, ``-n5``, and arguments.

    ``--`` ends the options; a lone ``-`` is an argument. ``-5`` is short for ``-n 5`` where there is ``-n``, as in git.
    """
    by_flag = {flag: param for param in command.params for flag in param.flags}
    values: dict[str, Any] = {param.name: _absent(param) for param in command.params}
    verbatim = {word for param in command.params for word in param.verbatim}
    arguments: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            arguments += rest
            break
        if word == "-" or not word.startswith("-"):
            arguments.append(word)
            if len(arguments) > 1 and arguments[0] in verbatim:
                arguments += rest
                break
            continue
        param, text = _split(word, by_flag)
        if param.type is bool:
            if text is not None:
                raise NotPlainError
            values[param.name] = True
            continue
        if text is None and param.bare is not None:
            values[param.name] = param.bare
            continue
        if text is None:
            if not rest:
                raise NotPlainError
            text = rest.pop(0)
        value = _convert(param, text)
        values[param.name] = (*values[param.name], value) if param.many else value
    _place(command, arguments, values)
    return Args(values)


def _absent(param: Param) -> Any:
    if param.many and param.default is None:
        return ()
    return False if param.type is bool and param.default is None else param.default


def _split(word: str, by_flag: dict[str, Param]) -> tuple[Param, str | None]:
    """The parameter that *word* sets, and the value in the same word, if there is one."""
    if word in by_flag:
        return by_flag[word], None
    if word.startswith("--"):
        flag, equals, text = word.partition("=")
        if flag in by_flag and equals:
            return by_flag[flag], text
    elif word[:2] in by_flag and by_flag[word[:2]].type is not bool:
        return by_flag[word[:2]], word[2:]
    elif word[1:].isdecimal() and "-n" in by_flag:
        return by_flag["-n"], word[1:]
    raise NotPlainError


def _convert(param: Param, text: str) -> Any:
    if param.choices and text not in param.choices:
        raise NotPlainError
    if param.type is int:
        try:
            return int(text)
        except ValueError:
            raise NotPlainError from None
    return text


def _place(command: Command, arguments: list[str], values: dict[str, Any]) -> None:
    """Give the arguments to the positional parameters, in order."""
    for param in command.params:
        if param.flags:
            continue
        if param.many:
            if param.required and not arguments:
                raise NotPlainError
            values[param.name] = tuple(_convert(param, text) for text in arguments)
            arguments = []
        elif arguments:
            values[param.name] = _convert(param, arguments.pop(0))
        elif param.required:
            raise NotPlainError
    if arguments:
        raise NotPlainError
