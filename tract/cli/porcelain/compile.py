"""``tract compile``: the context as it is sent to a model."""

from __future__ import annotations

from typing import Any

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.compile.compiled import CompiledContext, compile_at
from tract.compile.workspace import Workspace
from tract.messages import CacheMode
from tract.messages.form import Extras

_FORMATS = ("text", "openai", "responses", "anthropic", "gemini")
_CACHED = ("openai", "responses", "anthropic")


def run(console: Console, args: Args) -> int:
    format = args.format or ("openai" if args.json else "text")
    if args.cache and format not in _CACHED:
        console.error(f"--cache goes with --format {', '.join(_CACHED)}, not {format}")
        return USAGE
    if args.extras and format == "text":
        console.error(f"--extras goes with --format {', '.join(_FORMATS[1:])}, not text")
        return USAGE
    if args.sent is not None and (args.at or args.time or args.order or args.then or args.edited or args.strict):
        console.error("--sent goes only with --format, --cache, --extras and --json")
        return USAGE
    asked = _asked(args)
    if args.fire:
        with console.open_tract() as tract:
            tract.compile()  # actions of policies on HEAD's context land here
    if args.json:  # shows tokens, which are counted
        with console.open_tract() as tract:
            _print(
                console,
                args,
                format,
                tract.compile(policies=False, **asked) if args.sent is None else tract.sent(args.sent),
            )
    else:
        with console.open_workspace() as space:
            _print(console, args, format, compile_at(space, **asked) if args.sent is None else _sent(space, args.sent))
    return DONE


def _sent(space: Workspace, revision: str) -> CompiledContext:
    from tract.compile.sent import sent  # few ask for it

    return sent(space, revision)


def _asked(args: Args) -> dict[str, Any]:
    """The options as keywords of ``Tract.compile``."""
    return {
        "at_commit": args.at,
        "at_time": args.time,
        "order": args.order or None,
        "include_edit_annotations": args.edited,
        "strict": args.strict,
        "notes": "then" if args.then else "now",
    }


def _print(console: Console, args: Args, format: str, context: CompiledContext) -> None:
    rendered: Any = (
        context.to_text() if format == "text" else _render(context, format, args.cache, args.extras or "keep")
    )
    if args.json:
        console.print_json(context, commit_hash=context.snapshot.key.commit, format=format, context=rendered)
    elif format == "text":
        console.body(rendered)
    else:
        console.print_json(rendered)
    for warning in context.warnings_for(format, extras=args.extras or "keep"):
        console.warn(str(warning))


def _render(context: CompiledContext, format: str, cache: CacheMode, extras: Extras) -> Any:
    match format:
        case "openai":
            return context.to_openai(cache=cache, extras=extras)
        case "responses":
            return context.to_openai_responses(cache=cache, extras=extras)
        case "gemini":
            return context.to_gemini(extras=extras)
        case _:
            return context.to_anthropic(cache=cache, extras=extras)


COMMAND = Command(
    run,
    (
        Param(
            "format",
            ("--format", "-f"),
            choices=_FORMATS,
            help="The format: text for people (the default), or the JSON that a provider takes.",
        ),
        Param(
            "at",
            ("--at",),
            metavar="REVISION",
            help="Compile the context at this commit, branch or tag. Default: HEAD.",
        ),
        Param(
            "sent",
            ("--sent",),
            metavar="REVISION",
            help="Compile the context that the model received before it wrote that commit.",
        ),
        Param(
            "time",
            ("--time",),
            metavar="TIME",
            help="Compile the context as it was at this time: 2026-01-31T12:00+01:00, '2026-01-31 12:00', yesterday, '2 hours ago'. A time without a zone is local.",
        ),
        Param(
            "then",
            ("--then",),
            bool,
            help="Use the priorities and configs of the time when the commit was made, not today's.",
        ),
        Param(
            "order",
            ("--order",),
            many=True,
            metavar="REVISION",
            help="Put this message first; repeat it to put several first, in that order. The other messages follow as they were.",
        ),
        Param("fire", ("--fire",), bool, help="Let the policies work first, as they do before a context is sent."),
        Param("edited", ("--edited",), bool, help="Add ' [edited]' to the text of edited messages."),
        Param(
            "cache",
            ("--cache",),
            choices=("auto",),
            help="Add the provider's cache breakpoints; for openai, responses and anthropic.",
        ),
        Param(
            "extras",
            ("--extras",),
            choices=("keep", "drop"),
            help="With drop, print only keys that the provider's request types have. Default: keep.",
        ),
        Param("strict", ("--strict",), bool, help="Fail if a tool call is separated from its result."),
        Param(
            "json",
            ("--json",),
            bool,
            help="Print a JSON document with the context, and with the tokens and the commit of each message.",
        ),
    ),
    """
Skipped messages are left out, and edited messages have their new text.
Content that a format cannot express, and tool calls separated from their results, are warnings on the standard error.
In text, control characters are printed as escapes; the JSON formats keep every character.

  $ tract compile
  $ tract compile --format anthropic --at HEAD~4
  $ tract compile --sent 3fa9
  $ tract compile --json | jq .token_count
""",
    pages=True,
)
