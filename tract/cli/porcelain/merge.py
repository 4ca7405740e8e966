"""``tract merge``: merge another branch into this one."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache

from tract.api.tract import Tract
from tract.cli.command import DONE, NEGATIVE, USAGE, Args, Command, Param
from tract.cli.console import Console, one_line
from tract.cli.inputs import MODEL_PARAMS, open_client
from tract.cli.rendering import SHORT
from tract.cli.replays import abort_command, continue_command
from tract.curation.editable import text_of_value
from tract.curation.merge.resolve import llm_resolver
from tract.curation.merge.result import MergeConflict, MergeResult, Resolver
from tract.errors import NothingToMergeError
from tract.report.plain import to_plain


def run(console: Console, args: Args) -> int:
    modes = [args.source is not None, args.abort, args.go_on]
    if sum(modes) != 1:
        console.error("give either what to merge, or --continue, or --abort")
        return USAGE
    with console.open_tract() as tract:
        if args.abort:
            return abort_command(console, tract, args, "merge")
        if args.go_on:
            return continue_command(console, tract, args, "merge", lambda done: _report(console, args, done))
        try:
            return _merge(console, tract, args)
        except NothingToMergeError as exc:
            return _print_up_to_date(console, args, str(exc))


def _merge(console: Console, tract: Tract, args: Args) -> int:
    with ExitStack() as stack:
        result = tract.merge(
            args.source,
            resolver=_model(console, args, stack) if args.strategy == "semantic" else None,
            strategy=args.strategy,
            no_ff=args.no_ff,
            ff_only=args.ff_only,
            auto_commit=True,
            no_commit=args.no_commit,
            keep=True,
            delete_branch=args.delete_branch,
            message=args.message,
            allow_unrelated=args.allow_unrelated,
            dry_run=args.dry_run,
        )
    return _report(console, args, result)


def _print_up_to_date(console: Console, args: Args, reason: str) -> int:
    """Report that there is nothing to do; the status lets a script that merges again and again continue."""
    if args.json:
        console.print_json({"kind": "up-to-date", "is_committed": False, "reason": reason})
    else:
        console.line("Already up to date.")
    return DONE


def _model(console: Console, args: Args, stack: ExitStack) -> Resolver:
    """A resolver that opens the model's client at the first conflict: a merge without conflicts needs no key."""

    @cache
    def opened() -> Resolver:
        return llm_resolver(stack.enter_context(open_client(console, args)), model=args.model)

    return lambda request: opened()(request)


def _report(console: Console, args: Args, result: MergeResult) -> int:
    if args.json:
        console.print_json(to_plain(result))
        return NEGATIVE if result.unresolved else DONE
    if result.is_fast_forward:
        _print_fast_forward(console, args, result)
        _print_deleted(console, result)
        return DONE
    if result.is_committed:
        console.line(f"[{result.target_branch} {(result.merge_commit_hash or '')[:SHORT]}] ", result.message or "")
        _print_decisions(console, result)
        _print_counts(console, result)
        _print_deleted(console, result)
        for warning in result.warnings:
            console.warn(str(warning))
        return DONE
    _print_decisions(console, result)
    for conflict in result.unresolved:
        _print_conflict(console, conflict)
    if not result.unresolved:
        if args.dry_run:
            console.line(f"Would merge '{result.source}' into '{result.target_branch}' without a conflict")
            _print_counts(console, result)
        else:
            console.line("The merge has no conflict left; it was not committed, as you asked")
            console.hint("'tract merge --continue' commits it, 'tract merge --abort' gives it up")
        return DONE
    if result.file is not None:
        console.line(f"Nothing was merged yet: resolve the conflicts in '{result.file}'")
        console.hint("then 'tract merge --continue' commits the merge; 'tract merge --abort' gives it up")
    return NEGATIVE


def _print_deleted(console: Console, result: MergeResult) -> None:
    if result.is_committed and result.delete_branch:
        console.line(f"Deleted branch {result.source} (was {result.source_hash[:SHORT]}).")


def _print_fast_forward(console: Console, args: Args, result: MergeResult) -> None:
    old = (result.target_hash or "")[:SHORT] or "nothing"
    would = "Would update" if args.dry_run else "Updating"
    console.line(f"{would} {old}..{result.source_hash[:SHORT]}")
    console.line("Fast-forward")


