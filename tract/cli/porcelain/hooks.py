"""``tract hooks``: coding agents record their sessions while they work."""

from __future__ import annotations

import os
import stat
import sys
from typing import Any

from tract.adapters.hooks.parting import part_from_caller
from tract.adapters.hooks.program_settings import (
    Change,
    are_disabled,
    hook_command,
    installed,
    settings_path,
    with_hooks,
    without_hooks,
)
from tract.adapters.hooks.programs import PROGRAMS
from tract.cli.command import DONE, NEGATIVE, USAGE, Args, Command, Param
from tract.cli.console import Console, is_terminal
from tract.errors import ConfigError, NotARepositoryError, TractError
from tract.storage import files


def run(console: Console, args: Args) -> int:
    if args.action == "run":
        return _run(console, args)
    if args.action != "status" and args.program is None:
        console.error(f"'tract hooks {args.action}' takes a program: {', '.join(PROGRAMS)}")
        return USAGE
    return _status(console, args) if args.action == "status" else _change(console, args)


def _change(console: Console, args: Args) -> int:
    path = _path(console, args.program)
    text = _text(path)
    if args.action == "install":
        with console.open_repository() as repo:
            folder = os.path.dirname(repo.path or console.path("."))
        command = hook_command(sys.executable, folder, args.program, scan=args.scan)
        change = with_hooks(args.program, path, text, command)
    else:
        change = without_hooks(args.program, path, text, _folder(console))
    if change.before == change.after:
        console.line(f"Nothing to do: the hooks in {path} are already as you ask")
        return DONE
    _show(console, change)
    if not (args.yes or _is_agreed(console)):
        return NEGATIVE
    _write(change)
    console.line(f"{'Installed' if args.action == 'install' else 'Removed'} in {path}")
    if args.action == "install":
        console.hint("from the next turn on each session is recorded in a tract of its own: 'tract tracts' lists them")
        if args.program == "codex":
            console.hint(
                f"Codex's hooks belong to the user, not to a folder: its sessions in {folder} and below are recorded there"
            )
            console.hint("Codex runs a hook only after it was trusted once in its own window")
    return DONE


def _folder(console: Console) -> str:
    """The folder of the store; if there is none, the working folder of the command, which may have had one."""
    try:
        return os.path.dirname(console.store())
    except NotARepositoryError:
        return os.path.abspath(console.path("."))


def _is_agreed(console: Console) -> bool:
    """Whether the user agrees to the change that is shown."""
    if not is_terminal(console.stdin):
        console.error("nothing was changed")
        console.hint("'--yes' makes the change that is shown")
        return False
    console.note("Make this change? [y/N]")
    if next(console.stdin_lines(), "").strip().lower() in ("y", "yes"):
        return True
    console.note("nothing was changed")
    return False


def _show(console: Console, change: Change) -> None:
    import difflib  # the programs' calls need none of these

    lines = difflib.unified_diff(
        change.before.splitlines(), change.after.splitlines(), change.path, change.path, lineterm=""
    )
    for line in lines:
        console.line(console.paint(line, "green" if line[:1] == "+" else "red" if line[:1] == "-" else "dim"))


def _write(change: Change) -> None:
    """Write the settings whole, with the file's mode; if nothing is left in them, delete the file and its folder. A link is followed."""
    path = os.path.realpath(change.path)
    mode = stat.S_IMODE(os.stat(path).st_mode) if os.path.exists(path) else None
    if mode is not None and not mode & stat.S_IWUSR:
        raise ConfigError(f"'{change.path}' is read-only, so it is left alone")
    try:
        if _text(change.path) != change.before:
            raise ConfigError(f"'{change.path}' was changed meanwhile, so it is left alone; run the command again")
        if not change.after and not os.path.islink(change.path):
            files.unlink(path)
            files.remove_empty(os.path.dirname(path))
            return
        files.make_directories(os.path.dirname(path))
        files.write_file(path, (change.after or "{}\n").encode("utf-8"), sync=True)
        if mode is not None:
            os.chmod(path, mode)
    except OSError as exc:
        raise ConfigError(f"cannot write '{change.path}': {(exc.strerror or str(exc)).lower()}") from exc


