"""Writing: messages, edits, notes and tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Unpack, cast

from tract.api.handle import Handle, again_after_remote
from tract.arguments import check_keywords, checks_arguments
from tract.compile.totals import follow_records
from tract.dataclass import replace
from tract.errors import BudgetExceededError, ContentValidationError, RefMovedError
from tract.history.commit import Draft, make_commits, message_named
from tract.history.priority import Priority, PriorityAnnotation, PriorityName, annotate, check_own, read_priority
from tract.history.tags import create_tag, delete_tags
from tract.objects.model import CommitOperation, new_blob
from tract.report.info import describe, describe_made
from tract.revision import Revision, resolve_revision
from tract.writing.drafts import CommitOptions, EditOptions, as_tuple, check_key, draft, drafts, tool_message

# Most programs run without these, and to load them takes longer than many a command.
if TYPE_CHECKING:
    from tract.adapters.importing import ImportResult, Place
    from tract.adapters.recording import RecordOptions, RecordResult
    from tract.compile.compiled import CompiledContext
    from tract.compile.workspace import Workspace
    from tract.history.partial import PartialAnswer
    from tract.objects.content import DialogueContent, Role
    from tract.objects.id import ObjectId
    from tract.objects.model import Commit
    from tract.repo import Repository
    from tract.report.info import CommitInfo
    from tract.tokens.usage import TokenUsage
    from tract.writing.stream import MessageStream, StreamOptions


_ABOUT = frozenset(("response_to", "usage", "request"))
"""Options of a commit that are about what is there."""

_COUNTED_EVERY = 4096
"""After so many commits their records are counted, while they are in memory."""


@checks_arguments
class Committing(Handle):
    """The methods of a tract that commit, annotate and tag."""

    def commit(
        self, content: Any, operation: CommitOperation | str = CommitOperation.APPEND, **options: Unpack[CommitOptions]
    ) -> CommitInfo:
        """Record one message, or with operation EDIT the correction of one.

        *content* is a content type or a dict: one with ``content_type`` is that type, one with ``role`` a provider's message, kept verbatim.
        An SDK's own answer (OpenAI chat and Responses, Anthropic, Gemini, LiteLLM) and an ``LLMResponse`` bring their usage and their model's settings; of several items each is a commit, and the last is given back.
        *response_to* is the message that an edit changes, or that a message replies to; *message* is a note on the commit.
        *generation_config* and *usage* are kept beside the commit: neither is in its hash.
        *timestamp* is an aware datetime, now where None.
        *key* is a name that somebody else gave the message: where the branch has it, nothing is written, and the commit it has is given back (KeyConflictError where that has another content). On a branch without it a commit of another branch with this key and content is picked.
        """
        self._check_required()
        check_keywords("commit", options, CommitOptions)
        if type(content) is dict:
            is_plain = "content_type" in content or ("role" in content and "stop_reason" not in content)
        else:
            is_plain = isinstance(content, str) or hasattr(content, "content_type")
        answer, value = None, None
        if not is_plain:
            from tract.writing.answers import answer_drafts, given_answer

            answer = given_answer(content, self._space.types)
        if answer is not None:
            with self._writing(looks=True) as space:
                space.seen = self._seen_tip()
                made = self._write(space, answer_drafts(space, answer, operation, options), content)[-1]
        else:
            looks = not _ABOUT.isdisjoint(options)
            with self._writing(looks=looks) as space:
                if looks:
                    space.seen = self._seen_tip()
                one = draft(space, content, operation, **options)
                made, value = self._write(space, [one], content)[0], one.value
        self._fire("commit", value)
        return made

    def extend(
        self, messages: Iterable[Any], *, format: str = "openai", keys: Sequence[str | None] | None = None
    ) -> list[CommitInfo]:
        """Record many messages, all or none; dicts with neither ``content_type`` nor another shape are of *format*, and an SDK's own messages and items (``response.output``) of theirs.

        *keys* has a key for each message, as for :meth:`commit`: only those are written that the branch has not.
        """
        self._check_required()
        with self._writing() as space:
            given = as_tuple(messages)
            made = self._write(space, drafts(space, given, format, keys), given)
        self._fire("commit")
        return made

    def record(self, messages: Iterable[Any] | Mapping[str, Any], **options: Unpack[RecordOptions]) -> RecordResult:
        """Make the context the list *messages*, as ``git add -A; git commit`` does with a working tree, in one operation.

        A message is the context's where it equals its content, or what ``compile`` renders for it: ``record(c.to_openai())`` and its like are ``unchanged``.
        A provider's body is taken too; where Anthropic's or Gemini's says nothing of instructions, those of the context stay.
        What the list no longer has leaves this branch's context by a commit; nothing leaves the history.
        """
        from tract.adapters.recording import RecordOptions, record  # most programs commit message by message

        self._check_required()
        check_keywords("record", options, RecordOptions)
        given = messages if isinstance(messages, Mapping) else as_tuple(messages)
        with self._writing(looks=True) as space:
            try:
                result = record(space, given, expected=self._expected_by_commit, **options)
            except RefMovedError as exc:
                exc.content = given
                raise
            self._look_after(() if result.kind in ("unchanged", "branched") else given)
            space.budget_used = space.made = None
        if result.kind != "unchanged":
            self._fire("commit")
        return result

    def import_transcript(
        self,
        path: str | PathLike[str],
        *,
        format: str | None = None,
        key: str | None = None,
        place: Place | None = None,
        name: str | None = None,
    ) -> ImportResult:
        """Commit the conversations of a file that another program wrote, each in one operation.

        *format* and *key* say what the file does not say itself; *place* is ``here``, ``branch`` or ``tract``: an empty current branch, or a new branch, where None.
        ImportFormatError for a file that is no conversation; what of it could not be read is in ``refused``.
        """
        from tract.adapters.importing import import_file  # few import

        self._check_required()
        with self._writing(looks=True) as space:
            before = space.repo.head()
            result = import_file(space.repo, path, format=format, key=key, place=place, name=name)
            self._look_after(())
            space.budget_used = space.made = None
            is_here = space.repo.head() != before
        if is_here:
            self._fire("commit")
        return result

    def commit_for_key(self, key: str) -> CommitInfo | None:
        """The commit that HEAD's branch has under *key*; None where it has none.

        Where gc took the message, that is the commit behind which history was cut.
        """
        from tract.history.keys import find_key

        with self._access() as space:
            known = find_key(space.repo, check_key(key), space.repo.head()[1])
            return None if known is None else describe(space, known.best)

    def system(self, text: str, **options: Unpack[CommitOptions]) -> CommitInfo:
        """Commit an instruction, which is pinned; *options* are those of :meth:`commit`."""
        from tract.objects.content import InstructionContent  # most programs commit messages as they send them

        return self.commit(InstructionContent(text), **options)

    def user(self, text: str, **options: Unpack[CommitOptions]) -> CommitInfo:
        """Commit a message of the user; *options* are those of :meth:`commit`."""
        return self.commit(_turn("user", text), **options)

    def assistant(self, text: str, **options: Unpack[CommitOptions]) -> CommitInfo:
        """Commit an answer of the model; *options* are those of :meth:`commit`."""
        return self.commit(_turn("assistant", text), **options)

    def tool_result(
        self, call_id: str, content: Any, *, is_error: bool = False, **options: Unpack[CommitOptions]
    ) -> CommitInfo:
        """Commit a tool's result for the call *call_id*: a text, a list of parts, or any JSON value, which becomes its text.

        *is_error* says that the tool failed, for the providers that can be told; *options* are those of :meth:`commit`.
        """
        return self.commit(tool_message(call_id, content, is_error=is_error), **options)

    def edit(self, target: Revision, content: Any, **options: Unpack[EditOptions]) -> CommitInfo:
        """Replace the message *target* in the context; the original stays in the history.

        *content* is as for :meth:`commit`, or a text: the same message with other words. *options* are those of :meth:`commit`.
        """
        return self.commit(content, CommitOperation.EDIT, response_to=target, **options)

    def restore(self, target: Revision, version: int | Revision, *, message: str | None = None) -> CommitInfo:
        """Edit the message *target* back to what it was in *version*: a place in its ``edit_history``, or a commit of it.

        HistoryCutError for a place that counts over history that gc cut: 0, places counted back from -1 and commits are what they were.
        """
        from tract.objects.content import from_value
        from tract.report.forensics import restoring_draft

        with self._writing(looks=True) as space:
            one = restoring_draft(space, target, version, message)
            made = self._write(space, [one], from_value(one.value, space.types))[0]
        self._fire("commit")
        return made

    def stream(self, role: Role = "assistant", **options: Unpack[StreamOptions]) -> MessageStream:
        """A message that arrives in pieces: ``with t.stream() as s: s.write(chunk)``, and its commit is then ``s.commit``.

        Set ``s.usage`` before the end to have it recorded with the commit.
        Left by an exception, what has arrived is committed with ``{"partial": true}`` in its metadata; the retry may edit that.
        Set ``s.content`` to the whole message, in a provider's format for instance, where the answer is more than text, as one with tool calls is.
        """
        from tract.writing.stream import open_stream

        with self._access() as space:
            return open_stream(space, self.commit, role, **options)

    def partial_answers(self) -> tuple[PartialAnswer, ...]:
        """The streamed messages whose processes died before they were committed, oldest first, as far as they had come.

        They are in no context before somebody commits them (:meth:`commit_partial`) or lets them go (:meth:`drop_partial`).
        """
        from tract.history.partial import partial_answers

        with self._looking() as space:
            return partial_answers(space.repo)

    def commit_partial(self, answer: PartialAnswer) -> CommitInfo:
        """Commit the part of a streamed message that had arrived, with ``{"partial": true}`` in its metadata, as the stream itself does when an exception ends it.

        RefMovedError where the branch has other messages since, and the handle was not opened with ``on_moved="append"``; ContentValidationError on another branch: it would be an answer to what it never saw.
        """
        from tract.history.partial import check_partial, drop_partial
        from tract.writing.stream import PARTIAL

        with self._access() as space:
            check_partial(space.repo, answer, may_have_moved=self._on_moved == "append")
        info = self.commit(
            _turn(cast("Role", answer.role), answer.text),
            message=answer.message,
            response_to=answer.response_to,
            metadata={**(answer.metadata or {}), PARTIAL: True},
            generation_config=None if answer.generation_config is None else dict(answer.generation_config),
        )
        with self._access() as space:
            drop_partial(space.repo, answer.id)
        return info

    def drop_partial(self, answer: PartialAnswer) -> None:
        """Forget the part of a streamed message that had arrived; no error if that was done before."""
        from tract.history.partial import drop_partial, id_of

        with self._access() as space:
            drop_partial(space.repo, id_of(answer))

    def annotate(
        self,
        target: Revision,
        priority: Priority | PriorityName,
        *,
        reason: str | None = None,
        origin: str | None = None,
    ) -> PriorityAnnotation:
        """Set a message's priority: SKIP hides it, PINNED keeps it from compression. No branch moves. CommitNotFoundError for a message of another tract.

        *origin* is what asked for it where that was no person, such as ``tool``.
        """
        with self._access() as space:
            message = message_named(space.repo, target)
            check_own(space.repo, message)
            made = annotate(space.repo, message, read_priority(priority), reason, space.compiler.priorities, origin)
            self._sight.look_at_own_note(space.repo)
            return made

    def tag(self, name: str, target: Revision = "HEAD") -> str:
        """Name a commit for good, and give back its id; TagExistsError when the tag names another."""
        with self._access() as space:
            id = resolve_revision(space.repo, target)
            create_tag(space.repo, name, id)
            return id.hex()

    def delete_tag(self, name: str) -> str:
        """Forget a tag, and give back the id of its commit."""
        with self._access() as space:
            return delete_tags(space.repo, [name])[name].hex()

    def put_blob(self, data: bytes) -> str:
        """Keep *data* and give back its id, for a record's *refs*; without one that names it gc drops it after a while."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise ContentValidationError(f"a blob is bytes, not {type(data).__name__}")
        with self._access() as space:
            made = new_blob(bytes(data))
            space.repo.objects.write_many([made])
            return made.id.hex()

    def record_usage(
        self, usage: Mapping[str, Any] | TokenUsage, *, head_hash: Revision | None = None
    ) -> CompiledContext:
        """Keep the tokens a provider counted for the context at *head_hash* (HEAD where None): they take precedence over estimates from then on."""
        from tract.writing.budget import record_usage

        with self._access() as space:
            return record_usage(space, usage, head_hash)

    def register_content_type(self, name: str, cls: type[Any]) -> None:
        """Let ``commit`` take instances of *cls*, a dataclass or pydantic model whose ``content_type`` is *name*."""
        from tract.objects.content import check_content_type

        with self._access() as space:
            space.types[check_content_type(name, cls)] = cls

    def _write(self, space: Workspace, drafts: list[Draft], given: Any) -> list[CommitInfo]:
        """Commit *drafts*; RefMovedError gives *given* back, what the user wanted committed."""
        try:
            if space.repo.config.token_budget is not None:
                from tract.writing.budget import check_budget  # most tracts have none

                check_budget(space, self._unknown(space, drafts))
            made = self._make(space, drafts)
        except (BudgetExceededError, RefMovedError) as exc:
            known = self._known(space, drafts)
            if drafts and len(known) == len(drafts):
                return known  # nothing is added: these are here, or another process has committed them meanwhile
            if isinstance(exc, RefMovedError):
                exc.content = given
            raise
        space.made = made[-1][1].generation if made else None
        if made and not made[-1][1].generation % _COUNTED_EVERY:
            follow_records(space, made[-1][0])
        seen = self._look_after(given, made[-1][0] if made and drafts[-1].key is None else None)
        infos = describe_made(space, made, [one.value for one in drafts])
        if (
            made
            and isinstance(seen, bytes)
            and made[0][1].parents != (seen,)
            and _landed_elsewhere(space.repo, made, seen)
        ):
            infos = [replace(info, landed_on=infos[0].parent_hash) for info in infos]
        return infos

    def _make(self, space: Workspace, drafts: list[Draft]) -> list[tuple[ObjectId, Commit]]:
        """Make the commits of *drafts*, here or, where the store lives in a remote and others commit there, with theirs."""
        if self._sync is None and not space.repo.gates:
            return make_commits(space.repo, drafts, expected=self._expected_by_commit)
        return self._make_with_others(space, drafts)

    def _make_with_others(self, space: Workspace, drafts: list[Draft]) -> list[tuple[ObjectId, Commit]]:
        """The same, where the store lives in a remote, or a gate must let the commits through."""

        def attempt() -> list[tuple[ObjectId, Commit]]:
            return make_commits(space.repo, drafts, expected=self._expected_by_commit)

        sync, repo = self._sync, space.repo
        is_alone = sync is None or self._on_moved != "append" or self._open_batch() is not None
        if sync is None or is_alone or not sync.takes(repo, drafts):
            return again_after_remote(attempt)
        self._expected_by_commit(*repo.head())
        made = sync.append(repo, drafts)
        self._check_open()  # another thread may have closed the handle meanwhile; what was committed is there
        return made

    def _seen_tip(self) -> ObjectId | None:
        """Where this handle saw the branch last."""
        sight = self._sight
        tip = sight.tips.get(sight.place) if isinstance(sight.place, str) else None
        return tip if isinstance(tip, bytes) else None

    def _unknown(self, space: Workspace, drafts: list[Draft]) -> list[Draft]:
        """Those of *drafts* that a budget has to have room for: the branch has none of them under its key."""
        if all(one.key is None for one in drafts):
            return drafts
        from tract.history.keys import known_commits  # most programs use no keys

        return [one for one, known in zip(drafts, known_commits(space.repo, drafts), strict=True) if known is None]

    def _known(self, space: Workspace, drafts: list[Draft]) -> list[CommitInfo]:
        """The commits that the branch has under the drafts' keys, where it has all of them; else none."""
        if not drafts or any(one.key is None for one in drafts):
            return []
        from tract.history.keys import known_commits  # most programs use no keys

        found = known_commits(space.repo, drafts)
        return [describe(space, id) for id in found if id is not None] if None not in found else []


def _turn(role: Role, text: str) -> DialogueContent:
    from tract.objects.content import DialogueContent  # as above

    return DialogueContent(role, text)


def _landed_elsewhere(repo: Repository, made: Sequence[tuple[ObjectId, Commit]], seen: ObjectId) -> bool:
    """Whether the first of the commits that are new did not go on the commit *seen*."""
    generation = repo.commit(seen).generation
    new = next((commit for _, commit in made if commit.generation > generation), None)
    return new is not None and new.parents != (seen,)
