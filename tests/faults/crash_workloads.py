"""What is done to a store while it is recorded: each workload is a few lives of a process, all with the same seeds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from tests.faults.crash_recording import Life, moves_of
from tests.making import move_ref
from tract.errors import DurabilityError
from tract.history.branch import create_branch, switch_branch
from tract.maintenance.gc.collect import collect
from tract.maintenance.gc.options import read_options
from tract.maintenance.gc.plan import plan_gc
from tract.maintenance.gc.run import run_gc
from tract.refs.store import ANY
from tract.storage.store import Durability


def life_of_a_chat(life: Life, durability: Durability) -> None:
    """Everything a user does to one branch and a few refs."""
    tract = life.open(durability)

    def after(_: object) -> None:
        life.done(tract, durability)

    after(tract.system("be brief"))
    first = tract.user(life.text())
    after(first)
    after(tract.assistant(life.text(), usage={"prompt_tokens": 9, "completion_tokens": 5}))
    after(tract.commit({"role": "user", "content": "q"}, generation_config={"model": "m"}))
    after(tract.edit(first.commit_hash, "the same, said better"))
    after(tract.annotate(first.commit_hash, "skip", reason="old"))
    after(tract.tag("v1"))
    base = tract.repository
    after(create_branch(base, "draft", bytes.fromhex(first.commit_hash)))
    after(switch_branch(base, "draft"))
    after(tract.user(life.text()))
    with tract.batch():
        for _ in range(3):
            tract.user(life.text())
        tract.annotate("HEAD", "pinned")
    after(None)
    after(switch_branch(base, "main"))
    after(move_ref(base, "refs/heads/draft", bytes.fromhex(first.commit_hash), expected=ANY, reason="reset"))
    after(move_ref(base, "refs/heads/draft", None, expected=ANY, reason="delete"))
    for _ in range(3):
        after(tract.user(life.text()))
    life.close(tract)


def life_of_an_agent(life: Life, durability: Durability) -> None:
    """Many turns: trees grow, the journal is sealed."""
    tract = life.open(durability)
    for turn in range(24):
        tract.user(life.text() if turn % 3 else "the same again")
        life.done(tract, durability)
    life.close(tract)


def life_with_two_handles(life: Life) -> None:
    """One writer waits for the disk and another does not."""
    waits, hurries = life.open("full"), life.open("process")
    for turn in range(14):
        tract, durability = ((hurries, "process"), (waits, "full"))[turn % 3 == 2]
        tract.user("of one length" if turn % 2 else life.text())
        life.done(tract, durability)  # type: ignore[arg-type]
    life.close(waits)
    life.close(hurries)


def life_with_large_objects(life: Life) -> None:
    """Loose objects, some of which both writers have, and a batch too large for one transaction."""
    hurries, waits = life.open("process"), life.open("full")
    shared = life.text(4000)
    for tract, durability, text in (
        (hurries, "process", shared),
        (waits, "full", shared),
        (hurries, "process", life.text(9000)),
        (waits, "full", "short"),
        (waits, "full", life.text(5200)),
    ):
        tract.user(text)
        life.done(tract, durability)  # type: ignore[arg-type]
    with waits.batch():
        for _ in range(18):
            waits.user(life.text(700))
    life.done(waits, "full")
    waits.user("after all that")
    life.done(waits, "full")
    life.close(hurries)
    life.close(waits)


def life_with_two_tracts(life: Life) -> None:
    """A helper's tract in the same store."""
    root = life.open("full")
    root.user("begin")
    life.done(root, "full")
    helper = life.open("full", tract_id="helper")
    life.done(helper, "full")
    for _ in range(3):
        helper.user(life.text())
        life.done(helper, "full")
        root.user(life.text())
        life.done(root, "full")
    life.close(helper)
    life.close(root)


