"""Everything that can be done to a store, for faults to happen in; and a stage on which it is."""

from __future__ import annotations

import shutil
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults.every_call import Fault, failing
from tests.faults.scene import (
    CONFIG,
    LEFT_BEHIND,
    CommandError,
    Scene,
    command,
    make_template,
    open_handle,
    opened,
    small_journals,
    text_of,
)
from tract import Priority
from tract.errors import TractError
from tract.history.walk import first_parents
from tract.maintenance.fsck.check import check_repository
from tract.opening import open_repository


@dataclass(frozen=True)
class Act:
    """Something to do to a store; *prepare* comes before faults can happen. *limit* is how large a journal may grow, in bytes."""

    name: str
    run: Callable[[Scene], object]
    prepare: Callable[[Scene], object] = lambda scene: open_handle(scene)
    limit: int = 4 * 1024 * 1024


def open_process(scene: Scene) -> None:
    scene.durability = "process"
    open_handle(scene)


def nothing(scene: Scene) -> None:
    pass


def tear_the_end(scene: Scene) -> None:
    """As a process leaves it that died in a write, before it wrote the ref's file."""
    journal = scene.folder / ".tract" / "objects" / "journal"
    branch = scene.folder / ".tract" / "refs" / "heads" / "main"
    lock = scene.folder / ".tract" / "locks" / "journal"
    line = branch.read_bytes()
    with opened(scene.folder, durability="process") as t:
        t.user("its ref file was not written")
        scene.acknowledge("its ref file was not written")
        size = t.repository.objects.stats().journal_size
        mark = lock.read_bytes()
        t.user("torn")
    lock.write_bytes(mark)
    branch.write_bytes(line)
    data = bytearray(journal.read_bytes())
    data[size + 60 :] = bytes(len(data) - size - 60)
    journal.write_bytes(data)


def move_aside(scene: Scene) -> None:
    """A handle that has yet to see what another one did: a sealed journal and commits."""
    open_handle(scene)
    with small_journals(1000), opened(scene.folder, durability="process") as t:
        for text in ("sealed", "by another"):
            t.user(text)
            scene.acknowledge(text)


def read_everything(scene: Scene) -> None:
    t = scene.handle
    context = t.compile()
    _ = context.token_count, context.token_counts, context.generation_configs
    t.compile(at_commit="HEAD~3", notes="then")
    for info in t.log(None):
        _ = info.token_count
    t.status()
    t.get_content("v1")
    t.get_commit(scene.commits[3][:10])
    t.pinned()
    t.tags()
    t.edit_history(scene.commits[3])
    _ = t.head, t.current_branch


def batch(scene: Scene) -> None:
    scene.unsure.update(("in a batch", "in it too"))
    t = scene.handle
    with t.batch():
        t.user("in a batch")
        t.annotate("HEAD", Priority.PINNED)
        t.user("in it too")
    scene.acknowledge("in a batch", "in it too")


def edit(scene: Scene) -> None:
    scene.unsure.add("edit")
    scene.handle.edit(scene.commits[5], "edited")
    scene.acknowledge("edit")


def with_child(scene: Scene) -> None:
    open_handle(scene)
    scene.handle.spawn("to look", name="scout").assistant("what it found")


def collapse(scene: Scene) -> None:
    scene.unsure.add("scout (to look):\nit found it")
    scene.handle.collapse("scout", content="it found it")
    scene.acknowledge("scout (to look):\nit found it")


def export_import(scene: Scene) -> None:
    stream = command(scene.folder, "fast-export", "--all")
    other = scene.folder.parent / "imported"
    command(other, "init")
    command(other, "fast-import", "--force", stdin=stream.encode())


def close(scene: Scene) -> None:
    scene.handle.user("counted, not yet flushed")
    scene.acknowledge("counted, not yet flushed")
    assert scene.handle.compile().token_count


