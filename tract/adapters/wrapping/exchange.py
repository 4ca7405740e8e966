"""One call of a model: the request, and the response, as ``Tract.record`` takes them."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from blake3 import blake3

from tract.adapters.wrapping.going_on import RESPONSE_ID, Records, before, can_be_named
from tract.adapters.wrapping.noticing import noticed
from tract.errors import ContentValidationError, LLMError, RecordWarning, TractError
from tract.objects.content import RecordContent
from tract.objects.json import NotJsonError, parse_json
from tract.objects.kept import check_message, check_sendable, dumped, without_nulls
from tract.writing.answers import Answer, given_answer, read_answer

_MESSAGES = {"openai": "messages", "responses": "input", "anthropic": "messages"}
_NO_BODY = frozenset({"extra_headers", "extra_query", "extra_body", "timeout", "idempotency_key"})
_CONFIG = frozenset({
    "model", "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "max_output_tokens", "seed",
    "reasoning_effort", "reasoning", "thinking", "stop", "stop_sequences", "frequency_penalty", "presence_penalty",
})  # fmt: skip

_FRAME = frozenset({"role", "type", "id", "status", "index"})
_INSIDE = (__file__.removesuffix("adapters/wrapping/exchange.py"), contextlib.__file__)

ERROR = "llm_error"
"""The kind of the records of calls that failed."""


class Recorder:
    """Records calls in a tract, for a client of *provider*."""

    def __init__(self, t: Records, provider: str, *, raises: bool) -> None:
        self.tract = t
        self.provider = provider
        self.raises = raises

    def begin(self, format: str, options: Mapping[str, Any]) -> Exchange:
        """A call about to be made, with these *options*."""
        return Exchange(self, format, options)

    def tell(self, text: str) -> None:
        """Warn about a part that is not recorded."""
        if self.raises:
            raise TractError(text)
        warn(text)


class Exchange:
    """One call: recorded once, however it ends."""

    def __init__(self, recorder: Recorder, format: str, options: Mapping[str, Any]) -> None:
        self._recorder = recorder
        self._format = format
        self._options = options
        self._sent: bytes | None = None

    def sends(self, data: bytes) -> None:
        """Note that the request is sent with the body *data*."""
        self._sent = data

    @cached_property
    def _body(self) -> dict[str, Any]:
        """The sent body as JSON; if it was not seen, the call's arguments."""
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
        """Run *do*; a failure must not reach the caller."""
        try:
            do()
        except Exception as exc:  # whatever the error, the caller has its answer
            if self._recorder.raises:
                raise
            warn(f"a call could not be recorded: {exc}")

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """While the call is made, notice its request, and record its failure."""
        with noticed(self.sends):
            try:
                yield
            except GeneratorExit:  # no caller waits for it any more
                raise
            except BaseException as exc:
                self.failed(exc)
                raise

    def answered(self, answer: Any) -> None:
        """Record that the call returned *answer*, an SDK's object."""
        self.guarded(lambda: self.answered_with(answer))

    def answered_with(self, answer: Any) -> None:
        """Record *answer*, an SDK's object or its JSON; only the question if it is not an answer."""
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
        """Record a stream, whose content *so_far* returns: the whole, or if *is_cut*, as much as came."""

        def record() -> None:
            came = None
            with suppress(LLMError):  # nothing of an answer came
                came = so_far()
            answer = came if isinstance(came, Answer) or came is None else given_answer(came)
            if answer is not None and is_cut() and all(_is_empty(one.message) for one in answer.contents):
                answer = None
            if answer is None and error is not None:
                self._fail(error)
                return
            try:
                self._record(answer, partial=is_cut())
            finally:
                if error is not None and not isinstance(error, GeneratorExit):
                    self._note(error)

        self._beside(error, record)

    def failed(self, error: BaseException) -> None:
        """Record that the call raised *error*, which the caller gets whatever happens to the record."""
        self._beside(error, lambda: self._fail(error))

    def _beside(self, error: BaseException | None, do: Callable[[], object]) -> None:
        """Run *do*, whose failure must not reach the caller; if there is an *error* to raise, the failure becomes a note on it."""
        try:
            self.guarded(do)
        except Exception as exc:
            if error is None:
                raise
            error.add_note(f"tract: the call could not be recorded: {exc}")

    def failed_as(self, about: Mapping[str, Any]) -> None:
        """Record that the call failed, as *about* says."""

        def record() -> None:
            try:
                self._record(None)
            finally:
                self._recorder.tract.commit(RecordContent(ERROR, dict(about)))

        self.guarded(record)

    def _fail(self, error: BaseException) -> None:
        came = getattr(error, "completion", None)  # OpenAI's ``parse`` has it in its error where it was cut
        try:
            self._record(given_answer(came) if hasattr(came, "model_dump") else None, partial=True)
        finally:
            self._note(error)

    def _note(self, error: BaseException) -> None:
        about: dict[str, Any] = {"error": type(error).__name__, "message": str(error)[:1000]}
        status = getattr(error, "status_code", None)
        request = getattr(error, "request_id", None)
        more = {"status": status if isinstance(status, int) else None, "request_id": request if isinstance(request, str) else None}  # fmt: skip
        about |= {name: value for name, value in more.items() if value is not None}
        self._recorder.tract.commit(RecordContent(ERROR, about))

    def _about(self, answer: Answer, *, partial: bool) -> dict[str, Any]:
        """The facts stored beside *answer*."""
        body = self._body
        settings = {name: value for name, value in body.items() if name in _CONFIG}
        others = {"other_choices": [*answer.others]} if answer.others else {}
        named = {RESPONSE_ID: answer.id} if answer.id and can_be_named(body, self._format) else {}
        return {
            "usage": answer.usage or None,
            "generation_config": {**settings, **(answer.generation_config or {})} or None,
            "request": self._request,
            "metadata": {**({"partial": True} if partial else {}), **named, **others} or None,
        }

    def _record(self, answer: Answer | None, *, partial: bool = False) -> None:
        """Make the context the sent messages and the answer."""
        t, body = self._recorder.tract, self._body
        has_list = _MESSAGES[self._format] in body
        if answer is None and not has_list:
            return
        behind = before(t, body, self._format, has_list=has_list)
        new = [content.message for content in answer.contents] if answer is not None else []
        listed = [*behind.items, *self._items, *new]
        ids = [one.get("id") for one in new]
        keys = [None] * (len(listed) - len(new)) + [id if isinstance(id, str) else None for id in ids]
        about: dict[str, Any] = {} if answer is None else self._about(answer, partial=partial)
        try:
            told = self._record_list(listed, keys, about)
        except ContentValidationError:
            if answer is None:
                raise
            # A part of the request looks like a secret, or cannot be stored; the conversation can.
            kept = {name: value for name, value in (about["metadata"] or {}).items() if name != "other_choices"}
            told = self._record_list(listed, keys, {"usage": about["usage"], "metadata": kept or None})
            told.append("the request's settings were left out: they cannot be kept")
        if behind.told:
            told.append(behind.told)
        if told:
            raise TractError("; ".join(told))

    def _record_list(self, items: Sequence[Any], keys: Sequence[str | None], about: Mapping[str, Any]) -> list[str]:
        """Make the context these *items*; unreadable ones are left out, and reported."""
        try:
            self._recorder.tract.record(self._with_instructions(items), format=self._format, keys=keys, **about)
        except ContentValidationError:
            wrong = {at: why for at, one in enumerate(items) if (why := _unreadable(one, self._format))}
            if not wrong:
                raise
            rest = [at for at in range(len(items)) if at not in wrong]
            self._record_list([items[at] for at in rest], [keys[at] for at in rest], about)
            return [f"message {at + 1} was left out: {why}" for at, why in wrong.items()]
        return []

    def _with_instructions(self, items: Sequence[Any]) -> Any:
        """A body with *items*, if the request keeps instructions apart from its messages."""
        name = {"anthropic": "system", "responses": "instructions"}.get(self._format)
        apart = None if name is None else self._body.get(name)
        return {name: apart, _MESSAGES[self._format]: items} if apart else items


def _unreadable(item: Any, format: str) -> str:
    """Why *item* is not a message in *format*; "" if it is."""
    try:
        check_message(item, format)
        check_sendable(item, format)
    except ContentValidationError as exc:
        return str(exc)
    return ""


def _is_empty(value: Any) -> bool:
    """Whether *value*, a message or a part of one, has no content."""
    if isinstance(value, Mapping):
        return all(_is_empty(item) for name, item in value.items() if name not in _FRAME)
    return all(map(_is_empty, value)) if isinstance(value, list) else not value


def warn(text: str) -> None:
    """Warn at the line that called the client."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INSIDE):
        frame, level = frame.f_back, level + 1
    warnings.warn(RecordWarning(text), stacklevel=level)


def plain(value: Any) -> Any:
    """*value* as the JSON that the client sends for it; for a class, its name."""
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
    """Whether *value* is not one of the SDKs' markers for an argument that was not given."""
    return type(value).__name__ not in ("NotGiven", "Omit")
