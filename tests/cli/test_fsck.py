"""``tract fsck``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tract import Tract


@pytest.fixture
def damaged(run, tmp_path):
    """A store of two messages with a wrong bit in the journal's header."""
    run("commit", "one")
    run("commit", "two")
    journal = tmp_path / ".tract" / "objects" / "journal"
    data = bytearray(journal.read_bytes())
    data[20] ^= 1
    journal.write_bytes(data)
    return run


def test_a_clean_store_is_told_in_a_line(run):
    run("commit", "one")

    assert (0, "checked 4 objects, 1 commit, 2 refs: no problems\n", "") == run("fsck")


def test_problems_come_with_file_and_offset_and_status_1(damaged):
    outcome = damaged("fsck")

    assert 1 == outcome.status
    assert (
        "error: objects/journal at 16: journal: its header does not match its checksum" == outcome.out.splitlines()[0]
    )


def test_json_has_every_problem(damaged):
    document = damaged("fsck", "--json").json

    (problem,) = document["problems"]
    assert ("journal-header", "error", "objects/journal", 16) == (
        problem["kind"],
        problem["severity"],
        problem["path"],
        problem["offset"],
    )


def test_a_dry_run_says_what_would_be_done_and_does_nothing(damaged, tmp_path):
    before = (tmp_path / ".tract" / "objects" / "journal").read_bytes()

    outcome = damaged("fsck", "--repair", "--dry-run")

    assert 1 == outcome.status
    assert "would repair: objects/journal: " in outcome.out
    assert before == (tmp_path / ".tract" / "objects" / "journal").read_bytes()


def test_repair_brings_everything_back(damaged):
    outcome = damaged("fsck", "--repair")

    assert 0 == outcome.status
    assert outcome.out.endswith("no problems\n")
    assert 2 == len(damaged("log", "--oneline").out.splitlines())
    assert 0 == damaged("fsck").status


def test_repair_of_a_clean_store_does_nothing(run, tmp_path):
    run("commit", "one")

    outcome = run("fsck", "--repair")

    assert 0 == outcome.status
    assert "nothing to repair\n" in outcome.out
    assert not (tmp_path / ".tract" / "aside").exists()


def test_a_conversation_with_a_result_without_its_call_is_a_warning(run):
    run("commit", "--json", '{"role": "tool", "tool_call_id": "c1", "content": "4"}')

    outcome = run("fsck")

    assert 1 == outcome.status
    assert "warning: message " in outcome.out
    assert "no call comes before the tool result 'c1'" in outcome.out


def test_counting_anew_finds_what_was_kept_wrong(run):
    run("commit", "one")
    run("compile")

    assert 0 == run("fsck", "--counts").status


def test_a_folder_that_is_no_store_is_fatal(anywhere):
    assert 128 == anywhere("fsck").status


def _break_the_settings(store: Path) -> None:
    (store / "config.toml").write_text("token_budget = 'x\n")


def _break_the_journal(store: Path) -> None:
    (store / "objects" / "journal").write_bytes(b"x" * 100)


def _lose_the_format(store: Path) -> None:
    (store / "format").unlink()


@pytest.mark.parametrize(
    ("damage", "said", "hint"),
    [
        (
            _break_the_settings,
            "config.toml': ",
            "hint: correct the file in an editor; or run 'tract fsck --repair', which moves it",
        ),
        (_break_the_journal, "objects/journal is damaged", "hint: 'tract fsck' says what is damaged and lost"),
        (_lose_the_format, "it has no format file", "hint: if it was a store, 'tract fsck' says what else is damaged"),
    ],
)
def test_what_meets_damage_says_how_to_go_on(run, tmp_path, damage, said, hint):
    run("commit", "one")
    damage(tmp_path / ".tract")

    outcome = run("status")

    error, told = outcome.err.splitlines()
    assert (128, True, True) == (outcome.status, said in error, told.startswith(hint))


def test_after_a_repair_a_tract_of_which_a_note_is_lost_works_again(run, tmp_path):
    run("commit", "one")
    with Tract.open(tmp_path) as t:
        t.commit({"role": "assistant", "content": "x" * 10}, generation_config={"note": os.urandom(300_000).hex()})
    journal = tmp_path / ".tract" / "objects" / "journal"
    data = bytearray(journal.read_bytes())
    data[len(data.rstrip(b"\0")) // 2] ^= 1  # in the note, which is nearly all of it
    journal.write_bytes(data)
    assert "(reached from 'refs/notes/config')" in run("fsck").out
    assert 128 == run("log").status

    repaired = run("fsck", "--repair")

    assert (1, 1) == (repaired.status, repaired.out.count("\nlost: note about commit "))
    assert (0, 0, 0) == (run("log").status, run("compile").status, run("gc").status)


def test_a_repair_lists_each_lost_object_once(run, tmp_path):
    id = run("commit", "one", "--print-json").json["commit_hash"]
    run("annotate", "HEAD", "pinned", "--reason", "a reason that is lost")
    run("commit", "a message that is lost")
    run("commit", "three")
    journal = tmp_path / ".tract" / "objects" / "journal"
    data = bytearray(journal.read_bytes())
    for words in (b"a reason that is lost", b"a message that is lost"):
        data[data.index(words)] ^= 1
    journal.write_bytes(data)

    lines = run("fsck", "--repair").out.splitlines()

    lost = [line for line in lines if "lost: " in line]
    assert 2 == len(lost)
    assert sorted(line[:30] for line in lost) == [
        f"lost: blob {lost[0][11:27]}: '"[:30],
        f"lost: note about commit {id[:6]}",
    ]
    assert lines.index("after the repair:") > lines.index(lost[1])
    assert 2 == run("fsck").out.count("  lost: content")  # of one only the reflog tells
