"""The commits that make a context the given list: edits, then new messages, then, if needed, one that orders and drops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from tract.adapters.recording.given import Given
from tract.adapters.recording.matching import Script
from tract.adapters.recording.plan import About, Plan, answer_start, until, without_edits_behind
from tract.compile.workspace import Workspace
from tract.dataclass import KW_ONLY, dataclass, replace
from tract.errors import DivergedError, RefMovedError
from tract.history.batch import Batch
from tract.history.branch import free_branch_name, taken_branch_names
from tract.history.commit import Draft, commit_context, make_commits
from tract.history.context import context_at, entries
from tract.history.keys import commit_instead, commits_said
from tract.messages.message import item_role
from tract.objects.content import MessageContent
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation, Entry, shown
from tract.refs.names import HEADS, branch_ref
from tract.refs.store import ANY
from tract.repo import Repository
from tract.transaction import Asked, check_branch, transaction
from tract.writing.budget import check_budget
from tract.writing.drafts import draft

OnDivergence: TypeAlias = Literal["edit", "branch", "error"]
"""The treatment of a list that is not the context plus new messages: it becomes the context on this branch or on a new one, or is an error."""


@dataclass(frozen=True, slots=True, repr=False)
class RecordResult:
    """The commits made so that the context is the list.

    *commits* are all that were made, in order. *edited*, *dropped* and *moved* are messages, by the commits that introduced them.
    *branch* is the branch that has the list now. *warnings* name the parts of the list that no payload can store, with their replacements; and possible secrets, if the tract's ``record_scan`` asks for them.
    """

    kind: Literal["unchanged", "appended", "edited", "branched"]
    branch: str
    _: KW_ONLY
    commits: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        numbers = ((len(self.edited), "edited"), (len(self.dropped), "dropped"), (len(self.moved), "moved"))
        did = "".join(f", {count} {word}" for count, word in numbers if count)
        return f"RecordResult({self.kind} on {self.branch!r}, {len(self.commits)} commits{did})"


def land(space: Workspace, plan: Plan, about: About, on_divergence: OnDivergence, expected: Asked) -> RecordResult:
    """Carry out *plan*, in one operation; DivergedError if it does more than append and *on_divergence* is ``error``."""
    branch = check_branch(space.repo, "record")[0].removeprefix(HEADS)
    if plan.only_appends():
        return _append(space, plan, about, branch, expected)
    if on_divergence == "error":
        first = plan.items + 1
        raise DivergedError(f"the list does not continue the context: they differ at message {first} or later")
    seen = expected(*space.repo.head())
    tip = space.repo.head()[1]
    if seen is not ANY and seen != tip:
        raise RefMovedError(branch_ref(branch), shown(seen), shown(tip))
    if on_divergence == "branch":
        return _land_beside(space, plan, about, branch)
    batch = Batch(space.repo)
    inner = _inner(space, batch.repo)
    answer = answer_start(plan, about)
    if answer is not None:
        plan = without_edits_behind(plan, answer)
    check_budget(space, [_new_draft(space, plan.given, item, n) for item in plan.new for n in range(len(plan.given.messages(item)))])  # fmt: skip
    made = _make_all(inner, plan, about, answer)
    batch.land(reason=_reason(plan))
    return _result("edited", branch, plan, made)


def _append(space: Workspace, plan: Plan, about: About, branch: str, expected: Asked) -> RecordResult:
    new = plan.new
    if not new:
        return RecordResult("unchanged", branch)
    if about.is_empty or (len(new) == 1 and len(plan.given.messages(new[0])) == 1):
        seen_by = space if about.request is None else _inner(space, space.repo)
        drafts = [one for item in new for one in _new_drafts(seen_by, plan.given, item, about if item == new[-1] else None)]  # fmt: skip
        check_budget(space, drafts)
        made = [id for id, _ in make_commits(space.repo, drafts, expected=expected, reason=_reason(plan))]
        return _result("appended", branch, plan, made)
    seen = expected(*space.repo.head())
    tip = space.repo.head()[1]
    if seen is not ANY and seen != tip:
        raise RefMovedError(branch_ref(branch), shown(seen), shown(tip))
    batch = Batch(space.repo)
    made = _make_all(_inner(space, batch.repo), plan, about, answer_start(plan, about), is_ordered=True)
    batch.land(reason=_reason(plan))
    return _result("appended", branch, plan, made)


def _inner(space: Workspace, repo: Repository) -> Workspace:
    inner = space.on(repo)
    inner.shown = None  # a request recorded here was made of commits made here
    return inner


def _make_all(
    space: Workspace, plan: Plan, about: About, answer: int | None, *, is_ordered: bool = False
) -> list[ObjectId]:
    """Make the context the list: if the items from *answer* on answer a request, first the sent messages, and then those behind them.

    *is_ordered* if all new items are at the end of the list.
    """
    sent = plan if answer is None else until(plan, answer)
    made = _make(space, sent, about if answer is None else About())
    if not is_ordered and not sent.keeps_order():
        made += _put_in_order(space, sent, made)
    if answer is None:
        return made
    tip = space.repo.head()[1]
    space.shown = (tip, space.compiler.advance_notes().priorities.tip, tip)  # the request was made of this commit
    given = plan.given
    for item in range(answer, len(given.items)):
        drafts = _new_drafts(space, given, item, about if item == len(given.items) - 1 else None)
        check_budget(space, drafts)
        made += [id for id, _ in make_commits(space.repo, drafts)]
    return made


def _make(space: Workspace, plan: Plan, about: About) -> list[ObjectId]:
    """Commit the edits, and then the new messages; the last answer gets the facts *about* it."""
    given, script = plan.given, plan.script
    edits = [
        draft(space, MessageContent(given.messages(item)[0], given.own_format), "edit", response_to=plan.commit_of(row).hex())
        for item, row in sorted(script.edits.items())
    ]  # fmt: skip
    new = [(item, nth) for item in plan.new for nth in range(len(given.messages(item)))]
    answer = None if about.is_empty else _last_answer(given, new)
    made: list[ObjectId] = [id for id, _ in make_commits(space.repo, edits)] if edits else []
    upto = len(new) if answer is None else answer
    for part, with_about in ((new[:upto], False), (new[upto : upto + 1], True), (new[upto + 1 :], False)):
        drafts = [_new_draft(space, given, item, nth, about if with_about else None) for item, nth in part]
        check_budget(space, drafts)
        made += [id for id, _ in make_commits(space.repo, drafts)] if drafts else []
    return made


def _last_answer(given: Given, new: Sequence[tuple[int, int]]) -> int | None:
    """The last of the *new* messages that is a model's; the last of all if there is none."""
    roles = [item_role(given.messages(item)[nth]) for item, nth in new]
    return next((at for at in range(len(new) - 1, -1, -1) if roles[at] == "assistant"), len(new) - 1 if new else None)


