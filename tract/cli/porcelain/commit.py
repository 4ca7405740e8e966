"""``tract commit``: record a message."""

from __future__ import annotations

from tract.cli.command import DONE, NEGATIVE, ROLES, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.inputs import PRINT_JSON, content_from_json, edited_text, given_text, message_of_role, read_json
from tract.cli.rendering import print_commit
from tract.history.context import context_at, entries


def run(console: Console, args: Args) -> int:
    if args.amend:
        return _amend(console, args)
    text = given_text(console, args.text)
    if text is None and not args.json:
        text = edited_text(console, "", f"A message of role '{args.role or 'user'}', to be committed.")
    if text is None:
        console.error("nothing to commit: give the text, or pipe it in")
        _hint_at_note(console, args)
        return USAGE
    if not text.strip():
        console.error("nothing to commit: the text is empty")
        _hint_at_note(console, args)
        return NEGATIVE
    content = (
        content_from_json(text) if args.json else message_of_role(args.role or "user", text, args.name, args.call_id)
    )
    config = None if args.config is None else read_json(args.config, "--config")
    usage = None if args.usage is None else read_json(args.usage, "--usage")
    with console.open_tract() as tract:
        info = tract.commit(
            content, message=args.message, response_to=args.reply_to, generation_config=config, usage=usage
        )
        print_commit(console, tract, info, json=args.print_json)
    return DONE


def _hint_at_note(console: Console, args: Args) -> None:
    """Print a hint at the name of git's ``-m`` here, if the user may have meant that."""
    if args.message is not None:
        console.hint(
            "-m is a note about the commit; the text of the message is given without it, as in: tract commit 'hello'"
        )


def _amend(console: Console, args: Args) -> int:
    """Edit the last message: git's word for it."""
    beside = [args.reply_to, args.name, args.call_id, args.config, args.usage]
    if args.json or any(one is not None for one in beside):
        console.error("--amend takes TEXT, --role and --message; 'tract edit --json' replaces a whole message")
        return USAGE
    from tract.cli.porcelain import edit  # the same by another name

    with console.open_repository() as repo:
        tip = repo.head()[1]
        rows = [] if tip is None else entries(repo, context_at(repo, tip))
    if not rows:
        console.error("nothing to amend: there is no message yet")
        return NEGATIVE
    edit_args = {
        "target": rows[-1][0].hex(),
        "restore": None,
        "json": False,
        "dry_run": False,
        "print_json": args.print_json,
    }
    return edit.run(console, Args({**edit_args, "text": args.text, "role": args.role, "message": args.message}))


COMMAND = Command(
    run,
    (
        Param(
            "text",
            metavar="TEXT",
            help="The text of the message; '-' reads it from the standard input, and so does no TEXT at all when something is piped in.",
        ),
        Param(
            "role",
            ("--role", "-r"),
            choices=ROLES,
            help="Who said it. Default: user. For a role of your own give a whole message with --json.",
        ),
        Param(
            "json",
            ("--json",),
            bool,
            help="TEXT is JSON: a whole message as a provider has it, or one of tract's content types.",
        ),
        PRINT_JSON,
        Param("amend", ("--amend",), bool, help="Edit the last message instead, as 'tract edit' does."),
        Param("message", ("--message", "-m"), metavar="NOTE", help="A note on the commit; no model sees it."),
        Param("reply_to", ("--reply-to",), metavar="REVISION", help="The message that this one replies to."),
        Param("name", ("--name",), metavar="NAME", help="The speaker's name."),
        Param("call_id", ("--call-id",), metavar="ID", help="With --role tool: the id of the call that this answers."),
        Param(
            "config",
            ("--config",),
            metavar="JSON",
            help="The settings that the model answered with, kept beside the commit.",
        ),
        Param(
            "usage",
            ("--usage",),
            metavar="JSON",
            help="The usage that the provider reported with this answer, kept beside the commit.",
        ),
    ),
    """
Adds one message to the end of the context.
The last newline of piped text is not part of the message.
Without TEXT on a terminal, the editor of TRACT_EDITOR, VISUAL or EDITOR opens.

  $ tract commit --role system 'You are terse.'
  $ tract commit 'What is 2 + 2?'
  $ ask-the-model | tract commit --role assistant -m 'first try'
  $ tract commit --role assistant --usage '{"input_tokens": 20, "output_tokens": 1}' 4
  $ tract commit --json '{"role": "tool", "tool_call_id": "c1", "content": "4"}'
""",
)
