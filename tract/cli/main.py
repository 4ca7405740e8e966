"""The command line's entry: the table of commands, the options before them, and what happens when one fails.

Only the module of the command that is run is loaded.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import NamedTuple

from tract import __version__
from tract.cli.command import DONE, FATAL, INTERRUPTED, NEGATIVE, USAGE, Args, Command
from tract.cli.console import Console, OutputError, utf8_streams
from tract.cli.parsing import NotPlainError, parse
from tract.errors import TractError

_BROKEN_PIPE = 141
"""What a shell shows for a program that died of SIGPIPE, as git does."""


class Group(NamedTuple):
    """Commands that belong together: each with its module's name and a line about it."""

    title: str
    package: str
    commands: dict[str, tuple[str, str]]


_PORCELAIN = "tract.cli.porcelain"

GROUPS = (
    Group(
        "start a store",
        _PORCELAIN,
        {
            "init": ("init", "Create an empty store"),
            "import": ("import_", "Import conversations from files of chat logs and agent transcripts"),
        },
    ),
    Group(
        "record messages",
        _PORCELAIN,
        {
            "commit": ("commit", "Record a message"),
            "edit": ("edit", "Replace a message; the original stays in the history"),
        },
    ),
    Group(
        "look at the context and its history",
        _PORCELAIN,
        {
            "status": ("status", "Show where the tract is: branch, messages, tokens"),
            "log": ("log", "Show the history"),
            "show": ("show", "Show a commit, its content in full, and what it changed"),
            "diff": ("diff", "Show what differs between two contexts"),
            "blame": ("blame", "Show which commit each message of the context comes from"),
            "bisect": ("bisect", "Find the commit that turned the context bad"),
            "reflog": ("reflog", "Show where HEAD or another ref has been"),
            "compile": ("compile", "Print the context as a model is sent it"),
            "usage": ("usage", "Add up the tokens that providers counted"),
        },
    ),
    Group(
        "curate",
        _PORCELAIN,
        {
            "annotate": ("annotate", "Set a message's priority: skip, normal or pinned"),
            "pin": ("pin", "Keep messages from ever being compressed"),
            "skip": ("skip", "Hide messages from the model"),
            "compress": ("compress", "Put a summary in the place of messages"),
            "expand": ("expand", "Put the messages back that a summary stands for"),
            "reorder": ("reorder", "Put messages in another place of the context"),
        },
    ),
    Group(
        "go elsewhere, and back",
        _PORCELAIN,
        {
            "branch": ("branch", "List, make, rename and delete branches"),
            "switch": ("switch", "Go to another branch"),
            "checkout": ("checkout", "Go to a branch, or look at any commit"),
            "tag": ("tag", "List tags, or name a commit for good"),
            "reset": ("reset", "Put the branch on another commit"),
            "undo": ("undo", "Take back what the last command did"),
        },
    ),
    Group(
        "bring histories together",
        _PORCELAIN,
        {
            "merge": ("merge", "Bring what another branch has into this one"),
            "rebase": ("rebase", "Make this branch's commits again on another"),
            "cherry-pick": ("cherry_pick", "Make commits of another branch again on this one"),
            "revert": ("revert", "Take back what commits did"),
        },
    ),
    Group(
        "look after the store",
        _PORCELAIN,
        {
            "fsck": ("fsck", "Check the store, and repair it"),
            "gc": ("gc", "Pack the store, and drop what nothing reaches any more"),
        },
    ),
    Group(
        "plumbing",
        "tract.cli.plumbing",
        {
            "cat-file": ("cat_file", "Print an object, its type or its size"),
            "check-ref-format": ("check_ref_format", "Tell whether a name can be a ref's"),
            "count-objects": ("count_objects", "Count objects and the disk space they take"),
            "fast-export": ("fast_export", "Write the store as a stream of text"),
            "fast-import": ("fast_import", "Read such a stream into the store"),
            "for-each-ref": ("for_each_ref", "Print refs in a form of your own"),
            "hash-object": ("hash_object", "Compute the id of content, and store it"),
            "ls-tree": ("ls_tree", "List the entries of a commit's context"),
            "merge-base": ("merge_base", "Find the commit where histories parted"),
            "prune": ("prune", "Drop what nothing reaches any more"),
            "rev-list": ("rev_list", "List commits from newest to oldest"),
            "rev-parse": ("rev_parse", "Print the id a revision names"),
            "show-ref": ("show_ref", "List refs"),
            "symbolic-ref": ("symbolic_ref", "Read or set the branch HEAD is on"),
            "update-ref": ("update_ref", "Move refs safely"),
            "verify-pack": ("verify_pack", "Check packs and their indexes"),
        },
    ),
)

_USAGE = "usage: tract [-C <folder>] [--tract <name>] [--color=<when>] [--version] [--help] <command> [<args>]"


def entry() -> None:
    """The ``tract`` program."""
    utf8_streams()
    status = main(sys.argv[1:])
    # The store is closed and the output is written; to take the interpreter apart as well takes a tenth of `tract log`.
    os._exit(status)


