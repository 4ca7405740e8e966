"""``tract edit``: replace a message."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from tract.api.tract import Tract
from tract.cli.changes import DRY_RUN, TARGET, print_dry_run
from tract.cli.command import DONE, NEGATIVE, ROLES, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.inputs import PRINT_JSON, content_from_json, edited_text, given_text, message_of_role
from tract.cli.rendering import print_commit
from tract.compile.workspace import current_blob
from tract.history.commit import edit_target
from tract.messages import message_of, message_text
from tract.messages.message import Message, readable_content
from tract.objects.content import MessageContent
from tract.report.info import CommitInfo
from tract.revision import resolve_revision

_PLACE = re.compile(r"-?[0-9]{1,3}")


def run(console: Console, args: Args) -> int:
    if args.restore is not None:
        return _restore(console, args)
    # With a role, a missing text is the text it had; the standard input is then read for '-' alone.
    text = args.text if args.role is not None and args.text != "-" else given_text(console, args.text)
    if text is None and args.role is None and not args.json:
        text = edited_text(console, message_text(_message(console, args.target)), f"The message {args.target}.")
    if text is None and args.role is None:
        console.error("nothing to edit: give the new text, or pipe it in")
        return USAGE
    if text is not None and not text.strip():
        console.error(f"the text is empty; 'tract skip {args.target}' hides a message")
        return NEGATIVE
    content: Any = text
    if args.json:
        content = content_from_json(text or "")
    elif args.role is not None:
        content = _in_role(console, args.target, args.role, text)
    with console.open_tract() as tract:
        return _change(console, args, tract, partial(tract.edit, args.target, content))


def _restore(console: Console, args: Args) -> int:
    if args.text is not None or args.role is not None or args.json:
        console.error("--restore goes with neither TEXT, --role nor --json: the whole message comes from its history")
        return USAGE
    # An id is never that short, so a small number is a version number.
    is_place = _PLACE.fullmatch(args.restore) is not None
    with console.open_tract() as tract:
        version = int(args.restore) if is_place else args.restore
        return _change(console, args, tract, partial(tract.restore, args.target, version))


def _change(console: Console, args: Args, tract: Tract, change: Callable[..., CommitInfo]) -> int:
    """Make the *change*, and print its commit; or only its effect."""
    if args.dry_run:
        print_dry_run(console, tract, change, json=args.print_json)
    else:
        print_commit(console, tract, change(message=args.message), json=args.print_json)
    return DONE


def _message(console: Console, target: str) -> Message:
    """The present version of the message *target*."""
    with console.open_repository() as repo:
        blob = current_blob(repo, edit_target(repo, resolve_revision(repo, target)))
        return message_of(readable_content(repo.blob(blob)))


def _in_role(console: Console, target: str, role: str, text: str | None) -> Any:
    """The message *target* in another role, with *text* if that is given."""
    message = _message(console, target)
    if message.format == "openai" and "tool_calls" not in message.raw and "tool_call_id" not in message.raw:
        return message_of_role(role, message_text(message) if text is None else text, message.name)
    raw = {**message.raw, "role": role}
    return MessageContent(raw if text is None else {**raw, "content": text}, format=message.format)


COMMAND = Command(
    run,
    (
        TARGET,
        Param(
            "text",
            metavar="TEXT",
            help="The new text; '-' reads it from the standard input, and so does no TEXT at all when something is piped in.",
        ),
        Param(
            "json",
            ("--json",),
            bool,
            help="TEXT is JSON: a whole message as a provider has it, or one of tract's content types.",
        ),
        PRINT_JSON,
        Param(
            "role",
            ("--role", "-r"),
            choices=ROLES,
            help="Change the role of the message; without TEXT its text stays.",
        ),
        Param(
            "restore",
            ("--restore",),
            metavar="VERSION",
            help="Restore an earlier version of the message: a commit, or a number as 'tract show --history' prints it, where 0 is the original.",
        ),
        Param("message", ("--message", "-m"), metavar="NOTE", help="A note on the commit; no model sees it."),
        DRY_RUN,
    ),
    """
The model sees the new message in the place of the old one.
The edit is a commit of its own; 'tract show TARGET' still shows the original.

  $ tract edit 3fa9 'What is 2 + 3?' -m 'wrong figure'
  $ tract edit HEAD~2 --role system
  $ tract edit 3fa9 'What is 2 + 3?' --dry-run
  $ tract edit 3fa9 --restore 0
""",
)
