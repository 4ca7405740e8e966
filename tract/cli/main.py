"""The command line's entry: the options before a command, and the handling of errors.

Only the module of the command that is run is loaded.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module

from tract import __version__
from tract.cli.command import DONE, FATAL, INTERRUPTED, NEGATIVE, USAGE, Command, UnreadableError, parse, with_common
from tract.cli.commands import ENTRIES, GROUPS
from tract.cli.console import Console, OutputError, utf8_streams
from tract.errors import ConfigError, DamageWarning, TimeArgumentError, TractError
from tract.escape import escaped

_BROKEN_PIPE = 141
"""The exit status of a program that died of SIGPIPE, as git does."""


_USAGE = """\
usage: tract [-C <folder>] [--tract <name>] [--branch <name>]
             [-c <setting>=<value>] [--color=<when>] [--no-pager] [--read-only]
             [--version] [--help] <command> [<args>]"""


def entry() -> None:
    """The ``tract`` program."""
    utf8_streams()
    status = main(sys.argv[1:])
    # The store is closed and the output is written; shutting the interpreter down as well takes a tenth of `tract log`.
    os._exit(status)


def main(argv: Sequence[str], *, console: Console | None = None) -> int:
    """Run one command line, without the program's name, and return the exit status; never raises."""
    console = console if console is not None else Console()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = lambda message, *_: _warn(console, message)
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
        console.error(f"the output cannot be written: {_reason(exc)}; what the command changed stays changed")
    except TimeArgumentError as exc:  # typed on the command line, wherever it is read
        console.error(str(exc))
        return USAGE
    except Exception as exc:  # noqa: BLE001  # the last line of defence: a person never sees a traceback unasked
        with suppress(OSError, ValueError):  # the first error is the one to report
            console.flush()
        _report(console, exc)
    return FATAL


def _dispatch(argv: list[str], console: Console) -> int:
    if "_TRACT_COMPLETE" in console.environ:
        from tract.cli.help import complete  # only shells ask for this

        return complete(console, argv)
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
    if name not in ENTRIES:
        words = _alias_words(name, console)
        if words is None:
            return _unknown_command(name, console)
        name, *more = words
        argv = [*more, *argv]
    return _run(console, name, argv)


def _run(console: Console, name: str, argv: list[str]) -> int:
    command: Command = import_module(ENTRIES[name].module).COMMAND
    command = with_common(command)
    try:
        args = parse(command, argv)
    except UnreadableError:
        from tract.cli.help import explain  # typer takes longer to load than most commands to run

        return _paged(console, lambda: explain(console, name, command, argv))
    if args.tract == "":
        return _usage_error(console, "--tract needs a name that is not empty")
    if args.tract is not None:
        console.tract = args.tract
    if getattr(args, "on_branch", None) is not None:
        console.branch = args.on_branch
    return _paged(console, lambda: command.run(console, args)) if command.pages else command.run(console, args)


def _alias_words(name: str, console: Console) -> list[str] | None:
    """The words that the user's alias *name* stands for, a command first; None if there is no such alias."""
    import shlex

    from tract.cli.user_settings import ALIAS, user_setting

    alias = user_setting(console, ALIAS + name)
    if alias is None:
        return None
    words = shlex.split(alias)
    if not words or words[0] not in ENTRIES:
        raise ConfigError(f"the alias '{name}' begins with no command: {alias!r}")
    return words


def _paged(console: Console, run: Callable[[], int]) -> int:
    if not console.is_terminal:
        return run()
    from tract.cli.pager import run_paged  # a pipe needs none

    return run_paged(console, run)


def _global_option(argv: list[str], console: Console) -> int | None:
    """Take one option off the front of *argv*; return the exit status if nothing else is to be done."""
    option, given, value = argv.pop(0).partition("=")
    if option in ("-h", "--help"):
        _print_help(console)
        return DONE
    if option in ("-v", "--version"):
        console.line(f"tract version {__version__}")
        return DONE
    if option in ("--install-completion", "--show-completion"):
        from tract.cli.help import complete  # only once in a user's life

        return complete(console, [option, *argv])
    if option in ("--no-color", "--no-colour"):
        console.color = False
    elif option in ("-P", "--no-pager"):
        console.paging = False
    elif option == "--read-only":
        console.read_only = True
    elif option not in ("-C", "--tract", "--branch", "--color", "-c"):
        return _usage_error(console, f"unknown option: {option}")
    elif not given and not argv:
        return _usage_error(console, f"option {option} needs a value")
    else:
        return _valued_option(console, option, value if given else argv.pop(0))
    return None


