"""Asking for the summaries of a plan, in pieces if a model cannot take all of the messages at once.

    messages    ████ ████ ███ ████ ██       pieces, cut between tool units
    map          σ    σ    σ   σ    σ       one call each; each summary is stored at once
    reduce       └────┴─ Σ ┴───┴────┘       and again, if those do not fit

The summaries of pieces are stored in ``state/compress-pieces`` until the compression is done: a failure half-way costs only the piece it happened in, and the next compression of the same messages continues from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from blake3 import blake3

from tract.compile.workspace import Workspace
from tract.curation.compress.facts import doubt_about
from tract.curation.compress.land import PIECES
from tract.curation.compress.pending import pending_of, requirements_of, shares_of_target, with_text
from tract.curation.compress.plan import CompressionPlan, Progress
from tract.curation.compress.result import (
    CompressedPart,
    MustKeep,
    PendingCompression,
    Requirements,
    missing_in,
    summary_warnings,
)
from tract.curation.compress.summariser import (
    Block,
    Summariser,
    add_usage,
    as_text,
    blocks_of,
    chat_messages,
    checked_summary,
    plain_text,
    slices_of,
)
from tract.dataclass import replace
from tract.errors import CompressionError, ObjectCorruptError
from tract.history.state import read_state_as, write_state
from tract.llm.callables import saying
from tract.llm.types import ChatMessage, Summary, SummaryRequest
from tract.messages import compact_json, message_text
from tract.messages.message import Message
from tract.repo import Repository

AROUND = 3
"""The number of messages before and after a part that the summariser sees."""

_LEAST_TARGET = 64
_MOST_KEPT = 1000


def ask_for_summaries(space: Workspace, plan: CompressionPlan, summariser: Summariser) -> PendingCompression:
    """The plan with *summariser*'s summaries of its messages; no branch moves, and nothing is locked meanwhile.

    A refused summary is marked as ``refused``. LLMError if the provider does not answer.
    """
    request = plan.request
    with space.lock:
        materials = [_material(plan, part) for part in plan.parts]
        facts = _facts_by_part(materials, request.must_keep)
        shares = zip(shares_of_target(plan), facts, strict=True)
        required = [requirements_of(space, plan, part, target, must_keep) for (part, target), must_keep in shares]
    parts: list[CompressedPart] = []
    warnings = list(plan.warnings)
    errors: list[str] = []
    for part, (shown, before, after), requirements in zip(plan.parts, materials, required, strict=True):
        asked = SummaryRequest(
            (),
            requirements.target_tokens,
            instructions=request.instructions,
            system_prompt=request.system_prompt,
            before=before,
            after=after,
        )
        run = SummaryRun(space.repo, summariser, request.window or space.config.summary_window, request.progress)
        summary = run.summarise(asked, blocks_of(shown), requirements)
        found = requirements.errors(summary.text)
        doubt = doubt_about([message_text(message) for message in shown], summary.text)
        doubts = () if doubt is None else (f"it {doubt}",)
        # A compression that a person reviews anyway is not refused for a doubt.
        errors += (*found, *doubts) if request.auto_commit else found
        warnings += summary_warnings((*found, *doubts), requirements.misses(summary.text))
        one = replace(part, generation_config=summary.generation_config, usage=summary.usage, prompt=summary.prompt)
        parts.append(with_text(space, plan, one, summary.text))
    return pending_of(space, plan, parts, warnings, errors)


def _material(plan: CompressionPlan, part: CompressedPart) -> tuple[list[Message], Block, Block]:
    """The messages of a part, and the messages before and after it that stay, which help to understand them."""
    view = plan.view
    start = view.index[part.sources[0][0]]
    before = _around(plan, range(start - 1, -1, -1))[::-1]
    return plan.shown(part), before, _around(plan, range(start + 1, len(view)))


def _around(plan: CompressionPlan, places: Sequence[int]) -> Block:
    """The first few of the messages at *places* that stay and are shown."""
    found: list[Message] = []
    going = plan.going
    for at in places:
        if len(found) == AROUND:
            break
        if at not in going and not plan.view.is_hidden(at):
            found.append(plan.view.message(at))
    return tuple(message for one in found for message in chat_messages([one]))


def _facts_by_part(
    materials: Sequence[tuple[list[Message], Block, Block]], must_keep: Sequence[MustKeep]
) -> list[tuple[MustKeep, ...]]:
    """The facts that each summary must keep: those in its own messages; the first summary also gets those that no message has."""
    if len(materials) == 1:
        return [tuple(must_keep)]
    texts = [plain_text(chat_messages(shown)) for shown, _, _ in materials]
    said = [tuple(one for one in must_keep if not missing_in(text, (one,))) for text in texts]
    nowhere = tuple(one for one in must_keep if not any(one in facts for facts in said))
    return [(*said[0], *nowhere), *said[1:]]


# In pieces


class SummaryRun:
    """The model calls for one summary: counted, stored and reported."""

    def __init__(self, repo: Repository, summariser: Summariser, window: int, progress: Progress | None = None) -> None:
        self._repo = repo
        self._summariser = summariser
        self._window = window
        self._progress = progress
        self._done = 0
        self._total = 1
        self._usage: dict[str, Any] = {}

    def summarise(self, request: SummaryRequest, blocks: Sequence[Block], requirements: Requirements) -> Summary:
        """The summary of *blocks*, in as many pieces as needed; *request* is everything but the messages.

        Errors are those of ``checked_summary``; summaries made before an error are stored for the next call.
        """
        # A quarter is for the prompt, the messages around, the answer and a second attempt.
        room = self._window * 3 // 4
        most = self._window // 10
        before = _fitting(request.before[::-1], requirements, most)[::-1]
        request = replace(request, before=before, after=_fitting(request.after, requirements, most))
        pieces = cut_pieces(blocks, requirements.count, room)
        while len(pieces) > 1:
            self._total = self._done + len(pieces) + 1
            blocks = tuple(self._piece(request, piece, requirements, room // len(pieces)) for piece in pieces)
            fewer = cut_pieces(blocks, requirements.count, room)
            if len(fewer) >= len(pieces):
                raise CompressionError(f"{len(pieces)} summaries do not fit into a window of {self._window} tokens")
            pieces = fewer
        found = self._ask(replace(request, messages=_flat(pieces[0])), requirements)
        return replace(found, usage=self._usage)

    def _piece(self, request: SummaryRequest, piece: Sequence[Block], whole: Requirements, share: int) -> Block:
        """The summary of one of several pieces, as a block; it must keep the facts that are in the piece."""
        messages = _flat(piece)
        text, tokens = plain_text(messages), whole.count(as_text(messages))
        inside = tuple(one for one in whole.must_keep if not missing_in(text, (one,)))
        target = max(_LEAST_TARGET, min(share, tokens // 4, whole.target_tokens or share))
        requirements = Requirements(whole.count, target, max(tokens, target), inside)
        found = self._ask(replace(request, messages=messages, target_tokens=target, before=(), after=()), requirements)
        errors = requirements.errors(found.text)
        if errors:
            raise CompressionError(f"the summary of a piece cannot be used: {'; '.join(errors)}{saying(found.text)}")
        return ({"role": "assistant", "content": found.text},)

    def _ask(self, request: SummaryRequest, requirements: Requirements) -> Summary:
        """The stored summary; if there is none, the summariser's, which is then stored."""
        key = _key(self._summariser, request, requirements)
        found = _pieces(self._repo).get(key)
        if found is None:
            found = checked_summary(self._summariser, request, requirements)
            if not requirements.errors(found.text):
                _keep(self._repo, key, found)
        add_usage(self._usage, found.usage)
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)
        return found