def _print_counts(console: Console, result: MergeResult) -> None:
    """Print what the branch gets, like the last line of git's merge."""
    counts = _counts(result)
    parts = [f"{counts[what]} message{'' if counts[what] == 1 else 's'} {what}" for what in counts if counts[what]]
    console.line(" ", ", ".join(parts) or "no message changed")


def _counts(result: MergeResult) -> dict[str, int]:
    """The numbers of messages of our side that the merge adds, changes and removes; open conflicts are not counted."""
    merged = result.plan.merged
    assert merged is not None
    ours, new = dict(merged.ours), dict(merged.entries)
    return {
        "added": len(new.keys() - ours.keys()),
        "changed": sum(1 for commit, blob in new.items() if ours.get(commit, blob) != blob),
        "removed": len(ours.keys() - new.keys()),
        "resolved": len(result.resolutions),
    }


def _print_decisions(console: Console, result: MergeResult) -> None:
    """Print a model's decisions about the messages in conflict, and those made by a rule."""
    for one in result.resolutions:
        if one.resolved_by == "rule":
            what = f"{one.commit_hash[:SHORT]} (message {result.conflict(one.commit_hash).number})"
            console.line(f"Both sides gave a tool call the same result: {what} stays")
        if one.resolved_by == "resolver" and one.value is not None:
            conflict = result.conflict(one.commit_hash)
            lead = f"Resolved message {one.commit_hash[:SHORT]} ({conflict.role}, message {conflict.number}): "
            said = text_of_value(one.value)
            console.line(lead, one_line(said, max(20, console.width - len(lead))))


def _print_conflict(console: Console, conflict: MergeConflict) -> None:
    id = console.paint(conflict.commit_hash[:SHORT], "yellow")
    kind = console.paint(f"CONFLICT ({conflict.kind})", "red")
    console.line(kind, ": message ", id, f" ({conflict.role}, message {conflict.number})")


COMMAND = Command(
    run,
    (
        Param("source", metavar="BRANCH", help="The branch to merge, or any other revision."),
        Param("no_ff", ("--no-ff",), bool, help="Make a merge commit even if the branch could simply move forward."),
        Param("ff_only", ("--ff-only",), bool, help="Refuse to merge unless the branch can simply move forward."),
        Param(
            "strategy",
            ("--strategy", "-X"),
            default="auto",
            choices=("auto", "ours", "theirs", "semantic"),
            help="How to resolve conflicts: auto leaves them to you; ours and theirs take that side of each conflict, and still merge what only one side changed; semantic asks a model, also about messages that both sides appended.",
        ),
        *MODEL_PARAMS,
        Param("message", ("--message", "-m"), metavar="NOTE", help="The note on the merge commit."),
        Param(
            "no_commit",
            ("--no-commit",),
            bool,
            help="Stop before the merge commit, even without a conflict; --continue makes it.",
        ),
        Param("delete_branch", ("--delete-branch",), bool, help="Delete the merged branch with the merge."),
        Param(
            "allow_unrelated",
            ("--allow-unrelated-histories",),
            bool,
            help="Merge a history that has no commit in common with this one.",
        ),
        Param(
            "dry_run",
            ("--dry-run", "-n"),
            bool,
            help="Change nothing; say what would happen. The exit status is 1 if there would be a conflict.",
        ),
        Param("abort", ("--abort",), bool, help="Give up the merge under way; it has changed nothing."),
        Param(
            "go_on", ("--continue",), bool, help="Commit the merge under way, with the conflicts as you resolved them."
        ),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    ),
    """
If this branch has no commits of its own, it moves forward. Otherwise the two contexts are merged message by message: what only one side edited, removed or added is taken; of the messages that both appended, this branch's come first. If the branch is merged already, nothing happens, and the exit status is 0.
The merge commit adds no message to the context.

A message that both sides changed is a conflict. Then nothing moves: the conflicts are written to a file, and the exit status is 1.
Edit the file until every section has the message as you want it, and run 'tract merge --continue'.
With '-X semantic' a model decides, and the merge commit records what it decided; with --no-commit that waits for your --continue. The key is read from OPENAI_API_KEY or ANTHROPIC_API_KEY.

  $ tract merge draft
  $ tract merge draft --delete-branch -m 'the formal version'
  $ tract merge -X theirs draft
  $ tract merge -X semantic --no-commit draft
  $ tract merge --abort
""",
)
