"""``tract import``: conversations from files."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tract.adapters.importing import Importer, ImportResult, Place
from tract.adapters.scanning import find_in_conversation, without_secrets
from tract.adapters.transcripts import FORMATS, Conversation, Problem, Reading, read_transcript
from tract.cli.command import DONE, FATAL, NEGATIVE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.progress import Progress
from tract.config import SCANS
from tract.errors import ImportFormatError, TractError
from tract.objects.collector import without_collections
from tract.refs.names import HEADS, branch_ref, tract_prefix
from tract.repo import Repository

_STDIN = "/dev/stdin"


def run(console: Console, args: Args) -> int:
    results: list[ImportResult] = []
    problems: list[Problem] = []
    if args.name is not None:
        # A name from a file is made to fit; a typed one is used as it is.
        (tract_prefix if args.place == "tract" else branch_ref)(args.name)
    with console.open_repository() as repo:
        importer = Importer(repo, count=False)  # tokens are counted on demand
        try:
            for file in args.files:
                with without_collections():
                    reading = _read(console, args, file, problems)
                    _import_all(console, repo, importer, reading, file, args, results, problems)
        finally:
            importer.finish()
            # An interrupt leaves the conversations that landed before it: report them.
            _print_summary(console, repo, results, problems, args)
    if not results:
        return FATAL
    return NEGATIVE if problems else DONE


def _read(console: Console, args: Args, file: str, problems: list[Problem]) -> Reading:
    """The conversations in *file*; problems are reported at once and added to *problems*."""
    try:
        with Progress(console, f"reading {file}") as progress:
            reading = read_transcript(
                _STDIN if file == "-" else console.path(file),
                format=args.format,
                key=args.key,
                on_progress=progress.show,
            )
    except ImportFormatError as exc:
        _report(console, Problem(file, exc.line, exc.detail), problems)
        if os.path.isdir(console.path(file)):
            console.hint(f"name the files in it: 'tract import {os.path.join(file, '*.jsonl')}'")
        _hint_formats(console, exc, args)
        return Reading((), (), "unknown")
    read = _STDIN if file == "-" else str(console.path(file))
    for note in reading.notes:
        console.note(f"{_place_of(file if note.file == read else note.file, note.line)}: {note.detail}")
    for problem in reading.problems:
        _report(console, problem if problem.file != read else problem._replace(file=file), problems)
    if not reading.conversations:
        if not reading.problems:
            _report(console, Problem(file, None, "there is no conversation in it"), problems)
        _hint_without_format(console, args)
    return reading


def _import_all(
    console: Console,
    repo: Repository,
    importer: Importer,
    reading: Reading,
    file: str,
    args: Args,
    results: list[ImportResult],
    problems: list[Problem],
) -> None:
    """Import every conversation of a file; those that landed are added to *results*."""
    many = len(reading.conversations) > 1
    waiting: list[ImportResult] = []
    try:
        with Progress(console, f"importing {file}") as progress:
            for number, read in enumerate(reading.conversations, 1):
                conversation = _scanned(console, args, read, file, problems)
                if conversation is None:
                    continue
                name = f"{args.name}-{number}" if args.name and many else args.name
                try:
                    result = importer.take(conversation, place=_place(repo, args, many), name=name, lands=False)
                except TractError as exc:
                    _report(console, Problem(file, _line_of(conversation), str(exc)), problems)
                    continue
                for refused in result.refused:
                    _report(console, Problem(file, refused.line, refused.detail), problems)
                if result.messages or any(branch.shared for branch in result.branches):
                    waiting.append(result)
                if importer.is_full:
                    _land(console, importer, waiting, file, results, problems)
                progress.show(number, len(reading.conversations))
    finally:  # conversations complete at an interrupt land too
        _land(console, importer, waiting, file, results, problems)


def _land(
    console: Console,
    importer: Importer,
    waiting: list[ImportResult],
    file: str,
    results: list[ImportResult],
    problems: list[Problem],
) -> None:
    """Write the waiting conversations, and move them to *results*; on failure none of them was imported."""
    landing, waiting[:] = tuple(waiting), ()
    try:
        importer.land()
    except TractError as exc:
        _report(console, Problem(file, None, str(exc)), problems)
    else:
        results += landing


def _scanned(
    console: Console, args: Args, conversation: Conversation, file: str, problems: list[Problem]
) -> Conversation | None:
    """The conversation to import, after a search for secrets if that was asked for; None if it is not to be imported."""
    if args.scan is None:
        return conversation
    found = [one._replace(file=file) for one in find_in_conversation(conversation)]
    for one in found:
        _report(console, one, problems)
    if found and args.scan == "refuse":
        _report(console, Problem(file, _line_of(conversation), "not imported: it has secrets"), problems)
        return None
    return without_secrets(conversation) if args.scan == "replace" else conversation


def _place(repo: Repository, args: Args, many: bool) -> Place:
    """The place for a conversation: the requested one, else the current branch for a single conversation, if that is empty and no name was given."""
    if args.place is not None:
        return "tract" if args.place == "tract" else "branch"
    branch, tip = repo.head()
    return "here" if not many and args.name is None and branch is not None and tip is None else "branch"


def _line_of(conversation: Conversation) -> int | None:
    return next((turn.line for line in conversation.branches for turn in line.turns), None)


def _report(console: Console, problem: Problem, problems: list[Problem]) -> None:
    """Report the file and line of a part that could not be imported, as compilers do."""
    console.warn(f"{_place_of(problem.file, problem.line)}: {problem.detail}")
    problems.append(problem)


def _place_of(file: str, line: int | None) -> str:
    return file if line is None else f"{file}:{line}"


def _hint_formats(console: Console, refusal: ImportFormatError, args: Args) -> None:
    """Print hints after a file was refused."""
    if not refusal.formats:
        return
    if refusal.likely_key not in (None, args.key):
        console.hint(f"there are messages in it: '--key {refusal.likely_key}' reads them")
    else:
        _hint_without_format(console, args)
    console.hint(f"the formats are {', '.join(refusal.formats)}; '--key' says where in an object the messages are")


def _hint_without_format(console: Console, args: Args) -> None:
    if args.format is not None:
        console.hint(f"without '--format {args.format}' tract detects its format")


def _print_summary(
    console: Console, repo: Repository, results: Sequence[ImportResult], problems: Sequence[Problem], args: Args
) -> None:
    if args.json:
        messages = sum(result.messages for result in results)
        console.print_json({"conversations": results, "messages": messages, "problems": problems})
        return
    for result in results:
        _print_result(console, repo, result)
    branches = sum(len(result.branches) for result in results)
    messages = sum(result.messages for result in results)
    if results:
        console.line(
            f"Imported {_count(len(results), 'conversation')}, {_count(branches, 'branch')}, {_count(messages, 'message')}."
        )
    if problems:
        console.note(
            f"{_count(len(problems), 'problem')}; what could be read was imported"
            if results
            else "nothing was imported"
        )
    _hint_where(console, repo, results)


def _print_result(console: Console, repo: Repository, result: ImportResult) -> None:
    in_tract = "" if result.tract == repo.tract else f" in tract {result.tract}"
    for branch in result.branches:
        shared = f", {branch.shared} there before" if branch.shared else ""
        console.line(
            "  ", console.paint(branch.name, "green"), f"{in_tract}: {_count(branch.messages, 'message')}{shared}"
        )
    for child in result.children:
        console.line("  ", console.paint(child, "green"), ": a sub-agent's tract")
    name = result.branches[0].name
    if result.branches[0].shared:
        return  # a known conversation continues in its place
    if result.tract != repo.tract:
        if result.tract != result.wanted:
            console.note(f"the tract name '{result.wanted}' is taken or not allowed; imported as '{result.tract}'")
    elif name not in (result.wanted, (repo.head()[0] or "").removeprefix(HEADS)):
        console.note(f"the branch name '{result.wanted}' is taken or not allowed; imported as '{name}'")


def _hint_where(console: Console, repo: Repository, results: Sequence[ImportResult]) -> None:
    if not results:
        return
    current = (repo.head()[0] or "").removeprefix(HEADS)
    names = [result.branches[0].name for result in results if result.tract == repo.tract]
    if names and current not in names:
        console.hint(f"'tract switch {names[0]}' goes there")
    elif not names:
        console.hint(f"'tract --tract {results[0].tract} log' looks at it")


def _count(number: int, thing: str) -> str:
    plural = thing + ("es" if thing.endswith("ch") else "s")
    return f"{number} {thing if number == 1 else plural}"


COMMAND = Command(
    run,
    (
        Param(
            "files",
            metavar="FILE…",
            many=True,
            required=True,
            help="JSON or JSON lines; - reads the standard input.",
        ),
        Param("format", ("--format",), choices=FORMATS, help="The format of the messages. Default: detected."),
        Param(
            "key",
            ("--key",),
            metavar="KEY",
            help="The key under which each object has its list of messages, such as request.messages.",
        ),
        Param(
            "place", ("--as",), choices=("branch", "tract"), help="Import each conversation as a branch or as a tract."
        ),
        Param("name", ("--name",), metavar="NAME", help="The name of the branch or tract. Default: that of the file."),
        Param(
            "scan",
            ("--scan",),
            choices=SCANS,
            help="Look for keys, tokens and passwords: list them, replace them by a mark, or refuse a conversation that has one.",
        ),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    ),
    """
Reads files that other programs wrote; docs/importing.md lists the formats. A file that has none of them is refused with a reason.
A single conversation goes to the current branch if that is empty, else to a new branch named after the file; of several conversations, each gets a branch.
A conversation that was rewound and continued in another way becomes several branches that share their beginning.
Nothing is overwritten: a name that is taken gets a number, so importing a file twice gives two copies.
If the program gives its messages ids, as coding agents do, importing a session again adds only its new messages. Its sub-agents become tracts of their own.
Parts that cannot be read are listed with file and line, and the rest is imported; the exit status is then 1.

  $ tract import session.jsonl
  $ tract import --as tract --key traj results/*.jsonl
""",
)
