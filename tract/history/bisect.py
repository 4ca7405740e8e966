"""Bisection: the commit that turned a context bad, found with the fewest tests.

    good ── 1 ── 2 ── 3 ── 4 ── 5 ── 6 ── bad        3 is tested: of the 7 in question its answer leaves 4 or 3

In question is what the bad commit reaches and no good one does, the bad one included.
Everything a good commit reaches is taken to be good, and everything that reaches the culprit bad.
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
    """What is known so far; *verdicts* are all that were given, in order.

    *is_sound* says that the good commits are known to be behind the bad one, or to have parted from it where it was good.
    """

    bad: ObjectId | None = None
    good: tuple[ObjectId, ...] = ()
    skipped: tuple[ObjectId, ...] = ()
    verdicts: tuple[tuple[Verdict, ObjectId], ...] = ()
    is_sound: bool = False

    def marked(self, verdict: Verdict, commit: ObjectId, step: BisectStep | None = None) -> Bisection:
        """The same with one verdict more; *step* is the step that asked for it, None where somebody gave it unasked."""
        verdicts = (*self.verdicts, (verdict, commit))
        skipped = tuple(id for id in self.skipped if id != commit)
        is_sound = step is not None and not step.is_base
        if verdict == "bad":
            return Bisection(commit, self.good, skipped, verdicts, is_sound)
        if verdict == "good":
            return Bisection(self.bad, (*self.good, commit), skipped, verdicts, is_sound)
        return Bisection(self.bad, self.good, (*self.skipped, commit), verdicts, is_sound)


class BisectStep(NamedTuple):
    """The commit to test next, or, when *is_found*, the first bad one.

    At most *left* commits are in question after its test, *tests* more being needed then.
    *is_base* says that it is where a good commit parted from the bad one, and is to be found good for the rest to mean anything.
    """

    commit: ObjectId
    left: int = 0
    tests: int = 0
    is_base: bool = False
    is_found: bool = False


def next_step(repo: Repository, known: Bisection) -> BisectStep:
    """What to do next; BisectError where that is nothing, and the message says why.

    HistoryCutError where all that is left is a commit whose history gc cut: it may have been bad before.
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
            f"commit {known.bad.hex()[:16]} is bad, but behind a good one: between the two it was mended, not broken"
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
    """The tests that tell *count* commits apart."""
    return (count - 1).bit_length()


def _listed(ids: Iterator[ObjectId]) -> str:
    shown = [id.hex()[:16] for id in ids]
    return ", ".join(shown[:5]) + (", …" if len(shown) > 5 else "")


def _unproved_bases(repo: Repository, bad: ObjectId, known: Bisection) -> Iterator[ObjectId]:
    """Where good commits that are not behind the bad one parted from it, as long as nobody said how it was there.

    If it was bad there already, the good commit mended it, and nothing between would ever be found.
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
    """How many of the commits in question each of them reaches, itself included."""
    weights: dict[ObjectId, int] = {}
    for id, commit in reversed(found):  # parents come before their children
        parents = [parent for parent in commit.parents if parent in weights]
        weight = 1 + (weights[parents[0]] if parents else 0)
        if len(parents) > 1:
            # Only what the other parents reach beside the first has to be counted: not far, where branches are short.
            weight += sum(1 for other, _ in reachable(repo, parents[1:], parents[:1]) if other in weights)
        weights[id] = weight
    return weights


def read_bisection(repo: Repository) -> Bisection | None:
    """The bisection that is under way in this tract, or None."""
    return read_state_as(repo, STATE, Bisection)


def write_bisection(repo: Repository, known: Bisection) -> None:
    """Keep it, with the commits it is about, until :func:`clear_bisection`."""
    write_state(repo, STATE, known, tuple(dict.fromkeys(id for _, id in known.verdicts)))


def clear_bisection(repo: Repository) -> None:
    """Forget it; no error where there is none."""
    clear_state(repo, STATE)