def main(argv: Sequence[str], *, console: Console | None = None) -> int:
    """Run one command line, without the program's name, and give the exit status; never raises."""
    console = console if console is not None else Console()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = lambda message, *_: console.warn(str(message))
            status = _dispatch(list(argv), console)
            console.flush()
            return status
    except BrokenPipeError:
        _drop_output(console)
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except OutputError as exc:
        _drop_output(console)
        console.error(f"the output cannot be written: {_reason(exc)}; what the command did stays done")
    except Exception as exc:  # noqa: BLE001  # the last line of defence: a person never sees a traceback unasked
        with suppress(OSError, ValueError):  # what failed first is what is told
            console.flush()
        _report(console, exc)
    return FATAL


def _dispatch(argv: list[str], console: Console) -> int:
    if "_TRACT_COMPLETE" in console.environ:
        from tract.cli.fallback import run_typer_app  # only shells ask for this

        return run_typer_app(argv, console)
    while argv and argv[0].startswith("-"):
        status = _global_option(argv, console)
        if status is not None:
            return status
    if not argv:
        _print_help(console)
        return NEGATIVE
    name = argv.pop(0)
    if name == "help":
        if not argv:
            _print_help(console)
            return DONE
        name, argv = argv[0], ["--help"]
    found = _module_of(name)
    if found is None:
        return _unknown_command(name, console)
    command: Command = import_module(found).COMMAND
    args: Args | None
    try:
        args = parse(command, argv)
    except NotPlainError:
        from tract.cli.fallback import parse_with_typer  # takes longer to load than most commands to run

        args, status = parse_with_typer(command, argv, console)
        if args is None:
            return status
    return command.run(console, args)


def _global_option(argv: list[str], console: Console) -> int | None:
    """Take one option off the front of *argv*; the exit status where it is all there is to do."""
    option, given, value = argv.pop(0).partition("=")
    if option in ("-h", "--help"):
        _print_help(console)
        return DONE
    if option in ("-v", "--version"):
        console.line(f"tract version {__version__}")
        return DONE
    if option in ("--install-completion", "--show-completion"):
        from tract.cli.fallback import run_typer_app  # only once in a user's life

        return run_typer_app([option, *argv], console)
    if option in ("--no-color", "--no-colour"):
        console.color = False
        return None
    if option not in ("-C", "--tract", "--color"):
        return _usage_error(console, f"unknown option: {option}")
    if not given:
        if not argv:
            return _usage_error(console, f"option {option} needs a value")
        value = argv.pop(0)
    if option == "-C":
        console.folder = os.path.join(console.folder, value)
        os.listdir(console.folder)  # a folder that is not there is better found here than in a message about stores
    elif option == "--tract":
        console.tract = value
    elif value not in _COLORS:
        return _usage_error(console, f"--color takes auto, always or never, not {value!r}")
    else:
        console.color = _COLORS[value]
    return None


_COLORS = {"auto": None, "always": True, "never": False}


def _module_of(name: str) -> str | None:
    return next((f"{group.package}.{group.commands[name][0]}" for group in GROUPS if name in group.commands), None)


def _usage_error(console: Console, text: str) -> int:
    console.error(text)
    console.note(_USAGE)
    return USAGE


def _unknown_command(name: str, console: Console) -> int:
    import difflib  # only for a mistyped word

    console.error(f"'{name}' is not a tract command; see 'tract --help'")
    near = difflib.get_close_matches(name, [known for group in GROUPS for known in group.commands], 3, 0.5)
    if near:
        console.hint(
            f"the most similar command is '{near[0]}'" if len(near) == 1 else f"did you mean {', '.join(near)}?"
        )
    return USAGE


def _print_help(console: Console) -> None:
    console.line(_USAGE)
    console.line("")
    console.line("git for LLM context windows: commits, edits and curation for what a model sees")
    for group in GROUPS:
        console.line("")
        console.line(console.paint(group.title, "bold"))
        for name, (_, summary) in group.commands.items():
            console.line(f"   {name:<16} {summary}")
    console.line("")
    console.line("'tract help <command>' or 'tract <command> --help' says more about a command.")


def _report(console: Console, exc: Exception) -> None:
    """Say what failed."""
    if isinstance(exc, TractError):
        console.error(str(exc))
        _show_hint(console, exc)
    elif isinstance(exc, OSError):
        name = exc.filename
        console.error(f"'{os.fsdecode(name)}': {_reason(exc)}" if isinstance(name, (str, bytes)) else _reason(exc))
    else:
        _report_bug(console, exc)


def _show_hint(console: Console, exc: TractError) -> None:
    from tract.cli.hints import hint_for  # only when something failed

    hint = hint_for(exc)
    if hint is not None:
        console.hint(hint)


def _reason(exc: OSError) -> str:
    return (exc.strerror or str(exc)).lower()


def _report_bug(console: Console, exc: Exception) -> None:
    if console.environ.get("TRACT_TRACEBACK"):
        import traceback  # only for whoever looks for a bug

        console.stderr.write("".join(traceback.format_exception(exc)))
    console.error(f"internal error: {type(exc).__name__}: {exc}")
    if not console.environ.get("TRACT_TRACEBACK"):
        console.hint("set TRACT_TRACEBACK=1 to see where it came from, and please report it")


def _drop_output(console: Console) -> None:
    """Let the process end in peace when nobody can take its output: Python would try once more and complain."""
    if console.stdout is sys.stdout:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (OSError, ValueError):
            return
