"""What a compression costs a provider's prompt cache, and after how many further calls it has paid for itself.

    now          P │ S_old                   P is in front of the first message that goes, S what comes from there on
    compressed   P │ S_new

Providers sell tokens they have in their cache for *r* of the usual price, and take *w* of it to put tokens there.
With everything cached now, n further calls cost ``n·r·(P + S_old)`` as it is.
Compressed they cost ``C + r·P + w·S_new + (n-1)·r·(P + S_new)``, *C* being the summarising itself.
The second is no more than the first from

    n = (C + (w - r) · S_new) / (r · (S_old - S_new))

on. What is appended later costs the same either way, so it is left out; so is that a smaller context answers faster, and better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tract.config import TractConfig, check_price
from tract.errors import CompressionError, ConfigError

ASSUMED_SHARE = 10
"""Of how many tokens the summary is taken to leave one, as long as nobody said how long it shall be."""


@dataclass(frozen=True, slots=True)
class CachePrices:
    """What a token costs, in uncached input tokens.

    The defaults are Anthropic's and, from GPT-5.6 on, OpenAI's for their five-minute caches, and the usual price of output.
    A provider that caches without being paid for writing has a *cache_write* of 1.
    """

    cached_read: float = 0.1
    cache_write: float = 1.25
    output: float = 5.0

    @classmethod
    def of(cls, config: TractConfig) -> CachePrices:
        """Those that the settings say."""
        return cls(config.cache_read_price, config.cache_write_price, config.output_price)

    def __post_init__(self) -> None:
        for name in ("cached_read", "cache_write", "output"):
            try:
                check_price(name, getattr(self, name))
            except ConfigError as exc:
                raise CompressionError(str(exc)) from exc


@dataclass(frozen=True, slots=True)
class PrefixCost:
    """What a compression does to a cache that holds the context as it is now; all in tokens.

    The first *common_tokens* stay cached; *invalidated_tokens* come after them now, and *new_tokens* will.
    *summarising_cost* is in uncached input tokens.
    *break_even_calls* is after how many further calls the compression has paid for itself; None for never.
    """

    common_tokens: int
    invalidated_tokens: int
    new_tokens: int
    summarising_cost: int
    break_even_calls: int | None


def prefix_cost(common: int, old: int, new: int, summarising: float, prices: CachePrices) -> PrefixCost:
    """The cost where *old* tokens after the first *common* become *new*; see the formula above."""
    calls = None
    if new < old:
        paid = summarising + (prices.cache_write - prices.cached_read) * new
        # To nine digits, so that 29.999999999999996 is not 30 calls more than it is.
        calls = max(0, math.ceil(round(paid / (prices.cached_read * (old - new)), 9)))
    return PrefixCost(common, old, new, math.ceil(summarising), calls)
