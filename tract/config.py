"""What a tract can be told to do differently, and how that is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from tract.errors import ConfigError

_LONGEST_TEXT = 1000
_MOST_BYTES = 256 * 1024 * 1024  # what the format allows an object
DEEPEST = 128  # likewise


class BudgetAction(StrEnum):
    """What happens to a commit that would exceed the token budget."""

    WARN = "warn"
    REJECT = "reject"
    CALLBACK = "callback"


@dataclass(frozen=True, slots=True)
class TokenBudgetConfig:
    """A limit on the tokens of the compiled context.

    *callback* is called with (tokens after the commit, limit) where *action* is CALLBACK; it is not saved.
    """

    max_tokens: int
    action: BudgetAction = BudgetAction.WARN
    callback: Callable[[int, int], object] | None = None

    def __post_init__(self) -> None:
        if type(self.max_tokens) is not int or self.max_tokens <= 0:
            raise ConfigError(f"token budget must be a positive whole number, not {self.max_tokens!r}")
        try:
            object.__setattr__(self, "action", BudgetAction(self.action))
        except ValueError:
            known = ", ".join(action.value for action in BudgetAction)
            raise ConfigError(f"budget action {self.action!r} is unknown; known are {known}") from None


@dataclass(frozen=True, slots=True)
class TractConfig:
    """The settings of a tract.

    *token_budget* in tokens, or with what to do about it; *author* is who commits, None for the user's login name; *compile_cache_maxsize* is in snapshots.
    *max_message_size* is the most bytes that the content of a commit may have, as it is stored, and *max_message_depth* how many lists and maps may lie in one another in it.
    """

    token_budget: int | TokenBudgetConfig | None = None
    tokenizer_encoding: str = "o200k_base"
    default_branch: str = "main"
    compile_cache_maxsize: int = 8
    author: str | None = None
    max_message_size: int = _MOST_BYTES
    max_message_depth: int = DEEPEST

    def __post_init__(self) -> None:
        _check_type("tokenizer_encoding", self.tokenizer_encoding, str)
        _check_type("default_branch", self.default_branch, str)
        _check_type("compile_cache_maxsize", self.compile_cache_maxsize, int)
        if self.author is not None:
            _check_type("author", self.author, str)
        for name in ("tokenizer_encoding", "default_branch", "author"):
            text = getattr(self, name)
            if text is not None and not (text and text.isprintable()):
                raise ConfigError(f"{name} must be printable text, not {text!r}")
            if text is not None and len(text) > _LONGEST_TEXT:
                raise ConfigError(f"{name} must be no longer than {_LONGEST_TEXT} characters")
        if self.compile_cache_maxsize < 1:
            raise ConfigError(f"compile_cache_maxsize must be 1 or more, not {self.compile_cache_maxsize}")
        _check_limit("max_message_size", self.max_message_size, _MOST_BYTES, " bytes")
        _check_limit("max_message_depth", self.max_message_depth, DEEPEST)
        if self.token_budget is not None and not isinstance(self.token_budget, TokenBudgetConfig):
            TokenBudgetConfig(self.token_budget)

    @property
    def budget(self) -> TokenBudgetConfig | None:
        """The token budget in its long form."""
        if self.token_budget is None or isinstance(self.token_budget, TokenBudgetConfig):
            return self.token_budget
        return TokenBudgetConfig(self.token_budget)


def _check_type(name: str, value: object, expected: type) -> None:
    if type(value) is not expected:
        raise ConfigError(f"{name} must be {expected.__name__}, not {type(value).__name__}")


def _check_limit(name: str, value: int, most: int, unit: str = "") -> None:
    _check_type(name, value, int)
    if not 1 <= value <= most:
        raise ConfigError(f"{name} must be from 1 to {most}{unit}, not {value}")


def to_table(config: TractConfig) -> dict[str, str | int]:
    """The settings that differ from the default, flat, as config.toml keeps them."""
    table: dict[str, str | int] = {}
    default = TractConfig()
    for field in fields(config):
        value = getattr(config, field.name)
        if value != getattr(default, field.name) and field.name != "token_budget":
            table[field.name] = value
    if config.budget is not None:
        table["token_budget"] = config.budget.max_tokens
        table["budget_action"] = config.budget.action.value
    return table


def from_table(table: dict[str, Any]) -> TractConfig:
    """The settings in *table*; ConfigError names a key that is unknown or a value that makes no sense."""
    values = dict(table)
    action = values.pop("budget_action", BudgetAction.WARN)
    known = {field.name for field in fields(TractConfig)}
    for key in values:
        if key not in known:
            raise ConfigError(f"unknown setting {key!r}")
    if values.get("token_budget") is not None:
        values["token_budget"] = TokenBudgetConfig(values["token_budget"], action)
    return TractConfig(**values)
