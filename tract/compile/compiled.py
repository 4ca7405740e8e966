"""A compiled context: the messages that a model receives, and where each comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

from tract.arguments import check_keywords
from tract.compile.messages import View
from tract.compile.snapshot import Snapshot
from tract.compile.totals import TokenCount, request_total, token_total
from tract.compile.workspace import Workspace, ask_store, context_commit, notes_then
from tract.dataclass import KW_ONLY, dataclass, field, replace
from tract.errors import ContentValidationError
from tract.escape import escaped
from tract.history.context import context_at, entries
from tract.history.times import microseconds
from tract.history.walk import first_parents
from tract.messages import CacheMode, Rendered, copy_json, render_text
from tract.messages.message import CompileWarning, Message
from tract.objects.id import ObjectId
from tract.objects.message_format import JSON
from tract.repo import Repository
from tract.revision import Revision, revision_text

if TYPE_CHECKING:
    from tract.compile.prefix import PrefixChange
    from tract.compile.sent_request import SentRequest
    from tract.messages.form import Extras, Form


class RenderOptions(TypedDict, total=False):
    """The options of ``to_openai()`` and the like.

    *cache* ``auto`` adds cache marks, where the provider supports them; Gemini's contents have none.
    *copy* returns messages that you may change; without it they are shared.
    *extras* ``drop`` leaves out keys that the provider's request types do not have; otherwise unknown keys are sent as they were committed, because compatible servers have keys of their own.
    *rules* is the version of the rules of mending: the newest, or for the result of ``sent`` that of then.
    """

    cache: CacheMode
    copy: bool
    extras: Extras
    rules: int


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class CompiledContext:
    """The messages that a model receives, in order, and what is known about each; the sequences are parallel.

    ``to_openai()`` and the like return what the provider's API accepts: messages that it would refuse are mended by the rules of docs/sending.md, and ``warnings`` says how, before anything is rendered.
    You may change the returned list or dict; the messages in it are shared with later renderings and must not be changed, unless you pass ``copy=True``.
    """

    snapshot: Snapshot = field(repr=False)
    _: KW_ONLY
    _counts: Callable[[], Sequence[int]]
    _total: Callable[[], TokenCount]
    _request_total: Callable[[Mapping[str, Any]], TokenCount]
    _prefix: Callable[..., PrefixChange]
    _numbers: Callable[[], Sequence[int]]
    _sent: Callable[[Form, CacheMode], Rendered]  # its modules are loaded when something is first sent
    _strict: bool = False
    sent_request: SentRequest | None = field(default=None, repr=False)
    """The recorded request, if this is the result of ``sent``."""

    @property
    def messages(self) -> Sequence[Message]:
        """The messages, each a copy: changing one affects no other compilation."""
        return View(self.snapshot.columns.messages, self.snapshot.length, _copy_of)

    @property
    def _shared(self) -> list[Message]:
        """The messages that all compilations share, for callers that only read them."""
        return self.snapshot.columns.messages[: self.snapshot.length]

    @property
    def commit_hash(self) -> str | None:
        """The commit whose context this is; None if there was no commit yet."""
        commit = self.snapshot.key.commit
        return None if commit is None else commit.hex()

    @property
    def commit_hashes(self) -> Sequence[str]:
        """The commit that introduced each message."""
        return View(self.snapshot.columns.commits, self.snapshot.length, bytes.hex)

    @property
    def numbers(self) -> Sequence[int]:
        """Each message's number in the context, from 1, hidden ones counted: ``HEAD:4`` names message 4."""
        return self._numbers()

    @property
    def generation_configs(self) -> Sequence[dict[str, JSON] | None]:
        """The generation config that each message was made with; None if there is none."""
        return View(self.snapshot.columns.configs, self.snapshot.length, copy_json)

    @property
    def token_counts(self) -> Sequence[int]:
        """The tokens of each message as it is sent, with its framing, by the tract's counter; a result that tract makes up counts with its call."""
        return self._counts()

    @property
    def token_count(self) -> int:
        """The tokens of the context: the usage recorded last, if there is one, plus the counter's figure for later messages."""
        return self._total().total

    def request_tokens(self, request: Mapping[str, Any]) -> TokenCount:
        """The tokens of a whole *request* with these messages, including its tools and instructions, and the source of the figure."""
        return self._request_total(request)

    @property
    def token_source(self) -> str:
        """The source of ``token_count``: ``tiktoken:o200k_base``, or ``api:1234+56``, where the provider counted 1234."""
        return self._total().source

    @property
    def commit_count(self) -> int:
        """How many messages there are."""
        return self.snapshot.length

    @property
    def warnings(self) -> tuple[CompileWarning, ...]:
        """Messages that are not sent as they were committed, or not at all, with the formats and the rule; also the effects of skips and of *order*."""
        from tract.compile.requests import all_warnings

        return self._complete(all_warnings(self._sent, self._rules))

    def warnings_for(self, format: str, *, extras: Extras = "keep") -> tuple[CompileWarning, ...]:
        """The warnings that concern one rendering: ``openai``, ``responses``, ``anthropic`` or ``gemini``; ``text`` means those that concern every format.

        With *extras* ``drop``, also the keys that are left out because the provider's request types do not have them.
        """
        from tract.compile.requests import checked_form, common_warnings, target_format

        if format == "text":
            return self._complete(common_warnings(self._sent, self._rules))
        return self._complete(self._sent(checked_form(target_format(format), extras, self._rules), None).warnings)

    @property
    def problems(self) -> tuple[CompileWarning, ...]:
        """The warnings for which ``strict`` raises, whatever the format."""
        from tract.compile.requests import is_refused

        return (*filter(is_refused, self.warnings_for("text")),)

    def _complete(self, found: Sequence[CompileWarning]) -> tuple[CompileWarning, ...]:
        """The warnings with the commits of their messages, after those about skips and orders."""
        every = (*self.snapshot.warnings, *found)
        placed = any(warning.index is not None for warning in every)
        hashes, numbers = self.commit_hashes, self.numbers if placed else ()
        return tuple(
            warning
            if warning.index is None
            else replace(warning, commit=warning.commit or hashes[warning.index], number=numbers[warning.index])
            for warning in every
        )

    def prefix_change(
        self, previous: CompiledContext | Revision, *, request: Mapping[str, Any] | None = None
    ) -> PrefixChange:
        """What sending this context would cost a provider's prompt cache that holds *previous*.

        A revision means its context with the notes of the time when the commit was made.
        *request* is the body to be sent, with or without its messages. Its model, tools, instructions and cache settings are compared with the request recorded for *previous* (``commit(…, request=)``); the result of ``sent`` brings its own request.
        If no request was recorded for *previous*, only the messages are compared.
        """

        if request is not None and not isinstance(request, Mapping):
            raise ContentValidationError(f"request must be a dict, not {type(request).__name__}")
        if request is None and self.sent_request is not None:
            request = self.sent_request.settings
        if not isinstance(previous, CompiledContext):
            return self._prefix(previous, None, request)
        before = previous.sent_request
        return self._prefix(previous.snapshot, None if before is None else before.settings, request)

    @property
    def _rules(self) -> int:
        """The version of the rules of mending: today's, or for the result of ``sent`` the recorded one."""
        from tract.messages.form import RULES

        return RULES if self.sent_request is None else self.sent_request.rules

    def to_openai(self, **options: Unpack[RenderOptions]) -> list[Any]:
        """The messages for an OpenAI chat completion: a list of dicts, typed so that every SDK's type checker accepts it.

        *cache* ``auto`` adds explicit cache breakpoints, which GPT-5.6 and later accept, at the ends of the instructions and of the last two turns.
        """
        return self._render("openai", **options)  # type: ignore[no-any-return]

    def to_openai_responses(self, **options: Unpack[RenderOptions]) -> list[Any]:
        """The input items for an OpenAI response; *cache* is as for :meth:`to_openai`."""
        return self._render("responses", **options)  # type: ignore[no-any-return]

    def to_anthropic(self, **options: Unpack[RenderOptions]) -> dict[str, JSON]:
        """``messages`` and, if there is a system prompt, ``system``: keyword arguments of Anthropic's messages API.

        *cache* ``auto`` adds cache breakpoints at the ends of the system prompt and of the last two user turns: at most 4, including those in your messages.
        """
        return self._render("anthropic", **options)  # type: ignore[no-any-return]

    def to_gemini(self, **options: Unpack[RenderOptions]) -> dict[str, JSON]:
        """``contents`` and, if there is a system prompt, ``system_instruction``, for Google's SDK; the second belongs into its config."""
        return self._render("gemini", **options)  # type: ignore[no-any-return]

    def request(self, format: Literal["openai", "responses", "anthropic", "gemini"]) -> dict[str, Any]:
        """For the result of ``sent``: the body that was sent, from the recorded settings and these messages.

        ContentValidationError if no request was recorded.
        """
        from tract.compile.sent import rebuilt

        if self.sent_request is None:
            raise ContentValidationError("no request was recorded with the answer to this context")
        return rebuilt(self, self.sent_request, format)

    def to_dicts(self) -> list[dict[str, JSON]]:
        """The messages as ``{"role": …, "content": …}``, and ``name`` if there is one, for models that take plain text."""
        return [
            {"role": message.role, "content": copy_json(message.content)}
            | ({"name": message.name} if message.name is not None else {})
            for message in self._shared
        ]

    def to_text(self) -> str:
        """The messages as text for people."""
        return render_text(self._shared, self.numbers)

    def _render(self, format: str, **options: Unpack[RenderOptions]) -> JSON:
        from tract.compile.requests import check_request, checked_form, target_format

        check_keywords("to_openai_responses" if format == "responses" else f"to_{format}", options, RenderOptions)
        form = checked_form(target_format(format), options.get("extras", "keep"), options.get("rules", self._rules))
        rendered = self._sent(form, options.get("cache"))
        check_request(rendered, form.target, self._complete(rendered.warnings) if self._strict else (), len(self))
        return copy_json(rendered.value) if options.get("copy") else rendered.value

    def __len__(self) -> int:
        return self.snapshot.length

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages)

    @overload
    def __getitem__(self, at: int) -> Message: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Message]: ...

    def __getitem__(self, at: int | slice) -> Message | Sequence[Message]:
        return self.messages[at]

    # A context cannot change, and returns only copies.

    def __copy__(self) -> CompiledContext:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledContext:
        return self

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError(
            "a compiled context belongs to an open tract; pickle what to_openai() or another to_ method returns"
        )

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

    def __str__(self) -> str:
        """The messages as text, as ``tract compile --format text`` prints them."""
        return escaped(self.to_text()).rstrip("\n")