def _new_drafts(space: Workspace, given: Given, item: int, about: About | None) -> list[Draft]:
    return [_new_draft(space, given, item, nth, about) for nth in range(len(given.messages(item)))]


def _new_draft(space: Workspace, given: Given, item: int, nth: int, about: About | None = None) -> Draft:
    messages = given.messages(item)
    about = about or About()
    one = draft(
        space,
        MessageContent(messages[nth], given.own_format),
        key=given.keys[item] if given.keys is not None and nth == len(messages) - 1 else None,
        usage=about.usage,
        generation_config=about.generation_config,
        request=about.request,
        metadata=about.metadata,
    )
    return one if one.key is None else _with_key(space, one, one.key)


def _with_key(space: Workspace, one: Draft, key: str) -> Draft:
    """*one* as the list has it: without its key if the branch has that key for a message that left the context, or that differs by now, because one key stands for one message.

    A message that is hidden on another branch is not picked from there, because it would be hidden here.
    KeyConflictError if the branch has the key for another content.
    """
    repo, notes = space.repo, space.compiler.advance_notes()
    if commit_instead(repo, key, one.value, repo.head()[1]) is not None:
        return one._replace(key=None)
    return one._replace(is_new=any(notes.is_skipped(repo, commit) for commit in commits_said(repo, key)))


def _put_in_order(space: Workspace, plan: Plan, made: Sequence[ObjectId]) -> list[ObjectId]:
    """Make the context the list, if it is not yet, with a commit that drops and moves and adds no message."""
    repo = space.repo
    tip = repo.head()[1]
    now = entries(repo, context_at(repo, tip))
    wanted = _wanted(plan, now, made)
    if [commit for commit, _ in wanted] == [commit for commit, _ in now]:
        return []
    count = len(plan.script.dropped)
    text = f"{count} message{'' if count == 1 else 's'} dropped" if count else "messages in another order"
    operation = CommitOperation.REVERT if count else CommitOperation.REORDER
    with transaction(repo, "record") as tx:
        id = commit_context(tx, wanted, operation, message=text)
        tx.move_branch(id)
    return [id]


