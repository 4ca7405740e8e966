"""Decoders of what stands around the objects: refs, settings, names, revisions and command lines."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

from blake3 import blake3

from tests.fuzz.target import JSON, MSGPACK, Target, check, put, refusing, scratch
from tract.cli.console import Console, one_line, text_width
from tract.cli.plumbing.for_each_ref import COMMAND as FOR_EACH_REF
from tract.cli.plumbing.hash_object import COMMAND as HASH_OBJECT
from tract.cli.plumbing.ref_transaction import run_transactions
from tract.cli.retention import is_retention
from tract.cli.workspace import looking_workspace
from tract.config import TokenBudgetConfig, TractConfig
from tract.errors import TractError
from tract.escape import escaped
from tract.history.branch import cleaned_name
from tract.history.commit import Draft, write_commits
from tract.history.moves import RefMove, move_refs
from tract.history.priority import Priority, annotate, read_priority
from tract.history.times import microseconds
from tract.objects.model import CommitOperation
from tract.opening import format_text, memory_repository, read_format
from tract.refs.names import branch_ref, check_ref, name_problem, tag_ref, tract_prefix
from tract.refs.ref_files import format_line, parse_line
from tract.repo import Repository
from tract.revision import ref_history, resolve_object, resolve_range, resolve_revision
from tract.settings import read_config, write_config
from tract.tokens.usage import TokenUsage, usage_body

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def fill(repo: Repository, *, messages: int = 3) -> list[bytes]:
    """A few messages, a reply, an edit, a note, a branch and a tag."""
    texts = [f"message {n} " + "word " * n for n in range(messages)]
    ids = write_commits(
        repo,
        [Draft({"content_type": "dialogue", "role": "user", "text": text}, time=n) for n, text in enumerate(texts)],
    )
    edit = {"content_type": "dialogue", "role": "user", "text": "better"}
    ids += write_commits(repo, [Draft(edit, CommitOperation.EDIT, ids[0], "why", {"k": 1}, time=99, config={"t": 0.5})])
    write_commits(
        repo, [Draft(edit, time=100, usage=usage_body(TokenUsage(9, 2), answer=True, counter="words", estimate=3))]
    )
    annotate(repo, ids[1], Priority.PINNED, "asked")
    move_refs(repo, [RefMove("refs/tags/v1", ids[0], None), RefMove("refs/heads/side", ids[1], None)], reason="names")
    return ids


def new_repository() -> Repository:
    """A small store in memory, the same at every call."""
    repo = memory_repository(config=TractConfig(author="ada"))
    fill(repo)
    return repo


@cache
def _shared_repository() -> Repository:
    """The same for decoders that change nothing."""
    return new_repository()


def text_of(data: bytes) -> str:
    """*data* as the command line and the standard input give text."""
    return data.decode("utf-8", "surrogateescape")


# Lines and names


def _ref_line(data: bytes) -> None:
    refusing(parse_line, "refs/heads/main", data)


def _ref_line_sealed(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    seal = blake3(b"refs/heads/main\0" + text.encode()).hexdigest()[:8]
    refusing(parse_line, "refs/heads/main", f"{text} {seal}\n".encode())


def _names(data: bytes) -> None:
    text = text_of(data)
    made = cleaned_name(text)
    assert name_problem(made) is None, made
    refused: TractError | None = None
    for read in (check_ref, branch_ref, tag_ref, tract_prefix):
        try:
            path = read(text).rstrip("/")
            assert path in ("", os.path.normpath(path)), "a name that leaves its folder"
            return
        except TractError as exc:
            refused = exc
    if refused is not None:
        raise refused


def _terminal(data: bytes) -> None:
    text = text_of(data)
    stream = io.StringIO()
    console = Console(stdout=stream, stderr=stream, environ={})
    console.line(text)
    console.body(text)
    console.print_json(text)
    console.error(text)
    shown = stream.getvalue() + escaped(text) + one_line(text, 40)
    assert _UNSAFE.search(shown) is None, "something that drives a terminal"
    assert text_width(one_line(text, 40)) <= 42


def _times(data: bytes) -> None:
    text = text_of(data)
    is_retention(text)
    microseconds(text, "a time")


def _priority(data: bytes) -> None:
    read_priority(text_of(data))


def _config(data: bytes) -> None:
    config = read_config(put("config.toml", data))
    write_config(put("config-again.toml", b""), config)
    assert read_config(str(scratch() / "config-again.toml")) == config


def _configs() -> tuple[bytes, ...]:
    path = put("seed.toml", b"")
    budget = TokenBudgetConfig(5000)
    write_config(
        path, TractConfig(token_budget=budget, author="ada \u00e9", default_branch="trunk", compile_cache_maxsize=2)
    )
    return (
        Path(path).read_bytes(),
        b'# by hand\nauthor = """x"""\ntoken_budget = 0x10\nbudget_action = "reject"\n',
        b"# nothing\n",
    )


def _format(data: bytes) -> None:
    put("format", data)
    read_format(str(scratch()))


def _format_sealed(data: bytes) -> None:
    _format(data + blake3(data).hexdigest()[:16].encode() + b"\n")


# Revisions and command lines that take text from elsewhere


def _revision(data: bytes) -> None:
    repo, text = _shared_repository(), text_of(data)
    found = False
    for resolve in (resolve_revision, resolve_object, resolve_range, lambda r, t: list(ref_history(r, t))):
        try:
            found = bool(resolve(repo, text)) or found  # type: ignore[operator]
        except TractError:
            continue
    check(found, "no revision")


def _revisions() -> tuple[bytes, ...]:
    texts = ["HEAD~2", "main^^", "@{0}", "main@{1}", "v1..side", "^v1", "HEAD^{blob}", "refs/tags/v1", "heads/side^1~0"]
    tip = resolve_revision(_shared_repository(), "HEAD").hex()
    return tuple(text.encode() for text in [*texts, tip, tip[:7]])


class _Args:
    """The arguments of a command, with those of the declaration where none is given."""

    def __init__(self, **given: Any) -> None:
        self._given = given

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["_given"].get(name)


def _console(stdin: bytes = b"") -> Console:
    return Console(
        stdin=io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"),
        stdout=io.StringIO(),
        stderr=io.StringIO(),
        environ={},
    )


def _hash_object(raw: bool) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        args = _Args(stdin=True, files=(), type="blob", raw=raw)
        assert HASH_OBJECT.run(_console(data), args) == 0  # type: ignore[arg-type]

    return run


def _update_ref(*, zeros: bool) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        repo = new_repository()
        run_transactions(_console(data), repo, reason="fuzz", deref=True, zeros=zeros)

    return run


def _transactions(*, zeros: bool) -> Callable[[], tuple[bytes, ...]]:
    tip, old = "main", "side"
    if zeros:
        return lambda: (
            f"update refs/heads/new\0{tip}\0\0delete refs/tags/v1\0v1\0".encode(),
            f"start\0create refs/heads/a\0{old}\0verify refs/heads/side\0{old}\0prepare\0commit\0".encode(),
        )
    return lambda: (
        f'update refs/heads/new {tip} ""\ndelete refs/tags/v1\ncreate refs/heads/a/b {old}\n'.encode(),
        f"start\nverify refs/heads/side {old}\noption no-deref\nupdate HEAD {tip}\nprepare\ncommit\nstart\nabort\n".encode(),
    )


class _KnownConsole(Console):
    """A console on the shared store."""

    def open_workspace(self) -> Any:
        return nullcontext(looking_workspace(_shared_repository(), self.warn))


def _ref_format(data: bytes) -> None:
    console = _KnownConsole(stdout=io.StringIO(), stderr=io.StringIO(), environ={})
    args = _Args(patterns=(), format=text_of(data), sort=(), count=0)
    check(FOR_EACH_REF.run(console, args) == 0, "no format")  # type: ignore[arg-type]


TARGETS = (
    Target("ref-line", _ref_line, lambda: (format_line("refs/heads/main", b"\x0f" * 32, "full"),), weight=2),
    Target(
        "ref-line-sealed", _ref_line_sealed, lambda: (b"0f" * 32 + b" synced", b"ref:refs/heads/main cached"), weight=4
    ),
    Target("names", _names, lambda: (b"refs/heads/a/b", b"feature-1", "tracts/é/refs/tags/x".encode(), b"HEAD")),
    Target("terminal", _terminal, lambda: (b"plain", "\x1b]52;c;x\x07 é 漢字 \u202e\u200b\t\n😀".encode()), weight=4),
    Target("times", _times, lambda: (b"2026-11-21T08:30:00+01:00", b"0001-01-01T00:00:00Z"), weight=2),
    Target("priority", _priority, lambda: (b"pinned", b"skip"), weight=1),
    Target("config", _config, _configs),
    Target("format-file", _format, lambda: (format_text("0" * 32),), weight=2),
    Target("format-file-sealed", _format_sealed, lambda: (b"tract 2\n" + b"0" * 32 + b"\n",), weight=2),
    Target("revision", _revision, _revisions, weight=4),
    Target(
        "hash-object-json", _hash_object(raw=False), lambda: (b'{"a": [1, 2.5, null, "\\ud83d\\ude00"]}',), form=JSON
    ),
    Target("hash-object-raw", _hash_object(raw=True), lambda: (b"\x81\xa1a\x93\x01\xc0\xc3",), weight=4, form=MSGPACK),
    Target("update-ref", _update_ref(zeros=False), _transactions(zeros=False), weight=2),
    Target("update-ref-zeros", _update_ref(zeros=True), _transactions(zeros=True), weight=2),
    Target(
        "ref-format", _ref_format, lambda: (b"%(refname) %(objectname:short=8)%09%(subject)%%", b"%(time)"), weight=2
    ),
)
