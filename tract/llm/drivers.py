"""Drivers: they perform a flow's steps over httpx, in the caller's thread or in its event loop.

Both iterate over the text of a stream, and have the whole answer at their end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Self

import httpx

from tract.errors import ClosedError, LLMResponseError
from tract.events import began, emit
from tract.llm.flow import Flow, Head, Piece, Receive, Reply, Send, Step, Wait
from tract.llm.types import LLMResponse


@contextmanager
def translated() -> Iterator[None]:
    """Raise httpx's errors as tract's; they never tell more of a request than its address."""
    try:
        yield
    except httpx.TimeoutException as exc:
        raise LLMResponseError(f"no answer in time ({_kind(exc)})", is_transient=True) from exc
    except httpx.HTTPError as exc:
        raise LLMResponseError(f"no whole answer ({_kind(exc)}): {_said(exc)}", is_transient=True) from exc


def _kind(exc: Exception) -> str:
    """``ConnectTimeout`` -> ``connect timeout``."""
    name = type(exc).__name__.removesuffix("Error")
    return "".join(f" {char.lower()}" if char.isupper() else char for char in name).strip()


def _said(exc: Exception) -> str:
    line = "".join(char if char.isprintable() else " " for char in str(exc)[:200])
    return line or "no reason given"


def _request(client: httpx.Client | httpx.AsyncClient, step: Send) -> httpx.Request:
    if client.is_closed:
        raise ClosedError("the model's client is closed")
    timeout = httpx.Timeout(step.read_timeout, connect=step.connect_timeout)
    return client.build_request("POST", step.url, content=step.body, headers=dict(step.headers), timeout=timeout)


def _head(response: httpx.Response) -> Head:
    return Head(response.status_code, {name.lower(): value for name, value in response.headers.items()})


class _Answer:
    """The state that both drivers share: the flow, its answer, and whether it is over."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._answer: LLMResponse | None = None
        self._is_closed = False

    @property
    def response(self) -> LLMResponse:
        """The whole answer; LLMResponseError before the stream's end."""
        if self._answer is None:
            raise LLMResponseError("the stream was not read to its end, so it has no whole answer")
        return self._answer

    def _start(self) -> Step:
        """The flow's first step; StopIteration if the answer is already complete."""
        if self._answer is not None:
            raise StopIteration(self._answer)
        if self._is_closed:
            raise ClosedError("the stream is closed")
        return self._flow.send(None)

    def _next_step(self, outcome: Reply | LLMResponseError) -> Step:
        """The flow's next step after one with this *outcome*; StopIteration with the answer if the flow is over."""
        if isinstance(outcome, LLMResponseError):
            return self._flow.throw(outcome)
        return self._flow.send(outcome)


class LLMStream(_Answer):
    """A model's answer as it arrives: iterate to get its text, then look at ``response``. Close it if you stop early."""

    def __init__(self, client: httpx.Client, flow: Flow) -> None:
        super().__init__(flow)
        self._client = client
        self._response: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        try:
            step = self._start()
            while not isinstance(step, Piece):
                step = self._next_step(self._carry_out(step))
        except StopIteration as stop:
            self._answer = stop.value
            self.close()
            raise StopIteration from None
        except BaseException:
            self.close()
            raise
        return step.text

    def _carry_out(self, step: Step) -> Reply | LLMResponseError:
        try:
            return self._do(step)
        except LLMResponseError as exc:
            return exc

    def _do(self, step: Step) -> Reply:
        with translated():
            match step:
                case Send():
                    self._release()
                    self._response = self._client.send(_request(self._client, step), stream=True)
                    self._chunks = self._response.iter_bytes()
                    return _head(self._response)
                case Receive():
                    return next(self._chunks, b"")
                case Wait():
                    self._release()
                    since = began()
                    time.sleep(step.seconds)
                    emit("retry", None, since, of="model")
        return None

    def _release(self) -> None:
        if self._response is not None:
            response, self._response = self._response, None
            response.close()

    def close(self) -> None:
        """Close the connection without waiting for the rest of the answer."""
        self._is_closed = True
        self._flow.close()
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncLLMStream(_Answer):
    """``LLMStream`` for ``async for``; close it with ``aclose``."""

    def __init__(self, client: httpx.AsyncClient, flow: Flow) -> None:
        super().__init__(flow)
        self._client = client
        self._response: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        try:
            step = self._start()
            while not isinstance(step, Piece):
                step = self._next_step(await self._carry_out(step))
        except StopIteration as stop:
            self._answer = stop.value
            await self.aclose()
            raise StopAsyncIteration from None
        except BaseException:
            await self.aclose()
            raise
        return step.text

    async def _carry_out(self, step: Step) -> Reply | LLMResponseError:
        try:
            return await self._do(step)
        except LLMResponseError as exc:
            return exc

    async def _do(self, step: Step) -> Reply:
        with translated():
            match step:
                case Send():
                    await self._release()
                    self._response = await self._client.send(_request(self._client, step), stream=True)
                    self._chunks = self._response.aiter_bytes()
                    return _head(self._response)
                case Receive():
                    assert self._chunks is not None
                    return await anext(self._chunks, b"")
                case Wait():
                    await self._release()
                    since = began()
                    await asyncio.sleep(step.seconds)
                    emit("retry", None, since, of="model")
        return None

    async def _release(self) -> None:
        if self._response is not None:
            response, self._response = self._response, None
            await response.aclose()

    async def aclose(self) -> None:
        """Close the connection without waiting for the rest of the answer."""
        self._is_closed = True
        self._flow.close()
        await self._release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
