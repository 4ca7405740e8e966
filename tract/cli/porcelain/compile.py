"""``tract compile``: the context as a model is sent it."""

from __future__ import annotations

from typing import Any

from tract.api import Tract
from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.compile.compiled import CompiledContext
from tract.compile.formats import CacheMode
from tract.history.times import read_moment

_FORMATS = ("text", "openai", "responses", "anthropic", "gemini")
_CACHED = ("openai", "anthropic")


def run(console: Console, args: Args) -> int:
    format = args.format or ("openai" if args.json else "text")
    if args.cache and format not in _CACHED:
        console.error(f"--cache goes with --format {' or '.join(_CACHED)}, not {format}")
        return USAGE
    if args.sent is not None and (args.at or args.time or args.order or args.then or args.edited or args.strict):
        console.error("--sent says all: it goes with --format, --cache and --json only")
        return USAGE
    with console.open_tract() as tract:
        context = tract.sent(args.sent) if args.sent is not None else _compiled(tract, args)
        rendered: Any = context.to_text() if format == "text" else _render(context, format, args.cache)
        if args.json:
            console.print_json(_value(context, format, rendered))
        elif format == "text":
            console.body(rendered)
        else:
            console.print_json(rendered)
        for warning in context.warnings:
            console.warn(str(warning))
    return DONE


def _compiled(tract: Tract, args: Args) -> CompiledContext:
    return tract.compile(
        at_commit=args.at,
        at_time=None if args.time is None else read_moment(args.time),
        order=args.order or None,
        include_edit_annotations=args.edited,
        strict=args.strict,
        notes="then" if args.then else "now",
    )


def _render(context: CompiledContext, format: str, cache: CacheMode) -> Any:
    match format:
        case "openai":
            return context.to_openai(cache=cache)
        case "responses":
            return context.to_openai_responses()
        case "gemini":
            return context.to_gemini()
        case _:
            return context.to_anthropic(cache=cache)


def _value(context: CompiledContext, format: str, rendered: Any) -> dict[str, Any]:
    commit = context.snapshot.key.commit
    columns = zip(context.messages, context.commit_hashes, context.token_counts, strict=True)
    return {
        "commit": None if commit is None else commit.hex(),
        "tokens": context.token_count,
        "token_source": context.token_source,
        "format": format,
        "context": rendered,
        "messages": [
            {"commit": hash, "role": message.role, "name": message.name, "tokens": tokens}
            for message, hash, tokens in columns
        ],
        "warnings": [
            {"kind": w.kind, "detail": w.detail, "index": w.index, "commit": w.commit} for w in context.warnings
        ],
    }


COMMAND = Command(
    "compile",
    "print the context as a model is sent it",
    run,
    (
        Param("format", ("--format", "-f"), choices=_FORMATS, help="What to print: text for people (the default), or a provider's JSON."),
        Param("at", ("--at",), metavar="REVISION", help="The context at a commit, branch or tag; HEAD if not given."),
        Param("sent", ("--sent",), metavar="REVISION", help="What the model was shown to produce that commit."),
        Param("time", ("--time",), metavar="TIME", help="The context at a moment, as 2026-11-21T08:30:00+01:00."),
        Param("then", ("--then",), bool, help="With the skips and configs as they were when the commit was made, not as they are now."),
        Param("order", ("--order",), many=True, metavar="REVISION", help="Put this message first; may be given several times, and the rest follows as it was."),
        Param("edited", ("--edited",), bool, help="Put ' [edited]' behind texts that were edited."),
        Param("cache", ("--cache",), choices=("auto",), help="Put the provider's cache breakpoints into openai's or anthropic's messages."),
        Param("strict", ("--strict",), bool, help="Fail when a tool's call and its result are torn apart."),
        Param("json", ("--json",), bool, help="Print a JSON document with the context, its tokens and the commit of each message."),
    ),
    """
Skipped messages are left out, edited ones have their new text.
What a format cannot express, and torn tool calls, are warnings on the standard error.
In text, characters that drive terminals are shown as escapes; the JSON formats keep every character.

  $ tract compile
  $ tract compile --format anthropic --at HEAD~4
  $ tract compile --sent 3fa9
  $ tract compile --json | jq .tokens
""",
)
