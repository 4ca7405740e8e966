"""Streams into a store, and whole stores of which a file is not what it was."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

from blake3 import blake3

from tests.fuzz.store_targets import fill, new_repository
from tests.fuzz.target import RefusedError, Target, check, scratch
from tract.config import TractConfig
from tract.errors import TractError
from tract.history.commit import Draft, write_commits
from tract.maintenance.fsck.check import check_repository, examine
from tract.maintenance.fsck.conversation import conversation_problems, count_problems
from tract.maintenance.fsck.repair import run_repair
from tract.maintenance.fsck.repair_plan import plan_repair
from tract.maintenance.stream.dump import ExportPlan, plan_store_export, write_stream
from tract.maintenance.stream.load import import_stream
from tract.opening import create_repository, open_repository
from tract.refs.store import ANY
from tract.revision import resolve_revision
from tract.tokens.counter import EstimateTokenCounter

_MAKES = re.compile(r"what is said of \w+ ([0-9a-f]{64}) makes ([0-9a-f]{64})")


def _stream(data: bytes) -> None:
    """Import a stream into a store that is new, with every id and the check at the end put right first."""
    lines = data.decode("utf-8", "surrogateescape")
    for _ in range(4):
        head = lines[: lines.rfind('{"end"')] if '{"end"' in lines else lines
        encoded = head.encode("utf-8", "surrogateescape")
        sealed = encoded + f'{{"end":"{blake3(encoded).hexdigest()[:32]}"}}\n'.encode()
        repo = open_repository(str(_empty_store()))
        try:
            import_stream(repo, io.BytesIO(sealed))
            resolve_revision(repo, "HEAD")
        except TractError as exc:
            made = _MAKES.search(str(exc))
            if made is None:
                raise
            lines = lines.replace(made[1], made[2])
            continue
        finally:
            changed = any(isinstance(value, bytes) for _, value in repo.refs.list())
            repo.close()
            if changed:
                shutil.rmtree(scratch() / "empty")
        return
    raise RefusedError("more than a few ids are wrong")


def _stream_as_it_is(data: bytes) -> None:
    repo = open_repository(str(_empty_store()))
    try:
        import_stream(repo, io.BytesIO(data))
    finally:
        changed = any(isinstance(value, bytes) for _, value in repo.refs.list())
        repo.close()
        if changed:
            shutil.rmtree(scratch() / "empty")


def _empty_store() -> Path:
    """A store without a commit."""
    path = scratch() / "empty" / ".tract"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        create_repository(str(path), TractConfig(author="ada"))
    return path


@cache
def _streams() -> tuple[bytes, ...]:
    streams = []
    for operations in (False, True):
        repo = new_repository()
        plan: ExportPlan = plan_store_export(repo, operations=operations)
        stream = io.BytesIO()
        write_stream(repo, plan, stream.write)
        streams.append(stream.getvalue())
    return tuple(streams)


# Whole stores


@cache
def _seed_store() -> Path:
    """A store with a pack, a journal, a loose object and caches."""
    path = scratch() / "seed-store" / ".tract"
    path.parent.mkdir(exist_ok=True)
    create_repository(str(path), TractConfig(author="ada"))
    repo = open_repository(str(path))
    fill(repo, messages=12)
    with repo.objects.lock():
        repo.objects.seal(*repo.refs.keyframe(repo.refs.last, "seal"))  # type: ignore[attr-defined]
    write_commits(repo, [Draft({"content_type": "freeform", "payload": {"after": "the seal"}}, time=100)])
    repo.close()
    cut_off(path)
    return path


def cut_off(store: Path) -> None:
    """Take the zeros off the journal, which only make inputs longer."""
    journal = store / "objects" / "journal"
    journal.write_bytes(journal.read_bytes().rstrip(b"\0"))


def _files() -> list[str]:
    store = _seed_store()
    return sorted(
        str(path.relative_to(store)) for path in store.rglob("*") if path.is_file() and "locks" not in path.parts
    )


def _damaged_store(use: Callable[[Path], None]) -> Callable[[bytes], None]:
    """*use* on a store in which one file, chosen by the first byte, has the rest as its bytes."""

    def run(data: bytes) -> None:
        check(bool(data), "no file")
        names = _files()
        file = _seed_store() / names[data[0] % len(names)]
        before = file.read_bytes()
        file.write_bytes(data[1:])
        try:
            use(_seed_store())
        finally:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(before)
            file.chmod(0o600)

    return run


def _stores() -> tuple[bytes, ...]:
    return tuple(bytes([n]) + (_seed_store() / name).read_bytes() for n, name in enumerate(_files()))


def _fsck(store: Path) -> None:
    found = examine(str(store))
    problems = [*found.report.problems, *conversation_problems(found), *count_problems(found, EstimateTokenCounter())]
    check(all(problem.severity != "error" for problem in problems), "damaged")


def _open(store: Path) -> None:
    """Read all of a store that was made for no lock and no repair to change it: what opening writes is put back."""
    copy = scratch() / "copy" / ".tract"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(store, copy)
    repo = open_repository(str(copy))
    try:
        list(repo.refs.history())
        for id, _ in repo.objects.ids():
            repo.objects.read(id)
        write_commits(repo, [Draft({"content_type": "freeform", "payload": {}}, time=101)], expected=ANY)
    finally:
        repo.close()


def _repair(store: Path) -> None:
    copy = scratch() / "copy" / ".tract"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(store, copy)
    run_repair(plan_repair(check_repository(str(copy))))


TARGETS = (
    Target("fast-import", _stream_as_it_is, _streams, weight=1),
    Target("fast-import-proved", _stream, _streams, weight=3),
    Target("store-fsck", _damaged_store(_fsck), _stores, weight=2),
    Target("store-open", _damaged_store(_open), _stores, weight=2),
    Target("store-repair", _damaged_store(_repair), _stores, weight=1),
)
