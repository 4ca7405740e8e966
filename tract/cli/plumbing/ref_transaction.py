"""Transactions of refs, as ``update-ref --stdin`` reads them: git's lines, and git's answers.

update <ref> <new> [<old>]     create <ref> <new>     delete <ref> [<old>]     verify <ref> [<old>]
option no-deref                of the next line only
start  prepare  commit  abort
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Literal

from tract.cli.console import Console
from tract.errors import TractError
from tract.history.moves import RefMove, check_moves, move_refs
from tract.objects.id import HEX_SIZE, ObjectId
from tract.refs.store import ANY, Expect, Expected
from tract.repo import Repository
from tract.revision import resolve_revision

NO_VALUE = "0" * HEX_SIZE

# The values after a ref, as (least, most). With -z there are always as many as the most.
_VALUES = {"update": (1, 2), "create": (1, 1), "delete": (0, 1), "verify": (0, 1)}
_STEPS = ("start", "prepare", "commit", "abort")
_CHUNK = 65536
_LONGEST = 1_000_000

_State = Literal["implicit", "started", "prepared", "closed"]


class TransactionError(TractError):
    """Input that is not a transaction."""


def parse_value(repo: Repository, text: str) -> ObjectId | None:
    """The commit that *text* names; None for the zeros that mean no value."""
    return None if text == NO_VALUE else resolve_revision(repo, text)


def run_transactions(console: Console, repo: Repository, *, reason: str, deref: bool, zeros: bool) -> None:
    """Run the commands of the standard input; at its end, a transaction that was not started explicitly is committed, any other is not."""
    with ExitStack() as locks:
        transaction = _Transaction(console, repo, reason, deref, locks)
        for words in _commands_of_zeros(console) if zeros else _commands_of_lines(console):
            transaction.take(words, zeros=zeros)
        transaction.finish()


class _Transaction:
    """The moves read so far. From ``prepare`` on the store is locked, so that ``commit`` cannot fail because of other processes."""

    def __init__(self, console: Console, repo: Repository, reason: str, deref: bool, locks: ExitStack) -> None:
        self._console = console
        self._repo = repo
        self._reason = reason
        self._deref = deref
        self._deref_next = deref
        self._locks = locks
        self._moves: list[RefMove] = []
        self._state: _State = "implicit"

    def take(self, words: list[str], *, zeros: bool) -> None:
        command, *rest = words
        if command in _STEPS:
            if rest:
                raise TransactionError(f"{command}: extra input: {rest[0]!r}")
            self._step(command)
            return
        if self._state == "closed":
            raise TransactionError("transaction is closed")
        if self._state == "prepared":
            raise TransactionError("prepared transactions can only be closed")
        if command == "option":
            if rest != ["no-deref"]:
                raise TransactionError(f"option unknown: {' '.join(rest)!r}")
            self._deref_next = False
            return
        self._moves.append(self._move(command, rest, zeros=zeros))
        self._deref_next = self._deref

    def _move(self, command: str, rest: list[str], *, zeros: bool) -> RefMove:
        ref, *values = rest
        where = f"{command} {ref}"
        least, most = _VALUES[command]
        if zeros:
            while len(values) > least and not values[-1]:
                values.pop()
        if len(values) < least:
            raise TransactionError(f"{where}: missing <new-value>")
        if len(values) > most:
            raise TransactionError(f"{where}: extra input: {values[most]!r}")
        ids = [None if value == "" else parse_value(self._repo, value) for value in values]
        new: ObjectId | Literal[Expect.ANY] | None = None
        expected: Expected = ANY
        if command == "update":
            new, expected = ids[0], ids[1] if len(ids) > 1 else ANY
        elif command == "create":
            new, expected = ids[0], None
            if new is None:
                raise TransactionError(f"{where}: zero <new-value>")
        elif command == "delete":
            expected = ids[0] if ids else ANY
            if expected is None:
                raise TransactionError(f"{where}: zero <old-value>")
        else:
            new, expected = ANY, ids[0] if ids else None
        return RefMove(ref, new, expected, self._deref_next)

    def _step(self, step: str) -> None:
        if step == "start":
            if self._state in ("started", "prepared"):
                raise TransactionError("cannot restart ongoing transaction")
            if self._moves:
                raise TransactionError("start: the transaction has moves already")
            self._state = "started"
        elif self._state == "closed":
            raise TransactionError("transaction is closed")
        elif step == "prepare":
            if self._state == "prepared":
                raise TransactionError("prepared transactions can only be closed")
            self._locks.enter_context(self._repo.refs.lock())
            check_moves(self._repo, self._moves)
            self._state = "prepared"
        else:
            if step == "commit":
                self._commit()
            self._close()
        self._console.line(f"{step}: ok")
        self._console.flush()  # the caller may wait for the answer before going on

    def finish(self) -> None:
        """Handle the end of the input."""
        if self._state == "implicit":
            self._commit()

    def _commit(self) -> None:
        move_refs(self._repo, self._moves, reason=self._reason)

    def _close(self) -> None:
        self._moves = []
        self._state = "closed"
        self._locks.pop_all().close()


def _commands_of_lines(console: Console) -> Iterator[list[str]]:
    """Each line's words; ``""`` is an empty word. A last line without an end may be incomplete, and is refused."""
    for text in console.stdin_lines():
        if not text.endswith("\n"):
            raise TransactionError(f"unexpected end of input in {text!r:.80}")
        words = text[:-1].split(" ")
        yield _checked([words[0], *("" if word == '""' else word for word in words[1:])], text[:-1])


def _commands_of_zeros(console: Console) -> Iterator[list[str]]:
    """With -z: ``update <ref>`` and then each value, all ended by a zero byte; a value left out is empty."""
    fields = _fields(console)
    for field in fields:
        command, blank, ref = field.partition(" ")
        words = [command, ref] if blank else [command]
        for _ in range(_VALUES.get(command, (0, 0))[1]):
            value = next(fields, None)
            if value is None:
                raise TransactionError(f"unexpected end of input in {field!r:.80}")
            words.append(value)
        yield _checked(words, field)


def _checked(words: list[str], text: str) -> list[str]:
    if not text:
        raise TransactionError("empty command in input")
    if words[0] not in (*_VALUES, *_STEPS, "option"):
        raise TransactionError(f"unknown command: {text!r:.80}")
    if words[0] in _VALUES and not (len(words) > 1 and words[1]):
        raise TransactionError(f"{words[0]}: missing <ref>")
    return words


def _fields(console: Console) -> Iterator[str]:
    buffer: Any = getattr(console.stdin, "buffer", None)
    rest = b""
    while True:
        chunk = console.stdin.read().encode() if buffer is None else buffer.read1(_CHUNK)
        if not chunk:
            break
        *whole, rest = (rest + chunk).split(b"\0")
        if len(rest) > _LONGEST:
            raise TransactionError(f"a value of more than {_LONGEST} bytes")
        for field in whole:
            yield field.decode("utf-8", "surrogateescape")
    if rest:
        raise TransactionError(f"unexpected end of input in {rest.decode('utf-8', 'backslashreplace')!r:.80}")
