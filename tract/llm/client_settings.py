"""A client's settings, checked before anything is sent, and the secrets among them, which are never shown."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from typing import TypedDict

import httpx

from tract.dataclass import dataclass
from tract.errors import LLMConfigError

_SHOWN = 200  # characters of a provider's text in a message
_SHORTEST = 6  # a shorter text is no secret, and would be found everywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of time, number and size. Times are seconds.

    ``timeout`` is for a whole call, with its retries and waits; ``read_timeout`` for one silence in it.
    The first wait is up to ``backoff``, each further one up to twice as long; none is over ``max_wait``. If a provider asks for a longer wait, there is no retry.
    """

    timeout: float = 600.0
    read_timeout: float = 300.0
    max_retries: int = 3
    backoff: float = 0.5
    max_wait: float = 60.0
    connect_timeout: float = 10.0
    max_bytes: int = 1 << 26


class ClientOptions(TypedDict, total=False):
    """Options that all clients have: times are seconds, *headers* are sent with every question; the rest is as in ``Limits``."""

    read_timeout: float
    backoff: float
    max_wait: float
    max_bytes: int
    headers: Mapping[str, str] | None


class Secrets:
    """Texts that must not be shown. The object itself prints nothing of them."""

    __slots__ = ("_texts",)

    def __init__(self, texts: Iterable[str]) -> None:
        long = {text for text in texts if len(text) >= _SHORTEST}
        escaped = {json.dumps(text)[1:-1] for text in long}  # as it looks in a JSON body
        self._texts = tuple(sorted(long | escaped, key=len, reverse=True))

    def __repr__(self) -> str:
        return "Secrets(…)"

    def excerpt(self, text: str) -> str:
        """The start of *text* as one printable line, with the secrets hidden."""
        # First hidden, then cut: half a key is a secret too.
        for secret in self._texts:
            text = text.replace(secret, "***")
        line = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * _SHOWN]).split())
        return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def read_key(given: str | None, variable: str) -> str:
    """The key: *given*, else the environment variable *variable*; an empty *given* means no key, on purpose.

    The environment is read here and not in the command line, as the one exception: a key that passes through no argument is in no shell history, no log and no settings file.
    """
    key = os.environ.get(variable, "").strip() if given is None else given
    if given is None and not key:
        raise LLMConfigError(f"no key for the provider: '{variable}' is not set and no api_key was given")
    if not isinstance(key, str):
        raise LLMConfigError(f"an api key must be a text, not {type(key).__name__}")
    check_header_value("the api key", key)
    return key


def check_header_value(name: str, value: str) -> None:
    """Raise LLMConfigError for a value that cannot stand in a header; the error names the place, never the value."""
    for place, char in enumerate(value):
        if not "\x21" <= char <= "\x7e":
            raise LLMConfigError(f"{name} has a character that cannot be sent, at place {place}")


def read_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """A user's own headers, their names in lower case."""
    read = {}
    for name, value in (headers or {}).items():
        if not name or not all(char.isascii() and (char.isalnum() or char in "-_") for char in name):
            raise LLMConfigError(f"no header can be named {name!r:.60}")
        check_header_value(f"header '{name}'", value.replace(" ", "_"))
        read[name.lower()] = value
    return read


def read_base_url(given: str | None, variable: str, default: str) -> httpx.URL:
    """The server's address: *given*, else the environment's, else *default*."""
    text = given if given is not None else os.environ.get(variable, "").strip() or default
    try:
        url = httpx.URL(text)
        url.raw_host.decode().encode("idna")  # the look-up does the same, but its error is not one of httpx's
    except (httpx.InvalidURL, TypeError, ValueError) as exc:
        raise LLMConfigError(f"base_url is not an address: {type(exc).__name__}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise LLMConfigError(f"base_url must begin with http:// or https:// and name a host: '{_shown(url)}' does not")
    if url.port is not None and not 0 < url.port < 1 << 16:
        raise LLMConfigError(f"base_url names a port that does not exist: '{_shown(url)}'")
    if url.userinfo:
        raise LLMConfigError(f"base_url must not hold a user or a password: '{_shown(url)}'")
    if url.fragment:
        raise LLMConfigError(f"base_url must not have a fragment: '{_shown(url)}'")
    return url


def _shown(url: httpx.URL) -> str:
    return str(url.copy_with(userinfo=b"", query=None, fragment=None))[:200]


def join_path(url: httpx.URL, path: str) -> httpx.URL:
    """*url* with *path* behind its own; its query stays."""
    return url.copy_with(path=url.path.rstrip("/") + path)


def read_limits(timeout: float, max_retries: int, options: ClientOptions) -> Limits:
    """The limits in a client's options; LLMConfigError for a value that makes no sense."""
    given = {name: value for name, value in options.items() if name != "headers"}
    limits = Limits(timeout=timeout, max_retries=max_retries, **given)  # type: ignore[arg-type]  # they are checked here
    for name in ("timeout", "read_timeout"):
        value = getattr(limits, name)
        if not _is_number(value) or not 0 < value < math.inf:
            raise LLMConfigError(f"{name} must be a number of seconds over 0, not {value!r:.60}")
    for name in ("backoff", "max_wait"):
        value = getattr(limits, name)
        if not _is_number(value) or not 0 <= value < math.inf:
            raise LLMConfigError(f"{name} must be a number of seconds, not {value!r:.60}")
    for name, least in (("max_retries", 0), ("max_bytes", 1)):
        value = getattr(limits, name)
        if type(value) is not int or value < least:
            raise LLMConfigError(f"{name} must be a whole number from {least} on, not {value!r:.60}")
    return limits


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
