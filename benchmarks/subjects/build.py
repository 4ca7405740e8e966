"""Makes a store for the other subjects; nothing is measured."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.harness import read_portions, read_texts
from benchmarks.peers import Peer

_PORTION = 10_000


def measure(peer: type[Peer], *, folder: str, texts: str, gc: bool, one_by_one: bool = False) -> dict[str, Any]:
    one = peer()
    one.open(folder, "process")
    if one_by_one or not peer.names_each or not all(map(one.append_many, read_portions(texts, _PORTION))):
        assert one.append_all(read_texts(texts)) is not None
    if gc:
        one.gc()
    with open(places_file(folder), "w") as file:
        json.dump(one.places, file)
    one.close()
    return {}


def places_file(folder: str) -> str:
    """Where the names of the points of a store are kept: beside it, so that they are not counted."""
    return folder + ".places"


def read_places(folder: str) -> list[str]:
    with open(places_file(folder)) as file:
        found: list[str] = json.load(file)
    return found
