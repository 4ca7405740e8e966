"""The subject of a proposal, and whether it is unchanged: if not, the proposal is stale; a newer proposal may replace an older one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from tract.agents.proposals import PERSON, Concerned, Proposal, ProposalTable, Status, Verdict, Wish, decide
from tract.errors import ProposalError
from tract.events import began, emit
from tract.history.context import context_at, entries
from tract.history.notes import PRIORITY, NoteTable, note_tip
from tract.history.priority import priority_of
from tract.objects.id import ObjectId
from tract.refs.names import HEADS
from tract.repo import Repository
from tract.report.text import short


def overtaken(known: Iterable[Proposal], wish: Wish, branch: str | None, about: Sequence[Concerned]) -> list[Proposal]:
    """The waiting proposals of *known* that *wish* replaces: of the same origin, operation and branch, and about some of the messages it is *about*. For compressions, any of them, because one removes the others' messages.

    A person's proposals stay beside earlier ones, to choose from.
    """
    if wish.origin == PERSON:
        return []
    commits = {subject.commit for subject in about}
    found = []
    for one in known:
        was = {subject.commit for subject in one.about}
        is_other = (one.origin, one.action.name, one.branch) != (wish.origin, wish.action.name, branch)
        if one.status != "pending" or is_other or not was:
            continue
        if was <= commits or (wish.action.name == "compress" and not was.isdisjoint(commits)):
            found.append(one)
    return found


def tell_stale(repo: Repository, table: ProposalTable, branch: str | None, by: str | None) -> None:
    """Decide that the waiting proposals of *table* about *branch* are stale whose messages have changed."""
    for one in tuple(table.read(repo).values()):
        if one.status == "pending" and one.branch == branch and (problem := first_difference(repo, one)) is not None:
            with suppress(ProposalError):  # another decision came first
                decide_stale(repo, one, problem, by)


def decide_stale(repo: Repository, one: Proposal, problem: str, by: str | None) -> None:
    """Decide that *one* is stale, and report it; ProposalError if another decision came first."""
    since = began()
    decide(repo, one.id, Verdict("stale", problem, by))
    tell_of(repo, one, "stale", since)


def tell_of(repo: Repository, one: Proposal, status: Status, since: float) -> None:
    """Tell the listeners the outcome of *one*, which began at *since*."""
    emit("proposal", repo.place, since, id=one.id, status=status, origin=one.origin, operation=one.action.name)


# The subject of a proposal


def subjects_at(repo: Repository, tip: ObjectId | None, commits: Sequence[str]) -> tuple[Concerned, ...]:
    """The messages *commits* in their state in the context at *tip*, in its order; those not in it are left out."""
    wanted = {bytes.fromhex(one) for one in commits}
    if tip is None or not wanted:
        return ()
    notes = _priorities(repo)
    found = []
    for place, (commit, blob) in enumerate(entries(repo, context_at(repo, tip))):
        if commit in wanted:
            priority = priority_of(notes.get(repo, commit), repo.blob(blob))
            found.append(Concerned(commit.hex(), blob.hex(), priority.value, place))
    return tuple(found)


def _priorities(repo: Repository) -> NoteTable:
    notes = NoteTable()
    notes.advance(repo, note_tip(repo, PRIORITY))
    return notes


def first_difference(repo: Repository, one: Proposal) -> str | None:
    """The first difference from the time when *one* was proposed, None if its subject is unchanged.

    New messages are a difference only between two that were neighbours.
    """
    if one.branch is None:
        return None
    tip = repo.ref(HEADS + one.branch)
    if not isinstance(tip, bytes):
        return None if one.head_hash is None else f"branch '{one.branch}' is gone"
    if not one.about:
        return None
    now = {subject.commit: subject for subject in subjects_at(repo, tip, [subject.commit for subject in one.about])}
    before: tuple[Concerned, Concerned] | None = None
    for was in one.about:
        found = now.get(was.commit)
        name = f"message {short(was.commit)}"
        if found is None:
            return f"{name} is not in the context of '{one.branch}' any more"
        if found.blob != was.blob:
            return f"{name} was edited"
        if found.priority != was.priority:
            return f"{name} is {found.priority}, and was {was.priority}"
        if before is not None:
            gap, gap_now = was.place - before[0].place, found.place - before[1].place
            if gap_now < 1 or (gap == 1 and gap_now != 1):
                return f"{name} does not follow message {short(before[0].commit)} as it did"
        before = was, found
    return None
