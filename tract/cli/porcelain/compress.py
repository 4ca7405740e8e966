"""``tract compress``: replace messages with a summary."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack

from tract.api.tract import Tract
from tract.cli.command import DONE, ROLES, USAGE, Args, Command, Param
from tract.cli.console import Console, one_line
from tract.cli.inputs import MODEL_PARAMS, edited_text, given_text, open_client, summary_text
from tract.cli.progress import Progress
from tract.cli.rendering import SHORT
from tract.curation.compress.facts import Fact
from tract.curation.compress.result import CompressedPart, CompressResult, PendingCompression
from tract.curation.compress.store import kept_compression
from tract.errors import CompressionError
from tract.messages import message_text

_REVIEWS = ("approve", "reject", "edit", "show")


def run(console: Console, args: Args) -> int:
    modes = [name for name in (*_REVIEWS, "list") if getattr(args, name)]
    if len(modes) > 1:
        console.error(f"--{modes[0]} and --{modes[1]} are two commands: give one of them")
        return USAGE
    with console.open_tract() as tract:
        if args.list:
            return _list(console, tract, args)
        if modes:
            return _review(console, tract, args, modes[0])
        return _compress(console, tract, args)


def _compress(console: Console, tract: Tract, args: Args) -> int:
    is_asked = args.content is not None or not args.dry_run
    content = summary_text(console, args, lambda: _about(tract, args)) if is_asked else None
    patterns = [_pattern(one) for one in args.must_match]
    with ExitStack() as stack:
        if content is None and not args.dry_run:
            tract.configure_llm(stack.enter_context(open_client(console, args)))
        progress = stack.enter_context(Progress(console, "summing up"))
        found = tract.compress(
            commits=args.commits or None,
            from_commit=args.from_commit,
            to_commit=args.to_commit,
            keep_recent=args.keep_recent,
            preserve=args.preserve,
            each_run=args.each_run,
            content=content,
            target_tokens=args.target_tokens,
            must_keep=(*args.must_keep, *patterns),
            instructions=args.instructions,
            system_prompt=args.system_prompt,
            model=args.model,
            window=args.window,
            role=args.role,
            message=args.message,
            auto_commit=not args.review,
            force=args.force,
            dry_run=args.dry_run,
            progress=progress.show,
        )
    _report(console, args, found)
    return DONE


def _about(tract: Tract, args: Args) -> str:
    """The information for a person who writes the summary: the messages that it will replace."""
    plan = tract.compress(
        commits=args.commits or None,
        from_commit=args.from_commit,
        to_commit=args.to_commit,
        keep_recent=args.keep_recent,
        preserve=args.preserve,
        dry_run=True,
    )
    context = tract.compile()
    places = list(context.commit_hashes)
    first, last = places.index(plan.parts[0].first), places.index(plan.parts[-1].last)
    kept = set(plan.kept)
    gone = [at for at in range(first, last + 1) if places[at] not in kept]
    lines = [f"A summary, to take the place of {_count(plan.messages)}:", ""]
    lines += [f"{context.numbers[at]} {context[at].role}: {one_line(message_text(context[at]), 200)}" for at in gone]
    return "\n".join(lines)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as exc:
        raise CompressionError(f"'{text}' is not a regular expression: {exc}") from exc


def _list(console: Console, tract: Tract, args: Args) -> int:
    for one in tract.pending_compressions():
        if args.json:
            console.print_json(one)
        else:
            lead = f"{one.id} {one.branch} ({one.gist}{', refused' if one.refused else ''}): "
            console.line(
                console.paint(one.id, "yellow"),
                lead[len(one.id) :],
                one_line(one.text, max(20, console.width - len(lead))),
            )
    return DONE


def _review(console: Console, tract: Tract, args: Args, mode: str) -> int:
    with console.open_repository() as repo:
        pending = kept_compression(repo, getattr(args, mode))
    if mode == "approve":
        _report(console, args, tract.approve_compression(pending, force=args.force))
        return DONE
    if mode == "reject":
        tract.reject_compression(pending)
        console.note(f"Compression {pending.id} rejected; nothing was changed")
        return DONE
    if mode == "edit":
        text = given_text(console, args.content)
        if text is None:
            text = edited_text(console, pending.text, f"The summary of compression {pending.id}.")
        if text is None:
            console.error("nothing to edit: give the new summary with --content, or pipe it in")
            return USAGE
        pending = tract.save_compression(pending.edit_summary(text))
    _report(console, args, pending)
    if not args.json:
        _print_facts(console, tract.dropped_facts(pending), tract.invented_facts(pending))
    return DONE


def _report(console: Console, args: Args, found: CompressResult | PendingCompression) -> None:
    for warning in found.warnings:
        where = f" ({warning.commit[:SHORT]})" if warning.commit else ""
        console.warn(f"{warning.detail}{where}")
    if args.json:
        console.print_json(found)
    elif isinstance(found, PendingCompression):
        _print_pending(console, found)
    else:
        _print_result(console, found)


def _print_result(console: Console, found: CompressResult) -> None:
    if found.commit_hash is None:
        to = f" to about {found.prefix.new_tokens - found.prefix.invalidated_tokens + found.tokens_before}"
        console.line(f"Would compress {_count(found.messages)}, {found.tokens_before} tokens{to}")
    else:
        console.line(f"[{found.branch} {found.commit_hash[:SHORT]}] Compressed {_count(found.messages)}")
        console.line(f" {found.tokens_before} tokens to {found.tokens_after}", _beside(found))
        for part in found.parts:
            console.line(
                " ",
                console.paint((part.summary_hash or "")[:SHORT], "yellow"),
                f" stands for {_count(part.messages)}{_hidden(part)}",
            )
        _print_facts(console, found.dropped, found.invented)
        return
    for part in found.parts:
        console.line(" ", *_named(console, part))
    if found.kept or found.skipped_left:
        console.line(_beside(found).removeprefix(";"))
    _print_cost(console, found)
    _print_facts(console, found.dropped, found.invented)


def _print_facts(console: Console, dropped: Sequence[Fact], invented: Sequence[Fact]) -> None:
    """Print the facts of the messages that the summary dropped, and those that it invented."""
    for what, facts in (("facts left out", dropped), ("facts in no message", invented)):
        if facts:
            told = ", ".join(fact.text for fact in facts)
            console.line(f" {len(facts)} {what}: ", one_line(told, max(20, console.width - 26)))


def _beside(found: CompressResult) -> str:
    kept = f"; {len(found.kept)} kept verbatim" if found.kept else ""
    return kept + (f"; {found.skipped_left} skipped removed" if found.skipped_left else "")


def _print_cost(console: Console, found: CompressResult | PendingCompression) -> None:
    cost = found.prefix
    console.line(
        f" invalidates {cost.invalidated_tokens} of {cost.common_tokens + cost.invalidated_tokens} cached tokens; {cost.new_tokens} are cached anew"
    )
    calls = cost.break_even_calls
    console.line(
        " never pays for itself"
        if calls is None
        else f" pays for itself after {calls} further call{'' if calls == 1 else 's'}"
    )


def _print_pending(console: Console, found: PendingCompression) -> None:
    console.line(
        "compression ",
        console.paint(found.id, "yellow"),
        f" of {_count(found.messages)} on {found.branch}: {found.tokens_before} tokens to {found.tokens_after}",
    )
    _print_cost(console, found)
    for part in found.parts:
        console.line()
        console.line("in place of ", *_named(console, part), ":")
        console.body(part.text, "    ")
    force = " --force" if found.refused else ""
    console.hint(
        f"'tract compress --approve {found.id}{force}' commits it, '--edit' changes its text, '--reject' discards it"
    )


def _named(console: Console, part: CompressedPart) -> tuple[str, ...]:
    """The messages of a part, in a form in which the approving person can look them up."""
    first, last = (console.paint(id[:SHORT], "yellow") for id in (part.first, part.last))
    return (first,) if part.first == part.last else (first, " to ", last, f", {_count(part.messages)}{_hidden(part)}")


def _count(messages: int) -> str:
    return f"{messages} message{'' if messages == 1 else 's'}"


def _hidden(part: CompressedPart) -> str:
    return f" and {part.hidden} skipped" if part.hidden else ""


COMMAND = Command(
    run,
    (
        Param("from_commit", ("--from",), metavar="MESSAGE", help="The first message to compress."),
        Param("to_commit", ("--to",), metavar="MESSAGE", help="The last message to compress."),
        Param(
            "commits",
            ("--commits",),
            metavar="MESSAGE",
            many=True,
            default=(),
            help="A message to compress; may be repeated.",
        ),
        Param(
            "keep_recent",
            ("--keep-recent",),
            int,
            metavar="N",
            help="Leave the newest N messages as they are. Default, if no range is given: the last exchange, at most ten messages.",
        ),
        Param(
            "preserve",
            ("--preserve",),
            metavar="MESSAGE",
            many=True,
            default=(),
            help="A message to keep verbatim, as if it were pinned; may be repeated.",
        ),
        Param(
            "each_run",
            ("--each-run",),
            bool,
            help="Write one summary for each run of messages between those that stay, instead of one for all.",
        ),
        Param(
            "content",
            ("--content", "-c"),
            metavar="TEXT",
            help="The summary; '-' reads it from the standard input. Without it, a model writes the summary, or on a terminal, where no model is named and no key is set, you do, in an editor.",
        ),
        Param("target_tokens", ("--target-tokens",), int, metavar="N", help="The approximate length of the summary."),
        Param(
            "must_keep",
            ("--must-keep",),
            metavar="TEXT",
            many=True,
            default=(),
            help="Text that the summary must contain word for word; may be repeated.",
        ),
        Param(
            "must_match",
            ("--must-match",),
            metavar="PATTERN",
            many=True,
            default=(),
            help="A regular expression that the summary must match; may be repeated.",
        ),
        Param("instructions", ("--instructions",), metavar="TEXT", help="Instructions to the model about the summary."),
        Param(
            "system_prompt", ("--system-prompt",), metavar="TEXT", help="A system prompt to use instead of tract's own."
        ),
        *MODEL_PARAMS,
        Param(
            "window",
            ("--window",),
            int,
            metavar="N",
            help="The model's context window in tokens; a longer text is summarised in pieces.",
        ),
        Param(
            "role",
            ("--role", "-r"),
            choices=ROLES,
            help="The role of the summary. Default: assistant, or user if the summary begins the conversation.",
        ),
        Param("message", ("--message", "-m"), metavar="NOTE", help="A note on the commit; no model sees it."),
        Param("review", ("--review",), bool, help="Commit nothing yet; the summary waits for --approve."),
        Param("approve", ("--approve",), metavar="ID", help="Commit a waiting compression."),
        Param("reject", ("--reject",), metavar="ID", help="Discard a waiting compression."),
        Param(
            "edit",
            ("--edit",),
            metavar="ID",
            help="Replace the summary of a waiting compression by that of --content, or on a terminal in an editor.",
        ),
        Param("show", ("--show",), metavar="ID", help="Print a waiting compression."),
        Param("list", ("--list", "-l"), bool, help="List the waiting compressions."),
        Param(
            "force",
            ("--force", "-f"),
            bool,
            help="Accept a summary that is longer than the messages it replaces, or that lacks what it must contain.",
        ),
        Param(
            "dry_run",
            ("--dry-run", "-n"),
            bool,
            help="Change nothing and ask no model; print what would be compressed, and what that does to a provider's prompt cache.",
        ),
        Param("json", ("--json",), bool, help="Print JSON."),
    ),
    """
The summary takes the place of the first message that it replaces. Pinned messages stay verbatim, skipped ones are removed, and a tool call is compressed together with its results.
Nothing is lost: 'tract expand' puts the messages back, and 'tract undo' takes the compression back.

  $ tract compress --dry-run
  $ tract compress --content 'We agreed on 30 days.' --to 3fa9
  $ tract compress --target-tokens 500 --must-keep '30 days' --review
  $ tract compress --approve 7094432c89
""",
)
