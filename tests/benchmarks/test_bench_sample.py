"""A small sample of the suite, of what needs nothing that tract does not need: each peer gives back what it was given, and the tables are whole."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from benchmarks.harness import Bench, Row, conversation, rows_of
from benchmarks.peers import PEERS, WITHOUT_EXTRAS, Peer, peer_class
from benchmarks.report import as_json, as_markdown, bars, machine
from benchmarks.startup import TYPER, commands, make_store, start
from benchmarks.subjects import append, disk, load
from benchmarks.subjects.build import measure as build

NUMBER = 20
SAID = conversation(NUMBER)
EDITED = {"role": "user", "content": "what was meant"}

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
EACH = [pytest.param(name, marks=needs_git if name.startswith("git") else ()) for name in WITHOUT_EXTRAS]


@pytest.fixture
def open_peer(tmp_path: Path):
    opened: list[Peer] = []

    def open_one(name: str, durability: str = "process") -> Peer:
        opened.append(peer_class(name)())
        opened[-1].open(str(tmp_path), durability)  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def filled(one: Peer) -> Peer:
    times = one.append_all(SAID)
    assert one.append_many(SAID) if times is None else len(times) == NUMBER
    return one


@pytest.mark.parametrize("durability", ["process", "full"])
@pytest.mark.parametrize("name", EACH)
def test_what_was_appended_is_loaded_in_another_handle_and_at_any_earlier_point(open_peer, name, durability):
    one = filled(open_peer(name, durability))
    places = list(one.places)
    one.close()

    again = open_peer(name, durability)

    assert SAID == again.load()
    for at in (1, 7, NUMBER):
        assert again.load_at(at, places[at - 1] if places else None) in (SAID[:at], None)


@pytest.mark.parametrize("name", EACH)
def test_a_fork_has_what_was_there_and_goes_its_own_way(open_peer, name):
    one = filled(open_peer(name))

    if not one.fork("other"):
        pytest.skip("it has no forks")
    one.switch("other")
    told = SAID
    if one.append(EDITED):
        told = [*SAID, EDITED]

    assert told == one.load()
    one.switch("main")
    assert SAID == one.load()


@pytest.mark.parametrize("name", EACH)
def test_an_edit_in_the_middle_changes_one_message(open_peer, name):
    one = filled(open_peer(name))

    if not one.edit(10, one.places, EDITED):
        pytest.skip("it has no edits")

    assert [*SAID[:10], EDITED, *SAID[11:]] == one.load()
    one.gc()
    assert [*SAID[:10], EDITED, *SAID[11:]] == one.load()


def test_every_peer_says_what_it_lacks_or_is_tract_itself():
    assert {"tract"} == {name for name in WITHOUT_EXTRAS if not peer_class(name).lacks}
    assert set(WITHOUT_EXTRAS) < PEERS.keys()


@pytest.mark.parametrize("name", EACH)
def test_what_is_appended_many_at_once_goes_on_what_is_there(open_peer, name):
    one = open_peer(name)
    if not one.append_many(SAID[:15]):
        pytest.skip("it takes one at a time")
    one.close()
    one = open_peer(name)

    one.append_many(SAID[15:])

    assert SAID == one.load()


@pytest.mark.parametrize("how", ["at once", "in a batch"])
def test_many_at_once_and_in_a_batch_are_measured_by_their_rate(tmp_path, how):
    texts = Bench(str(tmp_path), quick=True).texts(NUMBER)

    found = append.measure(
        peer_class("tract"), folder=str(tmp_path), texts=texts, number=NUMBER, durability="process", how=how
    )

    assert {"a second", "cpu µs"} == found.keys()


def test_a_measurement_checks_what_was_loaded_and_gives_numbers(tmp_path):
    bench = Bench(str(tmp_path), quick=True, only=("tract", "JSONL"))
    texts = bench.texts(NUMBER)
    store = bench.new_folder()
    tract = peer_class("tract")

    appended = append.measure(tract, folder=str(tmp_path), texts=texts, number=NUMBER, durability="process")
    build(tract, folder=store, texts=texts, gc=True)
    loaded = load.measure(tract, folder=store, texts=texts, number=NUMBER, seed=1)
    weighed = disk.measure(peer_class("JSONL"), folder=bench.new_folder(), texts=texts, number=NUMBER)

    assert {"a second", "cpu µs", "p50 µs", "p99 µs", "last tenth / first"} == appended.keys()
    assert all(value > 0 for value in (*appended.values(), *loaded.values()))
    assert (1.0, None) == (weighed["before"], weighed["after gc"])


def test_a_child_measures_and_the_report_has_its_rows_and_who_is_missing(tmp_path):
    bench = Bench(str(tmp_path), quick=True, only=("tract", "JSONL"))
    bench.missing["someone"] = "not installed: there is no such package"
    task = {"folder": bench.new_folder(), "texts": bench.texts(5), "number": 5}
    found = bench.interleaved("disk", ["JSONL"], lambda _: task, 1)
    rows = [*rows_of("disk", "5 messages", found), Row("append", "5 messages", "tract", "full", {"a second": 7.0})]
    where = machine()

    text = as_markdown(bench, rows, where)

    assert "| JSONL | " in text
    assert "| someone | | | | | not installed: there is no such package |" in text
    assert "`scripts/bench disk`" in text
    assert ["disk", "append"] == [row["subject"] for row in json.loads(json.dumps(as_json(bench, rows, where)))["rows"]]
    assert bars(rows, "a second", "Commits").startswith("<svg ")
    assert "" == bars(rows, "nothing", "Commits")


def test_a_peer_that_fails_is_missing_with_the_reason_and_the_others_go_on(tmp_path):
    bench = Bench(str(tmp_path), quick=True, only=("JSONL",))

    found = bench.interleaved("memory", ["JSONL"], lambda _: {"folder": "/nowhere", "number": 5, "text": 5}, 1)

    assert {} == found
    assert "JSONL (memory)" in bench.missing


def test_every_command_whose_start_is_measured_runs(tmp_path):
    table = commands(sys.executable, {3: make_store(str(tmp_path), 3)})

    for name, words in table.items():
        cpu, wall = start(words)
        assert 0 < cpu, name
        assert 0 < wall, name
    assert [sys.executable, "-c", "import typer"] == table[TYPER]
