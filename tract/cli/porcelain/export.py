"""``tract export``: the context as a file for another program."""

from __future__ import annotations

import os

from tract.adapters.exporting import EXPORT_FORMATS, ExportResult, export_context, session_place, write_export
from tract.cli.command import DONE, Args, Command, Param
from tract.cli.console import Console
from tract.compile.compiled import compile_at

_GOES_ON = {
    "claude-code": "'claude --resume {id}' goes on from it, in this folder",
    "codex": "'codex resume {id}' goes on from it",
    "gemini-cli": "'gemini --session-file {path}' goes on from it",
}


def run(console: Console, args: Args) -> int:
    with console.open_workspace() as space:
        context = compile_at(space, at_commit=args.at)
        exported = export_context(context, args.to, folder=os.path.abspath(console.path(".")))
    if args.output is not None and args.output != "-":
        exported = write_export(exported, console.path(args.output))
    elif exported.session_id is not None and args.output is None:
        exported = write_export(exported, _place(console, exported))
    if exported.path is None and not args.json:
        _print(console, exported.text)
    for loss in exported.losses:
        console.warn(f"not exported as it is in the context: {loss}")
    if args.json:
        console.print_json(exported)
    elif exported.path is not None:
        console.line(f"Exported {exported.messages} messages to {exported.path}")
    hint = _GOES_ON.get(args.to)
    if hint is not None and exported.path is not None:
        console.hint(hint.format(id=exported.session_id, path=exported.path))
    return DONE


def _print(console: Console, text: str) -> None:
    """Print *text* unchanged; on a terminal, escaped."""
    if console.is_terminal:
        console.body(text)
    else:
        console.write_bytes(text.encode("utf-8"))


def _place(console: Console, exported: ExportResult) -> str:
    home = console.environ.get("HOME") or os.path.expanduser("~")
    folder = os.path.abspath(console.path("."))
    return session_place(exported.format, exported.session_id or "", folder, home, console.environ)


COMMAND = Command(
    run,
    (
        Param("to", ("--to",), choices=EXPORT_FORMATS, required=True, help="The format."),
        Param("at", ("--at",), metavar="REVISION", help="Export the context at this commit. Default: HEAD."),
        Param(
            "output",
            ("-o", "--output"),
            metavar="FILE",
            help="The file to write; '-' is standard output. Default: standard output, or for a session the place where its program looks for it.",
        ),
        Param(
            "json",
            ("--json",),
            bool,
            help="Print a JSON document with the text, its losses and the file that was written.",
        ),
    ),
    """
claude-code, codex and gemini-cli write a new session that the program can resume, with the edits and compressions of this context.
openai, responses, anthropic and gemini print the body of a request; jsonl, sharegpt and markdown a file for training or reading.
The file is always a new one that only you can read; an existing file is never overwritten.
Parts that the format cannot express are listed.

  $ tract export --to openai
  $ tract export --to markdown -o talk.md
""",
)
