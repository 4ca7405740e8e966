"""The console: the streams, the colours and the store that a command works with.

Text from a store can hold anything that drives a terminal: escape sequences, text that runs backwards, invisible characters.
So everything that is printed is escaped, except the results of ``paint``, which escapes its argument.
"""

from __future__ import annotations

import io
import os
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TextIO

from tract.errors import ContentValidationError, NotARepositoryError, ReadOnlyError
from tract.escape import escaped
from tract.objects.codec import MAX_SIZE

if TYPE_CHECKING:
    from tract.api.tract import Tract
    from tract.cli.workspace import LookingWorkspace
    from tract.repo import Repository

_STYLES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
    "bold green": "1;32",
    "bold cyan": "1;36",
    "bold yellow": "1;33",
    "bold red": "1;31",
}

_DEFAULT_WIDTH = 80
_LONGEST_LINE = 1_000_000


class Painted(str):
    """Text that is escaped already and may hold colours."""

    __slots__ = ()


def one_line(text: str, width: int) -> str:
    """The beginning of *text* in one escaped line of at most *width* columns; ``…`` marks a cut."""
    start = text[: 4 * width + 200]  # a message may be megabytes long
    line = escaped(" ".join(start.split()))
    if len(start) == len(text) and text_width(line) <= width:
        return line
    used = 0
    for at, char in enumerate(line):
        used += _columns(char)
        if used > width - 1:
            return line[:at].rstrip() + "…"
    return line + "…"


