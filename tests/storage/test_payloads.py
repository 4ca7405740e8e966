"""Payloads in pieces: the same list whatever they lie in, unpacked as late and as seldom as can be."""

from __future__ import annotations

from itertools import accumulate

from tract.storage.payloads import Laid, Payloads, Run


def cut(part: Laid | list[bytes]) -> list[bytes]:
    return part.cut() if isinstance(part, Laid) else part


class Frame:
    """A frame of payloads that counts how often it is unpacked."""

    def __init__(self, *payloads: bytes) -> None:
        self.unpacked = 0
        self._data = b"head" + b"".join(payloads)
        self._ends = list(accumulate(map(len, payloads), initial=4))

    def run(self, first: int, number: int) -> Run:
        return Run(self._unpack, first, number)

    def _unpack(self) -> tuple[bytes, list[int]]:
        self.unpacked += 1
        return self._data, self._ends


def test_a_run_and_a_list_are_read_as_one_list() -> None:
    payloads = Payloads([[b"a"], Frame(b"no", b"bc", b"", b"d", b"no").run(1, 3), [], [b"e", b"f"]])

    assert 6 == len(payloads)
    assert [b"a", b"bc", b"", b"d", b"e", b"f"] == list(payloads)
    assert [b"", b"d"] == payloads[2:4]
    assert b"f" == payloads[-1]


def test_nothing_is_unpacked_before_somebody_looks_and_then_once() -> None:
    frame = Frame(b"a", b"b")
    payloads = Payloads([frame.run(0, 2)])

    assert (2, 0) == (len(payloads), frame.unpacked)
    assert [b"b", b"a"] == [payloads[1], payloads[0]]
    assert 1 == frame.unpacked


def test_who_goes_over_all_once_leaves_nothing_in_memory_and_who_does_twice_all() -> None:
    frame = Frame(b"a", b"b")
    payloads = Payloads([frame.run(0, 2), [b"c"]])

    passes = [[cut(part) for part in payloads.parts(3)] for _ in range(4)]

    assert [[[b"a", b"b"], [b"c"]], *[[[b"a", b"b", b"c"]]] * 3] == passes
    assert [b"a", b"b", b"c"] == list(payloads)
    assert 2 == frame.unpacked


def test_who_goes_over_all_and_looks_at_one_meanwhile_gets_each_once() -> None:
    frames = [Frame(b"a", b"b"), Frame(b"c", b"d")]
    payloads = Payloads([frames[0].run(0, 2), frames[1].run(0, 2), [b"e", b"f"]])

    parts = []
    for part in payloads.parts(3):
        parts.append(cut(part))
        assert b"d" == payloads[3]

    assert [[b"a", b"b"], [b"c", b"d", b"e"], [b"f"]] == parts
    assert [2, 1] == [frame.unpacked for frame in frames]


def test_what_stands_behind_a_head_is_told_where_each_has_it() -> None:
    laid = Laid(b"no-ab-c-no", [2, 5, 7, 8])

    assert [b"-ab", b"-c", b"-"] == laid.cut()
    assert [b"ab", b"c", b""] == laid.behind(b"-")
    assert laid.behind(b"-a") is None
