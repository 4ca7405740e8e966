"""One summary from a model or any function: asked for, checked, and asked for again with a note of its fault.

    request ── summariser ──▸ text ── check ──▸ kept
                   ▴                    │
                   └──── the problem ◂──┘       at most ATTEMPTS times

A summary must be a complete text, shorter than the messages it replaces, and contain everything it must keep; it should be within its target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tract.curation.compress.result import MustKeep, Requirements
from tract.dataclass import dataclass, replace
from tract.errors import CompressionError, ContentValidationError, LLMConfigError, LLMError, LLMResponseError
from tract.llm.callables import as_client, check_whole, read_summary
from tract.llm.prompts import Prompt, load_prompt
from tract.llm.types import ChatMessage, LLMClient, LLMResponse, Summary, SummaryRequest
from tract.messages import chat_excerpt, compact_json, message_text, tool_units
from tract.messages.message import Message
from tract.objects.kept import plain_json
from tract.writing.credentials import checked_config

PROMPT = "summary"
ATTEMPTS = 3
_SHORT = 1024
"""A summary of this many tokens fits into any client's usual limit for an answer."""

_MOST_USED = 2**53
"""More tokens than any provider ever counted."""

_MOST_SHOWN = 20_000
"""The characters of a refused summary that the model sees again."""

Summariser = Callable[[SummaryRequest], Summary | str]

Block = tuple[ChatMessage, ...]
"""Messages that stay together: a single one, or a tool's call and its results with everything between."""


def choose_summariser(
    summariser: Any, client: LLMClient | None, *, model: str | None = None, prompts: str | Path | None = None
) -> Summariser:
    """The given *summariser*, else one that asks the configured model.

    LLMConfigError if there is neither, or if *summariser* cannot be called.
    """
    if summariser is not None:
        if not callable(summariser):
            raise LLMConfigError(f"a summariser must be callable, and {type(summariser).__name__} is not")
        given: Summariser = summariser
        return given
    if client is None:
        raise LLMConfigError(
            "a compression without content needs a model: give a summariser, or configure a client with configure_llm"
        )
    return llm_summariser(client, model=model, prompts=prompts)


def llm_summariser(
    client: LLMClient | Callable[..., Any],
    *,
    model: str | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    prompts: str | Path | None = None,
) -> Summariser:
    """A summariser that asks a model; *client* may be any callable of messages.

    *prompts* is a folder whose ``summary.txt`` takes the place of tract's own prompt.
    """
    asked = as_client(client)
    prompt = load_prompt(PROMPT, prompts)

    return _ModelSummariser(asked, prompt, model, temperature, max_tokens)


@dataclass(frozen=True, slots=True)
class _ModelSummariser:
    """Asks a model."""

    client: LLMClient
    prompt: Prompt
    model: str | None
    temperature: float | None
    max_tokens: int | None

    @property
    def identity(self) -> str:
        """A name for the model and the prompt, so that another model or prompt does not reuse this one's pieces."""
        model = self.model if self.model is not None else getattr(self.client, "default_model", None)
        asked = (model, self.temperature, self.prompt.label, self.prompt.text)
        return repr((type(self.client).__qualname__, *asked))

    def __call__(self, request: SummaryRequest) -> Summary:
        messages = _question(self.prompt, request)
        limit = self.max_tokens if self.max_tokens is not None else _room_for(request.target_tokens)
        answer = self.client.chat(messages, model=self.model, temperature=self.temperature, max_tokens=limit)
        label = self.prompt.label if request.system_prompt is None else f"{PROMPT} (own)"
        return _read_answer(answer, label)


def _room_for(target: int | None) -> int | None:
    """The token limit for an answer of about *target* tokens, with room to think; None if a client's own limit is enough."""
    return 4 * target if target is not None and target > _SHORT else None


def _question(prompt: Prompt, request: SummaryRequest) -> list[ChatMessage]:
    shown = (("before", request.before), ("messages", request.messages), ("after", request.after))
    parts = [f"{name}:\n{as_text(messages)}" for name, messages in shown if messages]
    if request.target_tokens is not None:
        parts.append(f"Write at most {request.target_tokens} tokens, about {request.target_tokens * 3 // 4} words.")
    if request.must_keep:
        parts.append(
            "The summary has to contain, word for word:\n" + "\n".join(f"- {one}" for one in request.must_keep)
        )
    if request.instructions:
        parts.append(f"What the user wants of the summary:\n{request.instructions}")
    question: list[ChatMessage] = [
        {"role": "system", "content": request.system_prompt if request.system_prompt is not None else prompt.text},
        {"role": "user", "content": "\n\n".join(parts)},
    ]
    if request.problem is not None:
        if request.previous:
            question.append({"role": "assistant", "content": request.previous[:_MOST_SHOWN]})
        question.append(
            {"role": "user", "content": f"That cannot be used: {request.problem}. Write the summary anew, as a whole."}
        )
    return question


def _read_answer(answer: LLMResponse, label: str) -> Summary:
    check_whole(answer)
    return Summary(answer.text, answer.generation_config or {"model": answer.model}, answer.usage, label)


