"""Standard input by line, and bytes on the standard output."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

from tract.cli.console import Console


def input_lines(console: Console) -> Iterator[str]:
    """The lines of the standard input as they come, without their ends."""
    for line in console.stdin_lines():
        yield line.removesuffix("\n")


def input_file(console: Console) -> BinaryIO:
    """The standard input as a file of bytes."""
    buffer = getattr(console.stdin, "buffer", None)
    if buffer is None:  # a stream of text in a test or a program
        return io.BytesIO(console.stdin.read().encode("utf-8", "surrogateescape"))
    return cast(BinaryIO, buffer)


def write_raw(console: Console, data: bytes) -> None:
    """Write *data* unchanged; on a terminal, characters that could drive it are escaped."""
    if console.is_terminal:
        console.line(data.decode("utf-8", "backslashreplace"))
    else:
        console.write_bytes(data)


def write_name(console: Console, name: str, rest: str) -> None:
    """Print a name that was read, unchanged unless on a terminal, and *rest* after it, as one line."""
    if console.is_terminal:
        console.line(f"{name} {rest}")
    else:
        console.write_bytes(f"{name} {rest}\n".encode("utf-8", "surrogateescape"))
