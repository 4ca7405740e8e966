"""What a fuzz target is: a decoder, small inputs that it takes, and what it may do with any other."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from tract.errors import TractError

MOST_SECONDS = 2.0
"""Processor time that one input of up to 64 KiB may take."""

_T = TypeVar("_T")


class RefusedError(Exception):
    """A decoder's own way to say no, where that is no TractError: the ValueError it documents, or a problem in a list."""


class TooSlowError(AssertionError):
    """An input that took longer than MOST_SECONDS."""


class Form(NamedTuple):
    """What an input is made of, so that it can be changed without ceasing to be one; *prefix* bytes before it are not part of it."""

    kind: Literal["json", "lines", "msgpack"]
    prefix: int = 0


JSON = Form("json")
LINES = Form("lines")
MSGPACK = Form("msgpack")


@dataclass(frozen=True, slots=True)
class Target:
    """A decoder under test.

    *decode* raises TractError or RefusedError for what it refuses, and nothing else.
    *seeds* are inputs it takes; *weight* is its share of all inputs of a run, less where one input takes long; *form* is None where bytes are but bytes.
    """

    name: str
    decode: Callable[[bytes], object]
    seeds: Callable[[], tuple[bytes, ...]]
    weight: int = 8
    form: Form | None = None


def feed(target: Target, data: bytes) -> bool:
    """Whether *target* takes *data*; whatever is raised is a finding."""
    began = time.process_time()
    try:
        target.decode(data)
        return True
    except (TractError, RefusedError):
        return False
    finally:
        took = time.process_time() - began
        if took > MOST_SECONDS:
            raise TooSlowError(f"{len(data)} bytes took {took:.1f} s")


def refusing(decode: Callable[..., _T], *args: object) -> _T:
    """What *decode* gives; the ValueError that its docstring promises becomes a RefusedError."""
    try:
        return decode(*args)
    except ValueError as exc:
        raise RefusedError(str(exc)) from exc


def check(holds: bool, what: str) -> None:
    """Refuse unless *holds*: for decoders that list problems instead of raising."""
    if not holds:
        raise RefusedError(what)


@cache
def scratch() -> Path:
    """This process's own folder for files that decoders read; gone when it ends."""
    folder = Path(tempfile.mkdtemp(prefix="tract-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def put(name: str, data: bytes) -> str:
    """The path of a file with *data* in it, in the scratch folder."""
    path = scratch() / name
    path.write_bytes(data)
    path.chmod(0o600)
    return str(path)
