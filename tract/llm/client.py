"""The part that every provider's client shares: one question, four ways to ask it.

    chat  achat        the whole answer
    stream  astream    its text as it comes, and the whole answer at its end

The provider defines the question's body and how its answer is read; the flow does everything between.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Self, Unpack
from weakref import WeakKeyDictionary

import httpx

from tract import __version__
from tract.dataclass import dataclass, field, replace
from tract.errors import ClosedError, LLMConfigError
from tract.llm.client_settings import Limits, Secrets
from tract.llm.drivers import AsyncLLMStream, LLMStream
from tract.llm.flow import Assembler, Call, Flow, ask
from tract.llm.parsing import found
from tract.llm.types import ChatMessage, ChatOptions, LLMRequest, LLMResponse

_OURS = ("messages", "stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A provider's address, the headers of every question, and its format."""

    url: httpx.URL = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    secrets: Secrets
    body: Callable[[LLMRequest, bool], dict[str, Any]]
    read: Callable[[object], LLMResponse]
    assembler: Callable[[], Assembler]
    request_id_header: str


class ProviderClient:
    """Asks one provider. Several threads and event loops may use it; close it, or use it in a ``with``."""

    def __init__(self, provider: Provider, default_model: str, limits: Limits) -> None:
        self.default_model = default_model
        self._provider = provider
        self._limits = limits
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        # A connection belongs to the loop it was made in.
        self._async_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()
        self._is_closed = False

    def __repr__(self) -> str:
        address = self._provider.url.copy_with(query=None)
        return f"{type(self).__name__}('{address}', default_model={self.default_model!r})"

    def chat(self, messages: Sequence[ChatMessage], **options: Unpack[ChatOptions]) -> LLMResponse:
        """The whole answer to *messages*; *options* go to the provider under its own names."""
        request = self._request(messages, options)
        with LLMStream(self._sync_client(), self._flow(request, stream=False)) as answer:
            for _ in answer:
                pass
            return answer.response

    def stream(self, messages: Sequence[ChatMessage], **options: Unpack[ChatOptions]) -> LLMStream:
        """The answer's text as it comes; the question is sent when the first piece is asked for."""
        request = self._request(messages, options)
        return LLMStream(self._sync_client(), self._flow(request, stream=True))

    async def achat(self, messages: Sequence[ChatMessage], **options: Unpack[ChatOptions]) -> LLMResponse:
        """``chat`` for asyncio."""
        request = self._request(messages, options)
        async with AsyncLLMStream(self._async_client(), self._flow(request, stream=False)) as answer:
            async for _ in answer:
                pass
            return answer.response

    def astream(self, messages: Sequence[ChatMessage], **options: Unpack[ChatOptions]) -> AsyncLLMStream:
        """``stream`` for asyncio; call it in the event loop."""
        request = self._request(messages, options)
        return AsyncLLMStream(self._async_client(), self._flow(request, stream=True))

    def _request(self, messages: Sequence[ChatMessage], options: ChatOptions) -> LLMRequest:
        request = LLMRequest.of(checked_messages(messages), self.default_model, options)
        for name in _OURS:
            if name in request.options:
                raise LLMConfigError(f"'{name}' is not an option of a question")
        if not request.model:
            raise LLMConfigError("no model to ask: none was given, and the client has no default_model")
        return request

    def _flow(self, request: LLMRequest, *, stream: bool) -> Flow:
        provider = self._provider
        call = Call(
            url=str(provider.url),
            headers={
                "content-type": "application/json",
                "accept": "text/event-stream" if stream else "application/json",
                "user-agent": f"tract/{__version__}",
                **provider.headers,
            },
            body=_encoded(provider.body(request, stream)),
            is_stream=stream,
            limits=self._limits,
            secrets=provider.secrets,
            read=provider.read,
            assembler=provider.assembler,
            request_id_header=provider.request_id_header,
        )
        return _with_settings(ask(call), request.generation_config)

    def _sync_client(self) -> httpx.Client:
        with self._lock:
            self._check_open()
            if self._client is None:
                self._client = httpx.Client(verify=_certificates(), follow_redirects=False)
            return self._client

    def _async_client(self) -> httpx.AsyncClient:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise LLMConfigError("achat and astream need a running event loop") from None
        with self._lock:
            self._check_open()
            for other in [other for other in self._async_clients if other.is_closed()]:
                del self._async_clients[other]  # their event loop is gone, so they cannot be closed
            if loop not in self._async_clients:
                self._async_clients[loop] = httpx.AsyncClient(verify=_certificates(), follow_redirects=False)
            return self._async_clients[loop]

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError("the model's client is closed")

    def close(self) -> None:
        """Closes the connections of ``chat`` and ``stream``; those of the async ones are closed by ``aclose``."""
        with self._lock:
            self._is_closed = True
            client, self._client = self._client, None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """``close``, and the connections of this event loop."""
        with self._lock:
            mine = self._async_clients.pop(asyncio.get_running_loop(), None)
        self.close()
        if mine is not None:
            await mine.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _with_settings(flow: Flow, generation_config: dict[str, Any]) -> Flow:
    return replace((yield from flow), generation_config=generation_config)


@cache
def _certificates() -> ssl.SSLContext:
    """The trusted certificates; read once, because reading takes longer than a question to a server nearby."""
    return httpx.create_ssl_context()


def checked_messages(messages: Any) -> tuple[ChatMessage, ...]:
    """*messages* in the form of a question; LLMConfigError if they are not messages."""
    if isinstance(messages, (str, bytes, Mapping)) or not hasattr(messages, "__iter__"):
        raise LLMConfigError(f"messages must be a list of dicts, not {found(messages)}")
    checked = tuple(messages)
    if not checked:
        raise LLMConfigError("there is no message to answer")
    for index, message in enumerate(checked):
        if not isinstance(message, Mapping):
            raise LLMConfigError(f"message {index} must be a dict, not {found(message)}")
        if not isinstance(message.get("role"), str):
            raise LLMConfigError(f"message {index} has no role")
    return checked


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, default=_plain).encode()
    except (TypeError, ValueError, RecursionError) as exc:
        # A UnicodeEncodeError is a ValueError too, and shows the whole text.
        reason = "a text has half of a surrogate pair" if isinstance(exc, UnicodeError) else str(exc)
        raise LLMConfigError(f"the question cannot be sent as JSON: {reason:.200}") from None


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