def _copy_of(message: Message) -> Message:
    content, raw = copy_json(message.content), copy_json(message.raw)
    return replace(message, content=content, raw=raw)


def compiled(
    space: Workspace, snapshot: Snapshot, *, strict: bool = False, request: SentRequest | None = None
) -> CompiledContext:
    """The snapshot as users see it; if *strict*, rendering a format raises an error when it would need mending."""
    return CompiledContext(
        snapshot,
        _counts=lambda: ask_store(space, lambda open_: _counts(open_, snapshot)),
        _total=lambda: ask_store(space, lambda open_: token_total(open_, snapshot)),
        _request_total=lambda request: ask_store(space, lambda open_: request_total(open_, snapshot, request)),
        _prefix=partial(_prefix, space, snapshot),
        _numbers=lambda: ask_store(space, lambda open_: numbers_of(open_, snapshot)),
        _sent=partial(_sent, space, snapshot),
        _strict=strict,
        sent_request=request,
    )


def _counts(space: Workspace, snapshot: Snapshot) -> Sequence[int]:
    with space.lock:
        return View(snapshot.columns.counts_sent(snapshot.length, space), snapshot.length)


def _prefix(
    space: Workspace, snapshot: Snapshot, previous: Snapshot | Revision, *requests: Mapping[str, Any] | None
) -> PrefixChange:
    from tract.compile.prefix import prefix_change  # few ask for it, and it loads all formats

    return ask_store(space, lambda open_: prefix_change(open_, snapshot, previous, *requests))


