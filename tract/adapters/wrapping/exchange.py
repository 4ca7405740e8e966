"""One call of a model: what it was sent, and what came back, as ``Tract.record`` takes them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, Protocol

from blake3 import blake3

from tract.adapters.wrapping.noticing import noticed
from tract.errors import ContentValidationError, LLMError, RecordWarning, TractError
from tract.objects.content import RecordContent
from tract.objects.json import NotJsonError, parse_json
from tract.objects.kept import dumped, without_nulls
from tract.writing.answers import Answer, given_answer, read_answer

_MESSAGES = {"openai": "messages", "responses": "input", "anthropic": "messages"}
_GOES_ON = ("previous_response_id", "conversation")
_NO_BODY = frozenset({"extra_headers", "extra_query", "extra_body", "timeout", "idempotency_key"})
_CONFIG = frozenset({
    "model", "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "max_output_tokens", "seed",
    "reasoning_effort", "reasoning", "thinking", "stop", "stop_sequences", "frequency_penalty", "presence_penalty",
})  # fmt: skip

ERROR = "llm_error"
"""The kind of the records of calls that failed."""


class Records(Protocol):
    """What a tract does for a wrapped client."""

    def record(self, messages: Any, **options: Any) -> Any: ...
    def commit(self, content: Any) -> Any: ...
    def compile(self) -> Any: ...


class Recorder:
    """Records calls in a tract, for a client of *provider*."""

    def __init__(self, t: Records, provider: str, *, raises: bool) -> None:
        self.tract = t
        self.provider = provider
        self.raises = raises

    def begin(self, format: str, options: Mapping[str, Any]) -> Exchange:
        """A call that is about to be made, with these *options*."""
        return Exchange(self, format, options)


class Exchange:
    """One call: recorded once, whichever way it ends."""

    def __init__(self, recorder: Recorder, format: str, options: Mapping[str, Any]) -> None:
        self._recorder = recorder
        self._format = format
        self._options = options
        self._sent: bytes | None = None

    def sends(self, data: bytes) -> None:
        """The request goes out with the body *data*."""
        self._sent = data

    @cached_property
    def _body(self) -> dict[str, Any]:
        """What was sent, as JSON; where nobody saw it, what the call was given."""
        if self._sent is not None:
            with suppress(NotJsonError, UnicodeDecodeError):
                body = parse_json(self._sent)
                if isinstance(body, dict):
                    return body
        extra = self._options.get("extra_body")
        given = {**self._options, **(extra if isinstance(extra, Mapping) else {})}
        kept = {name: value for name, value in given.items() if name not in _NO_BODY and _is_given(value)}
        return {name: plain(value) for name, value in kept.items() if not isinstance(value, Iterator)}

    @cached_property
    def _items(self) -> list[Any]:
        messages = self._body.get(_MESSAGES[self._format])
        return [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages or ())

    @property
    def _request(self) -> dict[str, Any]:
        hash = {} if self._sent is None else {"body_hash": blake3(self._sent).hexdigest()}
        return {**self._body, "provider": self._recorder.provider, **hash}

    def guarded(self, do: Callable[[], object]) -> None:
        """Do what must not be the caller's problem."""
        try:
            do()
        except Exception as exc:  # whatever it is, the caller's answer is there
            if self._recorder.raises:
                raise
            warnings.warn(RecordWarning(f"a call could not be recorded: {exc}"), stacklevel=6)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """While the call is made: what it sends is noticed, and how it fails recorded."""
        with noticed(self.sends):
            try:
                yield
            except GeneratorExit:  # nobody waits for it any more
                raise
            except BaseException as exc:
                self.failed(exc)
                raise

    def answered(self, answer: Any) -> None:
        """The call gave *answer*, an SDK's object."""
        self.guarded(lambda: self.answered_with(answer))

    def answered_with(self, answer: Any) -> None:
        """Record *answer*, an SDK's object or the JSON that it is made of; the question alone where it is none."""
        try:
            read = read_answer(answer) if isinstance(answer, Mapping) else given_answer(answer)
            why = "" if read is not None else f"an answer of type {type(answer).__name__}"
        except ContentValidationError as exc:
            read, why = None, str(exc)
        self._record(read)
        if read is None:
            raise TractError(f"{why}; the question was recorded")

    def asked(self) -> None:
        """Record the question alone."""
        self._record(None)

    def streamed(self, so_far: Callable[[], Any], error: BaseException | None, *, is_cut: Callable[[], bool]) -> None:
        """The call gave a stream, which brought what *so_far* gives: all of it, or as much as came where it *is_cut*."""

        def record() -> None:
            came = None
            with suppress(LLMError):  # nothing of an answer came
                came = so_far()
            answer = came if isinstance(came, Answer) or came is None else given_answer(came)
            if answer is None and error is not None:
                self._fail(error)
                return
            self._record(answer, partial=is_cut())
            if error is not None and not isinstance(error, GeneratorExit):
                self._note(error)

        self.guarded(record)

    def failed(self, error: BaseException) -> None:
        """The call gave an exception."""
        self.guarded(lambda: self._fail(error))

    def failed_as(self, about: Mapping[str, Any]) -> None:
        """The call failed, as *about* says."""

        def record() -> None:
            self._record(None)
            self._recorder.tract.commit(RecordContent(ERROR, dict(about)))

        self.guarded(record)

    def _fail(self, error: BaseException) -> None:
        came = getattr(error, "completion", None)  # OpenAI's ``parse`` has it in its error where it was cut
        self._record(given_answer(came) if hasattr(came, "model_dump") else None, partial=True)
        self._note(error)

    def _note(self, error: BaseException) -> None:
        about: dict[str, Any] = {"error": type(error).__name__, "message": str(error)[:1000]}
        status = getattr(error, "status_code", None)
        request = getattr(error, "request_id", None)
        more = {"status": status if isinstance(status, int) else None, "request_id": request if isinstance(request, str) else None}  # fmt: skip
        about |= {name: value for name, value in more.items() if value is not None}
        self._recorder.tract.commit(RecordContent(ERROR, about))

    def _before(self, t: Records) -> list[Any]:
        """What a request that goes on from a response has before its own input; its instructions stand for those before."""
        items: list[Any] = t.compile().to_openai_responses()
        return items[1:] if self._body.get("instructions") and items and items[0].get("role") == "system" else items

    def _record(self, answer: Answer | None, *, partial: bool = False) -> None:
        """Make the context what was sent and answered."""
        t = self._recorder.tract
        has_list = _MESSAGES[self._format] in self._body
        if answer is None and not has_list:
            return
        goes_on = not has_list or any(self._body.get(name) for name in _GOES_ON)
        sent = [*(self._before(t) if goes_on else ()), *self._items]
        keys: list[str | None] = [None] * len(sent)
        new = [content.message for content in answer.contents] if answer is not None else []
        keys += [message.get("id") if isinstance(message.get("id"), str) else None for message in new]
        listed: Any = [*sent, *new]
        about: dict[str, Any] = {"format": self._format, "keys": keys}
        if self._format == "anthropic" and self._body.get("system"):
            listed = {"system": self._body["system"], "messages": listed}
        if self._format == "responses" and self._body.get("instructions"):
            listed, about["keys"] = {"instructions": self._body["instructions"], "input": listed}, keys
        part = {"partial": True} if partial else {}
        if answer is not None:
            settings = {name: value for name, value in self._body.items() if name in _CONFIG}
            about["usage"] = answer.usage or None
            about["generation_config"] = {**settings, **(answer.generation_config or {})} or None
            about["request"] = self._request
            others = {"other_choices": [*answer.others]} if answer.others else {}
            about["metadata"] = {**part, **others} or None
        try:
            t.record(listed, **about)
        except ContentValidationError:
            if answer is None:
                raise
            # Something in the request looks like a secret, or cannot be kept: the conversation can.
            t.record(listed, format=self._format, keys=about["keys"], usage=about["usage"], metadata=part or None)
            raise TractError("the request's settings were left out: they cannot be kept") from None


def plain(value: Any) -> Any:
    """*value* as the JSON that the client sends of it; of a class, its name."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items() if _is_given(item)}
    if isinstance(value, type):
        return {"type": "json_schema", "name": value.__name__}
    if hasattr(value, "model_dump"):
        return without_nulls(dumped(value))
    if isinstance(value, (str, bytes, int, float, bool)) or value is None:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return [plain(item) for item in value] if isinstance(value, Iterable) else str(value)


def _is_given(value: Any) -> bool:
    """Whether *value* is none of the marks by which the SDKs say that nothing was given."""
    return type(value).__name__ not in ("NotGiven", "Omit")
