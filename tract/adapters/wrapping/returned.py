"""The value that a method returns to the caller, and when it is recorded.

an answer                     recorded now
a stream                      when it ends, or is abandoned (streams.py)
the manager of a stream       when it is left; its stream assembles the answer itself
an HTTP response              when it is parsed, or from its body if that was read
"""

from __future__ import annotations

import inspect
from typing import Any

from tract.adapters.wrapping.exchange import Exchange
from tract.adapters.wrapping.streams import Delegate, Ending, stream_proxy
from tract.errors import TractError
from tract.objects.json import NotJsonError, parse_json


def given(made: Any, exchange: Exchange) -> Any:
    """The method's result, in the form that the caller gets."""
    kind = type(made).__name__
    if kind.endswith("APIResponse") and hasattr(made, "parse"):
        return _Response(made, exchange)
    if hasattr(made, "model_dump"):
        exchange.answered(made)
        return made
    if kind.endswith("StreamManager"):
        return _StreamManager(made, exchange)
    if kind.endswith("ResponseContextManager"):
        return _ResponseManager(made, exchange)
    if hasattr(made, "__next__") or hasattr(made, "__anext__"):
        return stream_proxy(made, exchange)
    exchange.answered(made)
    return made


class _Manager(Delegate):
    """A context manager that asks the model when it is entered."""

    _tract_inner: Any = None

    def _tract_entered(self, inner: Any) -> Any:
        self._tract_inner = inner
        return inner

    def _tract_left(self, error: BaseException | None) -> None:
        raise NotImplementedError

    def __enter__(self) -> Any:
        with self._tract_exchange.under_way():
            inner = self._tract_target.__enter__()
        return self._tract_entered(inner)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> Any:
        try:
            self._tract_left(error)
        finally:
            done = self._tract_target.__exit__(kind, error, trace)
        return done

    async def __aenter__(self) -> Any:
        with self._tract_exchange.under_way():
            inner = await self._tract_target.__aenter__()
        return self._tract_entered(inner)

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> Any:
        try:
            self._tract_left(error)
        finally:
            done = await self._tract_target.__aexit__(kind, error, trace)
        return done


class _StreamManager(_Manager):
    """The result of ``stream()``."""

    def _tract_left(self, error: BaseException | None) -> None:
        if self._tract_inner is not None:
            answer, whole = _snapshot(self._tract_inner)
            self._tract_inner = None
            self._tract_exchange.streamed(lambda: answer, error, is_cut=lambda: not whole)


class _ResponseManager(_Manager):
    """The result of ``with_streaming_response``."""

    def _tract_entered(self, inner: Any) -> Any:
        self._tract_inner = _Response(inner, self._tract_exchange)
        return self._tract_inner

    def _tract_left(self, error: BaseException | None) -> None:
        if self._tract_inner is not None:
            self._tract_inner._tract_end(error)


class _Response(Ending):
    """An HTTP response: its body may have been read, and ``parse`` returns the method's usual result."""

    def __init__(self, target: Any, exchange: Exchange) -> None:
        super().__init__(target, exchange)
        if (body := _body_of(target)) is not None:
            self._tract_took(body)

    def parse(self, *args: Any, **options: Any) -> Any:
        made = self._tract_target.parse(*args, **options)
        return self._tract_awaited(made) if inspect.isawaitable(made) else self._tract_parsed(made)

    async def _tract_awaited(self, made: Any) -> Any:
        return self._tract_parsed(await made)

    def _tract_parsed(self, made: Any) -> Any:
        if self._tract_is_done:
            return made
        self._tract_is_done = True
        return given(made, self._tract_exchange)

    def _tract_took(self, body: bytes) -> None:
        self._tract_is_done = True

        def record() -> None:
            try:
                answer = parse_json(body)
            except (NotJsonError, UnicodeDecodeError):
                self._tract_exchange.asked()
                raise TractError(
                    "its answer was read as bytes, and is not JSON; only the question was recorded"
                ) from None
            self._tract_exchange.answered_with(answer)

        self._tract_exchange.guarded(record)

    def _tract_end(self, error: BaseException | None = None) -> None:
        """Handle a response that the caller leaves without parsing it."""
        if self._tract_is_done:
            return
        if error is not None:
            self._tract_is_done = True
            self._tract_exchange.failed(error)
            return
        self._tract_took(_body_of(self._tract_target) or b"")


def _body_of(response: Any) -> bytes | None:
    """The body of a response; None if it was not read."""
    try:
        body = response.http_response.content
    except Exception:  # noqa: BLE001  # httpx's own error, of which there are two
        return None
    return body if isinstance(body, bytes) else None


def _snapshot(stream: Any) -> tuple[Any, bool]:
    """The answer that a helper's stream has assembled, and whether it is complete."""
    for name in ("current_message_snapshot", "current_completion_snapshot"):
        try:
            snapshot = getattr(stream, name)
        except (AttributeError, AssertionError):
            continue
        reason = getattr(snapshot, "stop_reason", None)
        choices = getattr(snapshot, "choices", None) or ()
        return snapshot, bool(reason or any(getattr(choice, "finish_reason", None) for choice in choices))
    state = getattr(stream, "_state", None)  # the Responses API's: the whole response at its end, else the part so far
    whole = getattr(state, "_completed_response", None)
    if whole is not None:
        return whole, True
    for name, value in vars(state).items() if state is not None else ():
        if name.endswith("current_snapshot") and hasattr(value, "model_dump"):
            return value, False
    return None, False