def _status(console: Console, args: Args) -> int:
    from tract.adapters.hooks.running import last_failure  # as below

    found = [_look(console, args, program) for program in ([args.program] if args.program else PROGRAMS)]
    try:
        last = last_failure(console.store())
    except NotARepositoryError:
        last = None
        if any(one["events"] for one in found) and not args.json:
            console.warn("there is no store here, so the sessions that the hooks report are not recorded")
    if args.json:
        console.print_json({"programs": found, "last_failure": last})
    elif last:
        console.warn(f"the last problem of a recording: {last}")
    return DONE


def _look(console: Console, args: Args, program: str) -> dict[str, Any]:
    """The settings of *program*; unreadable ones are reported, and are an error only if they were asked for."""
    path, folder = _path(console, program), _folder(console)
    told: dict[str, Any] = {"program": program, "path": path, "events": [], "is_other": False}
    try:
        text = _text(path)
        events = installed(program, path, text, folder)
    except ConfigError as exc:
        if args.program:
            raise
        told["error"] = str(exc)
        if not args.json:
            console.warn(str(exc))
        return told
    wanted = {hook_command(sys.executable, folder, program, scan=scan) for scan in (False, True)}
    told |= {"events": list(events), "is_other": not wanted.issuperset(events.values())}
    if not args.json:
        console.line(console.paint(program, "green"), f": {', '.join(events) or 'not installed'}  ({path})")
        if told["is_other"]:
            console.warn(f"{program} calls another command than 'tract hooks install {program}' would install now")
        if events and are_disabled(path, text):
            console.warn(f"{program} calls none of its hooks: 'disableAllHooks' is set in its settings")
    return told


def _run(console: Console, args: Args) -> int:
    """Record a session; whatever happens, the calling program is not disturbed."""
    text = console.read_stdin()
    if args.now:
        _record(console, args, text)
    elif part_from_caller():
        try:
            _record(console, args, text)
        finally:
            os._exit(DONE)
    return DONE


def _record(console: Console, args: Args, text: str) -> None:
    from tract.adapters.hooks.running import record_event  # settings are changed without it

    if console.read_only:
        return  # a later turn brings it
    try:
        store = console.store()
    except TractError:
        return  # there is no place to report it
    author = console.settings.get("author")
    done = record_event(store, args.program or "claude-code", text, console.environ, author=author, scan=args.scan)
    if args.json and done is not None:
        found = {**done._asdict(), "secrets": list(done.secrets)}
        console.print_json(found)


def _path(console: Console, program: str) -> str:
    home = console.environ.get("HOME") or os.path.expanduser("~")
    return settings_path(program, os.path.abspath(console.path(".")), home, console.environ)


def _text(path: str) -> str:
    """The settings at *path*, empty if there is no file; ConfigError if it cannot be read."""
    if files.is_special(path):
        raise ConfigError(f"cannot read '{path}': it is not a regular file")
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except OSError as exc:
        raise ConfigError(f"cannot read '{path}': {(exc.strerror or str(exc)).lower()}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"cannot read '{path}': {exc}") from exc


COMMAND = Command(
    run,
    (
        Param("action", required=True, choices=("install", "remove", "status", "run"), help="What to do."),
        Param("program", choices=tuple(PROGRAMS), help="The coding agent."),
        Param("yes", ("-y", "--yes"), bool, help="Make the change without asking; it is still shown."),
        Param("now", ("--now",), bool, help="With run: record in this process, instead of passing the event on."),
        Param("scan", ("--scan",), bool, help="With install and run: replace texts that look like a secret by a mark."),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    ),
    """
With hooks, a coding agent's session is recorded into this store while it runs: after each turn, and before a compaction hides messages.
A session is a tract of its own, named by its id; 'tract tracts' lists them.
'install' and 'remove' show the change to the program's settings before they make it, and change nothing else in them.
The program itself calls 'run', which reads an event from standard input, passes it on, and never makes the program fail; 'status' says what could not be recorded.

  $ tract hooks install claude-code --yes
  $ tract hooks status
""",
)
