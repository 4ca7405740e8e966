"""The settings of a tract, and how they are stored."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache

from tract.annotations import TYPE_CHECKING, Any, Literal
from tract.dataclass import dataclass, field, fields, replace
from tract.errors import ConfigError
from tract.named_tuple import NamedTuple
from tract.refs.names import branch_ref

if TYPE_CHECKING:
    from tract.config.remote_config import RemoteConfig

LONGEST_TEXT = 1000
_MOST_BYTES = 256 * 1024 * 1024  # the format's limit for an object
DEEPEST = 128  # likewise

LEAST_WINDOW = 500
"""The smallest context window, in tokens, with which a model can sum up."""

_HOURS_A_DAY = 24
_UNITS = {"k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_NEVER = "never"


class Retention(NamedTuple):
    """How long unneeded objects are kept: for *days*, or the newest of them up to *size* bytes; the other is None."""

    days: float | None = None
    size: int | None = None


FOR_EVER = Retention(days=math.inf)


def read_retention(name: str, value: float | str) -> Retention:
    """The retention in ``7``, ``"7"``, ``"30d"``, ``"12h"``, ``"500M"`` or ``"never"``; ConfigError for anything else, with the setting's *name*.

    ``"never"`` (nothing is ever dropped), ``"forever"`` and ``math.inf`` are the same.
    """
    text = str(value).strip().lower()
    if value == math.inf or text in (_NEVER, "forever"):
        return FOR_EVER
    number, unit = (text[:-1], text[-1:]) if text[-1:].isalpha() else (text, "d")
    try:
        amount = float(number)
    except ValueError:
        amount = math.nan
    is_known = unit in ("d", "h") or unit in _UNITS
    amount *= _UNITS.get(unit, 1)
    if isinstance(value, bool) or not (math.isfinite(amount) and amount >= 0 and is_known):
        raise ConfigError(
            f"{name} must be a number of days, or a text like '30d', '12h', '500M' or 'never', not {value!r}"
        )
    if unit in _UNITS:
        return Retention(size=int(amount))
    return Retention(days=amount / _HOURS_A_DAY if unit == "h" else amount)


class BudgetAction(StrEnum):
    """What happens to a commit that would exceed the token budget."""

    WARN = "warn"
    REJECT = "reject"
    CALLBACK = "callback"


@dataclass(frozen=True, slots=True)
class TokenBudgetConfig:
    """A limit on the tokens of the compiled context.

    If *action* is CALLBACK, *callback* is called with (tokens after the commit, limit); it is not stored.
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
        if self.callback is not None and not callable(self.callback):
            raise ConfigError(f"the callback of a budget must be a function, not {self.callback!r:.40}")


@lru_cache(maxsize=64)
def _budget_of(max_tokens: int) -> TokenBudgetConfig:
    """The budget for a plain number; cached, because every commit and every policy asks for it."""
    return TokenBudgetConfig(max_tokens)


Scan = Literal["list", "replace", "refuse"]
"""The treatment of texts in recorded messages that look like secrets."""

SCANS: tuple[Scan, ...] = ("list", "replace", "refuse")

REMOTE = "remote."
"""The beginning of the settings of remotes: ``remote.<name>.url``."""


