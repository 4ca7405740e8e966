"""``tract collapse``: make one message of what a child did."""

from __future__ import annotations

from contextlib import ExitStack

from tract.cli.command import DONE, ROLES, Args, Command, Param
from tract.cli.console import Console, one_line
from tract.cli.inputs import MODEL_PARAMS, given_text, open_client
from tract.cli.rendering import SHORT
from tract.report.plain import to_plain


def run(console: Console, args: Args) -> int:
    content = None if args.content is None else given_text(console, args.content)
    with console.open_tract() as parent, ExitStack() as stack:
        if content is None:
            parent.configure_llm(stack.enter_context(open_client(console, args)))
        done = parent.collapse(
            args.child,
            content=content,
            call_id=args.call_id,
            target_tokens=args.target_tokens,
            instructions=args.instructions,
            role=args.role,
        )
    if args.json:
        console.print_json(to_plain(done))
        return DONE
    lead = f"[{(done.parent_commit_hash or '')[:SHORT]}] "
    console.line(lead, one_line(done.summary_text, max(20, console.width - len(lead))))
    console.line(f" {done.source_tokens} tokens of '{done.child_tract_id}' to {done.summary_tokens}")
    return DONE


COMMAND = Command(
    run,
    (
        Param("child", metavar="NAME", required=True, help="A tract that was spawned from this one."),
        Param(
            "content",
            ("--content", "-c"),
            metavar="TEXT",
            help="What it did; '-' reads the standard input. If not given, a model says it.",
        ),
        Param(
            "call_id",
            ("--call-id",),
            metavar="ID",
            help="The tool call that this answers; else the one it was spawned under.",
        ),
        Param("target_tokens", ("--target-tokens",), int, metavar="N", help="About how long the summary shall be."),
        Param(
            "instructions", ("--instructions",), metavar="TEXT", help="What you want of the summary, told to the model."
        ),
        *MODEL_PARAMS,
        Param("role", ("--role", "-r"), choices=ROLES, help="Whose message it is; the user's if not given."),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    ),
    """
The message stands for what the child did since it was spawned. Where that was under a tool call that waits, it is the call's result; else it names the child and its purpose.
To collapse again edits the message.

  $ tract collapse hotels --content 'Three hotels near the station.'
  $ tract collapse hotels --target-tokens 200
""",
)
