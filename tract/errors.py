"""Every error tract raises on purpose.

    TractError (alias TraceError)
    ├── CommitNotFoundError          a revision names nothing
    ├── AmbiguousPrefixError         a prefix names several objects
    ├── BlobNotFoundError            an object that must exist does not
    │   └── HistoryCutError          the history before a commit was cut, by gc or by a clone
    ├── ContentValidationError       a message, note or usage dict tract cannot keep
    ├── KeyConflictError             a key that belongs to another content
    ├── DivergedError                a list that is not the context with more at its end
    ├── BudgetExceededError          a commit over a REJECT budget
    ├── EditTargetError              an edit of a message that is not in the context
    ├── DetachedHeadError            a commit without a branch to move
    ├── BranchExistsError  BranchNotFoundError  InvalidBranchNameError  UnmergedBranchError
    ├── TagExistsError
    ├── MergeError ── MergeConflictError, NothingToMergeError
    ├── RebaseError  CherryPickError  SemanticSafetyError
    ├── BisectError                  a search for the first bad commit that cannot continue
    ├── CompressionError  GCError
    ├── SpawnError  SessionError
    ├── ActionError                  an invalid action: there is no such operation, or it does not take these arguments
    ├── ProposalError                a proposal that does not exist, or is decided already
    ├── PolicyExecutionError  PolicyConfigError  OrchestratorError
    ├── RemoteError                  a remote operation that failed
    │   ├── RemoteAuthError          the remote refuses the credentials
    │   ├── RemoteMovedError         a branch there is not where a push expects it
    │   └── RemoteRefusedError       a push is not allowed: the remote does not keep writers apart, or a secret was found
    ├── LLMError ── LLMConfigError, LLMAuthError, LLMRateLimitError, LLMResponseError
    ├── ExportError                  a file that cannot be written, or exists already
    ├── ImportFormatError            a file that tract cannot read as a conversation
    ├── ClosedError                  a Tract, or a model's client, used after close()
    ├── ConfigError                  a configuration tract does not understand
    ├── TimeArgumentError            a datetime without a time zone
    ├── TokenizerError               a counter that cannot count
    └── StorageError
        ├── ObjectCorruptError       bytes that do not match their name
        ├── RefMovedError            another process moved the ref first
        ├── ReadOnlyError            a change to a store that was opened read-only
        ├── RefNameError             a ref or tract name that is refused
        ├── DurabilityError          a write or sync that failed
        ├── LockTimeoutError         a lock that another process held for too long
        ├── UnsafeRepositoryError    a store owned by another user, or with a symbolic link in it
        ├── NotARepositoryError      a folder that is not a store
        ├── FormatVersionError       a store made by another version
        └── StreamError              a line of a stream that cannot be imported

    TractWarning (a UserWarning)
    ├── BudgetWarning                a commit over a WARN budget
    ├── RecordWarning                a call of a wrapped client that could not be recorded
    ├── RoleWarning                  a message whose role no provider knows
    └── PolicyWarning                a policy that failed, or is not known here

Messages are one line, lower case, no full stop: what failed, on which subject, what was found.
Facts are attributes.
What to type next is the command line's business.
"""

from __future__ import annotations

from collections.abc import Sequence

from tract.annotations import Any
from tract.escape import one_line

_LONGEST = 1000
"""The most characters of a shown message: a refused name may have any number. ``args`` and the attributes have all of it."""


def _shown(text: str) -> str:
    """*text* as one line that shows its beginning and its end."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST * 2 // 3]}…{text[-_LONGEST // 3 :]}"
    return one_line(text)


class TractWarning(UserWarning):
    """The base of every warning of tract's; it points at the line of the caller."""

    def __str__(self) -> str:
        return _shown(super().__str__())


class BudgetWarning(TractWarning):
    """A commit went over a token budget whose action is WARN."""


class RecordWarning(TractWarning):
    """A question to a wrapped client, or its answer, could not be recorded; the caller still got the answer."""


