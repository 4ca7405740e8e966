"""``tract collapse``: turn a child's work into one message."""

from __future__ import annotations

from contextlib import ExitStack

from tract.api.tract import Tract
from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console, one_line
from tract.cli.inputs import MODEL_PARAMS, given_text, open_client, summary_text
from tract.cli.rendering import SHORT
from tract.curation.collapse import CollapseResult
from tract.history.tracts import in_tract


def run(console: Console, args: Args) -> int:
    problem = _problem(args)
    if problem is not None:
        console.error(problem)
        return USAGE
    with console.open_tract() as parent:
        if args.list:
            return _list(console, parent, args)
        if args.reject is not None:
            gone = parent.reject_collapse(args.reject)
            console.note(f"Collapse {gone.id} of '{gone.child}' rejected; nothing was changed")
            return DONE
        if args.approve is not None:
            content = None if args.content is None else given_text(console, args.content)
            return _report(console, parent.approve_collapse(args.approve, content=content), args)
        in_tract(parent.repository, args.child)  # before a model or a person is asked for a summary
        content = summary_text(console, args, lambda: f"What '{args.child}' did, as one message.")
        with ExitStack() as stack:
            if content is None:
                parent.configure_llm(stack.enter_context(open_client(console, args)))
            done = parent.collapse(
                args.child,
                content=content,
                call_id=args.call_id,
                target_tokens=args.target_tokens,
                instructions=args.instructions,
                auto_commit=True if args.auto_commit else False if args.review else None,
                role=args.role,
                force=args.force,
            )
        return _report(console, done, args)


def _problem(args: Args) -> str | None:
    modes = [name for name in ("list", "approve", "reject") if getattr(args, name)]
    if len(modes) > 1:
        return f"--{modes[0]} and --{modes[1]} are two commands: give one of them"
    if modes and args.child is not None:
        return f"--{modes[0]} takes no tract"
    if not modes and args.child is None:
        return "which tract? 'tract tracts' lists them"
    return "--review and --auto-commit exclude each other" if args.review and args.auto_commit else None


def _list(console: Console, parent: Tract, args: Args) -> int:
    for one in parent.pending_collapses():
        if args.json:
            console.print_json(one)
        else:
            lead = f" {one.child} ({one.source_tokens} tokens to {one.summary_tokens}): "
            text = one_line(one.text, max(20, console.width - len(one.id) - len(lead)))
            console.line(console.paint(one.id, "yellow"), lead, text)
    return DONE


def _report(console: Console, done: CollapseResult, args: Args) -> int:
    for warning in done.warnings:
        console.warn(warning)
    if args.json:
        console.print_json(done)
        return DONE
    lead = f"[{(done.parent_commit_hash or done.proposal_id or '')[:SHORT]}] "
    console.line(lead, one_line(done.summary_text, max(20, console.width - len(lead))))
    console.line(f" {done.source_tokens} tokens of '{done.child_tract_id}' to {done.summary_tokens}")
    if done.proposal_id is not None:
        console.note(f"It waits for its review as {done.proposal_id}; nothing was changed")
        console.hint(f"'tract collapse --approve {done.proposal_id}' commits it, '--reject' discards it")
    return DONE


COMMAND = Command(
    run,
    (
        Param("child", metavar="NAME", help="A tract that was spawned from this one."),
        Param(
            "content",
            ("--content", "-c"),
            metavar="TEXT",
            help="A summary of its work; '-' reads it from the standard input. Without it, a model writes the summary, or on a terminal, if no model is named and no key is set, you do, in an editor.",
        ),
        Param(
            "call_id",
            ("--call-id",),
            metavar="ID",
            help="The tool call that the message answers. Default: the call for which the tract was spawned, if any.",
        ),
        Param("target_tokens", ("--target-tokens",), int, metavar="N", help="The approximate length of the summary."),
        Param("instructions", ("--instructions",), metavar="TEXT", help="Instructions to the model about the summary."),
        *MODEL_PARAMS,
        Param(
            "role",
            ("--role", "-r"),
            choices=("user", "assistant", "system"),
            help="The role of the message. Default: user.",
        ),
        Param("auto_commit", ("--auto-commit",), bool, help="Commit a model's summary at once."),
        Param("review", ("--review",), bool, help="Commit nothing yet; the message waits for --approve."),
        Param("list", ("--list",), bool, help="List the waiting collapses."),
        Param("approve", ("--approve",), metavar="ID", help="Commit a waiting collapse; --content replaces its text."),
        Param("reject", ("--reject",), metavar="ID", help="Discard a waiting collapse."),
        Param(
            "force", ("--force", "-f"), bool, help="Allow a tract that was spawned from another tract than this one."
        ),
        Param("json", ("--json",), bool, help="Print a JSON document; with --list, one for each line."),
    ),
    """
The message stands for the child's work since it was spawned. If the child was spawned for a tool call that still waits, the message is the call's result; otherwise it names the child and its purpose.
A model's summary waits for your review. Collapsing again edits the message; 'tract expand' replaces it by the child's own messages, 'tract show' lists them.

  $ tract collapse hotels --content 'Three hotels near the station.'
  $ tract collapse hotels --target-tokens 200
  $ tract collapse --approve 3fa9
""",
)
