"""``tract merge-base``: the common ancestors of histories.

One line: the id of the best common ancestor; with ``--all`` a line for each of them, the newest first.
With ``--json`` each is an object: {"id": …}.
"""

from __future__ import annotations

from tract.cli.command import DONE, NEGATIVE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.history.reachability import merge_bases
from tract.history.walk import cut_behind, is_ancestor
from tract.revision import resolve_revision

_DESCRIPTION = """Print the best common ancestor of A and B: a commit that both reach, and that no other such commit reaches. After criss-cross merges there can be several; --all prints each.

With more than two commits, print the best common ancestor of A and of a merge of all the others, whether such a merge exists or not.

With --is-ancestor A B, print nothing: the exit status says whether B reaches A. A commit reaches itself.

Exit status: 0 if there is one; 1 if A and B have no common ancestor, or A is not an ancestor of B; 128 if a revision names nothing, or if history was cut so that the answer cannot be known."""


def run(console: Console, args: Args) -> int:
    if len(args.revisions) < 2:
        console.error("expected two revisions or more")
        return USAGE
    if args.is_ancestor and (args.all or args.json or len(args.revisions) != 2):
        console.error("--is-ancestor takes two revisions and no other option")
        return USAGE
    with console.open_repository() as repo:
        one, *others = [resolve_revision(repo, text) for text in args.revisions]
        if args.is_ancestor:
            if is_ancestor(repo, one, others[0]):
                return DONE
            cut = cut_behind(repo, others, above=repo.commit(one).generation)
            if cut is not None:
                repo.check_history(cut, "it is not known whether one reaches the other")
            return NEGATIVE
        found = merge_bases(repo, one, *others)
        cut = None if found else cut_behind(repo, [one, *others])
        if cut is not None:
            repo.check_history(cut, "it is not known where they parted")
    for id in found if args.all else found[:1]:
        if args.json:
            console.print_json({"id": id.hex()})
        else:
            console.line(id.hex())
    return DONE if found else NEGATIVE


COMMAND = Command(
    run,
    (
        Param("revisions", help="Commits.", metavar="A B...", many=True),
        Param("all", ("-a", "--all"), type=bool, help="Print all the best common ancestors."),
        Param("is_ancestor", ("--is-ancestor",), type=bool, help="Exit with 0 if B reaches A, with 1 if not."),
        Param("json", ("--json",), type=bool, help="Print a JSON object on each line."),
    ),
    _DESCRIPTION,
)
