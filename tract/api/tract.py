"""The public face: one class whose methods resolve names, call one function and return its value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from tract.api.handle import Handle
from tract.api.opening import check_before_creating, open_or_create, storage_errors
from tract.compile.views import compile_at, sent
from tract.errors import ConfigError
from tract.history.branch import (
    BranchInfo,
    create_branch,
    delete_branches,
    describe_branch,
    describe_branches,
    rename_branch,
)
from tract.history.checkout import checkout, switch
from tract.history.commit import Draft, edit_target, make_commits
from tract.history.priority import Priority, PriorityAnnotation, annotate, annotation_history, read_priority
from tract.history.tags import create_tag, delete_tags, list_tags
from tract.objects.content import (
    DialogueContent,
    InstructionContent,
    check_content_type,
)
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.report.log import content_at, describe, describe_made, log, query_by_config, with_priority
from tract.revision import resolve_revision
from tract.storage.store import Durability
from tract.tokens.usage import GROUPINGS
from tract.writing.budget import check_budget, record_usage
from tract.writing.drafts import draft, drafts, tool_message

# What committing and compiling do without is loaded by the methods that need it: to load all of it takes longer than most programs run.
if TYPE_CHECKING:
    import re
    from datetime import datetime
    from pathlib import Path

    from tract.compile.compiled import CompiledContext
    from tract.compile.compiler import ContextCompiler
    from tract.compile.prefix import PrefixChange
    from tract.config import TractConfig
    from tract.curation.compress.prefix_cost import CachePrices
    from tract.curation.compress.result import CompressResult, PendingCompression
    from tract.curation.compress.summarise import MustKeep, Summariser
    from tract.curation.expand import ExpandResult
    from tract.curation.merge.land import Strategy
    from tract.curation.merge.resolve import Resolver
    from tract.curation.merge.result import MergeResult
    from tract.curation.reorder import ReorderResult
    from tract.curation.replay.result import CherryPickResult, RebaseResult, ReplayResult, RevertResult
    from tract.curation.replay.run import Replay
    from tract.history.reflog import ReflogEntry
    from tract.history.reset import ResetMode
    from tract.history.undo import UndoPlan
    from tract.llm.types import LLMClient
    from tract.maintenance.gc.collect import GCResult
    from tract.report.blame import BlameEntry
    from tract.report.details import CommitDetails
    from tract.report.diff import DiffResult
    from tract.report.info import CommitInfo
    from tract.report.spending import UsageReport
    from tract.report.status import StatusInfo
    from tract.tokens.counter import TokenCounter
    from tract.tokens.usage import TokenUsage
    from tract.writing.stream import MessageStream


class Tract(Handle):
    """A context under version control.

    Open one with :meth:`open`; it is a context manager, and may be shared by threads.
    """

    _client: LLMClient | None = None
    _prompts: str | Path | None = None

    # Opening

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        tract_id: str | None = None,
        config: TractConfig | None = None,
        tokenizer: TokenCounter | None = None,
        compiler: ContextCompiler | None = None,
        durability: Durability = "full",
        on_moved: Literal["error", "append"] = "error",
        verify_cache: bool = False,
    ) -> Tract:
        """Open, or create, the store in folder *path*.

        A path that ends in ``.tract`` is the store itself; None means the nearest store above the working folder, else a new one in it; ``":memory:"`` is a store that is gone with the process.
        Without *tract_id* it is the store's root tract; a name that is new makes a new tract in the same store.
        *durability* ``full``: when a commit returns it survives a power cut; ``process``: it survives the death of the process.
        *on_moved* says what a commit does on a branch that another process moved, or HEAD left, since this handle looked: raise RefMovedError, or append to what is there.
        """
        if on_moved not in ("error", "append"):
            raise ConfigError(f"on_moved must be 'error' or 'append', not {on_moved!r}")
        check_before_creating(tract_id, config, tokenizer, durability)
        with storage_errors():
            repo = open_or_create(path, tract_id, config, durability)
        try:
            return cls(repo, tokenizer=tokenizer, compiler=compiler, on_moved=on_moved, verify_cache=verify_cache)
        except BaseException:
            repo.close()
            raise

    # Committing

    def commit(
        self,
        content: Any,
        operation: CommitOperation | str = CommitOperation.APPEND,
        *,
        message: str | None = None,
        response_to: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        generation_config: Mapping[str, Any] | None = None,
        usage: Mapping[str, Any] | TokenUsage | None = None,
        timestamp: datetime | None = None,
    ) -> CommitInfo:
        """Record one message, or with operation EDIT the correction of one.

        *content* is a content type or a dict: one with ``content_type`` is that type, one with ``role`` a provider's message, kept verbatim.
        *response_to* is what an edit edits, or what a message replies to.
        *generation_config* and *usage* are kept beside the commit: neither is in its hash.
        *timestamp* is an aware datetime, now where None.
        """
        with self._writing(response_to, usage) as space:
            one = draft(
                space,
                content,
                operation,
                message=message,
                response_to=response_to,
                metadata=metadata,
                generation_config=generation_config,
                usage=usage,
                timestamp=timestamp,
            )
            return self._write([one])[0]

    def extend(self, messages: Iterable[Any], *, format: str = "openai") -> list[CommitInfo]:
        """Record many messages, all or none; dicts with neither ``content_type`` nor another shape are of *format*."""
        with self._writing() as space:
            return self._write(drafts(space, messages, format))

    def system(self, text: str) -> CommitInfo:
        """Commit an instruction, which is pinned."""
        return self.commit(InstructionContent(text))

    def user(self, text: str) -> CommitInfo:
        """Commit what the user said."""
        return self.commit(DialogueContent("user", text))

    def assistant(self, text: str, *, usage: Mapping[str, Any] | TokenUsage | None = None) -> CommitInfo:
        """Commit what the model answered."""
        return self.commit(DialogueContent("assistant", text), usage=usage)

    def tool_result(self, call_id: str, content: Any) -> CommitInfo:
        """Commit what a tool answered to the call *call_id*: a text, a list of parts, or any JSON value, which becomes its text."""
        return self.commit(tool_message(call_id, content))

    def edit(self, target: str, content: Any, **options: Any) -> CommitInfo:
        """Replace the message *target*, as if it had always been so; the original stays in the history.

        *content* as for :meth:`commit`, or a text: the same message with other words. *options* are commit's.
        """
        return self.commit(content, CommitOperation.EDIT, response_to=target, **options)

    def edit_history(self, message: str) -> list[CommitInfo]:
        """The versions of a message, oldest first: the commit that introduced it, then its edits behind HEAD, as far as gc did not cut them."""
        from tract.report.versions import versions_of

        with self._looking() as space:
            return [describe(space, id) for id in versions_of(space, message)]

    def restore(self, target: str, version: int | str, *, message: str | None = None) -> CommitInfo:
        """Edit the message *target* back to what it was in *version*: a place in its ``edit_history``, or a commit of it.

        HistoryCutError for a place that counts over history that gc cut: 0, places counted back from -1 and commits are what they were.
        """
        from tract.report.versions import restoring_draft

        with self._writing(target) as space:
            return self._write([restoring_draft(space, target, version, message)])[0]

    def stream(
        self,
        role: str = "assistant",
        *,
        message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        generation_config: Mapping[str, Any] | None = None,
    ) -> MessageStream:
        """A message that arrives in pieces: ``with t.stream() as s: s.write(chunk)``, and its commit is then ``s.commit``.

        Set ``s.usage`` before the end to have it recorded with the commit.
        Left by an exception, what has arrived is committed with ``{"partial": true}`` in its metadata; the retry may edit that.
        Set ``s.content`` to the whole message, in a provider's format for instance, where the answer is more than text, as one with tool calls is.
        """
        from tract.writing.stream import open_stream

        with self._access() as space:
            return open_stream(
                space, self.commit, role, message=message, metadata=metadata, generation_config=generation_config
            )

    def annotate(self, target: str, priority: Priority | str, *, reason: str | None = None) -> PriorityAnnotation:
        """Set a message's priority: SKIP hides it, PINNED keeps it from compression. No branch moves."""
        with self._access() as space:
            return annotate(space.repo, self._message(target), read_priority(priority), reason)

    def get_annotations(self, target: str) -> list[PriorityAnnotation]:
        """Every priority the message was given, oldest first."""
        with self._looking() as space:
            return annotation_history(space.repo, self._message(target))

    def pinned(self) -> list[CommitInfo]:
        """The pinned messages of the context at HEAD, in order."""
        with self._looking() as space:
            return with_priority(space, Priority.PINNED)

    def skipped(self) -> list[CommitInfo]:
        """The hidden messages of the context at HEAD, in order."""
        with self._looking() as space:
            return with_priority(space, Priority.SKIP)

    def tag(self, name: str, target: str = "HEAD") -> str:
        """Name a commit for good, and give back its id; TagExistsError when the tag names another."""
        with self._access() as space:
            id = resolve_revision(space.repo, target)
            create_tag(space.repo, name, id)
            return id.hex()

    def tags(self) -> dict[str, str]:
        """Every tag and its commit."""
        with self._looking() as space:
            return list_tags(space.repo)

    def delete_tag(self, name: str) -> str:
        """Forget a tag, and give back the id of its commit."""
        with self._access() as space:
            return delete_tags(space.repo, [name])[name].hex()

    def record_usage(self, usage: Mapping[str, Any] | TokenUsage, *, head_hash: str | None = None) -> CompiledContext:
        """Keep the tokens a provider counted for the context at *head_hash* (HEAD where None): they take precedence over estimates from then on."""
        with self._access() as space:
            return record_usage(space, usage, head_hash)

    def get_commit(self, revision: str) -> CommitInfo:
        """The commit that *revision* names."""
        with self._looking() as space:
            return describe(space, resolve_revision(space.repo, revision))

    def get_content(self, revision: str) -> Any:
        """The content of a commit, as it was committed."""
        with self._looking() as space:
            return content_at(space, resolve_revision(space.repo, revision))

    def query_by_config(
        self, field: str | Iterable[tuple[str, str, Any]], operator: str = "=", value: Any = None
    ) -> list[CommitInfo]:
        """The commits whose generation config has *field* in that relation to *value*: ``= != > < >= <= in between``.

        *field* may be a list of such triples, all of which must hold; ``a.b`` leads into nested maps.
        """
        conditions = [(field, operator, value)] if isinstance(field, str) else field
        with self._looking() as space:
            return query_by_config(space, conditions)

    def usage(
        self,
        *,
        branch: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        by: Iterable[str] = GROUPINGS,
    ) -> UsageReport:
        """What the recorded usage adds up to, told apart *by* ``model``, ``branch`` and ``day`` (in UTC).

        *branch* leaves only what is in that branch's history; *since* is included, *until* is not.
        """
        from tract.report.spending import usage_report

        with self._looking() as space:
            return usage_report(space, branch=branch, since=since, until=until, by=by)

    def register_content_type(self, name: str, cls: type[Any]) -> None:
        """Let ``commit`` take instances of *cls*, a dataclass or pydantic model whose ``content_type`` is *name*."""
        with self._access() as space:
            space.types[check_content_type(name, cls)] = cls

    # Compiling

    def compile(
        self,
        *,
        at_commit: str | None = None,
        at_time: datetime | None = None,
        order: Sequence[str] | None = None,
        include_edit_annotations: bool = False,
        strict: bool = False,
        notes: Literal["now", "then"] = "now",
    ) -> CompiledContext:
        """The context as a model is sent it: at HEAD, at a revision or at a moment.

        *order* names messages that shall come first; what that does to the meaning is in ``warnings``.
        *include_edit_annotations* puts `` [edited]`` behind texts that were edited.
        *notes* ``then``: with the skips and configs as they were when the commit was made.
        *strict* raises where a tool's call and its result are torn apart, or had to be mended, or *order* changes the meaning.
        Messages are read from packs when they are sent or looked at: where one is damaged, that raises ObjectCorruptError.
        """
        with self._looking() as space:
            return compile_at(
                space,
                at_commit=at_commit,
                at_time=at_time,
                order=order,
                include_edit_annotations=include_edit_annotations,
                strict=strict,
                notes=notes,
            )

    def sent(self, revision: str) -> CompiledContext:
        """What the model was shown to produce that commit: its parent's context, with the notes as they were then."""
        with self._looking() as space:
            return sent(space, revision)

    def prefix_change(self, previous: CompiledContext | str) -> PrefixChange:
        """What sending the context at HEAD now would cost a provider's prompt cache that holds *previous*: a context, or a revision's as it was then."""
        return self.compile().prefix_change(previous)

    # Looking

    def log(
        self,
        limit: int | None = 20,
        *,
        op_filter: CommitOperation | str | None = None,
        first_parent: bool = False,
        start: str | Sequence[str] = "HEAD",
        all_refs: bool = False,
        skip: int = 0,
        merges: bool | None = None,
        author: str | re.Pattern[str] | None = None,
        grep: str | re.Pattern[str] | None = None,
        text: str | None = None,
        ignore_case: bool = False,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[CommitInfo]:
        """The commits behind *start*, newest first, a child always before its parents.

        *start* is a revision, a range ``a..b``, or several of them, ``^a`` leaving out what *a* reaches; *all_refs* begins at every branch and tag as well.
        *author* and *grep* are regular expressions; *grep* is looked for in the note on a commit and in what its message says.
        *text* selects the commits that change how often it stands in the context: those that brought it, and those that took it away.
        *merges* asks for merges alone, or when false for all others; *since* is included, *until* is not.
        """
        with self._looking() as space:
            return log(
                space,
                limit=limit,
                op_filter=op_filter,
                first_parent=first_parent,
                start=start,
                all_refs=all_refs,
                skip=skip,
                merges=merges,
                author=author,
                grep=grep,
                text=text,
                ignore_case=ignore_case,
                since=since,
                until=until,
            )

    def status(self) -> StatusInfo:
        """Where the tract is: branch, HEAD, messages, tokens against the budget."""
        from tract.report.status import status

        with self._looking() as space:
            return status(space)

    def show(self, revision: str = "HEAD") -> CommitDetails:
        """A commit, its content, and what it changed."""
        from tract.report.details import details

        with self._looking() as space:
            return details(space, resolve_revision(space.repo, revision))

    def diff(
        self,
        a: str | CompiledContext | None = None,
        b: str | CompiledContext | None = None,
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

    def blame(self, revision: str = "HEAD") -> list[BlameEntry]:
        """For each message of the context, hidden ones included: the commit that introduced it, and the last that changed it."""
        from tract.report.blame import blame

        with self._looking() as space:
            return blame(space, revision)

    def bisect(
        self,
        good: str | Sequence[str],
        bad: str,
        test: Callable[[CompiledContext], bool | None],
        *,
        notes: Literal["now", "then"] = "now",
    ) -> CommitInfo:
        """The first commit whose context fails *test*, of those that *bad* reaches and *good* does not, with the fewest tests.

        *test* says whether a context is good; None where that cannot be told, and the commits around it are tested.
        *good* and *bad* themselves are taken to be what they are called. BisectError where no single commit can be named.
        """
        from tract.report.bisection import first_bad

        return first_bad(self._looking, good, bad, test, notes)

    # Moving

    def branch(self, name: str, *, source: str | None = None, switch: bool = True) -> BranchInfo:
        """Make a branch at *source* (HEAD where None), and go to it unless *switch* is False; BranchExistsError when it is there already."""
        with self._access() as space:
            start = space.repo.head()[1] if source is None else resolve_revision(space.repo, source)
            create_branch(space.repo, name, start, switch=switch)
            self._look()
            return BranchInfo(name, None if start is None else start.hex(), switch)

    def list_branches(self) -> list[BranchInfo]:
        """Every branch that has a commit, in order of name."""
        with self._looking() as space:
            return describe_branches(space.repo)

    def switch(self, name: str) -> CommitInfo | None:
        """Go to branch *name*, or with ``-`` to where HEAD was before; what is there, None where it has no commit yet."""
        with self._access() as space:
            switch(space.repo, name)
            return self._here()

    def checkout(self, target: str) -> CommitInfo | None:
        """Go to a branch, or look at the commit that any other revision names: HEAD is then detached, and commit raises DetachedHeadError.

        ``-`` is where HEAD was before. Returns what is there.
        """
        with self._access() as space:
            checkout(space.repo, target)
            return self._here()

    def rename_branch(self, old: str, new: str, *, force: bool = False) -> BranchInfo:
        """Give a branch another name; HEAD and the reflog follow. BranchExistsError when that is taken, unless *force*."""
        with self._access() as space:
            rename_branch(space.repo, old, new, force=force)
            self._look()
            return describe_branch(space.repo, new)

    def delete_branch(self, name: str, *, force: bool = False) -> str:
        """Delete a branch, and give back the id of its last commit; UnmergedBranchError when HEAD does not reach that, unless *force*."""
        with self._access() as space:
            return delete_branches(space.repo, [name], force=force)[name].hex()

    def reset(self, target: str, *, mode: ResetMode = "soft") -> CommitInfo:
        """Put the branch on another commit, and give that back.

        ``soft``: what followed stays for the retention period, and ``ORIG_HEAD`` and the reflog name it.
        ``hard``: they do not, and the next gc may take it; until then ``undo`` brings it back.
        """
        from tract.history.reset import reset

        with self._moving("reset") as (space, expected):
            id = resolve_revision(space.repo, target)
            reset(space.repo, id, mode=mode, named=target, expected=expected)
            return describe(space, id)

    def reflog(self, ref: str = "HEAD", *, limit: int | None = None) -> list[ReflogEntry]:
        """Where *ref*, HEAD or a branch or tag, has been, newest first."""
        from tract.history.reflog import reflog

        with self._looking() as space:
            return reflog(space.repo, ref, limit)

    def undo(self, *, dry_run: bool = False) -> UndoPlan:
        """Put all branches, tags, notes and HEAD back to where they were before the last operation; the next undo takes that back.

        *dry_run* only says what it would move.
        """
        from tract.history.undo import undo

        with self._moving("undo") as (space, expected):
            return undo(space.repo, dry_run=dry_run, expected=expected)

    # Merging

    def configure_llm(
        self, client: LLMClient | Callable[..., Any] | None, *, prompts: str | Path | None = None
    ) -> None:
        """Ask *client* wherever a model is needed: one of tract's own, or any function of messages; None for nobody.

        *prompts* is a folder whose files take the place of tract's own prompts.
        """
        from tract.llm.callables import as_client

        self._client, self._prompts = None if client is None else as_client(client), prompts

    def merge(
        self,
        source_branch: str,
        *,
        resolver: Resolver | None = None,
        strategy: Strategy = "auto",
        no_ff: bool = False,
        auto_commit: bool = False,
        delete_branch: bool = False,
        message: str | None = None,
        allow_unrelated: bool = False,
    ) -> MergeResult:
        """Bring what *source_branch* (any revision) has into the current branch.

        Without conflicts it is done when this returns: the branch moves forward, or gets a merge commit.
        Conflicts stay in the result, and nothing moves, until ``commit_merge``; ``ours`` and ``theirs`` resolve them that way, a *resolver* (with ``semantic`` the configured model) each by itself, and with *auto_commit* nobody reviews that.
        NothingToMergeError when the branch has it all; MergeError when the resolver fails or gives up.
        """
        from tract.curation.merge.land import lands_at_once, prepare_merge
        from tract.curation.merge.resolve import choose_resolver, resolve_conflicts

        asked = choose_resolver(resolver, self._client, strategy, self._prompts)
        with self._moving("merge") as (space, expected):
            result = prepare_merge(
                space,
                source_branch,
                strategy=strategy,
                no_ff=no_ff,
                allow_unrelated=allow_unrelated,
                delete_branch=delete_branch,
                message=message,
                expected=expected,
            )
        result = resolve_conflicts(result, asked)  # with nothing locked: a model takes its time
        return self.commit_merge(result) if lands_at_once(result, auto_commit=auto_commit) else result

    def commit_merge(self, result: MergeResult) -> MergeResult:
        """Commit a merge that was reviewed.

        MergeConflictError when a conflict is open; RefMovedError when the branch, HEAD or what is merged moved since.
        """
        from tract.curation.merge.land import land_merge

        with self._moving("merge") as (space, _):
            return land_merge(space, result)

    # Replaying

    def rebase(
        self,
        target: str,
        *,
        onto: str | None = None,
        resolver: Resolver | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> RebaseResult:
        """Make the commits that *target* has not again on top of it, or of *onto*, and move the branch there; ``ORIG_HEAD`` is where it was.

        Edits find the messages they edit under their new ids; priorities and generation configs go with the commits.
        What it does to meaning is in ``warnings``; SemanticSafetyError, and nothing moves, where words would be lost and *resolver* does not decide: an edit without its message, two edits of one, half a tool call.
        *force* drops edits without their message and lets tool calls be torn; *dry_run* only says what would be done, and asks nobody.
        """
        from tract.curation.replay.result import RebaseResult
        from tract.curation.replay.run import Request, land_fast_forward, prepare

        with self._moving("rebase") as (space, expected):
            replay = prepare(space, Request("rebase", (target,), onto=onto, force=force), expected=expected)
            if isinstance(replay, RebaseResult):
                return replay if dry_run else land_fast_forward(space, replay)
        return cast("RebaseResult", self._replay("rebase", replay, resolver, dry_run))

    def cherry_pick(
        self,
        revision: str | Sequence[str],
        *,
        resolver: Resolver | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> CherryPickResult:
        """Make one commit, several, or a range ``a..b`` again on the current branch; what goes with them and the rest as for :meth:`rebase`.

        CherryPickError for what is there already, and for a merge.
        """
        from tract.curation.replay.run import Request, as_revisions, prepare

        request = Request("cherry-pick", as_revisions(revision), force=force)
        with self._moving("cherry-pick") as (space, expected):
            replay = cast("Replay", prepare(space, request, expected=expected))
        return cast("CherryPickResult", self._replay("cherry-pick", replay, resolver, dry_run))

    def revert(
        self,
        revision: str | Sequence[str],
        *,
        mainline: int | None = None,
        resolver: Resolver | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> RevertResult:
        """Take back what commits did, in a commit each: a message leaves the context, an edit gives back what it replaced.

        *mainline* is the parent, from 1, that a merge is taken back to; the rest as for :meth:`rebase`.
        """
        from tract.curation.replay.run import Request, as_revisions, prepare

        request = Request("revert", as_revisions(revision), mainline=mainline, force=force)
        with self._moving("revert") as (space, expected):
            replay = cast("Replay", prepare(space, request, expected=expected))
        return cast("RevertResult", self._replay("revert", replay, resolver, dry_run))

    # Compressing

    def compress(
        self,
        *,
        commits: Sequence[str] | None = None,
        from_commit: str | None = None,
        to_commit: str | None = None,
        target_tokens: int | None = None,
        preserve: Sequence[str] | None = None,
        auto_commit: bool = True,
        content: Any = None,
        instructions: str | None = None,
        system_prompt: str | None = None,
        keep_recent: int | None = None,
        each_run: bool = False,
        must_keep: Sequence[MustKeep] = (),
        summariser: Summariser | None = None,
        model: str | None = None,
        window: int | None = None,
        role: str | None = None,
        message: str | None = None,
        prices: CachePrices | None = None,
        progress: Callable[[int, int], object] | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> CompressResult | PendingCompression:
        """Put a summary in the place of messages: of *commits*, of those from *from_commit* to *to_commit*, both included, or of everything before the recent part.

        The recent part is the last exchange, but at most ten messages, or *keep_recent* messages.
        Pinned messages and those in *preserve* stay where they are, skipped ones leave, a tool's call and its results go together or stay together; the originals come back with :meth:`expand`.
        *content* is the summary; without it *summariser* or the configured model writes one, of about *target_tokens*, with *must_keep* in it, in pieces where the messages are more than *window* tokens, and *progress* is told how many summaries are done, of how many.
        One summary stands for all, in the place of the first: the assistant's message, or where it opens the conversation the user's, or that of *role*; *each_run* makes one for each run of messages that nothing divides.
        CompressionError when there is nothing to compress, or a summary lacks what it must keep or is longer than what it stands for, unless *force*; one that a model wrote then waits in :meth:`pending_compressions`. A missed target is in ``warnings``.
        With ``auto_commit=False`` the compression waits for :meth:`approve_compression`; *dry_run* only says what would be done, and asks nobody.
        """
        from tract.curation.compress.ask import dry_run_of, summed_up
        from tract.curation.compress.pieces import Asking
        from tract.curation.compress.plan import CompressionRange, plan_compression
        from tract.curation.compress.prefix_cost import CachePrices
        from tract.curation.compress.result import CompressionOptions
        from tract.curation.compress.store import finish_compression
        from tract.curation.compress.summarise import choose_summariser

        asked = CompressionRange(commits, from_commit, to_commit, keep_recent, preserve or (), each_run)
        options = CompressionOptions(
            content,
            target_tokens,
            must_keep,
            instructions,
            system_prompt,
            role,
            message,
            force,
            prices or CachePrices.of(self.config),
        )
        asking = None
        if content is None and not dry_run:
            who = choose_summariser(summariser, self._client, model=model, prompts=self._prompts)
            asking = Asking(who, self.config.summary_window if window is None else window, progress)
        with self._moving("compress") as (space, expected):
            plan = plan_compression(space, asked, expected=expected)
            if dry_run:
                return dry_run_of(space, plan, options)
        pending = summed_up(space, plan, options, asking)  # with nothing locked: a model takes its time
        with self._moving("compress") as (space, _):
            return finish_compression(space, pending, auto_commit=auto_commit, force=force)

    def approve_compression(self, pending: PendingCompression | str, *, force: bool = False) -> CompressResult:
        """Commit a compression that was reviewed, or the one that waits under an id.

        CompressionError when a message that would go was edited, pinned or hidden meanwhile, or is gone, and for a summary that is refused, unless *force*.
        """
        from tract.curation.compress.store import approve

        with self._moving("compress") as (space, expected):
            return approve(space, pending, expected=expected, force=force)

    def reject_compression(self, pending: PendingCompression | str) -> None:
        """Forget a compression that waits; nothing was changed by it."""
        from tract.curation.compress.store import reject

        with self._access() as space:
            reject(space, pending)

    def save_compression(self, pending: PendingCompression) -> PendingCompression:
        """Keep a waiting compression as it was edited, so that other processes see it so; its tokens are counted."""
        from tract.curation.compress.store import keep_compression

        with self._access() as space:
            return keep_compression(space, pending, again=True)

    def pending_compressions(self) -> list[PendingCompression]:
        """The compressions that wait to be approved."""
        from tract.curation.compress.store import kept_compressions

        with self._looking() as space:
            return kept_compressions(space.repo)

    def expand(self, summary: str, *, branch: str | None = None) -> ExpandResult:
        """Put the messages back that a summary stands for, on this branch, or on a new *branch* beside it.

        They come back under their own ids, each in its place; the summary goes. CompressionError when it is not in the context, or its originals are not kept any more.
        """
        from tract.curation.expand import expand

        with self._moving("expand") as (space, expected):
            return expand(space, summary, branch=branch, expected=expected)

    def reorder(
        self,
        messages: Sequence[str],
        *,
        before: str | None = None,
        after: str | None = None,
        strict: bool = False,
        dry_run: bool = False,
        message: str | None = None,
    ) -> ReorderResult:
        """Put *messages*, in this order, in front of *before*, behind *after*, or at the beginning of the context, as a commit.

        Messages keep their ids, and tool calls their results; what that does to the meaning is in ``warnings``, or with *strict* a SemanticSafetyError.
        """
        from tract.curation.reorder import reorder

        with self._moving("reorder") as (space, expected):
            return reorder(
                space,
                messages,
                before=before,
                after=after,
                strict=strict,
                dry_run=dry_run,
                message=message,
                expected=expected,
            )

    # Looking after the store

    def gc(
        self,
        *,
        orphan_retention_days: float | str | None = None,
        archive_retention_days: float | str | None = None,
        keep_pinned: bool | None = None,
        keep_merge_bases: bool | None = None,
        dry_run: bool = False,
        aggressive: bool = False,
    ) -> GCResult:
        """Pack what is reachable, of every tract in the store, and drop what nothing has reached for *orphan_retention_days*.

        What compressions took out of contexts goes after *archive_retention_days*, and history with it, but for pinned messages with *keep_pinned*; then it cannot be expanded any more.
        With *keep_merge_bases* it stays while two branches could not be merged without it.
        Retentions are days, or texts: ``"12h"``, ``"30d"``, ``"500M"``, which keeps the newest, and ``"never"``, or ``math.inf``, for ever.
        What is None is for each tract as its settings have it (7 days, for ever, True, True).
        *dry_run* only says what would go; *aggressive* packs smaller and takes several times as long.
        """
        from tract.maintenance.gc.collect import collect_by_policy

        with self._access() as space:
            return collect_by_policy(
                space.repo,
                orphans=orphan_retention_days,
                archives=archive_retention_days,
                keep_pinned=keep_pinned,
                keep_merge_bases=keep_merge_bases,
                dry_run=dry_run,
                aggressive=aggressive,
            )

    # Inside

    def _write(self, drafts: list[Draft]) -> list[CommitInfo]:
        space = self._space
        check_budget(space, drafts)
        made = make_commits(space.repo, drafts, expected=self._expected)
        self._look()
        return describe_made(space, made, [one.value for one in drafts])

    def _replay(self, what: str, replay: Replay, resolver: Resolver | None, dry_run: bool) -> ReplayResult:
        from tract.curation.merge.resolve import choose_resolver
        from tract.curation.replay.run import land_replay, resolve_replay

        asked = choose_resolver(resolver, None, "auto")
        if not dry_run:
            replay = resolve_replay(self._space, replay, asked)  # with nothing locked: a model takes its time
        with self._moving(what) as (space, _):
            return land_replay(space, replay, dry_run=dry_run)

    def _message(self, revision: str) -> ObjectId:
        repo = self._space.repo
        return edit_target(repo, resolve_revision(repo, revision))

    def _here(self) -> CommitInfo | None:
        """Look, and say what is there."""
        self._look()
        tip = self._space.repo.head()[1]
        return None if tip is None else describe(self._space, tip)
