"""An error at any call to the system: a clear error of tract's or none, the store unharmed, and the next commit works."""

from __future__ import annotations

import io
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import tract.storage.database
from tests.faults.every_call import ERRORS, SHORT, Fault, can_happen, failing
from tract import Priority, Tract, TractConfig
from tract.cli.console import Console
from tract.cli.main import main
from tract.errors import DurabilityError, TractError
from tract.history.fsck.check import check_repository
from tract.history.walk import first_parents
from tract.repo import open_repository
from tract.storage import files

CONFIG = TractConfig(author="tester")
LARGE = "large " * 2000

# What may be left behind without harm: the next writer or gc sees to it.
LEFT_BEHIND = {"torn-end", "ref-file-behind", "ref-file-missing", "ref-file-damaged", "index-missing"}
LEFT_BEHIND |= {"counts-damaged"}  # a cache that ends in half a row, which the next reader throws away


class Letters:
    name = "letters"

    def count(self, text: str) -> int:
        return len(text)


def opened(folder: Path, **options: Any) -> Tract:
    return Tract.open(folder, tokenizer=Letters(), **{"on_moved": "append", **options})


class CommandError(TractError):
    """A command that said what failed."""


def command(folder: Path, *argv: str, stdin: bytes = b"") -> str:
    """What a command prints; CommandError when it failed with a message for people."""
    out, err = io.StringIO(), io.StringIO()
    reader = io.TextIOWrapper(io.BytesIO(stdin))
    console = Console(stdin=reader, stdout=out, stderr=err, environ={}, folder=str(folder))
    status = main(argv, console=console)
    said = err.getvalue()
    assert "internal error" not in said, said
    assert "the output cannot be written" not in said, said
    if status:
        assert said.startswith("tract: ") or argv[0] == "fsck", (status, said, out.getvalue())
        raise CommandError(said or out.getvalue())
    return out.getvalue()


# The store that each fault happens to


@dataclass
class Scene:
    """A store in *folder* with handle *tract* on it, and the texts of main's history that were acknowledged, oldest first; *unsure* ones may be there or not."""

    folder: Path
    texts: list[str]
    commits: list[str]
    tract: Tract | None = None
    unsure: set[str] = field(default_factory=set)
    durability: str = "full"

    @property
    def handle(self) -> Tract:
        assert self.tract is not None
        return self.tract

    def say(self, *texts: str) -> None:
        """Commit, and remember what was acknowledged."""
        self.unsure.update(texts)
        if len(texts) == 1:
            self.handle.user(texts[0])
        else:
            self.handle.extend({"role": "user", "content": text} for text in texts)
        self.acknowledge(*texts)

    def acknowledge(self, *texts: str) -> None:
        self.texts.extend(texts)
        self.unsure.difference_update(texts)


def make_template(folder: Path) -> Scene:
    """A store with packs, a loose object, a journal, notes, a tag, branches, another tract, and something for gc."""
    texts = [f"message {number}" for number in range(12)]
    with opened(folder, config=CONFIG, durability="process") as t:
        commits = [t.user(text).commit_hash for text in texts]
        t.user(LARGE)
        texts.append(LARGE)
        t.annotate(commits[2], Priority.SKIP)
        t.tag("v1", commits[4])
        command(folder, "update-ref", "refs/heads/draft", "HEAD")
        command(folder, "symbolic-ref", "HEAD", "refs/heads/draft")
        t.user("on a draft")
        command(folder, "symbolic-ref", "HEAD", "refs/heads/main")
        t.gc(orphan_retention_days=0)
        command(folder, "update-ref", "-d", "refs/heads/draft")
        texts.append("after the gc")
        t.user("after the gc")
        with opened(folder, tract_id="helper", durability="process") as other:
            other.user("another tract")
        t.compile()
    return Scene(folder, texts, commits)


@dataclass(frozen=True)
class Act:
    """Something to do to a store; *prepare* comes before faults can happen. *limit* is how large a journal may grow, in bytes."""

    name: str
    run: Callable[[Scene], object]
    prepare: Callable[[Scene], object] = lambda scene: open_handle(scene)
    limit: int = 4 * 1024 * 1024