def life_with_folders_of_branches(life: Life) -> None:
    """A branch takes the name of another's folder, and the other way round."""
    tract = life.open("full")
    start = bytes.fromhex(tract.user("begin").commit_hash)
    base = tract.repository
    for name in ("a/b", "a", "a/b/c", "a"):
        create_branch(base, name, start)
        life.done(tract, "full")
        switch_branch(base, name)
        tract.user(life.text())
        life.done(tract, "full")
        switch_branch(base, "main")
        move_ref(base, f"refs/heads/{name}", None, expected=ANY, reason="delete")
        life.done(tract, "full")
    create_branch(base, "a/b", start)
    switch_branch(base, "a/b")
    life.done(tract, "full")
    life.close(tract)


def life_with_gc(life: Life, durability: Durability) -> None:
    """What was said on a branch that is gone, is said again; and collected in between, by another handle."""
    tract, other = life.open(durability), life.open("full")
    first = tract.user("begin")
    life.done(tract, durability)
    for turn in range(3):
        create_branch(tract.repository, "draft", bytes.fromhex(first.commit_hash))
        switch_branch(tract.repository, "draft")
        for _ in range(3):
            tract.user(life.text(600))
        tract.user(life.text(4000))
        life.done(tract, durability)
        switch_branch(tract.repository, "main")
        move_ref(tract.repository, "refs/heads/draft", None, expected=ANY, reason="delete")
        with other.repository.objects.maintenance():  # type: ignore[attr-defined]
            plan = plan_gc(other.repository, read_options(other.repository, orphans=(7, 0, 0)[turn]))
            for _ in range(3):
                tract.user(life.text(600))
                life.done(tract, durability)
            run_gc(other.repository, plan)
        life.done(other, "full")
        tract.user(life.text())
        life.done(tract, durability)
    life.close(tract)
    life.close(other)


def life_with_failing_syncs(life: Life) -> None:
    """Some syncs fail; who is told that a commit succeeded may rely on it all the same."""
    tract = None
    while tract is None:
        with suppress(DurabilityError):
            tract = life.open("full")
    for turn in range(20):
        before = moves_of(tract)
        try:
            tract.user(life.text(0 if turn % 6 else 3000))
        except DurabilityError as exc:
            if not exc.visible and moves_of(tract) != before:
                life.problems.append(f"a commit that failed can be seen all the same: {exc}")
        else:
            life.done(tract, "full")
    life.close(tract)


def life_that_ends_early(life: Life) -> None:
    """A little of everything, to be killed in the middle of."""
    tract = life.open("full")
    tract.user("one")
    life.done(tract, "full")
    hurries = life.open("process")
    hurries.user("of one length")
    life.done(hurries, "process")
    tract.user(life.text(4000))
    life.done(tract, "full")
    with tract.batch():
        for _ in range(9):
            tract.user(life.text(800))
    life.done(tract, "full")
    for _ in range(9):
        tract.user(life.text(500))
        life.done(tract, "full")
    collect(tract.repository, read_options(tract.repository, orphans=0))
    life.done(tract, "full")
    tract.user("the end")


def life_after(life: Life) -> None:
    """What another process does after that; among it, what the dead one was about to do."""
    tract = life.open("full")
    for text in ("of one length", Life(life.recorder).text(4000), "of two length"):
        tract.user(text)
        life.done(tract, "full")
    collect(tract.repository, read_options(tract.repository, orphans=0))
    tract.user("the end")
    life.done(tract, "full")
    life.close(tract)


def life_after_a_cut(life: Life) -> None:
    """Commits as long as those that were there before."""
    tract = life.open("process")
    for _ in range(4):
        tract.user("of one length")
        life.done(tract, "process")
    life.close(tract)
    life_after(life)


WORKLOADS: dict[str, Callable[[Life], None]] = {
    "chat": lambda life: life_of_a_chat(life, "full"),
    "chat, process": lambda life: life_of_a_chat(life, "process"),
    "agent": lambda life: life_of_an_agent(life, "full"),
    "agent, process": lambda life: life_of_an_agent(life, "process"),
    "two handles": life_with_two_handles,
    "large objects": life_with_large_objects,
    "two tracts": life_with_two_tracts,
    "folders": life_with_folders_of_branches,
    "gc": lambda life: life_with_gc(life, "full"),
    "gc, process": lambda life: life_with_gc(life, "process"),
}
"""Lives that go well."""