class RoleWarning(TractWarning):
    """A message was committed with a role that its provider does not know; it is sent with another role."""


class PolicyWarning(TractWarning):
    """A policy failed, or its class is not known here; the commit or compile that ran it was done all the same."""


class TractError(Exception):
    """The base of every error that tract raises on purpose. Its message is always one line without control characters, whatever names or texts it quotes."""

    def __str__(self) -> str:
        return _shown(super().__str__())

    def __reduce__(self) -> tuple[Any, ...]:
        """The parts for pickle: the error is rebuilt from its state, because its arguments are not its message."""
        return _made_again, (type(self), self.args, vars(self))


def _made_again(kind: type[TractError], args: tuple[Any, ...], facts: dict[str, Any]) -> TractError:
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(facts)
    return error


TraceError = TractError


class CommitNotFoundError(TractError):
    """*revision* names no commit."""

    def __init__(self, revision: str, detail: str = "") -> None:
        self.revision = revision
        shown = f"'{revision}'" if revision.isprintable() else repr(revision)
        super().__init__(f"no commit named {shown}" + (f": {detail}" if detail else ""))


class AmbiguousPrefixError(TractError):
    """Several ids begin with *prefix*; ``candidates`` has them, in order."""

    def __init__(self, prefix: str, candidates: tuple[str, ...]) -> None:
        self.prefix = prefix
        self.candidates = candidates
        shown = ", ".join(c[:16] for c in candidates[:5]) + (", …" if len(candidates) > 5 else "")
        super().__init__(f"'{prefix}' is ambiguous: it begins {shown}")


class BlobNotFoundError(TractError):
    """An object of the store is missing; ``id`` is its hexadecimal id."""

    def __init__(self, id: str, detail: str = "") -> None:
        self.id = id
        super().__init__(f"object {id} not found" + (f": {detail}" if detail else ""))


class HistoryCutError(BlobNotFoundError):
    """The answer lies behind commit *id*, where gc (or a shallow clone) cut the history on *date*; *failed* says what could not be done."""

    def __init__(self, id: str, date: str, failed: str = "") -> None:
        super().__init__(id)
        self.date = date
        self.args = (f"{failed}{': ' if failed else ''}history behind {id[:16]} was cut on {date}",)


class ContentValidationError(TractError):
    """Content that cannot be stored as it is; the message names the place in it."""


class KeyConflictError(TractError):
    """The branch has a different content under *key*, in the commit *commit_hash*."""

    def __init__(self, key: str, commit_hash: str) -> None:
        self.key = key
        self.commit_hash = commit_hash
        super().__init__(f"key {key!r:.80} has another content already, in commit {commit_hash[:16]}")


class DivergedError(TractError):
    """The list to record is not the context plus new messages, although that was demanded."""


class BudgetExceededError(TractError):
    """A commit would exceed a token budget whose action is REJECT. Counts are tokens."""

    def __init__(self, current: int, added: int, limit: int) -> None:
        self.current = current
        self.added = added
        self.limit = limit
        super().__init__(
            f"token budget exceeded: {current} in the context and {added} more are over the limit of {limit}"
        )


class EditTargetError(TractError):
    """An edit's target is not a message of the current context."""


class DetachedHeadError(TractError):
    """HEAD names a commit, not a branch, so there is no branch to commit to."""


class BranchExistsError(TractError):
    """The branch is there already."""


class BranchNotFoundError(TractError):
    """There is no such branch."""


class InvalidBranchNameError(TractError):
    """A name that cannot be a branch; the message says which rule it breaks."""


class UnmergedBranchError(TractError):
    """Deleting the branch would leave its commits without a name."""


class TagExistsError(TractError):
    """The tag is there already, on another commit."""


class MergeError(TractError):
    """A merge that cannot be done."""


class MergeConflictError(MergeError):
    """A merge that still has unresolved conflicts."""