def open_handle(scene: Scene) -> None:
    scene.tract = opened(scene.folder, durability=scene.durability)


def open_process(scene: Scene) -> None:
    scene.durability = "process"
    open_handle(scene)


def nothing(scene: Scene) -> None:
    pass


def tear_the_end(scene: Scene) -> None:
    """As a process leaves it that died in a write, before it wrote the ref's file."""
    journal = scene.folder / ".tract" / "objects" / "journal"
    branch = scene.folder / ".tract" / "refs" / "heads" / "main"
    line = branch.read_bytes()
    with opened(scene.folder, durability="process") as t:
        t.user("its ref file was not written")
        scene.acknowledge("its ref file was not written")
        size = t._base.objects.stats().journal_size
        t.user("torn")
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
    with scene.handle.batch() as t:
        t.user("in a batch")
        t.annotate("HEAD", Priority.PINNED)
        t.user("in it too")
    scene.acknowledge("in a batch", "in it too")


def edit(scene: Scene) -> None:
    scene.unsure.add("edit")
    scene.handle.edit(scene.commits[5], "edited")
    scene.acknowledge("edit")


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
    Act("fast-export and fast-import", export_import, lambda scene: (scene.folder.parent / "imported").mkdir()),
    Act("close", lambda scene: scene.handle.close(), lambda scene: (open_handle(scene), close(scene))),
)


@contextmanager
def small_journals(limit: int) -> Iterator[None]:
    before = tract.storage.database.JOURNAL_LIMIT
    tract.storage.database.JOURNAL_LIMIT = limit
    try:
        yield
    finally:
        tract.storage.database.JOURNAL_LIMIT = before


