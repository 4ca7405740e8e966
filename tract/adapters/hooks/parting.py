"""Letting go of the program that called a hook, before anything is loaded: a process of its own does the rest.

Only modules that the interpreter has loaded at its start anyway are imported here.
"""

import os

_MOST = 64 << 20
"""The most bytes of an event, which has some hundred, and a tool's answer that it may quote."""


def part_from_caller() -> bool:
    """Let the calling process end, and continue in a child that no process waits for; True in the child.

    The child has a session of its own, so that signals to the program do not end it. It holds none of the program's streams, because the program may wait for their ends.
    """
    if os.fork():
        return False
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    return True


def is_hook(arguments: list[str]) -> bool:
    """Whether the command line is ``tract [-C folder] hooks run [program] [--scan] [--now]``, as the programs call it."""
    at = 0
    while arguments[at : at + 1] == ["-C"]:
        at += 2
    words = arguments[at + 2 :]
    return arguments[at : at + 2] == ["hooks", "run"] and all(
        not one.startswith("-") or one in ("--scan", "--now") for one in words
    )


def take_event(*, parts: bool) -> str | None:
    """The program's event, in a process of its own if it *parts*; None in the process that the program waits for, which has nothing more to do."""
    with open(0, "rb", closefd=False) as stream:
        text = stream.read(_MOST)
    return text.decode("utf-8", "replace") if not parts or part_from_caller() else None
