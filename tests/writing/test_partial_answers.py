"""A streamed answer is on the disk while it arrives: whatever kills the process, what had come is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.making import make_tract, texts
from tract import ContentValidationError, MessageStream, ObjectCorruptError, RefMovedError, TractWarning

STREAMING = """
import sys, time
from tract import Tract

t = Tract.open(sys.argv[1], durability=sys.argv[2])
with t.stream(metadata={"try": 1}, generation_config={"model": "m"}, message="draft") as s:
    for piece in ("Once ", "upon ", "a time, \\U0001f600"):
        s.write(piece)
        print(piece.strip(), flush=True)
    time.sleep(60)
"""


def killed(path: Path, signal_: int, durability: str = "full") -> int:
    """A process that streams an answer, killed right after it said that the last piece had come; its status."""
    command = [sys.executable, "-c", STREAMING, str(path), durability]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": ":".join(sys.path)}) as child:  # fmt: skip
        assert child.stdout is not None
        for _ in range(3):
            child.stdout.readline()
        child.send_signal(signal_)
        return child.wait(10)


def fail_after(s: MessageStream, piece: str) -> None:
    with s:
        s.write(piece)
        raise KeyError


@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("durability", ["full", "process"])
def test_what_had_come_survives_a_killed_process(tmp_path, signal_, durability):
    with make_tract("Tell me a story.", path=tmp_path) as t:
        head = t.head

    assert -signal_ == killed(tmp_path, signal_, durability)

    with make_tract(path=tmp_path) as t:
        assert ["Tell me a story."] == texts(t)
        [left] = t.status().partial_answers
        assert (left,) == t.partial_answers()
        assert ("Once upon a time, \U0001f600", "assistant", head) == (left.text, left.role, left.head_hash)
        info = t.commit_partial(left)
        assert {"try": 1, "partial": True} == info.metadata
        assert ({"model": "m"}, "draft") == (info.generation_config, info.message)
        assert ["Tell me a story.", "Once upon a time, \U0001f600"] == texts(t)
        assert () == t.partial_answers()
    assert not (tmp_path / ".tract" / "state").exists()


def test_of_a_stream_under_way_and_of_one_that_ended_nothing_is_left(tmp_path):
    with make_tract("hi", path=tmp_path) as t:
        with t.stream() as s:
            assert not (tmp_path / ".tract" / "state").exists()
            s.write("ho")
            assert 1 == len(list((tmp_path / ".tract" / "state").iterdir()))
            with make_tract(path=tmp_path) as other:
                assert () == other.partial_answers()
        assert not (tmp_path / ".tract" / "state").exists()
        s = t.stream()
        with pytest.raises(KeyError):
            fail_after(s, "cut")
        assert () == t.partial_answers()
    assert ["hi", "ho", "cut"] == texts(make_tract(path=tmp_path))


def test_an_answer_that_could_not_be_committed_is_kept(tmp_path):
    with make_tract("hi", path=tmp_path) as t:
        s = t.stream()
        s.write("an answer")
        with make_tract(path=tmp_path) as other:
            other.user("meanwhile")
        with pytest.raises(RefMovedError):
            s.close()
        [left] = t.partial_answers()
        assert "an answer" == left.text
        t.drop_partial(left)
        t.drop_partial(left)
        assert () == t.partial_answers()


def test_a_torn_last_piece_is_left_out_and_a_torn_beginning_is_damage(tmp_path):
    with make_tract("hi", path=tmp_path):
        pass
    killed(tmp_path, signal.SIGKILL)
    [file] = (tmp_path / ".tract" / "state").iterdir()
    data = file.read_bytes()

    with make_tract(path=tmp_path, read_only=True) as t:
        file.write_bytes(data[:-3])
        assert "Once upon " == t.partial_answers()[0].text
        file.write_bytes(data[:10])
        assert () == t.partial_answers()
        file.write_bytes(b"{}\n" + data)
        with pytest.raises(ObjectCorruptError, match="does not begin as a streamed answer"):
            t.partial_answers()


def test_a_disk_that_takes_no_more_costs_no_answer(tmp_path):
    with make_tract("hi", path=tmp_path) as t:
        (tmp_path / ".tract" / "state").write_text("no folder")
        s = t.stream()
        s.write("ho")
        with pytest.warns(TractWarning, match="not on the disk while it arrived"):
            s.close()
        assert "ho" == t.compile().messages[-1].content


def test_what_is_left_harms_neither_fsck_nor_gc_and_the_command_line_names_it(tmp_path, capsys):
    from tract.cli.main import main

    with make_tract("hi", path=tmp_path):
        pass
    killed(tmp_path, signal.SIGKILL)

    assert 0 == main(["-C", str(tmp_path), "fsck"])
    assert 0 == main(["-C", str(tmp_path), "gc"])
    assert 0 == main(["-C", str(tmp_path), "status"])
    assert "A streamed answer was interrupted: 19 characters of " in capsys.readouterr().out
    with make_tract(path=tmp_path) as t:
        t.commit_partial(*t.partial_answers())
        t.user("go on")


def test_a_partial_answer_is_committed_where_it_was_to_go(tmp_path):
    with make_tract("hi", path=tmp_path):
        pass
    killed(tmp_path, signal.SIGKILL)
    with make_tract(path=tmp_path) as t:
        [left] = t.partial_answers()
        assert "main" == left.branch
        t.branch("side", switch=True)
        with pytest.raises(ContentValidationError, match="the partial answer is of branch 'main', and this is 'side'"):
            t.commit_partial(left)
        t.switch("main")
        t.user("are you there?")
        with pytest.raises(RefMovedError):
            t.commit_partial(left)
        assert (left,) == t.partial_answers()
    with make_tract(path=tmp_path, on_moved="append") as t:
        t.commit_partial(left)
        assert "Once upon a time, \U0001f600" == texts(t)[-1]