def checked_summary(summariser: Summariser, request: SummaryRequest, requirements: Requirements) -> Summary:
    """*summariser*'s summary, after up to ATTEMPTS attempts; if none is good, the best of them. Its usage is that of all attempts.

    CompressionError if the summariser fails or gives no text that can be kept; LLMError if the provider does not answer.
    """
    request = replace(request, must_keep=_words_of(requirements.must_keep, request.messages))
    best: Summary | None = None
    usage: dict[str, Any] = {}
    problem = ""
    for _ in range(ATTEMPTS):
        try:
            found = _ask(summariser, request)
        except LLMResponseError as exc:
            if not _is_nonsense(exc):
                raise
            problem = str(exc)
            request = replace(request, previous=exc.text or None, problem=problem)
            continue
        add_usage(usage, found.usage)
        problems = (*requirements.errors(found.text), *requirements.misses(found.text))
        best = found if best is None else min(best, found, key=lambda each: _rank(each, requirements))
        if not problems:
            best = found
            break
        request = replace(request, previous=found.text, problem="; ".join(problems))
    if best is None:
        raise CompressionError(f"no summary after {ATTEMPTS} attempts: {problem}")
    return replace(best, usage=usage)


def _rank(summary: Summary, requirements: Requirements) -> tuple[int, int]:
    return len(requirements.errors(summary.text)), requirements.count(summary.text)


def _ask(summariser: Summariser, request: SummaryRequest) -> Summary:
    try:
        answer = read_summary(summariser(request))
    except LLMError:
        raise
    except Exception as exc:
        raise CompressionError(f"the summariser failed: {type(exc).__name__}: {exc}") from exc
    return _checked_answer(answer)


def _checked_answer(answer: Summary) -> Summary:
    """The answer, if it can be kept. LLMResponseError for a text that cannot, so that it is asked for again; CompressionError for a config, usage or prompt that cannot."""
    try:
        plain_json("a summary", answer.text)
    except ContentValidationError as exc:
        raise LLMResponseError(str(exc)) from exc
    try:
        config = checked_config(dict(answer.generation_config or {}) or None)
        prompt = plain_json("prompt", None if answer.prompt is None else str(answer.prompt))
        return Summary(answer.text, config or {}, dict(answer.usage or {}), None if prompt is None else str(prompt))
    except (ContentValidationError, TypeError, ValueError) as exc:
        raise CompressionError(f"the generation config or usage of the summary cannot be kept: {exc}") from exc


def _is_nonsense(exc: LLMResponseError) -> bool:
    """Whether there was an answer that is not a summary, so that asking again may help; otherwise there was no answer."""
    return not exc.is_transient and exc.status is None


def _words_of(must_keep: Sequence[MustKeep], messages: Sequence[ChatMessage]) -> tuple[str, ...]:
    """The words that the model is told to keep: the texts, and for each pattern the words it matches in the messages."""
    words: dict[str, None] = {}
    text = plain_text(messages)
    for one in must_keep:
        if isinstance(one, str):
            words[one] = None
        else:
            match = one.search(text)
            words[match.group() if match and match.group() else f"something that matches /{one.pattern}/"] = None
    return tuple(words)


def add_usage(total: dict[str, Any], usage: Mapping[str, Any]) -> None:
    """Add the whole numbers of a provider's *usage* to *total*; an impossibly large one is left out."""
    for key, value in usage.items():
        if isinstance(key, str) and type(value) is int and 0 <= value < _MOST_USED:
            total[key] = total.get(key, 0) + value


# Messages as a summariser reads them: in blocks that are never cut, without pictures and sounds


def blocks_of(messages: Sequence[Message]) -> tuple[Block, ...]:
    """*messages* in blocks, in order."""
    ends = list(range(len(messages)))
    for at, unit in tool_units(messages).of.items():
        ends[at] = unit[-1]
    blocks: list[Block] = []
    start = end = 0
    for at, last in enumerate(ends):
        end = max(end, last)
        if at == end:
            blocks.append(chat_messages(messages[start : at + 1]))
            start = end = at + 1
    return tuple(blocks)


def chat_messages(messages: Sequence[Message]) -> Block:
    """*messages* in OpenAI's chat format."""
    rendered = chat_excerpt(messages)
    if rendered:
        return tuple(_readable(message) for message in rendered)
    return tuple({"role": message.role, "content": message_text(message)} for message in messages)


def _readable(message: dict[str, Any]) -> ChatMessage:
    """The message with its text parts, and only the names of its other parts."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": "\n".join(_part_text(part) for part in content)}


def _part_text(part: Any) -> str:
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return str(part["text"])
    kind = part.get("type", "part") if isinstance(part, dict) else "part"
    return f"[{kind} left out]"


def as_text(messages: Iterable[ChatMessage]) -> str:
    """*messages* as a model reads them: JSON, one message a line."""
    return "\n".join(compact_json(dict(message)) for message in messages)


def plain_text(messages: Iterable[ChatMessage]) -> str:
    """The texts and calls of *messages*, without the JSON around them."""
    texts: list[str] = []
    for message in messages:
        texts.append(str(message.get("content") or ""))
        for call in message.get("tool_calls") or ():
            function = call.get("function") if isinstance(call, dict) else None
            texts.append(str(function.get("arguments")) if isinstance(function, dict) else compact_json(call))
    return "\n".join(texts)


def slices_of(block: Block, parts: int) -> Iterator[Block]:
    """A block that is too long for a model, as *parts* slices of its text."""
    text = as_text(block)
    size = -(-len(text) // parts)
    for at in range(0, len(text), size):
        lead = f"[part {at // size + 1} of {parts} of one long message]\n"
        yield ({"role": str(block[0].get("role", "user")), "content": lead + text[at : at + size]},)
