"""Hints: possible next commands after an error. Errors themselves do not know the command line."""

from __future__ import annotations

import re
from contextlib import suppress

from tract import errors
from tract.cli.console import Console
from tract.cli.user_settings import NAMES
from tract.config import TractConfig
from tract.dataclass import fields
from tract.history.tracts import tract_times
from tract.refs.names import HEADS, TAGS, tract_name

_UNDER_WAY = "'tract status' shows what is under way: '--continue' goes on with it, '--abort' gives it up"
_NAMED_UNDER_WAY = re.compile(r"\Aa (merge|rebase|cherry-pick|revert) is under way ")

_COMPRESSIONS = "'tract log --op compress' lists the compressions, 'tract show <compression>' its summaries"

_FIRST = "'tract commit' records a message; 'tract tracts' lists the tracts of this store"

_SAID: tuple[tuple[type[errors.TractError], str, str], ...] = (
    (errors.CommitNotFoundError, "that context has", "'tract blame' numbers the messages of a context"),
    (errors.CommitNotFoundError, "no commit yet", _FIRST),
    (errors.CommitNotFoundError, "no commits yet", _FIRST),
    (errors.RebaseError, "has no commit to", "'tract commit' records the first message"),
    (errors.CherryPickError, "has no commit to", "'tract commit' records the first message"),
    (
        errors.MergeError,
        "have parted",
        "without --ff-only they are merged; 'tract rebase' makes this branch's commits again on top",
    ),
    (errors.MergeError, "no commit in common", "'--allow-unrelated-histories' merges them anyway"),
    (errors.CherryPickError, "which parent", "'tract revert -m 1 <merge>' takes back what the merged branch brought"),
    (errors.ConfigError, "unknown setting", "'tract config' lists the settings"),
    (
        errors.ConfigError,
        "config.toml'",
        "correct the file in an editor; or run 'tract fsck --repair', which moves it aside and keeps the settings that can be read",
    ),
    (
        errors.NotARepositoryError,
        "it has no format file",
        "if it was a store, 'tract fsck' says what else is damaged, and 'tract fsck --repair' repairs it",
    ),
    (errors.SessionError, "there is no tract", "'tract tracts' lists the tracts of this store"),
    (
        errors.OrchestratorError,
        "is paused",
        "'tract orchestrate --resume' goes on with it, 'tract orchestrate --stop' gives it up",
    ),
    (
        errors.PolicyConfigError,
        "is not registered here",
        "the classes are ArchivePolicy, BranchPolicy, CompressPolicy, GCPolicy and PinPolicy",
    ),
    (
        errors.LLMConfigError,
        "no model to ask",
        "set one of them, or give the text yourself: 'tract help <command>' names the option for that",
    ),
    (
        errors.LockTimeoutError,
        "the orchestrator is at work",
        "'tract orchestrate --pause' or '--stop' lets that run end after the call under way",
    ),
    (
        errors.LockTimeoutError,
        "are being watched",
        "SIGTERM ends the process with --watch; 'tract orchestrate' without --watch can still run once",
    ),
    (errors.MergeError, "no merge", "'tract merge <branch>' begins one"),
    (errors.RebaseError, "no rebase", "'tract rebase <upstream>' begins one"),
    (errors.MergeError, "file of conflicts", _UNDER_WAY),
    (errors.GCError, "the disk is full", "nothing was lost; free some space on that disk, and run gc again"),
    (
        errors.DurabilityError,
        "No space left on device",
        "'tract gc' frees the space of commits that 'tract reset --hard' and 'tract branch -D' dropped",
    ),
    (
        errors.CompressionError,
        "it waits as",
        "the model need not be asked again: '--approve <id> --force' accepts the summary as it is, '--edit <id> --content …' replaces its text",
    ),
    (
        errors.CompressionError,
        "the summary is refused",
        "'--force' accepts it anyway; with '--review' you can edit it first",
    ),
    (errors.CompressionError, "is not a summary", _COMPRESSIONS),
    (errors.CompressionError, "is not a compression that", "'tract compress --list' says what waits for approval"),
    (errors.CompressionError, "is not a compression", _COMPRESSIONS),
    (errors.CompressionError, "several summaries", "'tract expand <summary>' takes one of them"),
    (
        errors.CompressionError,
        "nothing to compress",
        "'tract log' lists the messages; '--keep-recent 0', or '--from' and '--to', choose which of them to compress",
    ),
    (
        errors.CompressionError,
        "nothing was changed",
        "'tract compress --reject <id>' discards a waiting compression; 'tract compress --dry-run' says what would be compressed now",
    ),
    (
        errors.SessionError,
        "has children",
        "'--force' deletes it anyway: its children stay, and 'tract tracts restore' brings it back",
    ),
    (
        errors.SessionError,
        "is not a child of",
        "name its parent with '--tract', or collapse it here anyway with '--force'",
    ),
    (errors.SessionError, "is stale", "'tract collapse --reject <id>' discards it"),
    (errors.SessionError, "approval", "'tract collapse --list' says what waits for approval"),
    (errors.CherryPickError, "file of conflicts", _UNDER_WAY),
    (errors.MergeError, " under way ", _UNDER_WAY),
    (
        errors.HistoryCutError,
        "no commit in common",
        "'tract cherry-pick <commit>' copies single messages; 'tract merge --allow-unrelated-histories' merges all of them, even those that are summed up here",
    ),
    (
        errors.HistoryCutError,
        "where the two parted",
        "'tract cherry-pick <commit>' copies single messages by their ids",
    ),
    (
        errors.RemoteRefusedError,
        "secret",
        "docs/remotes.md says how to remove a secret from a history; 'tract push --no-scan' sends it anyway, 'tract config remote.<name>.scan false' turns the check off",
    ),
    (
        errors.HistoryCutError,
        "version",
        "'tract edit --restore' also takes the id of a commit, or a negative number: -1 is the newest version",
    ),
)
"""Hints that precede the one for a kind of error, if its message contains this."""

