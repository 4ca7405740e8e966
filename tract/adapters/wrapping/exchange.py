"""One call of a model: what it was sent, and what came back, as ``Tract.record`` takes them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from tract.errors import ContentValidationError, RecordWarning, TractError
from tract.objects.content import RecordContent
from tract.writing.answers import Answer, given_answer

_MESSAGES = {"openai": "messages", "responses": "input", "anthropic": "messages"}
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
        self._body: dict[str, Any] = {}
        self._items: list[Any] = []
        self._after: Any = None
        self.guarded(lambda: self._read(options))

    def guarded(self, do: Callable[[], object]) -> None:
        """Do what must not be the caller's problem."""
        try:
            do()
        except Exception as exc:  # whatever it is, the caller's answer is there
            if self._recorder.raises:
                raise
            warnings.warn(RecordWarning(f"a call could not be recorded: {exc}"), stacklevel=6)

    def answered(self, answer: Any) -> None:
        """The call gave *answer*, an SDK's object."""
        self.guarded(lambda: self._record(given_answer(answer)))

    def streamed(self, so_far: Callable[[], Any], error: BaseException | None, *, whole: bool) -> None:
        """The call gave a stream, which brought what *so_far* gives: all of it, or as much as came."""

        def record() -> None:
            came = so_far()
            answer = came if isinstance(came, Answer) or came is None else given_answer(came)
            if answer is None and error is not None:
                self._fail(error)
                return
            self._record(answer, partial=not whole)
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

    def _read(self, options: Mapping[str, Any]) -> None:
        key = _MESSAGES[self._format]
        extra = options.get("extra_body")
        given = {**options, **(extra if isinstance(extra, Mapping) else {})}
        self._body = {name: plain(value) for name, value in given.items() if name not in _NO_BODY and _is_given(value)}
        messages = self._body.get(key)
        self._items = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages or ())
        self._after = self._body.get("previous_response_id") or self._body.get("conversation")

    def _fail(self, error: BaseException) -> None:
        self._record(None)
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
        sent = [*(self._before(t) if self._after is not None else ()), *self._items]
        keys: list[str | None] = [None] * len(sent)
        new = [content.message for content in answer.contents] if answer is not None else []
        keys += [message.get("id") if isinstance(message.get("id"), str) else None for message in new]
        listed: Any = [*sent, *new]
        about: dict[str, Any] = {"format": self._format, "keys": keys}
        if self._format == "anthropic" and self._body.get("system"):
            listed = {"system": self._body["system"], "messages": listed}
        if self._format == "responses" and self._body.get("instructions"):
            listed, about["keys"] = {"instructions": self._body["instructions"], "input": listed}, keys
        if answer is not None:
            settings = {name: value for name, value in self._body.items() if name in _CONFIG}
            about["usage"] = answer.usage or None
            about["generation_config"] = {**settings, **(answer.generation_config or {})} or None
            about["request"] = {**self._body, "provider": self._recorder.provider}
            about["metadata"] = {"partial": True} if partial else None
        try:
            t.record(listed, **about)
        except ContentValidationError:
            if answer is None:
                raise
            # Something in the request looks like a secret, or cannot be kept: the conversation can.
            t.record(listed, format=self._format, keys=about["keys"], usage=about["usage"], metadata=about["metadata"])
            raise TractError("the request's settings were left out: they cannot be kept") from None


def plain(value: Any) -> Any:
    """*value* as the JSON that the client sends of it; of a class, its name."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items() if _is_given(item)}
    if isinstance(value, type):
        return {"type": "json_schema", "name": value.__name__}
    if hasattr(value, "model_dump"):
        from tract.writing.answers import dumped, without_nulls  # few requests hold an answer's objects

        return without_nulls(dumped(value))
    if isinstance(value, (str, bytes, int, float, bool)) or value is None:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return [plain(item) for item in value] if isinstance(value, Iterable) else str(value)


def _is_given(value: Any) -> bool:
    """Whether *value* is none of the marks by which the SDKs say that nothing was given."""
    return type(value).__name__ not in ("NotGiven", "Omit")