def _valued_option(console: Console, option: str, value: str) -> int | None:
    """Apply an option before the command with its *value*; return the exit status if it is not an option."""
    if option == "-C":
        console.folder = os.path.join(console.folder, value)
        os.listdir(console.folder)  # a missing folder is better reported here than in a message about stores
    elif option == "--tract":
        if not value:
            return _usage_error(console, "--tract needs a name that is not empty")
        console.tract = value
    elif option == "--branch":
        console.branch = value
    elif option == "-c":
        from tract.cli.user_settings import give  # few commands override a stored setting

        give(console, value)
    elif value not in _COLORS:
        return _usage_error(console, f"--color takes auto, always or never, not {value!r}")
    else:
        console.color = _COLORS[value]
    return None


_COLORS = {"auto": None, "always": True, "never": False}


def _usage_error(console: Console, text: str) -> int:
    console.error(text)
    for line in _USAGE.split("\n"):
        console.note(line)
    return USAGE


def _unknown_command(name: str, console: Console) -> int:
    import difflib  # only for a mistyped word

    from tract.cli.hints import GIT_WORDS

    console.error(f"'{name}' is not a tract command; see 'tract --help'")
    near = difflib.get_close_matches(name, [*ENTRIES, "help"], 3, 0.5)
    if name in GIT_WORDS:
        console.hint(GIT_WORDS[name])
    elif near:
        console.hint(
            f"the most similar command is '{near[0]}'" if len(near) == 1 else f"did you mean {', '.join(near)}?"
        )
    return USAGE


def _print_help(console: Console) -> None:
    console.body(_USAGE)
    console.line("")
    console.line("git for LLM context windows: commits, edits and curation for what a model sees")
    for group in GROUPS:
        console.line("")
        console.line(console.paint(group.title, "bold"))
        for name, entry in group.commands.items():
            console.line(f"   {name:<16} {entry.summary}")
    console.line("")
    console.line("'tract help <command>' or 'tract <command> --help' says more about a command.")


def _report(console: Console, exc: Exception) -> None:
    """Print the error."""
    if isinstance(exc, TractError):
        console.error(str(exc))
        _show_hint(console, exc)
    elif isinstance(exc, OSError):
        name = exc.filename
        console.error(f"'{os.fsdecode(name)}': {_reason(exc)}" if isinstance(name, (str, bytes)) else _reason(exc))
    elif isinstance(exc, MemoryError):
        console.error("there is not enough memory for this")
    else:
        _report_bug(console, exc)


def _warn(console: Console, message: Warning | str) -> None:
    console.warn(str(message))
    if isinstance(message, DamageWarning):
        console.hint("'tract fsck' says what is damaged, 'tract fsck --repair' brings back what can still be read")


def _show_hint(console: Console, exc: TractError) -> None:
    from tract.cli.hints import hint_for, similar_name  # only when something failed

    hint = similar_name(console, exc) or hint_for(exc)
    if hint is not None:
        console.hint(hint)


def _reason(exc: OSError) -> str:
    return (exc.strerror or str(exc)).lower()


def _report_bug(console: Console, exc: Exception) -> None:
    if console.environ.get("TRACT_TRACEBACK"):
        import traceback  # only for a search for a bug

        console.stderr.write(escaped("".join(traceback.format_exception(exc))))
    console.error(f"internal error: {type(exc).__name__}: {exc}")
    if not console.environ.get("TRACT_TRACEBACK"):
        console.hint("set TRACT_TRACEBACK=1 to see where it came from, and please report it")


def _drop_output(console: Console) -> None:
    """Let the process end quietly if its output cannot be written: Python would try once more and complain."""
    if console.stdout is sys.stdout:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (OSError, ValueError):
            return
