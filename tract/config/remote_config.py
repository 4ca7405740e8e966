"""The stored settings of a remote: a module of its own, because most stores have none and every command reads settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from tract.config import LONGEST_TEXT, REMOTE, check_price, check_type
from tract.dataclass import dataclass, field
from tract.errors import ConfigError

Conditions = Literal["if-match", "if-match-bare", "create-only", "none"]
"""How several writers can share a remote: a head is swapped by its version, which is quoted or bare, or it is a log of keys that are only created; with ``none`` it can only be read."""

_TIMEOUT = 30.0
_CONDITIONS = get_args(Conditions)
# Compiled when a remote is read.
_REMOTE_NAME = r"[A-Za-z0-9_-]{1,60}"
_OPTION_NAME = r"[a-z][a-z0-9_]{0,60}"
_SECRET = r"secret|token|password|credential|signature|sas|private|(^|_)key($|_)|(^|_)auth"
_WITH_SECRET = r"://[^/]*@|://.*[?#]"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteConfig:
    """A remote in the settings: *timeout* is in seconds; *conditions* is the result of its probe, None if it was not probed.

    *scan*: whether pushes search for secrets; None means they do unless the remote is a folder. *options* are the store's: ``region``, ``endpoint``, ``allow_http``; never a secret.
    """

    name: str
    url: str
    timeout: float = _TIMEOUT
    conditions: Conditions | None = None
    scan: bool | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(_REMOTE_NAME, self.name):
            raise ConfigError(f"{self.name!r:.80} is not a remote's name: it is made of letters, digits, '-' and '_'")
        if not isinstance(self.url, str) or not self.url or not self.url.isprintable() or len(self.url) > LONGEST_TEXT:
            raise ConfigError(f"the address of remote '{self.name}' must be printable text, not {self.url!r:.80}")
        check_price(f"the timeout of remote '{self.name}'", self.timeout)
        if self.conditions not in (None, *_CONDITIONS):
            raise ConfigError(f"the conditions of remote '{self.name}' must be one of {', '.join(_CONDITIONS)}")
        if self.scan is not None:
            check_type(f"remote.{self.name}.scan", self.scan, bool)
        for key, value in self.options.items():
            if not re.fullmatch(_OPTION_NAME, key) or not isinstance(value, str) or not value.isprintable():
                raise ConfigError(f"remote '{self.name}' has an option {key!r:.80} that is not a name with a text")
            if re.search(_SECRET, key):
                raise ConfigError(f"option '{key}' of remote '{self.name}' is a secret, which a store does not keep")
            if re.search(_WITH_SECRET, value):
                raise ConfigError(
                    f"option '{key}' of remote '{self.name}' is an address with a user or a query, which may contain secrets"
                )


def remote_rows(remotes: tuple[RemoteConfig, ...]) -> dict[str, str | float]:
    rows: dict[str, str | float] = {}
    for one in remotes:
        start = f"{REMOTE}{one.name}."
        rows[f"{start}url"] = one.url
        rows |= {f"{start}timeout": one.timeout} if one.timeout != _TIMEOUT else {}
        rows |= {} if one.conditions is None else {f"{start}conditions": one.conditions}
        rows |= {} if one.scan is None else {f"{start}scan": one.scan}
        rows |= {f"{start}options.{key}": value for key, value in one.options.items()}
    return rows


def remotes_in(rows: Mapping[str, Any]) -> tuple[RemoteConfig, ...]:
    found: dict[str, dict[str, Any]] = {}
    for key, value in rows.items():
        name, _, what = key.removeprefix(REMOTE).partition(".")
        about = found.setdefault(name, {})
        if what.startswith("options."):
            about.setdefault("options", {})[what.removeprefix("options.")] = value
        elif what in ("url", "timeout", "conditions", "scan"):
            about[what] = value
        else:
            raise ConfigError(f"unknown setting {key!r}")
    for name, about in found.items():
        if "url" not in about:
            raise ConfigError(f"remote {name!r:.80} has no url")
    return tuple(RemoteConfig(name=name, **about) for name, about in found.items())
