"""Bisection: find the commit that turned a context bad, with the fewest tests.

    good ── 1 ── 2 ── 3 ── 4 ── 5 ── 6 ── bad        3 is tested: of the 7 candidates its answer leaves 4 or 3

Candidates are the commits that the bad commit reaches and no good one does, including the bad one.
Every commit that a good one reaches counts as good, and every commit that reaches the culprit as bad.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from tract.dataclass import dataclass
from tract.errors import BisectError
from tract.history.reachability import merge_bases, reachable
from tract.history.state import clear_state, read_state_as, write_state
from tract.history.walk import is_ancestor
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation
from tract.repo import Repository

Verdict = Literal["good", "bad", "skip"]
STATE = "bisect"


@dataclass(frozen=True, slots=True)
class Bisection:
    """The state of a bisection; *verdicts* are all that were given, in order.

    *is_sound* means: every good commit is known to be behind the bad one, or to have branched off where it was good.
    """

    bad: ObjectId | None = None
    good: tuple[ObjectId, ...] = ()
    skipped: tuple[ObjectId, ...] = ()
    verdicts: tuple[tuple[Verdict, ObjectId], ...] = ()
    is_sound: bool = False

    def marked(self, verdict: Verdict, commit: ObjectId, step: BisectStep | None = None) -> Bisection:
        """This bisection with one more verdict; *step* is the step that asked for it, None if none did."""
        verdicts = (*self.verdicts, (verdict, commit))
        skipped = tuple(id for id in self.skipped if id != commit)
        is_sound = step is not None and not step.is_base
        if verdict == "bad":
            return Bisection(commit, self.good, skipped, verdicts, is_sound)
        if verdict == "good":
            return Bisection(self.bad, (*self.good, commit), skipped, verdicts, is_sound)
        return Bisection(self.bad, self.good, (*self.skipped, commit), verdicts, is_sound)


class BisectStep(NamedTuple):
    """The commit to test next, or, if *is_found*, the first bad one.

    After its test at most *left* candidates remain, which take *tests* more tests.
    *is_base* marks a commit where a good commit branched off from the bad one: only if it is good does the rest mean anything.
    """

    commit: ObjectId
    left: int = 0
    tests: int = 0
    is_base: bool = False
    is_found: bool = False


def next_step(repo: Repository, known: Bisection) -> BisectStep:
    """Return the next step; BisectError if there is none, and the message says why.

    HistoryCutError if the only candidate left is a commit whose history gc cut: the context may have been bad before.
    """
    if known.bad is None or not known.good:
        missing = "bad" if known.bad is None else "good"
        raise BisectError(f"no commit is known to be {missing}")
    base = None if known.is_sound else next(_unproved_bases(repo, known.bad, known), None)
    found = [
        (id, commit)
        for id, commit in reachable(repo, [known.bad], known.good)
        if commit.operation is not CommitOperation.RECORD or id == known.bad
    ]
    if not found:
        raise BisectError(
            f"commit {known.bad.hex()[:16]} is bad, but it is an ancestor of a good one: between the two the context was mended, not broken"
        )
    if base is not None:
        return BisectStep(base, len(found), _tests(len(found)), is_base=True)
    if len(found) == 1:
        repo.check_history(known.bad, f"the first bad commit is {known.bad.hex()[:16]} or one before it")
        return BisectStep(known.bad, is_found=True)
    weights = _weights(repo, found)
    skipped = set(known.skipped)
    choices = [id for id, _ in found if id != known.bad and id not in skipped]
    if not choices:
        raise BisectError(
            f"only skipped commits are left, any of which may be the first bad one: {_listed(id for id, _ in found)}",
            tuple(id.hex() for id, _ in found),
        )
    best = max(choices, key=lambda id: min(weights[id], len(found) - weights[id]))
    most = max(weights[best], len(found) - weights[best])
    return BisectStep(best, most - 1, _tests(most))


def _tests(count: int) -> int:
    """The number of tests that tell *count* commits apart."""
    return (count - 1).bit_length()


def _listed(ids: Iterator[ObjectId]) -> str:
    shown = [id.hex()[:16] for id in ids]
    return ", ".join(shown[:5]) + (", …" if len(shown) > 5 else "")


def _unproved_bases(repo: Repository, bad: ObjectId, known: Bisection) -> Iterator[ObjectId]:
    """Yield the merge bases of the bad commit and each good commit that is not behind it, as long as they have no verdict.

    If a base was bad already, the good commit repaired it, and the search between the two would never end in a culprit.
    """
    behind = [id for id in known.good if is_ancestor(repo, id, bad)]
    if len(behind) == len(known.good):
        return
    for good in known.good:
        if good in behind or is_ancestor(repo, bad, good):
            continue
        for base in merge_bases(repo, bad, good):
            if base not in known.skipped and not any(is_ancestor(repo, base, id) for id in behind):
                yield base


def _weights(repo: Repository, found: Sequence[tuple[ObjectId, Commit]]) -> dict[ObjectId, int]:
    """The number of candidates that each candidate reaches, itself included."""
    weights: dict[ObjectId, int] = {}
    for id, commit in reversed(found):  # parents come before their children
        parents = [parent for parent in commit.parents if parent in weights]
        weight = 1 + (weights[parents[0]] if parents else 0)
        if len(parents) > 1:
            # Count only what the other parents reach beyond the first: not far, if branches are short.
            weight += sum(1 for other, _ in reachable(repo, parents[1:], parents[:1]) if other in weights)
        weights[id] = weight
    return weights


def read_bisection(repo: Repository) -> Bisection | None:
    """The bisection under way in this tract, or None."""
    return read_state_as(repo, STATE, Bisection)


def write_bisection(repo: Repository, known: Bisection) -> None:
    """Keep the bisection, and the commits it is about, until :func:`clear_bisection`."""
    write_state(repo, STATE, known, tuple(dict.fromkeys(id for _, id in known.verdicts)))


def clear_bisection(repo: Repository) -> None:
    """Forget the bisection; no error if there is none."""
    clear_state(repo, STATE)
