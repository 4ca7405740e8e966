"""Reading: the context, the commits behind it, and what can be computed from both."""

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
"""With any of these options, a context is compiled only to be read."""


@checks_arguments
class Looking(Handle):
    """The methods of a tract that change nothing."""

    _health: HealthTable | None = None

    def compile(self, *, policies: bool = True, **options: Unpack[CompileOptions]) -> CompiledContext:
        """The context as a model receives it: at HEAD, at a revision, or at a moment.

        *order* names messages to put first; if that changes the meaning, ``warnings`` says how.
        *include_edit_annotations* appends `` [edited]`` to texts that were edited.
        *notes* ``then`` uses the priorities and configs of the time when the commit was made, not today's.
        *strict* raises if a tool call is separated from its result, or had to be mended, or *order* changes the meaning.
        *policies* false: do not let the policies work first; they do so only for HEAD as it is now.
        Message texts are read from packs when they are sent or looked at, so ObjectCorruptError for a damaged one is raised then.
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
        """The context at *at* (None: HEAD) as text in the format of another program; with *path*, also written to a new file.

        ``claude-code``, ``codex`` and ``gemini-cli`` are sessions that the program can resume; ``losses`` of the result lists what the format cannot express.
        ExportError if *path* exists: no file is overwritten.
        """
        from tract.adapters.exporting import export_context, write_export  # few export
        from tract.compile.compiled import compile_at

        with self._looking() as space:
            exported = export_context(compile_at(space, at_commit=at), format, folder=getcwd())
        return exported if path is None else write_export(exported, fspath(path))

    def sent(self, revision: Revision) -> CompiledContext:
        """What the model received before it wrote that commit: the context of its parent, with the notes of that time.

        If the request was recorded (``commit(…, request=…)``), it is exactly what was sent, and ``request(format)`` of the result is the body.
        """
        from tract.compile.sent import sent

        with self._looking() as space:
            return sent(space, revision)

    def verify_sent(self, revision: Revision) -> bool:
        """Whether the request rebuilt for that answer has exactly the bytes whose BLAKE3 hash was recorded.

        ContentValidationError if no request, or no hash of it, was recorded with the commit.
        """
        from tract.compile.sent import verify_sent

        with self._looking() as space:
            return verify_sent(space, revision)

    def prefix_change(
        self, previous: CompiledContext | Revision, *, request: Mapping[str, Any] | None = None
    ) -> PrefixChange:
        """What it would cost to send the context at HEAD now, if a provider's prompt cache holds *previous*: a context, or that of a revision as it was then.

        *request* is the body to be sent; its model, tools, instructions and cache settings are compared with those of the recorded request.
        """
        return self.compile(policies=False).prefix_change(previous, request=request)

    def log(self, limit: int | None = 20, **selection: Unpack[LogOptions]) -> list[CommitInfo]:
        """The commits reachable from *start*, newest first, a child always before its parents.

        *start* is a revision, a range ``a..b``, or a list of them, in which ``^a`` leaves out what *a* reaches; *all_refs* starts at every branch and tag as well.
        *author* and *grep* are regular expressions; *grep* is searched for in the note on a commit and in the text of its message.
        *text* selects the commits that change how often this text occurs in the context; *lines* (a regular expression) those that change which lines of messages match.
        *merges* true selects only merges, false leaves them out; *since* is inclusive, *until* exclusive.
        *records* includes records, which are left out otherwise.
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
        """The records reachable from *start*, newest first; *kind* and *key* select some, *limit* is the greatest number.

        Records behind a compression are found even if its history was cut.
        """
        from tract.report.log import records

        with self._looking() as space:
            return records(space, kind, None if key is None else check_key(key), limit, start)

    def get_blob(self, id: str) -> bytes:
        """The bytes that ``put_blob`` stored under *id*; BlobNotFoundError if there are none."""
        with self._looking() as space:
            if not isinstance(id, str):
                raise BlobNotFoundError(f"{id!r:.40}", "an id is a text")
            blob = resolve_object(space.repo, id, "blob")
            return read_bytes(blob, space.repo.objects.read(blob))

    def status(self, *, request: Mapping[str, Any] | None = None) -> StatusInfo:
        """The state of the tract: branch, HEAD, messages, tokens and budget.

        *request* is a body to be sent; ``prefix`` then says what sending it would cost the prompt cache of the last recorded request.
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
        """What differs between the contexts at *a* and *b*. *b* None is HEAD; *a* None is the first parent of *b*.

        *compiled* compares what a model receives, without hidden messages; so does a compiled context given as *a* or *b*. *notes* says whether today's priorities count, or those of the time of each commit.
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
        """The messages of the context at *revision*, hidden ones included, with kind, priority, tokens and text.

        *start* and *count* select a range, *only* selects some; EditTargetError if the context does not have one of those.
        """
        from tract.curation.listing import list_messages

        with self._looking() as space:
            return list_messages(space, revision, start=start, count=count, only=only)

    def blame(self, revision: Revision = "HEAD", places: slice = slice(None)) -> list[BlameEntry]:
        """For each message of the context, hidden ones included: the commit that introduced it, and the last commit that changed it.

        *places* is a slice of the messages, counted from 0; history is read only as far back as they need.
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
        """The first commit whose context fails *test*, among those that *bad* reaches and *good* does not; with as few tests as possible.

        *test* returns true for a good context, false for a bad one, None if it cannot tell; then commits near it are tested.
        *good* and *bad* themselves are not tested. BisectError if no single commit can be named.
        """
        from tract.report.forensics import first_bad

        return first_bad(self._looking, good, bad, test, notes)

    def get_commit(self, revision: Revision) -> CommitInfo:
        """The commit that *revision* names."""
        with self._looking() as space:
            return describe(space, resolve_revision(space.repo, revision))

    def get_content(self, revision: Revision) -> Any:
        """The content of a commit as it was committed, whatever later edits say."""
        with self._looking() as space:
            return content_at(space, resolve_revision(space.repo, revision))

    def edit_history(self, message: Revision) -> list[CommitInfo]:
        """The versions of a message, oldest first: the commit that introduced it, then its edits in HEAD's history, as far as gc kept them."""
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
        """The commits whose generation config has *field* in this relation to *value*; operators are ``= != > < >= <= in between``.

        *field* may be a list of (field, operator, value); all of them, and all of *equals*, as in ``model="gpt-4o"``, must hold. ``a.b`` reads from nested maps.
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
        """The recorded usage, added up *by* ``model``, ``branch`` and ``day`` (in UTC).

        *branch* counts only calls in that branch's history; *since* is inclusive, *until* exclusive.
        """
        from tract.report.spending import usage_report

        with self._looking() as space:
            return usage_report(space, branch=branch, since=since, until=until, by=by)

    def get_annotations(self, target: Revision) -> list[PriorityAnnotation]:
        """All priorities that the message was given, oldest first."""
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
        """The operations as tool definitions to give to a model; :class:`ToolExecutor` runs the calls.

        *profile*: ``read`` only looks, ``self`` is for an agent that manages its own context, ``supervisor`` for one that corrects another agent's, ``full`` has all operations.
        *overrides* maps a tool's name to another description, or to None to leave it out. *prefix* is put in front of each name, if the agent has an ``edit`` of its own. ActionError for an unknown profile, format or name.
        """
        from tract.agents.schemas import tool_definitions

        self._check_open()
        return tool_definitions(profile, format, overrides, prefix)

    def health(self, branch: str | None = None) -> Health:
        """What the context of HEAD, or of *branch*, consists of, which parts are no longer needed, and what could be done about that. No model is asked.

        Each advice is an :class:`Action` with its reason, what it saves, and what it costs a provider's prompt cache. BranchNotFoundError if there is no such branch.
        """
        from tract.agents.health import health

        with self._looking() as space:
            return health(space, self._health_table(), branch)

    def plan(self, target: int | None = None) -> Plan:
        """What the rule planner would do, step by step, to bring HEAD's context down to *target* tokens. No model is asked, and nothing changes.

        None: half of the budget if at least 70 % of it is used; otherwise only repeated outputs are hidden.
        """
        from tract.agents.planner import plan

        with self._looking() as space:
            return plan(space, self._health_table(), target)

    def _health_table(self) -> HealthTable:
        """This handle's cache of earlier looks."""
        from tract.agents.health import HealthTable

        if self._health is None:
            self._health = HealthTable()
        return self._health
