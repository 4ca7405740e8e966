"""``tract show``: a commit and its content in full."""

from __future__ import annotations

from collections.abc import Sequence

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console, one_line
from tract.cli.rendering import (
    SHORT,
    Line,
    date_text,
    names_by_commit,
    paint_marks,
    paint_names,
    paint_role,
    print_line_json,
    print_one_line,
    read_line,
    tokens_text,
)
from tract.compile.workspace import Workspace
from tract.history.context import context_at, find_entry
from tract.history.priority import PriorityAnnotation, annotation_history
from tract.messages import compact_json, message_text
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, Entry
from tract.revision import resolve_revision
from tract.tokens.usage import TokenUsage

_TARGETS = {
    CommitOperation.EDIT: "Edits:    ",
    CommitOperation.REVERT: "Reverts:  ",
    CommitOperation.SPAWN: "Context:  ",
}


def run(console: Console, args: Args) -> int:
    if len(args.revisions) > 1 and (args.compiled or args.history):
        console.error("--compiled and --history take one revision")
        return USAGE
    if args.compiled:
        return _show_compiled(console, args)
    with console.open_workspace() as space:
        if args.history:
            return _show_history(console, space, args)
        for at, id in enumerate([resolve_revision(space.repo, text) for text in args.revisions or ["HEAD"]]):
            if args.json:
                _print_json(console, space, id)
                continue
            if at:
                console.line("")
            show_commit(console, space, id, stat=args.stat)
    return DONE


def _single(args: Args) -> str:
    return args.revisions[0] if args.revisions else "HEAD"


def _print_json(console: Console, space: Workspace, id: ObjectId) -> None:
    from tract.report.diff import details  # for machines, every commit has its changes

    line = read_line(space, id)
    console.print_json(
        details(space, id),
        role=line.role,
        text=line.text,
        tokens_exact=line.exact,
        refs=names_by_commit(space.repo).get(line.id, ()),
        annotations=annotation_history(space.repo, id),
        sources=[source for source, _ in _sources(space, id) or ()],
    )


def show_commit(console: Console, space: Workspace, id: ObjectId, *, stat: bool = False) -> None:
    """Print everything about a commit; with *stat*, only the figures of its changes."""
    line = read_line(space, id)
    _print_header(console, line, names_by_commit(space.repo).get(line.id), annotation_history(space.repo, id))
    _print_body(console, space, id, line, stat=stat)
    _print_change(console, space, id)


def _print_change(console: Console, space: Workspace, id: ObjectId) -> None:
    """Print that the message has another text by now, if it has in the context at HEAD."""
    repo = space.repo
    commit = repo.commit(id)
    if commit.operation is not CommitOperation.APPEND or commit.content is None or repo.head()[1] is None:
        return
    now = find_entry(repo, context_at(repo, repo.head()[1]), id)
    if now is not None and now != commit.content:
        console.line("")
        text = message_text(space.blobs.message(now))
        console.line("edited since: ", one_line(text, max(20, console.width - len("edited since: "))))
        console.hint(f"'tract show --history {id.hex()[:SHORT]}' lists its versions")


def _print_body(console: Console, space: Workspace, id: ObjectId, line: Line, *, stat: bool) -> None:
    """Print the text of the commit's message, and the commit's changes unless it only adds the message."""
    commit = space.repo.commit(id)
    if space.repo.map_in(commit) is not None and not stat:
        console.line("")
        console.body(_run_text(space, id, commit) or line.text, "    ")
    if commit.operation is CommitOperation.COMPRESS:
        _print_facts(console, space, id)
    sources = _sources(space, id)
    if sources is not None:
        _print_sources(console, space, id, sources)
    if commit.operation in (CommitOperation.APPEND, CommitOperation.NOTE) and not stat:
        return
    from tract.cli.diffs import print_diff, print_stat  # most commits only add a message
    from tract.report.diff import diff_of_commit

    changes = diff_of_commit(space, id)
    console.line("")
    cut = space.repo.shallow.cuts.get(id)
    if cut is not None:
        console.line(f"what it changed is not kept any more: gc cut the history behind it on {cut.date}")
    elif changes:
        (print_stat if stat else print_diff)(console, changes)
    else:
        console.line(
            "no message of the context differs from the first parent's" if commit.parents else "the context is empty"
        )


def _run_text(space: Workspace, id: ObjectId, commit: Commit) -> str | None:
    """The text about a run of the orchestrator, if the commit is the record of one."""
    if commit.operation is not CommitOperation.RECORD:
        return None
    from tract.agents.runs import run_at, run_lines  # few commits are records

    run = run_at(space.repo, id)
    return None if run is None else "\n".join(run_lines(run, full=True))


def _print_facts(console: Console, space: Workspace, id: ObjectId) -> None:
    """Print the facts that a compression's summary dropped, and those that it invented."""
    from tract.curation.compress.land import noted_facts  # few commits are compressions

    for what, facts in zip(("facts left out", "facts in no message"), noted_facts(space.repo, id), strict=True):
        if not facts:
            continue
        console.line("")
        console.line(f"{len(facts)} {what}:")
        for fact in facts:
            console.line(f"  {fact.kind:8} ", one_line(fact.text, max(20, console.width - 11)))


