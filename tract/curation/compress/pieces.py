"""More messages than a model takes: summed up in pieces, and the pieces' summaries summed up together.

    messages    ████ ████ ███ ████ ██       pieces, cut where no tool unit is torn
    map          σ    σ    σ   σ    σ       one call each; each is kept as soon as it is there
    reduce       └────┴─ Σ ┴───┴────┘       and again, where those do not fit

What was summed up lies in ``state/compress-pieces`` until the compression is done, so a failure half-way costs the piece it happened in, and the next compression of the same messages goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from blake3 import blake3

from tract.config import LEAST_WINDOW
from tract.curation.compress.summarise import (
    CheckedSummary,
    Demands,
    MustKeep,
    Summariser,
    add_usage,
    checked_summary,
    missing_in,
)
from tract.curation.compress.transcript import Block, as_text, plain_text, slices_of
from tract.errors import CompressionError, ObjectCorruptError
from tract.history.state import clear_state, read_state, write_state
from tract.llm.types import ChatMessage, SummaryRequest
from tract.messages import compact_json
from tract.repo import Repository

STATE = "compress-pieces"
_LEAST_TARGET = 64
_MOST_KEPT = 1000

Progress = Callable[[int, int], object]
"""Told how many summaries are there, of how many; the second may grow."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Who sums up, how much it takes at once, and who is told how far it is."""

    summariser: Summariser
    window: int
    progress: Progress | None = None

    def __post_init__(self) -> None:
        if type(self.window) is not int or self.window < LEAST_WINDOW:
            raise CompressionError(f"window must be a number of tokens from {LEAST_WINDOW} on, not {self.window!r:.40}")