def cut_pieces(blocks: Sequence[Block], count: Callable[[str], int], room: int) -> list[tuple[Block, ...]]:
    """*blocks* in pieces of at most *room* tokens each; a block longer than that is cut into slices."""
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


def _fitting(messages: Sequence[ChatMessage], requirements: Requirements, room: int) -> tuple[ChatMessage, ...]:
    """The first messages, as many as *room* tokens allow."""
    kept: list[ChatMessage] = []
    for message in messages:
        room -= requirements.count(as_text([message]))
        if room < 0:
            break
        kept.append(message)
    return tuple(kept)


def _key(summariser: Summariser, request: SummaryRequest, requirements: Requirements) -> str:
    """A hash of everything a summary depends on, including its maker as far as it can be told: a function's name, a model's *identity*."""
    name = getattr(summariser, "__qualname__", type(summariser).__qualname__)
    told = {
        "by": getattr(summariser, "identity", None) or f"{getattr(summariser, '__module__', '')}.{name}",
        "messages": [dict(message) for message in request.messages],
        "before": [dict(message) for message in request.before],
        "after": [dict(message) for message in request.after],
        "target": request.target_tokens,
        "instructions": request.instructions,
        "system_prompt": request.system_prompt,
        "must_keep": [repr(one) for one in requirements.must_keep],
    }
    return blake3(compact_json(told).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _pieces(repo: Repository) -> dict[str, Summary]:
    """The contents of ``state/compress-pieces``: summaries by their keys."""
    try:
        return read_state_as(repo, PIECES, dict[str, Summary]) or {}
    except (ObjectCorruptError, OSError):
        return {}  # they can be made again


def _keep(repo: Repository, key: str, found: Summary) -> None:
    kept = dict(list(_pieces(repo).items())[-_MOST_KEPT:])
    with suppress(OSError):  # a summary that cannot be stored can still be used
        write_state(repo, PIECES, {**kept, key: found})
