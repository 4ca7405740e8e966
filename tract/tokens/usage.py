"""Usage: the tokens a provider counted, under one set of names.

The names are those of OpenTelemetry GenAI: ``gen_ai.usage.input_tokens`` includes tokens read from and written to a cache, whichever way the provider counts.

| shape | input | cached |
|---|---|---|
| OpenAI chat | ``prompt_tokens`` | in it: ``prompt_tokens_details.cached_tokens`` |
| OpenAI Responses | ``input_tokens`` | in it: ``input_tokens_details.cached_tokens`` |
| Anthropic | ``input_tokens`` | beside it: ``cache_read_input_tokens``, ``cache_creation_input_tokens`` |
| Gemini | ``prompt_token_count`` | in it: ``cached_content_token_count`` |
| LangChain | ``input_tokens`` | in it: ``input_token_details.cache_read``, ``.cache_creation`` |
| Pydantic AI | ``input_tokens`` | in it: ``cache_read_tokens``, ``cache_write_tokens`` |

Gemini counts its thoughts beside the answer (``thoughts_token_count``) and the results of its own tools beside the prompt (``tool_use_prompt_token_count``); both are added to the output or input they belong to.
Its names are read in camel case too, as its REST API has them.
"""

from __future__ import annotations

from collections.abc import Mapping

from tract.annotations import Any
from tract.dataclass import asdict, dataclass, field, is_dataclass
from tract.errors import ContentValidationError
from tract.messages import copy_json

INPUT = "gen_ai.usage.input_tokens"
OUTPUT = "gen_ai.usage.output_tokens"
CACHE_READ = "gen_ai.usage.cache_read.input_tokens"
CACHE_CREATION = "gen_ai.usage.cache_creation.input_tokens"

GROUPINGS = ("model", "branch", "day")
"""The keys by which usage can be grouped."""

_MOST = 2**53


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """The tokens of one call to a model.

    ``input_tokens`` includes cached ones; ``original`` is the provider's own dict.
    """

    input_tokens: int
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    original: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens"):
            _check(name, getattr(self, name))


def read_usage(usage: Mapping[str, Any] | TokenUsage) -> TokenUsage:
    """The usage in a provider's own dict; ContentValidationError for one of no known shape."""
    from tract.objects.kept import plain_json  # only who records usage needs it

    if isinstance(usage, TokenUsage):
        return usage
    if not isinstance(usage, Mapping):
        usage = _fields_of(usage)
    return _read_dict(plain_json("usage", dict(usage)))


def read_usage_json(usage: dict[str, Any]) -> TokenUsage:
    """The same for a dict that was read from JSON and that no caller changes."""
    return _read_dict(usage)


def _fields_of(usage: Any) -> Mapping[str, Any]:
    """The fields of an SDK's own usage object: a pydantic model's or a dataclass's."""
    dump = getattr(usage, "model_dump", None)
    if dump is not None:
        # In JSON's types, for some have enums and dates in them.
        found: Mapping[str, Any] = dump(mode="json")
        return found
    if is_dataclass(usage) and not isinstance(usage, type):
        return asdict(usage)
    raise ContentValidationError(f"usage must be a dict or a TokenUsage, not {type(usage).__name__}")


def _read_dict(usage: dict[str, Any]) -> TokenUsage:
    if "prompt_token_count" in usage or "promptTokenCount" in usage:
        return _read_gemini(usage)
    if "prompt_tokens" in usage:
        return _read(usage, "prompt_tokens", "completion_tokens", "prompt_tokens_details")
    if INPUT in usage:
        return TokenUsage(
            _number(usage, INPUT),
            _number(usage, OUTPUT, 0),
            _number(usage, CACHE_READ, 0),
            _number(usage, CACHE_CREATION, 0),
            usage,
        )
    if "cache_read_input_tokens" in usage or "cache_creation_input_tokens" in usage:
        return _read_anthropic(usage)
    if "cache_read_tokens" in usage or "cache_write_tokens" in usage:
        return _read_flat(usage)
    if "input_token_details" in usage:
        return _read(usage, "input_tokens", "output_tokens", "input_token_details", "cache_read", "cache_creation")
    if "input_tokens" in usage:
        return _read(usage, "input_tokens", "output_tokens", "input_tokens_details")
    keys = ", ".join(map(str, usage))[:100] or "none"
    raise ContentValidationError(f"usage of unknown shape (keys: {keys})")