def summarise_blocks(
    repo: Repository, asking: Asking, request: SummaryRequest, blocks: Sequence[Block], demands: Demands
) -> CheckedSummary:
    """The summary of *blocks*, in as many pieces as it takes; *request* is everything but the messages.

    Errors are those of ``checked_summary``; what was summed up before one is kept for the next call.
    """
    # A quarter is for the prompt, the messages around, the answer and a second attempt.
    room = asking.window * 3 // 4
    most = asking.window // 10
    before = _fitting(request.before[::-1], demands, most)[::-1]
    request = replace(request, before=before, after=_fitting(request.after, demands, most))
    run = _Run(repo, asking)
    pieces = cut_pieces(blocks, demands.count, room)
    while len(pieces) > 1:
        run.expect(len(pieces) + 1)
        blocks = tuple(run.piece(request, piece, demands, room // len(pieces)) for piece in pieces)
        fewer = cut_pieces(blocks, demands.count, room)
        if len(fewer) >= len(pieces):
            raise CompressionError(f"{len(pieces)} summaries do not fit into a window of {asking.window} tokens")
        pieces = fewer
    found = run.ask(replace(request, messages=_flat(pieces[0])), demands)
    return replace(found, usage=run.usage)


def cut_pieces(blocks: Sequence[Block], count: Callable[[str], int], room: int) -> list[tuple[Block, ...]]:
    """*blocks* in pieces of at most *room* tokens each; a block that is longer by itself comes in slices."""
    pieces: list[list[Block]] = [[]]
    used = 0
    for block in blocks:
        tokens = count(as_text(block))
        parts = -(-tokens // room)
        # A slice has a line of its own in front, and is counted by itself.
        for one in (block,) if parts <= 1 else slices_of(block, parts + 1):
            size = tokens if parts <= 1 else count(as_text(one))
            if pieces[-1] and used + size > room:
                pieces.append([])
                used = 0
            pieces[-1].append(one)
            used += size
    return [tuple(piece) for piece in pieces]


def _flat(blocks: Sequence[Block]) -> tuple[ChatMessage, ...]:
    return tuple(message for block in blocks for message in block)


def _fitting(messages: Sequence[ChatMessage], demands: Demands, room: int) -> tuple[ChatMessage, ...]:
    """As many of the first messages as have *room* tokens."""
    kept: list[ChatMessage] = []
    for message in messages:
        room -= demands.count(as_text([message]))
        if room < 0:
            break
        kept.append(message)
    return tuple(kept)


class _Run:
    """One compression's calls, counted, remembered and told of."""

    def __init__(self, repo: Repository, asking: Asking) -> None:
        self._repo = repo
        self._asking = asking
        self._done = 0
        self._total = 1
        self.usage: dict[str, Any] = {}

    def expect(self, more: int) -> None:
        self._total = self._done + more

    def piece(self, request: SummaryRequest, piece: Sequence[Block], demands: Demands, share: int) -> Block:
        """The summary of one piece of several, as a block; what it must keep is what was in the piece."""
        messages = _flat(piece)
        text, tokens = plain_text(messages), demands.count(as_text(messages))
        inside: tuple[MustKeep, ...] = tuple(one for one in demands.must_keep if not missing_in(text, (one,)))
        target = max(_LEAST_TARGET, min(share, tokens // 4, demands.target_tokens or share))
        found = self.ask(
            replace(request, messages=messages, target_tokens=target, before=(), after=()),
            Demands(demands.count, target, max(tokens, target), inside),
        )
        if found.faults:
            raise CompressionError(f"the summary of a piece cannot be used: {'; '.join(found.faults)}")
        return ({"role": "assistant", "content": found.text},)

    def ask(self, request: SummaryRequest, demands: Demands) -> CheckedSummary:
        """The summary that is kept, else the one the summariser gives, which is kept then."""
        key = _key(self._asking.summariser, request, demands)
        found = _kept(self._repo, key)
        if found is None:
            found = checked_summary(self._asking.summariser, request, demands)
            if not found.faults:
                _keep(self._repo, key, found)
        add_usage(self.usage, found.usage)
        self._done += 1
        if self._asking.progress is not None:
            self._asking.progress(self._done, self._total)
        return found


def _key(summariser: Summariser, request: SummaryRequest, demands: Demands) -> str:
    """What a summary depends on, and who made it as far as that can be told: a function's name, a model's *identity*."""
    name = getattr(summariser, "__qualname__", type(summariser).__qualname__)
    told = {
        "by": getattr(summariser, "identity", None) or f"{getattr(summariser, '__module__', '')}.{name}",
        "messages": [dict(message) for message in request.messages],
        "before": [dict(message) for message in request.before],
        "after": [dict(message) for message in request.after],
        "target": request.target_tokens,
        "instructions": request.instructions,
        "system_prompt": request.system_prompt,
        "must_keep": [repr(one) for one in demands.must_keep],
    }
    return blake3(compact_json(told).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _pieces(repo: Repository) -> dict[str, Any]:
    try:
        kept = (read_state(repo, STATE) or {}).get("pieces")
    except (ObjectCorruptError, OSError):
        return {}  # they can be made again
    return kept if isinstance(kept, dict) else {}


def _kept(repo: Repository, key: str) -> CheckedSummary | None:
    one = _pieces(repo).get(key)
    if one is None:
        return None
    return CheckedSummary(
        one["text"], one["config"], one["usage"], one["prompt"], one["attempts"], tuple(one["misses"])
    )


def _keep(repo: Repository, key: str, found: CheckedSummary) -> None:
    kept = dict(list(_pieces(repo).items())[-_MOST_KEPT:])
    kept[key] = {
        "text": found.text,
        "config": dict(found.generation_config),
        "usage": dict(found.usage),
        "prompt": found.prompt,
        "attempts": found.attempts,
        "misses": list(found.misses),
    }
    with suppress(OSError):  # a summary that cannot be kept is still one that can be used
        write_state(repo, STATE, {"pieces": kept})


def forget_pieces(repo: Repository) -> None:
    """Forget what was summed up, for the compression is done; what cannot be forgotten does no harm."""
    with suppress(OSError):
        clear_state(repo, STATE)