ACTS = (
    Act("create", lambda scene: opened(scene.folder.parent / "new" / "store", config=CONFIG).close(), nothing),
    Act("open", lambda scene: opened(scene.folder).close(), nothing),
    Act("open another tract", lambda scene: opened(scene.folder, tract_id="fresh").close(), nothing),
    Act("open after a crash", lambda scene: (open_handle(scene), scene.say("after the crash")), tear_the_end),
    Act("commit", lambda scene: scene.say("one")),
    Act("commit in process", lambda scene: (scene.say("one"), scene.say("two")), open_process),
    Act("commit beside another", lambda scene: scene.say("one"), move_aside),
    Act("commit something large", lambda scene: scene.say("L" * 1_100_000)),
    Act("commit and seal", lambda scene: (scene.say("one"), scene.say("two")), limit=1000),
    Act("commit much", lambda scene: scene.say("m" * 200_000)),
    Act("extend", lambda scene: scene.say(*(f"one of many {number}" for number in range(40)))),
    Act("batch", batch),
    Act("edit", edit),
    Act("annotate", lambda scene: scene.handle.annotate("HEAD~2", Priority.PINNED, reason="it matters")),
    Act("tag", lambda scene: scene.handle.tag("v2", "HEAD~1")),
    Act("record usage", lambda scene: scene.handle.record_usage({"prompt_tokens": 3, "completion_tokens": 1})),
    Act("read", read_everything),
    Act("gc", lambda scene: scene.handle.gc(orphan_retention_days=0)),
    Act("gc later", lambda scene: scene.handle.gc()),
    Act("fsck", lambda scene: command(scene.folder, "fsck"), nothing),
    Act("branch", lambda scene: command(scene.folder, "update-ref", "refs/heads/idea", "HEAD~2"), nothing),
    Act("switch", lambda scene: command(scene.folder, "symbolic-ref", "HEAD", "refs/heads/unborn"), nothing),
    Act("delete a tag", lambda scene: command(scene.folder, "update-ref", "-d", "refs/tags/v1"), nothing),
    Act("log", lambda scene: command(scene.folder, "log"), nothing),
    Act("spawn", lambda scene: scene.handle.spawn("to look", name="scout", message="go", config=CONFIG)),
    Act("collapse", collapse, with_child),
    Act("expand", lambda scene: scene.handle.expand("HEAD"), lambda scene: (with_child(scene), collapse(scene))),
    Act("fast-export and fast-import", export_import, lambda scene: (scene.folder.parent / "imported").mkdir()),
    Act("close", lambda scene: scene.handle.close(), lambda scene: (open_handle(scene), close(scene))),
)


class Stage:
    """Where acts are played: each in a fresh copy of one store."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.template = make_template(home / "template")
        self.results: Counter[str] = Counter()

    def scene(self) -> Scene:
        folder = self.home / "scene" / "store"
        shutil.rmtree(folder.parent, ignore_errors=True)
        shutil.copytree(self.template.folder, folder)
        return Scene(folder, list(self.template.texts), self.template.commits)

    def count(self, act: Act) -> list[str]:
        """The calls that *act* makes, in order."""
        scene = self.scene()
        act.prepare(scene)
        with small_journals(act.limit), failing(Fault()) as fault:
            act.run(scene)
        self.check(scene)
        return fault.calls

    def play(self, act: Act, fault: Fault) -> str:
        """What came of *act* with the fault: the name of the error, or ``no error``. Then the store must be as good as new."""
        scene = self.scene()
        act.prepare(scene)
        failed: TractError | None = None
        with small_journals(act.limit), warnings.catch_warnings(record=True), failing(fault):
            try:
                act.run(scene)
            except TractError as exc:
                failed = exc
        if failed is not None:
            text = str(failed)
            assert text
            assert "None" not in text.split("; ")[0], text
            assert text.isprintable() or isinstance(failed, CommandError), text
        self.check(scene)
        return "no error" if failed is None else type(failed).__name__

    def check(self, scene: Scene) -> None:
        """The store is unharmed, has all that was acknowledged, and takes commits: of the handle that met the fault, and of a new one."""
        self._check_store(scene)
        command(scene.folder, "symbolic-ref", "HEAD", "refs/heads/main")
        if scene.tract is not None and not scene.tract._closed:
            scene.say("the same handle goes on")
            scene.tract.compile()
            scene.tract.close()
        with opened(scene.folder) as scene.tract:
            scene.say("a new one as well")
        self._check_store(scene)
        if not check_repository(str(scene.folder / ".tract")).is_clean:
            command(scene.folder, "gc")
            left = check_repository(str(scene.folder / ".tract"))
            assert {problem.kind for problem in left.problems if problem.severity != "note"} <= {"counts-damaged"}

    def _check_store(self, scene: Scene) -> list[str]:
        """The texts of main's history, oldest first."""
        report = check_repository(str(scene.folder / ".tract"))
        wrong = [p for p in report.problems if p.kind not in LEFT_BEHIND and p.severity != "note"]
        assert not wrong, wrong
        repo = open_repository(str(scene.folder / ".tract"), durability="process")
        try:
            tip = repo.ref("refs/heads/main")
            found = [
                "edit" if commit.operation == "edit" else text_of(repo.blob(commit.content))
                for _, commit in first_parents(repo, tip)  # type: ignore[arg-type]
                if commit.content
            ][::-1]
        finally:
            repo.close()
        assert scene.texts == [text for text in found if text in scene.texts]
        assert set(found) <= {*scene.texts, *scene.unsure}
        return found