def _flat(table: Mapping[str, Any], start: str = "") -> dict[str, Any]:
    """A TOML table with its dotted keys restored."""
    rows: dict[str, Any] = {}
    for key, value in table.items():
        rows |= _flat(value, f"{start}{key}.") if isinstance(value, dict) else {f"{start}{key}": value}
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class TractConfig:
    """The settings of a tract. Passed to ``open``, only the settings that were given change the stored ones.

    *token_budget* is in tokens, or a TokenBudgetConfig. *author* is the author of commits (None: the user's login name). *compile_cache_maxsize* is in snapshots.
    *max_message_size* limits the stored bytes of a commit's content, *max_message_depth* how deeply lists and maps may be nested in it.
    *orphan_retention_days* and *archive_retention_days* say how long ``gc`` keeps unreachable objects, and the originals behind compressions, unless it is told otherwise: days, or texts like ``"12h"``, ``"500M"`` and ``"never"``. None is ``"never"``, and allowed only for archives.
    *keep_pinned* keeps pinned messages of archives that gc drops; *keep_merge_bases* keeps archives that contain the commit where two branches parted.
    *display_name* is shown in listings next to the tract's name.
    *record_scan* says what happens to texts that look like a key, a token or a password in what is recorded live (``record``, wrapped clients, hooks): ``list`` reports them, ``replace`` puts a mark in their place, ``refuse`` does not record the message; None does not look.
    *remotes* are other places that the store is kept in; only those of the root tract count.
    *summary_window* is the context window, in tokens, of the model that writes summaries. The three prices are those of a token read from the cache, a token written to it, and an output token, in uncached input tokens.
    """

    token_budget: int | TokenBudgetConfig | None = None
    tokenizer_encoding: str = "o200k_base"
    default_branch: str = "main"
    compile_cache_maxsize: int = 8
    author: str | None = None
    max_message_size: int = _MOST_BYTES
    max_message_depth: int = DEEPEST
    orphan_retention_days: float | str = 7
    archive_retention_days: float | str | None = None
    keep_pinned: bool = True
    keep_merge_bases: bool = True
    summary_window: int = 100_000  # the smallest windows of today take 128,000
    cache_read_price: float = 0.1
    cache_write_price: float = 1.25
    output_price: float = 5.0
    display_name: str | None = None
    record_scan: Scan | None = None
    remotes: tuple[RemoteConfig, ...] = ()
    given: frozenset[str] = field(init=False, repr=False, compare=False)
    """The names of the settings that were given, even if their values are the defaults."""

    def __new__(cls, *values: object, **named: object) -> TractConfig:
        config = object.__new__(cls)
        names = [one.name for one in fields(cls)]
        object.__setattr__(config, "given", frozenset((*names[: len(values)], *named)))
        return config

    def __post_init__(self) -> None:
        check_type("tokenizer_encoding", self.tokenizer_encoding, str)
        check_type("default_branch", self.default_branch, str)
        check_type("compile_cache_maxsize", self.compile_cache_maxsize, int)
        for name in ("author", "display_name"):
            if getattr(self, name) is not None:
                check_type(name, getattr(self, name), str)
        for name in ("tokenizer_encoding", "default_branch", "author", "display_name"):
            text = getattr(self, name)
            if text is not None and not (text and text.isprintable()):
                raise ConfigError(f"{name} must be printable text, not {text!r}")
            if text is not None and len(text) > LONGEST_TEXT:
                raise ConfigError(f"{name} must be no longer than {LONGEST_TEXT} characters")
        branch_ref(self.default_branch)
        if self.compile_cache_maxsize < 1:
            raise ConfigError(f"compile_cache_maxsize must be 1 or more, not {self.compile_cache_maxsize}")
        _check_limit("max_message_size", self.max_message_size, _MOST_BYTES, " bytes")
        _check_limit("max_message_depth", self.max_message_depth, DEEPEST)
        for name in ("orphan_retention_days", "archive_retention_days"):
            kept = getattr(self, name)
            if kept == math.inf:
                object.__setattr__(self, name, _NEVER)  # as config.toml says it
            elif kept is not None or name == "orphan_retention_days":
                read_retention(name, kept)
        check_type("keep_pinned", self.keep_pinned, bool)
        check_type("keep_merge_bases", self.keep_merge_bases, bool)
        check_type("summary_window", self.summary_window, int)
        if self.summary_window < LEAST_WINDOW:
            raise ConfigError(f"summary_window must be {LEAST_WINDOW} tokens or more, not {self.summary_window}")
        for name in ("cache_read_price", "cache_write_price", "output_price"):
            check_price(name, getattr(self, name))
        if self.record_scan not in (None, *SCANS):
            raise ConfigError(f"record_scan must be one of {', '.join(SCANS)}, not {self.record_scan!r:.40}")
        if self.token_budget is not None and not isinstance(self.token_budget, TokenBudgetConfig):
            TokenBudgetConfig(self.token_budget)

    @property
    def budget(self) -> TokenBudgetConfig | None:
        """The token budget in its long form."""
        given = self.token_budget
        return given if given is None or isinstance(given, TokenBudgetConfig) else _budget_of(given)

    def changed(self, by: TractConfig) -> TractConfig:
        """These settings, replaced by those that *by* was given; a budget that is a number changes no action."""
        check_config(by)
        given = {name: getattr(by, name) for name in by.given}
        if self.budget is not None and isinstance(given.get("token_budget"), int):
            given["token_budget"] = replace(self.budget, max_tokens=given["token_budget"])
        return replace(self, **given)


def check_config(config: object) -> None:
    """ConfigError if *config* is not a TractConfig, for example a dict."""
    if not isinstance(config, TractConfig):
        raise ConfigError(f"config must be a TractConfig, not {type(config).__name__}")


def check_price(name: str, value: object) -> None:
    """ConfigError if *value* is not a price; *name* says which price."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ConfigError(f"{name} must be a price over 0, not {value!r:.40}")


def check_type(name: str, value: object, expected: type) -> None:
    if type(value) is not expected:
        raise ConfigError(f"{name} must be {expected.__name__}, not {type(value).__name__}")


def _check_limit(name: str, value: int, most: int, unit: str = "") -> None:
    check_type(name, value, int)
    if not 1 <= value <= most:
        raise ConfigError(f"{name} must be from 1 to {most}{unit}, not {value}")


def to_table(config: TractConfig) -> dict[str, str | float]:
    """The settings that differ from the default, flat, as in config.toml."""
    table: dict[str, str | float] = {}
    default = TractConfig()
    for one in fields(config):
        if (
            one.init
            and one.name not in ("token_budget", "remotes")
            and getattr(config, one.name) != getattr(default, one.name)
        ):
            table[one.name] = getattr(config, one.name)
    if config.budget is not None:
        table["token_budget"] = config.budget.max_tokens
        table["budget_action"] = config.budget.action.value
    if config.remotes:
        from tract.config.remote_config import remote_rows

        table |= remote_rows(config.remotes)
    return table


def from_table(table: dict[str, Any]) -> TractConfig:
    """The settings in *table*; ConfigError names a key that is unknown or a value that makes no sense."""
    values = {key: value for key, value in table.items() if key != "remote" and not key.startswith(REMOTE)}
    remotes = {key: value for key, value in _flat(table).items() if key.startswith(REMOTE)}
    action = values.pop("budget_action", BudgetAction.WARN)
    known = {one.name for one in fields(TractConfig) if one.init and one.name != "remotes"}
    for key in values:
        if key not in known:
            raise ConfigError(f"unknown setting {key!r}")
    limit = values.get("token_budget")
    budget = TokenBudgetConfig(
        1 if limit is None else limit, action
    )  # a value that makes no sense is an error without a limit too
    if limit is not None:
        values["token_budget"] = budget
    if remotes:
        from tract.config.remote_config import remotes_in  # most stores have none

        values["remotes"] = remotes_in(remotes)
    return TractConfig(**values)