_HINTS: tuple[tuple[type[errors.TractError], str], ...] = (
    (errors.NotARepositoryError, "'tract init' makes one here, 'tract -C <folder>' works in another"),
    (errors.AmbiguousPrefixError, "give more digits of the id"),
    (errors.HistoryCutError, "'tract log' shows the history that is still kept; the context itself is complete"),
    (
        errors.ObjectCorruptError,
        "'tract fsck' says what is damaged and lost, 'tract fsck --repair' repairs what it can",
    ),
    (errors.BlobNotFoundError, "'tract fsck' says what is missing, 'tract fsck --repair' repairs what it can"),
    (errors.CommitNotFoundError, "'tract log --oneline' lists commits, 'tract branch' and 'tract tag' names"),
    (errors.BranchNotFoundError, "'tract branch' lists the branches, 'tract checkout' takes any revision"),
    (errors.BranchExistsError, "'tract branch' lists the branches, 'tract switch <branch>' goes to one"),
    (
        errors.UnmergedBranchError,
        "'tract branch -D <branch>' deletes it anyway, and 'tract undo' brings it back",
    ),
    (errors.TagExistsError, "'tract tag -f' moves it, 'tract tag -d <name>' deletes it"),
    (
        errors.NothingToMergeError,
        "'tract branch' lists the branches, 'tract log --oneline --graph --all' shows where they part",
    ),
    (errors.MergeConflictError, "resolve the conflicts, then 'tract merge --continue'"),
    (errors.MergeError, "'tract branch' lists the branches, 'tract status' shows a merge under way"),
    (errors.SemanticSafetyError, "'--dry-run' shows the whole plan, and '--force' carries it out anyway"),
    (errors.RebaseError, _UNDER_WAY),
    (
        errors.CherryPickError,
        "'tract log --oneline' lists commits, 'tract status' shows a cherry-pick or revert under way",
    ),
    (errors.EditTargetError, "'tract log --oneline' lists the messages"),
    (errors.DetachedHeadError, "'tract switch -c <name>' makes a branch here, 'tract switch <branch>' goes to one"),
    (
        errors.BisectError,
        "'tract bisect start <bad> <good>' begins a search, 'tract bisect log' shows your answers so far",
    ),
    (errors.RefMovedError, "somebody else committed meanwhile; see 'tract log' and try again"),
    (
        errors.BudgetExceededError,
        "'tract compress' puts a summary in the place of old messages, 'tract skip <message>' hides one; 'tract status' shows the budget",
    ),
    (
        errors.RemoteMovedError,
        "'tract pull' fetches the remote's commits, with --merge or --rebase if both sides have new ones; 'tract push --force-with-lease' replaces them by yours",
    ),
    (
        errors.RemoteAuthError,
        "credentials come from the environment, as for the provider's own tools (AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_NAME …)",
    ),
    (
        errors.RemoteRefusedError,
        "'tract remote probe <name>' tests the remote's store again; docs/remotes.md says how to remove a secret from a history",
    ),
    (errors.RemoteError, "'tract remote' lists the remotes, 'tract remote add <name> <address>' adds one"),
    (errors.ReadOnlyError, "run the command without --read-only and TRACT_READ_ONLY to change the store"),
    (errors.LockTimeoutError, "another process is writing to this store"),
    (
        errors.UnsafeRepositoryError,
        "a store must belong to you, or its folder be listed in TRACT_SAFE_DIRECTORIES; no part of it may be a link",
    ),
    (
        errors.ImportFormatError,
        "'tract import --format <format> --key <key>' says what is in the file; see 'tract help import'",
    ),
)


