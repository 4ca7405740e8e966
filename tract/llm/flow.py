"""One question to a provider, as a generator that yields steps and is sent their results.

    Send ──▸ Head          the request; the answer's status and headers
    Receive ──▸ bytes      the next bytes of its body; b"" at its end
    Wait ──▸ None          before asking again
    Piece ──▸ None         text, given out while a stream comes

No I/O here: ``drivers`` performs the steps, once for threads and once for asyncio.
A step that fails is thrown in as LLMResponseError.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from itertools import count
from typing import Protocol, TypeAlias

from tract.dataclass import dataclass, field, replace
from tract.errors import LLMError, LLMResponseError
from tract.llm.client_settings import Limits, Secrets
from tract.llm.failure import failure_of_body, failure_of_refusal, is_worth_repeating, wait_before_repeating
from tract.llm.parsing import Refused
from tract.llm.sse import Event, EventParser
from tract.llm.types import LLMResponse
from tract.objects.json import parse_json

_MOST_OF_ERROR = 1 << 16


@dataclass(frozen=True, slots=True)
class Send:
    """A POST. Timeouts are seconds. Headers hold the key, so they are not shown."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    connect_timeout: float
    read_timeout: float


@dataclass(frozen=True, slots=True)
class Receive:
    pass


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float


@dataclass(frozen=True, slots=True)
class Piece:
    text: str


@dataclass(frozen=True, slots=True)
class Head:
    """An answer's status and its headers, their names in lower case."""

    status: int
    headers: Mapping[str, str]


Step: TypeAlias = Send | Receive | Wait | Piece
Reply: TypeAlias = Head | bytes | None
Flow: TypeAlias = Generator[Step, Reply, LLMResponse]


class Assembler(Protocol):
    """Assembles an answer from its stream."""

    is_done: bool

    @property
    def may_end(self) -> bool: ...
    def take(self, event: Event) -> str: ...
    def answer(self) -> LLMResponse: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One question, ready to be sent, and the function that reads its answer."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    is_stream: bool
    limits: Limits
    secrets: Secrets
    read: Callable[[object], LLMResponse]
    assembler: Callable[[], Assembler]
    request_id_header: str


class Deadline:
    """The time by which a call must be over; time that the caller spends on a piece does not count."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return self._end - time.monotonic()

    def check(self) -> None:
        if self.left <= 0:
            raise LLMResponseError(f"no whole answer within {self._seconds:g} s", is_transient=True)

    def give_out(self, text: str) -> Generator[Step, Reply, None]:
        began = time.monotonic()
        yield Piece(text)
        self._end += time.monotonic() - began


def ask(call: Call) -> Flow:
    """*call*'s answer; the question is retried as often as its limits allow, while there is time for the wait."""
    deadline, limits = Deadline(call.limits.timeout), call.limits
    for attempt in count(1):
        try:
            return (yield from _attempt(call, deadline))
        except LLMError as exc:
            seconds = wait_before_repeating(exc, attempt, limits)
            if attempt > limits.max_retries or not is_worth_repeating(exc, limits) or seconds >= deadline.left:
                raise
        yield Wait(seconds)
    raise AssertionError("count never ends")


def _attempt(call: Call, deadline: Deadline) -> Flow:
    deadline.check()
    limits = call.limits
    head = yield Send(
        call.url,
        call.headers,
        call.body,
        connect_timeout=min(limits.connect_timeout, deadline.left),
        read_timeout=min(limits.read_timeout, deadline.left),
    )
    assert isinstance(head, Head)
    try:
        if not 200 <= head.status < 300:
            raise failure_of_body(head.status, head.headers, (yield from _error_body(deadline)), call.secrets)
        if call.is_stream and _is_events(head):
            answer = yield from _streamed(call, deadline)
        else:
            answer = yield from _whole(call, head, deadline)
    except Refused as exc:
        raise failure_of_refusal(exc, head.headers, call.secrets) from None
    given = head.headers.get(call.request_id_header)
    return replace(answer, request_id=given) if given else answer


def _is_events(head: Head) -> bool:
    """Whether the answer is a stream; a server that cannot stream sends it whole."""
    return head.headers.get("content-type", "text/event-stream").startswith("text/event-stream")


def _receive(deadline: Deadline) -> Generator[Step, Reply, bytes]:
    chunk = yield Receive()
    assert isinstance(chunk, bytes)
    deadline.check()
    return chunk


def _error_body(deadline: Deadline) -> Generator[Step, Reply, bytes]:
    """The start of an error's body; a part that cannot be read is ignored."""
    body = b""
    try:
        while len(body) < _MOST_OF_ERROR and (chunk := (yield from _receive(deadline))):
            body += chunk
    except LLMResponseError:
        pass
    return body[:_MOST_OF_ERROR]


def _whole(call: Call, head: Head, deadline: Deadline) -> Flow:
    chunks: list[bytes] = []
    size = 0
    while chunk := (yield from _receive(deadline)):
        size = _counted(size, chunk, call.limits)
        chunks.append(chunk)
    body = b"".join(chunks)
    try:
        value = parse_json(body)
    except ValueError as exc:
        kind = call.secrets.excerpt(head.headers.get("content-type", "no content type"))
        shown = call.secrets.excerpt(body.decode("utf-8", "replace")) or "nothing"
        raise LLMResponseError(f"the answer is not JSON ({kind}): {shown}", status=head.status) from exc
    answer = call.read(value)
    if call.is_stream and answer.text:
        yield from deadline.give_out(answer.text)
    return answer


def _counted(size: int, chunk: bytes, limits: Limits) -> int:
    size += len(chunk)
    if size > limits.max_bytes:
        raise LLMResponseError(f"the answer is larger than {limits.max_bytes} bytes")
    return size


def _streamed(call: Call, deadline: Deadline) -> Flow:
    """The answer of a stream; an error in it has the text given out so far, and for that reason is not retried."""
    given: list[str] = []
    try:
        assembler = yield from _assembled(call, deadline, given)
        return assembler.answer()
    except Refused as exc:
        if not given:
            raise
        error = failure_of_refusal(exc, {}, call.secrets)
        raise _interrupted(error, given) from None
    except LLMResponseError as exc:
        if not given:
            raise
        raise _interrupted(exc, given) from exc


def _assembled(call: Call, deadline: Deadline, given: list[str]) -> Generator[Step, Reply, Assembler]:
    parser, assembler, size = EventParser(), call.assembler(), 0
    while chunk := (yield from _receive(deadline)):
        size = _counted(size, chunk, call.limits)
        for event in parser.feed(chunk):
            text = assembler.take(event)
            if text:
                given.append(text)
                yield from deadline.give_out(text)
            if assembler.is_done:
                return assembler
    if not assembler.may_end:
        raise LLMResponseError("the stream ended before the answer did", is_transient=True)
    return assembler


def _interrupted(error: LLMError, given: list[str]) -> LLMResponseError:
    text = "".join(given)
    return LLMResponseError(
        f"{error}; {len(text)} characters of the answer had come",
        status=getattr(error, "status", None),
        text=text,
        is_transient=getattr(error, "is_transient", True),
        retry_after=getattr(error, "retry_after", None),
    )
