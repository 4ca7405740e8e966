"""``tract fsck``: whether every promise of docs/format.md holds, and what can be restored if not.

    error: objects/journal at 1234: transaction 3: it is not whole, but a later one at offset 2345 is
      lost: the part of it that cannot be read

Every problem is one line with its file and offset, the worst first, and a second line if data is lost; then a summary line.
The status is 0 for a store without errors and warnings, 1 for one with problems; after a repair, the remaining problems count.

With ``--json`` one document: path, objects, reachable, commits, refs, problems, and with ``--repair`` also steps, lost and repaired;
a problem has kind, severity, subject, path, offset, detail, lost.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

from tract.cli.command import DONE, NEGATIVE, Args, Command, Param
from tract.cli.console import Console
from tract.dataclass import asdict
from tract.maintenance.fsck.check import examine
from tract.maintenance.fsck.conversation import conversation_problems, count_problems
from tract.maintenance.fsck.repair import run_repair
from tract.maintenance.fsck.repair_plan import RepairPlan, plan_repair
from tract.maintenance.fsck.report import FsckReport
from tract.storage.files import check_tree

_STYLES = {"error": "red", "warning": "yellow", "note": "dim"}

_DESCRIPTION = """Check every byte of the store: each object against its id, the journal, packs and indexes against their checksums, the refs against the operations, and that everything the refs reach is there. Then check the conversations: tool calls without results, edits without their message.

--repair restores whatever can be verified: indexes, the end of a torn write, ref files, the readable part of the journal, and from damaged packs all objects that still match their ids. Replaced files are kept in '.tract/aside'. --dry-run prints what it would do.

Objects that cannot be restored are listed after "lost:", by id and first words.

The exit status is 0 for a clean store, 1 when there are errors or warnings (after a repair: when some remain, or something was lost).

  $ tract fsck
  $ tract fsck --repair --dry-run
  $ tract fsck --repair"""


def run(console: Console, args: Args) -> int:
    path = console.store()
    check_tree(path, console.safe_directories())
    report = _checked(path, counts=args.counts)
    if not args.repair and not args.dry_run:
        _show(console, args, report)
        return DONE if report.is_clean else NEGATIVE
    plan = plan_repair(report)
    if args.dry_run:
        _show(console, args, report, plan)
        return DONE if report.is_clean else NEGATIVE
    if plan.steps:
        console.check_writable(path)
        run_repair(plan)
        after = _checked(path, counts=args.counts)
    else:
        after = report
    _show(console, args, report, plan, after)
    return DONE if after.is_clean and not plan.lost else NEGATIVE


def _checked(path: str, *, counts: bool) -> FsckReport:
    with closing(examine(path)) as found:
        more = list(conversation_problems(found))
        if counts:
            from tract.config import TractConfig
            from tract.tokens.counter import counter_named  # a vocabulary takes long to load

            more.extend(count_problems(found, counter_named(TractConfig().tokenizer_encoding)))
        return found.report.having(tuple(more))


def _show(
    console: Console, args: Args, report: FsckReport, plan: RepairPlan | None = None, after: FsckReport | None = None
) -> None:
    if args.json:
        console.print_json(_document(report, plan, after))
        return
    _show_problems(console, report, is_planned=plan is not None)
    if plan is not None:
        verb = "would repair" if after is None else "repaired"
        for step in plan.steps:
            console.line(console.paint(f"{verb}:", "green"), f" {step.path}: {step.detail}")
        for lost in plan.lost:
            console.line(console.paint("lost:", "red"), " ", lost)
        if not plan.steps:
            console.line("nothing to repair")
    if after is not None and plan is not None and plan.steps:
        console.line("")
        console.line("after the repair:")
        _show_problems(console, after, is_planned=True)


def _show_problems(console: Console, report: FsckReport, *, is_planned: bool) -> None:
    """Print the problems; what a plan lists as lost, because it is missing, is not listed here too."""
    for problem in report.problems:
        where = problem.path if problem.offset is None else f"{problem.path} at {problem.offset}"
        label = console.paint(f"{problem.severity}:", _STYLES[problem.severity])
        subject = "" if problem.subject == "file" else problem.subject
        console.line(label, " ", ": ".join(part for part in (where, subject, problem.detail) if part))
        if problem.lost and not (is_planned and problem.kind == "missing-object"):
            console.line("  lost: ", problem.lost)
    errors, warnings = len(report.errors), len(report.warnings)
    state = "no problems" if report.is_clean else f"{_number(errors, 'error')}, {_number(warnings, 'warning')}"
    console.line(
        f"checked {_number(report.objects, 'object')}, {_number(report.commits, 'commit')}, {_number(report.refs, 'ref')}: {state}"
    )


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _document(report: FsckReport, plan: RepairPlan | None, after: FsckReport | None) -> dict[str, Any]:
    document = asdict(report)
    if plan is not None:
        document["steps"] = [asdict(step) for step in plan.steps]
        document["lost"] = list(plan.lost)
    if after is not None:
        document["repaired"] = asdict(after)
    return document


COMMAND = Command(
    run,
    (
        Param(
            "repair",
            ("--repair",),
            type=bool,
            help="Restore what can be restored; replaced files are kept in 'aside'.",
        ),
        Param("dry_run", ("-n", "--dry-run"), type=bool, help="Say what --repair would do, without doing it."),
        Param("counts", ("--counts",), type=bool, help="Count all tokens again, and compare with the stored counts."),
        Param("json", ("--json",), type=bool, help="Print JSON."),
    ),
    _DESCRIPTION,
)