def hint_for(exc: errors.TractError) -> str | None:
    """A remedy for *exc*, or None."""
    said = str(exc)
    named = _NAMED_UNDER_WAY.match(said)
    if named is not None:
        return f"'tract {named[1]} --continue' goes on with it, 'tract {named[1]} --abort' gives it up"
    found = (hint for kind, words, hint in _SAID if isinstance(exc, kind) and words in said)
    return next(found, None) or next((hint for kind, hint in _HINTS if isinstance(exc, kind)), None)


def similar_name(console: Console, exc: errors.TractError) -> str | None:
    """The branches and tags, tracts or settings that look like the name in *exc*, or None."""
    import difflib  # most errors name nothing that is like another

    named = re.search(r"'([^']+)'", str(exc))
    if named is None:
        return None
    near = difflib.get_close_matches(named[1], _names_like(console, exc), 3, 0.6)
    return f"did you mean {' or '.join(repr(name) for name in near)}?" if near else None


def _names_like(console: Console, exc: errors.TractError) -> list[str]:
    """All names of the kind that *exc* misses."""
    if isinstance(exc, errors.ConfigError) and str(exc).startswith("unknown setting"):
        return [*NAMES, *(one.name for one in fields(TractConfig) if one.init), "budget_action"]
    console.branch = None  # it may be what is missed
    with suppress(errors.TractError, OSError):
        if isinstance(exc, errors.SessionError) and "there is no tract" in str(exc):
            console.tract = None
            with console.open_repository() as repo:
                return [tract_name(prefix) for prefix in tract_times(repo)]
        if isinstance(exc, errors.BranchNotFoundError | errors.CommitNotFoundError):
            with console.open_repository() as repo:
                return [name.removeprefix(prefix) for prefix in (HEADS, TAGS) for name, _ in repo.local_refs(prefix)]
    return []


GIT_WORDS = {
    "add": "there is no index: 'tract commit' records a message at once",
    "am": "'tract cherry-pick' takes over commits of this store, 'tract fast-import' those of another",
    "apply": "'tract edit' replaces a message, 'tract cherry-pick' makes commits of another branch again",
    "archive": "'tract fast-export' writes the store as text, 'tract compile' a context",
    "bundle": "'tract fast-export' writes the store, or some of its history, as one file",
    "clean": "'tract gc' drops what nothing reaches any more",
    "describe": "'tract tag --merged' lists the tags in the history of HEAD",
    "filter-branch": "'tract edit' corrects a message everywhere, 'tract revert' removes it, 'tract rebase' makes history again",
    "format-patch": "'tract fast-export <a>..<b>' writes some of the history as text",
    "grep": "'tract search <text>' finds messages, 'tract log --grep <pattern>' commits, 'tract log -S <text>' where a text came and went",
    "ls-files": "'tract ls-tree HEAD' lists the messages of the context, 'tract blame' with their texts",
    "mv": "'tract reorder' moves messages",
    "notes": "'tract annotate' sets priorities, 'tract show' prints what was noted about a commit",
    "range-diff": "'tract diff --compiled A B' compares what a model sees at A and at B",
    "restore": "'tract edit <message> --restore <version>' gives a message an earlier text back, 'tract expand' the messages of a summary",
    "rm": "'tract skip' hides a message from the model, 'tract revert' removes it from the context",
    "shortlog": "'tract log --format \"%an %s\"' lists authors and messages",
    "stash": "nothing is uncommitted here: 'tract branch aside' names where you are, 'tract reset <commit>' goes back, 'tract cherry-pick <commit>..aside' brings the rest back",
    "submodule": "a store holds several tracts: 'tract tracts' lists them, 'tract --tract <name>' works on another one",
    "whatchanged": "'tract show' and 'tract diff' print what a commit changed",
    "worktree": "each tract of a store has a HEAD of its own: 'tract tracts' lists and makes them, 'tract --tract <name>' works on one",
}
"""Words of git's that are not commands here, with the commands to use."""
