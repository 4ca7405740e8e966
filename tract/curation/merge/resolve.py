"""Resolvers: functions, or models, that decide the conflicts of a merge.

A resolver gets a ``ResolveRequest`` and returns a ``Resolution``, or the message's new text.
If it returns None, the conflict stays: open, or, for contents that only overlap, as both sides have them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tract.curation.editable import value_with_text
from tract.curation.merge.result import MergeConflict, MergeResolution, MergeResult, Resolver
from tract.errors import ContentValidationError, LLMConfigError, LLMError, LLMResponseError, MergeError
from tract.messages import compact_json

if TYPE_CHECKING:  # a merge without conflicts asks no model
    from tract.llm.prompts import Prompt
    from tract.llm.types import ChatMessage, LLMClient, LLMResponse, Resolution, ResolveRequest

PROMPT = "merge-conflict"


def choose_resolver(resolver: Any, client: Any, strategy: str, prompts: str | Path | None = None) -> Resolver | None:
    """The given *resolver*, else for ``semantic`` one that asks the configured model, else None.

    LLMConfigError if a model is needed and none is configured, or if *resolver* cannot be called.
    """
    if resolver is not None:
        if not callable(resolver):
            raise LLMConfigError(f"a resolver must be callable, and {type(resolver).__name__} is not")
        given: Resolver = resolver
        return given
    if strategy != "semantic":
        return None
    if client is None:
        raise LLMConfigError(
            "a semantic merge needs a model: give a resolver, or configure a client with configure_llm"
        )
    return llm_resolver(client, prompts=prompts)


def resolve_conflicts(result: MergeResult, resolver: Resolver | None) -> MergeResult:
    """*result* with *resolver*'s decisions about every conflict that is still open; nothing moves.

    MergeError names the conflict if the resolver fails, gives up or returns a value that cannot be the message; LLMError if its model cannot be reached.
    """
    if resolver is None:
        return result
    settled = {one.commit_hash for one in result.resolutions}
    made = (resolve_conflict(resolver, one) for one in result.conflicts if one.commit_hash not in settled)
    return result.with_resolution(*filter(None, list(made)))


def resolve_conflict(resolver: Resolver, conflict: MergeConflict) -> MergeResolution | None:
    """*resolver*'s decision about one conflict, None if it leaves it open; errors as of :func:`resolve_conflicts`."""
    name = f"message {conflict.commit_hash[:16]} ({conflict.kind})"
    try:
        answer = resolver(conflict.request)
    except LLMError as exc:
        if _is_of_provider(exc):
            raise  # for the caller to mend, and then to try again
        raise MergeError(f"the resolver failed on {name}: {exc}") from exc
    except Exception as exc:
        raise MergeError(f"the resolver failed on {name}: {type(exc).__name__}: {exc}") from exc
    if answer is None:
        return None
    from tract.llm.callables import read_resolution, saying

    try:
        found = read_resolution(answer)
    except LLMResponseError as exc:
        raise MergeError(f"the resolver's answer on {name} is not valid: {exc}") from exc
    if found.action == "abort":
        why = f": {found.reasoning}" if found.reasoning else ""
        raise MergeError(f"the resolver gave up on {name}{why}")
    text = found.text or ""
    if not text.strip():
        raise MergeError(f"the resolver's answer on {name} is empty")
    try:
        value = value_with_text(conflict.value, text, conflict.format)
    except ContentValidationError as exc:
        raise MergeError(f"the resolver's answer on {name} cannot be the message: {exc}{saying(text)}") from exc
    return MergeResolution(
        conflict.commit_hash,
        "content",
        value=value,
        resolved_by="resolver",
        reasoning=found.reasoning,
        generation_config=found.generation_config,
        usage=found.usage,
        prompt=found.prompt,
    )


def _is_of_provider(exc: LLMError) -> bool:
    """Whether there was no answer, for example for want of a key; otherwise there was one, and it was nonsense."""
    return not isinstance(exc, LLMResponseError) or exc.is_transient or exc.status is not None


def llm_resolver(
    client: LLMClient | Callable[..., Any],
    *,
    model: str | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    prompts: str | Path | None = None,
) -> Resolver:
    """A resolver that asks a model; *client* may be any callable of messages.

    *prompts* is a folder whose ``merge-conflict.txt`` takes the place of tract's own prompt.
    The model must begin its answer with a line RESOLVED, KEEP or ABORT; any other answer is a LLMResponseError.
    """
    from tract.llm.callables import as_client
    from tract.llm.prompts import load_prompt

    asked = as_client(client)
    prompt = load_prompt(PROMPT, prompts)

    def resolve(request: ResolveRequest) -> Resolution | None:
        messages = _question(prompt, request)
        answer = asked.chat(messages, model=model, temperature=temperature, max_tokens=max_tokens)
        return _read_answer(answer, prompt)

    return resolve


def _question(prompt: Prompt, request: ResolveRequest) -> list[ChatMessage]:
    asked = (
        ("before", list(request.before)),
        ("base", request.base),
        (f"ours ({request.ours_name})", request.ours),
        (f"theirs ({request.theirs_name})", request.theirs),
        ("after", list(request.after)),
    )
    shown = "\n\n".join(f"{name}:\n{compact_json(value)}" for name, value in asked)
    return [
        {"role": "system", "content": prompt.text},
        {"role": "user", "content": f"kind: {request.kind}\n\n{shown}"},
    ]


def _read_answer(answer: LLMResponse, prompt: Prompt) -> Resolution | None:
    from tract.llm.callables import check_whole
    from tract.llm.types import Resolution

    check_whole(answer)

    word, _, rest = answer.text.strip().partition("\n")
    if word.strip() == "KEEP" and not rest.strip():
        return None
    if word.strip() == "RESOLVED":
        about = (answer.generation_config or {"model": answer.model}, answer.usage, prompt.label)
        return Resolution("resolved", rest, None, *about)
    if word.startswith("ABORT"):
        return Resolution("abort", reasoning=f"{word.removeprefix('ABORT')}\n{rest}".strip(" :\n") or None)
    raise LLMResponseError(f"the model's answer begins with neither RESOLVED, KEEP nor ABORT but {word[:60]!r}")