def numbers_of(space: Workspace, snapshot: Snapshot) -> tuple[int, ...]:
    """Each message's number among the entries of its context, from 1."""
    with space.lock:
        rows = entries(space.repo, context_at(space.repo, snapshot.key.commit))
    number = {commit: at for at, (commit, _) in enumerate(rows, 1)}
    return tuple(number[commit] for commit in snapshot.columns.commits[: snapshot.length])


def _sent(space: Workspace, snapshot: Snapshot, form: Form, cache: CacheMode) -> Rendered:
    from tract.compile.requests import request_for

    return request_for(space, snapshot, form, cache)


class CompileOptions(TypedDict, total=False):
    """The options of ``Tract.compile``; without *at_commit* and *at_time*, the context is that at HEAD.

    *order* names messages to put first.
    *include_edit_annotations* marks texts that were edited.
    *strict* raises where there would be a warning: for messages that must be mended to be sent (at once if that holds for every format, else when such a format is rendered), and for an order that changes the meaning.
    *notes* says whether today's notes are used, or those of the time when the commit was made.
    """

    at_commit: Revision | None
    at_time: datetime | str | None
    order: Sequence[Revision] | None
    include_edit_annotations: bool
    strict: bool
    notes: Literal["now", "then"]


def compile_at(space: Workspace, **options: Unpack[CompileOptions]) -> CompiledContext:
    """The context at a revision or a moment, by default at HEAD now; *options* say which notes are used."""
    check_keywords("compile", options, CompileOptions)
    at_commit, at_time, notes = options.get("at_commit"), options.get("at_time"), options.get("notes", "now")
    order = options.get("order")
    if at_commit is not None and at_time is not None:
        raise ContentValidationError("at_commit and at_time exclude each other")
    if notes not in ("now", "then"):
        raise ContentValidationError(f"notes must be 'now' or 'then', not {notes!r}")
    commit = _commit_at(space.repo, at_commit, at_time)
    tables = notes_then(space, commit) if notes == "then" and commit is not None else None
    snapshot = space.compiler.compile(commit, tables)
    if order is not None:
        from tract.compile.order import reordered  # few ask for another order

        snapshot = reordered(space.repo, snapshot, order)
    if options.get("include_edit_annotations"):
        from tract.compile.edit_marks import with_marks  # nor to see what was edited

        snapshot = with_marks(space.repo, snapshot)
    strict = options.get("strict", False)
    context = compiled(space, snapshot, strict=strict)
    if at_commit is None and at_time is None and order is None and notes == "now":
        space.shown = (commit, snapshot.key.priority, commit)
    if strict and context.problems:
        raise ContentValidationError(f"the context is not complete: {context.problems[0]}")
    return context


def sent_context(space: Workspace, revision: Revision) -> CompiledContext:
    """The context of the commit's parent, with the notes as they were when it was made."""
    repo = space.repo
    commit = context_commit(repo, revision)
    parents = repo.commit(commit).parents
    repo.check_history(commit, f"the context that the model received for '{revision_text(revision)}' is not kept")
    tables = notes_then(space, commit)
    return compiled(space, space.compiler.compile(parents[0] if parents else None, tables))


def _commit_at(repo: Repository, at_commit: Revision | None, at_time: datetime | str | None) -> ObjectId | None:
    if at_commit is not None:
        return context_commit(repo, at_commit)
    if at_time is not None:
        return _commit_at_time(repo, microseconds(at_time, "at_time"))
    return repo.head()[1]


def _commit_at_time(repo: Repository, time: int) -> ObjectId | None:
    """The newest commit of HEAD's first-parent line that is not later than *time*."""
    return next((id for id, commit in first_parents(repo, repo.head()[1]) if commit.time <= time), None)
