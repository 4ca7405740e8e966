"""The model that a command asks, from what the environment says."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from tract.cli.command import Args, Param
from tract.cli.console import Console
from tract.errors import LLMConfigError

if TYPE_CHECKING:
    from tract.llm.client import ProviderClient

MODEL_PARAMS = (
    Param(
        "provider",
        ("--provider",),
        metavar="NAME",
        choices=("openai", "anthropic"),
        help="Whose model: openai (or any server at OPENAI_BASE_URL), anthropic; without it, the one whose key is set.",
    ),
    Param("model", ("--model",), metavar="MODEL", help="Which model; without it, the client's usual one."),
)

_KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}


def open_client(console: Console, args: Args) -> closing[ProviderClient]:
    """The client of the provider that is asked for, else of the one whose key is in the environment; it closes with the block.

    LLMConfigError when there is no key.
    """
    found = [name for name, key in _KEYS.items() if console.environ.get(key)]
    provider = args.provider or (found[0] if found else None)
    if provider is None:
        raise LLMConfigError(f"no model to ask: neither {' nor '.join(_KEYS.values())} is set")
    key = console.environ.get(_KEYS[provider], "")
    if not key:
        raise LLMConfigError(f"no key for the provider: {_KEYS[provider]} is not set")
    return closing(_client(console, provider, key))


def _client(console: Console, provider: str, key: str) -> Any:
    # httpx takes longer to load than most commands to run.
    if provider == "openai":
        from tract.llm.openai import OpenAIClient

        return OpenAIClient(key, console.environ.get("OPENAI_BASE_URL"))
    from tract.llm.anthropic import AnthropicClient

    return AnthropicClient(key, console.environ.get("ANTHROPIC_BASE_URL"))