def _read(
    usage: Mapping[str, Any],
    input: str,
    output: str,
    details: str,
    read: str = "cached_tokens",
    created: str = "cache_write_tokens",
) -> TokenUsage:
    """Usage whose input includes the cached tokens, which a dict of *details* also has separately."""
    inner = usage.get(details) or {}
    if not isinstance(inner, Mapping):
        raise ContentValidationError(f"usage: {details} must be a dict, not {type(inner).__name__}")
    return TokenUsage(
        _number(usage, input),
        _number(usage, output, 0),
        _number(inner, read, 0),
        _number(inner, created, 0),
        usage,
    )


def _read_flat(usage: Mapping[str, Any]) -> TokenUsage:
    """Pydantic AI's ``RequestUsage``."""
    read, created = _number(usage, "cache_read_tokens", 0), _number(usage, "cache_write_tokens", 0)
    return TokenUsage(_number(usage, "input_tokens"), _number(usage, "output_tokens", 0), read, created, usage)


def _read_gemini(usage: Mapping[str, Any]) -> TokenUsage:
    """Gemini's ``usage_metadata``, in either spelling."""

    def number(*words: str, default: int | None = 0) -> int:
        snake, camel = "_".join(words), words[0] + "".join(word.capitalize() for word in words[1:])
        return _number(usage, camel if usage.get(camel) is not None else snake, default)

    return TokenUsage(
        number("prompt", "token", "count", default=None) + number("tool", "use", "prompt", "token", "count"),
        number("candidates", "token", "count") + number("thoughts", "token", "count"),
        number("cached", "content", "token", "count"),
        0,
        usage,
    )


def _read_anthropic(usage: Mapping[str, Any]) -> TokenUsage:
    read = _number(usage, "cache_read_input_tokens", 0)
    created = _number(usage, "cache_creation_input_tokens", 0)
    return TokenUsage(
        _number(usage, "input_tokens") + read + created, _number(usage, "output_tokens", 0), read, created, usage
    )


def _number(usage: Mapping[str, Any], key: str, default: int | None = None) -> int:
    value = usage.get(key)
    if value is None:
        if default is None:
            raise ContentValidationError(f"usage: {key} is missing")
        return default
    _check(key, value)
    return int(value)


def _check(name: str, value: object) -> None:
    if type(value) is not int or not 0 <= value <= _MOST:
        raise ContentValidationError(f"usage: {name} must be a number of tokens, not {value!r:.40}")


def usage_body(usage: TokenUsage, *, answer: bool, counter: str, estimate: int) -> dict[str, Any]:
    """The note that keeps *usage*.

    *answer* says that the commit is what the model answered, so that its output is part of the context there; otherwise the context at the commit is what was sent.
    *estimate* is the context's tokens there by the counter named *counter*: what is appended or changed later is counted as the difference from it.
    """
    body: dict[str, Any] = {
        INPUT: usage.input_tokens,
        OUTPUT: usage.output_tokens,
        "answer": answer,
        "counter": counter,
        "estimate": estimate,
        "original": dict(usage.original),
    }
    if usage.cache_read_tokens:
        body[CACHE_READ] = usage.cache_read_tokens
    if usage.cache_creation_tokens:
        body[CACHE_CREATION] = usage.cache_creation_tokens
    return body


def counted_tokens(body: Mapping[str, Any]) -> int:
    """The tokens that the provider counted for the context at the note's commit; ContentValidationError if the note has no count."""
    return _number(body, INPUT) + (_number(body, OUTPUT) if body.get("answer") else 0)


def estimated_tokens(body: Mapping[str, Any]) -> int:
    """The counter's own figure for the same context; ContentValidationError if the note has none."""
    return _number(body, "estimate")


def usage_of(body: Mapping[str, Any]) -> TokenUsage:
    """The usage that a note keeps; ContentValidationError if it keeps none."""
    return TokenUsage(
        _number(body, INPUT),
        _number(body, OUTPUT),
        _number(body, CACHE_READ, 0),
        _number(body, CACHE_CREATION, 0),
        copy_json(body.get("original", {})),
    )