def _sources(space: Workspace, id: ObjectId) -> Sequence[Entry] | None:
    """The messages that commit *id* replaced, empty if they are no longer kept; None if it replaced none."""
    repo = space.repo
    if not repo.commit(id).metadata:
        return None  # a commit that replaced messages says so there; most commits have none
    from tract.history.collapse import collapse_told_by, kept_messages_of
    from tract.history.compression import is_summary, sources_by_summary

    if is_summary(repo, id):
        return sources_by_summary(repo, [id])[id]
    collapse = collapse_told_by(repo, id)
    return None if collapse is None else kept_messages_of(repo, collapse)


def _print_sources(console: Console, space: Workspace, id: ObjectId, sources: Sequence[Entry]) -> None:
    """Print the messages that a summary, or a child's collapse message, replaced, one to a line."""
    from tract.history.collapse import collapse_told_by

    collapse = collapse_told_by(space.repo, id)
    whose = "" if collapse is None else f" of tract '{collapse.child}'"
    console.line("")
    if not sources:
        console.line(f"the messages{whose} that this stands for are not kept any more")
        return
    console.line(f"stands for {len(sources)} message{'' if len(sources) == 1 else 's'}{whose}:")
    for source, _ in sources:
        print_one_line(console, read_line(space, source), None)
    console.hint(f"'tract expand {id.hex()[:SHORT]}' puts them {'back' if collapse is None else 'in its place'}")


def _show_compiled(console: Console, args: Args) -> int:
    """Print the whole context at the commit."""
    if args.json or args.history:
        console.error("--compiled is text for people; 'tract compile --at' gives JSON")
        return USAGE
    from tract.compile.compiled import compile_at  # few look at all of it

    with console.open_workspace() as space:
        context = compile_at(space, at_commit=_single(args))
        console.body(context.to_text())
        for warning in context.warnings_for("text"):
            console.warn(str(warning))
    return DONE


def _show_history(console: Console, space: Workspace, args: Args) -> int:
    """Print the versions of a message, one to a line, numbered from the original, or if history was cut in between back from the newest, -1."""
    from tract.report.forensics import cut_among_versions, versions_of  # few look at them

    names = names_by_commit(space.repo)
    versions = versions_of(space, _single(args))
    cut = cut_among_versions(space, _single(args))
    for at, id in enumerate(versions):
        number = at if cut is None or at == 0 else at - len(versions)
        line = read_line(space, id)
        if args.json:
            print_line_json(console, line, names.get(line.id), version=number)
        else:
            print_one_line(console, line, names.get(line.id), f"{number} ")
    if cut is not None:
        console.note(
            f"there may have been more: gc cut the history behind {cut.hex()[:SHORT]} on {space.repo.shallow.cuts[cut].date}"
        )
    return DONE


def _print_header(console: Console, line: Line, names: list[str] | None, history: list[PriorityAnnotation]) -> None:
    info = line.info
    console.line(console.paint(f"commit {line.id}", "yellow"), paint_names(console, names), paint_marks(console, line))
    for parent in info.parent_hashes:
        console.line("Parent:   ", parent)
    console.line("Author:   ", info.author)
    console.line("Date:     ", date_text(info.created_at))
    console.line("Role:     ", paint_role(console, line.role))
    console.line("Content:  ", f"{info.content_type} {info.content_hash}" if info.content_hash else "none of its own")
    if info.content_hash:
        console.line(
            "Tokens:   ", tokens_text(info.token_count, exact=line.exact).removesuffix("s").removesuffix(" token")
        )
    if info.response_to is not None:
        console.line(_TARGETS.get(info.operation, "Replies:  "), info.response_to)
    if info.message:
        console.line("Note:     ", info.message)
    for note in history:
        reason = f": {note.reason}" if note.reason else ""
        who = f"{note.author}, {note.origin}" if note.origin else note.author
        console.line("Priority: ", f"{note.priority.value}{reason}", f" ({who}, {date_text(note.created_at)})")
    if info.generation_config is not None:
        console.line("Config:   ", compact_json(info.generation_config))
    if info.usage is not None:
        console.line("Usage:    ", _usage_text(info.usage))
    if info.metadata is not None:
        console.line("Metadata: ", compact_json(info.metadata))


def _usage_text(usage: TokenUsage) -> str:
    parts = [f"{usage.input_tokens} in, {usage.output_tokens} out"]
    if usage.cache_read_tokens:
        parts.append(f"{usage.cache_read_tokens} read from the cache")
    if usage.cache_creation_tokens:
        parts.append(f"{usage.cache_creation_tokens} written to the cache")
    return ", ".join(parts)


COMMAND = Command(
    run,
    (
        Param("revisions", many=True, metavar="REVISION", help="The commits to show. Default: HEAD."),
        Param("stat", ("--stat",), bool, help="Print only how many tokens each message grew or shrank by, no texts."),
        Param(
            "compiled",
            ("--compiled",),
            bool,
            help="Print the whole context at that commit instead, as a model receives it.",
        ),
        Param(
            "history",
            ("--history",),
            bool,
            help="List the versions of the message instead: the original and each edit.",
        ),
        Param("json", ("--json",), bool, help="Print a JSON document; with --history, one on a line for each version."),
    ),
    """
Prints who committed what and when, what was noted about it since (priority, generation config, usage), and its whole text.
A tool call is printed as name(arguments).
If the commit is not a new message but an edit, a merge, a compression or the like, what it changed in the context of its first parent follows, as 'tract diff' prints it.
If it is a summary, the messages that it replaced follow; if it says what a child did, the child's.

  $ tract show
  $ tract show 3fa9 --json
  $ tract show 3fa9 --history
  $ tract show 3fa9 --compiled
""",
    pages=True,
)
