"""A sample of what ``scripts/fuzz`` does at length: whatever bytes a decoder is given, only tract's own errors come out."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.mutations import hostile
from tests.fuzz.table import TARGETS
from tests.fuzz.target import Target, feed

EXAMPLES = 8
"""For each eighth of a full weight."""

each_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())


@each_target
def test_every_seed_is_taken(target: Target) -> None:
    seeds = target.seeds()

    assert seeds
    assert [True] * len(seeds) == [feed(target, seed) for seed in seeds]


@each_target
def test_only_errors_of_tract_come_out(target: Target) -> None:
    @settings(
        max_examples=max(5, EXAMPLES * target.weight),
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(hostile(target))
    def run(data: bytes) -> None:
        feed(target, data)

    run()


@each_target
def test_nothing_and_a_little_of_anything_are_no_trouble(target: Target) -> None:
    feed(target, b"")
    for byte in range(0, 256, 5 if target.weight > 4 else 17):
        feed(target, bytes([byte]))