def _wanted(plan: Plan, now: Sequence[Entry], made: Sequence[ObjectId]) -> list[Entry]:
    """The entries that the context is to have; messages that are not shown stay behind the ones they stood behind."""
    blobs = dict(now)
    length = plan.snapshot.length
    row_of = {commit: row for row, commit in enumerate(plan.snapshot.columns.commits[:length])}
    dropped = set(plan.script.dropped)
    beside = plan.apart.union(plan.script.silent)
    order: list[tuple[str, int]] = [("row", row) for row in range(plan.rows) if row not in beside]
    order += [one for one in plan.order() if one[0] == "new" or one[1] not in beside]
    new = list(made[len(plan.script.edits) :])
    added = set(new) - row_of.keys()
    behind: dict[int | None, list[Entry]] = {None: []}
    last: int | None = None
    for commit, blob in now:
        row = row_of.get(commit)
        if commit in added or row in dropped:
            continue
        if row is None or row in beside:
            behind.setdefault(last, []).append((commit, blob))
        else:
            last = row
    wanted = list(behind[None])
    for kind, at in order:
        if kind == "row":
            wanted += [(plan.commit_of(at), blobs[plan.commit_of(at)]), *behind.get(at, ())]
            continue
        for _ in plan.given.messages(at):
            id = new.pop(0)
            wanted.append((id, blobs[id]))
    seen: set[ObjectId] = set()
    return [entry for entry in wanted if not (entry[0] in seen or seen.add(entry[0]))]  # type: ignore[func-returns-value]  # add gives None


def _land_beside(space: Workspace, plan: Plan, about: About, branch: str) -> RecordResult:
    """The list on a new branch, which begins where it diverges from the context."""
    repo = space.repo
    now = entries(repo, context_at(repo, repo.head()[1]))
    start, rows, items = _parting(repo, plan, now)
    name = free_branch_name(f"{branch}-list", taken_branch_names(repo))
    batch = Batch(repo)
    ref = branch_ref(name)
    if start is not None:
        with transaction(batch.repo, "record", moves="refs") as tx:
            tx.move(ref, start, None)
    inner = _inner(space, replace(batch.repo, branch=ref))
    if rows is None:  # no commit has the common beginning: the context becomes the list there
        made = _make(inner, plan, about)
        made += _put_in_order(inner, plan, made)
        beside = plan
    else:
        beside = replace(plan, script=Script(), rows=rows, items=items)
        made = _make(inner, beside, about)
    batch.land(reason=f"record: branch {name}")
    return _result("branched", name, beside, made)


def _parting(repo: Repository, plan: Plan, now: Sequence[Entry]) -> tuple[ObjectId | None, int | None, int]:
    """The commit with the common beginning of the list and the context, and its numbers of rows and items; the tip and None if there is no such commit."""
    rows, items = plan.rows, plan.items
    for item in range(plan.items, len(plan.given.items)):
        kept = plan.script.kept.get(item)
        if kept is None or kept != tuple(range(rows, rows + len(kept))):
            break
        rows, items = rows + len(kept), item + 1
    if plan.apart or plan.script.silent:
        return repo.head()[1], None, 0
    if not rows:
        return None, 0, items
    last = plan.commit_of(rows - 1)
    count = next(at for at, (commit, _) in enumerate(now) if commit == last) + 1
    if entries(repo, context_at(repo, last)) == list(now[:count]):
        return last, rows, items
    return repo.head()[1], None, 0


def _reason(plan: Plan) -> str:
    script = plan.script
    numbers = ((len(plan.new), "new"), (len(script.edits), "edited"), (len(script.dropped), "dropped"))
    return "record: " + (", ".join(f"{count} {word}" for count, word in numbers if count) or "another order")


def _result(
    kind: Literal["appended", "edited", "branched"], branch: str, plan: Plan, made: Sequence[ObjectId]
) -> RecordResult:
    def named(rows: Sequence[int]) -> tuple[str, ...]:
        return tuple(plan.commit_of(row).hex() for row in rows)

    script = plan.script
    return RecordResult(
        kind,
        branch,
        commits=tuple(id.hex() for id in made),
        edited=named([row for _, row in sorted(script.edits.items())]),
        dropped=named(script.dropped),
        moved=named(script.moved),
    )