def text_of(value: dict[str, Any]) -> str:
    return str(value["message"]["content"] if "message" in value else value["text"])


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


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    shm = Path("/dev/shm")  # as fast as memory, where there is one
    home = Path(tempfile.mkdtemp(prefix="tract-faults-", dir=shm if shm.is_dir() else None))
    yield Stage(home)
    shutil.rmtree(home)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that stays behind is found out at once."""
    assert files.FileLock.acquire.__kwdefaults__ is not None
    monkeypatch.setitem(files.FileLock.acquire.__kwdefaults__, "timeout", 0.5)


def outcomes(stage: Stage, act: Act, error: str, places: range | None = None) -> Counter[str]:
    """What came of *act* with *error* at each of its calls, or of those in *places*."""
    found: Counter[str] = Counter()
    calls = stage.count(act)
    for at in range(len(calls)) if places is None else places:
        if at < len(calls) and can_happen(calls[at], error):
            found[stage.play(act, Fault(at, error))] += 1
    return found


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
def test_an_error_at_a_call_is_a_clear_error_or_none_and_harms_nothing(stage: Stage, act: Act) -> None:
    number = ACTS.index(act)
    calls = len(stage.count(act))
    step = max(7, calls // 12)

    found = Counter[str]()
    for turn, at in enumerate(range(number % step, calls, step)):
        found += outcomes(stage, act, ERRORS[(number + turn) % len(ERRORS)], range(at, at + 1))

    assert found


@pytest.mark.slow
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
def test_every_error_at_every_call_is_a_clear_error_or_none_and_harms_nothing(
    stage: Stage, act: Act, error: str
) -> None:
    found = outcomes(stage, act, error)

    assert error != SHORT or set(found) <= {"no error"}  # what was done by half is continued


@pytest.mark.parametrize("kind", ["pwrite", "open", "fdatasync", "replace"])
@pytest.mark.parametrize("name", ["commit", "commit and seal", "batch", "gc", "annotate"])
def test_a_disk_that_stays_full_is_told_at_every_try_and_forgiven_at_once(stage: Stage, name: str, kind: str) -> None:
    (act,) = (act for act in ACTS if act.name == name)
    calls = stage.count(act)
    for at in [number for number, call in enumerate(calls) if call == kind][:3]:
        stage.play(act, Fault(at, "ENOSPC", lasting=True))


def test_a_ref_file_that_could_not_be_written_is_written_with_the_next_change(tmp_path: Path) -> None:
    with opened(tmp_path) as t, opened(tmp_path) as other:
        t.user("a")
        with failing(Fault(0, None)) as fault:
            t.tag("v1")
        for name in ("v2", "v3"):
            with failing(Fault(fault.calls.index("replace"), "ENOSPC")):
                t.tag(name)
        tags = tmp_path / ".tract" / "refs" / "tags"
        assert ["v1"] == sorted(file.name for file in tags.iterdir())

        other.tag("v4")
        assert ["v1", "v2", "v3", "v4"] == sorted(file.name for file in tags.iterdir())

    assert check_repository(str(tmp_path / ".tract")).is_clean


# Faults that are real


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 KB, mounted on a folder."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        pytest.skip(f"a file system cannot be mounted here: {exc}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("durability", ["full", "process"])
def test_a_full_disk_is_a_clear_error_until_there_is_room(small_disk: Path, durability: str) -> None:
    store = small_disk / "store"
    store.mkdir()
    scene = Scene(store, [], [], durability=durability)
    stage = object.__new__(Stage)
    open_handle(scene)
    scene.say("before")
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 1024):
            pass
    refused: list[DurabilityError] = []
    for number in range(400):
        try:
            scene.say(f"{number} " + os.urandom(300).hex())
        except DurabilityError as exc:
            refused.append(exc)
        if len(refused) == 5:
            break
    assert 5 == len(refused)
    assert all("No space left on device" in str(exc) and not exc.visible for exc in refused)
    for act in (
        lambda: scene.handle.annotate("HEAD", "pinned"),
        lambda: scene.handle.tag("v1"),
        lambda: scene.handle.gc(orphan_retention_days=0),
        lambda: command(store, "commit", "--role", "user", "no room " * 2000),
        lambda: command(store, "update-ref", "refs/heads/idea", "HEAD"),
        lambda: command(store, "log"),
        lambda: opened(small_disk / "another"),
    ):
        with suppress(TractError):
            act()
    assert "before" in [message.content for message in scene.handle.compile().messages]

    ballast.unlink()

    stage.check(scene)


@contextmanager
def files_left(room: int) -> Iterator[None]:
    """Let this process open *room* files more than it has open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
    held: list[int] = []
    try:
        with suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(room):
            os.close(held.pop())
        yield
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_process_that_may_open_no_more_files_is_told_so(tmp_path: Path) -> None:
    scene = Scene(tmp_path, [], [])
    open_handle(scene)
    scene.say("before")
    errors: list[str] = []
    for room in range(8):
        with files_left(room):
            for act in (
                lambda: scene.say(f"with {room} more files"),  # noqa: B023  # it is called before the next round
                lambda: scene.handle.gc(),
                lambda: opened(tmp_path).close(),
                lambda: command(tmp_path, "log"),
                lambda: command(tmp_path, "fsck"),
            ):
                try:
                    act()
                except TractError as exc:
                    errors.append(str(exc))
    assert any("Too many open files" in text for text in errors)
    assert not any("internal error" in text for text in errors)

    object.__new__(Stage).check(scene)


@pytest.mark.parametrize("durability", ["full", "process"])
def test_a_storm_of_signals_disturbs_nothing(tmp_path: Path, durability: str) -> None:
    scene = Scene(tmp_path, [], [], durability=durability)
    storm = 0

    def heard(*_: object) -> None:
        nonlocal storm
        storm += 1

    before = signal.signal(signal.SIGALRM, heard)
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    try:
        with small_journals(20_000):
            open_handle(scene)
            for number in range(60):
                scene.say(f"{number} " + "x" * 500)
                if number % 10 == 9:
                    scene.handle.annotate("HEAD", Priority.SKIP)
                    scene.handle.compile()
                if number % 30 == 29:
                    scene.handle.gc(orphan_retention_days=0)
            command(tmp_path, "fsck")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert storm > 50
    object.__new__(Stage).check(scene)
