"""``tract.wrap``: a client of OpenAI's or Anthropic's that records."""

from __future__ import annotations

from typing import Literal, TypeVar, cast

from tract.adapters.wrapping.exchange import Recorder
from tract.adapters.wrapping.going_on import Records
from tract.adapters.wrapping.proxies import METHODS, is_wrapped, wrapped
from tract.errors import ConfigError

_Client = TypeVar("_Client")


def wrap(client: _Client, t: Records, *, on_failure: Literal["warn", "raise"] = "warn") -> _Client:
    """The *client*, OpenAI's or Anthropic's, sync or async, with every question and answer recorded in *t*.

    It behaves as before, streams and exceptions included. Its questions become the context by ``Tract.record``, and the answer is committed behind them, with its usage, its settings and its request.
    A stream is recorded when it ends, or as far as it came; a call that fails leaves a record of kind ``llm_error`` behind the question.
    A call that cannot be recorded is a RecordWarning, or with *on_failure* ``raise`` its error.
    ConfigError for a client of another kind.
    """
    if on_failure not in ("warn", "raise"):
        raise ConfigError(f"on_failure must be 'warn' or 'raise', not {on_failure!r:.40}")
    if is_wrapped(client):
        raise ConfigError("the client is wrapped already; wrap the original client")
    packages = [kind.__module__.split(".")[0] for kind in type(client).__mro__]
    provider = next((package for package in packages if package in METHODS), None)
    if provider is None:
        raise ConfigError(f"wrap takes a client of {', '.join(METHODS)}, not of {packages[0]!r:.40}")
    return cast(_Client, wrapped(client, provider, Recorder(t, provider, raises=on_failure == "raise")))
