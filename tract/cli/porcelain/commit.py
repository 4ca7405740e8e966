"""``tract commit``: record a message."""

from __future__ import annotations

from tract.cli.command import DONE, NEGATIVE, ROLES, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.inputs import content_from_json, given_text, message_of_role, read_json
from tract.cli.rendering import print_commit


def run(console: Console, args: Args) -> int:
    text = given_text(console, args.text)
    if text is None:
        console.error("nothing to commit: give the text, or pipe it in")
        return USAGE
    if not text.strip():
        console.error("nothing to commit: the text is empty")
        return NEGATIVE
    content = content_from_json(text) if args.json else message_of_role(args.role, text, args.name, args.call_id)
    config = None if args.config is None else read_json(args.config, "--config")
    usage = None if args.usage is None else read_json(args.usage, "--usage")
    with console.open_tract() as tract:
        info = tract.commit(
            content, message=args.message, response_to=args.reply_to, generation_config=config, usage=usage
        )
        print_commit(console, tract, info)
    return DONE


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
            default="user",
            choices=ROLES,
            help="Who said it. For a role of your own give a whole message with --json.",
        ),
        Param(
            "json",
            ("--json",),
            bool,
            help="TEXT is JSON: a whole message as a provider has it, or one of tract's content types.",
        ),
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

  $ tract commit --role system 'You are terse.'
  $ tract commit 'What is 2 + 2?'
  $ ask-the-model | tract commit --role assistant -m 'first try'
  $ tract commit --role assistant --usage '{"input_tokens": 20, "output_tokens": 1}' 4
  $ tract commit --json '{"role": "tool", "tool_call_id": "c1", "content": "4"}'
""",
)