class NothingToMergeError(MergeError):
    """The other branch has nothing new."""


class RebaseError(TractError):
    """A rebase that cannot be done."""


class CherryPickError(TractError):
    """A cherry-pick that cannot be done."""


class SemanticSafetyError(TractError):
    """A replay would change what messages mean."""


class BisectError(TractError):
    """A bisection that cannot go on; ``candidates`` are the commits that may be the first bad one, newest first, as far as they are known."""

    def __init__(self, message: str, candidates: tuple[str, ...] = ()) -> None:
        self.candidates = candidates
        super().__init__(message)


class CompressionError(TractError):
    """A compression that cannot be done; if its summary was refused, ``pending`` is the id under which it is kept for review, else None."""

    def __init__(self, message: str, pending: str | None = None) -> None:
        self.pending = pending
        super().__init__(message)


class GCError(TractError):
    """A garbage collection that cannot be done."""


class ActionError(TractError):
    """An action that cannot be run: there is no such operation, or it does not accept these arguments."""


class SpawnError(TractError):
    """A sub-agent's tract that cannot be made."""


class SessionError(TractError):
    """A session that cannot be opened or resumed."""


class ProposalError(TractError):
    """A proposal that does not exist, was decided before, or is not to be executed here."""


class PolicyExecutionError(TractError):
    """A policy that raised, or tried to change the tract while it looked."""


class PolicyConfigError(TractError):
    """A policy's settings make no sense."""


class OrchestratorError(TractError):
    """The orchestrator cannot go on."""


class RemoteError(TractError):
    """A remote operation failed.

    ``landed`` says whether the data to be written is in the remote: True, False, or None if no answer came, so that it is not known.
    """

    def __init__(self, message: str, *, landed: bool | None = False) -> None:
        self.landed = landed
        super().__init__(message)


class RemoteAuthError(RemoteError):
    """A remote refuses the credentials, or they do not have the permission that is needed."""


class RemoteMovedError(RemoteError):
    """A branch of a remote is not where a push expected it; nothing was changed there.

    ``expected`` and ``actual`` are hexadecimal ids or None; ``by`` is the author of the last push.
    """

    def __init__(
        self, ref: str, expected: str | None, actual: str | None, by: str = "", detail: str = "", what: str = "push"
    ) -> None:
        self.ref = ref
        self.expected = expected
        self.actual = actual
        self.by = by
        found = "it is not there any more" if actual is None else f"it is at {_at(actual)}"
        who = f", pushed by {by}" if by and actual is not None else ""
        super().__init__(
            f"{what} of '{ref}' refused: {found}{who}{f', {detail}' if detail else ''}; nothing was changed"
        )


class RemoteRefusedError(RemoteError):
    """A push that is not allowed; the message says why.

    If texts that look like secrets are the reason, ``secrets`` has their places; neither it nor the message contains a secret.
    """

    secrets: tuple[Any, ...] = ()


class LLMError(TractError):
    """The base of the errors of a model's client."""


class LLMConfigError(LLMError):
    """A client without a key or a model, a question that cannot be sent, or a prompt file that cannot be read."""


class LLMAuthError(LLMError):
    """The provider refuses the key."""


class LLMRateLimitError(LLMError):
    """The provider asks the caller to wait; ``retry_after`` is in seconds, or None if it does not say how long.

    ``is_transient`` is false if waiting does not help: the quota is used up.
    """

    def __init__(self, message: str, retry_after: float | None = None, *, is_transient: bool = True) -> None:
        self.retry_after = retry_after
        self.is_transient = is_transient
        super().__init__(message if retry_after is None else f"{message} (retry after {retry_after:g} s)")


