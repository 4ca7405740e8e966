"""A client unchanged, except for the methods that ask a model: those call the real ones, and record the result."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import copy
from functools import wraps
from typing import Any

from tract.adapters.wrapping.exchange import Exchange, Recorder
from tract.adapters.wrapping.noticing import watch
from tract.adapters.wrapping.returned import given

METHODS: dict[str, dict[str, str]] = {
    "openai": {
        **{f"{place}chat.completions.{name}": "openai" for place in ("", "beta.") for name in ("create", "parse", "stream")},
        **{f"{place}responses.{name}": "responses" for place in ("", "beta.") for name in ("create", "parse", "stream")},
    },
    "anthropic": {
        f"{place}messages.{name}": "anthropic" for place in ("", "beta.") for name in ("create", "parse", "stream")
    },
}  # fmt: skip
"""The methods that ask a model, by the clients' packages, and the format of what they send."""

ASKERS = {
    "openai": frozenset[str](),
    "anthropic": frozenset({"beta.messages.tool_runner", "beta.messages.thread"}),
}
"""Methods that ask a model through the client that made their object."""

SILENT = {
    "openai": frozenset({
        "completions.create", "responses.connect", "beta.responses.connect", "realtime.connect", "beta.realtime.connect",
    }),
    "anthropic": frozenset({"completions.create"}),
}  # fmt: skip
"""Methods that ask a model and are not recorded; a warning says so."""

_COPIES = frozenset({"with_options", "with_middleware", "copy"})
_RAW = frozenset({"with_raw_response", "with_streaming_response"})
"""Attributes with the same methods, which return the HTTP response."""


def wrapped(client: Any, provider: str, recorder: Recorder) -> Any:
    """*client* with the methods that ask a model recorded by *recorder*."""
    watch(client)
    return _Proxy(client, "", provider, recorder)


def is_wrapped(client: Any) -> bool:
    """Whether *client* is a recording one."""
    return type(client) is _Proxy


class _Proxy:
    """A stand-in for a part of a client: every other attribute is the real one's."""

    def __init__(self, target: Any, path: str, provider: str, recorder: Recorder) -> None:
        self.__dict__["_tract"] = (target, path, provider, recorder)

    @property  # type: ignore[misc]  # programs ask isinstance(client, OpenAI)
    def __class__(self) -> type[Any]:
        return type(self.__dict__["_tract"][0])

    def __getattr__(self, name: str) -> Any:
        target, path, provider, recorder = self.__dict__["_tract"]
        value = getattr(target, name)
        here = f"{path}{name}"
        methods = METHODS[provider]
        if here in methods and callable(value):
            return _recorded(value, methods[here], recorder)
        if here in ASKERS[provider] and callable(value):
            return _asking_through(target, name, provider, recorder)
        if here in SILENT[provider] and callable(value):
            return _telling(value, here, recorder)
        if not path and name in _COPIES:
            return lambda *args, **options: wrapped(value(*args, **options), provider, recorder)
        if name in _RAW:
            return _Proxy(value, path, provider, recorder)
        if any(method.startswith(f"{here}.") for method in (*methods, *SILENT[provider])):
            return _Proxy(value, f"{here}.", provider, recorder)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__["_tract"][0], name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.__dict__["_tract"][0], name)

    def __copy__(self) -> Any:
        target, path, provider, recorder = self.__dict__["_tract"]
        return _Proxy(copy(target), path, provider, recorder)

    def __dir__(self) -> list[str]:
        return dir(self.__dict__["_tract"][0])

    def __repr__(self) -> str:
        return repr(self.__dict__["_tract"][0])

    def __enter__(self) -> Any:
        self.__dict__["_tract"][0].__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self.__dict__["_tract"][0].__exit__(*error)

    async def __aenter__(self) -> Any:
        await self.__dict__["_tract"][0].__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        return await self.__dict__["_tract"][0].__aexit__(*error)


def _telling(method: Callable[..., Any], name: str, recorder: Recorder) -> Callable[..., Any]:
    """*method*, which is not recorded, with a warning that says so."""

    @wraps(method)
    def call(*args: Any, **options: Any) -> Any:
        recorder.tell(f"calls of {name} are not recorded")
        return method(*args, **options)

    return call


def _asking_through(resource: Any, name: str, provider: str, recorder: Recorder) -> Callable[..., Any]:
    """The method *name* of a client's *resource*, with the client wrapped for the objects it makes."""
    own = copy(resource)
    own._client = _Proxy(resource._client, "", provider, recorder)
    method: Callable[..., Any] = getattr(own, name)
    return method


def _recorded(method: Callable[..., Any], format: str, recorder: Recorder) -> Callable[..., Any]:
    """*method*, with its arguments and results recorded; its name, docstring and signature are the real one's."""
    if inspect.iscoroutinefunction(method):

        @wraps(method)
        async def ask(*args: Any, **options: Any) -> Any:
            return await _awaited(method(*args, **options), recorder.begin(format, options))

        return ask

    @wraps(method)
    def call(*args: Any, **options: Any) -> Any:
        exchange = recorder.begin(format, options)
        with exchange.under_way():
            made = method(*args, **options)
        return _awaited(made, exchange) if inspect.isawaitable(made) else given(made, exchange)

    return call


async def _awaited(made: Any, exchange: Exchange) -> Any:
    with exchange.under_way():
        answer = await made
    return given(answer, exchange)
