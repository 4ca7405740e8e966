"""Looking: the context, the commits behind it, and what both can tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike, fspath, getcwd
from typing import TYPE_CHECKING, Any, Literal, Unpack

from tract.api.handle import Handle
from tract.arguments import checks_arguments
from tract.dataclass import replace
from tract.errors import BlobNotFoundError
from tract.history.commit import message_named
from tract.history.priority import Priority, PriorityAnnotation, annotation_history
from tract.history.tags import list_tags
from tract.objects.strict_reader import read_bytes
from tract.report.info import content_at, describe, with_priority
from tract.revision import Revision, resolve_object, resolve_revision
from tract.tokens.usage import GROUPINGS
from tract.writing.drafts import check_key

# Most programs run without these, and to load them takes longer than many a command.
if TYPE_CHECKING:
    from datetime import datetime

    from tract.adapters.exporting import ExportFormat, ExportResult
    from tract.agents.health import Health, HealthTable
    from tract.agents.operation import Profile
    from tract.agents.planner import Plan
    from tract.agents.schemas import ToolFormat
    from tract.compile.compiled import CompiledContext, CompileOptions
    from tract.compile.prefix import PrefixChange
    from tract.curation.listing import MessageInfo
    from tract.report.diff import CommitDetails, DiffResult
    from tract.report.forensics import BlameEntry
    from tract.report.info import CommitInfo
    from tract.report.log import LogOptions
    from tract.report.spending import UsageReport
    from tract.report.status import StatusInfo


_NOT_TO_SEND = frozenset(("at_commit", "at_time", "order", "notes"))
"""With any of these, a context is compiled to be looked at."""


@checks_arguments
class Looking(Handle):
    """The methods of a tract that change nothing."""

    _health: HealthTable | None = None

    def compile(self, *, policies: bool = True, **options: Unpack[CompileOptions]) -> CompiledContext:
        """The context as a model is sent it: at HEAD, at a revision or at a moment.

        *order* names messages that shall come first; what that does to the meaning is in ``warnings``.
        *include_edit_annotations* puts `` [edited]`` behind texts that were edited.
        *notes* ``then``: with the skips and configs as they were when the commit was made.
        *strict* raises where a tool's call and its result are torn apart, or had to be mended, or *order* changes the meaning.
        Messages are read from packs when they are sent or looked at: where one is damaged, that raises ObjectCorruptError.
        For HEAD as it is now the policies are asked before, but not with *policies* false.
        """
        from tract.compile.compiled import compile_at

        with self._access() as space:
            if not policies or self._is_silent() or not _NOT_TO_SEND.isdisjoint(options):
                self._look()
                return compile_at(space, **options)
        self._check_required()
        self._fire("compile")
        with self._looking() as space:
            return compile_at(space, **options)

    def export(
        self, path: str | PathLike[str] | None = None, *, format: ExportFormat, at: Revision | None = None
    ) -> ExportResult:
        """The context at *at* (HEAD where None) as a file of another program: its text, and, with *path*, that written to a new file.

        ``claude-code``, ``codex`` and ``gemini-cli`` are sessions that the program goes on from; ``losses`` of the result are what the format cannot carry.
        ExportError where something is at *path* already: nothing is written over.
        """
        from tract.adapters.exporting import export_context, write_export  # few export
        from tract.compile.compiled import compile_at

        with self._looking() as space:
            exported = export_context(compile_at(space, at_commit=at), format, folder=getcwd())
        return exported if path is None else write_export(exported, fspath(path))

    def sent(self, revision: Revision) -> CompiledContext:
        """What the model was shown to produce that commit: its parent's context, with the notes as they were then.

        Where the request was recorded (``commit(…, request=…)``), exactly that, and ``request(format)`` of what this gives is the body that was sent.
        """
        from tract.compile.sent import sent

        with self._looking() as space:
            return sent(space, revision)

    def verify_sent(self, revision: Revision) -> bool:
        """Whether the request that is rebuilt for that answer is, byte for byte, the one whose BLAKE3 was recorded.

        ContentValidationError where no request, or no hash of it, was recorded with the commit.
        """
        from tract.compile.sent import verify_sent

        with self._looking() as space:
            return verify_sent(space, revision)

    def prefix_change(
        self, previous: CompiledContext | Revision, *, request: Mapping[str, Any] | None = None
    ) -> PrefixChange:
        """What sending the context at HEAD now would cost a provider's prompt cache that holds *previous*: a context, or a revision's as it was then.

        *request* is the body that is to be sent: its model, tools, instructions and cache settings count too, against those of the recorded request.
        """
        return self.compile(policies=False).prefix_change(previous, request=request)

    def log(self, limit: int | None = 20, **selection: Unpack[LogOptions]) -> list[CommitInfo]:
        """The commits behind *start*, newest first, a child always before its parents.

        *start* is a revision, a range ``a..b``, or several of them, ``^a`` leaving out what *a* reaches; *all_refs* begins at every branch and tag as well.
        *author* and *grep* are regular expressions; *grep* is looked for in the note on a commit and in what its message says.
        *text* selects the commits that change how often it stands in the context: those that brought it, and those that took it away; *lines*, a regular expression, those that change which lines of messages match.
        *merges* asks for merges alone, or when false for all others; *since* is included, *until* is not.
        Records are left out, but with *records*.
        """
        from tract.report.log import log

        with self._looking() as space:
            return log(space, limit, **selection)

    def records(
        self,
        kind: str | None = None,
        *,
        key: str | None = None,
        limit: int | None = None,
        start: Revision = "HEAD",
    ) -> list[CommitInfo]:
        """The records behind *start*, newest first: those of one *kind*, those with *key*, and the last *limit* of them, where said.

        Those behind a compression whose history was cut are among them.
        """
        from tract.report.log import records

        with self._looking() as space:
            return records(space, kind, None if key is None else check_key(key), limit, start)

    def get_blob(self, id: str) -> bytes:
        """The bytes that ``put_blob`` kept under *id*; BlobNotFoundError where there are none."""
        with self._looking() as space:
            if not isinstance(id, str):
                raise BlobNotFoundError(f"{id!r:.40}", "an id is a text")
            blob = resolve_object(space.repo, id, "blob")
            return read_bytes(blob, space.repo.objects.read(blob))

    def status(self, *, request: Mapping[str, Any] | None = None) -> StatusInfo:
        """Where the tract is: branch, HEAD, messages, tokens against the budget.

        *request* is a body that is to be sent: ``prefix`` then says what that would cost the cache of the last recorded request.
        """
        from tract.report.status import status

        with self._looking() as space:
            found = status(space, request)
            if self._is_silent():
                return found
            from tract.agents.orchestrator import agent_states  # most tracts have none

            states = agent_states(space.repo)
        return replace(found, orchestrator_state=states.orchestrator, policies_state=states.policies)

    def show(self, revision: Revision = "HEAD") -> CommitDetails:
        """A commit, its content, and what it changed."""
        from tract.report.diff import details

        with self._looking() as space:
            return details(space, resolve_revision(space.repo, revision))

    def diff(
        self,
        a: Revision | CompiledContext | None = None,
        b: Revision | CompiledContext | None = None,
        *,
        compiled: bool = False,
        notes: Literal["now", "then"] = "now",
    ) -> DiffResult:
        """What differs between the contexts at *a* and at *b*: HEAD where *b* is None, and where *a* is, the first parent of *b*.

        *compiled*, or a compiled context for *a* or *b*, compares what a model is sent: without what is hidden, *notes* being those of now or of when the commits were made.
        """
        from tract.report.diff import diff

        with self._looking() as space:
            return diff(space, a, b, compiled=compiled, notes=notes)

    def messages(
        self,
        revision: Revision = "HEAD",
        *,
        start: int = 1,
        count: int | None = None,
        only: Sequence[Revision] | None = None,
    ) -> list[MessageInfo]:
        """The messages of the context at *revision*, hidden ones included: what each is, its priority, its tokens and its text.

        Up to *count* of them from number *start* on, or those that *only* names; EditTargetError for one of those that the context does not have.
        """
        from tract.curation.listing import list_messages

        with self._looking() as space:
            return list_messages(space, revision, start=start, count=count, only=only)

    def blame(self, revision: Revision = "HEAD", places: slice = slice(None)) -> list[BlameEntry]:
        """For each message of the context, hidden ones included: the commit that introduced it, and the last that changed it.

        *places* asks for some of them only, and reads no further back than those need.
        """
        from tract.report.forensics import blame

        with self._looking() as space:
            return blame(space, revision, places)

    def bisect(
        self,
        good: Revision | Sequence[Revision],
        bad: Revision,
        test: Callable[[CompiledContext], bool | None],
        *,
        notes: Literal["now", "then"] = "now",
    ) -> CommitInfo:
        """The first commit whose context fails *test*, of those that *bad* reaches and *good* does not, with the fewest tests.

        *test* says whether a context is good; None where that cannot be told, and the commits around it are tested.
        *good* and *bad* themselves are taken to be what they are called. BisectError where no single commit can be named.
        """
        from tract.report.forensics import first_bad

        return first_bad(self._looking, good, bad, test, notes)

    def get_commit(self, revision: Revision) -> CommitInfo:
        """The commit that *revision* names."""
        with self._looking() as space:
            return describe(space, resolve_revision(space.repo, revision))

    def get_content(self, revision: Revision) -> Any:
        """The content of a commit, as it was committed."""
        with self._looking() as space:
            return content_at(space, resolve_revision(space.repo, revision))

    def edit_history(self, message: Revision) -> list[CommitInfo]:
        """The versions of a message, oldest first: the commit that introduced it, then its edits behind HEAD, as far as gc did not cut them."""
        from tract.report.forensics import versions_of

        with self._looking() as space:
            return [describe(space, id) for id in versions_of(space, message)]

    def query_by_config(
        self,
        field: str | Iterable[tuple[str, str, Any]] | None = None,
        operator: str = "=",
        value: Any = None,
        **equals: Any,
    ) -> list[CommitInfo]:
        """The commits whose generation config has *field* in that relation to *value*: ``= != > < >= <= in between``.

        *field* may be a list of such triples; they and all of *equals*, as in ``model="gpt-4o"``, must hold. ``a.b`` leads into nested maps.
        """
        from tract.report.log import query_by_config

        conditions = [(field, operator, value)] if isinstance(field, str) else [] if field is None else field
        with self._looking() as space:
            return query_by_config(space, conditions, equals)

    def usage(
        self,
        *,
        branch: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        by: Iterable[str] = GROUPINGS,
    ) -> UsageReport:
        """What the recorded usage adds up to, told apart *by* ``model``, ``branch`` and ``day`` (in UTC).

        *branch* leaves only what is in that branch's history; *since* is included, *until* is not.
        """
        from tract.report.spending import usage_report

        with self._looking() as space:
            return usage_report(space, branch=branch, since=since, until=until, by=by)

    def get_annotations(self, target: Revision) -> list[PriorityAnnotation]:
        """Every priority the message was given, oldest first."""
        with self._looking() as space:
            return annotation_history(space.repo, message_named(space.repo, target))

    def pinned(self) -> list[CommitInfo]:
        """The pinned messages of the context at HEAD, in order."""
        with self._looking() as space:
            return with_priority(space, Priority.PINNED)

    def skipped(self) -> list[CommitInfo]:
        """The hidden messages of the context at HEAD, in order."""
        with self._looking() as space:
            return with_priority(space, Priority.SKIP)

    def tags(self) -> dict[str, str]:
        """Every tag and its commit."""
        with self._looking() as space:
            return list_tags(space.repo)

    def as_tools(
        self,
        *,
        profile: Profile = "self",
        format: ToolFormat = "openai",
        overrides: Mapping[str, str | None] | None = None,
        prefix: str = "",
    ) -> list[dict[str, Any]]:
        """The operations as tool definitions that a model is given; :class:`ToolExecutor` runs what it calls.

        *profile* ``read`` looks, ``self`` is for an agent that looks after its own context, ``supervisor`` for one that corrects another's, and ``full`` has all.
        *overrides* has other descriptions for tools by name, and None for one to leave out; *prefix* stands before each name, for an agent that has an ``edit`` already. ActionError for an unknown profile, format or name.
        """
        from tract.agents.schemas import tool_definitions

        self._check_open()
        return tool_definitions(profile, format, overrides, prefix)

    def health(self, branch: str | None = None) -> Health:
        """What the context of HEAD, or of *branch*, is made of, what of it is of no more use, and what could be done about it; no model is asked.

        Each advice is an :class:`Action` with its reason, what it saves and what it costs a provider's prompt cache. BranchNotFoundError where there is no such branch.
        """
        from tract.agents.health import health

        with self._looking() as space:
            return health(space, self._health_table(), branch)

    def plan(self, target: int | None = None) -> Plan:
        """What the rule planner would do, step by step, so that *target* tokens of HEAD's context are left; no model is asked, and nothing changes.

        Without a *target* it is half of the budget where 70 % of that are used; else only what was given again is hidden.
        """
        from tract.agents.planner import plan

        with self._looking() as space:
            return plan(space, self._health_table(), target)

    def _health_table(self) -> HealthTable:
        """What this handle knows from looking before."""
        from tract.agents.health import HealthTable

        if self._health is None:
            self._health = HealthTable()
        return self._health