class LLMResponseError(LLMError):
    """The provider's answer is an error, or cannot be understood, or did not come.

    ``status`` is the HTTP status of an error, else None; ``text`` is the text that a stream had delivered before it broke.
    ``is_transient`` says that asking again may help, and ``retry_after`` after how many seconds, if the provider said so.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        text: str = "",
        is_transient: bool = False,
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.text = text
        self.is_transient = is_transient
        self.retry_after = retry_after
        super().__init__(message)


class ExportError(TractError):
    """A file that cannot be exported to: it exists already, or cannot be written."""


class ImportFormatError(TractError):
    """A file, or a line of one, that tract cannot read as a conversation.

    *detail* is the message without the *path*. *formats* are the formats that can be read; *likely_key* is the key under which messages seem to be.
    """

    def __init__(
        self,
        message: str,
        path: str | None = None,
        line: int | None = None,
        detail: str | None = None,
        *,
        likely_key: str | None = None,
        formats: Sequence[str] = (),
    ) -> None:
        self.path = path
        self.line = line
        self.detail = detail or message
        self.likely_key = likely_key
        self.formats = tuple(formats)
        super().__init__(message)


class ClosedError(TractError):
    """The tract, or the model's client, was closed before."""


class ConfigError(TractError):
    """A setting that does not exist, or has a value that is not allowed."""


class TimeArgumentError(TractError):
    """A datetime without a time zone."""


class TokenizerError(TractError):
    """A token counter that cannot be loaded, or returns something that is not a count."""


class StorageError(TractError):
    """The base of the errors of the store itself."""


class ObjectCorruptError(StorageError):
    """Stored bytes that do not match their name or checksum.

    ``subject`` is the object's id or the file's path; ``offset`` is in bytes, or None.
    """

    def __init__(self, subject: str, detail: str, offset: int | None = None) -> None:
        self.subject = subject
        self.detail = detail
        self.offset = offset
        where = f" at offset {offset}" if offset is not None else ""
        super().__init__(f"{subject} is damaged{where}: {detail}")


class DamageWarning(TractWarning):
    """The store can be read, but acknowledged commits in it cannot; ``tract fsck`` says which."""


class RefMovedError(StorageError):
    """A ref is not where the writer last saw it; nothing was changed. Ids are hexadecimal or None."""

    content: Any = None
    """The uncommitted content as it was given, or a tuple of them from ``extend`` and from a batch; None from any other command."""

    remote: str | None = None
    """The remote on which the ref moved, None if it moved here."""

    def __init__(self, ref: str, expected: str | None, actual: str | None) -> None:
        self.ref = ref
        self.expected = expected
        self.actual = actual
        super().__init__(f"ref '{ref}' moved: expected {_at(expected)}, found {_at(actual)}; nothing was changed")


def _at(value: str | None) -> str:
    return "none" if value is None else value[:16]


class ReadOnlyError(StorageError):
    """A change to a store that was opened read-only; nothing was changed."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"'{path}' was opened read-only")


class RefNameError(StorageError):
    """A name that a ref or tract cannot have; the message says which rule it breaks."""


class DurabilityError(StorageError):
    """A write or a sync failed.

    ``visible`` says whether the change can be seen nevertheless; it may then be lost in a power cut.
    """

    def __init__(self, message: str, *, visible: bool) -> None:
        self.visible = visible
        super().__init__(message)


class LockTimeoutError(StorageError):
    """Another process held a lock for too long."""


class UnsafeRepositoryError(StorageError):
    """A store that another user owns, or that has a symbolic link instead of a file."""


class NotARepositoryError(StorageError):
    """A folder that is not a store."""


class FormatVersionError(StorageError):
    """A store in a format version that this tract does not know; ``found`` is what its format file says."""

    def __init__(self, path: str, found: str, known: str) -> None:
        self.found = found
        self.known = known
        super().__init__(f"'{path}' has format version {found!r}; this tract knows {known}")


class StreamError(StorageError):
    """A text stream that cannot be imported; ``line`` counts its lines from 1. Nothing was changed."""

    def __init__(self, line: int, detail: str) -> None:
        self.line = line
        super().__init__(f"line {line} of the stream: {detail}; nothing was changed")
