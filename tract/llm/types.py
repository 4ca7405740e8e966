"""The values that go to and from a model, a resolver and a summariser.

    messages ── LLMClient.chat ──▸ LLMResponse
    ResolveRequest ── resolver ──▸ Resolution
    SummaryRequest ── summariser ──▸ Summary

Messages are dicts in OpenAI's chat format; the client of another provider converts them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, TypedDict, Unpack, runtime_checkable

from tract.dataclass import KW_ONLY, dataclass, field
from tract.errors import LLMResponseError

ChatMessage: TypeAlias = Mapping[str, Any]
"""A message in OpenAI's chat format: ``role``, ``content`` and any other keys."""

ResolveAction: TypeAlias = Literal["resolved", "abort"]

_CUT = frozenset({"length", "max_tokens", "model_context_window_exceeded"})
_REFUSED = frozenset({"refusal", "content_filter"})
_NO_SETTING = frozenset({"tools", "system", "metadata", "user"})


@dataclass(frozen=True, slots=True)
class LLMRequest:
    """One question to a model; ``options`` are further keys that its provider knows."""

    messages: tuple[ChatMessage, ...]
    model: str
    temperature: float | None = None
    max_tokens: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, messages: Sequence[ChatMessage], model: str, options: Mapping[str, Any]) -> LLMRequest:
        """The question with a client's *options*; *model* is used if the options name none."""
        given = {key: value for key, value in options.items() if value is not None}
        given |= given.pop("extra_body", {})
        named, temperature, most = (given.pop(name, None) for name in ("model", "temperature", "max_tokens"))
        return cls(tuple(messages), named or model, temperature, most, given)

    @property
    def generation_config(self) -> dict[str, Any]:
        """The settings of this question, as ``commit(generation_config=…)`` takes them: no texts, no tools."""
        given = {"model": self.model, "temperature": self.temperature, "max_tokens": self.max_tokens}
        settings = {key: value for key, value in self.options.items() if key not in _NO_SETTING}
        return {key: value for key, value in given.items() if value is not None} | settings


@dataclass(frozen=True, slots=True)
class LLMResponse:
    """A model's whole answer.

    ``message`` is the answer as its provider returned it, in the provider's own ``format``; ``text`` is the text in it, empty if it has only tool calls.
    ``usage`` is the provider's own dict, empty if it sent none; ``finish_reason`` is the provider's word.
    ``model`` is the model that answered; ``generation_config`` has the settings it was asked with.
    """

    text: str
    message: Mapping[str, Any]
    _: KW_ONLY
    model: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)
    finish_reason: str | None = None
    request_id: str | None = None
    format: Literal["openai", "anthropic"] = "openai"
    generation_config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_cut(self) -> bool:
        """Whether the model stopped because it ran out of tokens."""
        return self.finish_reason in _CUT

    @property
    def is_refusal(self) -> bool:
        """Whether the model, or a filter behind it, declined to answer."""
        return self.finish_reason in _REFUSED or bool(self.message.get("refusal"))


class ChatOptions(TypedDict, total=False):
    """What a question may set besides its messages; None is not sent.

    *system* and *thinking* are Anthropic's; *extra_body* has any other keys that a provider knows.
    """

    model: str | None
    temperature: float | None
    max_tokens: int | None
    top_p: float | None
    stop: str | Sequence[str] | None
    seed: int | None
    tools: Sequence[Mapping[str, Any]] | None
    tool_choice: str | Mapping[str, Any] | None
    response_format: Mapping[str, Any] | None
    reasoning_effort: str | None
    system: str | Sequence[Mapping[str, Any]] | None
    thinking: Mapping[str, Any] | None
    metadata: Mapping[str, Any] | None
    extra_body: Mapping[str, Any] | None


@runtime_checkable
class LLMClient(Protocol):
    """Anything that answers messages; ``as_client`` makes one from any function."""

    def chat(self, messages: Sequence[ChatMessage], **options: Unpack[ChatOptions]) -> LLMResponse:
        """The whole answer to *messages*."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveRequest:
    """One place of a context that two sides changed differently.

    ``base``, ``ours`` and ``theirs`` are the message there on each side; None if a side has none.
    ``before`` and ``after`` are the messages around it, in order.
    ``kind`` is a fixed word for the kind of conflict; ``target`` is the hexadecimal id of the commit that introduced the message.
    """

    kind: str
    target: str
    base: ChatMessage | None
    ours: ChatMessage | None
    theirs: ChatMessage | None
    before: tuple[ChatMessage, ...] = ()
    after: tuple[ChatMessage, ...] = ()
    ours_name: str = "ours"
    theirs_name: str = "theirs"


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a resolver decided: the new text of the message, or that a person must decide.

    ``reasoning`` is for readers of the merge.
    ``generation_config``, ``usage`` and ``prompt`` (``name@version``) are recorded on the commit; they are empty if a person decided.
    """

    action: ResolveAction
    text: str | None = None
    reasoning: str | None = None
    generation_config: Mapping[str, Any] = field(default_factory=dict)
    usage: Mapping[str, Any] = field(default_factory=dict)
    prompt: str | None = None

    def __post_init__(self) -> None:
        if self.action not in ("resolved", "abort"):
            raise LLMResponseError(f"a resolution's action is 'resolved' or 'abort', not {self.action!r:.60}")
        if self.action == "resolved" and not isinstance(self.text, str):
            raise LLMResponseError(f"a resolution's text must be a text, not {type(self.text).__name__}")
        if self.action == "abort" and self.text is not None:
            raise LLMResponseError("a resolution that aborts has no text")


@runtime_checkable
class ResolverCallable(Protocol):
    """A function that decides a conflict; if it returns a str, that is the resolved text (``read_resolution``)."""

    def __call__(self, request: ResolveRequest, /) -> Resolution | str: ...


@dataclass(frozen=True, slots=True)
class SummaryRequest:
    """Messages to sum up in at most about ``target_tokens`` tokens (None: as short as possible).

    ``before`` and ``after`` stay in the context; they help to understand the messages, and are not summed up.
    ``instructions`` are the user's own; ``system_prompt`` replaces the usual one.
    ``must_keep`` are texts that the summary must contain word for word.
    If a summary is asked for again, ``previous`` is the last answer and ``problem`` says what was wrong with it.
    """

    messages: tuple[ChatMessage, ...]
    target_tokens: int | None = None
    _: KW_ONLY
    instructions: str | None = None
    system_prompt: str | None = None
    before: tuple[ChatMessage, ...] = ()
    after: tuple[ChatMessage, ...] = ()
    must_keep: tuple[str, ...] = ()
    previous: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """The text of a summary, and how it was made; the last three fields are as in ``Resolution``."""

    text: str
    generation_config: Mapping[str, Any] = field(default_factory=dict)
    usage: Mapping[str, Any] = field(default_factory=dict)
    prompt: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip():
            found = "an empty text" if isinstance(self.text, str) else type(self.text).__name__
            raise LLMResponseError(f"a summary must be a text with something in it, not {found}")


@runtime_checkable
class SummariserCallable(Protocol):
    """A function that sums messages up; if it returns a str, that is the text of the summary (``read_summary``)."""

    def __call__(self, request: SummaryRequest, /) -> Summary | str: ...
