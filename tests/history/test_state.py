"""What a command under way writes down."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest

from tests.making import say
from tract.config import TractConfig
from tract.errors import CherryPickError, MergeError, ObjectCorruptError, RebaseError
from tract.history.state import (
    clear_state,
    clear_text,
    end_state,
    kept_commits,
    read_state,
    read_text,
    states,
    text_path,
    write_state,
    write_text,
)
from tract.maintenance.fsck.check import check_repository
from tract.opening import create_repository, memory_repository, open_repository
from tract.repo import Repository
from tract.transaction import UNDER_WAY, check_idle

ONE = "11" * 32
TWO = "22" * 32


def make_repo(folder: Path, tract: str | None = None) -> Repository:
    path = str(folder / ".tract")
    if not (folder / ".tract").exists():
        create_repository(path, TractConfig())
    return open_repository(path, tract=tract)


def test_a_state_is_what_was_written_until_it_is_cleared(tmp_path: Path) -> None:
    repo = make_repo(tmp_path)
    write_state(repo, "merge", {"branch": "dräft", "step": 1})
    write_state(repo, "merge", {"branch": "dräft", "step": 2})

    assert read_state(repo, "merge") == {"branch": "dräft", "step": 2}
    clear_state(repo, "merge")
    clear_state(repo, "merge")
    assert read_state(repo, "merge") is None


def test_another_handle_finds_the_state(tmp_path: Path) -> None:
    write_state(make_repo(tmp_path), "bisect", {"good": [ONE]})

    assert read_state(make_repo(tmp_path), "bisect") == {"good": [ONE]}


def test_each_tract_has_states_of_its_own_and_gc_hears_of_all(tmp_path: Path) -> None:
    root, other = make_repo(tmp_path), make_repo(tmp_path, "helper")
    write_state(root, "merge", {"keeps": [ONE]})
    write_state(other, "rebase", {"keeps": [TWO, "no id", 7]})

    assert states(root) == ("merge",)
    assert states(other) == ("rebase",)
    assert sorted(id.hex() for id in kept_commits(root)) == [ONE, TWO]


def test_a_store_in_memory_keeps_its_states_too() -> None:
    repo = memory_repository()
    write_state(repo, "merge", {"keeps": [ONE]})

    assert states(repo) == ("merge",)
    assert [id.hex() for id in kept_commits(repo)] == [ONE]
    clear_state(repo, "merge")
    assert states(repo) == ()


@pytest.mark.parametrize(
    ("name", "error"),
    [("merge", MergeError), ("rebase", RebaseError), ("cherry-pick", CherryPickError), ("revert", CherryPickError)],
)
def test_what_is_under_way_stands_in_the_way(name: str, error: type[Exception]) -> None:
    repo = memory_repository()
    check_idle(repo)
    write_state(repo, "bisect", {})
    check_idle(repo)
    write_state(repo, name, {})

    with pytest.raises(error, match=f"a {name} is under way in tract 'root'"):
        check_idle(repo)


def test_every_flipped_bit_and_every_cut_of_a_state_is_found(tmp_path: Path) -> None:
    repo = make_repo(tmp_path)
    write_state(repo, "merge", {"branch": "x"})
    file = tmp_path / ".tract/state/merge"
    whole = file.read_bytes()
    damaged = [whole[:end] for end in range(len(whole))]
    damaged += [
        bytes(b ^ (1 << bit) if at == n else b for at, b in enumerate(whole))
        for n in range(len(whole))
        for bit in range(8)
    ]

    for data in damaged:
        file.write_bytes(data)
        with pytest.raises(ObjectCorruptError):
            read_state(repo, "merge")


def test_fsck_names_a_damaged_state_and_nothing_else_of_the_folder(tmp_path: Path) -> None:
    repo = make_repo(tmp_path)
    write_state(repo, "merge", {"branch": "x"})
    texts = tmp_path / ".tract/state/MERGE_CONFLICTS.md"
    texts.touch(0o600)
    assert check_repository(str(tmp_path / ".tract")).problems == ()

    with (tmp_path / ".tract/state/merge").open("ab") as file:
        file.write(b"x")

    found = check_repository(str(tmp_path / ".tract")).problems
    assert [(p.kind, p.path) for p in found] == [("state-damaged", "state/merge")]


def test_a_text_for_the_user_lies_beside_the_states_of_its_tract(tmp_path: Path) -> None:
    repo = make_repo(tmp_path, "helper")
    write_text(repo, "MERGE_CONFLICTS.md", "dräft\r\n")

    path = tmp_path / ".tract/tracts/helper/state/MERGE_CONFLICTS.md"
    assert (str(path), "dräft\r\n") == (text_path(repo, path.name), read_text(repo, path.name))
    assert 0o600 == path.stat().st_mode & 0o777
    assert () == states(repo)
    clear_text(repo, path.name)
    clear_text(repo, path.name)
    with pytest.raises(FileNotFoundError):
        read_text(repo, path.name)


@pytest.mark.parametrize("name", UNDER_WAY)
def test_what_is_under_way_is_noticed_by_every_commit(tmp_path: Path, name: str) -> None:
    for repo in (make_repo(tmp_path), make_repo(tmp_path, "helper"), memory_repository()):
        write_state(repo, "bisect", {})
        write_state(repo, name, {})
        with pytest.raises(UNDER_WAY[name], match=f"a {name} is under way"):
            say(repo, "x")
        assert repo.head()[1] is None
        clear_state(repo, name)
        say(repo, "x")


def test_where_nothing_is_under_way_there_is_no_folder_to_look_into(tmp_path: Path) -> None:
    repo = make_repo(tmp_path)
    folder = tmp_path / ".tract/state"
    for _ in range(2):
        assert not folder.exists()
        write_text(repo, "MERGE_CONFLICTS.md", "x")
        write_state(repo, "merge", {})
        write_state(repo, "bisect", {})
        end_state(repo, "merge")
        assert ["bisect"] == os.listdir(folder)
        clear_state(repo, "bisect")
        clear_state(repo, "bisect")


def test_a_state_is_written_though_another_process_takes_the_folder_away(tmp_path: Path) -> None:
    repo = make_repo(tmp_path)
    folder = tmp_path / ".tract/state"
    is_done = threading.Event()

    def take_away() -> None:
        while not is_done.wait(0.001):
            with contextlib.suppress(OSError):
                folder.rmdir()

    taker = threading.Thread(target=take_away)
    taker.start()
    try:
        for number in range(20):
            write_state(repo, "bisect", {"number": number})
            assert {"number": number} == read_state(repo, "bisect")
            clear_state(repo, "bisect")
    finally:
        is_done.set()
        taker.join()