def text_width(text: str) -> int:
    """The number of columns of *text* on a terminal."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(char: str) -> int:
    if char < "\u0300":
        return 1
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


class OutputError(OSError):
    """The standard output or error cannot be written to; a reader that went away stays a BrokenPipeError."""


class Console:
    """The streams of a command, and the way to its store.

    Relative paths start from *folder*; *tract* is the tract of the store, None for the root tract.
    """

    def __init__(
        self,
        *,
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        environ: Mapping[str, str] | None = None,
        folder: str | None = None,
        tract: str | None = None,
        color: bool | None = None,
    ) -> None:
        self.stdin = stdin if stdin is not None else sys.stdin
        self.stdout = stdout if stdout is not None else sys.stdout
        self.stderr = stderr if stderr is not None else sys.stderr
        self.environ = environ if environ is not None else os.environ
        self.folder = folder if folder is not None else _working_folder()
        self.tract = tract
        self.branch = self.environ.get("TRACT_BRANCH") or None
        """The branch to work on, wherever HEAD is; None for HEAD's."""

        self.color = color
        self.read_only = self.environ.get("TRACT_READ_ONLY", "") not in ("", "0")
        """Whether no store may be written to."""

        self.settings: dict[str, Any] = {}
        """Settings of the tract for this one command; they override stored ones."""

        self.preferences: dict[str, str] = {}
        """The same for the user's own settings."""

        self.paging = True
        """Whether output longer than the terminal goes through the pager."""

    # Writing

    def line(self, *parts: str) -> None:
        """Print one line: the parts, each escaped unless it is painted."""
        _write(self.stdout, _join(parts) + "\n")

    def body(self, text: str, indent: str = "") -> None:
        """Print *text* of any number of lines, escaped."""
        lines = escaped(text).split("\n")
        if lines[-1] == "":
            lines.pop()
        for line in lines:
            _write(self.stdout, (indent + line).rstrip() + "\n" if indent else line + "\n")

    def print_json(self, value: Any, **more: Any) -> None:
        """Print a result as one JSON document, on a line of its own, with further keys *more*.

        Keys are Python's names. It is ASCII only, so that nothing in it can drive a terminal.
        """
        import json  # people are shown no JSON

        from tract.report.plain import to_plain

        document = to_plain(value)
        if more:
            assert isinstance(document, dict)
            document = {**document, **{name: to_plain(one) for name, one in more.items()}}
        # JSON leaves the control character DEL as it is.
        _write(self.stdout, json.dumps(document, ensure_ascii=True).replace("\x7f", "\\u007f") + "\n")

    def write_bytes(self, data: bytes) -> None:
        """Write *data* unescaped to the standard output; not for a terminal."""
        buffer = getattr(self.stdout, "buffer", None)
        if buffer is None:  # a stream of text in a test or a program
            _write(self.stdout, data.decode("utf-8", "replace"))
            return
        self.flush()
        _write(buffer, data)

    def flush(self) -> None:
        """Send the printed output to its reader."""
        with output_errors():
            self.stdout.flush()

    def note(self, *parts: str) -> None:
        """Print one line for people, beside the results: on the standard error."""
        _write(self.stderr, _join(parts) + "\n")

    def error(self, text: str) -> None:
        """Print an error."""
        self.note(self.paint("tract:", "red", self.stderr), " ", text)

    def warn(self, text: str) -> None:
        """Print a warning; the command goes on."""
        self.note(self.paint("warning:", "yellow", self.stderr), " ", text)

    def hint(self, text: str) -> None:
        """Print a hint about a next command."""
        self.note(self.paint("hint:", "cyan", self.stderr), " ", text)

    def paint(self, text: str, style: str, stream: TextIO | None = None) -> Painted:
        """*text*, escaped, in *style* if *stream* (by default the standard output) shows colours."""
        safe = escaped(text)
        if self._shows_color(stream if stream is not None else self.stdout):
            return Painted(f"\x1b[{_STYLES[style]}m{safe}\x1b[m")
        return Painted(safe)

    def _shows_color(self, stream: TextIO) -> bool:
        if self.color is not None:
            return self.color
        return not self.environ.get("NO_COLOR") and self.environ.get("TERM") != "dumb" and is_terminal(stream)

    @property
    def is_terminal(self) -> bool:
        """Whether the standard output is a terminal."""
        return is_terminal(self.stdout)

    @property
    def width(self) -> int:
        """The terminal's columns; 80 without a terminal."""
        columns = self.environ.get("COLUMNS", "")
        if columns.isdecimal() and int(columns) > 0:
            return int(columns)
        try:
            return os.get_terminal_size(self.stdout.fileno()).columns or _DEFAULT_WIDTH
        except (OSError, ValueError, AttributeError):
            return _DEFAULT_WIDTH

    # Reading

    def path(self, name: str) -> str:
        """The file *name*, relative to the folder the command works in."""
        return os.path.join(self.folder, name)

    def read_stdin(self) -> str:
        """All of the standard input, as text."""
        return self.read_stdin_bytes().decode("utf-8", "surrogateescape")

    def read_stdin_bytes(self) -> bytes:
        """All of the standard input; ContentValidationError if it is larger than an object may be, because it may have no end."""
        buffer = getattr(self.stdin, "buffer", None)
        data = buffer.read(MAX_SIZE + 1) if buffer is not None else self.stdin.read().encode("utf-8", "surrogateescape")
        if len(data) > MAX_SIZE:
            raise ContentValidationError(
                f"the standard input has more than {MAX_SIZE >> 20} MiB, which is the limit of an object"
            )
        return bytes(data)

    def stdin_lines(self) -> Iterator[str]:
        """The lines of the standard input as they come, with their ends; bytes that are not UTF-8 become lone surrogates.

        ContentValidationError for a line of more than a million bytes.
        """
        buffer: Any = getattr(self.stdin, "buffer", self.stdin)
        number = 0
        while line := buffer.readline(_LONGEST_LINE + 1):
            number += 1
            if len(line) > _LONGEST_LINE:
                raise ContentValidationError(f"line {number} of the standard input has more than {_LONGEST_LINE} bytes")
            yield line.decode("utf-8", "surrogateescape") if isinstance(line, bytes) else line

    # The store

    def store(self) -> str:
        """The store of the command: TRACT_DIR's, else the nearest at or above the folder.

        NotARepositoryError if there is none; nothing is created.
        """
        from tract.opening import FOLDER, find_repository, store_path  # help opens no store

        given = self.environ.get("TRACT_DIR")
        if given:
            return store_path(self.path(given))
        found = find_repository(self.folder)
        if found is None:
            raise NotARepositoryError(f"not a tract store (or any of the parent folders): {FOLDER}")
        return found

    @contextmanager
    def open_repository(self) -> Iterator[Repository]:
        """The store, seen from the chosen tract: for plumbing."""
        repo = self._open()
        try:
            yield repo
        finally:
            repo.close()

    @contextmanager
    def open_workspace(self) -> Iterator[LookingWorkspace]:
        """The store in the form that reports need, for read-only commands.

        Tokens without a stored count are estimated: no tokenizer is loaded.
        """
        from tract.cli.workspace import looking_workspace  # plumbing needs no compiler

        with self.open_repository() as repo:
            yield looking_workspace(repo, self.warn)

    @contextmanager
    def open_tract(self, *, on_moved: Literal["error", "append"] = "error") -> Iterator[Tract]:
        """The store as an open tract, for commands that write; *on_moved* as in ``Tract.open``."""
        from tract.api.tract import Tract  # loading it takes longer than many a command

        repo = self._open()
        try:
            opened = Tract(repo, on_moved=on_moved)
        except BaseException:
            repo.close()
            raise
        with opened:
            yield opened

    def _open(self) -> Repository:
        from tract.opening import open_repository

        store = self.store()
        author = self.settings.get("author") or self.environ.get("TRACT_AUTHOR_NAME")
        # Opening an unknown tract would make it.
        repo = open_repository(
            store,
            tract=self.tract,
            author=author,
            settings=self.settings,
            safe_directories=self.safe_directories(),
            create_tract=False,
            read_only=self.read_only,
        )
        if self.branch is None:
            return repo
        from tract.history.branch import on_branch  # few commands are told on which branch

        try:
            return on_branch(repo, self.branch)
        except BaseException:
            repo.close()
            raise

    def check_writable(self, path: str) -> None:
        """ReadOnlyError if nothing may be changed: for commands that write without opening the store *path*."""
        if self.read_only:
            raise ReadOnlyError(path)

    def safe_directories(self) -> tuple[str, ...]:
        """The stores, and the folders of stores, to use although another user owns them."""
        return tuple(self.environ.get("TRACT_SAFE_DIRECTORIES", "").split(os.pathsep))


def _working_folder() -> str:
    """The working folder; if it was removed, a text that is no folder, so that only commands that need one fail."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return os.path.join(os.sep, "removed working folder")


def is_terminal(stream: TextIO) -> bool:
    """Whether *stream* is a terminal; false for a closed stream."""
    try:
        return stream.isatty()
    except ValueError:
        return False


@contextmanager
def output_errors() -> Iterator[None]:
    """Raise errors of writing to the standard output or error as OutputError, apart from those of the store."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise OutputError(exc.errno, exc.strerror or str(exc)) from exc


def _write(stream: Any, data: str | bytes) -> None:
    with output_errors():
        stream.write(data)


def _join(parts: tuple[str, ...]) -> str:
    return "".join(part if isinstance(part, Painted) else escaped(part).replace("\n", "\\n") for part in parts)


def utf8_streams() -> None:
    """Let the process's streams take any text, whatever the locale; a closed one writes nowhere."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  # for as long as the process runs
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
