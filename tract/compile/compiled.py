"""A compiled context: what a model is sent, and where each message comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tract.compile.figures import TokenCount, token_total
from tract.compile.prefix import PrefixChange, prefix_change
from tract.compile.snapshot import Snapshot, View
from tract.compile.workspace import Workspace
from tract.messages import CacheMode, Rendered, copy_json, render, render_chat, render_text
from tract.messages.message import CompileWarning, Message
from tract.objects.message_format import JSON


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class CompiledContext:
    """The messages a model is sent, in order, with what is known of each; the sequences are parallel.

    ``to_openai()`` and its sisters give what a provider's API takes; what could not be said in that format is then in ``warnings``.
    """

    snapshot: Snapshot = field(repr=False)
    _counts: Callable[[], Sequence[int]]
    _total: Callable[[], TokenCount]
    _prefix: Callable[[Snapshot | str], PrefixChange]
    _torn: Callable[[], tuple[CompileWarning, ...]]
    _rendered: dict[str, tuple[CompileWarning, ...]] = field(default_factory=dict)

    @property
    def messages(self) -> Sequence[Message]:
        """The messages, each a copy of its own: what is done to one reaches no other compilation."""
        return View(self.snapshot.columns.messages, self.snapshot.length, _copy_of)

    @property
    def _shared(self) -> list[Message]:
        """The messages as all compilations share them, for what only reads them."""
        return self.snapshot.columns.messages[: self.snapshot.length]

    @property
    def commit_hashes(self) -> Sequence[str]:
        """The commit that introduced each message."""
        return View(self.snapshot.columns.commits, self.snapshot.length, bytes.hex)

    @property
    def generation_configs(self) -> Sequence[dict[str, JSON] | None]:
        """The generation config each message was made with, None where there is none."""
        return View(self.snapshot.columns.configs, self.snapshot.length, copy_json)

    @property
    def token_counts(self) -> Sequence[int]:
        """Each message's tokens, its framing included, by the tract's counter."""
        return self._counts()

    @property
    def token_count(self) -> int:
        """The context's tokens: recorded usage where there is some, with the counter's figure for what came after."""
        return self._total().total

    @property
    def token_source(self) -> str:
        """How ``token_count`` is known: ``tiktoken:o200k_base``, or ``api:1234+56`` where 1234 were counted by the provider."""
        return self._total().source

    @property
    def commit_count(self) -> int:
        """How many messages there are."""
        return self.snapshot.length

    @property
    def warnings(self) -> tuple[CompileWarning, ...]:
        """Torn tool pairs, what an order does to them, and what the renderings made so far could not express."""
        rendered = tuple(self._rendered.values())  # at once, for other threads may be rendering
        found = (*self.problems, *(warning for group in rendered for warning in group))
        hashes = self.commit_hashes
        return tuple(
            warning
            if warning.index is None or warning.commit is not None
            else CompileWarning(warning.kind, warning.detail, warning.index, hashes[warning.index])
            for warning in found
        )

    @property
    def problems(self) -> tuple[CompileWarning, ...]:
        """Those of the warnings that ``strict`` refuses, whatever the format."""
        return (*self._torn(), *self.snapshot.warnings)

    def prefix_change(self, previous: CompiledContext | str) -> PrefixChange:
        """What sending this context would cost a provider's prompt cache that holds *previous*.

        A revision means its context with the notes as they were when the commit was made.
        """
        return self._prefix(previous if isinstance(previous, str) else previous.snapshot)

    def to_openai(self, *, cache: CacheMode = None) -> list[dict[str, JSON]]:
        """The messages of an OpenAI chat completion.

        *cache* ``auto`` puts explicit cache breakpoints, which GPT-5.6 and later take, at the ends of the instructions and of the last two turns.
        """
        return self._render("openai", cache).value  # type: ignore[no-any-return]

    def to_openai_responses(self, *, cache: CacheMode = None) -> list[dict[str, JSON]]:
        """The input items of an OpenAI response; *cache* as for :meth:`to_openai`."""
        return self._render("responses", cache).value  # type: ignore[no-any-return]

    def to_anthropic(self, *, cache: CacheMode = None) -> dict[str, JSON]:
        """``system`` (where there is one) and ``messages``, as keyword arguments of Anthropic's messages API.

        *cache* ``auto`` puts cache breakpoints at the ends of the system prompt and of the last two user turns: at most 4 with those that messages came with.
        """
        return self._render("anthropic", cache).value  # type: ignore[no-any-return]

    def to_gemini(self) -> dict[str, JSON]:
        """``contents`` and (where there is one) ``system_instruction``, as Google's SDK takes them: the second is part of its config."""
        return self._render("gemini").value  # type: ignore[no-any-return]

    def to_dicts(self) -> list[dict[str, JSON]]:
        """The messages as ``{"role": …, "content": …}``, with ``name`` where there is one: what any model of text takes."""
        return [
            {"role": message.role, "content": copy_json(message.content)}
            | ({"name": message.name} if message.name is not None else {})
            for message in self._shared
        ]

    def to_text(self) -> str:
        """The messages for people to read."""
        return render_text(self._shared)

    def _render(self, format: str, cache: CacheMode = None) -> Rendered:
        if format == "openai":
            rendered = render_chat(self.snapshot.columns.messages.to_send(self.snapshot.length), cache)
        else:
            rendered = render(self._shared, format, cache)
        self._rendered[format] = rendered.warnings
        return rendered

    def __len__(self) -> int:
        return self.snapshot.length

    # It cannot change, and gives away nothing but copies.

    def __copy__(self) -> CompiledContext:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledContext:
        return self

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a compiled context belongs to an open tract; pickle what to_openai() and its sisters give")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CompiledContext):
            return NotImplemented
        return self.commit_hashes == other.commit_hashes and self._shared == other._shared

    def __hash__(self) -> int:
        return hash(tuple(self.commit_hashes))

    def __repr__(self) -> str:
        commit = self.snapshot.key.commit
        at = commit.hex()[:16] if commit is not None else "the beginning"
        return f"CompiledContext({self.snapshot.length} messages at {at})"


def _copy_of(message: Message) -> Message:
    content, raw = copy_json(message.content), copy_json(message.raw)
    return Message(message.role, content, message.name, message.format, raw, message.is_error)


def compiled(space: Workspace, snapshot: Snapshot) -> CompiledContext:
    """The snapshot as users see it."""
    return CompiledContext(
        snapshot,
        partial(_counts, space, snapshot),
        partial(token_total, space, snapshot),
        partial(prefix_change, space, snapshot),
        partial(_torn_pairs, space, snapshot),
    )


def _counts(space: Workspace, snapshot: Snapshot) -> Sequence[int]:
    with space.lock:
        snapshot.columns.total(snapshot.length, space)
        return View(snapshot.columns.counts, snapshot.length)


def _torn_pairs(space: Workspace, snapshot: Snapshot) -> tuple[CompileWarning, ...]:
    with space.lock:
        return snapshot.columns.pairing_warnings(snapshot.length)
